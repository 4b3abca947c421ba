"""machdep-page: a flag in vm_page, PG_MACHDEP, says which frames are pcpu's; a change of a run that holds one parks the other PEs.

Idea: the flag belongs to the frame, so that promotion, demotion and aliases cannot lose it. Origin: the discussion of FreeBSD review D35084.
Preconditions and failures are those of the fields below. The look at 512 frames comes with each promotion, inside the lock of the pmap.
"""
from firmware.schemes.pte_flag import SELECT_OPTIONS
from firmware.schemes.rendezvous_park import PARK_MARKS
from firmware.schemes.scheme import Scheme

MACHDEP_PAGE = Scheme(
    name="machdep-page",
    summary="scheme: a flag of pcpu's frames selects parking for changes of any run that holds one",
    idea="each change looks at the vm_pages of its run; if one is flagged PG_MACHDEP, every other PE is parked in a rendezvous, else none",
    origin="the discussion of FreeBSD review D35084 (PG_MACHDEP); SErrors masked while parked: own derivation",
    preconditions=("every frame of a pcpu has a vm_page, flagged before its PE uses it", "what rendezvous-park needs, SErrors left out"),
    failure_modes=("PE 0's pcpu of boot lies outside the frames that have a vm_page, and is not protected",
                   "each promotion looks at 512 vm_pages while the pmap is locked",
                   "a debug exception, or an FIQ where it is not masked, still reaches a parked PE",
                   "with SErrors taken while parked, one recurses as under rendezvous-park"),
    is_safe=True, promotes=True, number="SC-7", protects=("pcpu",), options=SELECT_OPTIONS, marks=PARK_MARKS)
