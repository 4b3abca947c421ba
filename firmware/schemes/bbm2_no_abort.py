"""bbm2-no-abort: as bbm2, on PEs that never answer an overlap by an abort.

Idea: nothing is ever invalid and nothing ever aborts. Origin: Linux since 6.18 (BBML2_NOABORT), the architecture's FEAT_BBM level 3.
Preconditions: every PE is known not to abort. Failure: one PE without that, and it is bbm2.
"""
from types import MappingProxyType

from firmware.schemes.scheme import Scheme

BBM2_NO_ABORT = Scheme(
    name="bbm2-no-abort",
    summary="scheme: the size changes by one store, on PEs that never take a conflict abort",
    idea="where no PE answers an overlap by an abort, a store and the TLBIs behind it change the size, and nobody notices",
    origin="Linux arm64, BBML2_NOABORT (commit a166563e7ec3, for 6.18); FEAT_BBM level 3",
    preconditions=("every PE that shares the tables is known not to take conflict aborts", "nothing but the size changes"),
    failure_modes=("one PE that does abort, brought online later, makes it bbm2", "contiguous runs are not formed here"),
    is_safe=True, promotes=True, number="SC-15", protects=("pcpu", "thread", "stack", "vector", "data"),
    machine=MappingProxyType({"feat_bbm": 2, "multi_hit": "new", "adversarial": True}))
