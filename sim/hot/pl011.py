"""PL011 UART: transmit to the console, and the registers that polling drivers read. ARM DDI 0183, chapter 3.

Not modelled: receive, interrupts, baud rate; the FIFO is never full.
"""
import numpy as np
from numba import njit

from sim.hot.events import emit
from sim.state import events
from sim.state.handle import machine_of, pl011_of

u64 = np.uint64
ZERO, ONE = u64(0), u64(1)
DATA, FLAGS, RAW_INTERRUPTS, MASKED_INTERRUPTS = u64(0x000), u64(0x018), u64(0x03C), u64(0x040)
INTERRUPT_CLEAR = u64(0x044)
STORED_BYTES = u64(0x100)
IDENTIFICATION = u64(0xFE0)
FLAGS_IDLE = u64(0x90)                  # TXFE | RXFE: both FIFOs empty
TRANSMIT_INTERRUPT = u64(1 << 5)
#: By number of the 4-byte register.
RESET_REGISTERS = {0x030 // 4: 0x300, 0x034 // 4: 0x12}      # CR: TXE | RXE; IFLS
# PeriphID0..3, PCellID0..3 of a PL011 r1p4 as QEMU's `virt` has it; one byte each
_IDENTIFICATION_BYTES = u64(0xB105_F00D_0014_1011)
EVENT_CONSOLE = u64(events.EVENT_CONSOLE)
NEWLINE = u64(10)


@njit
def read(m, offset):  # type: ignore[no-untyped-def]
    """Value of the register at `offset` in the UART's page."""
    register = offset & ~u64(3)
    if register == FLAGS:
        return FLAGS_IDLE
    if register == DATA:
        return ZERO
    if register == RAW_INTERRUPTS:
        return TRANSMIT_INTERRUPT
    if register == MASKED_INTERRUPTS:
        return TRANSMIT_INTERRUPT & pl011_of(m)[np.int64(u64(0x038) >> u64(2))]
    if register >= IDENTIFICATION and register < u64(0x1000):
        return (_IDENTIFICATION_BYTES >> (((register - IDENTIFICATION) >> u64(2)) * u64(8))) & u64(0xFF)
    if register < STORED_BYTES:
        return pl011_of(m)[np.int64(register >> u64(2))]
    return ZERO


@njit
def write(m, i, offset, value):  # type: ignore[no-untyped-def]
    """Write the register at `offset`; a byte written to the data register is console text of PE i."""
    register = offset & ~u64(3)
    if register == DATA:
        emit(m, i, EVENT_CONSOLE, value & u64(0xFF), ZERO, ZERO, ZERO)
        if value & u64(0xFF) == NEWLINE:
            machine_of(m)["stop_request"] = ONE
    elif register < STORED_BYTES and register != FLAGS and register != INTERRUPT_CLEAR:
        pl011_of(m)[np.int64(register >> u64(2))] = value & u64(0xFFFF_FFFF)
