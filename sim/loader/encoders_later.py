"""Instructions of Armv8.1 and later that Keystone does not know: atomics, release-consistent loads, pointer authentication, flags.

Encodings: Arm ARM (DDI 0487) C6.2, by the name of each instruction.
"""

from collections.abc import Sequence

from sim.loader.encoders import ENCODERS, Encoder, base, immediate, register
from sim.loader.expression import ExpressionError

_ORDERS = {"": 0, "a": 2, "l": 1, "al": 3}                          # bit 1 acquire, bit 0 release
_WIDTHS = ("", "b", "h")


def _need(operands: Sequence[str], count: int) -> None:
    if len(operands) != count:
        raise ExpressionError(f"{len(operands)} operands instead of {count}")


def _sized(operands: Sequence[str], width: str) -> tuple[int, list[int]]:
    """The size field and the numbers of data registers that must all have one width."""
    numbers, wides = zip(*(register(operand, "w" if width else "xw") for operand in operands), strict=True)
    if len(set(wides)) > 1:
        raise ExpressionError("the registers have different widths")
    return {"b": 0, "h": 1, "": 3 if wides[0] else 2}[width], list(numbers)


def _atomic(opcode: int, order: int, width: str, to_memory: bool) -> Encoder:
    """LD<op>, SWP (opcode 8), and ST<op>, which is LD<op> to the zero register."""
    def encode(mnemonic: str, operands: Sequence[str], pc: int) -> int:
        _need(operands, 2 if to_memory else 3)
        size, numbers = _sized(operands[:-1], width)
        target = 31 if to_memory else numbers[1]
        return 0x38200000 | size << 30 | order << 22 | numbers[0] << 16 | opcode << 12 | base(operands[-1])[0] << 5 | target
    return encode


def _compare_and_swap(order: int, width: str) -> Encoder:
    def encode(mnemonic: str, operands: Sequence[str], pc: int) -> int:
        _need(operands, 3)
        size, (compared, stored) = _sized(operands[:2], width)
        return 0x08A07C00 | size << 30 | (order >> 1) << 22 | compared << 16 | (order & 1) << 15 | base(operands[2])[0] << 5 | stored
    return encode


def _compare_and_swap_pair(order: int) -> Encoder:
    def encode(mnemonic: str, operands: Sequence[str], pc: int) -> int:
        _need(operands, 5)
        size, numbers = _sized(operands[:4], "")
        if numbers[0] % 2 or numbers[2] % 2 or numbers[1] != numbers[0] + 1 or numbers[3] != numbers[2] + 1:
            raise ExpressionError(f"{mnemonic} takes pairs of an even register and the one after it")
        word = 0x08207C00 | (size - 2) << 30 | (order >> 1) << 22 | (order & 1) << 15
        return word | numbers[0] << 16 | base(operands[4])[0] << 5 | numbers[2]
    return encode


def _ordered(opcode: int, width: str) -> Encoder:
    """One data register and a base without an offset: LDAPR, LDLAR, STLLR."""
    def encode(mnemonic: str, operands: Sequence[str], pc: int) -> int:
        _need(operands, 2)
        size, (number,) = _sized(operands[:1], width)
        return opcode | size << 30 | base(operands[1])[0] << 5 | number
    return encode


def _unscaled(size: int, opc: int, registers: str) -> Encoder:
    """LDAPUR and STLUR. size 2 with registers "xw" means 2 or 3 by the register."""
    def encode(mnemonic: str, operands: Sequence[str], pc: int) -> int:
        _need(operands, 2)
        number, wide = register(operands[0], registers)
        base_number, offset = base(operands[1], offset_allowed=True)
        if not -256 <= offset < 256:
            raise ExpressionError(f"the offset {offset:#x} is not between -256 and 255")
        real_size = 3 if registers == "xw" and wide and size == 2 else size
        real_opc = opc + (registers == "xw" and not wide and opc == 2)      # sign-extending to 32 bits
        return 0x19000000 | real_size << 30 | real_opc << 22 | (offset & 0x1FF) << 12 | base_number << 5 | number
    return encode


def _authenticate(opcode: int, zero: bool) -> Encoder:
    def encode(mnemonic: str, operands: Sequence[str], pc: int) -> int:
        _need(operands, 1 if zero else 2)
        modifier = 31 if zero else register(operands[1], "x", stack=operands[1] == "sp")[0]
        return 0xDAC10000 | opcode << 10 | modifier << 5 | register(operands[0], "x")[0]
    return encode


def _authenticated_branch(word: int, zero: bool) -> Encoder:
    def encode(mnemonic: str, operands: Sequence[str], pc: int) -> int:
        _need(operands, 1 if zero else 2)
        modifier = 31 if zero else register(operands[1], "x", stack=operands[1] == "sp")[0]
        return word | register(operands[0], "x")[0] << 5 | modifier
    return encode


def _pacga(mnemonic: str, operands: Sequence[str], pc: int) -> int:
    _need(operands, 3)
    modifier = register(operands[2], "x", stack=operands[2] == "sp")[0]
    return 0x9AC03000 | modifier << 16 | register(operands[1], "x")[0] << 5 | register(operands[0], "x")[0]


def _rmif(mnemonic: str, operands: Sequence[str], pc: int) -> int:
    _need(operands, 3)
    return 0xBA000400 | immediate(operands[1], 0, 63) << 15 | register(operands[0], "x")[0] << 5 | immediate(operands[2], 0, 15)


def _setf(mnemonic: str, operands: Sequence[str], pc: int) -> int:
    _need(operands, 1)
    return (0x3A00480D if mnemonic == "setf16" else 0x3A00080D) | register(operands[0], "w")[0] << 5


def _add_atomics() -> None:
    operations = ("add", "clr", "eor", "set", "smax", "smin", "umax", "umin")
    for width in _WIDTHS:
        for order_name, order in _ORDERS.items():
            for opcode, operation in enumerate(operations):
                ENCODERS[f"ld{operation}{order_name}{width}"] = _atomic(opcode, order, width, to_memory=False)
                if order < 2:
                    ENCODERS[f"st{operation}{order_name}{width}"] = _atomic(opcode, order, width, to_memory=True)
            ENCODERS[f"swp{order_name}{width}"] = _atomic(8, order, width, to_memory=False)
            ENCODERS[f"cas{order_name}{width}"] = _compare_and_swap(order, width)
        ENCODERS[f"ldapr{width}"] = _ordered(0x38BFC000, width)
        ENCODERS[f"ldlar{width}"] = _ordered(0x08DF7C00, width)
        ENCODERS[f"stllr{width}"] = _ordered(0x089F7C00, width)
    for order_name, order in _ORDERS.items():
        ENCODERS[f"casp{order_name}"] = _compare_and_swap_pair(order)
    ENCODERS.update({"stlur": _unscaled(2, 0, "xw"), "ldapur": _unscaled(2, 1, "xw"), "ldapursw": _unscaled(2, 2, "x"),
                     "stlurb": _unscaled(0, 0, "w"), "ldapurb": _unscaled(0, 1, "w"), "ldapursb": _unscaled(0, 2, "xw"),
                     "stlurh": _unscaled(1, 0, "w"), "ldapurh": _unscaled(1, 1, "w"), "ldapursh": _unscaled(1, 2, "xw")})


def _add_pointer_authentication() -> None:
    for opcode, name in enumerate(("pacia", "pacib", "pacda", "pacdb", "autia", "autib", "autda", "autdb")):
        ENCODERS[name] = _authenticate(opcode, zero=False)
        ENCODERS[f"{name[:4]}z{name[4:]}"] = _authenticate(opcode + 8, zero=True)
    ENCODERS["xpaci"], ENCODERS["xpacd"] = _authenticate(16, zero=True), _authenticate(17, zero=True)
    for key, bit in (("a", 0), ("b", 0x400)):
        ENCODERS[f"bra{key}"] = _authenticated_branch(0xD71F0800 | bit, zero=False)
        ENCODERS[f"blra{key}"] = _authenticated_branch(0xD73F0800 | bit, zero=False)
        ENCODERS[f"bra{key}z"] = _authenticated_branch(0xD61F0800 | bit, zero=True)
        ENCODERS[f"blra{key}z"] = _authenticated_branch(0xD63F0800 | bit, zero=True)
    ENCODERS["pacga"] = _pacga


_add_atomics()
_add_pointer_authentication()
ENCODERS.update({"rmif": _rmif, "setf8": _setf, "setf16": _setf})
