"""The kinds of event and what their operands mean. One table: compiled code emits by number, printers read the names.

Each event record (`dtypes.EVENT`) has the cycle and the PE, a 32-bit `aux`, and three 64-bit operands a, b, c.
"""
from typing import NamedTuple


class EventKind(NamedTuple):
    """One kind of event: its number, name and the meaning of its operands (None = unused)."""

    number: int
    name: str
    aux: str | None
    a: str | None
    b: str | None
    c: str | None


_KINDS = (
    #  name              aux                     a              b                c
    ("fill", "access", "va", "pa", "size_bytes"),                       # a TLB level was filled: L1 from L2, or both from a walk
    ("walk", "level", "va", "descriptor_pa", "descriptor"),             # a walk ended at this descriptor
    ("fault", "status", "va", "access", "pc"),
    ("entry", "slot", "esr", "elr", "far"),                             # exception taken to VBAR_EL1 + slot
    ("return", "from_el", "elr", "spsr", None),                         # ERET executed
    ("tlbi", "kind", "va", "size_bytes", "asid"),                       # issued
    ("tlbi_done", "kind", "va", "issuer", "dropped"),                   # took effect at this PE
    ("tlbi_complete", None, "waited_cycles", None, None),               # the issuer's DSB has seen every PE done
    ("sgi", "intid", "target", "due_cycle", None),
    ("interrupt_acknowledged", "intid", None, None, None),
    ("interrupt_ended", "intid", None, None, None),
    ("psci", "function", "x1", "x2", "x3"),
    ("console", "byte", None, None, None),
    ("mark", None, "symbol", "va", None),                               # a watched symbol was passed
    ("wait", "how", None, None, None),                                  # 2 = WFI, 3 = WFE
    ("wake", "how", "slept_cycles", None, None),
    ("semihosting", "operation", "parameter", None, None),
    ("power", "on", "entry", None, None),
    ("injected", "what", "syndrome", None, None),
    ("exclusive_lost", "by", "pa", None, None),
    ("code_maintenance", "operation", "pa", None, None),
    ("timer", "intid", "compare", None, None),
    ("conflict", "outcome", "va", "old_descriptor_pa", "new_descriptor_pa"),    # overlapping TLB entries answered; outcome: MULTI_HIT_*
    ("residue", "access", "va", "pa", "issuer"),                        # an access used what a TLBI of PE `issuer` had dropped
)
KINDS: tuple[EventKind, ...] = tuple(EventKind(number, *row) for number, row in enumerate(_KINDS))
BY_NAME: dict[str, EventKind] = {kind.name: kind for kind in KINDS}

(EVENT_FILL, EVENT_WALK, EVENT_FAULT, EVENT_ENTRY, EVENT_RETURN, EVENT_TLBI, EVENT_TLBI_DONE, EVENT_TLBI_COMPLETE, EVENT_SGI,
 EVENT_ACKNOWLEDGED, EVENT_ENDED, EVENT_PSCI, EVENT_CONSOLE, EVENT_MARK, EVENT_WAIT, EVENT_WAKE, EVENT_SEMIHOSTING, EVENT_POWER,
 EVENT_INJECTED, EVENT_EXCLUSIVE_LOST, EVENT_CODE_MAINTENANCE, EVENT_TIMER, EVENT_CONFLICT, EVENT_RESIDUE) = range(len(KINDS))
