"""Which TLBI took a translation away from a PE, and the run of adjoining ones that it belongs to: the window, as the event log shows it.

Needs the kind tlbi; with tlbi_done it also says when a broadcast reached the PE. The store that makes the new descriptor is not in the log.
"""
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sim.arch import tlbi
from sim.hot.own_tlbi import AUX_LEVELS_SHIFT
from sim.hot.tlb import HINT_SHIFT
from sim.hot.tlbi import AUX_LAST_LEVEL, AUX_SCOPE_SHIFT
from sim.observers.entries import Events, wrapped
from sim.state.events import EVENT_TLBI, EVENT_TLBI_DONE

_GRANULES_BYTES = (1 << 12, 1 << 14, 1 << 16)
_KIND_MASK = 0xFF


@dataclass(frozen=True, slots=True)
class Invalidation:
    """A TLBI that covers an address, and the run of adjoining ones by the same operation that it belongs to.

    reached_cycle: when it took effect at the PE in question; None if the log does not say. run, run_before: how many TLBIs, and how many of
    them before the fault; run_first_cycle, run_last_cycle: when the first and the last were issued. by_address: False for all or a whole ASID.
    """

    operation: str
    issuer: int
    cycle: int
    reached_cycle: int | None
    by_address: bool
    run: int
    run_before: int
    run_first_cycle: int
    run_last_cycle: int

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {"operation": self.operation, "issuer": self.issuer, "cycle": self.cycle, "reached_cycle": self.reached_cycle,
                "by_address": self.by_address, "run": self.run, "run_before": self.run_before, "run_first_cycle": self.run_first_cycle,
                "run_last_cycle": self.run_last_cycle}


def invalidations(events: Events, pe: int, far: int, fault_cycle: int) -> tuple[Invalidation | None, Invalidation | None]:
    """The last TLBI up to a fault of PE `pe` that covers its FAR there, and the first by address after it.

    A TLBI ASIDE1 is taken to cover the lower half of the address space only: it drops no global entry, and kernels map the upper half so.
    """
    va = _untagged(far)
    issued = events[events["kind"] == EVENT_TLBI]
    kind = issued["aux"] & _KIND_MASK
    by_address = (kind == tlbi.KIND_VA) | (kind == tlbi.KIND_VAA)
    arrives = (issued["pe"] == pe) | (issued["aux"] >> int(AUX_SCOPE_SHIFT) != tlbi.SCOPE_LOCAL)
    inside = by_address & (np.uint64(va) - issued["a"] < issued["b"])
    covers = arrives & (inside | (kind == tlbi.KIND_VMALL) | ((kind == tlbi.KIND_ASID) & (va >> 55 & 1 == 0)))
    earlier = issued["cycle"] <= fault_cycle
    before = np.flatnonzero(covers & earlier)
    after = np.flatnonzero(arrives & inside & ~earlier)
    chosen = [int(before[::-1][np.argmax(issued["cycle"][before][::-1])]) if len(before) else None,
              int(after[np.argmin(issued["cycle"][after])]) if len(after) else None]
    first, second = (None if place is None else _invalidation(events, issued, place, pe, fault_cycle) for place in chosen)
    return first, second


def cause_lines(before: Invalidation | None, after: Invalidation | None, pe: int, fault_cycle: int) -> Iterator[str]:
    """What `invalidations` gave, in words."""
    if before is None:
        yield from wrapped("  ", "no TLBI had covered this VA: it was not mapped, or never held by a TLB")
    elif before.by_address:
        yield from wrapped("  ", f"PE {before.issuer} had invalidated this VA by TLBI {before.operation} at cycle {before.cycle}, "
                                 f"{fault_cycle - before.cycle} cycles earlier{_reached(before, pe)}")
        if before.run > 1:
            yield from wrapped("  ", f"it is one of {before.run} TLBIs of adjoining addresses, cycles {before.run_first_cycle} "
                                     f"to {before.run_last_cycle}, {before.run_before} of them before the fault")
    else:
        yield from wrapped("  ", f"no TLBI by address had covered this VA; the last one of everything or of an ASID was PE "
                                 f"{before.issuer}'s TLBI {before.operation} at cycle {before.cycle}{_reached(before, pe)}")
    if after is not None:
        yield from wrapped("  ", f"PE {after.issuer} invalidates this VA by TLBI {after.operation} at cycle {after.cycle}, "
                                 f"{after.cycle - fault_cycle} cycles after the fault: the descriptor may have been invalid already")


def _reached(one: Invalidation, pe: int) -> str:
    return f"; it reached PE {pe} at cycle {one.reached_cycle}" if one.reached_cycle is not None and one.issuer != pe else ""


def _invalidation(events: Events, issued: Events, place: int, pe: int, fault_cycle: int) -> Invalidation:
    """What is to be said of the TLBI at `place` of `issued`."""
    one = issued[place]
    aux, issuer, va, size_bytes = int(one["aux"]), int(one["pe"]), int(one["a"]), int(one["b"])
    by_address = aux & _KIND_MASK in (tlbi.KIND_VA, tlbi.KIND_VAA)
    made = Invalidation(_operation(aux, size_bytes), issuer, int(one["cycle"]), None, by_address, 1, int(one["cycle"] <= fault_cycle),
                        int(one["cycle"]), int(one["cycle"]))
    if issuer != pe:
        done = events[(events["kind"] == EVENT_TLBI_DONE) & (events["pe"] == pe) & (events["b"] == issuer) & (events["a"] == va)
                      & (events["aux"] == aux & ~(0xF << int(AUX_SCOPE_SHIFT))) & (events["cycle"] >= one["cycle"])]
        made = replace(made, reached_cycle=int(done["cycle"][0]) if len(done) else None)
    if not by_address:
        return made
    same = np.flatnonzero((issued["pe"] == issuer) & (issued["aux"] == aux) & (issued["b"] == size_bytes) & (issued["c"] == one["c"]))
    steps = np.diff(issued["a"][same].astype(np.int64))
    first = last = int(np.searchsorted(same, place))
    around = [int(step) for step in (*steps[max(0, first - 1):first], *steps[first:first + 1]) if abs(int(step)) == size_bytes]
    step = around[0] if around else 0                       # a run goes up or down; where one turns it is another
    while step and first > 0 and steps[first - 1] == step:
        first -= 1
    while step and last < len(steps) and steps[last] == step:
        last += 1
    cycles = issued["cycle"][same[first:last + 1]]
    return replace(made, run=len(cycles), run_before=int((cycles <= fault_cycle).sum()), run_first_cycle=int(cycles[0]),
                   run_last_cycle=int(cycles[-1]))


def _operation(aux: int, size_bytes: int) -> str:
    """Arm's name of a TLBI by its event. A range of as many bytes as a granule looks like the single form."""
    kind, scope, last_level = aux & _KIND_MASK, aux >> int(AUX_SCOPE_SHIFT), bool(aux & int(AUX_LAST_LEVEL))
    is_range = kind in (tlbi.KIND_VA, tlbi.KIND_VAA) and size_bytes not in _GRANULES_BYTES
    wanted = (kind, scope, last_level, is_range)
    name = next(one.name for one in tlbi.TLB_INVALIDATES.values() if (one.kind, one.scope, one.last_level, one.is_range) == wanted)
    hint = aux >> int(AUX_LEVELS_SHIFT + HINT_SHIFT) & 7
    return f"{name} with a hint of level {hint - 1}" if hint else name


def _untagged(va: int) -> int:
    """An address with bits 63:56 as bit 55 has them."""
    low = va & (1 << 56) - 1
    return low | 0xFF << 56 if va >> 55 & 1 else low
