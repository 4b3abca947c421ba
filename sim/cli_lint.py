"""`quiesce lint`: what exception handlers touch before they return, and under which schemes that may be in a window.

The code is read, not run (`sim.observers.pcpu_lint`). Which object an address belongs to follows from the layout that the kernel was built
with; of a kernel that is not built on `asm/` only pcpu, stack and the image are told apart.
"""
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from firmware.kernels import Kernel
from firmware.layout import (
    GLOBAL_OFFSETS,
    KMEM_OFFSETS,
    MP_OFFSETS,
    PCPU_OFFSETS,
    PMAP_OFFSETS,
    RENDEZVOUS_OFFSETS,
    THREAD_OFFSETS,
)
from firmware.schemes import SCHEMES
from sim.arch.memory_map import PAGE_BYTES, RAM_PA
from sim.arch.vectors import TABLE_BYTES, vector_name
from sim.cli_detect import protecting_schemes
from sim.errors import UserError
from sim.loader.image import Image
from sim.observers.entries import wrapped
from sim.observers.entry_step import Known
from sim.observers.entry_values import NUMBER, PCPU_BASE, STACK_BASE, TABLES_BASE, THREAD_BASE, UNKNOWN_BASE, Value
from sim.observers.objects import DATA, PCPU, STACK, THREAD
from sim.observers.pcpu_lint import Code, SlotReport, lint_vectors, stored_constants
from sim.report import columns

_UPPER_HALF = 1 << 63
_NOT_MOVED = ""                         # kind of what no scheme is about


@dataclass(frozen=True, slots=True)
class Row:
    """One access on the way from a vector to ERET. object: a phrase; kind: of `sim.observers.objects`, "" for what is never in a window;
    offset: from the object's start, None where it is not known; name: of the field there."""

    table: int
    slot: int
    pc: int
    place: str
    how: str
    object: str
    kind: str
    offset: int | None
    name: str
    size_bytes: int
    may_return: bool


@dataclass(frozen=True)
class LintReport:
    """All rows of an image, with what could not be followed. pages: of instructions, by slot; is_ours: whether the kernel is
    built on `asm/`, whose image is identity-mapped and never in a window; protects: kind of object -> schemes that keep it."""

    name: str
    tables: tuple[int, ...]
    rows: tuple[Row, ...]
    pages: Mapping[tuple[int, int], tuple[int, ...]]
    unresolved: tuple[tuple[int, str], ...]
    is_complete: bool
    own_scheme: str | None
    is_ours: bool
    protects: Mapping[str, tuple[str, ...]]

    def losing(self, kind: str) -> tuple[str, ...]:
        """The schemes under which an object of this kind may be in a window that a handler does not survive."""
        return tuple(scheme.name for scheme in SCHEMES if kind and scheme.name not in self.protects[kind])

    def used(self) -> list[Row]:
        """The rows on a way to ERET."""
        return [row for row in self.rows if row.may_return]

    def objects(self) -> dict[tuple[str, str], list[Row]]:
        """Rows on a way to ERET by (kind, object), those that a scheme is about first."""
        found: dict[tuple[str, str], list[Row]] = {}
        for row in self.used():
            found.setdefault((row.kind, row.object), []).append(row)
        return dict(sorted(found.items(), key=lambda one: (one[0][0] == _NOT_MOVED, one[0])))

    def to_json(self) -> dict[str, Any]:
        """Every row, those on a way to a panic included; addresses in hexadecimal."""
        return {
            "image": self.name, "scheme": self.own_scheme, "tables": [hex(table) for table in self.tables], "complete": self.is_complete,
            "rows": [{"table": hex(row.table), "slot": vector_name(row.slot), "pc": hex(row.pc), "instruction": row.place, "access": row.how,
                      "object": row.object, "kind": row.kind, "offset": row.offset, "field": row.name, "size_bytes": row.size_bytes,
                      "may_return": row.may_return, "in_window_under": list(self.losing(row.kind))} for row in self.rows],
            "instruction_pages": {f"{hex(table)} {vector_name(slot)}": [hex(page) for page in pages]
                                  for (table, slot), pages in self.pages.items()},
            "unresolved": [{"pc": hex(pc), "instruction": place} for pc, place in self.unresolved],
            "objects": [{"object": name, "kind": kind, "accesses": len(rows), "protected_under": list(self.protects.get(kind, ())),
                         "in_window_under": list(self.losing(kind))} for (kind, name), rows in self.objects().items()],
        }


class _Objects:
    """Which object an address or a value belongs to. constants: those that the kernel was built with, empty if it is not one of ours."""

    def __init__(self, image: Image, constants: Mapping[str, int], pes: int) -> None:
        self.image, self.constants, self.pes = image, constants, pes
        self._regions = self._of_layout() if constants else []
        self._fields = {PCPU_BASE: PCPU_OFFSETS if constants else {}, THREAD_BASE: THREAD_OFFSETS}
        self._globals = dict(GLOBAL_OFFSETS) | {
            name: constants[base] + offset
            for base, fields in (("G_PMAP", PMAP_OFFSETS), ("G_RENDEZVOUS", RENDEZVOUS_OFFSETS), ("G_KMEM", KMEM_OFFSETS)) for name, offset in fields.items()} if constants else {}

    def _of_layout(self) -> list[tuple[int, int, str, str]]:
        """(first address, bytes, object, kind)."""
        known = self.constants
        return [
            (known["GLOBALS_VA"], PAGE_BYTES, "globals", DATA), (known["MP_VA"], PAGE_BYTES, "globals of start and stop", DATA),
            (known["THREADS_VA"], known["THREAD_BYTES"] * self.pes, "thread", THREAD),
            (known["PCPU_VA"], known["PCPU_BYTES"] * self.pes, "pcpu", PCPU),
            (known["STACK_RUN_VA"], known["STACK_STRIDE_BYTES"] * self.pes, "stack", STACK),
            (known["KMEM_VA"], known["KMEM_PAGES"] * PAGE_BYTES, "kernel memory", DATA),
            (known["DMAP_VA"], self.constants["RAM_BLOCKS"] * known["BLOCK_BYTES"], "the direct map", DATA),
        ]

    def of(self, value: Value) -> tuple[str, str, int | None, str]:
        """(object, kind, offset, field) of what a value points to."""
        offset = value.offset if value.exact else None
        if value.base == STACK_BASE:
            return "stack", STACK, offset, ""
        if value.base in self._fields:
            return value.base, PCPU if value.base == PCPU_BASE else THREAD, offset, self._field(self._fields[value.base], offset)
        if value.base == TABLES_BASE:
            return "translation tables", DATA, None, ""
        if value.base == NUMBER:
            return self._of_address(value.offset, value.exact)
        if value.base == UNKNOWN_BASE:
            return "unknown", DATA, None, ""
        source, _, text = value.base[1:].partition("+")
        name = self._field(self._fields.get(source, {}), int(text, 16)) if source != NUMBER else self._of_address(int(text, 16), True)[3]
        return f"*{name or value.base[1:]}", DATA, offset, ""

    def _of_address(self, address: int, exact: bool) -> tuple[str, str, int | None, str]:
        for first, size_bytes, name, kind in self._regions:
            if 0 <= address - first < size_bytes:
                offset = address - first if exact else None
                fields = self._globals if name == "globals" else MP_OFFSETS if "start" in name else {}
                return name, kind, offset, self._field(fields, address - first)
        for part in self.image.segments:
            if 0 <= address - part.pa < part.size_bytes:
                return "image", _NOT_MOVED if self.constants else DATA, address - part.pa, self.image.symbols.find(address) or ""
        if address & _UPPER_HALF:
            return "kernel address", DATA, None, ""
        if not self.constants:
            return "address", DATA, address if exact else None, ""
        return ("identity map", _NOT_MOVED, None, "") if address >= RAM_PA else ("device", _NOT_MOVED, address, "")

    @staticmethod
    def _field(fields: Mapping[str, int], offset: int | None) -> str:
        """The field at an offset, or the one that it lies behind."""
        if offset is None or not fields:
            return ""
        name, start = max(((name, start) for name, start in fields.items() if start <= offset), key=lambda one: one[1], default=("", 0))
        return name if start == offset or not name else f"{name}+{offset - start:#x}"


def lint_image(image: Image, constants: Mapping[str, int], pes: int, vbar: str | None = None, scheme: str | None = None) -> LintReport:
    """Read every vector table of an image: that of `vbar`, else all that its code writes to VBAR_EL1.

    constants: those that a kernel built on `asm/` was assembled with, else empty. Raises UserError where there is no such table.
    """
    ours = constants if "GLOBALS_VA" in constants else {}
    pointers: dict[tuple[str, int], Value] = {}
    sizes: dict[int, int] = {}
    if ours:
        pointers = {(PCPU_BASE, ours["PC_CURTHREAD"]): Value(THREAD_BASE), (PCPU_BASE, ours["PC_GICR"]): Value(NUMBER, ours["GICR_PA"], False)}
        sizes = {ours["GLOBALS_VA"] + ours["G_IRQ_HANDLERS"]: 8 * ours["IRQ_HANDLERS"]}

    def word(address: int) -> int | None:
        for part in image.segments:
            if 0 <= address - part.pa <= len(part.data) - 4:
                return int.from_bytes(part.data[address - part.pa:address - part.pa + 4], "little")
        return None

    def is_code(address: int) -> bool:
        return address % 4 == 0 and word(address) is not None

    functions = sorted({image.entry_pa} | {address for _, address in image.symbols.items() if is_code(address)})
    memory, written = stored_constants(Code(word, is_code, Known({}, pointers, sizes)), functions)
    tables = _tables(image, written, vbar, is_code)
    code = Code(word, is_code, Known(memory, pointers, sizes))
    slots = [(table, slot) for table in tables for slot in lint_vectors(code, table)]
    rows = tuple(_rows(image, _Objects(image, ours, pes), slots))
    pages = {(table, slot.offset): tuple(sorted({pc & ~(PAGE_BYTES - 1) for pc in slot.code - slot.on_error_path}))
             for table, slot in slots if slot.returns}
    lost = sorted({pc for _, slot in slots if slot.returns for pc in slot.unresolved - slot.on_error_path})
    return LintReport(image.name, tuple(tables), rows, pages, tuple((pc, image.symbols.find(pc) or hex(pc)) for pc in lost),
                      all(slot.is_complete for _, slot in slots), scheme, bool(ours), protecting_schemes())


def _tables(image: Image, written: Sequence[int], vbar: str | None, is_code: Any) -> list[int]:
    if vbar is not None:
        address = image.symbols.get(vbar)
        if address is None:
            raise UserError(f"{image.name}: no symbol {vbar!r}")
        return [address]
    tables = [table for table in written if is_code(table)]
    if not tables:
        raise UserError(f"{image.name}: no code is seen to write VBAR_EL1; name the vector table with --vbar")
    return tables


def _rows(image: Image, objects: _Objects, slots: Sequence[tuple[int, SlotReport]]) -> Iterator[Row]:
    for table, slot in slots:
        table_name = image.symbols.find(table) or hex(table)
        for pc, several in slot.accesses.items():
            for access in several:
                name, kind, offset, field = objects.of(access.place)
                place = f"{table_name}+{pc - table:#x}" if 0 <= pc - table < TABLE_BYTES else image.symbols.find(pc) or hex(pc)
                yield Row(table, slot.offset, pc, place, access.how, name, kind, offset, field, access.size_bytes,
                          pc not in slot.on_error_path)


def execute_lint(kernel: str, pes: int | None, vbar: str | None, define: tuple[str, ...], include: tuple[Path, ...], path: Path | None,
                 everything: bool) -> int:
    """Read a kernel and print what its handlers touch. Returns 0; raises UserError for anything wrong with the options."""
    from sim import cli_run, report
    from sim.experiments.kernel_build import choose_kernel

    options = cli_run.Options(kernel=kernel, pes=pes, define=define, include=include)
    chosen = choose_kernel(kernel)
    count = pes if pes is not None else chosen.default_pes if isinstance(chosen, Kernel) else 1
    cli_run.check_writable(path)
    constants = cli_run.kernel_constants(chosen, options, count)
    image = cli_run.load_chosen(chosen, options, constants)
    scheme = kernel if isinstance(chosen, Kernel) and kernel in {one.name for one in SCHEMES} else None
    found = lint_image(image, constants, count, vbar, scheme)
    _print(report.console(), image, found, everything)

    def write(where: Path) -> None:
        where.write_text(json.dumps(found.to_json(), indent=1) + "\n", encoding="utf-8")

    cli_run.write_file(path, write)
    return 0


def _print(target: Console, image: Image, found: LintReport, everything: bool) -> None:
    rows = found.rows if everything else found.used()
    for key in dict.fromkeys((row.table, row.slot) for row in rows):
        several = [row for row in rows if (row.table, row.slot) == key]
        name = image.symbols.find(key[0]) or hex(key[0])
        target.out(f"slot {key[1]:#x} of {name}: {vector_name(key[1])}")
        heading = ["  instruction", "access", "object", "offset", "field", "lost under"]
        for line in columns([heading, *(_cells(found, group) for group in _groups(several, alone=everything))], left=5):
            target.out(line)
        target.out()
    for table_address in found.tables:
        unused = [f"{slot:#x}" for slot in range(0, 0x800, 0x80) if (table_address, slot) not in found.pages]
        name = image.symbols.find(table_address) or hex(table_address)
        target.out(f"{name}: slots that never return: {', '.join(unused) or 'none'}")
        pages = sorted({page for (one, _), several in found.pages.items() if one == table_address for page in several})
        target.out(f"instructions: {', '.join(map(hex, pages))}{', identity-mapped: never in a window' if found.is_ours else ''}")
    for pc, place in found.unresolved:
        target.out(f"not followed: {place} ({pc:#x}) goes where no code of the image is seen to lead it")
    if not found.is_complete:
        target.out("incomplete: there is more code than is followed")
    _print_objects(target, found)


def _print_objects(target: Console, found: LintReport) -> None:
    target.out()
    for (kind, name), rows in found.objects().items():
        keepers = "any scheme: it is never in a window" if kind == _NOT_MOVED else ", ".join(found.protects[kind]) or "no scheme"
        for line in wrapped("", f"{name}, {len(rows)} access{'es' if len(rows) > 1 else ''}: never lost to a handler under {keepers}"):
            target.out(line)
    if found.own_scheme is not None:
        lost = sorted({name for kind, name in found.objects() if kind and found.own_scheme not in found.protects[kind]})
        for line in wrapped("", f"{found.own_scheme} does not keep: {', '.join(lost) or 'nothing of these'}"):
            target.out(line)


def _groups(rows: Sequence[Row], alone: bool) -> Iterator[list[Row]]:
    """Neighbouring instructions of one function that touch one object in one way, together."""
    group: list[Row] = []
    for row in rows:
        if group and not alone and _alike(group[-1], row):
            group.append(row)
            continue
        if group:
            yield group
        group = [row]
    if group:
        yield group


def _alike(one: Row, other: Row) -> bool:
    same = (one.table, one.slot, one.how, one.object) == (other.table, other.slot, other.how, other.object)
    return same and one.place.partition("+")[0] == other.place.partition("+")[0] and one.object == "stack"


def _cells(found: LintReport, rows: Sequence[Row]) -> list[str]:
    first, last = rows[0], rows[-1]
    place = first.place if len(rows) == 1 else f"{first.place}..{last.place.partition('+')[2] or '0'} ({len(rows)})"
    offsets = [row.offset for row in rows if row.offset is not None]
    where = "?" if not offsets else f"{min(offsets):#x}" if len(offsets) == 1 else f"{min(offsets):#x}..{max(offsets):#x}"
    losing = found.losing(first.kind)
    under = "never" if first.kind == _NOT_MOVED else f"{len(losing)} of {len(SCHEMES)} schemes"
    if found.own_scheme is not None and first.kind:
        under = f"{found.own_scheme}: {'yes' if found.own_scheme in losing else 'no'}"
    return [f"  {place}{'' if first.may_return else ' (to a panic)'}", first.how, first.object, where, first.name, under]
