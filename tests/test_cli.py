"""The command as a user meets it: what it prints, its exit codes, one clear line for every mistake, Ctrl-C and closed pipes."""
import json
import os
import re
import select
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sim.cli import run_command
from sim.state.dtypes import EVENT
from sim.state.events import BY_NAME
from sim.timing.profile import PROFILES_DIRECTORY, profile_names

COMMAND = [sys.executable, "-m", "sim.cli"]
RAM_PA, IMAGE_PA = 0x4000_0000, 0x4008_0000
EXIT_SOURCE = """
_start: adr     x1, block
        mov     w0, #0x18
        hlt     #0xf000
        .balign 8
block:  .quad   0x20026, {status}
"""
ENDLESS_SOURCE = """
_start: adr     x1, text
        mov     w0, #4
        hlt     #0xf000
forever:
        b       forever
text:   .asciz  "ready\\n"
"""


def elf(machine: int = 183, segments: tuple[tuple[int, bytes], ...] = ((IMAGE_PA, b"\0" * 16),)) -> bytes:
    """An ELF64 executable with these segments (physical address, bytes). machine 183: AArch64."""
    offset = 64 + 56 * len(segments)
    header = b"\x7fELF\x02\x01\x01" + b"\0" * 9
    header += struct.pack("<HHIQQQIHHHHHH", 2, machine, 1, segments[0][0], 64, 0, 0, 64, 56, len(segments), 0, 0, 0)
    table, data = b"", b""
    for pa, content in segments:
        table += struct.pack("<IIQQQQQQ", 1, 7, offset + len(data), pa, pa, len(content), len(content), 1)
        data += content
    return header + table + data


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str | bytes], str]:
    """Makes a file in a directory of the test's own and gives its path."""
    def make(name: str, content: str | bytes) -> str:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return str(path)

    return make


def complaint(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The one line on standard error for a mistake of the user."""
    assert run_command(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1, err
    assert "Traceback" not in err
    return err


# ---- mistakes

@pytest.mark.parametrize(("arguments", "said"), [
    (["run", "/nowhere/kernel.s"], "/nowhere/kernel.s: no such file"),
    (["run", "nowhere.bin"], "nowhere.bin: no such file"),
    (["run", "rendevous"], "did you mean rendezvous"),
    (["run", "."], "directory"),
    (["run", "hello", "--pes", "0"], "0 is outside 1..256"),
    (["run", "hello", "--pes", "1000"], "1000 is outside 1..256"),
    (["run", "hello", "--pes", "-1"], "-1 is outside 1..256"),
    (["run", "hello", "--pes", "many"], "--pes"),
    (["run", "hello", "--profile", "cortex-a99"], "unknown profile 'cortex-a99'"),
    (["run", "hello", "--profile", "/nowhere/core.toml"], "/nowhere/core.toml"),
    (["run", "hello", "--quantum", "100"], "contradicts interleaving 'block'"),
    (["run", "hello", "--fidelity", "exact", "--quantum", "100"], "contradicts interleaving 'instruction'"),
    (["run", "hello", "--fidelity", "fast", "--interleaving", "block"], "give one of them"),
    (["run", "hello", "--interleaving", "quantum", "--quantum", "0"], "quantum"),
    (["run", "hello", "--interleaving", "rows"], "unknown interleaving 'rows'"),
    (["run", "hello", "--start", "some"], "unknown start 'some'"),
    (["run", "hello", "--seed", "-1"], "seed -1"),
    (["run", "hello", "--budget", "0"], "--budget 0"),
    (["run", "hello", "--ram", "lots"], "--ram 'lots' is not a size"),
    (["run", "hello", "--ram", "0M"], "RAM size 0 bytes"),
    (["run", "hello", "--ram", "900G"], "RAM size"),
    (["run", "hello", "--rounds", "0"], "0 rounds"),
    (["run", "hello", "--recursion-limit", "1"], "recursion limit 1"),
    (["run", "hello", "--livelock-limit", "0"], "livelock limit 0"),
    (["run", "hello", "--feat-bbm", "4"], "FEAT_BBM level 4 is outside 0..3"),
    (["run", "hello", "--multi-hit", "both"], "unknown multi-hit outcome 'both'"),
    (["run", "hello", "--feat-bbm", "1", "--multi-hit", "amalgamation"], "'amalgamation' is not permitted at FEAT_BBM level 1"),
    (["run", "hello", "--feat-bbm", "3", "--multi-hit", "abort"], "'abort' is not permitted at FEAT_BBM level 3"),
    (["run", "hello", "--nt-faults"], "nt_faults needs FEAT_BBM level 1"),
    (["run", "hello", "--define", "=3"], "NAME=VALUE"),
    (["run", "hello", "--define", "N=three"], "'three' is not a number"),
    (["run", "hello", "--define", "N=0x10000000000000000"], "64 bits"),
    (["run", "hello", "--include", "/nowhere"], "/nowhere: is not a directory"),
    (["run", "hello", "--watch", "no_such_label"], "no symbol 'no_such_label'"),
    (["run", "hello", "--json", "/nowhere/out.json"], "/nowhere/out.json: cannot be written"),
    (["run", "hello", "--events", "/"], "/: cannot be written"),
    (["run", "hello", "--fast"], "--fast"),
    (["run"], "KERNEL"),
    (["walk"], "walk"),
])
def test_a_mistake_on_the_command_line_gives_one_line_and_exit_code_2(
        capsys: pytest.CaptureFixture[str], arguments: list[str], said: str) -> None:
    assert said in complaint(capsys, *arguments)


@pytest.mark.parametrize(("name", "content", "said"), [
    ("empty.bin", b"", "empty"),
    ("empty.s", b"", "no bytes"),
    ("x86.elf", elf(machine=62), "x86"),
    ("cut.elf", elf()[:40], "cut.elf"),
    ("outside.elf", elf(segments=((0x1000, b"\0" * 16),)), "outside RAM"),
    ("beyond.elf", elf(segments=((IMAGE_PA, b"\0" * 4), (RAM_PA + (256 << 20) - 4, b"\0" * 8))), "outside RAM"),
    ("overlapping.elf", elf(segments=((IMAGE_PA, b"\0" * 64), (IMAGE_PA + 32, b"\0" * 64))), "overlap"),
    ("text.elf", b"this is no ELF file", "not an ELF"),
    ("core.toml", b"clock_hz = ", "core.toml"),
])
def test_a_file_that_is_no_kernel_gives_one_line_and_exit_code_2(
        capsys: pytest.CaptureFixture[str], write: Callable[[str, str | bytes], str], name: str, content: bytes, said: str) -> None:
    path = write(name, content)
    arguments = ["run", "hello", "--profile", path] if name.endswith(".toml") else ["run", path]
    assert said in complaint(capsys, *arguments)


def test_an_error_in_a_source_names_file_line_and_statement(
        capsys: pytest.CaptureFixture[str], write: Callable[[str, str | bytes], str]) -> None:
    path = write("bad.s", "nop\nnop\n  frobnicate x0, x1\n")
    assert complaint(capsys, "run", path).startswith(f"{path}:3: ")


def test_every_error_of_a_source_gets_a_line(capsys: pytest.CaptureFixture[str], write: Callable[[str, str | bytes], str]) -> None:
    path = write("bad.s", "frobnicate x0\nnop\nb nowhere\n")
    assert run_command(["run", path]) == 2
    assert [line.split(":")[1] for line in capsys.readouterr().err.splitlines()] == ["1", "3"]


@pytest.mark.parametrize("option", [["--define", "N=1"], ["--listing", "listing.txt"], ["--rounds", "3"]])
def test_what_is_about_sources_contradicts_an_elf(
        capsys: pytest.CaptureFixture[str], write: Callable[[str, str | bytes], str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path,
        option: list[str]) -> None:
    monkeypatch.chdir(tmp_path)
    assert f"{option[0]} is about sources" in complaint(capsys, "run", write("kernel.elf", elf()), *option)


def test_a_cache_directory_that_cannot_be_made_gives_one_line(write: Callable[[str, str | bytes], str]) -> None:
    environment = os.environ | {"QUIESCE_CACHE": write("a_file", "") + "/below"}
    environment.pop("NUMBA_CACHE_DIR", None)
    done = subprocess.run([*COMMAND, "run", "hello"], capture_output=True, text=True, timeout=60, env=environment, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "QUIESCE_CACHE" in done.stderr
    assert done.stderr.count("\n") == 1


# ---- runs

def test_a_run_prints_the_console_the_statistics_and_the_verdict_last(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["run", "hello"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "hello from EL1"
    assert any(line.split()[:2] == ["PE", "cycles"] for line in lines)
    assert re.fullmatch(r"verdict: exited PE 0 at 0x[0-9a-f]+ <\S+>: the guest exited with status 0", lines[-1])


def test_the_rendezvous_shows_every_phase_for_each_pe_and_in_total_in_80_columns(
        capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    assert run_command(["run", "rendezvous", "--pes", "3", "--rounds", "20", "--warmup", "2", "--json", str(report)]) == 0
    out = capsys.readouterr().out
    table = out[out.index("since the SGI was sent"):out.index("from phase to phase")]
    for phase in ("taken at the target's vector", "gathered", "acted", "released", "all done"):
        assert f"\n{phase}\n" in table
    gathered = table[table.index("\ngathered\n"):table.index("\nacted\n")]
    assert [line.split()[:2] for line in gathered.strip().splitlines()[1:]] == [["PE", "0"], ["PE", "1"], ["PE", "2"], ["all", "PEs"]]
    document = json.loads(report.read_text())
    assert document["verdict"]["kind"] == "exited"
    assert document["rendezvous"]["measured_rounds"] == 20
    of_all = next(row for row in document["rendezvous"]["since_sgi_sent"] if row["name"] == "gathered" and row["pe"] is None)
    shown = gathered.strip().splitlines()[-1].split()
    assert float(shown[2]) == of_all["cycles"]["minimum"]
    assert float(shown[9]) == pytest.approx(of_all["ns"]["maximum"], abs=0.05)
    assert all(len(line) <= 80 for line in out.splitlines() if not line.startswith(("verdict", "rendezvous of")))


def test_many_pes_are_shown_as_least_most_and_all(capsys: pytest.CaptureFixture[str], write: Callable[[str, str | bytes], str]) -> None:
    assert run_command(["run", write("one.s", EXIT_SOURCE.format(status=0)), "--pes", "17"]) == 0
    words = [line.split()[0] for line in capsys.readouterr().out.splitlines() if line.strip()]
    assert words[2:5] == ["least", "most", "all"]


@pytest.mark.parametrize(("status", "code"), [(0, 0), (7, 7), (255, 255)])
def test_the_exit_code_is_the_guests_status(
        write: Callable[[str, str | bytes], str], status: int, code: int) -> None:
    assert run_command(["run", write("exit.s", EXIT_SOURCE.format(status=status))]) == code


@pytest.mark.parametrize(("arguments", "expected"), [
    ([], (0, "abort", False, False, False)),
    (["--feat-bbm", "3"], (3, "new", False, False, False)),
    (["--multi-hit", "seeded", "--repeat-tlbi-erratum"], (0, "seeded", False, True, False)),
    (["--feat-bbm", "1", "--multi-hit", "old", "--nt-faults"], (1, "old", True, False, False)),
    (["--strict-ttl"], (0, "abort", False, False, True)),
])
def test_options_of_tlbs_reach_the_machine(tmp_path: Path, arguments: list[str], expected: tuple[object, ...]) -> None:
    where = tmp_path / "out.json"
    assert run_command(["run", "hello", "--json", str(where), *arguments]) == 0
    given = json.loads(where.read_text())["settings"]
    assert tuple(given[name] for name in ("feat_bbm", "multi_hit", "nt_faults", "repeat_tlbi_erratum", "strict_ttl")) == expected


@pytest.mark.parametrize(("arguments", "kind", "code"), [
    (["deadlock"], "deadlock", 102), (["fault_recursion"], "recursion", 103), (["vector_livelock"], "livelock", 104),
    (["rendezvous", "--budget", "50000"], "budget", 101),
])
def test_each_kind_of_end_has_its_exit_code(capsys: pytest.CaptureFixture[str], arguments: list[str], kind: str, code: int) -> None:
    assert run_command(["run", *arguments]) == code
    assert capsys.readouterr().out.splitlines()[-1].startswith(f"verdict: {kind} PE ")


def test_a_built_in_name_wins_over_a_file_unless_a_path_is_given(
        capsys: pytest.CaptureFixture[str], write: Callable[[str, str | bytes], str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    words = struct.pack("<2I", 0x52800300, 0xD45E0000)          # MOV W0, #0x18; HLT #0xF000
    write("hello", words)
    write("other", words)
    assert run_command(["run", "hello"]) == 0
    assert "hello from EL1" in capsys.readouterr().out
    for path in ("./hello", "other"):
        run_command(["run", path])
        out = capsys.readouterr().out
        assert "hello from EL1" not in out
        assert "verdict: exited" in out


def test_a_source_may_build_on_the_parts_of_asm_and_takes_constants(
        capsys: pytest.CaptureFixture[str], write: Callable[[str, str | bytes], str]) -> None:
    source = '.include "kernel.inc"\nkernel_main: mov x0, #STATUS\n ret\n .balign PAGE_BYTES, 0\nimage_text_end:\n'
    assert run_command(["run", write("mine.s", source), "--define", "STATUS=0x2a", "--pes", "2"]) == 42
    assert "status 42" in capsys.readouterr().out


def test_events_are_written_as_text_or_as_an_array(tmp_path: Path) -> None:
    text, array = tmp_path / "log.txt", tmp_path / "log.npy"
    assert run_command(["run", "rendezvous", "--rounds", "2", "--events", str(text)]) == 0
    assert run_command(["run", "rendezvous", "--rounds", "2", "--events", str(array)]) == 0
    events = np.load(array)
    assert events.dtype == EVENT
    lines = text.read_text().splitlines()
    assert len(lines) == len(events) > 100
    assert [int(line.split()[0]) for line in lines] == events["cycle"].tolist()


def test_watched_symbols_registers_and_a_listing_are_shown(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    listing = tmp_path / "hello.lst"
    assert run_command(["run", "hello", "--watch", "kernel_main", "--registers", "--listing", str(listing)]) == 0
    out = capsys.readouterr().out
    assert re.search(r"^kernel_main +0 +1 +(\d+) +\1$", out, re.MULTILINE)
    assert re.search(r"pc 00000000400[89a-f]", out)
    assert "hello.s:13: adr x0, hello_text" in " ".join(listing.read_text().split())


def test_list_profiles_and_version_answer(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["list"]) == 0
    listed = capsys.readouterr().out.splitlines()
    assert any(line.startswith("rendezvous ") for line in listed)
    assert run_command(["profiles"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == profile_names()
    assert run_command(["--version"]) == 0
    assert re.fullmatch(r"quiesce \d+\.\d+\.\d+\n", capsys.readouterr().out)


def test_a_profile_is_checked_and_every_mistake_gets_a_line(capsys: pytest.CaptureFixture[str], write: Callable[[str, str | bytes], str]) -> None:
    assert run_command(["profiles", "--check", "neoverse-n1"]) == 0
    assert capsys.readouterr().out == "neoverse-n1 is complete and consistent\n"
    text = (PROFILES_DIRECTORY / "cortex-a72.toml").read_text(encoding="utf-8")
    path = write("mine.toml", text.replace("issue_width = 3", "isue_width = 3").replace("dram_ns = 120", "dram_ns = -1"))
    lines = text.splitlines()
    wrong = [next(number for number, line in enumerate(lines, 1) if line.startswith(key)) for key in ("issue_width", "dram_ns")]
    assert run_command(["profiles", "--check", path]) == 2
    said = capsys.readouterr()
    assert said.out == "" and said.err.splitlines() == [
        f"{path}:{wrong[0]}: unknown key pipeline.isue_width (did you mean issue_width?)",
        f"{path}:{wrong[1]}: memory.dram_ns must be from 0 to 1000000, not -1"]


def test_no_colour_codes_when_piped() -> None:
    done = subprocess.run([*COMMAND, "run", "hello"], capture_output=True, timeout=300, check=True)
    assert b"\x1b" not in done.stdout + done.stderr
    assert b"hello from EL1" in done.stdout


# ---- the README

def readme_blocks() -> list[str]:
    """The fenced blocks of the README, without the fences."""
    text = (Path(__file__).resolve().parent.parent / "README.md").read_text(encoding="utf-8")
    return [block.split("\n", 1)[1] for block in text.split("```")[1::2]]


def test_the_example_in_the_readme_prints_what_the_readme_says() -> None:
    example, shown = readme_blocks()[:2]
    done = subprocess.run([sys.executable, "-c", example], capture_output=True, text=True, timeout=300, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, shown, "")


def test_the_rendezvous_in_the_readme_is_what_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    shown = [part.strip("\n").splitlines() for part in readme_blocks()[3].split("...\n")]
    assert run_command(["run", "rendezvous", "--pes", "4"]) == 0
    printed = capsys.readouterr().out.splitlines()
    host_time = re.compile(r"host .*")
    assert printed[:len(shown[0])] == shown[0]
    assert [host_time.sub("", line) for line in printed[-len(shown[1]):]] == [host_time.sub("", line) for line in shown[1]]


# ---- being stopped

def read_until(stream: int, marker: bytes, timeout_seconds: float) -> bytes:
    """What comes from a file descriptor up to a marker."""
    text, deadline = b"", time.monotonic() + timeout_seconds
    while marker not in text and time.monotonic() < deadline:
        if select.select([stream], [], [], 0.2)[0]:
            part = os.read(stream, 4096)
            if not part:
                break
            text += part
    assert marker in text, text
    return text


def start(*arguments: str, **environment: str) -> "subprocess.Popen[bytes]":
    """The command, with the interpreter's own answer to Ctrl-C even where this test run ignores it, as a shell's background jobs do."""
    code = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); from sim.cli import main; main()"
    return subprocess.Popen([sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            env=os.environ | environment)


def test_ctrl_c_gives_the_verdict_so_far_and_the_statistics(write: Callable[[str, str | bytes], str]) -> None:
    process = start("run", write("endless.s", ENDLESS_SOURCE), "--budget", str(10**14))
    assert process.stdout is not None
    read_until(process.stdout.fileno(), b"ready\n", 120)
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err == b""
    lines = out.decode().splitlines()
    assert lines[-1].startswith("verdict: interrupted PE 0 at 0x")
    assert "<forever>" in lines[-1]
    assert any(line.split()[:2] == ["PE", "cycles"] for line in lines)


def test_ctrl_c_while_compiling_gives_one_line(tmp_path: Path) -> None:
    process = start("run", "hello", QUIESCE_CACHE=str(tmp_path), NUMBA_CACHE_DIR=str(tmp_path / "compiled"))
    assert process.stderr is not None
    begun = read_until(process.stderr.fileno(), b"...\n", 60)
    time.sleep(1.5)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert out == b""
    assert begun.decode().startswith("compiling the hot path (once; a minute or two)")
    assert err == b"quiesce: interrupted\n"


def test_ctrl_c_that_a_library_swallows_is_said_again_and_gives_one_line() -> None:
    """A function that C calls cannot raise: the interpreter would report KeyboardInterrupt, and go on."""
    code = ("import ctypes, signal, time; signal.signal(signal.SIGINT, signal.default_int_handler); import sim.cli\n"
            "def swallow():\n signal.raise_signal(signal.SIGINT); time.sleep(0)\n"
            "def action():\n ctypes.CFUNCTYPE(None)(swallow)(); time.sleep(30); return 0\n"
            "sim.cli._parse = lambda arguments: action\nsim.cli.main()")
    begun = time.monotonic()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, b"", b"quiesce: interrupted\n")
    assert time.monotonic() - begun < 25


def test_without_ctrl_c_an_error_that_cannot_be_raised_is_still_reported() -> None:
    code = ("import ctypes, sim.cli\n"
            "sim.cli._parse = lambda arguments: lambda: ctypes.CFUNCTYPE(None)(lambda: 1 / 0)() or 0\nsim.cli.main()")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (0, b"") and b"ZeroDivisionError" in done.stderr


def test_ctrl_c_while_the_options_are_read_gives_one_line() -> None:
    """What a command needs is imported then, which takes longer than all else before a short run."""
    code = ("import signal; signal.signal(signal.SIGINT, signal.default_int_handler); import sim.cli, sim.cli_commands, sim.cli_run\n"
            "sim.cli_run.Options = lambda **given: signal.raise_signal(signal.SIGINT)\n"
            "import sys; sys.argv = ['quiesce', 'run', 'hello']; sim.cli.main()")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr.strip()) == (130, b"", b"quiesce: interrupted")


def test_ctrl_c_while_assembling_gives_one_line(write: Callable[[str, str | bytes], str]) -> None:
    process = start("run", write("long.s", ".rept 400000\n add x0, x1, x2\n.endr\n"))
    time.sleep(2.5)
    assert process.poll() is None, "assembled too fast for this test"
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (130, b"", b"quiesce: interrupted\n")


def test_a_closed_pipe_ends_the_run_without_a_word() -> None:
    process = start("run", "rendezvous", "--pes", "2")
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait(timeout=60) == 141
    process.stderr.close()


def test_serrors_and_fiqs_come_from_the_command_line_at_every_pe_but_0(tmp_path: Path) -> None:
    log = tmp_path / "events.npy"
    assert run_command(["run", "rendezvous", "--pes", "3", "--fiq-period", "500", "--events", str(log)]) in (0, 103, 104)
    events = np.load(log)
    injected = events[events["kind"] == BY_NAME["injected"].number]
    assert set(injected["pe"].tolist()) == {1, 2}


@pytest.mark.parametrize(("arguments", "says"), [
    (("rendezvous", "--pes", "1", "--serror-period", "100"), "no other"), (("rendezvous", "--fiq-period", "-1"), "2**40"),
])
def test_periods_that_cannot_be_are_one_line(arguments: tuple[str, ...], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["run", *arguments]) == 2
    assert says in capsys.readouterr().err


def test_the_adversarial_setting_is_an_option(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["run", "tlbi_shootdown", "--pes", "4", "--rounds", "20", "--adversarial", "--seed", "3"]) == 0
    adversarial = capsys.readouterr().out
    assert run_command(["run", "tlbi_shootdown", "--pes", "4", "--rounds", "20", "--seed", "3"]) == 0
    assert capsys.readouterr().out.splitlines()[:1] == adversarial.splitlines()[:1]


@pytest.mark.parametrize(("arguments", "command"), [([], "quiesce"), (["bench"], "quiesce bench")])
def test_a_group_of_commands_alone_prints_its_help_as_it_is(arguments: list[str], command: str, monkeypatch: pytest.MonkeyPatch,
                                                            capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert run_command(arguments) == 2
    alone = capsys.readouterr()
    assert run_command([*arguments, "--help"]) == 0
    asked = capsys.readouterr()
    assert alone.out == "" and alone.err.strip() == asked.out.strip() and asked.out.startswith(f"Usage: {command} [OPTIONS] COMMAND")
    assert "..." not in asked.out.split("\n", 1)[1] and max(map(len, asked.out.splitlines())) <= 80      # no summary is cut short


@pytest.mark.parametrize(("arguments", "said"), [
    (["nothing"], "quiesce: No such command 'nothing'; see quiesce --help\n"),
    (["bench", "nothing"], "quiesce: No such command 'nothing'; see quiesce bench --help\n"),
    (["run"], "quiesce: Missing argument 'KERNEL'; see quiesce run --help\n"),
    (["matrix", "--seeds", "many"], "quiesce: Invalid value for '--seeds': it must be a whole number; see quiesce matrix --help\n"),
    (["compare", "--pes", "2.."], "quiesce: --pes '2..': write numbers as 2,4,8, or a range as 2..64, which doubles\n"),
    (["compare", "--plot", "x.gif"], "quiesce: --plot x.gif: end its name in .png, .svg, .pdf\n"),
])
def test_a_mistake_on_the_command_line_is_one_line_that_says_where_help_is(arguments: list[str], said: str,
                                                                           capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(arguments) == 2
    assert capsys.readouterr() == ("", said)
