"""The device tree against dtc, which parses it, and against the tree that QEMU writes of its own `virt`."""

import re
import shutil
import struct
import subprocess
from pathlib import Path

import pytest

from sim.arch.id_registers import mpidr
from sim.devices.device_tree import build_device_tree
from sim.errors import SimulatorError

MIB = 1 << 20
Properties = dict[str, str]


def decompile(blob: bytes | Path) -> dict[str, Properties]:
    """Node path -> property name -> dtc's text of its value ("" for none), by dtc."""
    if shutil.which("dtc") is None:
        pytest.skip("needs dtc, from Debian's device-tree-compiler")
    data = blob if isinstance(blob, bytes) else blob.read_bytes()
    done = subprocess.run(["dtc", "-q", "-I", "dtb", "-O", "dts", "-"], input=data, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    nodes: dict[str, Properties] = {}
    path: list[str] = []
    for line in done.stdout.decode().splitlines():
        text = line.strip()
        if text.endswith("{"):
            path.append(text.removesuffix("{").strip().strip("/"))
            nodes["/".join(path) or "/"] = {}
        elif text == "};":
            path.pop()
        elif text and not text.startswith("/"):
            name, _, value = text.removesuffix(";").partition(" = ")
            nodes["/".join(path) or "/"][name] = value
    return nodes


def cells(value: str) -> list[int]:
    return [int(cell, 16) for cell in re.findall(r"0x[0-9a-f]+", value)]


def qemu_tree(pes: int, folder: Path) -> dict[str, Properties]:
    if shutil.which("qemu-system-aarch64") is None:
        pytest.skip("needs qemu-system-aarch64, from Debian's qemu-system-arm")
    file = folder / "virt.dtb"
    subprocess.run(["qemu-system-aarch64", "-M", f"virt,gic-version=3,dumpdtb={file}", "-cpu", "max", "-smp", str(pes), "-m", "256"],
                   check=True, capture_output=True, timeout=60)
    return decompile(file)


def without_phandles(tree: dict[str, Properties], path: str) -> Properties:
    """A node's properties; phandles are numbers that each author of a tree gives out as he likes."""
    return {name: value for name, value in tree[path].items() if name not in {"phandle", "clocks", "interrupt-parent"}}


@pytest.mark.qemu
@pytest.mark.parametrize("path", ["/", "/memory@40000000", "/timer", "/apb-pclk", "/pl011@9000000", "/intc@8000000"])
def test_a_node_of_four_pes_is_that_of_qemus_virt(path: str, tmp_path: Path) -> None:
    ours, theirs = decompile(build_device_tree(4, 256 * MIB, None)), qemu_tree(4, tmp_path)
    theirs["/"].pop("dma-coherent", None)           # newer versions have it
    assert without_phandles(ours, path) == without_phandles(theirs, path)


@pytest.mark.qemu
def test_psci_and_cpus_say_nothing_that_qemus_virt_does_not_say(tmp_path: Path) -> None:
    ours, theirs = decompile(build_device_tree(4, 256 * MIB, None)), qemu_tree(4, tmp_path)
    assert ours["/psci"].items() <= theirs["/psci"].items()
    for node in ("/cpus", *(f"/cpus/cpu@{pe}" for pe in range(4))):
        kind = {"compatible", "phandle"}            # the kind of core differs, and only QEMU's cpu-map refers to a cpu
        assert {k: v for k, v in ours[node].items() if k not in kind} == {k: v for k, v in theirs[node].items() if k not in kind}
    assert ours["/chosen"]["stdout-path"] == theirs["/chosen"]["stdout-path"]


@pytest.mark.qemu
def test_affinities_of_130_pes_and_the_second_redistributor_region_begin_where_qemus_do(tmp_path: Path) -> None:
    ours, theirs = decompile(build_device_tree(130, 256 * MIB, None)), qemu_tree(130, tmp_path)
    our_affinities, their_affinities = (sorted(cells(properties["reg"])[0] for path, properties in tree.items() if "/cpus/cpu@" in path)
                                        for tree in (ours, theirs))
    assert our_affinities == their_affinities and len(our_affinities) == 130
    our_intc, their_intc = ours["/intc@8000000"], theirs["/intc@8000000"]
    assert our_intc["#redistributor-regions"] == their_intc["#redistributor-regions"] == "<0x02>"
    assert cells(our_intc["reg"])[:10] == cells(their_intc["reg"])[:10]
    assert cells(our_intc["reg"])[10:] == [0, 7 * 0x20000]             # PEs 123 to 129


@pytest.mark.parametrize("pes", [1, 16, 17, 123, 124, 256])
def test_dtc_parses_the_tree_and_every_pe_has_its_affinity(pes: int) -> None:
    tree = decompile(build_device_tree(pes, 512 * MIB, "console=ttyAMA0"))
    found = [cells(properties["reg"])[0] for path, properties in tree.items() if path.startswith("/cpus/cpu@")]
    assert found == [mpidr(pe) & 0xFFFF for pe in range(pes)]
    assert cells(tree["/memory@40000000"]["reg"]) == [0, 0x4000_0000, 0, 0x2000_0000]
    assert tree["/intc@8000000"]["#redistributor-regions"] == ("<0x02>" if pes > 123 else "<0x01>")


def test_every_phandle_that_is_used_is_given() -> None:
    tree = decompile(build_device_tree(2, 256 * MIB, None))
    given = {cells(properties["phandle"])[0]: path for path, properties in tree.items() if "phandle" in properties}
    assert given[cells(tree["/"]["interrupt-parent"])[0]] == "/intc@8000000"
    assert {given[handle] for handle in cells(tree["/pl011@9000000"]["clocks"])} == {"/apb-pclk"}


def test_bootargs_are_there_exactly_when_given() -> None:
    assert "bootargs" not in decompile(build_device_tree(1, 256 * MIB, None))["/chosen"]
    assert decompile(build_device_tree(1, 256 * MIB, "a=1 b"))["/chosen"]["bootargs"] == '"a=1 b"'
    assert decompile(build_device_tree(1, 256 * MIB, ""))["/chosen"]["bootargs"] == "[00]"       # dtc's way to show an empty string
    assert "pelé\0".encode() in build_device_tree(1, 256 * MIB, "pelé")


def test_ram_beyond_four_gib_takes_both_cells() -> None:
    assert cells(decompile(build_device_tree(1, 6 << 30, None))["/memory@40000000"]["reg"]) == [0, 0x4000_0000, 1, 0x8000_0000]


def test_the_header_is_that_of_version_17_and_counts_every_byte() -> None:
    blob = build_device_tree(3, 256 * MIB, "x")
    magic, total_bytes, _, _, _, version, last_compatible = struct.unpack(">7I", blob[:28])
    assert (magic, total_bytes, version, last_compatible) == (0xD00DFEED, len(blob), 17, 16)


def test_the_same_machine_gives_the_same_bytes() -> None:
    assert build_device_tree(5, 256 * MIB, "x") == build_device_tree(5, 256 * MIB, "x")


def test_a_machine_that_cannot_be_is_a_defect_of_the_caller() -> None:
    for pes, ram_bytes in ((0, MIB), (257, MIB), (1, 0)):
        with pytest.raises(SimulatorError, match="no device tree"):
            build_device_tree(pes, ram_bytes, None)
