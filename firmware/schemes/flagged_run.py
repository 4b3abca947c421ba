"""flagged-run: the software bit that selects parking is on every page of the run that holds a pcpu, so that the run is still promoted.

Idea: attributes that stay equal do not keep a run from promotion. Origin: the discussion of FreeBSD review D35084. Preconditions and
failures are those of the fields below. The L2 table descriptor carries the bit too, in a field that hardware ignores (DDI 0487, "VMSAv8-64
descriptor formats"): pages entered later take it from there, and so does the table that a demotion puts in the block's place. That place
is an own derivation; the review says only that the neighbours must be flagged.
"""
from firmware.schemes.pte_flag import SELECT_OPTIONS
from firmware.schemes.rendezvous_park import PARK_MARKS
from firmware.schemes.scheme import Scheme

FLAGGED_RUN = Scheme(
    name="flagged-run",
    summary="scheme: the bit that selects parking is on pcpu's whole run, which still promotes",
    idea="all pages of the run, later ones too, carry the bit; promotion and demotion of it are made with every other PE parked",
    origin="the discussion of FreeBSD review D35084; the bit in the L2 table descriptor and SErrors masked while parked: own derivation",
    preconditions=("the run is flagged before a PE uses the pcpu in it", "every way to enter a page takes over the run's bit",
                   "what rendezvous-park needs, SErrors left out"),
    failure_modes=("a neighbour that is entered without the bit keeps the run from promotion",
                   "changes of unrelated pages of the run are parked for as well",
                   "a debug exception, or an FIQ where it is not masked, still reaches a parked PE",
                   "with SErrors taken while parked, one recurses as under rendezvous-park"),
    is_safe=True, promotes=True, number="SC-8", protects=("pcpu",), options=SELECT_OPTIONS, marks=PARK_MARKS)
