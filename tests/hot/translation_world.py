"""What the tests of translation share: a machine's state with one or more PEs, its tables in RAM, and the oracle's view of both."""
from typing import Any

import numpy as np

from sim.arch.memory_map import RAM_PA
from sim.state import dtypes
from sim.state.arrays import State
from sim.state.events import EVENT_FILL

from ..oracle.walker import Regime, Translation

u64 = np.uint64
READ, WRITE, FETCH = u64(dtypes.ACCESS_READ), u64(dtypes.ACCESS_WRITE), u64(dtypes.ACCESS_FETCH)
ACCESS_NAMES = {int(READ): "read", int(WRITE): "write", int(FETCH): "fetch"}
NO, YES = u64(0), u64(1)
PAGE = 0b11 | 1 << 10                   # a page descriptor with its access flag set: EL1 read-write, global
BLOCK = 0b01 | 1 << 10
TABLE = 0b11
NG, EL0, READ_ONLY, DBM, CONTIGUOUS = 1 << 11, 1 << 6, 1 << 7, 1 << 51, 1 << 52
TG = {12: (0, 2), 14: (2, 1), 16: (1, 3)}


def tcr_of(granule: int = 12, t0sz: int = 16, t1sz: int = 16, **fields: int) -> int:
    """A TCR_EL1 value; further fields by name: a1, as_, ips, epd0, epd1, tbi0, tbi1, ha, hd, hpd0, hpd1, tbid0, tbid1."""
    places = {"epd0": 7, "a1": 22, "epd1": 23, "ips": 32, "as_": 36, "tbi0": 37, "tbi1": 38, "ha": 39, "hd": 40, "hpd0": 41, "hpd1": 42,
              "tbid0": 51, "tbid1": 52}
    value = t0sz | t1sz << 16 | TG[granule][0] << 14 | TG[granule][1] << 30
    for name, content in {"ips": 5, "as_": 1, **fields}.items():
        value |= content << places[name]
    return value


class World:
    """A State whose PEs run with translation on. Registers and settings are set by item, `world.pe["tcr"] = ...`."""

    def __init__(self, pes: int = 1, ram_bytes: int = 1 << 20, l1i: int = 4, l1d: int = 4, l2: tuple[int, int] = (4, 2),
                 walk_cache: tuple[int, int] = (2, 2)) -> None:
        self.state = State(pes, ram_bytes, l1i=l1i, l1d=l1d, l2=l2, walk_cache=walk_cache, ring_entries=1 << 14)
        self.handle, self.machine, self.pe = self.state.handle, self.state.machine[0], self.state.pes[0]
        self.ram_bytes = ram_bytes
        self.machine["event_mask"] = dtypes.NOWHERE
        for pe in self.state.pes:
            pe["sctlr"], pe["tcr"], pe["mair"], pe["status"] = 1, tcr_of(), 0xFF44_00FF, dtypes.STATUS_RUNNING
            pe["ttbr0"] = pe["ttbr1"] = RAM_PA

    def close(self) -> None:
        self.state.release()

    def write(self, pa: int, value: int) -> None:
        self.state.ram_words[(pa - RAM_PA) // 8] = value

    def read(self, pa: int) -> int | None:
        """The descriptor at a PA, as the oracle asks for it."""
        return int(self.state.ram_words[(pa - RAM_PA) // 8]) if RAM_PA <= pa < RAM_PA + self.ram_bytes else None

    def regime(self, i: int = 0) -> Regime:
        """The oracle's view of PE i's registers."""
        pe, machine = self.state.pes[i], self.machine
        return Regime(int(pe["tcr"]), int(pe["ttbr0"]), int(pe["ttbr1"]), int(pe["mair"]), int(machine["pa_bits"]),
                      bool(machine["hardware_af"]), bool(machine["hardware_dirty"]), bool(machine["feat_bbm"]))

    def walked(self, i: int = 0) -> Translation:
        """walked_of(m, i) in the oracle's terms."""
        return as_translation(self.state.walked[i])

    def events(self, kind: int | None = None) -> list[tuple[int, ...]]:
        """Events so far as tuples, of one kind or all."""
        records = self.state.ring[: int(self.machine["ring_head"])]
        return [tuple(int(word) for word in record) for record in records if kind is None or record["kind"] == kind]

    def fills(self) -> int:
        return len(self.events(EVENT_FILL))

    def entries(self, name: str, i: int = 0) -> list[Any]:
        """The valid entries of "l1i", "l1d", "l2" or "walk_cache" of PE i."""
        return [entry for entry in getattr(self.state, name)[i] if entry["mask"]]

    def check_inclusion(self, i: int = 0) -> None:
        """Every L1 entry lies inside the L2 entry that it names, and says the same; the counts are right."""
        for name in ("l1i", "l1d"):
            held = self.entries(name, i)
            assert len(held) == int(self.state.pes[i][f"{name}_used"])
            for entry in held:
                parent = self.state.l2[i][int(entry["spare"])]
                assert parent["mask"], "an L1 entry outlived its L2 entry"
                assert entry["va"] & parent["mask"] == parent["va"]
                assert entry["asid"] == parent["asid"]
                assert entry["pa"] == parent["pa"] | entry["va"] & ~parent["mask"]
                if entry["handed"] == self.state.pes[i]["soft_generation"]:
                    assert parent["handed"] == entry["handed"]
        sizes = 0
        for entry in self.entries("l2", i):
            sizes |= int(~entry["mask"]) + 1
        assert sizes & ~int(self.state.pes[i]["l2_sizes"]) == 0


def as_translation(entry: Any) -> Translation:
    """A TLB_ENTRY record in the oracle's terms."""
    attributes = int(entry["attributes"])
    return Translation(
        va=int(entry["va"]), size=(1 << 64) - int(entry["mask"]), pa=int(entry["pa"]),
        asid=None if entry["asid"] == dtypes.ASID_GLOBAL else int(entry["asid"]),
        level=attributes >> dtypes.ATTRIBUTE_LEVEL_SHIFT & 3,
        writable=bool(attributes & dtypes.ATTRIBUTE_WRITABLE), el0=bool(attributes & dtypes.ATTRIBUTE_EL0),
        pxn=bool(attributes & dtypes.ATTRIBUTE_PXN), uxn=bool(attributes & dtypes.ATTRIBUTE_UXN),
        clean=bool(attributes & dtypes.ATTRIBUTE_DBM), memory=attributes >> dtypes.ATTRIBUTE_MAIR_SHIFT & 0xFF,
        shareability=attributes >> dtypes.ATTRIBUTE_SH_SHIFT & 3, contiguous=bool(attributes & dtypes.ATTRIBUTE_CONTIGUOUS),
        nt=bool(attributes & dtypes.ATTRIBUTE_NT), descriptor_pa=int(entry["descriptor_pa"]),
    )
