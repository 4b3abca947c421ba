"""Why a slice of a PE ended (PE.stop) and why the run loop returned (MACHINE.reason)."""

# PE.stop, set by hooks before they stop the engine
STOP_NONE = 0               # the engine returned by itself: WFI, or an error number says more
STOP_AT_BLOCK = 1           # before a block: the limit was reached, or the block before wants attention
STOP_INTERRUPT = 2          # the engine's own exception number is in PE.interrupt_number
STOP_EXCEPTION = 3          # a hook decided on a synchronous exception: PE.stop_a = syndrome, PE.stop_b = FAR or NOWHERE
STOP_STEP = 4               # the block under way must be run by single instructions
STOP_DSB = 5                # before a block with a DSB while TLBIs of this PE are outstanding
STOP_FP = 6                 # before a block whose first instruction is trapped by CPACR_EL1.FPEN
STOP_ABORT = 7              # a cache maintenance or zeroing operation met a fault: PE.fault_* say which
STOP_TURN = 8               # the fill hook refuses an access because it is not the PE's turn; PE.stop_a = its kind
STOP_WAIT = 9               # as 8, by an instruction hook: the block was left by `abandon_block`

# MACHINE.reason
REASON_NONE = 0
REASON_CHUNK = 1            # time to let Python look (Ctrl-C, progress)
REASON_DRAIN = 2            # events or console text want to be taken
REASON_BUDGET = 3
REASON_DEADLOCK = 4         # every PE waits and nothing can wake any
REASON_ALL_OFF = 5
REASON_PSCI = 6             # PE `reason_pe` made a call: HVC at its PC
REASON_SEMIHOSTING = 7      # HLT #0xF000 at its PC
REASON_RECURSION = 8
REASON_LIVELOCK = 9
REASON_ENGINE = 10          # the engine returned an error that has no architectural meaning; PE.stop_a = its number
REASON_MARK = 12            # PE `reason_pe` is about to run the block in which the symbol MACHINE.until lies
REASON_STEPPER = 11         # PE `reason_pe` needs its second engine instance, for single instructions
