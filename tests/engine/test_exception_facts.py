"""What unicorn 2.1.4 does about exceptions, instruction hooks, waiting, exclusives and changed code. One statement, one test."""
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from unicorn import arm64_const, unicorn_const

from sim.hot import exception

sys.path.insert(0, str(Path(__file__).parent))

from plain_engine import (
    CODE,
    CPACR_EL1,
    DATA,
    EL0T,
    EL1H,
    SCR_EL3,
    SCTLR_EL1,
    SPSR_EL1,
    PlainEngine,
    run_text,
)

# ---- exceptions

@pytest.mark.parametrize(("text", "number", "pc"), [
    ("svc #7", exception.INTR_SVC, 4), ("brk #7", exception.INTR_BRK, 0), (".word 0", exception.INTR_UNDEFINED, 0),
    ("hvc #7", exception.INTR_UNDEFINED, 0),
    ("smc #7", exception.INTR_SMC, 4), ("hlt #0xf000", exception.INTR_UNDEFINED, 0), ("ldxr x2, [x1]", exception.INTR_DATA, 0)])
def test_each_exception_has_its_number_and_its_pc(text: str, number: int, pc: int) -> None:
    engine = run_text(f"{text}\nwfi", x1=DATA + 3)
    assert engine.interrupts == [(number, CODE + pc)]


def test_a_branch_to_a_misaligned_address_is_number_1_at_that_address() -> None:
    engine = run_text("br x0", x0=CODE + 0x102)
    assert engine.interrupts == [(1, CODE + 0x102)]


def test_without_an_interrupt_hook_an_exception_fails_the_run() -> None:
    engine = PlainEngine("svc #0\nwfi", interrupts=False)
    assert engine.run() == unicorn_const.UC_ERR_EXCEPTION


def test_an_exception_changes_neither_syndrome_nor_level_nor_vector() -> None:
    engine = PlainEngine("svc #7\nwfi")
    engine.set(pstate=EL0T, vbar_el1=DATA)
    engine.settle()
    engine.run()
    assert (engine.esr_el1, engine.pstate & 0xF, engine.pc) == (0, 0, CODE + 4)


def test_writing_pstate_counts_only_after_a_cp_reg_write() -> None:
    text = "mrs x2, sctlr_el1\nwfi"
    stale, settled = PlainEngine(text), PlainEngine(text)
    for engine in (stale, settled):
        engine.set(pstate=EL1H)
        engine.run(CODE + 4)
        engine.set(pstate=EL0T)
    settled.settle()
    stale.run()
    settled.run()
    assert stale.interrupts == []
    assert settled.interrupts == [(1, CODE)]


def test_eret_works_natively_with_banked_stack_pointers() -> None:
    engine = PlainEngine("eret", (CODE + 0x100, "mov x9, sp\nsvc #0"))
    engine.set(pstate=EL1H)
    engine.settle()
    engine.set(sp=DATA, sp_el0=DATA + 0x800, elr_el1=CODE + 0x100)
    engine.set_system(SPSR_EL1, EL0T)
    engine.run()
    assert engine.interrupts == [(2, CODE + 0x108)]
    assert (engine.x(9), engine.sp_el1, engine.pstate & 0xF) == (DATA + 0x800, DATA, 0)


@pytest.mark.parametrize(("scr", "illegal"), [(1 << 10, False), (0, True)])
def test_eret_to_el1_is_an_illegal_return_unless_scr_el3_rw_is_set(scr: int, illegal: bool) -> None:
    engine = PlainEngine("eret", (CODE + 0x100, "wfi"))
    engine.set_system(SCR_EL3, scr)
    engine.set(pstate=EL1H)
    engine.settle()
    engine.set(elr_el1=CODE + 0x100)
    engine.set_system(SPSR_EL1, EL1H)
    engine.run()
    assert bool(engine.pstate >> 20 & 1) is illegal


def test_a_hardware_breakpoint_is_number_3_at_the_instruction() -> None:
    engine = PlainEngine("msr oslar_el1, xzr\nmsr mdscr_el1, x0\nmsr dbgbvr0_el1, x1\nmsr dbgbcr0_el1, x2\nisb\nnop\nnop\nwfi")
    engine.set(pstate=5)                                                   # PSTATE.D clear
    engine.settle()
    for number, value in ((0, 1 << 15 | 1 << 13), (1, CODE + 24), (2, 0xF << 5 | 3 << 1 | 1)):      # MDE, KDE; address; BAS, PMC, E
        engine.set_x(number, value)
    engine.run()
    assert engine.interrupts == [(int(exception.INTR_PREFETCH), CODE + 24)]


def test_a_breakpoint_register_written_from_outside_is_not_armed() -> None:
    engine = PlainEngine("nop\nnop\nwfi")
    engine.set(pstate=5)
    lock, mdscr, address, control = (2, 0, 1, 0, 4), (2, 0, 0, 2, 2), (2, 0, 0, 0, 4), (2, 0, 0, 0, 5)
    for register, value in ((lock, 0), (mdscr, 1 << 15 | 1 << 13), (address, CODE + 4), (control, 0x1E7)):
        engine.set_system(register, value)
    engine.run()
    assert engine.interrupts == []


@pytest.mark.parametrize("name", ["FPEN", "SP alignment", "SCTLR.A", "unaligned LDAR"])
def test_the_engine_never_takes_the_trap(name: str) -> None:
    text = {"FPEN": "fmov d0, #1.0", "SP alignment": "ldr x2, [sp]", "SCTLR.A": "ldr x2, [x0]", "unaligned LDAR": "ldar x2, [x0]"}[name]
    engine = PlainEngine(f"{text}\nmov x3, #3\nwfi")
    engine.set(pstate=EL1H, sp=DATA + 8)
    engine.set_x(0, DATA + 1)
    engine.set_system(CPACR_EL1, 0)
    engine.set_system(SCTLR_EL1, 1 << 3 | 1 << 1)
    engine.settle()
    assert engine.run() == 0
    assert (engine.interrupts, engine.x(3)) == ([], 3)


# ---- instruction hooks

def count_hook(calls: list[tuple[int, ...]]) -> Callable[..., int]:
    """A hook that records op1, CRn, CRm, op2 and leaves the instruction to the engine."""
    return lambda _uc, _register, cp, _data: calls.append((cp.op1, cp.crn, cp.crm, cp.op2)) or 0


def test_instruction_hooks_run_before_any_permission_check() -> None:
    engine, calls = PlainEngine("msr vbar_el1, x0\nwfi"), []
    engine.hook("msr", count_hook(calls))
    engine.set(pstate=EL0T)
    engine.settle()
    engine.run()
    assert calls == [(0, 12, 0, 0)]
    assert engine.interrupts == [(1, CODE)]


def test_only_the_first_hook_of_an_instruction_runs() -> None:
    engine, first, second = PlainEngine("msr vbar_el1, x0\nwfi"), [], []
    engine.hook("msr", lambda *_: first.append(()) or 0)
    engine.hook("msr", lambda *_: second.append(()) or 0)
    engine.run()
    assert (len(first), len(second)) == (1, 0)


def test_tlbi_at_dc_and_ic_arrive_as_sys_and_barriers_and_pstate_writes_do_not() -> None:
    text = "dsb ish\nisb\ndmb ish\nmsr daifset, #2\ntlbi vae1is, x1\nat s1e1r, x1\ndc cvac, x1\nic ivau, x1\nsev\nwfi"
    engine, calls = PlainEngine(text), []
    engine.set_x(1, DATA)
    engine.hook("sys", count_hook(calls))
    engine.hook("msr", count_hook(calls))
    engine.run()
    assert calls == [(0, 8, 3, 1), (0, 7, 8, 0), (3, 7, 10, 1), (3, 7, 5, 1)]


def test_a_register_that_the_engine_does_not_know_is_executed_for_ever_unless_the_hook_moves_the_pc() -> None:
    engine, calls = PlainEngine("msr S3_0_C12_C11_5, x1\nwfi"), []

    def stuck(uc: Any, *_: Any) -> int:
        calls.append(())
        if len(calls) == 10:
            uc.reg_write(arm64_const.UC_ARM64_REG_PC, CODE + 4)
        return 1

    engine.hook("msr", stuck)
    assert engine.run() == 0
    assert len(calls) == 10


def test_a_register_that_nobody_knows_is_number_1() -> None:
    engine = run_text("mrs x2, S3_0_C12_C12_0\nwfi")
    assert engine.interrupts == [(1, CODE)]


def test_mpidr_is_the_same_on_every_instance() -> None:
    assert len({run_text("mrs x2, mpidr_el1\nwfi").x(2) for _ in range(3)}) == 1


def test_the_counter_follows_the_host_clock() -> None:
    engine = run_text("mrs x2, cntvct_el0\nmovz x4, #0x40, lsl #16\n.L_next:\nsubs x4, x4, #1\nb.ne .L_next\nmrs x3, cntvct_el0\nwfi")
    assert engine.x(3) > engine.x(2)


# ---- waiting, exclusives, code

def test_wfi_returns_and_wfe_yield_and_sev_go_on() -> None:
    engine = run_text("sev\nwfe\nwfe\nyield\nmov x3, #3\nwfi\nmov x3, #4\nwfi")
    assert (engine.x(3), engine.pc, engine.interrupts) == (3, CODE + 24, [])


def test_a_store_of_the_same_value_between_ldxr_and_stxr_goes_unnoticed() -> None:
    ram = np.zeros(1 << 16, np.uint8)
    one = PlainEngine("ldxr x2, [x0]\nwfi\nstxr w3, x2, [x0]\nwfi", ram=ram)
    other = PlainEngine((CODE + 0x100, "str x2, [x0]\nwfi"), ram=ram)
    for engine in (one, other):
        engine.set_x(0, DATA)
    one.set_x(3, 9)
    one.run()
    other.run(CODE + 0x100)
    one.run(CODE + 8)
    assert one.x(3) == 0                                                   # the store exclusive succeeded: this is the hole
    one.run()
    other.set_x(2, 5)
    other.run(CODE + 0x100)
    one.run(CODE + 8)
    assert one.x(3) == 1


def test_lse_is_in_the_max_model_only() -> None:
    word = ".word 0xf8200001\nwfi"                                         # LDADD X0, X1, [X0]
    assert run_text(word, x0=DATA).interrupts == []
    assert run_text(word, x0=DATA, cpu=0).interrupts == [(1, CODE)]


def test_code_patched_from_outside_stays_stale_until_the_translations_are_dropped() -> None:
    engine = run_text("mov x3, #3\nwfi")
    engine.put(CODE, "mov x3, #4\nwfi")
    engine.run()
    stale = engine.x(3)
    engine.uc.ctl_flush_tb()
    engine.run()
    assert (stale, engine.x(3)) == (3, 4)


def test_removing_code_from_the_cache_asks_the_fill_hook() -> None:
    engine = run_text("mov x3, #3\nwfi")
    engine.flush_soft_tlb()
    engine.fills.clear()
    engine.put(CODE, "mov x3, #4\nwfi")
    engine.uc.ctl_remove_cache(CODE, CODE + 8)
    assert engine.fills
    engine.run()
    assert engine.x(3) == 4


def test_a_context_holds_registers_and_not_the_ram_of_mem_map_ptr() -> None:
    engine = run_text("mov x3, #3\nstr x3, [x0]\nwfi", x0=DATA)
    context = engine.uc.context_save()
    engine.put_bytes(DATA, b"\x05")
    engine.set_x(3, 4)
    engine.uc.context_restore(context)
    assert (engine.x(3), engine.word(DATA)) == (3, 5)


def test_a_context_of_one_instance_can_be_restored_into_another() -> None:
    one, other = run_text("mov x3, #3\nwfi"), PlainEngine()
    one.set(pstate=0x600003C4, sp=DATA)
    one.set_system(TPIDR := (3, 0, 13, 0, 4), 0x1234)
    other.uc.context_restore(one.uc.context_save())
    assert (other.x(3), other.pc, other.sp, other.pstate, other.system(TPIDR)) == (3, one.pc, DATA, 0x600003C4, 0x1234)
