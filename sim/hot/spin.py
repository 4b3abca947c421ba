"""Waiting skipped: a PE that goes round a loop in which nothing changes sleeps until something may, and has then gone round as often as it would.

The loop has no stores, system registers, exclusives, barriers that wait, or marks (NOT_SPINNABLE); one block of it loads from shared pages and
hits; after a round all registers are as before it, and it has taken as long as the rounds before. So each round is like the last, until a
store reaches a line that the loop reads, or something is due at the PE: a TLBI, an interrupt, a page that becomes shared. Waking is never
wrong, since the PE only goes on with its rounds; so whatever is rare just wakes. What a PE reads from pages that are not shared stays as it is:
a store to such a page makes it shared, which is due at every PE.
A PE that sleeps has PE.asleep set; its clock and counts stand at the round from which it sleeps.
"""
import numpy as np
from numba import njit

from sim.arch import instruction
from sim.hot.coherence import is_sharer
from sim.hot.registers import general, pstate
from sim.hot.schedule import first_cycle, reschedule, waiting_until, word_of
from sim.state import dtypes
from sim.state.handle import lines_of, machine_of, pe_of, pes_of

u64 = np.uint64
ZERO, ONE = u64(0), u64(1)
BYTE, PE_SHIFT, LINE_SHIFT = u64(0xFF), u64(8), u64(6)
REGISTERS, LINES_MOST = dtypes.SPIN_REGISTERS, dtypes.SPIN_LINES
LINE_SHARED = u64(dtypes.LINE_SHARED)
ROUNDS_LEAST = u64(4)                   # alike, after which a branch predictor's counters cannot change
#: Flags of a block with which its loop is not one of waiting.
NOT_SPINNABLE = u64(
    instruction.FLAG_STORE | instruction.FLAG_EXCLUSIVE | instruction.FLAG_ATOMIC | instruction.FLAG_CLREX | instruction.FLAG_FP
    | instruction.FLAG_DSB | instruction.FLAG_ISB | instruction.FLAG_SEV | instruction.FLAG_SEVL | instruction.FLAG_WFE | instruction.FLAG_WFI
    | instruction.FLAG_ERET | instruction.FLAG_TLBI | instruction.FLAG_DAIF | instruction.FLAG_HALT | instruction.FLAG_SVC
    | instruction.FLAG_HVC | instruction.FLAG_SMC | instruction.FLAG_BRK | instruction.FLAG_SYSTEM | instruction.FLAG_DC_ZVA
    | instruction.FLAG_UNPRIVILEGED | instruction.FLAG_UNANNOUNCED)


@njit
def note_read(pe, line):  # type: ignore[no-untyped-def]
    """The block under way loads from a line of a shared page: count the rounds that took equally long since another block did."""
    key = pe["block_key_cycles"]
    if pe["block_va"] != pe["spin_va"]:
        pe["spin_va"], pe["spin_rounds"], pe["probing"], pe["spin_line_count"] = pe["block_va"], ZERO, ZERO, ZERO
    elif key != pe["spin_key_cycles"]:
        period = key - pe["spin_key_cycles"]
        pe["spin_rounds"] = pe["spin_rounds"] + ONE if period == pe["spin_period_cycles"] else ZERO
        pe["spin_period_cycles"], pe["spin_line_count"] = period, ZERO
    pe["spin_key_cycles"] = key
    count = np.int64(pe["spin_line_count"])
    for k in range(count):
        if pe["spin_lines"][k] == line:
            return
    if count == LINES_MOST:
        not_waiting(pe)
        return
    pe["spin_lines"][count] = line
    pe["spin_line_count"] += ONE


@njit
def _still_has_lines(m, i):  # type: ignore[no-untyped-def]
    """Whether PE i still has a copy of each line that the loop reads: nobody has stored to one since."""
    pe, lines = pe_of(m, i), lines_of(m)
    for k in range(np.int64(pe["spin_line_count"])):
        record = lines[np.int64(pe["spin_lines"][k])]
        state, owner = record["holder"] & BYTE, record["holder"] >> PE_SHIFT & BYTE
        if not (state > LINE_SHARED and owner == u64(i)) and not (state == LINE_SHARED and is_sharer(record, np.int64(i))):
            return False
    return True


@njit
def not_waiting(pe):  # type: ignore[no-untyped-def]
    """The PE does something that a loop of waiting does not."""
    pe["spin_rounds"] = pe["probing"] = ZERO


@njit
def _stalls(pe):  # type: ignore[no-untyped-def]
    """A sum of counts of which each grows when something else than blocks takes time."""
    return (pe["coherence_cycles"] + pe["n_l1i_misses"] + pe["n_l1d_misses"] + pe["n_entries"] + pe["n_returns"] + pe["n_interrupts"]
            + pe["n_steps"] + pe["n_mispredicts"] + pe["walk_cycles"])


@njit
def _is_as_before(m, i):  # type: ignore[no-untyped-def]
    """Whether exactly one round has passed since the registers were kept, and left all of them as they were."""
    pe, registers = pe_of(m, i), general(m, i)
    if _stalls(pe) != pe["spin_stalls"]:
        return False
    for k in range(REGISTERS):
        if registers[k] != pe["spin_registers"][k]:
            return False
    return pstate(m, i) == pe["spin_pstate"]


@njit
def _keep(m, i):  # type: ignore[no-untyped-def]
    pe, registers = pe_of(m, i), general(m, i)
    for k in range(REGISTERS):
        pe["spin_registers"][k] = registers[k]
    pe["spin_pstate"], pe["spin_stalls"] = pstate(m, i), _stalls(pe)
    pe["spin_base_cycles"], pe["spin_instructions"] = pe["cycles"], pe["instructions"]
    pe["spin_blocks"], pe["spin_branches"] = pe["blocks"], pe["n_branches"]


@njit
def falls_asleep(m, i):  # type: ignore[no-untyped-def]
    """A slice of PE i begins: whether it may sleep instead. Else, if it may be waiting, PE.probing: it is to be looked at after one round."""
    pe, machine = pe_of(m, i), machine_of(m)
    if pe["spin_rounds"] < ROUNDS_LEAST or machine["until"] != ZERO:
        pe["probing"] = ZERO
        return False
    passed = pe["cycles"] - pe["spin_base_cycles"]
    if pe["probing"] != ZERO and passed < pe["spin_period_cycles"]:
        return False
    probed = pe["probing"] != ZERO and passed == pe["spin_period_cycles"]
    pe["probing"] = ZERO
    if probed and pe["spin_key_cycles"] >= pe["spin_base_cycles"] and _is_as_before(m, i) and _still_has_lines(m, i):
        pe["asleep"] = ONE
        pe["spin_lead_cycles"] = pe["spin_key_cycles"] + pe["spin_period_cycles"] - pe["cycles"]
        if waiting_until(m, i) > pe["cycles"] + pe["spin_period_cycles"]:
            pe["spin_instructions"] = pe["instructions"] - pe["spin_instructions"]
            pe["spin_blocks"] = pe["blocks"] - pe["spin_blocks"]
            pe["spin_branches"] = pe["n_branches"] - pe["spin_branches"]
            machine["asleep"] += ONE
            return True
        pe["asleep"] = ZERO
        return False
    _keep(m, i)
    pe["probing"], pe["repeatable"] = ONE, ZERO
    return False


@njit
def go_round(m, j, rounds):  # type: ignore[no-untyped-def]
    """PE j, asleep, has gone round so often; it runs again."""
    pe = pe_of(m, j)
    pe["cycles"] += rounds * pe["spin_period_cycles"]
    pe["instructions"] += rounds * pe["spin_instructions"]
    pe["blocks"] += rounds * pe["spin_blocks"]
    pe["round_blocks"] += rounds * pe["spin_blocks"]
    pe["n_branches"] += rounds * pe["spin_branches"]
    pe["spin_cycles"] += rounds * pe["spin_period_cycles"]
    pe["spin_key_cycles"] = pe["cycles"] + pe["spin_lead_cycles"] - pe["spin_period_cycles"]
    pe["asleep"] = ZERO
    machine_of(m)["asleep"] -= ONE


@njit
def wakes_at(m, j, cycle):  # type: ignore[no-untyped-def]
    """PE j, asleep, has come to the end of a round at `cycle`."""
    pe = pe_of(m, j)
    go_round(m, j, (cycle - pe["cycles"]) // pe["spin_period_cycles"])


@njit
def wake(m, i, j):  # type: ignore[no-untyped-def]
    """What PE i does now may concern PE j: if that sleeps, it goes on with its first round whose loads come after it."""
    pe, key = pe_of(m, j), pe_of(m, i)["block_key_cycles"]
    if pe["asleep"] == ZERO:
        return
    period, rounds, loads = pe["spin_period_cycles"], ZERO, pe["cycles"] + pe["spin_lead_cycles"]
    if key > loads:
        rounds = (key - loads + period - ONE) // period
    if word_of(m, j, loads + rounds * period) < word_of(m, i, key):
        rounds += ONE
    go_round(m, j, rounds)
    reschedule(m, j)
    pe_of(m, i)["limit_cycles"] = ZERO


@njit
def wake_readers(m, i, offset):  # type: ignore[no-untyped-def]
    """PE i stores at `offset` in RAM, in a shared page: those that wait for the line are among those that have it."""
    record = lines_of(m)[np.int64(offset >> LINE_SHIFT)]
    owner = np.int64(record["holder"] >> PE_SHIFT & BYTE)
    if owner < pes_of(m).shape[0]:
        wake(m, i, owner)
    for part in range(4):
        bits, j = record["sharers"][part], 64 * part
        while bits != ZERO:
            if bits & ONE != ZERO:
                wake(m, i, np.int64(j))
            bits >>= ONE
            j += 1


@njit
def wake_everybody(m, i):  # type: ignore[no-untyped-def]
    """PE i does something rare."""
    for j in range(pes_of(m).shape[0]):
        wake(m, i, np.int64(j))


@njit(cache=True)
def end_waiting(m):  # type: ignore[no-untyped-def]
    """The run is over, or pauses: those that sleep have gone round as often as they could by the time of the PE that is furthest behind."""
    now = first_cycle(m)
    for j in range(pes_of(m).shape[0]):
        pe = pe_of(m, j)
        if pe["asleep"] != ZERO:
            wakes_at(m, j, max(now, pe["cycles"]))
            reschedule(m, j)
