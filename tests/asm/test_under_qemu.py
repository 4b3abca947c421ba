"""Every built-in kernel under QEMU's `virt`: the console it promises and the exit status, or where it hangs when hanging is its point."""
import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from firmware.kernels import Kernel, kernel, kernels
from firmware.layout import layout_constants

from .conftest import Build, GnuImage

QEMU = "qemu-system-aarch64"
pytestmark = [pytest.mark.gnu, pytest.mark.qemu, pytest.mark.skipif(not shutil.which(QEMU), reason=f"{QEMU} is not installed")]

CONSOLE = {
    "hello": "hello from EL1\n",
    "rendezvous": "rendezvous: {pes} PEs, {rounds} rounds, all acted\n",
    "sgi_pingpong": "sgi_pingpong: {rounds} returned\n",
    "timer_tick": "timer_tick: {rounds} ticks, none early\n",
    "el0_svc": "el0_svc: {rounds} calls from EL0 served\n",
    "exclusives": "exclusives: {product} additions to each word, none lost\n",
    "tlbi_shootdown": "tlbi_shootdown: {product} reads, none stale\n",
    "self_modifying": "self_modifying: {product} calls, none stale\n",
    "promote": "PASS promotion of a run that fills\nPASS kextract in every state\nPASS demotion and promotion again\n"
               "PASS promotion disabled\nPASS direct map that holds its own tables\nPASS contiguous frames and their KVA\n"
               "PASS failed allocations take nothing\nPASS seams\nPASS rounds of demotion and promotion\npromote: 0 checks wrong\n",
    "start_cpu": "PASS a start without memory takes nothing\nstart_cpu: {pes} PEs run, 15 frames in use, all acted\n",
    "bootstack": "bootstack: 32 contiguous runs and 1 blocks made\nbootstack: all PEs have left their boot stacks\n",
    "kernel_stacks": "kernel_stacks: 31 contiguous runs and 0 blocks made\nkernel_stacks: all threads wake\n",
    "boot_pcpu": "boot_pcpu: the page is read-only after {any} ticks of PE 0\n",
    "own_table": "own_table: demoted\n",
    "parking": "parking: {rounds} changes\n",
    "flagging": "flagging: promotions 0, failures 0, demotions 0\n",
    "stop_cpus": "stop_cpus: 3 PEs stopped of 3\nstop_cpus: all run again\n",
    "fan_out": "fan_out: {pes} PEs interrupted\n",
    "two_promotions": "two_promotions: {promotions} promotions, one after the other\n",
    "bench_ipi": "bench_ipi: {pes} PEs called as often as expected\n",
    "bench_rendezvous": "bench_rendezvous: {all_actions} actions, none missing\n",
    "measure_svc": "measure_svc: {any} cycles for a thousand calls\n",
    "measure_chase": "measure_chase: {any} cycles for a thousand loads\n",
    "measure_line": "measure_line: {any} cycles for a thousand ways\n",
    "bench_shootdown": "bench_shootdown: {all_rounds} operations, no read was stale\n",
    "no-promote": "no-promote: {rounds} rounds, 0 faults healed, not promoted\n",
    "own_block_change": "own_block_change: {changes} changes, 0 interrupts answered\n",
    "own-block": "own-block: 3 runs of 2 MB, 3 of them blocks, 6132 KB wasted\nown-block: {rounds} rounds, 0 faults healed, promoted\n",
    "own_block_16k": "own_block_16k: 3 blocks of 32 MB, {any} interrupts answered, no memory for 0 PEs\n",
    "rendezvous-park": "rendezvous-park: {rounds} rounds, 0 faults healed, promoted\n",
    "dedicated-vector": "dedicated-vector: {rounds} rounds, 0 faults healed, promoted\n",
    "idmap-park": "idmap-park: {rounds} rounds, 0 faults healed, promoted\n",
    "pte-flag": "pte-flag: {rounds} rounds, 0 faults healed, not promoted\n",
    "machdep-page": "machdep-page: {rounds} rounds, 0 faults healed, promoted\n",
    "shadow-tables": "shadow-tables: {rounds} rounds, 0 faults healed, promoted\n",
    "flagged-run": "flagged-run: {rounds} rounds, 0 faults healed, promoted\n",
    "permanent-region": "permanent-region: {rounds} rounds, 0 faults healed, promoted\n",
    "abstention": "abstention: {rounds} rounds, 0 faults healed, not promoted\n",
    "direct-map": "direct-map: {rounds} rounds, {any} faults healed, promoted\n",
    "fault-retry": "fault-retry: {rounds} rounds, {any} faults healed, promoted\n",
    "curthread-register": "curthread-register: {rounds} rounds, {any} faults healed, promoted\n",
    "nt": "nt: {rounds} rounds, 0 faults healed, promoted\n",
    "bbm2": "bbm2: {rounds} rounds, 0 faults healed, promoted\n",
    "bbm2-no-abort": "bbm2-no-abort: {rounds} rounds, 0 faults healed, promoted\n",
    "page_change": "page_change: readers: 0 old at once, 0 old later, {any} faults; PE 0: frame 2, then 2, 0 faults\n",
    "table_reuse": "table_reuse: number 1 read, the block's\n",
    "window": "window: rounds {rounds}, ticks 0, calls {any}, not translated 0, not found 0, healed 0, wrong 0\n",
}

#: One host thread for all PEs, which a YIELD hands on: these spin for each other at every change, or count how often they look for an
#: answer. With a host thread each, both depend on what else the host has to do.
SPINNING = {"rendezvous-park", "dedicated-vector", "idmap-park", "machdep-page", "flagged-run", "shadow-tables", "parking",
            "two_promotions", "own_block_change", "own_block_16k", "boot_pcpu", "window", "stop_cpus"}


def command(image: GnuImage, pes: int, *more: str) -> list[str]:
    return [QEMU, "-M", "virt,gic-version=3", "-cpu", "max", "-smp", str(pes), "-m", "256", "-display", "none", "-semihosting",
            "-kernel", str(image.path), *more]


def run(image: GnuImage, pes: int, *more: str) -> tuple[str, int]:
    """Console text and exit status of a guest that ends."""
    done = subprocess.run([*command(image, pes, *more), "-monitor", "none", "-serial", "stdio"], check=False, stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=120)
    return done.stdout.replace("\r", ""), done.returncode


def stop_where_it_hangs(image: GnuImage, pes: int, console: Path, text: str) -> str:
    """All PEs' registers, as QEMU's monitor prints them, once a guest that never ends has written its text."""
    with subprocess.Popen([*command(image, pes), "-serial", f"file:{console}", "-monitor", "stdio"], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        try:
            deadline = time.monotonic() + 20
            while time.monotonic() < deadline and not (console.exists() and console.read_text().endswith(text)):
                time.sleep(0.05)
            time.sleep(0.2)                     # from the text to the place where it stays
            return process.communicate("stop\ninfo registers -a\nquit\n", timeout=20)[0]
        finally:
            process.kill()


@pytest.mark.parametrize("built_in", [known for known in kernels() if known.verdict == "exited"], ids=lambda known: known.name)
def test_a_kernel_that_ends_says_what_it_promises(built_in: Kernel, build: Build) -> None:
    pes, rounds = built_in.default_pes, 37
    expected = CONSOLE[built_in.name].format(pes=pes, rounds=rounds, product=pes * rounds, promotions=2 * rounds + 2, changes=(pes - 1) * rounds,
                                             all_actions=pes * (rounds + 3), all_rounds=rounds + 3, any="@")
    threads = ("-accel", "tcg,thread=single") if built_in.name in SPINNING else ()
    console, status = run(build(built_in, built_in.build_constants(pes, rounds, 3)), pes, *threads)
    assert re.fullmatch(re.escape(expected).replace("@", r"\d+"), console) and status == 0, console


@pytest.mark.parametrize("lse", [True, False], ids=["lse", "exclusives"])
@pytest.mark.parametrize("pes", [1, 2, 3, 8])
def test_the_rendezvous_gathers_every_number_of_pes(pes: int, lse: bool, build: Build) -> None:
    built_in = kernel("rendezvous")
    image = build(built_in, built_in.build_constants(pes, 50, 2, lse=lse))
    assert run(image, pes) == (f"rendezvous: {pes} PEs, 50 rounds, all acted\n", 0)


@pytest.mark.parametrize("pes", [18, 130, 256])
def test_the_rendezvous_reaches_every_affinity_group_and_both_redistributor_regions(pes: int, build: Build) -> None:
    """18 PEs need two target lists; the second region begins with PE 123. One host thread keeps the spinning short."""
    built_in = kernel("rendezvous")
    image = build(built_in, built_in.build_constants(pes, 2, 0))
    assert run(image, pes, "-accel", "tcg,thread=single") == (f"rendezvous: {pes} PEs, 2 rounds, all acted\n", 0)


ALL_ON_AT_RESET = """
        mov     x19, #1
next:   cmp     x19, #{pes}
        b.hs    enter
        mov     x0, #0x0003
        movk    x0, #0xc400, lsl #16            // CPU_ON
        mov     x1, x19
        mov     x2, #0x40080000
        mov     x3, #0
        hvc     #0
        add     x19, x19, #1
        b       next
enter:  mov     x0, #0
        mov     x2, #0x40080000
        br      x2
        .section .image, "a"
        .incbin "{image}"
"""


@pytest.mark.parametrize("pes", [2, 4])
def test_the_kernel_boots_when_every_pe_starts_at_its_entry(pes: int, build: Build, tmp_path: Path) -> None:
    """A few instructions elsewhere send all PEs to the image's first word, as a machine does that has all of them on at reset."""
    built_in = kernel("rendezvous")
    image = build(built_in, built_in.build_constants(pes, 20, 0))
    (tmp_path / "all_on.s").write_text(ALL_ON_AT_RESET.format(pes=pes, image=image.path))
    subprocess.run(["aarch64-linux-gnu-as", "-o", "all_on.o", "all_on.s"], cwd=tmp_path, check=True)
    places = ["-Ttext=0x44000000", "--section-start=.image=0x40080000", "-e", "0x44000000"]
    subprocess.run(["aarch64-linux-gnu-ld", *places, "-o", "all_on.elf", "all_on.o"], cwd=tmp_path, check=True)
    assert run(GnuImage(tmp_path / "all_on.elf", {}), pes) == (f"rendezvous: {pes} PEs, 20 rounds, all acted\n", 0)


def test_pes_that_the_kernel_was_not_built_for_stay_off(build: Build) -> None:
    built_in = kernel("rendezvous")
    assert run(build(built_in, built_in.build_constants(2, 5, 0)), 4) == ("rendezvous: 2 PEs, 5 rounds, all acted\n", 0)


def test_pes_that_are_missing_are_reported_with_status_1(build: Build) -> None:
    built_in = kernel("rendezvous")
    assert run(build(built_in, built_in.build_constants(4, 5, 0)), 2) == ("rendezvous: a PE did not start\n", 1)


def test_an_unexpected_exception_is_reported_with_slot_and_syndrome(build: Build, tmp_path: Path) -> None:
    source = tmp_path / "undefined.s"
    source.write_text("        .include \"kernel.inc\"\nkernel_main:\n        .inst 0\n        .balign PAGE_BYTES, 0\nimage_text_end:\n")

    class FromFile(Kernel):
        path = source                           # type: ignore[assignment]

    built_in = FromFile("undefined", "an undefined instruction at EL1")
    image = build(built_in, built_in.build_constants())
    console, status = run(image, 1)
    elr = f"{image.symbols['kernel_main']:#018x}"
    assert console == f"unexpected exception: vector 0x{0x200:016x} on PE 0, ESR 0x{0x02000000:016x}, ELR {elr}, FAR 0x{0:016x}\n"
    assert status == 3


@pytest.mark.parametrize("name", ["fault_recursion", "vector_livelock"])
def test_a_kernel_that_faults_for_ever_ends_up_in_its_vector(name: str, build: Build, tmp_path: Path) -> None:
    """Recursion uses up the stack at 416 bytes an entry, then it too stays in the slot whose first store faults."""
    built_in = kernel(name)
    constants = built_in.build_constants()
    image = build(built_in, constants)
    registers = stop_where_it_hangs(image, 1, tmp_path / "console", "goes away\n")
    slot = image.symbols["vector_table_el1"] + 0x200
    assert slot <= int(re.findall(r" PC=([0-9a-f]{16})", registers)[0], 16) < slot + 0x80
    used = constants["STACK_RUN_VA"] + constants["STACK_STRIDE_BYTES"] - int(re.findall(r" SP=([0-9a-f]{16})", registers)[0], 16)
    assert used == (39 * 416 if name == "fault_recursion" else 0)


def test_deadlock_leaves_every_pe_at_a_wfi(build: Build, tmp_path: Path) -> None:
    built_in = kernel("deadlock")
    image = build(built_in, built_in.build_constants(3))
    registers = stop_where_it_hangs(image, 3, tmp_path / "console", "from here on\n")
    pcs = [int(pc, 16) for pc in re.findall(r" PC=([0-9a-f]{16})", registers)]
    idle, park = image.symbols["idle_forever"], image.symbols["park_forever"]
    assert len(pcs) == 3 and park <= pcs[0] <= park + 4 and all(idle < pc <= idle + 8 for pc in pcs[1:])


@pytest.mark.parametrize("place", [{"stack_bytes": 4096}, {"stack_bytes": 65536, "guard_bytes": 0}, {"pcpu_offset_bytes": 100 * 4096}],
                         ids=lambda place: "-".join(place))
def test_stacks_and_pcpu_may_lie_elsewhere(place: dict[str, int], build: Build) -> None:
    image = build(kernel("rendezvous"), layout_constants(3, 5, 0, **place))  # type: ignore[arg-type]
    assert run(image, 3) == ("rendezvous: 3 PEs, 5 rounds, all acted\n", 0)
