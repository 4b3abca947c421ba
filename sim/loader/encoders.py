"""Words that Keystone cannot make: what holds an address, and what came after Armv8.0.

Operands are strings in canonical form: registers in lower case, immediates as #0x10 or #-0x10, memory as [x1,#0x8].
Encodings: Arm ARM (DDI 0487) C6.2, by the name of each instruction; C5.1 for system instructions.
"""

import re
from collections.abc import Callable, Sequence

from sim.loader.expression import ExpressionError
from sim.loader.system_names import BARRIER_OPTIONS, HINTS, PSTATE_FIELDS, SYSTEM_INSTRUCTIONS, Encoding, register_encoding

CONDITIONS = {name: code for code, names in enumerate(
    ("eq", "ne", "cs hs", "cc lo", "mi", "pl", "vs", "vc", "hi", "ls", "ge", "lt", "gt", "le", "al", "nv")) for name in names.split()}

_GENERAL = re.compile(r"([xw])(\d+|zr)|(w?sp)")
_BASE = re.compile(r"\[(x\d+|sp)(?:,(#-?0x[0-9a-f]+))?\]")


def is_immediate(operand: str) -> bool:
    """Whether an operand is an immediate."""
    return operand.startswith("#")


def immediate(operand: str, low: int, high: int) -> int:
    """The number of an immediate operand between low and high. ExpressionError for anything else."""
    if not is_immediate(operand):
        raise ExpressionError(f"`{operand}` should be an immediate")
    try:
        number = int(operand[1:], 16)
    except ValueError:
        raise ExpressionError(f"`{operand}` should be an integer") from None
    if not low <= number <= high:
        raise ExpressionError(f"the immediate {number:#x} is not between {low:#x} and {high:#x}")
    return number


def register(operand: str, widths: str = "xw", stack: bool = False) -> tuple[int, bool]:
    """The number of a general register and whether it is a 64-bit one; SP only where stack says so, the zero register only where not."""
    match = _GENERAL.fullmatch(operand)
    if match:
        width, number, sp = match.groups()
        if sp and stack and ("x" if sp == "sp" else "w") in widths:
            return 31, sp == "sp"
        if width and width in widths and not (stack and number == "zr"):
            return (31 if number == "zr" else int(number)), width == "x"
    wanted = "a 64-bit register" if widths == "x" else "a 32-bit register" if widths == "w" else "a register"
    raise ExpressionError(f"`{operand}` should be {wanted}{' or SP' if stack else ''}")


def base(operand: str, offset_allowed: bool = False) -> tuple[int, int]:
    """The base register and the offset of [x1] or [x1,#0x8]."""
    match = _BASE.fullmatch(operand)
    if not match or (match.group(2) and not offset_allowed and int(match.group(2)[1:], 16)):
        offset = "with an offset" if offset_allowed else "without an offset"
        raise ExpressionError(f"`{operand}` should be a base register in brackets {offset}")
    return register(match.group(1), "x", stack=True)[0], int((match.group(2) or "#0")[1:], 16)


def _count(operands: Sequence[str], *allowed: int) -> None:
    if len(operands) not in allowed:
        raise ExpressionError(f"{len(operands)} operands instead of {' or '.join(str(n) for n in allowed)}")


# --- addresses --------------------------------------------------------------------------------------------------------------------

def _distance(target: str, pc: int, bits: int) -> int:
    """Words from pc to target as a field of so many bits."""
    if not is_immediate(target):
        raise ExpressionError(f"`{target}` should be a label")
    offset = (int(target[1:], 16) - pc + (1 << 63)) % (1 << 64) - (1 << 63)
    if offset % 4:
        raise ExpressionError(f"the target {pc + offset:#x} is not word aligned")
    if not -(1 << bits + 1) <= offset < 1 << bits + 1:
        raise ExpressionError(f"the target {(pc + offset) & (2**64 - 1):#x} is out of range: {offset:+#x} bytes away")
    return offset >> 2 & (1 << bits) - 1


def _branch(mnemonic: str, operands: Sequence[str], pc: int) -> int:
    _count(operands, 1)
    return (0x94000000 if mnemonic == "bl" else 0x14000000) | _distance(operands[0], pc, 26)


def _branch_condition(mnemonic: str, operands: Sequence[str], pc: int) -> int:
    _count(operands, 1)
    return 0x54000000 | _distance(operands[0], pc, 19) << 5 | CONDITIONS[mnemonic.removeprefix("b").removeprefix(".")]


def _compare_branch(mnemonic: str, operands: Sequence[str], pc: int) -> int:
    _count(operands, 2)
    number, wide = register(operands[0])
    return 0x34000000 | wide << 31 | (mnemonic == "cbnz") << 24 | _distance(operands[1], pc, 19) << 5 | number


def _test_branch(mnemonic: str, operands: Sequence[str], pc: int) -> int:
    _count(operands, 3)
    number, wide = register(operands[0])
    bit = immediate(operands[1], 0, 63 if wide else 31)
    return 0x36000000 | (bit >> 5) << 31 | (mnemonic == "tbnz") << 24 | (bit & 31) << 19 | _distance(operands[2], pc, 14) << 5 | number


def _address(mnemonic: str, operands: Sequence[str], pc: int) -> int:
    _count(operands, 2)
    number, _ = register(operands[0], "x")
    if not is_immediate(operands[1]):
        raise ExpressionError(f"`{operands[1]}` should be a label")
    target = int(operands[1][1:], 16)
    offset = (target >> 12) - (pc >> 12) if mnemonic == "adrp" else target - pc
    if not -(1 << 20) <= offset < 1 << 20:
        raise ExpressionError(f"the target {target & (2**64 - 1):#x} is out of range of {mnemonic} at {pc:#x}")
    return (0x90000000 if mnemonic == "adrp" else 0x10000000) | (offset & 3) << 29 | (offset >> 2 & 0x7FFFF) << 5 | number


_PREFETCH = {f"{kind}l{level}{policy}": (k << 3) | (level - 1 << 1) | p for k, kind in enumerate(("pld", "pli", "pst"))
             for level in (1, 2, 3) for p, policy in enumerate(("keep", "strm"))}


def _load_literal(mnemonic: str, operands: Sequence[str], pc: int) -> int | None:
    if len(operands) != 2 or not is_immediate(operands[1]):
        return None                     # a load with a base register
    target = operands[0]
    if mnemonic == "prfm":
        number = _PREFETCH[target] if target in _PREFETCH else immediate(target, 0, 31)
        opcode = 0xD8000000
    elif mnemonic == "ldrsw":
        number, opcode = register(target, "x")[0], 0x98000000
    elif re.fullmatch(r"[sdq]\d+", target):
        number, opcode = int(target[1:]), {"s": 0x1C000000, "d": 0x5C000000, "q": 0x9C000000}[target[0]]
    else:
        number, wide = register(target)
        opcode = 0x58000000 if wide else 0x18000000
    return opcode | _distance(operands[1], pc, 19) << 5 | number


# --- moves ------------------------------------------------------------------------------------------------------------------------

def bitmask_fields(value: int, width: int) -> int | None:
    """N:immr:imms of a logical immediate, or None. Arm ARM (DDI 0487), DecodeBitMasks."""
    value &= (1 << width) - 1
    size = width
    while size > 2 and value >> size // 2 & (1 << size // 2) - 1 == value & (1 << size // 2) - 1 and \
            value == sum((value & (1 << size // 2) - 1) << at for at in range(0, width, size // 2)):
        size //= 2
    element = value & (1 << size) - 1
    ones = element.bit_count()
    if ones in (0, size):
        return None
    run = (1 << ones) - 1
    for rotation in range(size):
        if (run >> rotation | run << size - rotation) & (1 << size) - 1 == element:
            return (size == 64) << 12 | rotation << 6 | (-(size << 1) & 0x3F) | ones - 1
    return None


def _move(mnemonic: str, operands: Sequence[str], pc: int) -> int | None:
    if len(operands) != 2 or not is_immediate(operands[1]):
        return None                     # between registers
    to_stack = operands[0] in ("sp", "wsp")
    number, wide = register(operands[0], stack=to_stack)
    width = 64 if wide else 32
    signed = int(operands[1][1:], 16)
    if not -(1 << width - 1) <= signed < 1 << width:
        raise ExpressionError(f"the immediate {signed:#x} does not fit in {width} bits")
    value = signed & (1 << width) - 1
    if not to_stack:
        for opcode, moved in ((0x52800000, value), (0x12800000, ~value & (1 << width) - 1)):        # MOVZ, MOVN
            for shift in range(0, width, 16):
                if moved >> shift << shift == moved and moved >> shift < 1 << 16:
                    return opcode | wide << 31 | shift // 16 << 21 | moved >> shift << 5 | number
    fields = bitmask_fields(value, width)
    if fields is None:
        raise ExpressionError(f"the immediate {value:#x} cannot be moved by one instruction: use ldr {operands[0]}, ={value:#x}")
    return 0x320003E0 | wide << 31 | fields << 10 | number


# --- system -----------------------------------------------------------------------------------------------------------------------

def _system(encoding: Encoding, number: int, read: bool = False) -> int:
    op0, op1, crn, crm, op2 = encoding
    return 0xD5000000 | read << 21 | op0 << 19 | op1 << 16 | crn << 12 | crm << 8 | op2 << 5 | number


def _named_register(name: str) -> Encoding:
    encoding = register_encoding(name)
    if encoding is None:
        raise ExpressionError(f"unknown system register `{name}`: it can be written as S3_0_C0_C0_0")
    return encoding


def _mrs(mnemonic: str, operands: Sequence[str], pc: int) -> int:
    _count(operands, 2)
    return _system(_named_register(operands[1]), register(operands[0], "x")[0], read=True)


def _msr(mnemonic: str, operands: Sequence[str], pc: int) -> int:
    _count(operands, 2)
    if is_immediate(operands[1]):
        if operands[0] not in PSTATE_FIELDS:
            raise ExpressionError(f"`{operands[0]}` cannot be written with an immediate")
        op1, op2 = PSTATE_FIELDS[operands[0]]
        return 0xD500401F | op1 << 16 | immediate(operands[1], 0, 15) << 8 | op2 << 5
    return _system(_named_register(operands[0]), register(operands[1], "x")[0])


def _system_instruction(mnemonic: str, operands: Sequence[str], pc: int) -> int:
    _count(operands, 1, 2)
    row = SYSTEM_INSTRUCTIONS[mnemonic].get(operands[0])
    if row is None:
        raise ExpressionError(f"`{operands[0]}` is not an operation of {mnemonic}")
    encoding, takes_register = row
    if takes_register != (len(operands) == 2):
        raise ExpressionError(f"{mnemonic} {operands[0]} takes {'a' if takes_register else 'no'} register")
    return _system(encoding, register(operands[1], "x")[0] if takes_register else 31)


def _barrier(mnemonic: str, operands: Sequence[str], pc: int) -> int:
    _count(operands, *((0, 1) if mnemonic in ("isb", "clrex") else (1,)))
    option = operands[0] if operands else "#0xf"
    if mnemonic == "dsb" and option.endswith("nxs"):
        domains = {"oshnxs": 0, "nshnxs": 1, "ishnxs": 2, "synxs": 3}
        if option in domains:
            return 0xD503323F | domains[option] << 10
    allowed = {"sy": 15} if mnemonic == "isb" else {} if mnemonic == "clrex" else BARRIER_OPTIONS
    if option not in allowed and not is_immediate(option):
        raise ExpressionError(f"`{option}` is not an option of {mnemonic}")
    code = allowed[option] if option in allowed else immediate(option, 0, 15)
    return {"dsb": 0xD503309F, "dmb": 0xD50330BF, "isb": 0xD50330DF, "clrex": 0xD503305F}[mnemonic] | code << 8


def _hint(mnemonic: str, operands: Sequence[str], pc: int) -> int:
    if mnemonic == "hint":
        _count(operands, 1)
        return 0xD503201F | immediate(operands[0], 0, 127) << 5
    name = " ".join((mnemonic, *operands))
    if name not in HINTS:
        raise ExpressionError(f"`{' '.join(operands)}` is no operand of {mnemonic}")
    return 0xD503201F | HINTS[name] << 5


_FIXED = {"sb": 0xD50330FF, "ssbb": 0xD503309F, "pssbb": 0xD503349F, "cfinv": 0xD500401F, "xaflag": 0xD500403F, "axflag": 0xD500405F,
          "retaa": 0xD65F0BFF, "retab": 0xD65F0FFF, "eretaa": 0xD69F0BFF, "eretab": 0xD69F0FFF}


def _fixed(mnemonic: str, operands: Sequence[str], pc: int) -> int:
    _count(operands, 0)
    return _FIXED[mnemonic]


def _wait_timeout(mnemonic: str, operands: Sequence[str], pc: int) -> int:
    _count(operands, 1)
    return (0xD5031000 if mnemonic == "wfet" else 0xD5031020) | register(operands[0], "x")[0]


def _undefined(mnemonic: str, operands: Sequence[str], pc: int) -> int:
    _count(operands, 1)
    return immediate(operands[0], 0, 0xFFFF)


Encoder = Callable[[str, Sequence[str], int], int | None]

ENCODERS: dict[str, Encoder] = {
    "b": _branch, "bl": _branch, "cbz": _compare_branch, "cbnz": _compare_branch, "tbz": _test_branch, "tbnz": _test_branch,
    "adr": _address, "adrp": _address, "ldr": _load_literal, "ldrsw": _load_literal, "prfm": _load_literal, "mov": _move,
    "mrs": _mrs, "msr": _msr, "tlbi": _system_instruction, "at": _system_instruction, "dc": _system_instruction, "ic": _system_instruction,
    "dsb": _barrier, "dmb": _barrier, "isb": _barrier, "clrex": _barrier, "hint": _hint, "wfet": _wait_timeout, "wfit": _wait_timeout,
    "udf": _undefined,
}
ENCODERS.update(dict.fromkeys((f"b.{condition}" for condition in CONDITIONS), _branch_condition))
ENCODERS.update(dict.fromkeys((f"b{condition}" for condition in CONDITIONS), _branch_condition))
ENCODERS.update(dict.fromkeys((name.split()[0] for name in HINTS), _hint))
ENCODERS.update(dict.fromkeys(_FIXED, _fixed))

# The operand that is a label, counted from the end, so that a label may be called like a register (b1, d0).
LABEL_LAST = frozenset({"b", "bl", "cbz", "cbnz", "tbz", "tbnz", "adr", "adrp"}
                       | {name for name, encoder in ENCODERS.items() if encoder is _branch_condition})
