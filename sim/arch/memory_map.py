"""The physical memory map: the one place where a physical address is born.

It is QEMU's `virt` machine where the two overlap (hw/arm/virt.c, memory map), so that an image built for one runs on the other.

    0x0000_0000_0000   nothing (flash under QEMU)
    0x0000_0800_0000   GICv3 distributor
    0x0000_080A_0000   GICv3 redistributors, 128 KiB for each of the first 123 PEs
    0x0000_0900_0000   PL011 UART
    0x0000_4000_0000   RAM
    0x0040_0000_0000   GICv3 redistributors of PEs 123 and up
    0x8000_0000_0000   the observed window: RAM again, seen through callbacks; no guest output address reaches it
    0xC000_0000_0000   copies of pages of code that the engine cannot fetch as they are; no guest output address reaches them
"""

PAGE_BYTES = 4096                       # a soft page of the engine, and the grain of observation

GICD_PA, GICD_BYTES = 0x0800_0000, 0x1_0000
GICR_PA, GICR_BYTES_PER_PE, GICR_LOW_PES = 0x080A_0000, 0x2_0000, 123
GICR_HIGH_PA = 0x40_0000_0000
PL011_PA, PL011_BYTES = 0x0900_0000, 0x1000
RAM_PA = 0x4000_0000
RAM_DEFAULT_BYTES = 256 << 20
OBSERVED_PA = 1 << 47
CODE_COPY_PA = 3 << 46

IMAGE_OFFSET_BYTES = 0x8_0000           # a flat image is loaded at RAM_PA + this, as Linux's Image is under `virt`
PES_MAX = 256
