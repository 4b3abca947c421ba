"""Syndromes: composed values against ESRs that kernels have printed or that the manual's fields give by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.arch import syndrome
from sim.arch.registers import REGISTER_KEYS
from sim.arch.syndrome import ExceptionClass, FaultStatus, describe_esr

# Values in hexadecimal as Linux prints them in an oops ("Internal error: Oops: 96000047", BRK of KASAN 0xf2000900, ...) or by hand from the fields.
CASES = [
    (syndrome.esr_unknown(), 0x0200_0000, "undefined instruction or unknown reason"),
    (syndrome.esr_data_abort(False, FaultStatus.TRANSLATION_LEVEL_3, write=True), 0x9600_0047,
     "data abort from the same EL, translation fault level 3, write"),
    (syndrome.esr_data_abort(True, FaultStatus.PERMISSION_LEVEL_3, write=True), 0x9200_004F,
     "data abort from a lower EL, permission fault level 3, write"),
    (syndrome.esr_data_abort(False, FaultStatus.TRANSLATION_LEVEL_0, write=False), 0x9600_0004,
     "data abort from the same EL, translation fault level 0, read"),
    (syndrome.esr_data_abort(False, FaultStatus.EXTERNAL, write=False), 0x9600_0010, "data abort from the same EL, external abort, read"),
    (syndrome.esr_data_abort(False, FaultStatus.ALIGNMENT, write=False), 0x9600_0021, "data abort from the same EL, alignment fault, read"),
    (syndrome.esr_data_abort(True, FaultStatus.TRANSLATION_LEVEL_2, write=False, cache_maintenance=True), 0x9200_0146,
     "data abort from a lower EL, translation fault level 2, cache maintenance or address translation"),
    (syndrome.esr_data_abort(False, FaultStatus.EXTERNAL, write=False, far_not_valid=True), 0x9600_0410,
     "data abort from the same EL, external abort, read, FAR not valid"),
    (syndrome.esr_instruction_abort(False, FaultStatus.PERMISSION_LEVEL_3), 0x8600_000F,
     "instruction abort from the same EL, permission fault level 3"),
    (syndrome.esr_instruction_abort(True, FaultStatus.TRANSLATION_LEVEL_1), 0x8200_0005,
     "instruction abort from a lower EL, translation fault level 1"),
    (syndrome.esr_instruction_abort(False, FaultStatus.EXTERNAL_ON_WALK_LEVEL_2), 0x8600_0016,
     "instruction abort from the same EL, external abort on a translation table walk level 2"),
    (syndrome.esr_call(ExceptionClass.SVC64, 0), 0x5600_0000, "SVC #0x0"),
    (syndrome.esr_call(ExceptionClass.HVC64, 7), 0x5A00_0007, "HVC #0x7"),
    (syndrome.esr_call(ExceptionClass.SMC64, 0), 0x5E00_0000, "SMC #0x0"),
    (syndrome.esr_call(ExceptionClass.BRK64, 0x800), 0xF200_0800, "BRK #0x800"),
    (syndrome.esr_trapped_wait(is_wfe=False), 0x07E0_0000, "trapped WFI"),
    (syndrome.esr_trapped_wait(is_wfe=True), 0x07E0_0001, "trapped WFE"),
    (syndrome.esr_trapped_fp(), 0x1FE0_0000, "FP or SIMD access trapped by CPACR_EL1.FPEN"),
    (syndrome.esr_illegal_state(), 0x3A00_0000, "illegal execution state"),
    (syndrome.esr_pc_alignment(), 0x8A00_0000, "PC alignment fault"),
    (syndrome.esr_sp_alignment(), 0x9A00_0000, "SP alignment fault"),
    (syndrome.esr_serror(), 0xBE00_0000, "SError"),
    (syndrome.esr_serror(1 << 24 | 2), 0xBF00_0002, "SError, ISS 0x1000002"),
    (syndrome.esr_breakpoint(from_el0=True), 0xC200_0022, "hardware breakpoint from a lower EL"),
    (syndrome.esr_breakpoint(from_el0=False), 0xC600_0022, "hardware breakpoint from the same EL"),
    (syndrome.esr_software_step(from_el0=True), 0xCB00_0022, "software step from a lower EL"),
    (syndrome.esr_watchpoint(from_el0=False, write=True), 0xD600_0062, "watchpoint from the same EL, write"),
    # CTR_EL0 is (3, 3, 0, 0, 1): Op0 3<<20, Op2 1<<17, Op1 3<<14, Rt 5<<5, read
    (syndrome.esr_trapped_system(REGISTER_KEYS["CTR_EL0"], 5, read=True), 0x6232_C0A1, "trapped read of CTR_EL0, x5"),
    # DC CIVAC, x2 is (1, 3, 7, 14, 1)
    (syndrome.esr_trapped_system(0x5BF1, 2, read=False), 0x6212_DC5C, "trapped execution of DC CIVAC, x2"),
]


@pytest.mark.parametrize(("composed", "expected", "text"), CASES, ids=[f"{case[1]:#x}" for case in CASES])
def test_syndrome_is_the_value_hardware_gives_and_reads_as_a_line(composed: int, expected: int, text: str) -> None:
    assert hex(composed) == hex(expected)
    assert describe_esr(composed) == text


def test_fault_status_codes_of_a_kind_count_up_by_level() -> None:
    for base, kind in ((0x00, "ADDRESS_SIZE"), (0x04, "TRANSLATION"), (0x08, "ACCESS_FLAG"), (0x0C, "PERMISSION"), (0x14, "EXTERNAL_ON_WALK")):
        assert [FaultStatus[f"{kind}_LEVEL_{level}"] for level in range(4)] == [base, base + 1, base + 2, base + 3]


@given(st.integers(0, 2**64 - 1))
def test_any_value_whatever_is_described_in_one_line(esr: int) -> None:
    text = describe_esr(esr)
    assert text and "\n" not in text
