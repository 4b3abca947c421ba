"""The numbers that Python and `asm/` share: one owner, no bare offset in a source, no overlap, FreeBSD's frame."""
import itertools
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware import layout
from firmware.kernels import Kernel, kernels
from sim.errors import UserError

from .conftest import Build, source_files

OPERAND = re.compile(r"\[[^\]]*\]!?(?:\s*,\s*#[^/\n]*)?")

READ_BY_PYTHON_ONLY = {"STACK_GUARD_BYTES"}
#: Second words of pairs that are stored together, the first word of a structure, and choices that are what is left when no other is taken.
NEVER_NAMED = {"CHANGE_ENTRY", "CHANGE_BYTES", "PARK_SPINNING", "ACTIVITY_TRANSLATE", "ENTRY_FREEBSD", "HANDLER_RETRY", "UPDATE_BREAK"}


def bare_offsets(text: str) -> list[str]:
    """Memory operands whose offset (or post-index) is a number without a name."""
    found = []
    for line in text.splitlines():
        for operand in OPERAND.findall(line.split("//")[0]):
            found += [operand for offset in re.findall(r",\s*#([^\],]+)", operand) if not re.search(r"[A-Z_]{2,}", offset)]
    return found


def test_no_source_holds_a_bare_offset(source: Path) -> None:
    assert bare_offsets(source.read_text()) == []


def test_bare_offsets_are_found_and_named_ones_are_not() -> None:
    text = "ldr x0, [x1, #40]\nstp x0, x1, [sp, #-16]!\nldr x0, [x1], #8\nldr x0, [x1, #(3*8)]\n"
    assert len(bare_offsets(text)) == 4
    assert bare_offsets("ldr x0, [x1, #PC_CPUID]\nldr x1, [x1, x2, lsl #3]\nldr x0, [x1], #PAIR_BYTES // [x1, #8]\n") == []


def test_every_name_that_a_source_uses_is_defined_and_every_definition_is_used() -> None:
    code = "\n".join(line.split("//")[0] for path in source_files() for line in path.read_text().splitlines())
    code = re.sub(r'"[^"]*"', "", code)
    own = set(re.findall(r"\.equ\s+(\w+)", code))
    used = set(re.findall(r"(?<=[\s#(+\-*/>^&,=|])[A-Z][A-Z0-9_]+(?:_\w+)*\b", code))
    system = {name for name in used if re.search(r"_EL[01]$", name)} | {"DAIF"}
    defined = set(layout.layout_constants(4))
    options = {name for known in kernels() for name in known.options}
    assert used - own - system - defined - options == {"DAIFSet", "DAIFClr"} & used
    assert (defined | options) - used == READ_BY_PYTHON_ONLY | NEVER_NAMED


def test_the_frame_is_that_of_freebsd() -> None:
    """288 bytes at EL0 and 416 with the gap at EL1, so an empty 16 KB stack takes 39 nested entries."""
    constants = layout.layout_constants(1)
    step = constants["FRAME_BYTES"] + constants["FRAME_GAP_BYTES"]
    assert (constants["FRAME_BYTES"], step, constants["STACK_BYTES"] // step) == (288, 416, 39)


@pytest.mark.parametrize(("offsets", "widths", "limit"), [
    (layout.FRAME_OFFSETS, {"FRAME_X": 240}, layout.FRAME_BYTES),
    (layout.PCPU_OFFSETS, {}, layout.PAGE_BYTES),
    (layout.THREAD_OFFSETS, {}, layout.THREAD_BYTES),
    (layout.RENDEZVOUS_OFFSETS, {"RV_TARGETS": 32, "RV_NCPUS": 4, "RV_IPI_MTX": 4} | {f"RV_WAITERS_{n}": 4 for n in range(4)}, 1024),
    (layout.PCB_OFFSETS, {"PCB_X": 12 * 8}, layout.PCB_BYTES),
    (layout.MP_OFFSETS, {"MP_STOPPED_CPUS": 32, "MP_STARTED_CPUS": 32, "MP_CPUSET_DOMAIN": 32 * layout.DOMAINS_MAX, "MP_SCRATCH": 1024},
     layout.CPUID_TO_PCPU_OFFSET),
    (layout.GLOBAL_OFFSETS, {"G_ALL_PES": 32, "G_EXIT_BLOCK": 16, "G_IRQ_HANDLERS": 256, "G_SCRATCH": 384, "G_RENDEZVOUS": 1024},
     layout.PAGE_BYTES),
])
def test_the_fields_of_a_structure_do_not_overlap(offsets: dict[str, int], widths: dict[str, int], limit: int) -> None:
    end = 0
    for name, offset in sorted(offsets.items(), key=lambda item: item[1]):
        width = widths.get(name, 8)
        assert offset >= end and offset % min(width, 8) == 0, name
        end = offset + width
    assert end <= limit


@given(pes=st.integers(1, 256), stack_pages=st.integers(1, 16), guard_pages=st.integers(0, 4), place=st.integers(0, 511))
def test_no_two_regions_of_memory_overlap(pes: int, stack_pages: int, guard_pages: int, place: int) -> None:
    try:
        c = layout.layout_constants(pes, stack_bytes=stack_pages * 4096, guard_bytes=guard_pages * 4096, pcpu_offset_bytes=place * 4096)
    except UserError:
        assert place + pes > 512            # everything else in these ranges fits
        return
    regions = sorted([(c["IMAGE_PA"], layout.TEXT_BYTES_MAX), (c["TABLES_PA"], c["TABLES_BYTES"]), (c["PCPU_PA"], pes * 4096),
                      (c["DATA_RUN_PA"], c["DATA_PAGES"] * 4096), (c["STACK_RUN_PA"], pes * c["STACK_STRIDE_BYTES"])])
    assert all(low + size <= high for (low, size), (high, _) in itertools.pairwise(regions))
    assert c["PCPU_RUN_PA"] % layout.BLOCK_BYTES == c["PCPU_RUN_VA"] % layout.BLOCK_BYTES == 0
    assert c["STACK_TABLES"] * layout.BLOCK_BYTES >= pes * c["STACK_STRIDE_BYTES"]


@pytest.mark.parametrize("arguments", [
    {"pes": 0}, {"pes": 1000}, {"pes": 1, "rounds": 0}, {"pes": 1, "warmup": -1}, {"pes": 1, "stack_bytes": 1000},
    {"pes": 1, "stack_bytes": 0}, {"pes": 1, "guard_bytes": 1}, {"pes": 2, "pcpu_offset_bytes": 511 * 4096},
    {"pes": 1, "pcpu_offset_bytes": 8}, {"pes": 1, "ram_bytes": 4 << 20},
])
def test_a_value_out_of_range_is_a_users_mistake(arguments: dict[str, int]) -> None:
    with pytest.raises(UserError):
        layout.layout_constants(**arguments)  # type: ignore[arg-type]


def test_the_rendered_text_holds_every_constant_once() -> None:
    constants = layout.layout_constants(4)
    lines = dict(re.findall(r"^\.equ (\w+), (0x[0-9a-f]+)$", layout.render_layout_inc(constants), re.MULTILINE))
    assert {name: int(value, 16) for name, value in lines.items()} == constants


@pytest.mark.gnu
@pytest.mark.parametrize("kernel", kernels(), ids=lambda kernel: kernel.name)
def test_an_image_ends_below_the_tables_and_holds_its_marks(kernel: Kernel, build: Build) -> None:
    image = build(kernel, kernel.build_constants(256))
    assert image.path.stat().st_size <= layout.TEXT_BYTES_MAX
    assert image.symbols["image_text_end"] % layout.PAGE_BYTES == 0 and image.symbols["vector_table_el1"] % 2048 == 0
    assert image.symbols["mark_taken"] == image.symbols["vector_table_el1"] + 0x280
    assert set(kernel.marks) <= image.symbols.keys()


def ends_a_block(word: int) -> bool:
    """Whether an instruction is a branch of any kind, so that the next one begins a basic block (DDI 0487, "Branches ...")."""
    immediate = word & 0x7C00_0000 == 0x1400_0000 or word & 0xFE00_0000 == 0x5400_0000 or word & 0x7C00_0000 == 0x3400_0000
    return immediate or word & 0xFE00_0000 == 0xD600_0000


@pytest.mark.gnu
@pytest.mark.parametrize("name", ["rendezvous", "bench_ipi", "bench_rendezvous", "bench_shootdown"])
def test_every_phase_mark_begins_a_basic_block(name: str, build: Build) -> None:
    """The simulator stamps a mark with the cycle at which its block begins."""
    built_in = next(known for known in kernels() if known.name == name)
    image = build(built_in, built_in.build_constants())
    data = image.path.read_bytes()
    for mark in set(built_in.marks) - {"mark_taken"}:       # that one is a vector: it begins a block by being entered
        offset = image.symbols[mark] - image.symbols["image_start"]
        assert ends_a_block(int.from_bytes(data[offset - 4:offset], "little")), mark
