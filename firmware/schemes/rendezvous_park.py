"""rendezvous-park: every other PE spins in the action of a rendezvous while a descriptor is invalid.

Idea: who does nothing but spin on a word outside the range meets no window. Origin: the code of FreeBSD review D35084. Preconditions and
failures are those of the fields below; the initiator holds the pmap lock while it gathers the others, so nobody may wait for that lock with
interrupts masked. Interrupts wait until the change is made; an SError does not, and its entry code needs pcpu.
"""
from types import MappingProxyType

from firmware.schemes.scheme import LOAD_MARKS, Scheme

#: What every scheme that parks in a rendezvous can be varied by (asm/park.inc), and the labels between which a PE is parked.
PARK_OPTIONS = MappingProxyType({"FLAG_PLACE": 0, "UNMASK_FIQ": 0})
PARK_MARKS = (*LOAD_MARKS, "mark_parked", "mark_unparked")

RENDEZVOUS_PARK = Scheme(
    name="rendezvous-park",
    summary="scheme: before each change of a live descriptor the other PEs come to spin in a rendezvous",
    idea="every other PE spins in the action of a rendezvous, interrupts masked, from before the break until after the make",
    origin="FreeBSD review D35084, the code in its discussion (smp_rendezvous, spinning and done)",
    preconditions=("every PE answers the IPI: interrupts on, no spin lock held that the initiator or its lock's waiters need",
                   "the words spinning and done lie outside the range", "the initiator's own stack, pcpu and text lie outside the range",
                   "no SError, FIQ or debug exception arrives in the window"),
    failure_modes=("with the words in the range the parked PEs fault on them, and recurse if pcpu lies there too",
                   "an SError, or an FIQ where it is not masked, recurses as under naive if pcpu lies in the range",
                   "a PE that masks interrupts for ever keeps the initiator at the first barrier for ever",
                   "the cost grows with the number of PEs, and all of them lose the time"),
    is_safe=False, promotes=True, number="SC-4", protects=(), options=PARK_OPTIONS, marks=PARK_MARKS, ends="exited")
