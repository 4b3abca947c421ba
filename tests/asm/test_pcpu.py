"""A PE whose pcpu lies in a run that another PE promotes: the defect, what length of window it survives, and the landed remedy at its seam."""
from pathlib import Path

import numpy as np
import pytest

from firmware.kernels import ASM_DIRECTORY
from firmware.layout import layout_constants
from sim.machine import Machine
from sim.result import Result
from sim.state.events import BY_NAME

KERNEL = """
        .include "kernel.inc"
        .include "report.inc"
        .include "pmap.inc"
        .include "check.inc"
        .include "pmap_check.inc"
kernel_main:
        bl      pmap_bootstrap
        bl      start_secondaries
        load_constant x0, GLOBALS_VA
        adr     x1, serve_victim
        str     x1, [x0, #G_EL1_SYNC]
        mov     x0, #SGI_PING
        adr     x1, become_victim
        bl      register_irq
        load_constant x0, GLOBALS_VA+G_PMAP
        str     xzr, [x0, #PM_CONTIGUOUS_RUNS]
        load_constant x1, WINDOW_TLBIS
        str     x1, [x0, #PM_WINDOW_TLBIS]
.if FLAGGED
        load_constant x0, GLOBALS_VA+G_KMEM
        adr     x1, alloc_pcpu_flagged
        str     x1, [x0, #KM_PCPU_ALLOC]
.endif
        mov     x0, #0
        bl      alloc_pcpu
        load_constant x1, GLOBALS_VA+G_SCRATCH
        str     x0, [x1]
        mov     x0, #1
        mov     x1, #SGI_PING
        bl      send_sgi
        load_constant x0, GLOBALS_VA+G_SCRATCH
1:      ldr     x1, [x0, #8]
        cbz     x1, 1b
        mov     x0, #0
        load_constant x1, FILL_BYTES
        bl      kmem_malloc_domainset
        load_constant x2, 20000                 // long enough for the victim to come to an end
1:      subs    x2, x2, #1
        b.ne    1b
        load_constant x1, GLOBALS_VA+G_SCRATCH
        ldr     x0, [x1, #16]                   // the victim's calls go on
        load_constant x2, 20000
1:      subs    x2, x2, #1
        b.ne    1b
        ldr     x1, [x1, #16]
        cmp     x0, x1
        cset    x0, eq
        b       exit_with_status
become_victim:                                  // in the handler of the SGI, from which it does not return
        load_constant x1, GLOBALS_VA+G_SCRATCH
        ldr     x0, [x1]
        bl      adopt_pcpu
        load_constant x1, GLOBALS_VA+G_SCRATCH
        mov     x2, #1
        str     x2, [x1, #8]
1:      svc     #0
        ldr     x2, [x1, #16]
        add     x2, x2, #1
        str     x2, [x1, #16]
        b       1b
serve_victim:
        ldr     x1, [x0, #FRAME_ESR]
        lsr     x2, x1, #ESR_EC_SHIFT
        cmp     x2, #EC_SVC64
        b.ne    handle_window_fault
        mov     x0, #0
        ret
alloc_pcpu_flagged:
        push_pair x19, x30
        bl      alloc_pcpu_naive
        mov     x19, x0
        mov     x1, #PCPU_BYTES
        bl      pmap_disable_promotion
        mov     x0, x19
        pop_pair x19, x30
        ret
        .balign PAGE_BYTES, 0
image_text_end:
"""


def promote_under_the_victim(place: Path, window_tlbis: int, flagged: bool = False, seed: int = 0, stack_bytes: int = 16384) -> Result:
    """PE 1 calls SVC for ever; PE 0 fills the run that holds PE 1's pcpu. Exit status 0: PE 1 went on calling to the end."""
    source = place / "victim.s"
    source.write_text(KERNEL)
    machine = Machine(pes=2, seed=seed, events=("entry", "fault", "tlbi"))
    constants = layout_constants(2, stack_bytes=stack_bytes) | {"WINDOW_TLBIS": window_tlbis, "FLAGGED": int(flagged)}
    return machine.load(source, constants=constants, include_dirs=[ASM_DIRECTORY]).run()


def faults_of_the_victim(result: Result) -> int:
    events = result.events.array()
    return int(np.count_nonzero((events["kind"] == BY_NAME["fault"].number) & (events["pe"] == 1)))


@pytest.mark.parametrize("stack_bytes", [4096, 8192])
def test_a_promotions_own_window_uses_up_the_victims_stack(stack_bytes: int, tmp_path: Path) -> None:
    """One frame of 416 bytes for each fault. Below them lie that of the SGI, two pairs that its dispatcher pushed, and that of the SVC."""
    result = promote_under_the_victim(tmp_path, 0, stack_bytes=stack_bytes)
    assert (result.verdict.kind, result.verdict.pe) == ("recursion", 1)
    nested = (stack_bytes - 416 - 2 * 16 - 416) // 416 + 1      # the last one's frame no longer fits
    assert result.verdict.reason.startswith(f"{nested} exceptions (data abort from the same EL, translation fault level 2")


@pytest.mark.parametrize("seed", range(3))
def test_a_short_window_is_survived_with_every_level_unwound(seed: int, tmp_path: Path) -> None:
    counts = [faults_of_the_victim(result) for window_tlbis in (16, 64, 128)
              if (result := promote_under_the_victim(tmp_path, window_tlbis, seed=seed)).exit_status == 0]
    assert len(counts) == 3 and 0 < counts[0] < counts[1] < counts[2] < 38     # at 38 the stack ends


def test_a_pcpu_that_is_flagged_when_allocated_is_never_in_a_window(tmp_path: Path) -> None:
    result = promote_under_the_victim(tmp_path, 0, flagged=True)
    assert (result.exit_status, faults_of_the_victim(result)) == (0, 0)
    events = result.events.array()
    assert not np.count_nonzero((events["kind"] == BY_NAME["tlbi"].number) & (events["a"] != 0))
