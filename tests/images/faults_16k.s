// Translation and its faults with the 16 KiB granule in both ranges.

.equ GRANULE_SHIFT,     14
.equ TCR_GRANULES,      (2 << 14) + (1 << 30)
.equ START_LEVEL,       0          // of a walk of 48 bits
.equ BLOCK_LEVEL,       2          // the highest one where a block is allowed
.equ CONTIGUOUS_PAGES,  128
.equ RANGE_GRANULE,     2          // TG of the TLBI range operands
.equ LEVEL2_PA,         0x44000000
.equ HIGH_BLOCK_MASK,   0xfffffffffe000000
.equ HIGH_BLOCK1_MASK,  0xfffffffffe000000

.macro SIZE_LIST                    // VA bits of TTBR0 and of TTBR1
    .byte 48, 48, 47, 47, 40, 37, 39, 36, 36, 31, 31, 26, 33, 25
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
