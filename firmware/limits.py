"""From where to where the constants may go that a user gives a built-in kernel: beyond, it would not assemble, or would never end.

What depends on memory (as many PEs, pages or blocks as it holds) is the kernel's own to find out: it says so and exits.
"""
from collections.abc import Mapping
from typing import NamedTuple

from firmware.benchmarks import JITTER_MOST
from firmware.layout import BLOCK_BYTES, FRAME_BYTES, PAGE_BYTES
from sim.errors import UserError


class Limits(NamedTuple):
    """The least and the greatest value, and what it must be a multiple of."""

    least: int
    most: int
    step: int = 1


_WORD = Limits(0, (1 << 64) - 1)
_FLAG = Limits(0, 1)
_COUNT = Limits(1, (1 << 32) - 1)
_TURNS = Limits(0, (1 << 32) - 1)
_RUN_PAGES = BLOCK_BYTES // PAGE_BYTES

#: Of constants that mean the same in every kernel that has them.
SHARED: Mapping[str, Limits] = {
    # the frame is stored by one pair with its address written back, which reaches 512 bytes below FRAME_X
    "FRAME_BYTES": Limits(FRAME_BYTES, FRAME_BYTES + 144, 16), "FRAME_GAP_BYTES": Limits(0, 256, 16),
    "LOAD_TICKS_PER_SECOND": Limits(1, 2_000_000), "LOAD_THREADS": _FLAG, "LOAD_SYSCALLS": Limits(1, 65535),
    "LOAD_WALK_BLOCKS": Limits(0, 256), "LOAD_WALK_PASSES": Limits(1, 65535), "LOAD_THREAD_STACK_BYTES": Limits(64, 1024, 16),
    "PAGES_BEFORE_PCPU": Limits(0, 65535),
    "MP_BOOTSTACK_BYTES": Limits(PAGE_BYTES, BLOCK_BYTES, PAGE_BYTES), "PES_PER_DOMAIN": _COUNT, "DOMAINS_FROM_ACPI": _FLAG,
    "KSTACKS_FROM_KMEM": _FLAG, "KSTACK_PAGES": Limits(1, _RUN_PAGES), "KSTACK_GUARD_PAGES": Limits(0, _RUN_PAGES),
    "KSTACK_ALIGNMENT_PAGES": Limits(1, _RUN_PAGES), "STOP_SPINS": _COUNT,
    "OWN_SUPERPAGES": _FLAG, "OWN_KVA_ALIGNED": _FLAG, "OWN_FRAGMENTED": _FLAG, "OWN_DOMAIN_STRICT": _FLAG,
    "OVERFLOW_BELOW_STACK": _FLAG, "FLAG_CHANGES": _FLAG, "FLAG_PLACE": Limits(0, 2), "UNMASK_FIQ": _FLAG, "MASK_SERROR": _FLAG,
    "REGION_PES": Limits(0, 256), "PCPU_PLACE": Limits(0, 2), "SEED_DELAY": _COUNT, "TICKS_PER_SECOND": Limits(1, 10_000_000), "PATIENCE": _COUNT,
    "BOOTSTACK_WORK": _COUNT, "BOOTSTACK_HOLD": _FLAG, "BOOTSTACK_FIRST": _FLAG, "MASKED": _FLAG, "LAST_LEVEL_ONLY": _FLAG, "INTERRUPTS": _FLAG,
    "WINDOW_TLBIS": _TURNS, "ANSWER_TURNS": _COUNT, "TIMER_PERIOD_TICKS": _COUNT, "IDLE": _FLAG,
    "JITTER": Limits(0, JITTER_MOST), "BARRIER": Limits(0, 2), "SELF_BY_SGI": _FLAG,
}

_DELAY = {"DELAY_TURNS": _COUNT}
#: Of constants that mean something else in another kernel, or are only in one.
OF_KERNEL: Mapping[str, Mapping[str, Limits]] = {
    "window": {**_DELAY, "CHANGE": Limits(0, 3), "ACTIVITY": Limits(0, 4), "OBJECT": Limits(0, 31), "ENTRY": Limits(0, 4), "HANDLER": Limits(0, 2),
               "UPDATE": Limits(0, 2), "TLBI_DELAY_TURNS": _TURNS, "WALKS_BESIDE": _FLAG, "DIRECT_MAP": _FLAG, "SWEEP_BLOCKS": _COUNT,
               "OBJECT_OFFSET_PAGES": Limits(0, _RUN_PAGES - 1), "BREAK_ZEROES": _FLAG, "INTR_DISABLE": _FLAG, "ASKS_IN_WINDOW": _FLAG,
               "UPDATER_OBJECT": Limits(0, 31), "UPDATER_TIMER_TICKS": _TURNS},
    "boot_pcpu": {**_DELAY, "BOOT_BLOCK": _FLAG, "NEIGHBOUR_PAGE": Limits(0, _RUN_PAGES - 1)},
    "own_table": {"DEMOTED": _FLAG, "TEMPORARY_MAPPING": _FLAG, "RETRY": Limits(0, 2)},
    "flagging": {"FLAG_WHEN": _FLAG, "THEN": Limits(0, 4), "FLAG_FIRST": Limits(0, _RUN_PAGES - 1), "FLAG_PAGES": Limits(1, _RUN_PAGES),
                 "CONTIGUOUS_RUNS": _FLAG},
    "own_block_change": _DELAY,
    "own_block_16k": {"RAM_MEGABYTES": Limits(2, 1024, 2)},
    "stop_cpus": {"VICTIM": Limits(0, 2)},
    "page_change": {"MAPPED": _FLAG, "BREAK": _FLAG, "DSB_BEFORE": _FLAG, "TLBI_KIND": Limits(0, 2), "DSB_AFTER": _FLAG, "ISB_AFTER": _FLAG,
                    "REPEAT_TLBI": _FLAG, "TTL": Limits(0, 15), "DELAY_TURNS": _TURNS, "MAKE_TURNS": _TURNS},
    "parking": {**_DELAY, "HOW": Limits(0, 2), "RANGE": Limits(0, 6), "TOUCH": Limits(0, 2), "VICTIM": Limits(0, 3), "RETRY": _FLAG,
                "TICKS_PER_SECOND": Limits(0, 10_000_000)},
    "bench_ipi": {"SCENARIOS": Limits(1, 31), "TARGET": Limits(1, 255)},
    "bench_shootdown": {"HOW": _FLAG, "ISSUERS": Limits(1, 256)},
    "measure_chase": {"CHASE_LINES": _COUNT, "CHASE_STRIDE_BYTES": Limits(8, 1 << 30, 8), "CHASE_LOADS": Limits(16, 1 << 40, 16), "CHASE_PAGED": _FLAG},
    "measure_line": {"WARMUP_TURNS": Limits(1, 65535)},
}


def limits_of(kernel_name: str, constant: str) -> Limits:
    """Of one constant of a kernel; of a constant that nobody has limited, all that 64 bits hold."""
    return OF_KERNEL.get(kernel_name, {}).get(constant) or SHARED.get(constant, _WORD)


def check_limits(kernel_name: str, given: Mapping[str, int]) -> None:
    """Raises UserError for the first value that its kernel cannot do anything with."""
    for constant, value in given.items():
        least, most, step = limits_of(kernel_name, constant)
        if (least, most) != (0, (1 << 64) - 1) and not (least <= value <= most and value % step == 0):
            multiple = f", a multiple of {step}" if step > 1 else ""
            raise UserError(f"{kernel_name} takes {constant} from {least} to {most}{multiple}, not {value}")
