// Translation and its faults with the 4 KiB granule in both ranges.

.equ GRANULE_SHIFT,     12
.equ TCR_GRANULES,      2 << 30
.equ START_LEVEL,       0          // of a walk of 48 bits
.equ BLOCK_LEVEL,       1          // the highest one where a block is allowed
.equ CONTIGUOUS_PAGES,  16
.equ RANGE_GRANULE,     1          // TG of the TLBI range operands
.equ LEVEL2_PA,         0x44000000
.equ HIGH_BLOCK_MASK,   0xffffffffffe00000
.equ HIGH_BLOCK1_MASK,  0xffffffffc0000000

.macro SIZE_LIST                    // VA bits of TTBR0 and of TTBR1
    .byte 48, 48, 47, 40, 40, 39, 39, 38, 36, 31, 31, 30, 33, 25
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
