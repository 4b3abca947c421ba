"""The one owner of every number that Python and the guest code in `asm/` share.

The assembler sources hold no offset and no address of their own: they name what is defined here, and a build hands the names over, to the
project's front end as its `constants`, to GNU as as the text of `render_layout_inc()`. `python -m firmware.layout` prints that text.

Physical memory of a kernel of ours (an image at RAM_PA + 0x8_0000 holds text and read-only data; all else lies outside the image):

    0x4000_0000   left alone (device tree of an ELF, boot stub under QEMU)
    0x4008_0000   image
    0x4010_0000   translation tables
    0x4040_0000   pcpu run: one page for each PE, 2 MB aligned so that it can become one block
    0x4060_0000   kernel data run: globals (rendezvous, interrupt handlers), then free pages
    0x4080_0000   kernel stacks, a guard page below each
    behind them   from a 2 MB boundary: vm_page array, reservations and KVA maps; then from the next one the pool of frames, one part a domain

Virtual memory: TTBR0 holds the identity map (text read-only and executable, other RAM in 2 MB blocks, devices); TTBR1 holds the kernel's
own view of pcpu, data and stacks in 4 KB pages. So the identity map can stay when TTBR1 is emptied, and a run of pages under TTBR1 can be
promoted. `pmap_bootstrap` adds two more gigabytes to TTBR1: kmem's KVA, which starts empty, and the direct map (all RAM in 2 MB blocks),
through which pmap reads and writes translation tables. It builds in the pool: a device tree that lies there must have been read before.

Sources: DDI 0487 (VMSAv8-64 descriptors, TCR_EL1, MAIR_EL1, SCTLR_EL1), IHI 0069 (GICv3 register map), DDI 0183 (PL011),
DEN 0022 (PSCI), Arm's semihosting specification. Frame size and gap: FreeBSD/arm64 struct trapframe and its exception entry.
"""
import sys

from sim.arch import memory_map
from sim.errors import UserError

PAGE_BYTES = memory_map.PAGE_BYTES
BLOCK_BYTES = 2 << 20                                   # an L2 block with a 4 KB granule
KERNEL_VA = 0xFFFF_FF80_0000_0000                       # first VA of TTBR1 with T1SZ = 25
TEXT_BYTES_MAX = 0x8_0000                               # the image must end below the translation tables
DESCRIPTOR_BYTES = 8

# struct trapframe, as FreeBSD/arm64 lays it out: six words, then x0 to x29
REGISTER_BYTES = 8
FRAME_OFFSETS = {"FRAME_SP": 0, "FRAME_LR": 8, "FRAME_ELR": 16, "FRAME_SPSR": 24, "FRAME_ESR": 32, "FRAME_FAR": 40, "FRAME_X": 48}
FRAME_BYTES = FRAME_OFFSETS["FRAME_X"] + 30 * REGISTER_BYTES
FRAME_GAP_BYTES = 128                                   # kept free below the interrupted SP of EL1

# struct pcpu, and directly behind it the PE's dynamic per-CPU area; PC_ACTED, PC_SCRATCH and up belong to the kernel that runs
PCPU_OFFSETS = {"PC_CURTHREAD": 0, "PC_CPUID": 8, "PC_MPIDR": 16, "PC_GICR": 24, "PC_STACK_TOP": 32, "PC_ACTED": 40, "PC_DOMAIN": 48,
                "PC_IDLETHREAD": 56, "PC_DYNAMIC": 64, "PC_SCRATCH": 128}
PCPU_STRUCT_BYTES = 1024
DPCPU_BYTES = PAGE_BYTES - PCPU_STRUCT_BYTES            # FreeBSD's DPCPU_SIZE; with this one both fit on a page

# struct thread: what the exception path and the rendezvous touch of it
THREAD_OFFSETS = {"TD_FRAME": 0, "TD_CRITNEST": 8, "TD_INTR_NESTING": 16, "TD_KSTACK": 24, "TD_KSTACK_BYTES": 32}
THREAD_BYTES = 128                                      # one cache line of FreeBSD/arm64 each

# kernel globals, first page of the kernel data run; the rendezvous has a line of its own
RENDEZVOUS_OFFSETS = {"RV_NCPUS": 0, "RV_SETUP": 8, "RV_ACTION": 16, "RV_TEARDOWN": 24, "RV_ARG": 32, "RV_TARGETS": 64,
                      "RV_WAITERS_0": 128, "RV_WAITERS_1": 132, "RV_WAITERS_2": 136, "RV_WAITERS_3": 140, "RV_IPI_MTX": 192}
GLOBAL_OFFSETS = {"G_DEVICE_TREE": 0, "G_ONLINE": 8, "G_ALL_PES": 32, "G_EL1_SYNC": 64, "G_EL0_SYNC": 72, "G_EXIT_BLOCK": 80,
                  "G_SEED": 96, "G_SERROR": 104, "G_FIQ": 112, "G_PANIC": 120, "G_IRQ_HANDLERS": 256, "G_SCRATCH": 512, "G_LOAD": 896,
                  "G_RENDEZVOUS": 1024, "G_PMAP": 2048, "G_KMEM": 3072}

# the load of the schemes (asm/scheme_load.inc): what each PE keeps in its page, which may be its pcpu, from PC_LOAD on; and at G_LOAD what
# was counted of all when the kernel ends. PC_WORK is the exception: the page's VA, in the pcpu with which the PE boots and any later one.
PC_LOAD = 768
WORK_OFFSETS = {"PC_WORK": PC_LOAD, "WORK_ENTERED": PC_LOAD + 8, "WORK_RANDOM": PC_LOAD + 16, "WORK_TICKS": PC_LOAD + 24,
                "WORK_SYSCALLS": PC_LOAD + 32, "WORK_SERRORS": PC_LOAD + 40, "WORK_LOST": PC_LOAD + 48}
LOAD_OFFSETS = {"LD_HEALED": 0, "LD_TICKS": 8, "LD_SYSCALLS": 16, "LD_SERRORS": 24, "LD_LOST": 32, "LD_FILL_PAGES": 40, "LD_WALK_VA": 48,
                "LD_WALK_PROMOTIONS": 56, "LD_LAST_VA": 64, "LD_PROMOTIONS_BEFORE": 72}

# what starts and stops PEs, on the page behind the globals; then the pcpu of each PE by its index, and the boot stack of each
MP_OFFSETS = {"MP_NCPUS": 0, "MP_APS_STARTED": 8, "MP_APS_READY": 16, "MP_SMP_CPUS": 24, "MP_SMP_STARTED": 32, "MP_BOOTPCPU": 40,
              "MP_BOOTSTACK": 48, "MP_AP_HOOK": 56, "MP_THREAD_HOOK": 64, "MP_STOPPING_CPU": 128, "MP_STOPPED_CPUS": 192,
              "MP_STARTED_CPUS": 256, "MP_CPUSET_DOMAIN": 512, "MP_SCRATCH": 1024}
CPUID_TO_PCPU_OFFSET = 2048

# struct pcb, as stopped PEs leave it: x19 to x30, SP
PCB_OFFSETS = {"PCB_X": 0, "PCB_SP": 96}
PCB_BYTES = 128

# the kernel pmap, at G_PMAP: lock, configuration, the functions by which schemes differ, counters
PMAP_OFFSETS = {"PM_MTX": 0, "PM_TABLE_OFFSET": 8, "PM_SUPERPAGES": 16, "PM_CONTIGUOUS_RUNS": 24, "PM_WINDOW_TLBIS": 32,
                "PM_WINDOW_START": 40, "PM_REPEAT_TLBI": 48, "PM_L1": 56, "PM_UPDATE_ENTRY": 64, "PM_UPDATE_STRIDED": 72,
                "PM_DEMOTE_STRIDED": 80,
                "PM_BEFORE_CHANGE": 88, "PM_MAY_PROMOTE": 96, "PM_RUN_BITS": 104, "PM_L2_PROMOTIONS": 128, "PM_L2_P_FAILURES": 136,
                "PM_L2_DEMOTIONS": 144, "PM_L3C_PROMOTIONS": 152, "PM_L3C_P_FAILURES": 160, "PM_L3C_DEMOTIONS": 168}

# the allocators, at G_KMEM: lock, configuration, the function that allocates a pcpu
KMEM_OFFSETS = {"KM_MTX": 0, "KM_CONTIG_KVA_ALIGNMENT": 8, "KM_PCPU_ALLOC": 16, "KM_RESERVATIONS": 24, "KM_PCPU_FREE": 32}

# struct vm_page (one for each frame of the pool) and what is counted for each 2 MB of the pool
VM_PAGE_OFFSETS = {"VM_PAGE_FLAGS": 0}
VM_PAGE_BYTES = 4
VM_PAGE_FLAGS = {"PG_ALLOCATED": 1, "PG_RESERVED": 2, "PG_MACHDEP": 4}
RESERVATION_OFFSETS = {"RESERV_POPULATION": 0, "RESERV_GROUPS": 8}
RESERVATION_BYTES = 64
KMEM_CHUNKS = 128                                       # 2 MB chunks of KVA that the per-domain arenas import
KVA_OWNER_BYTES = 1                                     # for each chunk: 0 none, else domain + 1
DOMAINS_MAX = 8
IRQ_HANDLERS = 32                                       # SGIs and PPIs: INTID 0 to 31

# stage 1 descriptors, 4 KB granule (DDI 0487, "VMSAv8-64 descriptor formats")
DESCRIPTOR_FIELDS = {"DESC_TABLE": 3, "DESC_PAGE": 3, "DESC_BLOCK": 1, "DESC_NORMAL": 0 << 2, "DESC_DEVICE": 1 << 2,
                     "DESC_EL0": 1 << 6, "DESC_READ_ONLY": 1 << 7, "DESC_INNER_SHAREABLE": 3 << 8, "DESC_AF": 1 << 10,
                     "DESC_NT": 1 << 16, "DESC_PXN": 1 << 53, "DESC_UXN": 1 << 54, "DESC_TABLE_BIT": 1, "DESC_TYPE": 3,
                     "DESC_ATTRIBUTE_INDEX": 7 << 2, "DESC_NONCACHEABLE": 2 << 2, "DESC_READ_ONLY_BIT": 7, "DESC_AF_BIT": 10,
                     "DESC_DBM": 1 << 51, "DESC_DBM_BIT": 51, "DESC_CONTIGUOUS": 1 << 52, "DESC_CONTIGUOUS_BIT": 52,
                     "DESC_SW_WIRED": 1 << 55, "DESC_SW_WIRED_BIT": 55, "DESC_SW_MANAGED": 1 << 56, "DESC_SW_NO_PROMOTE": 1 << 57,
                     "DESC_SW_NO_PROMOTE_BIT": 57, "DESC_SW_PARK": 1 << 58, "DESC_SW_PARK_BIT": 58, "DESC_ADDRESS": 0x0000_FFFF_FFFF_F000,
                     # what must be equal in a run that becomes one: all but address, contiguous bit and access flag (FreeBSD ATTR_PROMOTE)
                     "DESC_PROMOTE": 0xFFFC_0000_0000_0FFF & ~(1 << 52) & ~(1 << 10)}

# register values that boot writes (DDI 0487, each register's own section)
REGISTER_VALUES = {
    "MAIR_VALUE": 0x44_04_FF,                           # Attr0 Normal write-back, Attr1 Device-nGnRE, Attr2 Normal non-cacheable
    "TCR_VALUE": 25 | 1 << 8 | 1 << 10 | 3 << 12 | 25 << 16 | 1 << 24 | 1 << 26 | 3 << 28 | 2 << 30 | 2 << 32,
    "SCTLR_VALUE": 0x30D0_0800 | 1 << 0 | 1 << 2 | 1 << 3 | 1 << 4 | 1 << 12,   # EIS, EOS and the like set; M, C, SA, SA0, I
    "CPACR_VALUE": 3 << 20,                             # FPEN: no trap
    "ESR_EC_SHIFT": 26, "EC_SVC64": 0x15, "EC_DATA_ABORT_SAME_EL": 0x25, "DFSC_KIND": 0x3C, "DFSC_TRANSLATION": 0x04,
    "SPSR_EL0T": 0x0, "TIMER_ENABLE": 1,
}

DEVICE_CONSTANTS = {
    "PL011_PA": memory_map.PL011_PA, "UARTDR": 0x000, "UARTFR": 0x018, "UARTLCR_H": 0x02C, "UARTCR": 0x030,
    "UARTFR_TXFF_BIT": 5, "UARTLCR_H_VALUE": 0x70, "UARTCR_VALUE": 0x101,
    "GICD_PA": memory_map.GICD_PA, "GICR_PA": memory_map.GICR_PA, "GICR_HIGH_PA": memory_map.GICR_HIGH_PA,
    "GICR_BYTES_PER_PE": memory_map.GICR_BYTES_PER_PE,
    "GICD_CTLR": 0x0000, "GICD_CTLR_VALUE": 0x12, "GICD_CTLR_RWP_BIT": 31,
    "GICR_TYPER": 0x0008, "GICR_TYPER_LAST_BIT": 4, "GICR_WAKER": 0x0014, "GICR_WAKER_SLEEP": 1 << 1, "GICR_WAKER_ASLEEP_BIT": 2,
    "GICR_SGI_FRAME": 0x1_0000, "GICR_IGROUPR0": 0x0080, "GICR_ISENABLER0": 0x0100, "GICR_ICENABLER0": 0x0180,
    "GICR_ICPENDR0": 0x0280, "GICR_IPRIORITYR0": 0x0400, "GICR_IPRIORITYR_BYTES": 32, "GICR_IGRPMODR0": 0x0D00,
    "GIC_PRIORITY": 0xA0, "GIC_PRIORITY_MASK": 0xF0, "SGI1R_INTID_SHIFT": 24, "SGI1R_AFF1_SHIFT": 16, "SGI_ENABLES": 0xFFFF,
    "SGI_RENDEZVOUS": 2, "SGI_PING": 3, "SGI_STOP": 4, "SGI_PARK": 0, "SGI_CALL_FUNCTION": 5, "SGI_LEAVE_IDLE": 6,
    "PPI_VIRTUAL_TIMER": 27, "AFFINITY_GROUP_PES": 16, "AFFINITY_GROUP_SHIFT": 4,
    "PSCI_CPU_ON_HIGH": 0xC400, "PSCI_CPU_ON_LOW": 0x0003, "PSCI_ALREADY_ON": 4,
    "SYS_EXIT": 0x18, "ADP_STOPPED_APPLICATION_EXIT": 0x2_0026,
    "EXIT_OK": 0, "EXIT_WRONG": 1, "EXIT_UNEXPECTED": 3, "EXIT_PANIC": 4, "EXIT_STOP_TIMEOUT": 5,
}

# parking: the record of a change, on its initiator's stack, and the two words that parked PEs and the initiator share
CHANGE_OFFSETS = {"CHANGE_VA": 0, "CHANGE_ENTRY": 8, "CHANGE_DESCRIPTOR": 16, "CHANGE_BYTES": 24, "CHANGE_FUNCTION": 32, "CHANGE_FLAGS": 40,
                  "CHANGE_SPINNING": 48, "CHANGE_DONE": 56}
PARK_OFFSETS = {"PARK_SPINNING": 0, "PARK_DONE": 8, "PARK_BYTES": 16, "PARK_INITIATOR": 64, "PARK_FLAGS_INSIDE": 72, "PARK_GROUNDED": 80,
                "PARK_PARKED_COUNT": 128, "PARK_DIRECT_COUNT": 136, "PARK_FUNCTIONS": 256, "PARK_SLOT_SHIFT": 6}
PARK_VA = KERNEL_VA + (8 << 30)                         # an L1 descriptor of its own: nothing else is mapped there, so nothing changes it
PARK_RUN_BYTES = 16 * PAGE_BYTES                        # the end of the data run's memory, and aligned to its size
PARK_PAGES = ("PARK_L2", "PARK_L3", "EMPTY_TABLE", "PARK_FLAGS", "PARK_SLOTS")  # a page each, the slots of 256 PEs four

# what the benchmarks keep, a line each, in the free pages and, where it may be large, in the pool (asm/bench.inc says where): a call of a
# function on another PE and that PE's queue of calls (Linux's call_single_data, call_single_queue), a node of the combining tree, the clock
BENCH_OFFSETS = {"CSD_NEXT": 0, "CSD_FUNCTION": 8, "CSD_ARG": 16, "CSD_FLAGS": 24, "NODE_COUNT": 0, "NODE_GENERATION": 4,
                 "CLOCK_SEQUENCE": 0, "CLOCK_LAST": 8, "CLOCK_FACTOR": 16, "CLOCK_SHIFT": 24, "CLOCK_BASE": 32,
                 "QUEUES_OFFSET": 0, "NODES_OFFSET": 4 * PAGE_BYTES, "BENCH_WORDS_OFFSET": 6 * PAGE_BYTES,
                 "BENCH_LOCK": 0, "BENCH_TIME": 64, "BENCH_CLOCK": 128, "BENCH_FINISHED": 192}
BENCH_CONSTANTS = {"LINE_BYTES": 64, "LINE_SHIFT": 6, "CSD_FLAG_LOCK_BIT": 0, "CSD_FLAGS_WAITED_FOR": 3, "TREE_ARITY_SHIFT": 2,
                   "BARRIER": 0, "BARRIER_TREE": 1, "BARRIER_WFE": 2,   # how PEs wait for each other in a rendezvous; 0 by looking
                   "SELF_BY_SGI": 0}

# how PEs are started and stopped; each may be overridden
START_CONSTANTS = {
    "MP_BOOTSTACK_BYTES": 16384, "PES_PER_DOMAIN": 2,   # consecutive PEs that share a domain; behind the last domain the first follows
    "DOMAINS_FROM_ACPI": 1,                             # 1: a PE's domain is known when its memory is allocated; 0: afterwards, as with FDT
    "KSTACKS_FROM_KMEM": 1,                             # the idle threads' stacks: 1 from kmem, as these say, 0 those of boot
    "KSTACK_PAGES": 4, "KSTACK_GUARD_PAGES": 1, "KSTACK_ALIGNMENT_PAGES": 1,
    "STOP_SPINS": 100_000_000,                          # how often stop_cpus looks before it gives up
}

# the load of the schemes; each may be overridden
LOAD_CONSTANTS = {
    "LOAD_TICKS_PER_SECOND": 400_000,                   # timer interrupts of each PE on average; each period is 1/2 to 3/2 of the mean
    "LOAD_THREADS": 1,                                  # 1: each PE but PE 0 runs a thread at EL0 that calls the kernel, 0: it idles
    "LOAD_SYSCALLS": 2,                                 # calls of a thread between two interrupts
    "LOAD_WALK_BLOCKS": 2, "LOAD_WALK_PASSES": 4,       # 2 MB of memory that is walked beside the run, and how often
    "LOAD_THREAD_STACK_BYTES": 256,
    "PAGES_BEFORE_PCPU": 0,                             # of kernel memory that are taken before the pages of PEs, which so begin later in their run
}

TABLES_PA = memory_map.RAM_PA + 0x10_0000
PCPU_RUN_PA = memory_map.RAM_PA + 0x40_0000
DATA_RUN_PA = memory_map.RAM_PA + 0x60_0000
STACK_RUN_PA = memory_map.RAM_PA + 0x80_0000
PCPU_RUN_VA = KERNEL_VA
DATA_RUN_VA = KERNEL_VA + BLOCK_BYTES
STACK_RUN_VA = KERNEL_VA + 2 * BLOCK_BYTES
MP_OFFSET = PAGE_BYTES                                  # these follow the page of globals
BOOTSTACKS_OFFSET = 2 * PAGE_BYTES
THREADS_OFFSET = 3 * PAGE_BYTES
STOPPCBS_OFFSET = THREADS_OFFSET + memory_map.PES_MAX * THREAD_BYTES
FREE_PAGES_OFFSET = STOPPCBS_OFFSET + memory_map.PES_MAX * PCB_BYTES
PARK_PA = DATA_RUN_PA + BLOCK_BYTES - PARK_RUN_BYTES


LAYOUT_RAM_BYTES_MOST = 1 << 30                         # what one L2 table maps, and the direct map has one
#: Constants from which others follow, and the keyword of `layout_constants` that sets each: defining the constant alone would leave those behind.
LAYOUT_KEYWORDS = {"STACK_BYTES": "stack_bytes", "STACK_GUARD_BYTES": "guard_bytes", "PCPU_OFFSET_BYTES": "pcpu_offset_bytes",
                   "RAM_BYTES": "ram_bytes", "DOMAINS": "domains", "DOMAIN_BLOCKS": "domain_blocks"}


def layout_constants(pes: int, rounds: int = 100, warmup: int = 10, *, lse: bool = True, stack_bytes: int = 16384,
                     guard_bytes: int = PAGE_BYTES, pcpu_offset_bytes: int = 0, dpcpu_bytes: int = DPCPU_BYTES,
                     ram_bytes: int = memory_map.RAM_DEFAULT_BYTES, domains: int = 2,
                     domain_blocks: int | None = None) -> dict[str, int]:
    """Every constant that an assembly of `asm/` needs, by name.

    pes 1 to PES_MAX; rounds and warmup count what a kernel repeats; lse chooses LDADD over LDXR/STXR. stack_bytes and guard_bytes are
    multiples of PAGE_BYTES (guard 0 leaves no guard page). pcpu_offset_bytes is the place of PE 0's pcpu in its 2 MB run, dpcpu_bytes the
    size of the area behind each struct pcpu; the two together are rounded up to pages.
    ram_bytes is what the identity map covers, in whole 2 MB blocks, at most 1 GB. domains (1 to DOMAINS_MAX) share the pool of frames, with
    domain_blocks times 2 MB each, or as much as there is. Raises UserError for a value out of range.
    """
    if not 1 <= pes <= memory_map.PES_MAX:
        raise UserError(f"the number of PEs is {pes}, but must be 1 to {memory_map.PES_MAX}")
    if rounds < 1 or warmup < 0 or rounds + warmup >= 1 << 32:
        raise UserError(f"{rounds} rounds after {warmup} of warm-up: at least 1 and 0 are needed, below 2**32 together")
    if ram_bytes % BLOCK_BYTES or not 0 < ram_bytes <= LAYOUT_RAM_BYTES_MOST:
        raise UserError(f"{ram_bytes} bytes of RAM are not whole 2 MB blocks, 1 GB at most, as a kernel of ours needs them")
    build = {"PES": pes, "ROUNDS": rounds, "WARMUP": warmup, "LSE": int(lse), "SEED": 0, "RAM_BLOCKS": ram_bytes // BLOCK_BYTES}
    stacks = _stack_constants(pes, stack_bytes, guard_bytes, memory_map.RAM_PA + ram_bytes)
    fixed = {
        "RAM_PA": memory_map.RAM_PA, "IMAGE_PA": memory_map.RAM_PA + memory_map.IMAGE_OFFSET_BYTES,
        "PAGE_BYTES": PAGE_BYTES, "PAGE_SHIFT": 12, "BLOCK_BYTES": BLOCK_BYTES, "REGISTER_BYTES": REGISTER_BYTES,
        "PAIR_BYTES": 2 * REGISTER_BYTES, "DESCRIPTOR_BYTES": DESCRIPTOR_BYTES, "TABLE_ENTRIES": PAGE_BYTES // DESCRIPTOR_BYTES,
        "DATA_RUN_PA": DATA_RUN_PA, "DATA_RUN_VA": DATA_RUN_VA, "GLOBALS_PA": DATA_RUN_PA, "GLOBALS_VA": DATA_RUN_VA,
        "MP_VA": DATA_RUN_VA + MP_OFFSET, "CPUID_TO_PCPU_VA": DATA_RUN_VA + MP_OFFSET + CPUID_TO_PCPU_OFFSET,
        "BOOTSTACKS_VA": DATA_RUN_VA + BOOTSTACKS_OFFSET, "STOPPCBS_VA": DATA_RUN_VA + STOPPCBS_OFFSET, "PCB_BYTES": PCB_BYTES,
        "ZEROED_BYTES": THREADS_OFFSET, "THREADS_VA": DATA_RUN_VA + THREADS_OFFSET, "THREAD_BYTES": THREAD_BYTES,
        "DATA_PAGES": FREE_PAGES_OFFSET // PAGE_BYTES,
        "FREE_PAGE_VA": DATA_RUN_VA + FREE_PAGES_OFFSET, "FREE_PAGE_PA": DATA_RUN_PA + FREE_PAGES_OFFSET,
        "FRAME_BYTES": FRAME_BYTES, "FRAME_GAP_BYTES": FRAME_GAP_BYTES, "IRQ_HANDLERS": IRQ_HANDLERS,
    }
    tables = _table_constants(pes, stacks["STACK_TABLES"])
    kmem = _kmem_constants(STACK_RUN_PA + pes * stacks["STACK_STRIDE_BYTES"], memory_map.RAM_PA + ram_bytes, domains, domain_blocks)
    parts = (build, fixed, _park_constants(), stacks, tables, kmem, _pcpu_constants(pes, pcpu_offset_bytes, dpcpu_bytes), START_CONSTANTS, LOAD_CONSTANTS, BENCH_OFFSETS, BENCH_CONSTANTS, WORK_OFFSETS, LOAD_OFFSETS, MP_OFFSETS, PCB_OFFSETS, FRAME_OFFSETS, PMAP_OFFSETS, KMEM_OFFSETS,
             VM_PAGE_OFFSETS, VM_PAGE_FLAGS, RESERVATION_OFFSETS, PCPU_OFFSETS, THREAD_OFFSETS, RENDEZVOUS_OFFSETS, GLOBAL_OFFSETS, DESCRIPTOR_FIELDS, REGISTER_VALUES, DEVICE_CONSTANTS)
    return {name: value for part in parts for name, value in part.items()}


def _stack_constants(pes: int, stack_bytes: int, guard_bytes: int, ram_end_pa: int) -> dict[str, int]:
    """The kernel stacks: a guard, then a stack, for each PE."""
    if stack_bytes < PAGE_BYTES or stack_bytes % PAGE_BYTES or guard_bytes < 0 or guard_bytes % PAGE_BYTES:
        raise UserError(f"a stack of {stack_bytes} bytes with a guard of {guard_bytes} bytes is not made of whole pages of {PAGE_BYTES}")
    stacks_bytes = pes * (stack_bytes + guard_bytes)
    if STACK_RUN_PA + stacks_bytes > ram_end_pa:
        raise UserError(f"{stacks_bytes} bytes of stacks for {pes} PEs do not fit between {STACK_RUN_PA:#x} and the end of RAM")
    return {"STACK_RUN_PA": STACK_RUN_PA, "STACK_RUN_VA": STACK_RUN_VA, "STACK_BYTES": stack_bytes, "STACK_GUARD_BYTES": guard_bytes,
            "STACK_STRIDE_BYTES": stack_bytes + guard_bytes, "STACK_PAGES": stack_bytes // PAGE_BYTES,
            "STACK_GUARD_PAGES": guard_bytes // PAGE_BYTES, "STACK_TABLES": -(-stacks_bytes // BLOCK_BYTES)}


def _table_constants(pes: int, stack_tables: int) -> dict[str, int]:
    """The translation tables, a page each, those of the stacks last."""
    names = ("TTBR0_L1_PA", "TTBR0_L2_PA", "TTBR0_L3_PA", "TTBR1_L1_PA", "TTBR1_L2_PA", "PCPU_L3_PA", "DATA_L3_PA", "STACK_L3_PA")
    tables_bytes = (len(names) - 1 + stack_tables) * PAGE_BYTES
    if TABLES_PA + tables_bytes > PCPU_RUN_PA or 2 + stack_tables > PAGE_BYTES // DESCRIPTOR_BYTES:
        raise UserError(f"the stacks of {pes} PEs need {stack_tables} translation tables, for which there is no room")
    tables = {name: TABLES_PA + number * PAGE_BYTES for number, name in enumerate(names)}
    own = {name: TABLES_PA + tables_bytes + number * PAGE_BYTES for number, name in enumerate(("KMEM_L2_PA", "DMAP_L2_PA", "PM_ROOT_PA"))}
    return tables | own | {"TABLES_PA": TABLES_PA, "TABLES_BYTES": tables_bytes}


def _kmem_constants(stacks_end_pa: int, ram_end_pa: int, domains: int, domain_blocks: int | None) -> dict[str, int]:
    """What kmem and pmap manage: the pool of frames, the arrays that describe it, kmem's KVA and the direct map.

    Where RAM ends with the stacks a domain has no frame, and every allocation fails.
    """
    if not 1 <= domains <= DOMAINS_MAX:
        raise UserError(f"{domains} memory domains: there must be 1 to {DOMAINS_MAX}")
    arrays_pa = -(-stacks_end_pa // BLOCK_BYTES) * BLOCK_BYTES
    blocks_max = max(0, ram_end_pa - arrays_pa) // BLOCK_BYTES
    page_array_bytes = blocks_max * (BLOCK_BYTES // PAGE_BYTES) * VM_PAGE_BYTES
    sizes = {"VM_PAGE_ARRAY": page_array_bytes, "RESERVATIONS": blocks_max * RESERVATION_BYTES,
             "KVA_MAP": KMEM_CHUNKS * (BLOCK_BYTES // PAGE_BYTES), "KVA_OWNER": KMEM_CHUNKS * KVA_OWNER_BYTES,
             "KVA_RESERVATION": KMEM_CHUNKS * REGISTER_BYTES}
    dmap_va = KERNEL_VA + (256 << 30)                   # the middle of TTBR1's range
    places, offset = {}, 0
    for name, size_bytes in sizes.items():
        places[name + "_VA"] = dmap_va + arrays_pa - memory_map.RAM_PA + offset
        offset += size_bytes
    pool_pa = arrays_pa + -(-offset // BLOCK_BYTES) * BLOCK_BYTES
    blocks = max(0, ram_end_pa - pool_pa) // BLOCK_BYTES // domains
    if domain_blocks is not None and not 0 <= domain_blocks <= blocks:
        raise UserError(f"{domains} domains of {domain_blocks} blocks of 2 MB each: there is room for {blocks} each")
    frames = (blocks if domain_blocks is None else domain_blocks) * (BLOCK_BYTES // PAGE_BYTES)
    return places | {"KMEM_ARRAYS_BYTES": offset, "POOL_PA": pool_pa, "DOMAINS": domains, "DOMAIN_BYTES": frames * PAGE_BYTES,
                     "POOL_FRAMES": domains * frames, "VM_PAGE_BYTES": VM_PAGE_BYTES, "RESERVATION_SHIFT": RESERVATION_BYTES.bit_length() - 1,
                     "KMEM_VA": KERNEL_VA + (1 << 30), "KMEM_PAGES": KMEM_CHUNKS * (BLOCK_BYTES // PAGE_BYTES), "L1_SHIFT": 30,
                     "L2_SHIFT": 21, "INDEX_BITS": 9, "L3C_ENTRIES": 16, "L3C_BYTES": 16 * PAGE_BYTES, "L3C_SHIFT": 16,
                     "L2_OFFSET": BLOCK_BYTES - 1, "L3C_OFFSET": 16 * PAGE_BYTES - 1, "PAGE_OFFSET": PAGE_BYTES - 1,
                     "DMAP_VA": dmap_va, "DMAP_OFFSET": dmap_va - memory_map.RAM_PA, "DOMAINSET_STRICT_BIT": 8,
                     "SAVED_ALL_VALID_BIT": 0}


def _park_constants() -> dict[str, int]:
    """What PEs are parked on: pages that the identity map and, at PARK_VA, tables of their own map."""
    tables = {f"{name}_PA": PARK_PA + number * PAGE_BYTES for number, name in enumerate(PARK_PAGES) if name != "PARK_SLOTS"}
    words = {f"{name}_VA": PARK_VA + PARK_PAGES.index(name) * PAGE_BYTES for name in ("PARK_FLAGS", "PARK_SLOTS")}
    return {"PARK_PA": PARK_PA, "PARK_VA": PARK_VA, "PARK_RUN_BYTES": PARK_RUN_BYTES} | tables | words | CHANGE_OFFSETS | PARK_OFFSETS


def _pcpu_constants(pes: int, offset_bytes: int, dpcpu_bytes: int) -> dict[str, int]:
    """The pcpus of boot, at an offset in their 2 MB run, and the size of every pcpu with its dynamic area."""
    pcpu_bytes = -(-(PCPU_STRUCT_BYTES + dpcpu_bytes) // PAGE_BYTES) * PAGE_BYTES
    if dpcpu_bytes < 0 or offset_bytes < 0 or offset_bytes % PAGE_BYTES or offset_bytes + pes * pcpu_bytes > BLOCK_BYTES:
        raise UserError(f"{pes} pcpus of {pcpu_bytes} bytes at offset {offset_bytes} do not lie on pages of one 2 MB run")
    return {"PCPU_RUN_PA": PCPU_RUN_PA, "PCPU_RUN_VA": PCPU_RUN_VA, "PCPU_PA": PCPU_RUN_PA + offset_bytes,
            "PCPU_VA": PCPU_RUN_VA + offset_bytes, "PCPU_BYTES": pcpu_bytes, "PCPU_STRUCT_BYTES": PCPU_STRUCT_BYTES,
            "PCPU_L3_OFFSET": offset_bytes // PAGE_BYTES * DESCRIPTOR_BYTES}


def render_layout_inc(constants: dict[str, int]) -> str:
    """The constants as assembler text, one `.equ` a line: what GNU as reads before a top file."""
    lines = ["// Written by firmware/layout.py, the owner of these numbers."]
    lines += [f".equ {name}, {value & (1 << 64) - 1:#x}" for name, value in sorted(constants.items())]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(render_layout_inc(layout_constants(pes=int(sys.argv[1]) if len(sys.argv) > 1 else 4)))
