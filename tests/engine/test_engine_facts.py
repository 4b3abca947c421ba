"""What unicorn 2.1.4 does on AArch64, as far as correctness here rests on it: numbers, fills, callbacks, blocks.

One statement, one test. None of our engine code takes part.
"""
import importlib.metadata
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from unicorn import UC_HOOK_MEM_WRITE, arm64_const, unicorn_const

from sim.hot import loop, observe, registers, soft_tlb, system_registers
from sim.state import dtypes

sys.path.insert(0, str(Path(__file__).parent))

from plain_engine import (
    CODE,
    DATA,
    EL0T,
    EL1H,
    FETCH,
    NOWHERE,
    READ,
    SPSR_EL1,
    WINDOW,
    WINDOW_PA,
    WRITE,
    PlainEngine,
    run_text,
)

# ---- the version and the numbers that the hot functions use

def test_the_binding_is_the_pinned_one() -> None:
    assert importlib.metadata.version("unicorn") == "2.1.4"


@pytest.mark.parametrize("name", ["PC", "PSTATE", "SP_EL0", "SP_EL1", "ELR_EL1", "ESR_EL1", "FAR_EL1", "VBAR_EL1", "CP_REG"])
def test_register_numbers_of_the_hot_functions_are_the_bindings(name: str) -> None:
    assert getattr(registers, f"ID_{name}") == getattr(arm64_const, f"UC_ARM64_REG_{name}")


def test_numbers_of_general_registers_in_instruction_hooks_are_the_bindings() -> None:
    assert [system_registers.X29, system_registers.X30, system_registers.XZR] == [
        arm64_const.UC_ARM64_REG_X29, arm64_const.UC_ARM64_REG_X30, arm64_const.UC_ARM64_REG_XZR]
    assert [arm64_const.UC_ARM64_REG_X0 + n for n in range(29)] == [getattr(arm64_const, f"UC_ARM64_REG_X{n}") for n in range(29)]
    assert arm64_const.UC_ARM64_REG_X0 == system_registers.X0


def test_control_numbers_are_a_write_of_the_bindings_requests() -> None:
    write = unicorn_const.UC_CTL_IO_WRITE << 30
    assert soft_tlb.CTL_TLB_FLUSH == unicorn_const.UC_CTL_TLB_FLUSH | write
    assert observe.CTL_TB_FLUSH == unicorn_const.UC_CTL_TB_FLUSH | write


def test_the_binding_has_no_flush_of_the_soft_tlb_and_the_control_number_does_it() -> None:
    engine = run_text("ldr x2, [x0]\nwfi", x0=DATA)
    assert not hasattr(engine.uc, "ctl_flush_tlb")
    engine.fills.clear()
    engine.run()
    assert engine.fills == []
    engine.flush_soft_tlb()
    engine.run()
    assert [fill[1] for fill in engine.fills] == [FETCH, READ]


def test_kinds_of_access_are_the_bindings() -> None:
    assert (dtypes.ACCESS_READ, dtypes.ACCESS_WRITE, dtypes.ACCESS_FETCH) == (
        unicorn_const.UC_MEM_READ, unicorn_const.UC_MEM_WRITE, unicorn_const.UC_MEM_FETCH) == (READ, WRITE, FETCH)


def test_the_error_of_a_refused_access_is_the_bindings_exception() -> None:
    assert loop.UC_ERR_EXCEPTION == unicorn_const.UC_ERR_EXCEPTION == 21


# ---- fills

def walk_a_page(page_bytes: int | None) -> list[int]:
    """VAs of the fills for reads that a walk over one page of 4 KiB makes."""
    engine = run_text("mov x2, #64\n.L_next:\nldr x3, [x0], #64\nsubs x2, x2, #1\nb.ne .L_next\nwfi", x0=DATA, page_bytes=page_bytes)
    return [va for va, access, _ in engine.fills if access == READ]


def test_the_default_soft_page_is_1_kib() -> None:
    assert walk_a_page(None) == [DATA, DATA + 0x400, DATA + 0x800, DATA + 0xC00]


def test_a_soft_page_is_4096_bytes_after_ctl_set_page_size() -> None:
    assert walk_a_page(4096) == [DATA]


def test_the_fill_hook_gets_a_page_aligned_va_and_16_17_18_for_read_write_fetch() -> None:
    engine = run_text("ldr x2, [x0, #8]\nstr x2, [x1, #0x18]\nwfi", x0=DATA, x1=DATA + 0x1000)
    assert [fill[:2] for fill in engine.fills] == [(CODE, FETCH), (DATA, READ), (DATA + 0x1000, WRITE)]


def test_the_pc_is_exact_inside_the_fill_hook() -> None:
    engine = run_text("nop\nnop\nldr x2, [x0]\nnop\nstr x2, [x1]\nwfi", x0=DATA, x1=DATA + 0x1000)
    assert [pc for _, _, pc in engine.fills[1:]] == [CODE + 8, CODE + 16]


def test_a_page_filled_for_reads_alone_is_asked_for_again_at_the_first_write() -> None:
    engine = PlainEngine("ldr x2, [x0]\nldr x2, [x0]\nstr x2, [x0]\nwfi")
    engine.set_x(0, DATA)
    engine.permissions[DATA] = 1
    assert engine.run() == 21                                              # the hook still answers R alone, which is a refusal of the write
    assert [fill[:2] for fill in engine.fills[1:]] == [(DATA, READ), (DATA, WRITE)]
    assert engine.pc == CODE + 8


@pytest.mark.parametrize(("text", "register"), [
    ("ldr x2, [x0], #8", 2), ("str x2, [x0], #8", 2), ("ldr x2, [x0, #8]!", 2), ("stp x2, x3, [x0, #-16]!", 3),
    ("ldp x2, x3, [x0], #16", 2)])
def test_a_refused_fill_ends_the_run_with_error_21_the_pc_at_the_instruction_and_no_base_write_back(text: str, register: int) -> None:
    engine = PlainEngine(f"nop\n{text}\nwfi")
    engine.set_x(0, NOWHERE)
    engine.set_x(register, 77)
    assert engine.run() == 21
    assert (engine.pc, engine.x(0), engine.x(register)) == (CODE + 4, NOWHERE, 77)
    assert engine.interrupts == []


def test_after_a_refused_fill_the_same_instance_goes_on() -> None:
    engine = PlainEngine("ldr x2, [x0]\nmov x3, #3\nwfi")
    engine.set_x(0, NOWHERE)
    assert engine.run() == 21
    engine.set_x(0, DATA)
    assert engine.run(CODE) == 0
    assert engine.x(3) == 3


def test_a_refused_fetch_ends_the_run_with_error_21_and_the_pc_at_the_target() -> None:
    engine = PlainEngine("br x0")
    engine.set_x(0, NOWHERE)
    assert engine.run() == 21
    assert engine.pc == NOWHERE


def test_a_fetch_from_the_window_of_callbacks_is_error_14() -> None:
    engine = PlainEngine("br x0")
    engine.set_x(0, WINDOW)
    assert engine.run() == 14


def test_a_page_can_be_filled_for_fetches_alone_and_loads_from_it_ask_again() -> None:
    engine = PlainEngine("ldr x2, [x0]\nwfi")
    engine.set_x(0, CODE)
    answers: list[int] = []
    original = engine.permissions
    original[CODE] = 4
    engine.run()
    answers += [access for va, access, _ in engine.fills if va == CODE]
    assert answers == [FETCH, READ]


def test_soft_entries_are_kept_apart_by_exception_level() -> None:
    engine = PlainEngine("ldr x2, [x0]\nadr x3, .L_el0\nmsr elr_el1, x3\neret\n.L_el0:\nldr x2, [x0]\nldr x2, [x0]\nsvc #0")
    engine.set_x(0, DATA)
    engine.set(pstate=EL1H)
    engine.set_system(SPSR_EL1, EL0T)
    engine.run()
    assert [pc for va, access, pc in engine.fills if access == READ] == [CODE, CODE + 16]                # not at the second load of EL0


def test_dc_zva_asks_only_for_the_page_of_its_operand() -> None:
    engine = run_text("dc zva, x0\nwfi", x0=DATA)
    assert {va for va, access, _ in engine.fills if access != FETCH} == {DATA}


def test_a_guest_tlbi_empties_the_soft_tlb_of_its_own_instance_only() -> None:
    ram = np.zeros(1 << 16, np.uint8)
    other = run_text((CODE + 0x1000, "ldr x2, [x0]\nwfi"), ram=ram)
    other.set_x(0, DATA)
    other.run(CODE + 0x1000)
    one = run_text("ldr x2, [x0]\ntlbi vmalle1is\ndsb ish\nisb\nldr x2, [x0]\nwfi", x0=DATA, ram=ram)
    assert [access for _, access, _ in one.fills].count(READ) == 2
    before = len(other.fills)
    other.run(CODE + 0x1000)
    assert len(other.fills) == before


def test_at_walks_by_itself_and_does_not_ask_the_fill_hook() -> None:
    engine = run_text("at s1e1r, x0\nmrs x2, par_el1\nwfi", x0=NOWHERE)
    assert [access for _, access, _ in engine.fills] == [FETCH]


# ---- the window of callbacks

@pytest.mark.parametrize(("text", "offset", "calls"), [
    ("str x2, [x0]", 0, [(0, 4, 0x55667788), (4, 4, 0x11223344)]),
    ("str w2, [x0]", 0, [(0, 4, 0x55667788)]),
    ("strb w2, [x0]", 3, [(3, 1, 0x88)]),
    ("stp x2, x2, [x0]", 0, [(0, 4, 0x55667788), (4, 4, 0x11223344), (8, 4, 0x55667788), (12, 4, 0x11223344)]),
    ("str w2, [x0]", 1, [(1, 1, 0x88), (2, 1, 0x77), (3, 1, 0x66), (4, 1, 0x55)]),
])
def test_stores_through_callbacks_come_in_parts_of_at_most_4_bytes_the_low_part_first(
        text: str, offset: int, calls: list[tuple[int, ...]]) -> None:
    engine = PlainEngine(f"{text}\nwfi")
    engine.set_x(0, WINDOW + offset)
    engine.set_x(2, 0x1122334455667788)
    assert engine.run() == 0
    assert engine.writes == calls


@pytest.mark.parametrize(("text", "offset", "calls"), [
    ("ldr x2, [x0]", 0, [(0, 4), (4, 4)]),
    ("ldrb w2, [x0]", 5, [(5, 1)]),
    ("ldr q2, [x0]", 0, [(0, 4), (4, 4), (8, 4), (12, 4)]),
    ("ldp x2, x3, [x0]", 0, [(0, 4), (4, 4), (8, 4), (12, 4)]),
    ("ldr w2, [x0]", 2, [(0, 4), (4, 4)]),
])
def test_loads_through_callbacks_come_in_parts_and_an_unaligned_one_reads_whole_aligned_words(
        text: str, offset: int, calls: list[tuple[int, int]]) -> None:
    engine = PlainEngine(f"{text}\nwfi")
    engine.set_x(0, WINDOW + offset)
    assert engine.run() == 0
    assert engine.reads == calls


def test_callbacks_get_offsets_of_the_physical_address() -> None:
    engine = run_text("ldrb w2, [x0, #0x123]\nwfi", x0=WINDOW)
    assert WINDOW != WINDOW_PA
    assert engine.reads == [(0x123, 1)]


def test_memory_hooks_get_physical_addresses() -> None:
    engine = PlainEngine("str x2, [x0]\nwfi")
    seen: list[int] = []
    engine.uc.hook_add(UC_HOOK_MEM_WRITE, lambda _uc, _access, address, _size, _value, _data: seen.append(address))
    engine.set_x(0, WINDOW)
    engine.run()
    assert seen == [WINDOW_PA]


def test_the_pc_is_stale_in_a_callback() -> None:
    engine = PlainEngine("nop\nldrb w2, [x0]\nnop\nldrb w2, [x0]\nwfi")
    pcs: list[int] = []
    engine.set_x(0, WINDOW)
    engine.in_window = lambda: pcs.append(engine.pc)
    engine.run()
    assert len(pcs) == 2
    assert pcs[1] != CODE + 12


def test_stopping_in_a_callback_leaves_the_instruction_half_done() -> None:
    engine = PlainEngine("ldr w2, [x0], #8\nmov x3, #3\nwfi")
    engine.set_x(0, WINDOW)
    engine.set_x(2, 77)
    engine.in_window = lambda: engine.uc.emu_stop()
    engine.run()
    done = (engine.pc, engine.x(0), engine.x(2))
    assert done not in ((CODE, WINDOW, 77), (CODE + 4, WINDOW + 8, 0))


# ---- blocks

def test_the_block_whose_hook_stops_the_engine_has_not_run() -> None:
    engine = PlainEngine("mov x3, #3\nb .L_next\n.L_next:\nmov x3, #4\nwfi", blocks=True)

    def stop(uc: Any, va: int, _size: int, _data: object) -> None:
        if va == CODE + 8:
            uc.emu_stop()

    engine.uc.hook_add(unicorn_const.UC_HOOK_BLOCK, stop)
    assert engine.run() == 0
    assert (engine.x(3), engine.pc) == (3, CODE + 8)


@pytest.mark.parametrize("text", ["tlbi vmalle1", "isb", "msr tpidr_el0, x1", "wfe", "yield", "b .L_next", "cbz x1, .L_next"])
def test_a_block_ends_behind(text: str) -> None:
    engine = run_text(f"nop\n{text}\n.L_next:\nnop\nwfi", blocks=True)
    assert engine.blocks[:2] == [(CODE, 8), (CODE + 8, 8)]


@pytest.mark.parametrize("text", ["dsb ish", "dmb ish", "sev", "mrs x2, tpidr_el0", "ldxr x2, [x0]", "clrex"])
def test_a_block_does_not_end_behind(text: str) -> None:
    engine = run_text(f"nop\n{text}\nnop\nwfi", x0=DATA, blocks=True)
    assert engine.blocks == [(CODE, 16)]


def test_a_block_ends_at_the_end_of_its_page() -> None:
    engine = PlainEngine((CODE + 0xFF8, "nop\nnop\nnop\nwfi"), blocks=True)
    engine.run(CODE + 0xFF8)
    assert engine.blocks == [(CODE + 0xFF8, 8), (CODE + 0x1000, 8)]


def test_single_steps_show_the_block_hook_the_rest_of_the_block() -> None:
    engine = PlainEngine("nop\nnop\nnop\nwfi", blocks=True)
    for step in range(3):
        engine.run(CODE + 4 * step, count=1)
        assert engine.pc == CODE + 4 * step + 4
    assert engine.blocks == [(CODE, 16), (CODE + 4, 12), (CODE + 8, 8)]


def test_a_hook_that_writes_the_pc_is_obeyed_without_a_stop() -> None:
    engine = PlainEngine("mrs x2, tpidr_el1\nmov x3, #3\nwfi")

    def skip(uc: Any, register: int, _cp: Any, _data: object) -> int:
        uc.reg_write(register, 99)
        uc.reg_write(arm64_const.UC_ARM64_REG_PC, CODE + 4)
        return 1

    engine.hook("mrs", skip)
    engine.run()
    assert (engine.x(2), engine.x(3)) == (99, 3)
