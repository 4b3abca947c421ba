"""Reading memory by VA from Python at a stop, as a PE would see it, without charge, fill or event."""
import numpy as np

from sim.hot.translate import OK, probe
from sim.state import dtypes
from sim.state.arrays import State


def output_address(state: State, pe: int, va: int, *, access: int = dtypes.ACCESS_READ) -> int | None:
    """PA that an access of PE `pe` at EL1 to `va` reaches now; None where it would fault."""
    with np.errstate(over="ignore"):
        status = probe(state.handle, pe, np.uint64(va & dtypes.NOWHERE), np.uint64(access), np.uint64(0), np.uint64(0))
    if status != OK:
        return None
    walked = state.walked[pe]
    return int(walked["pa"]) | (va & ~int(walked["mask"]) & dtypes.NOWHERE)


def read_virtual(state: State, pe: int, va: int, size_bytes: int) -> bytes | None:
    """`size_bytes` bytes from `va`; None where a byte cannot be read or is not in RAM."""
    parts, ram_pa = [], int(state.machine[0]["ram_pa"])
    while size_bytes > 0:
        part_bytes = min(size_bytes, 4096 - va % 4096)
        pa = output_address(state, pe, va)
        if pa is None or not ram_pa <= pa <= ram_pa + state.ram.nbytes - part_bytes:
            return None
        parts.append(state.ram[pa - ram_pa : pa - ram_pa + part_bytes].tobytes())
        va, size_bytes = va + part_bytes, size_bytes - part_bytes
    return b"".join(parts)
