"""nt: a block carries the nT bit while its size changes, so that it is never invalid.

Idea: between the two sizes stands a block that no TLB may hold; accesses walk instead of faulting. Origin: FEAT_BBM level 1. Preconditions:
every PE has it and answers nT by a walk. Failure: a PE may answer nT by a translation fault, and then this is naive with two windows.
"""
from types import MappingProxyType

from firmware.schemes.scheme import Scheme

NT = Scheme(
    name="nt",
    summary="scheme: a block carries nT while its size changes; no TLB holds it, nothing is invalid",
    idea="the block is written with nT over the table, or nT is set on it, TLBs drop what they hold, then the new descriptor follows",
    origin="Arm architecture, FEAT_BBM level 1 (nT, DDI 0487)",
    preconditions=("every PE that shares the tables has FEAT_BBM level 1 or more", "no PE answers nT by a fault", "nothing but the size changes"),
    failure_modes=("a PE that answers nT by a translation fault recurses as under naive, in two windows instead of one (--nt-faults)",
                   "each access walks while nT stands, and there are two rounds of TLBIs",
                   "contiguous runs have no such bit: here they are not formed"),
    is_safe=True, promotes=True, number="SC-13", protects=("pcpu", "thread", "stack", "vector", "data"),
    machine=MappingProxyType({"feat_bbm": 1}))
