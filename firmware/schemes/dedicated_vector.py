"""dedicated-vector: every other PE spins in the vector by which it took a special SGI, while a descriptor is invalid.

Idea: the vector itself answers, before a frame is stored, so that neither stack nor pcpu is used. Origin: the discussion of FreeBSD review
D35084, which names a page of its own with vector, code and an indicator to spin on. Preconditions and failures are those of the fields
below.
"""
from firmware.schemes.rendezvous_park import PARK_MARKS
from firmware.schemes.scheme import OBJECTS, Scheme

DEDICATED_VECTOR = Scheme(
    name="dedicated-vector",
    summary="scheme: before each change a special SGI has the other PEs spin in a vector of their own",
    idea="every other PE spins in the vector that took a special SGI, with no frame stored, from before the break until after the make",
    origin="FreeBSD review D35084, its discussion (a dedicated page with a vector and an indicator to spin on); details are ours",
    preconditions=("the vector's page and those of the words and of the saved registers are never changed",
                   "every PE takes the SGI: interrupts on", "TPIDRRO_EL0 is not used for anything else",
                   "the initiator's own stack, pcpu and text lie outside the range"),
    failure_modes=("a PE that masks interrupts for ever keeps the initiator waiting for ever",
                   "an SError, FIQ or interrupt waits until the change is made",
                   "each IRQ is asked for its INTID before it is served, which costs every interrupt some cycles"),
    is_safe=True, promotes=True, number="SC-5", protects=OBJECTS, marks=PARK_MARKS)
