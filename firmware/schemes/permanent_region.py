"""permanent-region: all pcpus in a region that is mapped once, at boot, and never changes size. An interpretation.

Idea: what is mapped by permanent blocks has no window. Origin: what is said of FreeBSD review D24758, which was not found; this is an
interpretation of it, not its algorithm. Preconditions: the number of PEs is known at boot. Failure: whoever asks before the region is there,
or for one pcpu more than it was sized for, gets none.
"""
from types import MappingProxyType

from firmware.schemes.scheme import Scheme

PERMANENT_REGION = Scheme(
    name="permanent-region",
    summary="scheme: pcpus in a region mapped once at boot, never changed (an interpretation)",
    idea="a region sized at boot and mapped by blocks that nobody may demote holds the pcpus of all PEs",
    origin="an interpretation: FreeBSD review D24758 as others speak of it; its text was not found",
    preconditions=("the number of PEs is known when the region is mapped", "contiguous memory, and KVA, as large as the region",
                   "nothing needs a pcpu before the allocators run"),
    failure_modes=("what is needed before the region is mapped cannot lie there (in FreeBSD: bootstrap of UMA and SMR)",
                   "a PE more than the region was sized for gets no pcpu",
                   "the region lies in one memory domain, whatever the PE's own"),
    is_safe=True, promotes=True, number="SC-3", protects=("pcpu",),
    options=MappingProxyType({"REGION_PES": 0}))        # for how many PEs the region is sized; 0: for all that there are
