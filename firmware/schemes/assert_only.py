"""assert-only: an assertion in front of each change of a live descriptor that no pcpu lies in what it maps.

Idea: a panic that names the culprit instead of a hang that names nobody. Origin: the assertions of FreeBSD's pmap_update_entry and of the
demotions. Preconditions: none. Failure: the kernel stops where another scheme would have gone on.
"""
from firmware.schemes.scheme import Scheme

ASSERT_ONLY = Scheme(
    name="assert-only",
    summary="scheme: an assertion before each change of a live descriptor; panic instead of hang",
    idea="whoever changes a descriptor asserts first that it maps no pcpu, so that the defect is a panic where it begins",
    origin="assertions of FreeBSD arm64 pmap.c, pmap_update_entry and pmap_demote_l2_locked",
    preconditions=("every change of a descriptor passes the assertion", "the pcpus of all PEs are known to it"),
    failure_modes=("the defect is found, not prevented: the kernel panics when the run fills",
                   "objects other than pcpu are not looked for"),
    is_safe=False, promotes=False, number="SC-2", protects=(), ends="panic")
