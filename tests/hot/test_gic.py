"""The GIC against a plain-Python model of interrupts, and compiled against uncompiled."""
import hashlib
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.arch.memory_map import GICD_PA, GICR_BYTES_PER_PE, GICR_PA
from sim.hot import gic, timer
from sim.hot import gic_cpu_interface as icc
from sim.state import events
from sim.state.dtypes import SPI_COUNT

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "oracle")]
from gic_guest import DENOMINATOR, FAR, NEAR, NUMERATOR, PES, SELF, Guest, machine
from gic_model import Model

u64 = np.uint64
SPI_A, SPI_B = 40, 31 + SPI_COUNT       # two SPIs that the sequences use, the last implemented among them
USED = (0, 1, 16)                       # PEs that the sequences use: two near, one far
_pe = st.sampled_from((0, 0, *USED))
_intid = st.sampled_from((0, 1, 2, 15, 27, 30, SPI_A, SPI_B))
_priority = st.sampled_from((0, 0x08, 0x40, 0x47, 0x48, 0x60, 0x80, 0x90, 0xA0, 0xC0, 0xF0, 0xFF))
_bit = st.integers(0, 1)
OFTEN = st.one_of(
    st.tuples(st.just("acknowledge"), _pe, st.sampled_from((0, 1, 1, 1))),
    st.tuples(st.just("acknowledge"), _pe, st.just(1)),
    st.tuples(st.just("end_last"), _pe),
    st.tuples(st.just("send"), _pe, st.integers(0, 3), st.sampled_from((0, 1, 1, 1)), st.integers(0, 3), st.integers(0, 1)),
    st.tuples(st.just("advance"), _pe, st.integers(1, 60)),
    st.tuples(st.just("pend"), _pe, _intid),
    st.tuples(st.just("priority"), _pe, _intid, _priority),
    st.tuples(st.just("raise_and_take"), _pe, _intid, _priority),
    st.tuples(st.just("raise_and_take"), _pe, _intid, _priority),
)
STEPS = st.one_of(
    OFTEN,
    OFTEN,
    st.tuples(st.just("end"), _pe, st.sampled_from((0, 1, 1, 1)), _intid),
    st.tuples(st.just("send_all_but_self"), _pe, st.integers(0, 3)),
    st.tuples(st.just("advance"), _pe, st.integers(1, 60)),
    st.tuples(st.sampled_from(("enable", "enable", "disable", "clear_pending", "activate", "deactivate", "deactivate")), _pe, _intid),
    st.tuples(st.just("dir"), _pe, _intid),
    st.tuples(st.just("group"), _pe, _intid, st.sampled_from((0, 1, 1))),
    st.tuples(st.just("priority"), _pe, _intid, _priority),
    st.tuples(st.just("mask"), _pe, st.sampled_from((0xFF, 0xFF, 0xFF, 0xF0, 0x80, 0x48, 0))),
    st.tuples(st.just("binary_point"), _pe, _bit, st.integers(0, 7)),
    st.tuples(st.just("control"), _pe, st.sampled_from((0, 0, 0, 1, 2, 3))),
    st.tuples(st.just("group_enable"), _pe, _bit, st.sampled_from((1, 1, 1, 0))),
    st.tuples(st.just("distributor"), st.sampled_from((0, 1, 2, *[3] * 9))),
    st.tuples(st.just("level"), st.sampled_from((SPI_A, SPI_B)), _bit),
    st.tuples(st.just("edge"), st.sampled_from((SPI_A, SPI_B)), _bit),
    st.tuples(st.just("route"), st.sampled_from((SPI_A, SPI_B)), st.sampled_from((*USED, None))),
    st.tuples(st.just("sleep"), _pe, _bit),
    st.tuples(st.just("timer"), _pe, st.sampled_from((27, 30)), st.integers(0, 3), st.integers(0, 60)),
)
BANKS = {"enable": 0x100, "disable": 0x180, "pend": 0x200, "clear_pending": 0x280, "activate": 0x300, "deactivate": 0x380}
TIMER_KEYS = {27: (timer.CNTV_CTL, timer.CNTV_CVAL), 30: (timer.CNTP_CTL, timer.CNTP_CVAL)}


class Pair:
    """The GIC and the model, driven through the same steps."""

    def __init__(self) -> None:
        self.state = machine()
        self.guest, self.model = Guest(self.state), Model(PES, (SPI_A, SPI_B), (SELF, NEAR, FAR), NUMERATOR, DENOMINATOR)
        for pe in USED:
            self.guest.start(pe)
            own = self.model.pes[pe]
            own.pmr, own.group_enable = 0xF8, [1, 1]
            for interrupt in own.private.values():
                interrupt.enabled, interrupt.group = True, 1
            for intid in range(32):
                self.priority(pe, intid, 0xA0)
        for intid, interrupt in self.model.spis.items():
            self.guest.set_bit(0, intid, 0x100)
            self.guest.set_group(0, intid, 1)
            interrupt.enabled, interrupt.group = True, 1
        self.model.enable = [1, 1]
        self.taken: dict[int, list[tuple[int, int]]] = {pe: [] for pe in USED}

    def do(self, step: tuple[Any, ...]) -> None:
        name, *operands = step
        if name in BANKS:
            self.set_or_clear(name, *operands)
        else:
            getattr(self, name)(*operands)

    def set_or_clear(self, name: str, pe: int, intid: int) -> None:
        self.guest.set_bit(pe, intid, BANKS[name])
        interrupt = self.model.find(pe, intid)
        if name in ("enable", "disable"):
            interrupt.enabled = name == "enable"
        elif name in ("activate", "deactivate"):
            interrupt.active = name == "activate"
        else:
            interrupt.latched = name == "pend"
            if name == "clear_pending" and interrupt.arrives is not None and interrupt.arrives <= self.model.pes[0].now:
                interrupt.arrives = None            # `pend` and `clear_pending` are stores of PE 0
            if name == "clear_pending" and interrupt.arrives is not None and interrupt.arrives <= self.model.pes[pe].now:
                interrupt.arrives = None

    def acknowledge(self, pe: int, group: int) -> None:
        intid = self.guest.mrs(pe, icc.IAR1 if group else icc.IAR0)
        assert intid == self.model.acknowledge(pe, group)
        if intid != 1023:
            self.taken[pe].append((group, intid))

    def raise_and_take(self, pe: int, intid: int, priority: int) -> None:
        self.set_or_clear("deactivate", pe, intid)
        self.priority(pe, intid, priority)
        if intid >= 32:
            self.route(intid, pe)
        self.set_or_clear("pend", pe, intid)
        self.compare()
        self.acknowledge(pe, self.model.find(pe, intid).group)

    def end(self, pe: int, group: int, intid: int) -> None:
        self.guest.msr(pe, icc.EOIR1 if group else icc.EOIR0, intid)
        self.model.end(pe, group, intid)

    def end_last(self, pe: int) -> None:
        if self.taken[pe]:
            self.end(pe, *self.taken[pe].pop())

    def dir(self, pe: int, intid: int) -> None:
        self.guest.msr(pe, icc.DIR, intid)
        if self.model.pes[pe].split_eoi:
            self.model.find(pe, intid).active = False

    def send(self, pe: int, intid: int, group: int, low: int, aff1: int) -> None:
        self.guest.msr(pe, icc.SGI1R if group else icc.SGI0R, aff1 << 16 | intid << 24 | low)
        self.model.send(pe, intid, group, [n for n in range(PES) if n // 16 == aff1 and low >> n % 16 & 1])

    def send_all_but_self(self, pe: int, intid: int) -> None:
        self.guest.msr(pe, icc.SGI1R, 1 << 40 | intid << 24 | 0xFF_0001)
        self.model.send(pe, intid, 1, [n for n in range(PES) if n != pe])

    def advance(self, pe: int, cycles: int) -> None:
        self.guest.advance(pe, cycles)
        self.model.pes[pe].now += cycles

    def group(self, pe: int, intid: int, group: int) -> None:
        self.guest.set_group(pe, intid, group)
        self.model.find(pe, intid).group = group

    def priority(self, pe: int, intid: int, priority: int) -> None:
        self.guest.set_priority(pe, intid, priority)
        self.model.find(pe, intid).priority = priority

    def mask(self, pe: int, priority: int) -> None:
        self.guest.msr(pe, icc.PMR, priority)
        self.model.pes[pe].pmr = priority & 0xF8

    def binary_point(self, pe: int, group: int, value: int) -> None:
        self.guest.msr(pe, icc.BPR1 if group else icc.BPR0, value)
        own = self.model.pes[pe]
        if not (group and own.common_bpr):
            own.binary_point[group] = max(value, 3 if group else 2)

    def control(self, pe: int, value: int) -> None:
        self.guest.msr(pe, icc.CTLR, value)
        own = self.model.pes[pe]
        own.common_bpr, own.split_eoi = bool(value & 1), bool(value & 2)

    def group_enable(self, pe: int, group: int, value: int) -> None:
        self.guest.msr(pe, icc.IGRPEN1 if group else icc.IGRPEN0, value)
        self.model.pes[pe].group_enable[group] = value

    def distributor(self, value: int) -> None:
        self.guest.store(GICD_PA, value)
        self.model.enable = [value & 1, value >> 1]

    def level(self, intid: int, value: int) -> None:
        gic.set_spi_level(self.guest.m, u64(intid), u64(value))
        interrupt = self.model.spis[intid]
        interrupt.latched |= bool(value) and not interrupt.high and interrupt.edge
        interrupt.high = bool(value)

    def edge(self, intid: int, value: int) -> None:
        pa, shift = GICD_PA + 0xC00 + intid // 16 * 4, intid % 16 * 2
        self.guest.store(pa, (self.guest.load(pa) & ~(3 << shift)) | (value * 2) << shift)
        self.model.spis[intid].edge = bool(value)

    def route(self, intid: int, pe: int | None) -> None:
        low = 1 << 31 if pe is None else pe // 16 << 8 | pe % 16
        self.guest.store(GICD_PA + 0x6000 + intid * 8, low)
        self.guest.store(GICD_PA + 0x6004 + intid * 8, 0)
        self.model.spis[intid].route = pe

    def sleep(self, pe: int, value: int) -> None:
        self.guest.store(GICR_PA + pe * GICR_BYTES_PER_PE + 0x14, value * 2)
        self.model.pes[pe].asleep = bool(value)

    def timer(self, pe: int, intid: int, control: int, compare: int) -> None:
        control_key, compare_key = TIMER_KEYS[intid]
        timer.timer_write(self.guest.m, u64(pe), compare_key, u64(compare))
        timer.timer_write(self.guest.m, u64(pe), control_key, u64(control))
        self.model.pes[pe].control[intid], self.model.pes[pe].compare[intid] = control, compare

    def compare(self) -> None:
        """Everything that a guest or the run loop can see of the PEs in use."""
        for pe in USED:
            own, guest, model = self.model.pes[pe], self.guest, self.model
            promised = int(self.state.pes[pe]["irq_due_cycles"])
            assert max(promised, own.now) == max(model.next_due(pe), own.now), "irq_due_cycles was not kept up to date"
            best = model.best(pe, own.now)
            shown = (1023, 1023) if best is None else (best, 1023) if model.find(pe, best).group else (1023, best)
            assert (guest.mrs(pe, icc.HPPIR1), guest.mrs(pe, icc.HPPIR0)) == shown
            assert guest.signalled(pe) == model.signalled(pe, own.now)
            assert int(gic.next_due(guest.m, u64(pe))) == model.next_due(pe)
            assert guest.mrs(pe, icc.RPR) == (own.running[-1][0] if own.running else 0xFF)
            base = GICR_PA + pe * GICR_BYTES_PER_PE + 0x1_0000
            assert guest.load(base + 0x200, pe=pe) == sum(model.is_pending(pe, n, own.now) << n for n in range(32))
            assert guest.load(base + 0x300, pe=pe) == sum(each.active << n for n, each in own.private.items())
        for intid, interrupt in self.model.spis.items():
            pa, bit = self.guest.bit_register(0, intid, 0x200)
            assert bool(self.guest.load(pa) & bit) == self.model.is_pending(0, intid, 0)
            assert bool(self.guest.load(pa + 0x100) & bit) == interrupt.active


@settings(max_examples=40, deadline=None)
@given(st.lists(STEPS, min_size=40, max_size=80))
def test_any_sequence_of_register_accesses_gives_what_the_model_gives(steps: list[tuple[Any, ...]]) -> None:
    pair = Pair()
    pair.compare()
    for step in steps:
        pair.do(step)
        pair.compare()
    pair.state.release()


# --- compiled and uncompiled ---------------------------------------------------------------------------------------------------

def trace(seed: int) -> str:
    """Digest of events and state after a seeded run of many steps, none of which the model checks."""
    source = random.Random(seed)
    pair = Pair()
    intids = (0, 1, 2, 15, 27, 30, SPI_A, SPI_B)
    pick = source.choice
    for _ in range(1200):
        pe = pick(USED)
        pair.do(pick((
            ("acknowledge", pe, 1), ("end_last", pe), ("send", pe, pick((0, 1, 2)), 1, 3, pick((0, 1))), ("advance", pe, source.randint(1, 60)),
            (pick(("enable", "pend", "clear_pending", "deactivate")), pe, pick(intids)), ("priority", pe, pick(intids), source.randint(0, 255)),
            ("group", pe, pick(intids), 1), ("level", pick((SPI_A, SPI_B)), pick((0, 1))), ("route", SPI_A, pick((*USED, None))),
            ("timer", pe, pick((27, 30)), pick((0, 1, 1)), source.randint(0, 200)), ("sleep", pe, pick((0, 1))),
        )))
        pair.guest.signalled(pe)
    state = pair.state
    kinds = {int(event["kind"]) for event in state.ring[: int(state.machine[0]["ring_head"])]}
    assert kinds == {events.EVENT_SGI, events.EVENT_ACKNOWLEDGED, events.EVENT_ENDED, events.EVENT_TIMER}
    digest = hashlib.sha256()
    for array in (state.ring, state.gic, state.spi, state.heap, state.pes["irq_due_cycles"], state.pes["n_sgi_sent"]):
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def test_compiled_and_uncompiled_functions_leave_the_same_events_and_state() -> None:
    other = "0" if os.environ.get("NUMBA_DISABLE_JIT", "0") == "1" else "1"
    result = subprocess.run([sys.executable, __file__], env={**os.environ, "NUMBA_DISABLE_JIT": other}, capture_output=True, text=True,
                            check=True)
    assert result.stdout.split() == [trace(1)]


if __name__ == "__main__":
    print(trace(1))
