"""Reading and changing one PE at a stop: registers by name, memory by VA, TLBs and tables."""
from collections.abc import Iterator
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt

from sim.arch.register_keys import REGISTER_KEYS, key_encoding
from sim.engine.instance import Instance
from sim.engine.memory import read_virtual
from sim.state import dtypes
from sim.state.arrays import State
from sim.tables import Mapped, mapped_leaves, merged

_ENGINE_PSTATE, _ENGINE_SP_EL0, _ENGINE_SP_EL1 = 265, 270, 271
_SP, _PC = 31, 32
_MIRRORED = {"SCTLR_EL1": "sctlr", "TCR_EL1": "tcr", "TTBR0_EL1": "ttbr0", "TTBR1_EL1": "ttbr1", "MAIR_EL1": "mair",
             "VBAR_EL1": "vbar", "CPACR_EL1": "cpacr", "CNTKCTL_EL1": "cntkctl", "MDSCR_EL1": "mdscr"}


class PEView:
    """One PE of a machine that is not running.

    Registers are read and set as attributes of `registers`: `x(0)`..`x(30)`, `sp`, `pc`, `pstate`, and `system("ESR_EL1")`.
    """

    def __init__(self, state: State, instance: Instance, index: int) -> None:
        self.index = index
        self._state, self._instance = state, instance
        self._registers = instance.registers()

    @property
    def record(self) -> Any:
        """The raw PE record (`sim.state.dtypes.PE`)."""
        return self._state.pes[self.index]

    def x(self, number: int) -> int:
        """X0..X30."""
        if not 0 <= number <= 30:
            raise IndexError(f"there is no register X{number}")
        return int(self._registers[number])

    def set_x(self, number: int, value: int) -> None:
        """Set X0..X30 to a 64-bit value."""
        if not 0 <= number <= 30:
            raise IndexError(f"there is no register X{number}")
        self._registers[number] = value & dtypes.NOWHERE

    @property
    def pc(self) -> int:
        """Address of the next instruction."""
        return int(self._registers[_PC])

    @pc.setter
    def pc(self, value: int) -> None:
        self._registers[_PC] = value

    @property
    def sp(self) -> int:
        """The stack pointer in use."""
        return int(self._registers[_SP])

    @sp.setter
    def sp(self, value: int) -> None:
        self._registers[_SP] = value

    @property
    def pstate(self) -> int:
        """PSTATE in the layout of SPSR_EL1."""
        return self._instance.read(_ENGINE_PSTATE)

    def v(self, number: int) -> int:
        """V0..V31 as a 128-bit number."""
        return self._instance.read_vector(number)

    def system(self, name: str) -> int:
        """A system register by Arm's name; the value that the engine holds. KeyError for a name that does not exist."""
        if name in _MIRRORED:
            return int(self.record[_MIRRORED[name]])
        if name == "SP_EL0":
            return self.sp if self.pstate & 1 == 0 else self._instance.read(_ENGINE_SP_EL0)
        if name == "SP_EL1":
            return self.sp if self.pstate & 1 else self._instance.read(_ENGINE_SP_EL1)
        return self._instance.read_system(*key_encoding(REGISTER_KEYS[name]))

    def registers(self) -> dict[str, int]:
        """X0..X30, SP, PC, PSTATE and the registers of the last exception, by name."""
        values = {f"x{number}": self.x(number) for number in range(31)}
        values |= {"sp": self.sp, "pc": self.pc, "pstate": self.pstate}
        return values | {name: self.system(name) for name in ("ELR_EL1", "SPSR_EL1", "ESR_EL1", "FAR_EL1", "TPIDR_EL1")}

    def read_virtual(self, va: int, size_bytes: int) -> bytes | None:
        """Memory as a load of this PE would see it now, without trace; None where a byte cannot be read."""
        return read_virtual(self._state, self.index, va, size_bytes)

    def tlb(self, which: str = "l2") -> npt.NDArray[np.void]:
        """Entries held by `l1i`, `l1d`, `l2` or `walk_cache` (dtype `TLB_ENTRY`)."""
        entries: npt.NDArray[np.void] = getattr(self._state, which)[self.index]
        return entries[entries["mask"] != 0].copy()

    def tlb_lines(self, which: str = "l2") -> Iterator[str]:
        """One line of text for each entry held."""
        for entry in self.tlb(which):
            size_bytes = (~int(entry["mask"]) & dtypes.NOWHERE) + 1
            asid = "global" if int(entry["asid"]) & dtypes.ASID_GLOBAL else f"asid {int(entry['asid'])}"
            attributes = int(entry["attributes"])
            flags = "".join(letter if attributes & bit else "-" for letter, bit in (
                ("W", dtypes.ATTRIBUTE_WRITABLE), ("0", dtypes.ATTRIBUTE_EL0), ("P", dtypes.ATTRIBUTE_PXN), ("U", dtypes.ATTRIBUTE_UXN),
                ("D", dtypes.ATTRIBUTE_DEVICE), ("C", dtypes.ATTRIBUTE_CONTIGUOUS)))
            yield (f"va {int(entry['va']):#018x} -> pa {int(entry['pa']):#014x} {size_bytes >> 10:>8} KiB {asid:<10} "
                   f"level {attributes >> dtypes.ATTRIBUTE_LEVEL_SHIFT & 3} {flags}")

    def mapped(self) -> Iterator[Mapped]:
        """What the translation tables of this PE map now, as ranges in order of VA; TTBR0's half first. Read lazily from memory."""
        tcr = self.system("TCR_EL1")
        return merged(chain(mapped_leaves(self._read_table, tcr, self.system("TTBR0_EL1"), upper=False),
                            mapped_leaves(self._read_table, tcr, self.system("TTBR1_EL1"), upper=True)))

    def table_lines(self) -> Iterator[str]:
        """One line of text for each range that the translation tables map."""
        return (str(range_) for range_ in self.mapped())

    def _read_table(self, pa: int, count: int) -> list[int] | None:
        offset = pa - int(self._state.machine[0]["ram_pa"])
        if offset < 0 or offset + 8 * count > self._state.ram.nbytes:
            return None
        return [int(word) for word in self._state.ram[offset : offset + 8 * count].view("<u8")]
