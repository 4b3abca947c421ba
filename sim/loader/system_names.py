"""Names of system registers and system instructions as an assembler accepts them, and their encodings.

Keystone knows the names of 2015; this knows those of Armv8.6 and of GICv3. Arm ARM (DDI 0487) C5.1, D24; GIC architecture (IHI 0069) 12.2.
Which of them a PE implements is no concern of an assembler.
"""

import re

Encoding = tuple[int, int, int, int, int]               # op0, op1, CRn, CRm, op2

# (op0, op1, CRn, CRm): the names in order of op2, "-" where op2 is not allocated or not listed.
_REGISTER_ROWS: dict[tuple[int, int, int, int], str] = {
    (2, 0, 0, 0): "- - osdtrrx_el1", (2, 0, 0, 2): "mdccint_el1 - mdscr_el1", (2, 0, 0, 3): "- - osdtrtx_el1",
    (2, 0, 0, 6): "- - oseccr_el1",
    (2, 0, 1, 0): "mdrar_el1 - - - oslar_el1", (2, 0, 1, 1): "- - - - oslsr_el1", (2, 0, 1, 3): "- - - - osdlr_el1",
    (2, 0, 1, 4): "- - - - dbgprcr_el1", (2, 0, 7, 8): "- - - - - - dbgclaimset_el1", (2, 0, 7, 9): "- - - - - - dbgclaimclr_el1",
    (2, 0, 7, 14): "- - - - - - dbgauthstatus_el1", (2, 3, 0, 1): "mdccsr_el0", (2, 3, 0, 4): "dbgdtr_el0", (2, 3, 0, 5): "dbgdtrrx_el0",
    (2, 4, 0, 7): "dbgvcr32_el2",
    (3, 0, 0, 0): "midr_el1 - - - - mpidr_el1 revidr_el1",
    (3, 0, 0, 1): "id_pfr0_el1 id_pfr1_el1 id_dfr0_el1 id_afr0_el1 id_mmfr0_el1 id_mmfr1_el1 id_mmfr2_el1 id_mmfr3_el1",
    (3, 0, 0, 2): "id_isar0_el1 id_isar1_el1 id_isar2_el1 id_isar3_el1 id_isar4_el1 id_isar5_el1 id_mmfr4_el1 id_isar6_el1",
    (3, 0, 0, 3): "mvfr0_el1 mvfr1_el1 mvfr2_el1 - id_pfr2_el1 id_dfr1_el1 id_mmfr5_el1",
    (3, 0, 0, 4): "id_aa64pfr0_el1 id_aa64pfr1_el1 id_aa64pfr2_el1 - id_aa64zfr0_el1 id_aa64smfr0_el1",
    (3, 0, 0, 5): "id_aa64dfr0_el1 id_aa64dfr1_el1 - - id_aa64afr0_el1 id_aa64afr1_el1",
    (3, 0, 0, 6): "id_aa64isar0_el1 id_aa64isar1_el1 id_aa64isar2_el1 id_aa64isar3_el1",
    (3, 0, 0, 7): "id_aa64mmfr0_el1 id_aa64mmfr1_el1 id_aa64mmfr2_el1 id_aa64mmfr3_el1 id_aa64mmfr4_el1",
    (3, 0, 1, 0): "sctlr_el1 actlr_el1 cpacr_el1 - - rgsr_el1 gcr_el1", (3, 0, 1, 2): "zcr_el1 trfcr_el1",
    (3, 0, 2, 0): "ttbr0_el1 ttbr1_el1 tcr_el1 tcr2_el1",
    (3, 0, 2, 1): "apiakeylo_el1 apiakeyhi_el1 apibkeylo_el1 apibkeyhi_el1",
    (3, 0, 2, 2): "apdakeylo_el1 apdakeyhi_el1 apdbkeylo_el1 apdbkeyhi_el1", (3, 0, 2, 3): "apgakeylo_el1 apgakeyhi_el1",
    (3, 0, 4, 0): "spsr_el1 elr_el1", (3, 0, 4, 1): "sp_el0", (3, 0, 4, 2): "spsel - currentel pan uao",
    (3, 0, 4, 6): "icc_pmr_el1", (3, 0, 5, 1): "afsr0_el1 afsr1_el1", (3, 0, 5, 2): "esr_el1",
    (3, 0, 5, 3): "erridr_el1 errselr_el1", (3, 0, 5, 4): "erxfr_el1 erxctlr_el1 erxstatus_el1 erxaddr_el1",
    (3, 0, 5, 5): "erxmisc0_el1 erxmisc1_el1", (3, 0, 5, 6): "tfsr_el1 tfsre0_el1", (3, 0, 6, 0): "far_el1", (3, 0, 7, 4): "par_el1",
    (3, 0, 9, 9): "pmscr_el1 - pmsicr_el1 pmsirr_el1 pmsfcr_el1 pmsevfr_el1 pmslatfr_el1 pmsidr_el1",
    (3, 0, 9, 10): "pmblimitr_el1 pmbptr_el1 - pmbsr_el1 - - - pmbidr_el1",
    (3, 0, 9, 14): "- pmintenset_el1 pmintenclr_el1 - - - pmmir_el1",
    (3, 0, 10, 2): "mair_el1 - pire0_el1 pir_el1", (3, 0, 10, 3): "amair_el1",
    (3, 0, 10, 4): "lorsa_el1 lorea_el1 lorn_el1 lorc_el1 mpamidr_el1 - - lorid_el1", (3, 0, 10, 5): "mpam1_el1 mpam0_el1",
    (3, 0, 12, 0): "vbar_el1 rvbar_el1 rmr_el1", (3, 0, 12, 1): "isr_el1 disr_el1",
    (3, 0, 12, 8): "icc_iar0_el1 icc_eoir0_el1 icc_hppir0_el1 icc_bpr0_el1 icc_ap0r0_el1 icc_ap0r1_el1 icc_ap0r2_el1 icc_ap0r3_el1",
    (3, 0, 12, 9): "icc_ap1r0_el1 icc_ap1r1_el1 icc_ap1r2_el1 icc_ap1r3_el1",
    (3, 0, 12, 11): "- icc_dir_el1 - icc_rpr_el1 - icc_sgi1r_el1 icc_asgi1r_el1 icc_sgi0r_el1",
    (3, 0, 12, 12): "icc_iar1_el1 icc_eoir1_el1 icc_hppir1_el1 icc_bpr1_el1 icc_ctlr_el1 icc_sre_el1 icc_igrpen0_el1 icc_igrpen1_el1",
    (3, 0, 13, 0): "- contextidr_el1 - - tpidr_el1 - - scxtnum_el1", (3, 0, 14, 1): "cntkctl_el1",
    (3, 1, 0, 0): "ccsidr_el1 clidr_el1 ccsidr2_el1 - gmid_el1 - - aidr_el1", (3, 2, 0, 0): "csselr_el1",
    (3, 3, 0, 0): "- ctr_el0 - - - - - dczid_el0", (3, 3, 2, 4): "rndr rndrrs",
    (3, 3, 4, 2): "nzcv daif - - - dit ssbs tco", (3, 3, 4, 4): "fpcr fpsr", (3, 3, 4, 5): "dspsr_el0 dlr_el0",
    (3, 3, 9, 12): "pmcr_el0 pmcntenset_el0 pmcntenclr_el0 pmovsclr_el0 pmswinc_el0 pmselr_el0 pmceid0_el0 pmceid1_el0",
    (3, 3, 9, 13): "pmccntr_el0 pmxevtyper_el0 pmxevcntr_el0", (3, 3, 9, 14): "pmuserenr_el0 - - pmovsset_el0",
    (3, 3, 13, 0): "- - tpidr_el0 tpidrro_el0 - tpidr2_el0 - scxtnum_el0",
    (3, 3, 13, 2): "amcr_el0 amcfgr_el0 amcgcr_el0 amuserenr_el0 amcntenclr0_el0 amcntenset0_el0",
    (3, 3, 14, 0): "cntfrq_el0 cntpct_el0 cntvct_el0 - - cntpctss_el0 cntvctss_el0",
    (3, 3, 14, 2): "cntp_tval_el0 cntp_ctl_el0 cntp_cval_el0", (3, 3, 14, 3): "cntv_tval_el0 cntv_ctl_el0 cntv_cval_el0",
    (3, 3, 14, 15): "- - - - - - - pmccfiltr_el0",
    (3, 4, 0, 0): "vpidr_el2 - - - - vmpidr_el2", (3, 4, 1, 0): "sctlr_el2 actlr_el2",
    (3, 4, 1, 1): "hcr_el2 mdcr_el2 cptr_el2 hstr_el2 hfgrtr_el2 hfgwtr_el2 hfgitr_el2 hacr_el2",
    (3, 4, 1, 2): "zcr_el2 trfcr_el2 hcrx_el2",
    (3, 4, 1, 3): "- sder32_el2", (3, 4, 2, 0): "ttbr0_el2 ttbr1_el2 tcr_el2", (3, 4, 2, 1): "vttbr_el2 - vtcr_el2",
    (3, 4, 3, 0): "dacr32_el2",
    (3, 4, 3, 1): "- - - - hdfgrtr_el2 hdfgwtr_el2 hafgrtr_el2",
    (3, 4, 4, 0): "spsr_el2 elr_el2", (3, 4, 4, 1): "sp_el1", (3, 4, 4, 3): "spsr_irq spsr_abt spsr_und spsr_fiq",
    (3, 4, 5, 0): "- ifsr32_el2", (3, 4, 5, 1): "afsr0_el2 afsr1_el2", (3, 4, 5, 2): "esr_el2 - - vsesr_el2", (3, 4, 5, 3): "fpexc32_el2",
    (3, 4, 5, 6): "tfsr_el2", (3, 4, 6, 0): "far_el2 - - - hpfar_el2", (3, 4, 10, 2): "mair_el2", (3, 4, 10, 3): "amair_el2",
    (3, 4, 12, 0): "vbar_el2 rvbar_el2 rmr_el2", (3, 4, 12, 1): "- vdisr_el2",
    (3, 4, 12, 8): "ich_ap0r0_el2 ich_ap0r1_el2 ich_ap0r2_el2 ich_ap0r3_el2",
    (3, 4, 12, 9): "ich_ap1r0_el2 ich_ap1r1_el2 ich_ap1r2_el2 ich_ap1r3_el2 - icc_sre_el2",
    (3, 4, 12, 11): "ich_hcr_el2 ich_vtr_el2 ich_misr_el2 ich_eisr_el2 - ich_elrsr_el2 - ich_vmcr_el2",
    (3, 4, 13, 0): "- contextidr_el2 tpidr_el2 - - - - scxtnum_el2", (3, 4, 14, 0): "- - - cntvoff_el2", (3, 4, 14, 1): "cnthctl_el2",
    (3, 4, 14, 2): "cnthp_tval_el2 cnthp_ctl_el2 cnthp_cval_el2", (3, 4, 14, 3): "cnthv_tval_el2 cnthv_ctl_el2 cnthv_cval_el2",
    (3, 5, 1, 0): "sctlr_el12 - cpacr_el12", (3, 5, 2, 0): "ttbr0_el12 ttbr1_el12 tcr_el12", (3, 5, 4, 0): "spsr_el12 elr_el12",
    (3, 5, 5, 1): "afsr0_el12 afsr1_el12", (3, 5, 5, 2): "esr_el12", (3, 5, 6, 0): "far_el12", (3, 5, 10, 2): "mair_el12",
    (3, 5, 10, 3): "amair_el12", (3, 5, 12, 0): "vbar_el12", (3, 5, 13, 0): "- contextidr_el12", (3, 5, 14, 1): "cntkctl_el12",
    (3, 5, 14, 2): "cntp_tval_el02 cntp_ctl_el02 cntp_cval_el02", (3, 5, 14, 3): "cntv_tval_el02 cntv_ctl_el02 cntv_cval_el02",
    (3, 6, 1, 0): "sctlr_el3 actlr_el3", (3, 6, 1, 1): "scr_el3 sder32_el3 cptr_el3", (3, 6, 1, 3): "- mdcr_el3",
    (3, 6, 2, 0): "ttbr0_el3 - tcr_el3", (3, 6, 4, 0): "spsr_el3 elr_el3", (3, 6, 4, 1): "sp_el2", (3, 6, 5, 1): "afsr0_el3 afsr1_el3",
    (3, 6, 5, 2): "esr_el3", (3, 6, 6, 0): "far_el3", (3, 6, 10, 2): "mair_el3", (3, 6, 10, 3): "amair_el3",
    (3, 6, 12, 0): "vbar_el3 rvbar_el3 rmr_el3", (3, 6, 12, 12): "- - - - icc_ctlr_el3 icc_sre_el3 - icc_igrpen1_el3",
    (3, 6, 13, 0): "- - tpidr_el3", (3, 7, 14, 2): "cntps_tval_el1 cntps_ctl_el1 cntps_cval_el1",
}


def _registers() -> dict[str, Encoding]:
    table: dict[str, Encoding] = {}
    for (op0, op1, crn, crm), names in _REGISTER_ROWS.items():
        table.update({name: (op0, op1, crn, crm, op2) for op2, name in enumerate(names.split()) if name != "-"})
    table["dbgdtrtx_el0"] = table["dbgdtrrx_el0"]       # the same encoding: read one way, written the other
    for n in range(16):
        for op2, name in ((4, "dbgbvr"), (5, "dbgbcr"), (6, "dbgwvr"), (7, "dbgwcr")):
            table[f"{name}{n}_el1"] = (2, 0, 0, n, op2)
        table[f"ich_lr{n}_el2"] = (3, 4, 12, 12 + (n >> 3), n & 7)
    for n in range(31):
        table[f"pmevcntr{n}_el0"] = (3, 3, 14, 8 + (n >> 3), n & 7)
        table[f"pmevtyper{n}_el0"] = (3, 3, 14, 12 + (n >> 3), n & 7)
    return table


def _tlbi() -> dict[str, tuple[Encoding, bool]]:
    """Name: the encoding, and whether it takes a register."""
    table: dict[str, tuple[Encoding, bool]] = {}
    plain = {0: "vmalle1:0 vae1:1 aside1:2 vaae1:3 vale1:5 vaale1:7", 4: "alle2:0 vae2:1 alle1:4 vale2:5 vmalls12e1:6",
             6: "alle3:0 vae3:1 vale3:5"}
    ranges = {0: "rvae1:1 rvaae1:3 rvale1:5 rvaale1:7", 4: "rvae2:1 rvale2:5", 6: "rvae3:1 rvale3:5"}
    for rows, crm_of in ((plain, {"": 7, "is": 3, "os": 1}), (ranges, {"": 6, "is": 2, "os": 5})):
        for op1, row in rows.items():
            for name, op2 in (item.split(":") for item in row.split()):
                for suffix, crm in crm_of.items():
                    table[name + suffix] = (1, op1, 8, crm, int(op2)), "all" not in name
    for name, crm, code in (("ipas2e1is", 0, 1), ("ripas2e1is", 0, 2), ("ipas2le1is", 0, 5), ("ripas2le1is", 0, 6), ("ipas2e1os", 4, 0),
                           ("ipas2e1", 4, 1), ("ripas2e1", 4, 2), ("ripas2e1os", 4, 3), ("ipas2le1os", 4, 4), ("ipas2le1", 4, 5),
                           ("ripas2le1", 4, 6), ("ripas2le1os", 4, 7)):
        table[name] = (1, 4, 8, crm, code), True
    for name, ((op0, op1, crn, crm, code), takes) in list(table.items()):
        table[name + "nxs"] = (op0, op1, crn + 1, crm, code), takes      # FEAT_XS
    return table


def _cache_and_translation() -> dict[str, dict[str, tuple[Encoding, bool]]]:
    at = {"s1e1r": (0, 8, 0), "s1e1w": (0, 8, 1), "s1e0r": (0, 8, 2), "s1e0w": (0, 8, 3), "s1e1rp": (0, 9, 0), "s1e1wp": (0, 9, 1),
          "s1e2r": (4, 8, 0), "s1e2w": (4, 8, 1), "s12e1r": (4, 8, 4), "s12e1w": (4, 8, 5), "s12e0r": (4, 8, 6), "s12e0w": (4, 8, 7),
          "s1e3r": (6, 8, 0), "s1e3w": (6, 8, 1)}
    dc = {"ivac": (0, 6, 1), "isw": (0, 6, 2), "csw": (0, 10, 2), "cisw": (0, 14, 2), "zva": (3, 4, 1), "cvac": (3, 10, 1),
          "cvau": (3, 11, 1), "cvap": (3, 12, 1), "cvadp": (3, 13, 1), "civac": (3, 14, 1)}
    ic = {"ialluis": (0, 1, 0), "iallu": (0, 5, 0), "ivau": (3, 5, 1)}
    return {mnemonic: {name: ((1, op1, 7, crm, op2), "iall" not in name) for name, (op1, crm, op2) in rows.items()}
            for mnemonic, rows in (("at", at), ("dc", dc), ("ic", ic))}


REGISTERS = _registers()
SYSTEM_INSTRUCTIONS = {"tlbi": _tlbi(), **_cache_and_translation()}
PSTATE_FIELDS = {"spsel": (0, 5), "daifset": (3, 6), "daifclr": (3, 7), "uao": (0, 3),
                 "pan": (0, 4), "dit": (3, 2), "ssbs": (3, 1), "tco": (3, 4)}
BARRIER_OPTIONS = {"oshld": 1, "oshst": 2, "osh": 3, "nshld": 5, "nshst": 6, "nsh": 7,
                   "ishld": 9, "ishst": 10, "ish": 11, "ld": 13, "st": 14, "sy": 15}
HINTS = {"nop": 0, "yield": 1, "wfe": 2, "wfi": 3, "sev": 4, "sevl": 5, "dgh": 6, "xpaclri": 7, "pacia1716": 8, "pacib1716": 10,
         "autia1716": 12, "autib1716": 14, "esb": 16, "psb csync": 17, "tsb csync": 18, "csdb": 20, "clrbhb": 22,
         "paciaz": 24, "paciasp": 25, "pacibz": 26, "pacibsp": 27, "autiaz": 28, "autiasp": 29,
         "autibz": 30, "autibsp": 31, "bti": 32, "bti c": 34, "bti j": 36, "bti jc": 38}

_GENERIC = re.compile(r"s([0-3])_([0-7])_c(\d|1[0-5])_c(\d|1[0-5])_([0-7])")


def register_encoding(name: str) -> Encoding | None:
    """The encoding of a system register by name or as S3_0_C12_C11_5, in any case; None for an unknown one."""
    name = name.lower()
    generic = _GENERIC.fullmatch(name)
    if generic:
        op0, op1, crn, crm, op2 = (int(part) for part in generic.groups())
        return op0, op1, crn, crm, op2
    return REGISTERS.get(name)
