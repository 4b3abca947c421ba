"""MRS and MSR: the engine's instruction hooks, by the policy table of `sim.engine.policy`.

A hook returns 1 when it has done the instruction (and moved the PC), 0 when the engine is to do it. Hooks run before any check
of the engine's own, so access control is here: EL0 controls (DDI 0487, D24, each register's accessibility pseudocode), read-only
and write-only registers, and everything unknown is UNDEFINED, also where the engine's CPU model would have it.
"""
import numpy as np
from numba import njit

from sim.arch.register_keys import REGISTER_KEYS, EL0Control
from sim.hot.block import FP_TRAP_ALL, FP_TRAP_EL0, at_el0
from sim.hot.exception import EC_SYSTEM, EC_UNKNOWN, settle_up_to
from sim.hot.gic import lines
from sim.hot.gic_cpu_interface import icc_read, icc_write
from sim.hot.observe import STOP_EXCEPTION, abandon_block, is_abandoned, update_alignment_check
from sim.hot.registers import ID_PC, PC, general, read_system_register, write_register, write_system_register
from sim.hot.timer import CNTPCT, CNTVCT, timer_read, timer_write
from sim.hot.translate import regime_changed
from sim.state import dtypes
from sim.state.handle import halves_at, id_values_of, machine_of, pe_at, pe_of, policy_of, words_at

u64 = np.uint64
ZERO, ONE, FOUR = u64(0), u64(1), u64(4)
NOWHERE = u64(dtypes.NOWHERE)
DONE, NOT_DONE = np.uint32(1), np.uint32(0)
EC_SHIFT, ESR_IL = u64(26), u64(1 << 25)
X29, X30, XZR, X0 = 1, 2, 7, 199                # engine numbers of X29, X30, XZR and X0..X28 (arm64.h of unicorn 2.1.4)

EL0_READ_SHIFT, EL0_WRITE_SHIFT = u64(dtypes.POLICY_EL0_READ_SHIFT), u64(dtypes.POLICY_EL0_WRITE_SHIFT)
READABLE, WRITABLE = u64(dtypes.POLICY_READABLE), u64(dtypes.POLICY_WRITABLE)
HANDLER_SHIFT, INDEX_SHIFT = u64(dtypes.POLICY_HANDLER_SHIFT), u64(dtypes.POLICY_INDEX_SHIFT)
H_UNDEFINED, H_ENGINE, H_ID = u64(dtypes.HANDLER_UNDEFINED), u64(dtypes.HANDLER_ENGINE), u64(dtypes.HANDLER_IDENTIFICATION)
H_MPIDR, H_TIMER, H_ICC = u64(dtypes.HANDLER_MPIDR), u64(dtypes.HANDLER_TIMER), u64(dtypes.HANDLER_ICC)
H_STEERING, H_COMPUTED = u64(dtypes.HANDLER_STEERING), u64(dtypes.HANDLER_COMPUTED)

(C_NEVER, C_ALWAYS, C_UCT, C_UMA, C_DZE, C_UCI, C_ANY_COUNTER, C_PCTEN, C_VCTEN, C_PTEN, C_VTEN, C_TDCC, C_PMU, C_PMU_SW, C_PMU_CR,
 C_PMU_ER) = (u64(control) for control in EL0Control)
SCTLR_UCT, SCTLR_UMA, SCTLR_DZE, SCTLR_UCI = u64(1 << 15), u64(1 << 9), u64(1 << 14), u64(1 << 26)
CNTKCTL_PCTEN, CNTKCTL_VCTEN, CNTKCTL_VTEN, CNTKCTL_PTEN = u64(1), u64(2), u64(1 << 8), u64(1 << 9)
MDSCR_TDCC = u64(1 << 12)
PMUSERENR_EN, PMUSERENR_SW, PMUSERENR_CR, PMUSERENR_ER = u64(1), u64(2), u64(4), u64(8)

K_SCTLR, K_TCR = u64(REGISTER_KEYS["SCTLR_EL1"]), u64(REGISTER_KEYS["TCR_EL1"])
K_TTBR0, K_TTBR1 = u64(REGISTER_KEYS["TTBR0_EL1"]), u64(REGISTER_KEYS["TTBR1_EL1"])
K_MAIR, K_VBAR = u64(REGISTER_KEYS["MAIR_EL1"]), u64(REGISTER_KEYS["VBAR_EL1"])
K_CPACR, K_CNTKCTL = u64(REGISTER_KEYS["CPACR_EL1"]), u64(REGISTER_KEYS["CNTKCTL_EL1"])
K_MDSCR, K_PMUSERENR = u64(REGISTER_KEYS["MDSCR_EL1"]), u64(REGISTER_KEYS["PMUSERENR_EL0"])
K_CCSIDR, K_CSSELR = u64(REGISTER_KEYS["CCSIDR_EL1"]), u64(REGISTER_KEYS["CSSELR_EL1"])
K_ISR = u64(REGISTER_KEYS["ISR_EL1"])
K_OSLAR, K_OSLSR = u64(REGISTER_KEYS["OSLAR_EL1"]), u64(REGISTER_KEYS["OSLSR_EL1"])
OS_LOCKED, MDSCR_MDE_SS = u64(1 << 1), u64(1 << 15 | 1)
ISR_A, ISR_I, ISR_F = u64(1 << 8), u64(1 << 7), u64(1 << 6)
CACHE_SIZES_INDEX = dtypes.CACHE_SIZES_INDEX
VBAR_MASK = u64(0xFFFF_FFFF_FFFF_F800)


@njit
def key_of(cp_reg):  # type: ignore[no-untyped-def]
    """Encoding key from the engine's {u32 crn, crm, op0, op1, op2}."""
    part = halves_at(cp_reg, 5)
    return (u64(part[2]) << u64(14)) | (u64(part[3]) << u64(11)) | (u64(part[0]) << u64(7)) | (u64(part[1]) << u64(3)) | u64(part[4])


@njit
def skip_instruction(m, i):  # type: ignore[no-untyped-def]
    """The hook has done the instruction: the engine goes on behind it.

    The engine must be told where only if it ends its block here, as it does for registers that it does not know. In the middle of a block
    it goes on by itself; having been told, it would go back to that place at the next access that misses the soft TLB.
    """
    pe, pc = pe_of(m, i), general(m, i)[PC] + FOUR
    if pc - pe["block_va"] >= pe["block_bytes"]:
        write_register(m, i, ID_PC, pc)
    return DONE


@njit
def stop_with_exception(m, i, uc, ec, iss, far):  # type: ignore[no-untyped-def]
    """End the slice before the present instruction; the run loop takes the exception."""
    pe = pe_of(m, i)
    pe["stop_a"] = (ec << EC_SHIFT) | ESR_IL | iss
    pe["stop_b"] = far
    abandon_block(m, i, STOP_EXCEPTION)
    return DONE


@njit
def el0_allows(m, i, control):  # type: ignore[no-untyped-def]
    """Whether EL0 may make an access that `control` decides."""
    pe = pe_of(m, i)
    if control == C_ALWAYS:
        return True
    if control == C_NEVER:
        return False
    if control >= C_UCT and control <= C_UCI:
        bit = SCTLR_UCT if control == C_UCT else SCTLR_UMA if control == C_UMA else SCTLR_DZE if control == C_DZE else SCTLR_UCI
        return pe["sctlr"] & bit != ZERO
    if control == C_ANY_COUNTER:
        return pe["cntkctl"] & (CNTKCTL_PCTEN | CNTKCTL_VCTEN) != ZERO
    if control >= C_PCTEN and control <= C_VTEN:
        bit = CNTKCTL_PCTEN if control == C_PCTEN else CNTKCTL_VCTEN if control == C_VCTEN else CNTKCTL_PTEN if control == C_PTEN else CNTKCTL_VTEN
        return pe["cntkctl"] & bit != ZERO
    if control == C_TDCC:
        return pe["mdscr"] & MDSCR_TDCC == ZERO
    bit = PMUSERENR_EN
    if control == C_PMU_SW:
        bit |= PMUSERENR_SW
    elif control == C_PMU_CR:
        bit |= PMUSERENR_CR
    elif control == C_PMU_ER:
        bit |= PMUSERENR_ER
    return read_system_register(m, i, K_PMUSERENR) & bit != ZERO


@njit
def trap_syndrome(key, rt, read):  # type: ignore[no-untyped-def]
    """ISS of a trapped MRS, MSR or SYS (EC 0x18)."""
    op0, op1, op2 = (key >> u64(14)) & u64(3), (key >> u64(11)) & u64(7), key & u64(7)
    crn, crm = (key >> u64(7)) & u64(15), (key >> u64(3)) & u64(15)
    return (op0 << u64(20)) | (op2 << u64(17)) | (op1 << u64(14)) | (crn << u64(10)) | (rt << u64(5)) | (crm << ONE) | read


@njit
def rt_of(register):  # type: ignore[no-untyped-def]
    """Rt, 0..31, from the engine's number of the X register."""
    if register >= X0:
        return u64(register - X0)
    if register == X29:
        return u64(29)
    if register == X30:
        return u64(30)
    return u64(31)


@njit
def refused(m, i, uc, key, register, control, read):  # type: ignore[no-untyped-def]
    """At EL0: stop with the trap if `control` refuses the access. Returns whether it did."""
    if el0_allows(m, i, control):
        return False
    if control == C_NEVER:
        stop_with_exception(m, i, uc, EC_UNKNOWN, ZERO, NOWHERE)
    else:
        stop_with_exception(m, i, uc, EC_SYSTEM, trap_syndrome(key, rt_of(register), read), NOWHERE)
    return True


@njit
def is_admitted(m, i, uc, register, key, policy, read):  # type: ignore[no-untyped-def]
    """Whether the present instruction may make its access (read: 1 for MRS, 0 for MSR and SYS). If not, the hook has nothing left to do."""
    if is_abandoned(pe_of(m, i)):
        return False
    if policy & (READABLE if read == ONE else WRITABLE) == ZERO:
        stop_with_exception(m, i, uc, EC_UNKNOWN, ZERO, NOWHERE)
        return False
    control = (policy >> (EL0_READ_SHIFT if read == ONE else EL0_WRITE_SHIFT)) & u64(15)
    return not (at_el0(m, i) and refused(m, i, uc, key, register, control, read))


@njit
def operand_of(cp_reg, register):  # type: ignore[no-untyped-def]
    """Value of Xt of an MSR or SYS: the engine's {...; u64 val}, which is not to be trusted for XZR."""
    return words_at(cp_reg + u64(24), 1)[0] if register != XZR else ZERO


@njit
def _computed(m, i, key):  # type: ignore[no-untyped-def]
    """CCSIDR_EL1 of the cache that CSSELR_EL1 selects, ISR_EL1, or PMCCNTR_EL0, which counts cycles whether enabled or not."""
    pe = pe_of(m, i)
    if key == K_CCSIDR:
        return id_values_of(m)[CACHE_SIZES_INDEX + np.int64(read_system_register(m, i, K_CSSELR) & u64(15))]
    if key == K_ISR:
        line = lines(m, i, pe["cycles"])
        value = ISR_A if pe["serror_pending"] != ZERO else ZERO
        return value | (ISR_I if line & ONE != ZERO else ZERO) | (ISR_F if line & u64(2) != ZERO else ZERO)
    return pe["cycles"] - pe["pmccntr_base"]


@njit
def on_mrs(uc, register, cp_reg, data):  # type: ignore[no-untyped-def]
    """MRS hook of the engine."""
    pe = pe_at(data)
    m, i = pe["machine"], np.int64(pe["index"])
    key = key_of(cp_reg)
    policy = u64(policy_of(m)[np.int64(key)])
    if not is_admitted(m, i, uc, register, key, policy, ONE):
        return DONE
    handler = (policy >> HANDLER_SHIFT) & u64(15)
    if handler == H_ENGINE or (handler == H_STEERING and key != K_MDSCR):
        return NOT_DONE
    settle_up_to(m, pe, general(m, i)[PC] + FOUR)           # time and interrupts are as of this instruction
    if handler == H_STEERING:
        value = pe["mdscr"]
    elif handler == H_ID:
        value = id_values_of(m)[np.int64((policy >> INDEX_SHIFT) & u64(0xFF))]
    elif handler == H_MPIDR:
        value = u64(0x8000_0000) | (u64(i) & u64(15)) | ((u64(i) >> FOUR) << u64(8))
    elif handler == H_TIMER:
        value = timer_read(m, i, key)
        if key == CNTVCT or key == CNTPCT:
            pe["cycles"] += machine_of(m)["cost_counter_read"]
    elif handler == H_ICC:
        value = icc_read(m, i, key)
    else:
        value = _computed(m, i, key)
    if register != XZR:
        general(m, i)[np.int64(rt_of(register))] = value
    return skip_instruction(m, i)


@njit
def set_debug(m, i, locked):  # type: ignore[no-untyped-def]
    """Give the engine the MDSCR_EL1 that is in force: the engine does not know that the OS lock holds debug exceptions off."""
    value = pe_of(m, i)["mdscr"]
    write_system_register(m, i, K_MDSCR, value if locked == ZERO else value & ~MDSCR_MDE_SS)


@njit
def steer(m, i, key, value):  # type: ignore[no-untyped-def]
    """Keep our copy of a register that steers translation, traps or vectors, and act on the change."""
    pe = pe_of(m, i)
    if key == K_VBAR:
        pe["vbar"] = value & VBAR_MASK
        return
    if key == K_CNTKCTL:
        pe["cntkctl"] = value
        return
    if key == K_MDSCR:
        pe["mdscr"] = value
        set_debug(m, i, read_system_register(m, i, K_OSLSR) & OS_LOCKED)
        return
    if key == K_CPACR:
        pe["cpacr"] = value
        enabled = (value >> u64(20)) & u64(3)
        pe["fp_trapped"] = ZERO if enabled == u64(3) else FP_TRAP_EL0 if enabled == ONE else FP_TRAP_ALL
        return
    if key == K_SCTLR:
        pe["sctlr"] = value
        update_alignment_check(m, i)
    elif key == K_TCR:
        pe["tcr"] = value
    elif key == K_TTBR0:
        pe["ttbr0"] = value
    elif key == K_TTBR1:
        pe["ttbr1"] = value
    elif key == K_MAIR:
        pe["mair"] = value
    regime_changed(m, i)
    pe["limit_cycles"] = ZERO                               # the soft TLB is emptied before the next block


@njit
def on_msr(uc, register, cp_reg, data):  # type: ignore[no-untyped-def]
    """MSR (register) hook of the engine."""
    pe = pe_at(data)
    m, i = pe["machine"], np.int64(pe["index"])
    key = key_of(cp_reg)
    policy = u64(policy_of(m)[np.int64(key)])
    if not is_admitted(m, i, uc, register, key, policy, ZERO):
        return DONE
    handler = (policy >> HANDLER_SHIFT) & u64(15)
    value = operand_of(cp_reg, register)
    if handler == H_ENGINE:
        if key == K_OSLAR:
            set_debug(m, i, value & ONE)
        return NOT_DONE
    if handler == H_STEERING:
        steer(m, i, key, value)
        return skip_instruction(m, i) if key == K_MDSCR else NOT_DONE
    settle_up_to(m, pe, general(m, i)[PC] + FOUR)
    if handler == H_TIMER:
        timer_write(m, i, key, value)
    elif handler == H_ICC:
        icc_write(m, i, key, value)
    elif handler == H_COMPUTED:
        pe["pmccntr_base"] = pe["cycles"] - value
    pe["limit_cycles"] = ZERO                               # what was written may concern this PE or wake another one
    return skip_instruction(m, i)
