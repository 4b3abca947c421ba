"""Emptying the engine's soft TLB, dropping one page from it, and keeping the host's clock out of its size.

When the engine empties a soft TLB it decides whether to shrink it, and it does so by host time: only when 100 ms have passed since it
began to watch. A smaller one has other conflicts, so more or fewer fills reach the model, and the log would depend on how busy the
host is. So that time is set into the far future: the size then follows from the guest's accesses alone.
A snapshot wants soft TLBs of one size whatever went before: `reset_soft_tlb` makes them as small as the engine ever has them.
Source: QEMU 5.0, accel/tcg/cputlb.c, tlb_mmu_resize_locked; include/exec/cpu-defs.h, CPUTLBDesc.
"""
import numpy as np
from numba import njit

from sim.hot.calls import uc_ctl
from sim.state.handle import machine_of, pe_of, words_at

u64 = np.uint64
ZERO = u64(0)
CTL_TLB_FLUSH = np.uint32(0x4000_000B)  # UC_CTL_WRITE(UC_CTL_TLB_FLUSH, 0)
NEVER_NS = u64(1 << 62)                 # host time at which no run is
ONE, EMPTY = u64(1), u64(0xFFFF_FFFF_FFFF_FFFF)
PAGE_SHIFT, PAIR_BYTES = u64(12), u64(16)
USED, VICTIM_NEXT, VICTIMS, VICTIM_COUNT = 2, 3, u64(32), 8     # words, and bytes, of CPUTLBDesc from the time of its window


@njit(cache=True)
def hold_windows(m, i):  # type: ignore[no-untyped-def]
    """Set the times of all soft TLBs of PE i's active instance."""
    machine = machine_of(m)
    address = pe_of(m, i)["registers_address"] + machine["soft_window_first"]
    for _ in range(np.int64(machine["soft_window_count"])):
        words_at(address, 1)[0] = NEVER_NS
        address += machine["soft_window_stride"]


@njit(cache=True)
def reset_soft_tlb(m, i, uc):  # type: ignore[no-untyped-def]
    """Empty the soft TLBs of an instance, which is PE i's active one, and give them their first size.

    One that has been used since it was last emptied shrinks: its time is long over, and the most entries that it has held in that time, the
    word behind, are none, nor does it hold any, the word behind that. One that has not been used is as it was left.
    """
    machine = machine_of(m)
    address = pe_of(m, i)["registers_address"] + machine["soft_window_first"]
    for _ in range(np.int64(machine["soft_window_count"])):
        window = words_at(address, 3)
        window[0] = window[1] = window[2] = ZERO
        address += machine["soft_window_stride"]
    uc_ctl(uc, CTL_TLB_FLUSH)
    hold_windows(m, i)


@njit(cache=True)
def empty_soft_tlb(m, i, uc):  # type: ignore[no-untyped-def]
    """Empty the soft TLBs of an instance, which is PE i's active one."""
    hold_windows(m, i)
    uc_ctl(uc, CTL_TLB_FLUSH)
    hold_windows(m, i)                  # a soft TLB that has grown is watched anew


@njit
def _drop_entry(address, number):  # type: ignore[no-untyped-def]
    """Empty the entry at `address` if it is for the page with this number. Returns whether it was."""
    words = words_at(address, 3)
    for n in range(3):                                          # as it is read, written, fetched from; all ones where it must not be
        if words[n] >> PAGE_SHIFT == number:
            words[0] = words[1] = words[2] = EMPTY
            return True
    return False


@njit(cache=True)
def drop_page(m, i, va):  # type: ignore[no-untyped-def]
    """Drop the page of `va` from the soft TLBs of PE i's active instance: the next access to it comes to the fill hook. Others stay.

    What is modelled does not change, so it is for the caller to see that the fill hook then gives what it gave before.
    """
    machine, registers = machine_of(m), pe_of(m, i)["registers_address"]
    window, pair, shift = registers + machine["soft_window_first"], registers + machine["soft_tables_first"], machine["soft_entry_shift"]
    number = u64(va) >> PAGE_SHIFT
    for _ in range(np.int64(machine["soft_window_count"])):
        head = words_at(window, 4)
        table = words_at(pair, 2)
        if _drop_entry(table[1] + (number << shift & table[0]), number) and head[USED] != ZERO:
            head[USED] -= ONE                                   # the engine's count of those in use is not exact
        if head[VICTIM_NEXT] != ZERO:
            for k in range(VICTIM_COUNT):
                _drop_entry(window + VICTIMS + (u64(k) << shift), number)
        window += machine["soft_window_stride"]
        pair += PAIR_BYTES
