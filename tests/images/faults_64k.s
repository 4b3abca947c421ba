// Translation and its faults with the 64 KiB granule in both ranges.

.equ GRANULE_SHIFT,     16
.equ TCR_GRANULES,      (1 << 14) + (3 << 30)
.equ START_LEVEL,       1          // of a walk of 48 bits
.equ BLOCK_LEVEL,       2          // the highest one where a block is allowed
.equ CONTIGUOUS_PAGES,  32
.equ RANGE_GRANULE,     3          // TG of the TLBI range operands
.equ LEVEL2_PA,         0x40000000
.equ HIGH_BLOCK_MASK,   0xffffffffe0000000
.equ HIGH_BLOCK1_MASK,  0xffffffffe0000000

.macro SIZE_LIST                    // VA bits of TTBR0 and of TTBR1
    .byte 48, 48, 47, 43, 43, 42, 42, 39, 36, 31, 31, 30, 33, 29, 32, 25
.endm

.include "common/start.inc"
.include "common/console.inc"
.include "common/finish.inc"
.include "common/exception.inc"
.include "common/tables.inc"
.include "common/el0.inc"
.include "common/probes.inc"
.include "common/regime.inc"
.include "common/faults.inc"
