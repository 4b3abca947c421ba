"""One instruction, read instead of executed: what it may access, and what it leaves in the registers.

Exact for what kernels compute addresses with: moves, additions, pcpu and table registers, loads of what was stored on the stack or, as a
constant, in the kernel's globals. Everything else leaves its registers unknown. Instructions are Capstone's.
"""
from collections.abc import Mapping
from dataclasses import dataclass

import capstone
from capstone import arm64

from sim.observers.entry_values import (
    NUMBER,
    PCPU_BASE,
    SP,
    STACK_BASE,
    TABLES_BASE,
    UNKNOWN,
    UNKNOWN_BASE,
    ZERO,
    Memory,
    Registers,
    Value,
    blurred,
    joined,
    moved,
    number,
)

READ, WRITE, BOTH = "read", "write", "read, write"
_REGISTERS = {f"{letter}{index}": index for letter in "xw" for index in range(31)} | {
    "fp": 29, "lr": 30, "sp": SP, "wsp": SP, "xzr": ZERO, "wzr": ZERO}
_ATOMICS = ("ldadd", "ldset", "ldclr", "ldeor", "ldsmax", "ldsmin", "ldumax", "ldumin", "swp", "cas", "stadd", "stset", "stclr")
_ZVA_BYTES = 64
_SPECIAL = {"tpidr_el1": Value(PCPU_BASE), "ttbr1_el1": Value(TABLES_BASE), "ttbr0_el1": Value(TABLES_BASE)}
_WORD_BYTES = 8


@dataclass(frozen=True, slots=True)
class Access:
    """A load or store: which, where, and how many bytes."""

    how: str
    place: Value
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Known:
    """What is known beside the code: numbers in memory, what pointers in an object lead to ("pcpu", offset), sizes of tables by their address."""

    memory: Memory
    pointers: Mapping[tuple[str, int], Value]
    tables: Mapping[int, int]


def decoder() -> capstone.Cs:
    """A decoder of A64 that gives operands."""
    made = capstone.Cs(capstone.CS_ARCH_ARM64, capstone.CS_MODE_ARM)
    made.detail = True
    return made


def register_of(instruction: capstone.CsInsn, place: int) -> int | None:
    """Index of a general register that is an operand, None for anything else."""
    operands = instruction.operands
    if place >= len(operands) or operands[place].type != arm64.ARM64_OP_REG:
        return None
    return _REGISTERS.get(instruction.reg_name(operands[place].reg))


def step(instruction: capstone.CsInsn, registers: Registers, known: Known) -> Access | None:
    """Change `registers` as the instruction does; returns its access. Branches change nothing here."""
    memory = next((one for one in instruction.operands if one.type == arm64.ARM64_OP_MEM), None)
    if memory is not None and not instruction.mnemonic.startswith("prfm"):
        return _access(instruction, registers, memory, known)
    if instruction.mnemonic == "dc" and instruction.op_str.startswith("zva"):
        register = register_of(instruction, 1)
        return Access(WRITE, registers.read(register), _ZVA_BYTES) if register is not None else None
    result = register_of(instruction, 0)
    if result is not None:
        _compute(instruction, registers, result)
    return None


def _compute(instruction: capstone.CsInsn, registers: Registers, result: int) -> None:
    name, operands = instruction.mnemonic, instruction.operands
    first = register_of(instruction, 1)
    if name == "mrs":
        registers.write(result, _SPECIAL.get(instruction.op_str.split(",")[-1].strip(), UNKNOWN))
    elif name in ("adr", "adrp", "mov", "movz") and operands[-1].type == arm64.ARM64_OP_IMM:
        registers.write(result, number(operands[-1].imm << operands[-1].shift.value))
    elif name == "movn":
        registers.write(result, number(~(operands[-1].imm << operands[-1].shift.value)))
    elif name == "movk":
        old, shift = registers.read(result).number, operands[-1].shift.value
        registers.write(result, UNKNOWN if old is None else number(old & ~(0xFFFF << shift) | operands[-1].imm << shift))
    elif name == "mov" and first is not None:
        registers.write(result, registers.read(first))
    elif name in ("add", "adds", "sub", "subs") and first is not None:
        registers.write(result, _sum(registers.read(first), _operand(instruction, registers, 2), name.startswith("sub")))
    elif name in ("and", "orr", "bic", "eor", "lsl", "lsr") and first is not None:
        registers.write(result, _bits(name, registers.read(first), _operand(instruction, registers, 2)))
    elif name in ("csel",) and first is not None:
        registers.write(result, joined(registers.read(first), registers.read(register_of(instruction, 2) or ZERO)))
    elif name not in ("cbz", "cbnz", "tbz", "tbnz", "br", "blr", "ret", "cmp", "cmn", "tst", "msr", "ccmp"):
        for register in instruction.regs_access()[1]:
            index = _REGISTERS.get(instruction.reg_name(register))
            if index is not None:
                registers.write(index, UNKNOWN)


def _operand(instruction: capstone.CsInsn, registers: Registers, place: int) -> Value:
    """The last operand of an addition or a logical instruction, shifted."""
    operand = instruction.operands[place]
    if operand.type == arm64.ARM64_OP_IMM:
        return number(operand.imm << operand.shift.value)
    register = register_of(instruction, place)
    value = registers.read(register) if register is not None else UNKNOWN
    if operand.ext:
        return UNKNOWN if value.number is None else value
    if operand.shift.type == arm64.ARM64_SFT_INVALID:
        return value
    if value.number is None:
        return UNKNOWN
    if operand.shift.type == arm64.ARM64_SFT_LSL:
        return number(value.number << operand.shift.value)
    return number(value.number >> operand.shift.value) if operand.shift.type == arm64.ARM64_SFT_LSR else UNKNOWN


def _sum(one: Value, other: Value, minus: bool) -> Value:
    if one.number is not None and other.base not in (NUMBER, UNKNOWN_BASE) and not minus:
        one, other = other, one
    if other.number is not None:
        bytes_ = -other.number if minus else other.number
        if one.base == NUMBER:
            return moved(one, bytes_)
        return moved(one, (bytes_ + (1 << 63)) % (1 << 64) - (1 << 63))
    if minus and other.base == one.base and one.base != NUMBER:
        return UNKNOWN                                      # the difference of two pointers
    if one.base == UNKNOWN_BASE or (one.base == NUMBER and one.offset < 1 << 16):
        return UNKNOWN if minus else blurred(other)         # an index before its base
    return blurred(one)


def _bits(name: str, one: Value, other: Value) -> Value:
    if TABLES_BASE in (one.base, other.base):
        return Value(TABLES_BASE, 0, False)
    left, right = one.number, other.number
    if left is None or right is None:
        return blurred(one) if name in ("and", "bic", "orr") and one.base != NUMBER and right is not None else UNKNOWN
    results = {"and": left & right, "orr": left | right, "bic": left & ~right, "eor": left ^ right, "lsl": left << (right & 63),
               "lsr": left >> (right & 63)}
    return number(results[name])


def _access(instruction: capstone.CsInsn, registers: Registers, memory: capstone.arm64.Arm64Op, known: Known) -> Access:
    """A load or store with its write-back."""
    name = instruction.mnemonic
    base = _REGISTERS[instruction.reg_name(memory.mem.base)]
    place = moved(registers.read(base), memory.mem.disp)
    if memory.mem.index:
        index = _REGISTERS.get(instruction.reg_name(memory.mem.index), ZERO)
        value = registers.read(index).number
        place = blurred(place) if value is None else moved(place, value << memory.shift.value)
    if instruction.post_index:
        written = _operand(instruction, registers, len(instruction.operands) - 1)
        after = _sum(registers.read(base), written, minus=False)
    else:
        after = place
    data = [place_ for place_ in range(len(instruction.operands)) if instruction.operands[place_].type == arm64.ARM64_OP_REG]
    is_atomic = name.startswith(_ATOMICS)
    stores = name.startswith("st") and not is_atomic
    if stores and name.startswith(("stxr", "stlxr", "stxp", "stlxp")):
        registers_status = register_of(instruction, data.pop(0))
        if registers_status is not None:
            registers.write(registers_status, UNKNOWN)
    if is_atomic:
        data = data[1:2] if not name.startswith("cas") else data[:1]
    each_bytes = _bytes_of(instruction, data)
    size_bytes = each_bytes * (1 if is_atomic else max(1, len(data)))
    for order, operand in enumerate(data):
        register = register_of(instruction, operand)
        here = moved(place, order * each_bytes)
        if stores:
            _store(registers, here, UNKNOWN if register is None else registers.read(register), each_bytes)
        elif register is not None:
            registers.write(register, UNKNOWN if is_atomic or each_bytes < _WORD_BYTES else _load(registers, here, known))
    if instruction.writeback:
        registers.write(base, after)
    return Access(BOTH if is_atomic else WRITE if stores else READ, place, size_bytes)


def _bytes_of(instruction: capstone.CsInsn, data: list[int]) -> int:
    name = instruction.mnemonic.rstrip("l") if instruction.mnemonic.startswith(_ATOMICS) else instruction.mnemonic
    if name.endswith("b") and name != "stlb":
        return 1
    if name.endswith("h"):
        return 2
    if name.endswith("sw") or not data:
        return 4
    letter = instruction.reg_name(instruction.operands[data[0]].reg)[0]
    return {"w": 4, "q": 16, "d": 8, "s": 4 if "sp" not in instruction.op_str.split(",")[0] else 8, "h": 2, "b": 1}.get(letter, 8)


def _store(registers: Registers, place: Value, value: Value, size_bytes: int) -> None:
    if place.base != STACK_BASE:
        return
    if place.exact and size_bytes == _WORD_BYTES:
        registers.stack[place.offset] = value
    elif not place.exact:
        registers.stack.clear()
    else:
        registers.stack.pop(place.offset & ~7, None)


def _load(registers: Registers, place: Value, known: Known) -> Value:
    """Eight bytes from memory."""
    if place.base == STACK_BASE and place.exact:
        return registers.stack.get(place.offset, UNKNOWN)
    if place.base == TABLES_BASE:
        return Value(TABLES_BASE, 0, False)
    if place.base == NUMBER:
        return _global(place, known)
    if place.base == UNKNOWN_BASE or place.base.startswith("*") or not place.exact:
        return UNKNOWN
    return known.pointers.get((place.base, place.offset), Value(f"*{place.base}+{place.offset:#x}"))


def _global(place: Value, known: Known) -> Value:
    """A word of the kernel's globals: what code was seen to store there. The word of a table whose index is unknown is any of its words."""
    if place.exact and not place.others:
        found = known.memory.get(place.offset, frozenset())
    else:
        size_bytes = known.tables.get(place.offset, 0)
        found = frozenset().union(*(known.memory.get(place.offset + at, frozenset()) for at in range(0, size_bytes, _WORD_BYTES)))
    if not found:
        return Value(f"*{NUMBER}+{place.offset:#x}") if place.exact else UNKNOWN
    least = min(found)
    return Value(NUMBER, least, True, found - {least})
