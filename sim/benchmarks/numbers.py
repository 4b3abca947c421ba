"""Numbers of PEs as a person writes them."""
from sim.errors import UserError


def pe_numbers(text: str, least: int, most: int) -> tuple[int, ...]:
    """"2..64" doubles from 2 and ends with 64, whatever the last step is; "2,4,8" are themselves; both can be mixed. Each once, in order.

    Raises UserError for anything else, and for a number outside least..most.
    """
    found: set[int] = set()
    for part in text.split(","):
        first, dots, last = part.strip().partition("..")
        try:
            low, high = int(first), int(last if dots else first)
        except ValueError:
            raise UserError(f"--pes {text!r}: write numbers as 2,4,8, or a range as 2..64, which doubles") from None
        if low > high:
            raise UserError(f"--pes {text!r}: {low}..{high} ends before it begins")
        if low < least or high > most:
            raise UserError(f"--pes {text!r}: each must be from {least} to {most}")
        while low < high:
            found.add(low)
            low *= 2
        found.add(high)
    return tuple(sorted(found))
