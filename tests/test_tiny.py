"""The whole stack in one small run: two PEs boot, one sends an SGI, the other takes it at its vector. It runs before all other tests."""
from pathlib import Path

import pytest

from sim.machine import Machine
from sim.result import Result

INTID = 5
SOURCE = """
        .equ    GICD, 0x08000000
        .equ    GICR, 0x080a0000                // two frames of 64 KiB for each PE
_start:
        mrs     x19, MPIDR_EL1
        and     x19, x19, #0xff
        adr     x0, vectors
        msr     VBAR_EL1, x0
        mov     x0, #7
        msr     ICC_SRE_EL1, x0
        isb                                     // the system register interface is on before it is used
        mov     x0, #0xff
        msr     ICC_PMR_EL1, x0
        mov     x0, #1
        msr     ICC_IGRPEN1_EL1, x0
        isb                                     // group 1 is enabled before an SGI can come
        cbnz    x19, target

sender: ldr     x1, =GICD
        mov     w0, #0x12                       // affinity routing, group 1
        str     w0, [x1]
        adr     x1, ready
1:      ldr     w0, [x1]
        cbz     w0, 1b
        movz    x0, #0x0500, lsl #16            // INTID 5
        orr     x0, x0, #2                      // to the PE with Aff0 = 1
        msr     ICC_SGI1R_EL1, x0
        isb
2:      wfi
        b       2b

target: ldr     x1, =GICR + 0x20000
        str     wzr, [x1, #0x14]                // WAKER: awake
        add     x1, x1, #0x10000
        mvn     w0, wzr
        str     w0, [x1, #0x80]                 // IGROUPR0: all in group 1
        mov     w0, #1 << 5
        str     w0, [x1, #0x100]                // ISENABLER0
        adr     x1, ready
        mov     w0, #1
        dsb     sy                              // the redistributor is set up before the sender is told
        str     w0, [x1]
        msr     DAIFClr, #2
3:      wfi
        b       3b

        .balign 0x800
vectors:
        .org    vectors + 0x280
        mrs     x20, ICC_IAR1_EL1
        mrs     x21, ELR_EL1
        msr     ICC_EOIR1_EL1, x20
        adr     x1, exit_block
        mov     w0, #0x18                       // SYS_EXIT
        hlt     #0xf000
        .org    vectors + 0x800

        .balign 8
exit_block:
        .quad   0x20026, 0
ready:  .word   0
        .balign 8
        .ltorg
"""


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tiny") / "tiny.s"
    path.write_text(SOURCE)
    return path


def run(source: Path, **settings: object) -> tuple[Machine, Result]:
    machine = Machine(pes=2, start="all", ram_bytes=1 << 24, **settings).load(source)
    return machine, machine.run(budget_cycles=1_000_000)


@pytest.mark.parametrize("interleaving", ["block", "quantum", "instruction"])
def test_one_pe_takes_the_sgi_that_another_has_sent(source: Path, interleaving: str) -> None:
    machine, result = run(source, interleaving=interleaving)
    assert str(result.verdict).startswith("verdict: exited PE 1")
    assert result.exit_status == 0
    assert result.registers[1]["x20"] == INTID, "IAR gave another interrupt"
    assert machine.symbol(result.registers[1]["x21"]) in ("target+0x30", "target+0x34"), "not interrupted in or before its waiting loop"
    assert [registers["x19"] for registers in result.registers] == [0, 1]


def test_the_event_log_tells_the_story_in_order(source: Path) -> None:
    _, result = run(source)
    sent, entered = result.events.of("sgi"), result.events.of("entry")
    acknowledged, ended = result.events.of("interrupt_acknowledged"), result.events.of("interrupt_ended")
    assert len(sent) == len(entered) == len(acknowledged) == len(ended) == 1
    assert (int(sent[0]["pe"]), int(sent[0]["aux"]), int(sent[0]["a"])) == (0, INTID, 1)
    assert (int(entered[0]["pe"]), int(entered[0]["aux"])) == (1, 0x280)
    assert int(acknowledged[0]["aux"]) == int(ended[0]["aux"]) == INTID
    assert sent[0]["cycle"] < sent[0]["b"] <= entered[0]["cycle"] <= acknowledged[0]["cycle"] <= ended[0]["cycle"]


def test_the_same_seed_gives_the_same_log(source: Path) -> None:
    first, second = run(source, seed=3)[1], run(source, seed=3)[1]
    assert bytes(first.events) == bytes(second.events)
    assert len(first.events) > 5
