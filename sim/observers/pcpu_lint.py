"""What exception handlers touch before they return, read from the code alone: every page that a handler cannot do without.

From each slot of a vector table the code is followed through branches, both ways of conditional ones, and calls, each in the context of its
callers, until ERET; on the way a small part of what instructions do with registers is computed (`entry_step`), so that each load and store
gets an object and an offset. Calls through a pointer in the kernel's globals lead to every function that some code of the image is seen to
store there.

Exact: which instructions can be reached, as long as no call is unresolved (each such is in `unresolved`); every access of them is listed.
Approximate: an object is what the address is computed from (an index that is not known leaves the offset unknown; a pointer from memory is
called after the place that it was loaded from); a path is taken to be possible if each of its branches alone is; a function that a pointer
may lead to is taken to be there from the start. Paths that never reach ERET, as those to a panic, are marked so.
Not modelled: code that is changed or loaded at run time, values that pass through memory other than stack and constants in globals.
"""
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import capstone

from sim.arch.vectors import SLOT_BYTES, SLOTS
from sim.observers.entry_step import WRITE, Access, Known, decoder, register_of, step
from sim.observers.entry_values import NUMBER, PCPU_BASE, Memory, Registers, Value

CONTEXT_MOST = 16                       # calls inside each other
VISITS_MOST = 400_000                   # of instructions; beyond that the report says that it is incomplete
_INSTRUCTION_BYTES = 4
_ENDS = ("eret", "hlt", "brk", "udf")
_ESCAPES_TO_EL2 = ("hvc", "smc", "svc")
_PCPU_REGISTER = 18
Context = tuple[int, ...]
Node = tuple[Context, int]


@dataclass(frozen=True, slots=True)
class Code:
    """A loaded image, as it is read. word: the instruction at an address, None outside the image. is_code: whether an address may be called."""

    word: Callable[[int], int | None]
    is_code: Callable[[int], bool]
    known: Known


@dataclass
class SlotReport:
    """What is reached from one slot of the table: accesses by instruction, in the order of reading; the code; what could not be followed.

    returns: whether ERET is reached at all. on_error_path: instructions from which it is not. unresolved: branches to nobody knows where.
    """

    offset: int
    accesses: dict[int, list[Access]] = field(default_factory=dict)
    code: set[int] = field(default_factory=set)
    returns: bool = False
    on_error_path: set[int] = field(default_factory=set)
    unresolved: set[int] = field(default_factory=set)
    is_complete: bool = True

    def used(self) -> list[tuple[int, Access]]:
        """(address, access) of what lies on a way to ERET, about in the order of execution."""
        return [(pc, access) for pc in self.accesses if pc not in self.on_error_path for access in self.accesses[pc]]


def lint_vectors(code: Code, table: int) -> list[SlotReport]:
    """All sixteen slots of the vector table at an address."""
    walker = _Walker(code)
    return [walker.slot(table, number * SLOT_BYTES) for number in range(SLOTS)]


def stored_constants(code: Code, functions: Iterable[int]) -> tuple[Memory, list[int]]:
    """Which constants the code of an image stores at constant addresses, pointers to handlers above all; and what it writes to VBAR_EL1.

    Each function is read by itself, with calls followed one level deep: a function that is handed an address and stores there is seen.
    """
    walker = _Walker(code, depth_most=1)
    for function in functions:
        walker.function(function)
    return {address: frozenset(values) for address, values in walker.stored.items()}, sorted(walker.tables)


class _Walker:
    """Follows code. Each node is an instruction in the context of its callers; a node is read again when less is known there than before."""

    def __init__(self, code: Code, depth_most: int = CONTEXT_MOST) -> None:
        self.code, self.depth_most = code, depth_most
        self.decoder = decoder()
        self.decoded: dict[int, capstone.CsInsn | None] = {}
        self.stored: dict[int, set[int]] = {}
        self.tables: set[int] = set()
        self.visits = 0

    def slot(self, table: int, offset: int) -> SlotReport:
        """Everything that is reached from a slot."""
        report = SlotReport(offset)
        self.visits = 0
        edges = self._walk(table + offset, Registers(), report)
        self._mark_error_paths(report, edges)
        return report

    def function(self, address: int) -> None:
        """Read a function for what it stores; x18 is pcpu, as everywhere in a kernel that keeps it there."""
        self.visits = 0
        registers = Registers()
        registers.write(_PCPU_REGISTER, Value(PCPU_BASE))
        self._walk(address, registers, SlotReport(0))

    def _walk(self, start: int, registers: Registers, report: SlotReport) -> dict[Node, list[Node]]:
        first: Node = ((), start)
        states, waiting, edges = {first: registers}, [first], dict[Node, list[Node]]()
        found: dict[Node, Access] = {}
        while waiting:
            node = waiting.pop()
            self.visits += 1
            if self.visits > VISITS_MOST:
                report.is_complete = False
                break
            instruction = self._decode(node[1])
            if instruction is None:
                report.unresolved.add(node[1])
                edges[node] = []
                continue
            after = states[node].copy()
            self._note_store(instruction, after)
            access = step(instruction, after, self.code.known)
            if access is not None:
                found[node] = access
            successors = self._next(node, instruction, after, report)
            edges[node] = [successor for successor, _ in successors]
            for successor, state in successors:
                if successor not in states:
                    states[successor] = state.copy()
                    waiting.append(successor)
                elif states[successor].join(state):
                    waiting.append(successor)
        for (_, pc), access in found.items():
            several = report.accesses.setdefault(pc, [])
            if access not in several:
                several.append(access)
        report.code = {pc for _, pc in edges}
        return edges

    def _decode(self, pc: int) -> capstone.CsInsn | None:
        if pc not in self.decoded:
            word = self.code.word(pc)
            data = b"" if word is None else word.to_bytes(_INSTRUCTION_BYTES, "little")
            self.decoded[pc] = next(self.decoder.disasm(data, pc), None)
        return self.decoded[pc]

    def _note_store(self, instruction: capstone.CsInsn, registers: Registers) -> None:
        """Remember a constant that is stored at a constant address, or written to VBAR_EL1."""
        if instruction.mnemonic == "msr" and instruction.op_str.startswith("vbar_el1"):
            register = register_of(instruction, 1)
            self.tables |= registers.read(register).numbers() if register is not None else frozenset()
            return
        if not instruction.mnemonic.startswith(("str", "stp", "stlr")) or instruction.mnemonic.endswith(("b", "h")):
            return
        trial = registers.copy()
        access = step(instruction, trial, self.code.known)
        if access is None or access.how != WRITE or access.place.base != NUMBER or not access.place.exact:
            return
        for place in range(2 if instruction.mnemonic == "stp" else 1):
            register = register_of(instruction, place)
            value = registers.read(register).number if register is not None else None
            if value:
                self.stored.setdefault(access.place.offset + place * access.size_bytes // (2 if instruction.mnemonic == "stp" else 1),
                                       set()).add(value)

    def _next(self, node: Node, instruction: capstone.CsInsn, after: Registers, report: SlotReport) -> list[tuple[Node, Registers]]:
        """Where execution goes on, and with which registers."""
        context, pc = node
        name, behind = instruction.mnemonic, pc + _INSTRUCTION_BYTES
        if name in _ENDS:
            report.returns |= name == "eret"
            return []
        if name == "ret":
            return [((context[:-1], context[-1]), after)] if context else []
        if name in ("b", "bl") or name.startswith(("b.", "cbz", "cbnz", "tbz", "tbnz")):
            target = instruction.operands[-1].imm
            if name == "bl":
                return self._call(context, behind, [target], after)
            ways = [target] if name == "b" else [target, behind]
            return [((context, way), after) for way in ways]
        if name in ("br", "blr"):
            register = register_of(instruction, 0)
            targets = sorted(one for one in after.read(register).numbers() if self.code.is_code(one)) if register is not None else []
            if not targets:
                report.unresolved.add(pc)
            if name == "blr":
                return self._call(context, behind, targets, after)
            if targets:
                return [((context, target), after) for target in targets]
            after.forget_call()
            return [((context[:-1], context[-1]), after)] if context else []
        if name in _ESCAPES_TO_EL2:
            after.forget_call()
        return [((context, behind), after)]

    def _call(self, context: Context, behind: int, targets: list[int], after: Registers) -> list[tuple[Node, Registers]]:
        """Into each function; past the call, knowing less, where it is not followed."""
        if targets and len(context) < self.depth_most and behind not in context:
            return [(((*context, behind), target), after) for target in targets]
        after.forget_call()
        return [((context, behind), after)]

    def _mark_error_paths(self, report: SlotReport, edges: Mapping[Node, list[Node]]) -> None:
        """Instructions from which no way leads to ERET."""
        sources: dict[Node, list[Node]] = {}
        for node, successors in edges.items():
            for successor in successors:
                sources.setdefault(successor, []).append(node)
        waiting = [node for node in edges if (found := self._decode(node[1])) is not None and found.mnemonic == "eret"]
        alive = set(waiting)
        while waiting:
            for source in sources.get(waiting.pop(), ()):
                if source not in alive:
                    alive.add(source)
                    waiting.append(source)
        report.on_error_path = report.code - {pc for _, pc in alive}

