"""Who waits for whom: kernels made to hang, and what the command says of them; the detectors change nothing."""
import json
from pathlib import Path
from typing import Any

import pytest

from firmware.kernels import ASM_DIRECTORY
from firmware.layout import layout_constants
from sim.cli import run_command
from sim.cli_detect import detect
from sim.machine import Machine

TAIL = """
        .balign PAGE_BYTES, 0
image_text_end:
"""
#: PE 1 answers SGI_PING by a loop; PE 0 goes on when it is there.
HEAD = """
        .include "kernel.inc"
        .include "report.inc"
        .include "pmap.inc"
kernel_main:
        bl      pmap_bootstrap
        mov     x0, #SGI_PING
        adr     x1, victim
        bl      register_irq
        bl      init_rendezvous
        bl      start_secondaries
        bl      fill_all_pes
        mov     x0, #1
        mov     x1, #SGI_PING
        bl      send_sgi
        load_constant x1, GLOBALS_VA+G_SCRATCH
.L_wait:
        ldar    x0, [x1]
        cbz     x0, .L_wait
"""
RENDEZVOUS = HEAD + """
        mov     x0, #0
        adr     x1, act
        mov     x2, #0
        mov     x3, #0
        bl      smp_rendezvous
        b       park_forever
act:    ret
victim:
        load_constant x1, GLOBALS_VA+G_SCRATCH
        mov     x0, #1
        stlr    x0, [x1]
deaf_loop:
        yield
        b       deaf_loop
""" + TAIL
PMAP_LOCK = HEAD + """
        bl      pmap_lock
        b       park_forever
victim:
        bl      pmap_lock
        load_constant x1, GLOBALS_VA+G_SCRATCH
        mov     x0, #1
        stlr    x0, [x1]
holder_loop:
        yield
        b       holder_loop
""" + TAIL
#: The action that one PE never leaves: the others wait at the barrier behind it.
ACTION = HEAD + """
        mov     x0, #0
        adr     x1, act
        mov     x2, #0
        mov     x3, #0
        bl      smp_rendezvous
        b       park_forever
act:    ldr     x0, [pcpu, #PC_CPUID]
        cmp     x0, #2
        b.eq    stuck_loop
        ret
stuck_loop:
        b       stuck_loop
victim:
        load_constant x1, GLOBALS_VA+G_SCRATCH
        mov     x0, #1
        stlr    x0, [x1]
        ret
""" + TAIL


def run(tmp_path: Path, source: str, *more: str) -> dict[str, Any]:
    (tmp_path / "kernel.s").write_text(source, encoding="utf-8")
    run_command(["run", str(tmp_path / "kernel.s"), "--pes", "3", "--budget", "400000", "--json", str(tmp_path / "result.json"), *more])
    document: dict[str, Any] = json.loads((tmp_path / "result.json").read_text(encoding="utf-8"))
    return document


def test_a_pe_with_interrupts_masked_is_missing_at_the_entry_of_a_rendezvous(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = run(tmp_path, RENDEZVOUS)["smp_rendezvous"]
    out = " ".join(capsys.readouterr().out.split())
    assert (found["initiator"], found["phase"], found["waiters"][0], found["ncpus"], found["waiting"]) == (0, 0, 2, 3, [0, 2])
    missing, = found["missing"]
    assert missing["pe"] == 1 and missing["irq_masked"] and missing["pc_symbol"].startswith("deaf_loop")
    assert "rendezvous of 3 PEs by PE 0: waiting until everyone has arrived" in out
    assert "missing: PE 1 executes" in out and "IRQ masked (PSTATE.I = 1)" in out


def test_a_pe_that_does_not_leave_the_action_is_missing_behind_it(tmp_path: Path) -> None:
    found = run(tmp_path, ACTION)["smp_rendezvous"]
    assert (found["initiator"], found["phase"], found["waiters"][2], found["waiting"]) == (0, 2, 2, [0, 1])
    missing, = found["missing"]
    assert missing["pe"] == 2 and missing["pc_symbol"].startswith("stuck_loop")
    assert any((one["symbol"] or "").startswith(("smp_rendezvous_action", "mark_")) for one in missing["callers"])


def test_the_holder_of_the_pmap_lock_is_named_by_its_thread(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    document = run(tmp_path, PMAP_LOCK)
    out = " ".join(capsys.readouterr().out.split())
    lock, = document["locks"]
    assert (lock["lock"], lock["holder"]["pe"], lock["waiting"]) == ("the lock of the kernel pmap", 1, [0])
    assert lock["holder"]["pc_symbol"].startswith("holder_loop") and "smp_rendezvous" not in document
    assert "PE 1 holds it" in out and "the holder, PE 1 executes" in out


def test_a_rendezvous_that_works_and_locks_that_are_free_are_not_reported(tmp_path: Path) -> None:
    run_command(["run", "rendezvous", "--json", str(tmp_path / "result.json")])
    document = json.loads((tmp_path / "result.json").read_text(encoding="utf-8"))
    assert not {"smp_rendezvous", "locks", "stop", "doing", "vector_livelocks", "retries", "healed_recursions"} & set(document)


def test_sleepers_are_told_apart_by_what_can_wake_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_command(["run", "deadlock", "--json", str(tmp_path / "result.json")])
    doing = json.loads((tmp_path / "result.json").read_text(encoding="utf-8"))["doing"]
    assert [one["doing"].split(" at ")[0] for one in doing] == ["sleeps in WFI"] * 2
    assert "PE 0 sleeps in WFI" in capsys.readouterr().out


def test_a_pe_that_does_not_stop_is_named_with_the_reason(tmp_path: Path) -> None:
    run_command(["run", "stop_cpus", "--pes", "4", "--define", "VICTIM=1", "--define", "STOP_SPINS=2000", "--json", str(tmp_path / "result.json")])
    stop = json.loads((tmp_path / "result.json").read_text(encoding="utf-8"))["stop"]
    assert (stop["asker"], stop["stopped"]) == (0, [1, 2])
    missing, = stop["missing"]
    assert missing["pe"] == 3 and missing["irq_masked"] and missing["pc_symbol"].startswith("become_victim")


def everything(machine: Machine) -> list[bytes]:
    """Log, RAM and each field of every PE, but for the guesses at where a TLB entry was last found, which are always checked."""
    fields = [name for name in machine.state.pes.dtype.names or () if not name.endswith("_hint")]
    return [bytes(machine.log), machine.state.ram.tobytes(), *(machine.state.pes[name].tobytes() for name in fields)]


def test_detectors_change_neither_machine_nor_log(tmp_path: Path) -> None:
    """A run that is looked at in the middle goes on as one that is not."""
    (tmp_path / "kernel.s").write_text(RENDEZVOUS, encoding="utf-8")
    constants = layout_constants(3)
    looked_at, left_alone = (Machine(pes=3).load(tmp_path / "kernel.s", constants=constants, include_dirs=[ASM_DIRECTORY]) for _ in range(2))
    middle = looked_at.run(300_000)
    left_alone.run(300_000)
    before = everything(looked_at)
    found = detect(looked_at, middle, constants)
    assert found.rendezvous is not None and list(found.sections())
    assert everything(looked_at) == before
    assert bytes(looked_at.run(400_000).events) == bytes(left_alone.run(400_000).events)
