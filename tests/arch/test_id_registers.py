"""Identification registers: raw bit fields, typed here a second time from the manual, and the profiles' published MIDRs."""

import pytest

from sim.arch.id_registers import affinity, ccsidr_value, id_register_values, mpidr
from sim.arch.memory_map import GICR_BYTES_PER_PE, GICR_HIGH_PA, PES_MAX, RAM_PA
from sim.arch.registers import REGISTER_KEYS
from sim.errors import SimulatorError
from sim.timing.profile import load_profile, profile_names


def nibble(value: int, lsb: int) -> int:
    return value >> lsb & 0xF


def read(profile_name: str, register: str, pe: int = 0) -> int:
    return id_register_values(load_profile(profile_name).identity, pe, PES_MAX)[REGISTER_KEYS[register]]


def test_affinity_counts_sixteen_pes_to_a_cluster() -> None:
    assert [hex(mpidr(pe)) for pe in (0, 1, 15, 16, 255)] == ["0x80000000", "0x80000001", "0x8000000f", "0x80000100", "0x80000f0f"]
    assert len({affinity(pe) for pe in range(PES_MAX)}) == PES_MAX
    assert read("cortex-a72", "MPIDR_EL1", pe=17) == 0x8000_0101


@pytest.mark.parametrize("name", profile_names())
def test_features_are_those_that_are_modelled(name: str) -> None:
    pfr0, isar0 = read(name, "ID_AA64PFR0_EL1"), read(name, "ID_AA64ISAR0_EL1")
    assert (nibble(pfr0, 0), nibble(pfr0, 4), nibble(pfr0, 8), nibble(pfr0, 12), nibble(pfr0, 24), nibble(pfr0, 32)) == (1, 1, 0, 0, 1, 0)
    assert nibble(pfr0, 16) == nibble(pfr0, 20)                         # FP and AdvSIMD must agree
    assert (nibble(isar0, 16), nibble(isar0, 20), nibble(isar0, 56)) == (1, 2, 2)       # CRC32, LSE, TLBI range
    mmfr0, mmfr1, mmfr2 = (read(name, f"ID_AA64MMFR{n}_EL1") for n in range(3))
    assert (nibble(mmfr0, 4), nibble(mmfr0, 20), nibble(mmfr0, 24), nibble(mmfr0, 28)) == (2, 1, 0, 0)      # ASID, 16K, 64K, 4K
    assert nibble(mmfr1, 20) == 1                                       # PAN
    assert (nibble(mmfr2, 0), nibble(mmfr2, 4), nibble(mmfr2, 48)) == (0, 0, 0)         # CnP, UAO, TTL


@pytest.mark.parametrize("name", profile_names())
def test_physical_address_size_covers_ram_and_every_redistributor(name: str) -> None:
    bits = {2: 40, 3: 42, 4: 44, 5: 48}[nibble(read(name, "ID_AA64MMFR0_EL1"), 0)]
    assert GICR_HIGH_PA + PES_MAX * GICR_BYTES_PER_PE <= 1 << bits and RAM_PA < 1 << bits


def test_published_main_id_registers_name_the_parts() -> None:
    assert {name: read(name, "MIDR_EL1") >> 4 & 0xFFF for name in profile_names()} == {
        "cortex-a53": 0xD03, "cortex-a55": 0xD05, "cortex-a72": 0xD08, "cortex-a76": 0xD0B, "neoverse-n1": 0xD0C, "neoverse-v1": 0xD40,
        "neoverse-n2": 0xD49, "graviton2-like": 0xD0C, "kunpeng920-like": 0xD01, "thunderx2-like": 0x0AF}


def test_of_these_only_neoverse_n1_says_that_hardware_updates_descriptors() -> None:
    assert [nibble(read(name, "ID_AA64MMFR1_EL1"), 0) for name in ("cortex-a53", "cortex-a72", "neoverse-n1")] == [0, 0, 2]


@pytest.mark.parametrize("name", profile_names())
def test_cache_type_register_tells_64_byte_lines_and_that_maintenance_is_needed(name: str) -> None:
    ctr = read(name, "CTR_EL0")
    assert (4 << nibble(ctr, 0), 4 << nibble(ctr, 16), 4 << nibble(ctr, 20), 4 << nibble(ctr, 24)) == (64, 64, 64, 64)
    assert ctr >> 28 & 3 == 0 and ctr >> 31 & 1 == 1
    assert 4 << (read(name, "DCZID_EL0") & 0xF) == 64


def test_cortex_a53_values_are_those_of_its_reference_manual() -> None:
    assert read("cortex-a53", "CTR_EL0") == 0x8444_8004                 # DDI 0500, CTR_EL0
    assert read("cortex-a53", "CLIDR_EL1") == 0x0A20_0023               # DDI 0500, CLIDR_EL1 with an L2 cache
    caches = load_profile("cortex-a53").caches
    assert [ccsidr_value(caches, selector) & 0x0FFF_FFFF for selector in (0, 1, 2)] == [0x00F_E01A, 0x01F_E00A, 0x03F_E07A]     # DDI 0500
    assert ccsidr_value(caches, 4) == 0


def test_the_whole_identification_space_reads_and_aarch32_reads_as_zero() -> None:
    values = id_register_values(load_profile("cortex-a72").identity, 3, 4)
    space = [3 << 14 | crm << 3 | op2 for crm in range(1, 8) for op2 in range(8)]
    assert all(key in values for key in space)
    assert all(values[key] == 0 for key in space if key >> 3 & 15 < 4)


def test_a_pe_beyond_the_machine_is_a_defect_of_the_caller() -> None:
    with pytest.raises(SimulatorError, match="PE 4 of 4"):
        id_register_values(load_profile("cortex-a72").identity, 4, 4)
