"""Instruction facts: the classes that cycles are charged by, and the flags by which an A64 instruction concerns the simulator.

Pure values; the decoding is in `sim.hot.decode`. Encodings are those of Arm ARM DDI 0487, chapter C4 "A64 Instruction Set Encoding", up to Armv8.4.
"""

COST_CLASSES: tuple[str, ...] = (
    "alu", "multiply", "divide",
    "load", "store", "load_pair", "store_pair",
    "branch", "branch_indirect",
    "fp_simd",
    "exclusive", "atomic",
    "barrier_dmb", "barrier_dsb", "barrier_isb",
    "system_read", "system_write", "cache_maintenance", "tlbi",
    "exception_generating", "hint",
)
"""Names of the cost classes, in the order of the COST_ constants; a profile gives one figure in cycles for each."""

COST_ALU = 0                            # also whatever is not allocated, UDF excepted
COST_MULTIPLY = 1                       # also CRC32, which shares the multiplier's pipe (Cortex-A72 and Neoverse N1 optimization guides)
COST_DIVIDE = 2
COST_LOAD = 3                           # integer and SIMD&FP alike, structures, LDAR and prefetches; the memory itself is charged elsewhere
COST_STORE = 4
COST_LOAD_PAIR = 5
COST_STORE_PAIR = 6
COST_BRANCH = 7                         # immediate targets
COST_BRANCH_INDIRECT = 8                # register targets, RET, ERET
COST_FP_SIMD = 9                        # SIMD, FP and cryptographic data processing
COST_EXCLUSIVE = 10                     # load and store exclusive, CLREX
COST_ATOMIC = 11
COST_BARRIER_DMB = 12
COST_BARRIER_DSB = 13                   # also SB
COST_BARRIER_ISB = 14
COST_SYSTEM_READ = 15                   # MRS, SYSL
COST_SYSTEM_WRITE = 16                  # MSR (register and immediate), AT and unnamed SYS
COST_CACHE_MAINTENANCE = 17             # DC, IC
COST_TLBI = 18
COST_EXCEPTION_GENERATING = 19          # SVC, HVC, SMC, BRK, HLT, DCPS, UDF
COST_HINT = 20

FLAG_FP = 1 << 0                        # whatever CPACR_EL1.FPEN traps: SIMD, FP, cryptography, their loads and stores, FPCR and FPSR; not CRC32
FLAG_DSB = 1 << 1                       # also SSBB and PSSBB, which are encoded as DSB #0 and DSB #4
FLAG_DMB = 1 << 2
FLAG_ISB = 1 << 3
FLAG_SEV = 1 << 4
FLAG_SEVL = 1 << 5
FLAG_WFE = 1 << 6
FLAG_WFI = 1 << 7
FLAG_YIELD = 1 << 8
FLAG_ERET = 1 << 9                      # ERET, ERETAA, ERETAB; FLAG_BRANCH is set as well
FLAG_EXCLUSIVE = 1 << 10                # LDXR, LDAXR, STXR, STLXR, LDXP, LDAXP, STXP, STLXP
FLAG_ATOMIC = 1 << 11                   # LDADD and its kin, SWP, CAS, CASP
FLAG_CLREX = 1 << 12
FLAG_TLBI = 1 << 13
FLAG_DAIF = 1 << 14                     # MSR DAIFSet, DAIFClr and DAIF: interrupts may be unmasked
FLAG_MEMORY = 1 << 15                   # loads, stores, atomics, exclusives, DC ZVA; not prefetches
FLAG_SP_BASE = 1 << 16                  # a memory access whose base is SP (a prefetch checks no SP alignment and does not count)
FLAG_WRITES_SP = 1 << 17                # writes SP otherwise than by a multiple of 16 added, subtracted or written back
FLAG_UNPRIVILEGED = 1 << 18             # LDTR, STTR and their kin
FLAG_LDAPR = 1 << 19                    # ordered but neither exclusive nor atomic: LDAR, LDLAR, LDAPR, LDAPUR, STLR, STLLR, STLUR
FLAG_HALT = 1 << 20                     # HLT (semihosting)
FLAG_SVC = 1 << 21
FLAG_HVC = 1 << 22
FLAG_SMC = 1 << 23
FLAG_BRK = 1 << 24
FLAG_SYSTEM = 1 << 25                   # MRS, MSR (register and immediate), SYS, SYSL
FLAG_BRANCH = 1 << 26                   # changes the PC without an exception: immediate, conditional, register, RET, ERET
FLAG_LOAD = 1 << 27                     # with FLAG_MEMORY: reads memory
FLAG_STORE = 1 << 28                    # with FLAG_MEMORY: writes memory; atomics have both
FLAG_DC_ZVA = 1 << 29
FLAG_SPSEL = 1 << 30                    # MSR SPSel, immediate and register
FLAG_PAN = 1 << 31                      # MSR PAN, immediate and register
FLAG_UAO = 1 << 32                      # MSR UAO, immediate and register
FLAG_UNANNOUNCED = 1 << 33              # SVE and MTE: no profile announces them, Unicorn's MAX CPU would execute them
