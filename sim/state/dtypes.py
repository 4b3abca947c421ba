"""One dtype for each kind of thing: PE, TLB entry, TLBI in flight, event, block facts, interrupt state, machine.

Everything mutable that is not inside a Unicorn instance lives in arrays of these (see `arrays.py`). Fields are 64-bit unsigned
unless said otherwise, so that compiled code never mixes widths. `_cycles` fields count cycles of simulated time.
"""
import numpy as np

NOWHERE = 0xFFFF_FFFF_FFFF_FFFF         # no address, no reservation, never (as a time)

# What a PE is doing.
STATUS_OFF, STATUS_RUNNING, STATUS_WFI, STATUS_WFE = range(4)

# Kinds of access that a translation is asked for: the engine's numbers (UC_MEM_READ, _WRITE, _FETCH).
ACCESS_READ, ACCESS_WRITE, ACCESS_FETCH = 16, 17, 18


def _words(*names: str) -> list[tuple[str, str]]:
    return [(name, "u8") for name in names]


#: One translation held by a TLB; `mask == 0` means the slot is empty.
TLB_ENTRY = np.dtype(
    _words(
        "va",           # first VA of the entry, aligned to its size
        "mask",         # ~(size_bytes - 1); 0 = empty
        "pa",           # output address of `va`
        "asid",         # ASID, or ASID_GLOBAL for a global entry
        "attributes",   # ATTRIBUTE_* bits below
        "descriptor_pa",  # PA of the descriptor that it came from; walk-cache entries: that of the table descriptor
        "handed",       # `soft_generation` of the PE when the entry was last handed to the engine's soft TLB; 0 = never
        "spare",        # L1: slot of the L2 entry that it came from; L2: mask of the whole block, of which it may be a fraction
    )
)
ASID_GLOBAL = 1 << 32
L1_HINTS = 256

# TLB_ENTRY.attributes: permissions as the whole walk leaves them (hierarchical bits and WXN not applied: WXN depends on SCTLR)
ATTRIBUTE_WRITABLE = 1 << 0             # AP[2] == 0
ATTRIBUTE_EL0 = 1 << 1                  # AP[1] == 1: EL0 may access
ATTRIBUTE_PXN = 1 << 2
ATTRIBUTE_UXN = 1 << 3
ATTRIBUTE_DBM = 1 << 4                  # descriptor had DBM and hardware update of dirty state is on: first write sets AP[2] = 0
ATTRIBUTE_DEVICE = 1 << 5               # Device memory by MAIR
ATTRIBUTE_CONTIGUOUS = 1 << 6
ATTRIBUTE_NT = 1 << 7                   # block descriptor with nT = 1
ATTRIBUTE_LEVEL_SHIFT = 8               # two bits: level of the leaf (walk cache: level of the table that `pa` is)
ATTRIBUTE_SH_SHIFT = 10                 # two bits: shareability
ATTRIBUTE_FLAT = 1 << 12                # the MMU is off: no permissions apply; such a translation is never held by a TLB
ATTRIBUTE_MAIR_SHIFT = 16               # eight bits: the MAIR attribute byte
ATTRIBUTE_FILLED_SHIFT = 28             # the other bits: number of the fill, L2 and L1 entries only; a later fill has a higher one
# Walk-cache entries: hierarchical permissions collected so far
ATTRIBUTE_TABLE_AP_SHIFT = 24           # two bits APTable, OR of all levels above
ATTRIBUTE_TABLE_PXN = 1 << 26
ATTRIBUTE_TABLE_UXN = 1 << 27

#: A TLBI on its way to one PE. levels: see `sim.hot.tlb.invalidate`; spare: `tlbi_completions` of the issuer when it was issued.
TLBI_IN_FLIGHT = np.dtype(_words("due_cycles", "kind", "va", "size_bytes", "asid", "levels", "issuer", "spare"))
TLBI_QUEUE_ENTRIES = 64
OWN_TLBI_ENTRIES = 64                   # of the issuer itself, not yet in effect (`sim.hot.own_tlbi`)
STALE_CODE_ENTRIES = 8

#: A store to a descriptor that walks do not observe yet: what they read in its place (`sim.hot.hidden_stores`).
HIDDEN_STORE = np.dtype(_words("pa", "value", "pe", "visible_cycles", "own_visible"))
HIDDEN_STORES = 256

#: Where the copies of one 64-byte line of RAM are. holder: LINE_* state, owner PE << 8, PE that it is on its way from + 1 << 16.
#: busy: when the next request may begin; begin: until when the PE before still has it; at_home: nobody holds it because an atomic was
#: done at its home; sharers: one bit for each PE.
LINE = np.dtype([*_words("holder", "busy_cycles", "begin_cycles", "at_home"), ("sharers", "u8", (4,))])
LINE_INVALID, LINE_SHARED, LINE_EXCLUSIVE, LINE_MODIFIED = range(4)

# page_sharing (32 bits for each 4 KiB page of RAM): bits 7:0 which PEs access its data, 15:8 the one PE, or the last that wrote while
# it is shared, 31:16 how often that one did without another between
SHARING_UNTOUCHED, SHARING_CLEAN, SHARING_PRIVATE, SHARING_READ, SHARING_SHARED = range(5)

# MACHINE.coherence: not modelled; accesses to pages that PEs share; every access, with caches
COHERENCE_OFF, COHERENCE_PAGES, COHERENCE_ALL = range(3)

#: A page that becomes shared at a time to come (`sim.hot.sharing`), by whose access of which kind.
ANNOUNCED = np.dtype(_words("page", "due_cycles", "pe", "is_write"))
ANNOUNCED_ENTRIES = 64
SPIN_REGISTERS, SPIN_LINES = 33, 4      # X0..X30, SP, PC; lines that a loop of waiting may read
OBSERVED_ENTRIES = 8                    # pages that a PE accesses and that must be seen, which `sim.hot.turn` remembers; a power of two

#: Block facts: what is known of the block of instructions that starts at a PA and has a size.
BLOCK_FACTS = np.dtype(
    _words("tag", "cycles", "instructions", "flags", "last_flags", "requirements", "first_fp",
           "branch")                      # how it ends: see `sim.hot.branch`
    + [("requirement", "u8", (8,))]
)
FACTS_ENTRIES = 4096
#: Cycles of a block of instructions: the whole, and the first k + 1 of them (`sim.hot.pipeline`). tag: PA | size in bytes << 48.
SCHEDULE_PREFIXES = 64
BLOCK_SCHEDULE = np.dtype(_words("tag", "cycles", "instructions") + [("prefix", "u4", (SCHEDULE_PREFIXES,))])
WINDOW_MOST = 1024                      # instructions that a core may have under way
PIPELINE_WORK_WORDS = 4096
DVM_CREDITS_MOST = 64
BRANCH_TARGETS, RETURN_STACK_MOST = 256, 64     # of each PE

#: One event of the log.
EVENT = np.dtype([("cycle", "u8"), ("pe", "u2"), ("kind", "u2"), ("aux", "u4"), ("a", "u8"), ("b", "u8"), ("c", "u8")])

PE_PADDING_WORDS = 8                   # fills the last of the host's cache lines; `arrays` checks it
#: One PE: everything that hooks and the run loop keep of it. The callbacks get the address of this record.
PE = np.dtype(
    _words(
        # The first 32 words are four cache lines that every slice touches; the rest is rarer.
        "machine", "index", "uc", "registers_address", "exclusive_address", "cycles", "limit_cycles", "stop",
        # cost of the block under way, charged when it ends; counts; flags of that block; irq_waiting: an interrupt is signalled but
        # masked, so stop after DAIF changes; stepping: inside a single step
        "pending_cycles", "pending_instructions", "instructions", "blocks", "slices", "previous_flags", "irq_waiting", "stepping",
        # the page that instructions come from, and the block under way
        "code_va", "code_pa", "block_va", "block_pa", "block_bytes", "block_flags", "align_check",
        "repeatable",                                          # cost of that block if it may run again unseen; 0 = look at it
        # what may have arrived before a slice
        "status", "tlbi_due_cycles", "irq_due_cycles", "serror_due_cycles", "serror_pending", "soft_flush", "code_flush", "monitor_used",
        # addresses inside the engine instances
        "invalid_address", "stepper", "stepper_registers_address", "stepper_invalid_address", "stepper_exclusive_address",
        # control
        "pc", "stop_a", "stop_b", "interrupt_number", "steps_left",
        "wait_daif", "fp_trapped",                             # PSTATE when it began to wait; FP traps: 0 none, 1 at EL0, 2 everywhere
        # a translation or access that was refused
        "fault_pending", "fault_status", "fault_va", "fault_access", "fault_cache_maintenance",
        # registers that steer translation and traps; the engine has the same values
        "sctlr", "tcr", "ttbr0", "ttbr1", "mair", "vbar", "cpacr", "cntkctl", "mdscr", "pmccntr_base",
        "saved_spsr",                                          # SPSR_EL1 replaced for the time of an illegal return
        "event_register", "reserved_pa",                       # of WFE; granule that the exclusive monitor holds
        # TLBs: used = valid entries of each L1; fractured = whether L2 may hold fractions of blocks
        "soft_generation", "l1i_next", "l1d_next", "random", "l2_sizes", "l1i_used", "l1d_used", "l2_fractured",
        "tlbi_head", "tlbi_count", "tlbi_complete_cycles",
        "tlbi_outstanding",                                    # scopes not yet waited for: bit 0 inner, bit 1 outer shareable
        "tlbi_completions", "tlbi_completed_cycles",           # DSBs of this PE that completed some; when the last of them did
        # UNUSUAL_* below; whether the soft TLB may have what nobody keeps; number of the last L2 fill; whether L2 ever held nG entries
        "unusual", "transient", "fill_sequence", "l2_non_global",
        # the residue of a TLBI (`sim.hot.residue`): who issued it, how many completions that PE had then; from which cycle on it may be
        # used once only, and until which at all
        "residue_issuer", "residue_completions", "residue_once_cycles", "residue_until_cycles",
        # interrupts and timers
        "wake_cycles", "cntv_ctl", "cntv_cval", "cntp_ctl", "cntp_cval", "timer_due_cycles",
        "fiq_injected", "irq_injected", "serror_syndrome",
        # periodic injection (`sim.hot.injection`): mean time between two, 0 = none; fiq_pulse: one is signalled and not yet taken
        "serror_period_cycles", "fiq_period_cycles", "fiq_pulse", "fiq_pulse_due_cycles", "injection_random",
        "adversary_random", "own_tlbi_count", "stale_code_count",   # adversarial setting: `sim.hot.own_tlbi`, `sim.hot.speculation`
        "block_key_cycles",                                    # when the block under way, or the last one, began: what it does has its place
                                                               # among what other PEs do by that
        "dvm_sent",                                            # broadcasts of this PE so far
        "branch", "round_blocks", "return_top",                 # how the block under way ends; `blocks` when it began: `sim.hot.branch`
        # single steps: the block that they add up to, the instruction that would continue it (`sim.hot.pipeline`)
        "schedule_pa", "schedule_bytes", "step_pa",
        # order (`sim.hot.turn`, `sim.hot.sharing`): before which cycle a block is in turn, NOWHERE = always; HELD_*: why a slice is to go on where
        # it ended, with its place in time by block_key_cycles; the limit was 0 then; the verdict that a PE has come to ahead of its turn
        "turn_cycles", "held", "held_at_limit", "ending",
        "hold_cycles",                                         # when the access that was refused may be made; 0 = none waits
        "share_due_cycles",                                    # when a page becomes shared next
        "observed_next", "observed_held",                      # of observed_* below: next place; bit n: the engine has page n now
        # waiting (`sim.hot.spin`): whether it sleeps, whether the slice is of one round; the block that loads, when it did last, how long a round
        # takes, how many took as long; when the registers were kept, and counts then (while it sleeps: of one round); cycles skipped
        "asleep", "probing", "spin_va", "spin_key_cycles", "spin_period_cycles", "spin_rounds", "spin_base_cycles", "spin_instructions",
        "spin_blocks", "spin_branches", "spin_stalls", "spin_pstate", "spin_cycles",
        "spin_lead_cycles",                                    # from the start of a round to the block that loads
        "spin_line_count",                                     # lines that the loading block has read in this round: spin_lines below
        "stopped_before",                                      # where the last run stopped for MACHINE.until: see `sim.hot.block`
        # statistics
        "n_fills", "n_l1i_misses", "n_l1d_misses", "n_l1i_lookups", "n_l1d_lookups", "n_l2_lookups", "n_l2_misses", "n_walks",
        "n_walk_reads", "n_walk_cache_hits",
        "walk_cycles", "n_soft_flushes", "n_faults", "n_entries", "n_returns", "n_interrupts", "n_tlbi_issued", "n_tlbi_received",
        "n_sgi_sent", "n_steps", "wait_cycles", "n_l2_evictions", "n_conflicts", "n_residues",
        # where cycles went, as parts of `cycles`: TLB misses with their walks, exception entry and return, waiting in DSB, mispredicted branches
        "tlb_cycles", "entry_cycles", "return_cycles", "dsb_cycles", "mispredict_cycles", "n_branches", "n_mispredicts",
        "n_dvm_waits", "dvm_wait_cycles",                      # broadcasts that waited for a credit at the issuer
        # the recursion and livelock detectors of the run loop
        "nested_entries", "same_entries", "entry_elr", "entry_sp", "entry_esr",
        "recursion_depth", "recursion_elr", "recursion_esr",   # entries alike since the last return, other than a vector on itself
        # stores under way (`sim.hot.coherence`): next place in the buffer, when the last of them is done; the line that an atomic was done
        # at the home of, from 1, and what `instructions` was then; which instruction of a block the next access can be of, and the same of that
        "store_next", "stores_done_cycles", "far_line", "far_instructions", "match_instructions", "match_next",
        "coherence_cycles", "n_line_transfers", "n_invalidations", "n_far_atomics", "n_l1_cache_misses", "n_l2_cache_misses", "n_memory_reads",
    )
    # slot in which a VA was last found in the L1 TLB, by page number: a guess that spares the search, always checked
    + [("l1i_hint", "u1", (L1_HINTS,)), ("l1d_hint", "u1", (L1_HINTS,))]
    # pages that must be seen as they were handed to the engine: VA | EL0 << 1 | PAN; PA; permissions; soft_generation; page of RAM or NOWHERE
    + [(f"observed_{name}", "u8", (OBSERVED_ENTRIES,)) for name in ("key", "pa", "permissions", "generation", "page")]
    + [("spin_registers", "u8", (SPIN_REGISTERS,)), ("spin_lines", "u8", (SPIN_LINES,)), ("padding", "u8", (PE_PADDING_WORDS,))]
)

# PE.held: the slice goes on in the middle of its block; before a block that was not fetched; before one that was, and looked at in part;
# it ends the run when its turn has come
HELD_IN_BLOCK, HELD_AT_FETCH, HELD_AT_BLOCK, HELD_TO_END = 1, 2, 3, 4
# PE.stepping: inside a single step; what comes next is the rest of a block that was held; is the block before which the slice was held
STEPPING, RESUMING_BLOCK, RESUMING_AT_BLOCK = 1, 2, 3

# PE.unusual: entries of L2 overlap; the residue of a TLBI may still be used; the fetch under way got a translation that nobody keeps
UNUSUAL_OVERLAP, UNUSUAL_RESIDUE, UNUSUAL_PASSING = 1, 2, 4

#: GICv3 state of one PE: redistributor (INTIDs 0..31) and CPU interface.
GIC_PE = np.dtype(
    _words(
        "enabled", "group", "pending", "active", "level", "configuration0", "configuration1",   # bit n = INTID n
        "waker", "ctlr", "pmr", "bpr0", "bpr1", "icc_ctlr", "sre", "igrpen0", "igrpen1",
        "active_priorities", "active_priorities0",             # one bit for each group priority in use (ICC_AP1R0 / AP0R0)
        "timers_written_cycles",                               # when a register of its timers was last written
    )
    + [("priority", "u1", (32,)), ("sgi_due_cycles", "u8", (16,))]
)
#: The distributor's state of one SPI (INTID = 32 + index).
GIC_SPI = np.dtype(_words("enabled", "group", "pending", "active", "level", "configuration", "priority", "route"))
SPI_COUNT = 256

COST_SLOTS = 32
ID_VALUES = 256                         # identification registers, by the index that the system register policy gives;
CACHE_SIZES_INDEX = 240                 # from here CCSIDR_EL1 for each value of CSSELR_EL1.{Level, InD}

# The policy of a system register or operation (one 32-bit word for each 16-bit encoding key): who handles it, who may touch it.
POLICY_EL0_READ_SHIFT, POLICY_EL0_WRITE_SHIFT = 0, 4        # an EL0Control of sim.arch.register_keys
POLICY_READABLE, POLICY_WRITABLE = 1 << 8, 1 << 9
POLICY_HANDLER_SHIFT = 12               # four bits, below
POLICY_INDEX_SHIFT = 16                 # eight bits: which identification register, or which operation
(HANDLER_UNDEFINED, HANDLER_ENGINE, HANDLER_IDENTIFICATION, HANDLER_MPIDR, HANDLER_TIMER, HANDLER_ICC, HANDLER_STEERING,
 HANDLER_COMPUTED, HANDLER_TLBI, HANDLER_AT, HANDLER_ZERO_BLOCK, HANDLER_DATA_CACHE_VA, HANDLER_CODE_VA, HANDLER_CODE_ALL,
 HANDLER_NOTHING) = range(15)

#: The machine: one record of settings and of what the run loop leaves for Python.
MACHINE = np.dtype(
    _words(
        "pes", "ram_address", "ram_pa", "ram_bytes",
        "quantum_cycles", "interleaving", "budget_cycles", "chunk_end_cycles", "random", "seed",
        "reason", "reason_pe", "stop_request", "slice_end", "slices",
        # TLB geometry (from the profile)
        "l1i_entries", "l1d_entries", "l2_sets", "l2_ways", "walk_cache_sets", "walk_cache_ways", "random_replacement",
        "l1i_max_entry_bytes", "l1d_max_entry_bytes", "l2_max_entry_bytes", "soft_subset_of_l1", "hardware_af", "hardware_dirty",
        "pa_bits",                                             # implemented output address size
        # costs beyond those of instruction classes, in cycles; cost_wake is that of WFI
        "cost_wake_wfe", "cost_counter_read",
        "cost_l2_hit", "cost_walk_step", "cost_entry", "cost_return", "cost_tlbi_issue", "cost_interrupt", "cost_wake", "cost_mispredict",
        # the interconnect (`sim.hot.interconnect`), in cycles; when its home node and the distributor have time for the next message
        "dvm_same_cluster", "dvm_same_socket", "dvm_other_socket", "dvm_snoop", "dvm_occupancy", "dvm_credits", "dvm_free_cycles",
        "sgi_delay_self", "sgi_delay_near", "sgi_delay_far", "sgi_occupancy", "sgi_per_target", "gic_free_cycles",
        "predictor_mask", "return_stack_entries",
        # counter: count = cycles * count_numerator // count_denominator
        "count_numerator", "count_denominator", "cntfrq",
        # events
        "event_mask", "ring_head", "ring_tail", "ring_lost", "ring_mask",
        # interrupt distributor
        "gicd_ctlr", "spi_pending",
        # limits of the detectors
        "recursion_limit", "livelock_limit",
        "semihosting", "monitors", "mark_count", "feat_bbm", "facts_stale", "context",
        "multi_hit", "nt_faults", "repeat_tlbi_erratum", "strict_ttl",      # MULTI_HIT_*; the others are 0 or 1
        # where the engine keeps the times of its soft TLBs, from its registers: bytes to the first, bytes between, how many
        "soft_window_first", "soft_window_stride", "soft_window_count",
        "soft_tables_first", "soft_entry_shift",               # mask and address of the entries of each, 16 bytes; log2 of an entry's bytes
        # until: number of the watched symbol before which the run stops, from 1; resuming: PE whose slice was interrupted, from 1
        "until", "until_reached", "resuming",
        "adversarial", "hidden_stores",                        # 0 or 1; how many stores to tables are hidden
        "acting",                                              # PE whose slice is under way, from 1; 0 = none, Python acts
        # 1: pages become shared by `sim.hot.sharing`; 1: PEs run ahead (`sim.hot.turn`); announcements under way
        "ordered", "run_ahead", "announced",
        "skip_waiting", "asleep",                              # 0 or 1: PEs sleep in loops of waiting (`sim.hot.spin`); how many do
        "lookahead_cycles",                                    # least delay with which a PE affects another one other than by memory
        # caches and coherence (`sim.hot.caches`, `sim.hot.coherence`): COHERENCE_*; geometry; times in cycles, latencies beyond an L1 hit
        "coherence", "l1_cache_sets", "l1_cache_ways", "l2_cache_sets", "l2_cache_ways", "l2_cache_pes", "slc_sets", "slc_ways",
        "latency_l2", "latency_slc", "latency_memory", "cluster_pes", "socket_pes", "line_same_cluster", "line_same_socket",
        "line_other_socket", "line_read", "line_invalidate", "far_atomics", "line_far_atomic",
    )
    # cycles for which a class keeps its pipe, cycles to its result; what the pipeline is like (indices in `sim.hot.pipeline`)
    + [("costs", "u8", (COST_SLOTS,)), ("latencies", "u8", (COST_SLOTS,)), ("pipeline", "u8", (8,))]
)

# MACHINE.interleaving
INTERLEAVE_BLOCK, INTERLEAVE_QUANTUM, INTERLEAVE_INSTRUCTION = range(3)

# MACHINE.multi_hit: what an access gets that two entries answer
MULTI_HIT_ABORT, MULTI_HIT_OLD, MULTI_HIT_NEW, MULTI_HIT_AMALGAMATION, MULTI_HIT_SEEDED = range(5)

# page_flags (one byte for each 4 KiB page of RAM): why a page is observed
PAGE_EXECUTED = 1                       # instructions were fetched from it: the engine must not see writes before maintenance
PAGE_MONITORED = 2                      # an exclusive reservation was held on it across a slice: writes break reservations
PAGE_HANDED_FOR_WRITE = 4               # some soft TLB may hold it writable and plain (not a reason to observe)
PAGE_TABLE = 32                         # walks read descriptors there: adversarial setting only (`sim.hot.hidden_stores`)
PAGE_TOUCHED = 16                       # may have changed since the last snapshot was taken or restored (not a reason to observe)
PAGE_COPIED = 8                         # instructions are fetched from its copy in `code_copy` (`sim.hot.code_pages`)
