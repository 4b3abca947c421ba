"""Reading what the user named, with one clear line when that fails."""

import stat
from pathlib import Path

from sim.errors import UserError

FILE_MAX_BYTES = 1 << 30                # a larger image fits no RAM that a host gives; a larger source is a mistake


def read_bytes(path: str | Path) -> bytes:
    """The whole content of a regular file. UserError when it is missing, not a regular file (a pipe would block), unreadable or huge."""
    path = Path(path)
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise UserError(f"{path}: is a directory, not a file")
        if not stat.S_ISREG(status.st_mode):
            raise UserError(f"{path}: is not a regular file")
        if status.st_size > FILE_MAX_BYTES:
            raise UserError(f"{path}: the file has {status.st_size} bytes, more than the {FILE_MAX_BYTES} that can be loaded")
        return path.read_bytes()
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise UserError(f"{path}: cannot be read: {reason}") from None
