"""shadow-tables: each change is made in a copy of the tables on its path, to which every PE switches; nothing is ever invalid.

Idea: replace the tree, not the entry. Origin: own derivation; no source proposes it. Copied are the L1 table, the L2 table and, where pages
change, the L3 table on the path; the old ones may be reused when the rendezvous has ended, since by then every PE has dropped what it held
of them. Preconditions and failures are those of the fields below. The TLBI between the trees is local and drops everything.
"""
from firmware.schemes.scheme import LOAD_MARKS, Scheme

SHADOW_TABLES = Scheme(
    name="shadow-tables",
    summary="scheme: every PE switches TTBR1 to a copy of the tables that holds the change",
    idea="the change is made in a copy of the path through the tables, and each PE moves TTBR1_EL1 to it in the action of a rendezvous",
    origin="own derivation, not in the sources",
    preconditions=("every PE answers the IPI", "the text of the switch lies under TTBR0", "three spare tables",
                   "hardware updates neither access flags nor dirty state of the tables that are copied"),
    failure_modes=("what hardware notes in the old tables between copy and switch is lost",
                   "each PE's whole TLB is dropped at each change",
                   "whoever keeps the address of a descriptor across a change has that of a table no longer in force",
                   "the switch itself goes by way of an empty table: a few instructions with everything masked, SErrors too",
                   "a PE that masks interrupts for ever keeps the initiator at the first barrier for ever"),
    is_safe=True, promotes=True, number="SC-17", protects=("pcpu", "thread", "stack", "data"),
    marks=(*LOAD_MARKS, "mark_switch"))
