"""The flattened device tree that a kernel finds through x0, as QEMU's `virt` machine gives it, of the devices that are modelled.

Sources: Devicetree Specification v0.4; the Linux bindings arm,gic-v3, arm,armv8-timer, arm,psci, arm,pl011 and arm/cpus; the tree that
`qemu-system-aarch64 -M virt,gic-version=3,dumpdtb=FILE` writes, with which the tests compare this one.
"""

from collections.abc import Iterator
from typing import Final

import fdt  # type: ignore[import-untyped]   # the package has no annotations

from sim.arch.id_registers import affinity
from sim.arch.memory_map import (
    GICD_BYTES,
    GICD_PA,
    GICR_BYTES_PER_PE,
    GICR_HIGH_PA,
    GICR_LOW_PES,
    GICR_PA,
    PES_MAX,
    PL011_BYTES,
    PL011_PA,
    RAM_PA,
)
from sim.errors import SimulatorError

_VERSION, _LAST_COMPATIBLE_VERSION = 17, 16         # of the flattened format
_INTC_PHANDLE, _CLOCK_PHANDLE = 1, 2
_SPI, _PPI = 0, 1                                   # first cell of a GIC interrupt
_LEVEL_HIGH = 4                                     # third cell
_TIMER_PPIS: Final = (13, 14, 11, 10)               # secure physical, physical, virtual, hypervisor: INTID less 16
_PL011_SPI = 1
_PL011_CLOCK_HZ = 24_000_000
_PSCI_CPU_OFF, _PSCI_CPU_ON = 0x8400_0002, 0xC400_0003      # Arm DEN 0022, 5.1; named in the tree for kernels that know PSCI 0.1 only


def build_device_tree(pes: int, ram_bytes: int, bootargs: str | None) -> bytes:
    """The device tree of a machine, as a flattened blob (version 17) that may lie at any 8-byte aligned PA.

    pes: 1..256; the unit address of a cpu node is its number, its `reg` the affinity fields of its MPIDR_EL1. ram_bytes: RAM from
    RAM_PA on. bootargs: the kernel's command line, in UTF-8, or None for no such property. Not there, since not modelled: the ITS, PCIe,
    flash, virtio, the RTC, the GPIO controller, the PMU and the random seeds. Raises SimulatorError for a machine that cannot be.
    """
    if not 1 <= pes <= PES_MAX or ram_bytes <= 0:
        raise SimulatorError(f"no device tree for {pes} PEs and {ram_bytes} bytes of RAM")
    tree = fdt.FDT()
    _fill(tree.root, [("strings", "compatible", "linux,dummy-virt"), ("strings", "model", "linux,dummy-virt"),
                      ("words", "#address-cells", 2), ("words", "#size-cells", 2), ("words", "interrupt-parent", _INTC_PHANDLE)])
    for node in (_chosen(bootargs), _memory(ram_bytes), _cpus(pes), _psci(), _timer(), _interrupt_controller(pes), _clock(), _pl011()):
        tree.root.append(node)
    blob: bytes = tree.to_dtb(version=_VERSION, last_comp_version=_LAST_COMPATIBLE_VERSION, boot_cpuid_phys=affinity(0))
    return blob


def _fill(node: fdt.Node, properties: list[tuple[object, ...]]) -> fdt.Node:
    """Append properties given as (kind, name, value...); kind is "strings", "words", or "flag" for one without a value."""
    kinds = {"strings": fdt.PropStrings, "words": fdt.PropWords, "flag": fdt.Property}
    for kind, *arguments in properties:
        node.append(kinds[str(kind)](*arguments))
    return node


def _cells(*values_64: int) -> Iterator[int]:
    """Each 64-bit value as two cells, high one first: #address-cells and #size-cells are 2."""
    for value in values_64:
        yield value >> 32
        yield value & 0xFFFF_FFFF


def _chosen(bootargs: str | None) -> fdt.Node:
    node = _fill(fdt.Node("chosen"), [("strings", "stdout-path", f"/pl011@{PL011_PA:x}")])
    if bootargs is not None:
        node.append(fdt.PropBytes("bootargs", data=bootargs.encode() + b"\0"))      # PropStrings takes ASCII only
    return node


def _memory(ram_bytes: int) -> fdt.Node:
    return _fill(fdt.Node(f"memory@{RAM_PA:x}"), [("strings", "device_type", "memory"), ("words", "reg", *_cells(RAM_PA, ram_bytes))])


def _cpus(pes: int) -> fdt.Node:
    cpus = _fill(fdt.Node("cpus"), [("words", "#address-cells", 1), ("words", "#size-cells", 0)])
    for pe in range(pes):
        cpus.append(_fill(fdt.Node(f"cpu@{pe:x}"), [
            ("strings", "device_type", "cpu"), ("strings", "compatible", "arm,armv8"), ("words", "reg", affinity(pe)),
            ("strings", "enable-method", "psci")]))
    return cpus


def _psci() -> fdt.Node:
    return _fill(fdt.Node("psci"), [
        ("strings", "compatible", "arm,psci-1.0", "arm,psci-0.2", "arm,psci"), ("strings", "method", "hvc"),
        ("words", "cpu_on", _PSCI_CPU_ON), ("words", "cpu_off", _PSCI_CPU_OFF)])


def _timer() -> fdt.Node:
    interrupts = [cell for ppi in _TIMER_PPIS for cell in (_PPI, ppi, _LEVEL_HIGH)]
    return _fill(fdt.Node("timer"), [
        ("strings", "compatible", "arm,armv8-timer", "arm,armv7-timer"), ("words", "interrupts", *interrupts), ("flag", "always-on")])


def _interrupt_controller(pes: int) -> fdt.Node:
    regions = [(GICR_PA, GICR_LOW_PES * GICR_BYTES_PER_PE)]
    if pes > GICR_LOW_PES:
        regions.append((GICR_HIGH_PA, (pes - GICR_LOW_PES) * GICR_BYTES_PER_PE))
    spans = [GICD_PA, GICD_BYTES, *(value for region in regions for value in region)]
    return _fill(fdt.Node(f"intc@{GICD_PA:x}"), [
        ("strings", "compatible", "arm,gic-v3"), ("words", "#interrupt-cells", 3), ("flag", "interrupt-controller"),
        ("words", "#address-cells", 2), ("words", "#size-cells", 2), ("flag", "ranges"),
        ("words", "#redistributor-regions", len(regions)), ("words", "reg", *_cells(*spans)), ("words", "phandle", _INTC_PHANDLE)])


def _clock() -> fdt.Node:
    return _fill(fdt.Node("apb-pclk"), [
        ("strings", "compatible", "fixed-clock"), ("words", "#clock-cells", 0), ("words", "clock-frequency", _PL011_CLOCK_HZ),
        ("strings", "clock-output-names", "clk24mhz"), ("words", "phandle", _CLOCK_PHANDLE)])


def _pl011() -> fdt.Node:
    return _fill(fdt.Node(f"pl011@{PL011_PA:x}"), [
        ("strings", "compatible", "arm,pl011", "arm,primecell"), ("words", "reg", *_cells(PL011_PA, PL011_BYTES)),
        ("words", "interrupts", _SPI, _PL011_SPI, _LEVEL_HIGH), ("words", "clocks", _CLOCK_PHANDLE, _CLOCK_PHANDLE),
        ("strings", "clock-names", "uartclk", "apb_pclk")])
