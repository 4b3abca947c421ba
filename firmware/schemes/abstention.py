"""abstention: kernel memory is mapped in pages, whatever it could become.

Idea: what has no superpages has no promotion and no demotion. Origin: Linux arm64 before 6.18, whose linear map is made of pages without
the contiguous bit where permissions may change (rodata=full), and whose contpte is for user mappings only. Preconditions: none. Failure:
none; the price is TLB reach, and a translation table for each 2 MB.
"""
from firmware.schemes.scheme import Scheme

ABSTENTION = Scheme(
    name="abstention",
    summary="scheme: kernel memory stays in pages, nothing is ever promoted",
    idea="kernel mappings never change size, because they begin and stay as single pages",
    origin="Linux arm64 before 6.18 (mmu.c, can_set_direct_map; contpte.c is for user mappings only)",
    preconditions=("the kernel's own memory is mapped in single pages from the start",),
    failure_modes=("every access to kernel memory needs an entry of the TLB for its page: reach is lost",
                   "each 2 MB keeps a translation table"),
    is_safe=True, promotes=False, number="SC-12", protects=("pcpu", "thread", "stack", "data"))
