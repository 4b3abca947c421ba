"""The words of the kernel `window`: its options with their defaults, and the numbers that stand for what an option can be.

The kernel (asm/kernels/window.s) names them as constants of its assembly; the rows of the matrix that run it name them from here.
"""
from collections.abc import Mapping
from types import MappingProxyType

# CHANGE: what PE 0 does to the run of 2 MB
CHANGE_PROMOTE, CHANGE_DEMOTE, CHANGE_FLAG, CHANGE_SWEEP = range(4)
# ACTIVITY: what the other PEs do meanwhile
ACTIVITY_IDLE, ACTIVITY_TIMER, ACTIVITY_SVC, ACTIVITY_TOUCH, ACTIVITY_TRANSLATE = range(5)
# OBJECT: what of theirs lies in the run, a sum
OBJECT_PCPU, OBJECT_STACK, OBJECT_VECTORS, OBJECT_THREAD, OBJECT_DATA = (1 << bit for bit in range(5))
# ENTRY: whose entry code they take exceptions by
ENTRY_FREEBSD, ENTRY_LINUX, ENTRY_XNU, ENTRY_SEL4, ENTRY_REGISTER = range(5)
# HANDLER: what answers a translation fault at EL1
HANDLER_RETRY, HANDLER_THREAD, HANDLER_LOCK = range(3)
# UPDATE: how the descriptor is changed: by break-before-make, by one store and the TLBIs behind it (FEAT_BBM 2), by nT (FEAT_BBM 1)
UPDATE_BREAK, UPDATE_DIRECT, UPDATE_NT = range(3)
#: Where the kernel keeps WINDOW_TLBIS, from G_SCRATCH on: a booted machine may be given another one.
WINDOW_TLBIS_OFFSET = 40
#: Exit status where a PE did not answer.
EXIT_NO_ANSWER = 6

OPTIONS: Mapping[str, int] = MappingProxyType({
    "CHANGE": CHANGE_PROMOTE, "ACTIVITY": ACTIVITY_IDLE, "OBJECT": 0, "ENTRY": ENTRY_FREEBSD, "HANDLER": HANDLER_RETRY,
    "UPDATE": UPDATE_BREAK,
    "TLBI_DELAY_TURNS": 0,              # with UPDATE_DIRECT: turns of a loop between the store and the TLBIs
    "WALKS_BESIDE": 0,                  # 1: between its other doings a PE loses its walk cache and reads another page of the run
    "WINDOW_TLBIS": 0,                  # in the window; 0 as FreeBSD has it: 512 for a promotion, 1 for a demotion
    "DIRECT_MAP": 0,                    # 1: the run is a block of the direct map, and the objects are used there
    "SWEEP_BLOCKS": 1,                  # of 2 MB that CHANGE_SWEEP goes over, the run first, then every other
    "OBJECT_OFFSET_PAGES": 0,           # where in the run the objects begin
    "BREAK_ZEROES": 0,                  # 1: the break stores 0 instead of clearing the valid bit
    "INTR_DISABLE": 1,                  # 0: interrupts stay unmasked on PE 0 in the window
    "ASKS_IN_WINDOW": 0,                # 1: PE 0 waits for an answer of the others before the make
    "UPDATER_OBJECT": 0,                # what of PE 0's own lies in the run, of OBJECT_PCPU and OBJECT_DATA
    "UPDATER_TIMER_TICKS": 0,           # so many counter steps before the change PE 0 starts its timer; 0 not
    "TIMER_PERIOD_TICKS": 64,           # of the other PEs' timers, in counter steps
    "DELAY_TURNS": 4000,                # a delay before each change is seeded and shorter than that
    "ANSWER_TURNS": 4_000_000,          # how often PE 0 looks for an answer
})

NUMBERS: Mapping[str, int] = MappingProxyType({
    "CHANGE_PROMOTE": CHANGE_PROMOTE, "CHANGE_DEMOTE": CHANGE_DEMOTE, "CHANGE_FLAG": CHANGE_FLAG,
    "CHANGE_SWEEP": CHANGE_SWEEP,
    "ACTIVITY_IDLE": ACTIVITY_IDLE, "ACTIVITY_TIMER": ACTIVITY_TIMER, "ACTIVITY_SVC": ACTIVITY_SVC, "ACTIVITY_TOUCH": ACTIVITY_TOUCH,
    "ACTIVITY_TRANSLATE": ACTIVITY_TRANSLATE,
    "OBJECT_PCPU": OBJECT_PCPU, "OBJECT_STACK": OBJECT_STACK, "OBJECT_VECTORS": OBJECT_VECTORS, "OBJECT_THREAD": OBJECT_THREAD,
    "OBJECT_DATA": OBJECT_DATA,
    "ENTRY_FREEBSD": ENTRY_FREEBSD, "ENTRY_LINUX": ENTRY_LINUX, "ENTRY_XNU": ENTRY_XNU, "ENTRY_SEL4": ENTRY_SEL4,
    "ENTRY_REGISTER": ENTRY_REGISTER,
    "HANDLER_RETRY": HANDLER_RETRY, "HANDLER_THREAD": HANDLER_THREAD, "HANDLER_LOCK": HANDLER_LOCK,
    "UPDATE_BREAK": UPDATE_BREAK, "UPDATE_DIRECT": UPDATE_DIRECT, "UPDATE_NT": UPDATE_NT, "EXIT_NO_ANSWER": EXIT_NO_ANSWER, "WINDOW_TLBIS_OFFSET": WINDOW_TLBIS_OFFSET,
})
