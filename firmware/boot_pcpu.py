"""The options of the kernel `boot_pcpu` (asm/kernels/boot_pcpu.s), with their defaults."""
from collections.abc import Mapping
from types import MappingProxyType

from firmware.window import EXIT_NO_ANSWER

OPTIONS: Mapping[str, int] = MappingProxyType({
    "BOOT_BLOCK": 1,                    # 0: the run of PE 0's pcpu stays in pages
    "NEIGHBOUR_PAGE": 300,              # of the run: what becomes read-only
    "WINDOW_TLBIS": 0,                  # in each window; 0 as FreeBSD has it: 1
    "TIMER_PERIOD_TICKS": 16,           # of PE 0's timer, in counter steps
    "DELAY_TURNS": 4000,                # the delay before the change is seeded and shorter than that
    "ANSWER_TURNS": 4_000_000,          # how often PE 1 looks for PE 0's answer
    "EXIT_NO_ANSWER": EXIT_NO_ANSWER,
})
