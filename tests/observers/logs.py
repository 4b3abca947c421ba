"""Logs made by hand."""
import numpy as np
import numpy.typing as npt

from sim.arch.syndrome import FaultStatus, esr_data_abort, esr_instruction_abort
from sim.arch.tlbi import KIND_VAA, SCOPE_INNER
from sim.state.dtypes import EVENT, NOWHERE
from sim.state.events import BY_NAME

Record = tuple[int, int, str, int, int, int, int]      # as EVENT, with the name of the kind
EL0, EL1 = 0b0000, 0b0101
SYNC, IRQ = 0x200, 0x280
VBAR = 0x4008_1000
READ = esr_data_abort(from_el0=False, status=FaultStatus.TRANSLATION_LEVEL_3, write=False)
WRITE = esr_data_abort(from_el0=False, status=FaultStatus.TRANSLATION_LEVEL_3, write=True)
FETCH = esr_instruction_abort(from_el0=False, status=FaultStatus.TRANSLATION_LEVEL_3)
PAGE = 0xFFFF_FF80_0000_3000


def log(*records: Record) -> npt.NDArray[np.void]:
    return np.array([(cycle, pe, BY_NAME[kind].number, aux, a, b, c) for cycle, pe, kind, aux, a, b, c in records], EVENT)


def entry(cycle: int, esr: int = READ, elr: int = 0x1000, far: int = PAGE + 8, slot: int = SYNC, pe: int = 1) -> Record:
    return cycle, pe, "entry", slot, esr, elr, far


def eret(cycle: int, elr: int = 0x1000, spsr: int = EL1, pe: int = 1) -> Record:
    return cycle, pe, "return", 1, elr, spsr, 0


def irq(cycle: int, elr: int = 0x2000, pe: int = 1) -> Record:
    return entry(cycle, 0, elr, NOWHERE, IRQ, pe)


def invalidate(cycle: int, va: int = PAGE, pe: int = 0) -> Record:
    return cycle, pe, "tlbi", KIND_VAA | SCOPE_INNER << 12, va, 0x1000, 0


def no_symbol(_address: int) -> str | None:
    return None
