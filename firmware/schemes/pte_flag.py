"""pte-flag: a software bit on pcpu's pages selects parking; promotion compares attributes, so their run stays in pages by accident.

Idea: who changes a flagged descriptor parks the others first. Origin: the prototype named in the discussion of FreeBSD review D35084.
Preconditions and failures are those of the fields below. A run that is flagged in part is never promoted, and each attempt is counted as a
failure, unlike under no-promote, whose refusal by the first page is not.
"""
from types import MappingProxyType

from firmware.schemes.rendezvous_park import PARK_MARKS
from firmware.schemes.scheme import Scheme

#: What schemes that park for some changes only can be varied by (asm/park_select.inc).
SELECT_OPTIONS = MappingProxyType({"FLAG_PLACE": 0, "UNMASK_FIQ": 0, "MASK_SERROR": 1})

PTE_FLAG = Scheme(
    name="pte-flag",
    summary="scheme: a bit on pcpu's pages selects parking; their run, partly flagged, never promotes",
    idea="a software bit in the descriptors of pcpu's pages says that they are changed with every other PE parked in a rendezvous",
    origin="the prototype named in the discussion of FreeBSD review D35084; SErrors masked while parked: own derivation",
    preconditions=("pcpu is flagged before its PE uses it", "for changes of flagged pages: what rendezvous-park needs"),
    failure_modes=("promotion compares attributes, the bit among them: the run never becomes a block, which costs TLB reach",
                   "a run whose pages all carry the bit is promoted after all, through parking",
                   "flagging a page of a block demotes the block without parking, since the block is not flagged",
                   "a debug exception, or an FIQ where it is not masked, still reaches a parked PE"),
    is_safe=True, promotes=False, number="SC-6", protects=("pcpu",), options=MappingProxyType({**SELECT_OPTIONS, "FLAG_CHANGES": 0}),
    marks=PARK_MARKS)
