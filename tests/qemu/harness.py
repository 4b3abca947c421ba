"""Assembling and compiling the test images, and running them under QEMU's `virt`.

The images lie in tests/images: `<name>.s` (with parts in common/) or `<name>.c`, and `<name>.expected`, the console text that the
architecture asks for. An image is linked as one ELF at RAM + 0x8_0000; its flat form is the same bytes without the headers.
"""

import functools
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

IMAGES = Path(__file__).parent.parent / "images"
LOAD_PA = 0x4008_0000
C_ELF_LOAD_PA = 0x4020_0000     # QEMU puts its device tree, 1 MiB with its reserve, at the start of RAM only where that much room is left
QEMU = "qemu-system-aarch64"
GNU_PREFIX = "aarch64-linux-gnu-"


@dataclass(frozen=True)
class Image:
    """One image: its name, the number of PEs it is written for, how it is started, and its exit status when all is well.

    start: "elf" (x0 = 0, device tree at the start of RAM) or "flat" (x0 = device tree).
    source: the file below tests/images without its suffix, when it is not the name. compiler_options: for C sources.
    profile: that of Quiesce which has what the image is about; QEMU's "max" has it all.
    """

    name: str
    pes: int = 1
    start: str = "elf"
    exit_status: int = 0
    source: str = ""
    compiler_options: tuple[str, ...] = ()
    profile: str = "cortex-a72"

    @property
    def source_path(self) -> Path:
        """The top source file."""
        stem = self.source or self.name
        c_source = IMAGES / f"{stem}.c"
        return c_source if c_source.exists() else IMAGES / f"{stem}.s"

    @property
    def expected(self) -> str:
        """The console text that the architecture asks for."""
        return (IMAGES / f"{self.source or self.name}.expected").read_text(encoding="ascii")


IMAGES_TO_RUN = (
    Image("exceptions_el1", exit_status=7),
    Image("exceptions_el0"),
    Image("faults_4k"),
    Image("faults_16k"),
    Image("faults_64k"),
    Image("tagged_branches"),
    Image("hardware_update", profile="neoverse-n1"),
    Image("signed_minmax"),
    Image("psci", pes=4),
    Image("sgi_4pe", pes=4),
    Image("timer"),
    Image("exclusives_lse", pes=4),
    Image("exceptions_el1_flat", source="exceptions_el1", start="flat", exit_status=7),
    Image("c_kernel"),
    Image("c_kernel_flat", source="c_kernel", start="flat"),
    Image("c_kernel_general_registers", source="c_kernel", compiler_options=("-mgeneral-regs-only",)),
    Image("c_kernel_lse_size", source="c_kernel", compiler_options=("-Os", "-march=armv8.1-a")),
    Image("c_kernel_unoptimised", source="c_kernel", start="flat", compiler_options=("-O0",)),
)


@dataclass(frozen=True)
class QemuResult:
    """What one run under QEMU left: console text, exit status of the guest, and QEMU's own messages."""

    console: str
    exit_status: int
    messages: str


def missing_tools(*tools: str) -> str:
    """The reason to skip, naming the tools that are not on the path; empty when all are."""
    absent = [tool for tool in tools if shutil.which(tool) is None]
    return f"not installed: {', '.join(absent)}" if absent else ""


def gnu_missing() -> str:
    """The reason to skip what needs the GNU assembler, linker and compiler for AArch64; empty when they are there."""
    return missing_tools(*(GNU_PREFIX + tool for tool in ("as", "ld", "objcopy", "gcc")))


def qemu_missing() -> str:
    """The reason to skip what needs QEMU; empty when it is there."""
    return missing_tools(QEMU)


def _run_tool(*command: str | Path) -> None:
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=60, check=False)
    if done.returncode:
        raise AssertionError(f"{command[0]} failed:\n{done.stderr}")


def build(image: Image, directory: Path) -> Path:
    """Assemble or compile an image into `directory` and link it. Returns the ELF, or the flat binary when that is how it starts."""
    elf = directory / f"{image.name}.elf"
    if image.source_path.suffix == ".s":
        objects = [_assemble(image.source_path, directory)]
        layout: tuple[str | Path, ...] = ("-N", "-Ttext", hex(LOAD_PA))
    else:
        start = _assemble(IMAGES / "c_start.s", directory)
        compiled = directory / f"{image.name}.o"
        _run_tool(GNU_PREFIX + "gcc", "-O2", "-mstrict-align", "-Wall", "-Wextra", "-Werror", "-ffreestanding", "-nostdlib", "-fno-pic", "-mcmodel=small",
                  "-fno-stack-protector", *image.compiler_options, "-c", image.source_path, "-o", compiled)
        objects = [start, compiled]
        layout = ("-T", IMAGES / "c_kernel.ld", f"--defsym=load_pa={LOAD_PA if image.start == 'flat' else C_ELF_LOAD_PA}")
    _run_tool(GNU_PREFIX + "ld", "--no-warn-rwx-segments", *layout, *objects, "-o", elf)
    if image.start == "elf":
        return elf
    flat = directory / f"{image.name}.bin"
    _run_tool(GNU_PREFIX + "objcopy", "-O", "binary", elf, flat)
    return flat


def link_source(source: Path, directory: Path) -> Path:
    """Assemble a source that may include parts of tests/images, and link it as an ELF into `directory`."""
    elf = directory / f"{source.stem}.elf"
    _run_tool(GNU_PREFIX + "ld", "--no-warn-rwx-segments", "-N", "-Ttext", hex(LOAD_PA), _assemble(source, directory), "-o", elf)
    return elf


def _assemble(source: Path, directory: Path) -> Path:
    assembled = directory / f"{source.stem}.o"
    _run_tool(GNU_PREFIX + "as", "-march=armv8.4-a", "-I", IMAGES, source, "-o", assembled)
    return assembled


@functools.cache
def run_qemu(path: Path, pes: int, limit_seconds: float = 30.0) -> QemuResult:
    """Run an ELF or flat image on `virt` with GICv3 and 256 MiB until it exits (semihosting) or powers off (PSCI).

    PL011 and semihosting share one console. Raises AssertionError with what was printed when it does not end in time.
    """
    command = [QEMU, "-M", "virt,gic-version=3", "-cpu", "max", "-smp", str(pes), "-m", "256", "-display", "none", "-monitor", "none",
               "-nodefaults", "-no-reboot", "-chardev", "stdio,id=console,mux=on,signal=off", "-serial", "chardev:console",
               "-semihosting-config", "enable=on,target=native,chardev=console", "-kernel", str(path)]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=limit_seconds, check=False)
    except subprocess.TimeoutExpired as late:
        printed = (late.stdout or b"").decode("ascii", "replace")
        raise AssertionError(f"QEMU did not end within {limit_seconds} s; it printed:\n{printed}") from late
    return QemuResult(done.stdout.decode("ascii", "replace").replace("\r\n", "\n"), done.returncode, done.stderr.decode())


def main() -> None:
    """Build and run the images named on the command line, or all, and print their consoles."""
    import sys
    import tempfile
    for image in IMAGES_TO_RUN:
        if sys.argv[1:] and image.name not in sys.argv[1:]:
            continue
        with tempfile.TemporaryDirectory() as directory:
            result = run_qemu(build(image, Path(directory)), image.pes, 10.0)
        print(f"---- {image.name}: exit status {result.exit_status}\n{result.console}{result.messages}")


if __name__ == "__main__":
    main()
