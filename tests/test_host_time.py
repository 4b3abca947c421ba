"""Simulated time knows nothing of the host's: a run that the host delays gives the byte-equal log of one that it does not."""
import struct
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from sim.arch.memory_map import RAM_PA
from sim.loader.image import Image, Segment
from sim.machine import Machine
from sim.result import Result

sys.path.insert(0, str(Path(__file__).parent))

from hostile_guest import BOOT, CODE_PA, EXIT, assemble

TABLE_PA, PAGES_PA, LETTER_PA = RAM_PA + 0x10_0000, RAM_PA + 0x20_0000, RAM_PA + 0x4_0000
PAGES, ROUNDS, DELAY_SECONDS = 150, 12, 0.12                # a delay beyond the 100 ms after which the engine reconsiders its soft TLB
TEXT = f"""
    movz    x10, #{TABLE_PA >> 16:#x}, lsl #16
    msr     ttbr0_el1, x10
    mov     x10, #0xff00
    msr     mair_el1, x10
    movz    x10, #25
    movk    x10, #0x80, lsl #16
    movk    x10, #2, lsl #32
    msr     tcr_el1, x10
    isb
    mrs     x10, sctlr_el1
    orr     x10, x10, #1
    msr     sctlr_el1, x10
    isb
    mov     x20, #{ROUNDS}
.L_round:
    tlbi    vaae1is, x20
    dsb     ish
    isb
    tst     x20, #3
    mov     x4, #5
    mov     x5, #{PAGES}
    csel    x5, x5, x4, eq
    mov     x6, #4
.L_again:
    movz    x2, #{PAGES_PA >> 16:#x}, lsl #16
    mov     x3, x5
.L_page:
    ldr     x4, [x2]
    add     x2, x2, #1, lsl #12
    subs    x3, x3, #1
    b.ne    .L_page
    subs    x6, x6, #1
    b.ne    .L_again
    movz    x1, #{LETTER_PA >> 16:#x}, lsl #16
    mov     x0, #3
    hlt     #0xf000
    subs    x20, x20, #1
    b.ne    .L_round
"""


def image() -> Image:
    """Code that touches many pages of 4 KiB or few, flushes, and says a letter each round."""
    attributes = 1 << 2 | 3 << 8 | 1 << 10
    level1 = struct.pack("<2Q", 0, TABLE_PA + 0x1000 | 3).ljust(4096, b"\0")
    level2 = struct.pack("<2Q", TABLE_PA + 0x2000 | 3, TABLE_PA + 0x3000 | 3).ljust(4096, b"\0")
    level3 = struct.pack("<1024Q", *(RAM_PA + 4096 * page | attributes | 3 for page in range(1024)))
    exit_block = struct.pack("<2Q", 0x2_0026, 0)
    code = assemble(BOOT + TEXT + EXIT)
    places = {CODE_PA: code, TABLE_PA: level1 + level2 + level3, LETTER_PA: exit_block}
    return Image("many pages", "flat", tuple(Segment(pa, data, len(data)) for pa, data in places.items()), CODE_PA)


def run(interleaving: str, console: Callable[[str], None] | None) -> Result:
    return Machine(pes=1, ram_bytes=8 << 20, profile="cortex-a53", interleaving=interleaving, console=console).load(image()).run(100_000_000)


@pytest.mark.parametrize("interleaving", ["block", "quantum", "instruction"])
def test_a_host_that_is_slow_between_soft_tlb_flushes_changes_nothing(interleaving: str) -> None:
    swift = run(interleaving, None)
    slow = run(interleaving, lambda _text: time.sleep(DELAY_SECONDS))
    assert swift.exit_status == 0
    assert len(swift.console) == ROUNDS
    assert slow.host_seconds > ROUNDS * DELAY_SECONDS
    assert bytes(swift.events) == bytes(slow.events)
    assert swift.statistics == slow.statistics

