"""idmap-park: every other PE spins in the identity map, with an empty TTBR1, while a descriptor is invalid.

Idea: a PE that uses nothing of the map which is changed meets no window in it. Origin: Linux, where a boot with PEs that differ in FEAT_BBM splits its
linear map again. Preconditions and failures are those of the fields below. SErrors and FIQs that arrive wait until TTBR1 is back.
"""
from firmware.schemes.rendezvous_park import PARK_MARKS
from firmware.schemes.scheme import OBJECTS, Scheme

IDMAP_PARK = Scheme(
    name="idmap-park",
    summary="scheme: before each change the others leave the kernel's map and spin in the identity map",
    idea="every other PE spins in the identity map with an empty TTBR1 and all exceptions masked, from before the break until after the make",
    origin="Linux arm64 (mmu.c, linear_map_split_to_ptes and its stop_machine; proc.S, the waiting area of the idmap)",
    preconditions=("text and the words to spin on are in the identity map", "every PE answers the IPI",
                   "the initiator's own stack, pcpu and text lie outside the range"),
    failure_modes=("a PE that masks interrupts for ever keeps the initiator at the first barrier for ever",
                   "an SError, FIQ or interrupt waits until the change is made",
                   "each parked PE loses its whole TLB, and with it the others' time grows beyond that of the rendezvous"),
    is_safe=True, promotes=True, number="SC-16", protects=OBJECTS, marks=PARK_MARKS)
