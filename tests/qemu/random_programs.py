"""Straight programs of random instructions whose final registers and memory an image prints, one program after another.

Integer and SIMD&FP data processing, loads and stores of every form, atomics, exclusives, CRC and short branches, with the MMU on. Nothing
that depends on time, on the implementation or on an extension that the profiles do not share. The same seed gives the same source.
Registers: x0 to x27 and v0 to v31 are the program's, x28 holds the data area, x29 an address within it, x30 is scratch.
"""

import random
from collections.abc import Callable

DATA_BYTES = 1024
CONDITIONS = ("eq", "ne", "cs", "cc", "mi", "pl", "vs", "vc", "hi", "ls", "ge", "lt", "gt", "le")
BITMASKS = (0x1, 0xFF, 0x7FFF_FFFF, 0xF0F0_F0F0_F0F0_F0F0, 0x5555_5555_5555_5555, 0x8000_0000_0000_0000, 0xFFFF_0000_FFFF_0000, 0x3FC,
            0x0101_0101_0101_0101)
BITMASKS_32 = (0x1, 0xFF, 0x7FFF_FFFF, 0xF0F0_F0F0, 0x5555_5555, 0x8000_0000, 0xFFFF_0000, 0x3FC, 0x0101_0101)
FP_VALUES = (
    0x3FF0_0000_0000_0000, 0xC009_21FB_5444_2D18, 0x7FF0_0000_0000_0000, 0xFFF0_0000_0000_0000, 0x7FF8_0000_0000_0000,
    0x7FF0_0000_0000_0001, 0x0000_0000_0000_0001, 0x8000_0000_0000_0000, 0x0010_0000_0000_0000, 0x7FEF_FFFF_FFFF_FFFF,
    0x3F80_0000_C049_0FDB, 0x7F80_0000_FF80_0001, 0x0000_0001_7FC0_0000, 0x41EF_FFFF_FFE0_0000, 0x43E0_0000_0000_0000,
    0x4F00_0000_BF00_0000,
)
VECTORS = ("8b", "16b", "4h", "8h", "2s", "4s", "2d")
FP_VECTORS = ("2s", "4s", "2d")


class Writer:
    """Source text of one program under way."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.lines: list[str] = []

    def put(self, *lines: str) -> None:
        """Append instructions."""
        self.lines += [f"    {line}" for line in lines]

    def x(self) -> str:
        """A 64-bit register of the program."""
        return f"x{self.rng.randrange(28)}"

    def r(self, width: str, *, zero: bool = True) -> str:
        """A register of a width "w" or "x", now and then the zero register."""
        return f"{width}zr" if zero and self.rng.random() < 0.05 else f"{width}{self.rng.randrange(28)}"

    def v(self, prefix: str = "v") -> str:
        """A SIMD&FP register under one of its names."""
        return f"{prefix}{self.rng.randrange(32)}"

    def pick(self, *choices: str) -> str:
        """One of the texts."""
        return self.rng.choice(choices)

    def address(self, size_bytes: int) -> None:
        """x29: an aligned address in the data area, 64 bytes from its ends."""
        self.put(f"add x29, x28, #{self.rng.randrange(64 // size_bytes, (DATA_BYTES - 128) // size_bytes) * size_bytes}")


def arithmetic(w: Writer) -> None:
    """ADD, SUB, logical operations, carries: immediate, shifted and extended."""
    names: tuple[str, ...]
    width = w.pick("w", "x")
    bits = 32 if width == "w" else 64
    kind = w.rng.randrange(6)
    if kind == 0:
        names = ("add", "sub", "adds", "subs")
        w.put(f"{w.pick(*names)} {w.r(width, zero=False)}, {w.r(width, zero=False)}, #{w.rng.randrange(4096)}, lsl #{w.pick('0', '12')}")
    elif kind == 1:
        shift = f"{w.pick('lsl', 'lsr', 'asr')} #{w.rng.randrange(bits)}"
        w.put(f"{w.pick('add', 'sub', 'adds', 'subs')} {w.r(width)}, {w.r(width)}, {w.r(width)}, {shift}")
    elif kind == 2:
        extend = w.pick("uxtb", "uxth", "uxtw", "sxtb", "sxth", "sxtw")
        names = ("add", "sub", "adds", "subs")
        w.put(f"{w.pick(*names)} {w.r(width, zero=False)}, {w.r(width, zero=False)}, {w.r('w')}, {extend} #{w.rng.randrange(5)}")
    elif kind == 3:
        shift = f"{w.pick('lsl', 'lsr', 'asr', 'ror')} #{w.rng.randrange(bits)}"
        w.put(f"{w.pick('and', 'orr', 'eor', 'bic', 'orn', 'eon', 'ands', 'bics')} {w.r(width)}, {w.r(width)}, {w.r(width)}, {shift}")
    elif kind == 4:
        mask = w.rng.choice(BITMASKS_32 if bits == 32 else BITMASKS)
        w.put(f"{w.pick('and', 'orr', 'eor', 'ands')} {w.r(width, zero=False)}, {w.r(width)}, #{mask:#x}")
    else:
        w.put(f"{w.pick('adc', 'sbc', 'adcs', 'sbcs')} {w.r(width)}, {w.r(width)}, {w.r(width)}")


def moves(w: Writer) -> None:
    """Wide moves, shifts, bit fields, counts and reversals, conditional selects and compares."""
    width = w.pick("w", "x")
    bits = 32 if width == "w" else 64
    kind = w.rng.randrange(7)
    if kind == 0:
        w.put(f"{w.pick('movz', 'movn', 'movk')} {w.r(width)}, #{w.rng.randrange(65536)}, lsl #{16 * w.rng.randrange(bits // 16)}")
    elif kind == 1:
        w.put(f"{w.pick('lsl', 'lsr', 'asr', 'ror')} {w.r(width)}, {w.r(width)}, {w.r(width)}")
    elif kind == 2:
        low = w.rng.randrange(bits)
        w.put(f"{w.pick('sbfm', 'bfm', 'ubfm')} {w.r(width)}, {w.r(width)}, #{low}, #{w.rng.randrange(bits)}")
    elif kind == 3:
        w.put(f"{w.pick('clz', 'cls', 'rbit', 'rev', 'rev16')} {w.r(width)}, {w.r(width)}")
    elif kind == 4:
        w.put(f"{w.pick('csel', 'csinc', 'csinv', 'csneg')} {w.r(width)}, {w.r(width)}, {w.r(width)}, {w.rng.choice(CONDITIONS)}")
    elif kind == 5:
        second = w.pick(w.r(width), f"#{w.rng.randrange(32)}")
        w.put(f"{w.pick('ccmp', 'ccmn')} {w.r(width)}, {second}, #{w.rng.randrange(16)}, {w.rng.choice(CONDITIONS)}")
    else:
        w.put(f"extr {w.r(width)}, {w.r(width)}, {w.r(width)}, #{w.rng.randrange(bits)}")


def products(w: Writer) -> None:
    """Multiplication, division, CRC."""
    width = w.pick("w", "x")
    kind = w.rng.randrange(5)
    if kind == 0:
        w.put(f"{w.pick('madd', 'msub')} {w.r(width)}, {w.r(width)}, {w.r(width)}, {w.r(width)}")
    elif kind == 1:
        w.put(f"{w.pick('smaddl', 'umaddl', 'smsubl', 'umsubl')} {w.r('x')}, {w.r('w')}, {w.r('w')}, {w.r('x')}")
    elif kind == 2:
        w.put(f"{w.pick('smulh', 'umulh')} {w.r('x')}, {w.r('x')}, {w.r('x')}")
    elif kind == 3:
        w.put(f"{w.pick('sdiv', 'udiv')} {w.r(width)}, {w.r(width)}, {w.r(width)}")
    else:
        size = w.pick("b", "h", "w", "x")
        w.put(f"{w.pick('crc32', 'crc32c')}{size} {w.r('w')}, {w.r('w')}, {w.r('x' if size == 'x' else 'w')}")


def flags(w: Writer) -> None:
    """The condition flags and a thread register through their system registers."""
    kind = w.rng.randrange(3)
    if kind == 0:
        w.put(f"mrs {w.x()}, nzcv")
    elif kind == 1:
        w.put(f"msr nzcv, {w.x()}")
    else:
        w.put(f"msr tpidr_el0, {w.x()}", f"mrs {w.x()}, tpidr_el0")


_SCALAR = (("ldrb", "w", 1), ("ldrh", "w", 2), ("ldr", "w", 4), ("ldr", "x", 8), ("ldrsb", "x", 1), ("ldrsb", "w", 1), ("ldrsh", "x", 2),
           ("ldrsh", "w", 2),
           ("ldrsw", "x", 4), ("strb", "w", 1), ("strh", "w", 2), ("str", "w", 4), ("str", "x", 8))
_SIZES = (("b", 1), ("h", 2), ("s", 4), ("d", 8), ("q", 16))
_VECTOR = tuple((operation, name, size) for operation in ("ldr", "str") for name, size in _SIZES)


def memory(w: Writer) -> None:
    """Loads and stores of one register and of pairs, in every addressing mode, aligned or not."""
    operation, prefix, size = w.rng.choice(_SCALAR + _VECTOR)
    register = w.r(prefix) if prefix in "wx" else w.v(prefix)
    w.put(f"add x29, x28, #{w.rng.randrange(256, DATA_BYTES - 512)}")
    kind = w.rng.randrange(6)
    if kind == 0:
        w.put(f"{operation} {register}, [x29, #{size * w.rng.randrange(8)}]")
    elif kind == 1:
        unscaled = operation.replace("ldr", "ldur").replace("str", "stur")
        w.put(f"{unscaled} {register}, [x29, #{w.rng.randrange(-200, 200)}]")
    elif kind == 2:
        w.put(f"{operation} {register}, [x29, #{w.rng.randrange(-200, 200)}]!", f"eor {w.r('x')}, {w.r('x')}, x29")
    elif kind == 3:
        w.put(f"{operation} {register}, [x29], #{w.rng.randrange(-200, 200)}", f"eor {w.r('x')}, {w.r('x')}, x29")
    elif kind == 4:
        shift = size.bit_length() - 1
        w.put(f"and w30, {w.r('w')}, #0xf",
              f"{operation} {register}, [x29, {w.pick('w30, uxtw', 'w30, sxtw', 'x30, lsl')} #{w.pick('0', str(shift))}]")
    else:
        name, step = w.rng.choice((("w", 4), ("x", 8), ("s", 4), ("d", 8), ("q", 16)))
        numbers = w.rng.sample(range(28), 2)
        mode = w.pick("[x29, #{0}]", "[x29, #{0}]!", "[x29], #{0}").format(step * w.rng.randrange(-8, 8))
        w.put(f"{w.pick('ldp', 'stp')} {name}{numbers[0]}, {name}{numbers[1]}, {mode}")


def stack(w: Writer) -> None:
    """SP as a base, moved and moved back."""
    w.put(f"stp {w.x()}, {w.x()}, [sp, #-32]!", f"str {w.v('q')}, [sp, #16]", f"ldr {w.x()}, [sp, #{8 * w.rng.randrange(4)}]",
          "add sp, sp, #32")


def atomics(w: Writer) -> None:
    """LSE, compare and swap, and a pair of exclusives that succeeds."""
    size = w.pick("b", "h", "w", "x")
    size_bytes = {"b": 1, "h": 2, "w": 4, "x": 8}[size]
    width, suffix = ("x", "") if size == "x" else ("w", "" if size == "w" else size)
    w.address(16)
    if size_bytes < 16:
        w.put(f"add x29, x29, #{w.rng.randrange(16 // size_bytes) * size_bytes}")
    order = w.pick("", "a", "l", "al")
    kind = w.rng.randrange(5)
    if kind <= 1:
        operation = w.pick("ldadd", "ldclr", "ldeor", "ldset", "ldsmax", "ldsmin", "ldumax", "ldumin", "swp")
        w.put(f"{operation}{order}{suffix} {w.r(width)}, {w.r(width)}, [x29]")
    elif kind == 2:
        if w.rng.random() < 0.5:
            w.put(f"ldr{suffix} w30, [x29]" if width == "w" else "ldr x30, [x29]", f"cas{order}{suffix} {width}30, {w.r(width)}, [x29]",
                  f"eor {w.x()}, x30, {w.x()}")
        else:
            w.put(f"cas{order}{suffix} {w.r(width, zero=False)}, {w.r(width)}, [x29]")
    elif kind == 3:
        first, second = (2 * number for number in w.rng.sample(range(13), 2))
        w.put("and x29, x29, #0xfffffffffffffff0",
              f"casp{order} {width}{first}, {width}{first + 1}, {width}{second}, {width}{second + 1}, [x29]")
    else:
        status, value, target = w.rng.sample(range(28), 3)
        acquire, release = w.pick("ldxr", "ldaxr"), w.pick("stxr", "stlxr")
        w.put(f"{acquire}{suffix} {width}{target}, [x29]", f"add x{target}, x{target}, #3",
              f"{release}{suffix} w{status}, {width}{value}, [x29]")


def floating(w: Writer) -> None:
    """Scalar FP arithmetic, comparison, conversion and rounding."""
    names: tuple[str, ...]
    p = w.pick("s", "d")
    a, b, c, d = (w.v(p) for _ in range(4))
    kind = w.rng.randrange(9)
    if kind <= 1:
        w.put(f"{w.pick('fadd', 'fsub', 'fmul', 'fdiv', 'fnmul', 'fmax', 'fmin', 'fmaxnm', 'fminnm', 'fabd', 'fmulx')} {a}, {b}, {c}")
    elif kind == 2:
        w.put(f"{w.pick('fmadd', 'fmsub', 'fnmadd', 'fnmsub')} {a}, {b}, {c}, {d}")
    elif kind == 3:
        names = ("fabs", "fneg", "fsqrt", "fmov", "frintn", "frintp", "frintm", "frintz", "frinta", "frintx", "frinti", "frecpe", "frsqrte")
        w.put(f"{w.pick(*names)} {a}, {b}")
    elif kind == 4:
        w.put(f"{w.pick('fcmp', 'fcmpe')} {a}, {w.pick(b, '#0.0')}")
    elif kind == 5:
        w.put(f"fcsel {a}, {b}, {c}, {w.rng.choice(CONDITIONS)}", f"fccmp {a}, {b}, #{w.rng.randrange(16)}, {w.rng.choice(CONDITIONS)}")
    elif kind == 6:
        w.put(f"{w.pick('fcvtzs', 'fcvtzu', 'fcvtns', 'fcvtnu', 'fcvtps', 'fcvtms', 'fcvtas', 'fcvtau')} {w.r(w.pick('w', 'x'))}, {a}")
    elif kind == 7:
        w.put(f"{w.pick('scvtf', 'ucvtf')} {a}, {w.r(w.pick('w', 'x'))}{w.pick('', f', #{w.rng.randrange(1, 32)}')}")
    else:
        source, target = w.rng.sample(("h", "s", "d"), 2)
        w.put(f"fcvt {w.v(target)}, {w.v(source)}", f"fmov d{w.rng.randrange(32)}, {w.x()}", f"fmov {w.x()}, {w.v('d')}",
              f"mov {w.v()}.d[1], {w.x()}")


def integer_vectors(w: Writer) -> None:
    """SIMD integer arithmetic: the same width, saturating, shifts, reductions."""
    names: tuple[str, ...]
    t = w.rng.choice(VECTORS)
    narrow = w.rng.choice(VECTORS[:6])
    a, b, c = w.v(), w.v(), w.v()
    bits = {"b": 8, "h": 16, "s": 32, "d": 64}[t[-1]]
    kind = w.rng.randrange(9)
    if kind <= 1:
        names = ("add", "sub", "cmeq", "cmgt", "cmge", "cmhi", "cmhs", "cmtst", "sqadd", "uqadd", "sqsub", "uqsub", "sshl", "ushl",
                 "srshl", "urshl", "sqshl", "uqshl",
                 "sqrshl", "uqrshl")
        w.put(f"{w.pick(*names)} {a}.{t}, {b}.{t}, {c}.{t}")
    elif kind == 2:
        names = ("mul", "mla", "mls", "shadd", "uhadd", "srhadd", "urhadd", "shsub", "uhsub", "smax", "umax", "smin", "umin", "sabd",
                 "uabd", "saba", "uaba", "smaxp", "uminp")
        w.put(f"{w.pick(*names)} {a}.{narrow}, {b}.{narrow}, {c}.{narrow}")
    elif kind == 3:
        size = w.pick("8b", "16b")
        w.put(f"{w.pick('and', 'orr', 'eor', 'bic', 'orn', 'bsl', 'bit', 'bif')} {a}.{size}, {b}.{size}, {c}.{size}")
    elif kind == 4:
        names = ("sshr", "ushr", "srshr", "urshr", "ssra", "usra", "srsra", "ursra", "sri")
        w.put(f"{w.pick(*names)} {a}.{t}, {b}.{t}, #{w.rng.randrange(1, bits + 1)}")
    elif kind == 5:
        w.put(f"{w.pick('shl', 'sli', 'sqshl', 'uqshl', 'sqshlu')} {a}.{t}, {b}.{t}, #{w.rng.randrange(bits)}")
    elif kind == 6:
        names = ("abs", "neg", "sqabs", "sqneg")
        w.put(f"{w.pick(*names)} {a}.{t}, {b}.{t}", f"{w.pick('cmeq', 'cmge', 'cmgt', 'cmle', 'cmlt')} {c}.{t}, {b}.{t}, #0")
    elif kind == 7:
        size = w.pick("8b", "16b", "4h", "8h", "4s")
        names = ("addv", "smaxv", "uminv")
        w.put(f"{w.pick(*names)} {w.v(size[-1])}, {b}.{size}", f"{w.pick('cls', 'clz')} {a}.{size}, {c}.{size}", f"cnt {a}.8b, {b}.8b")
    else:
        size = w.pick("4h", "8h", "2s", "4s")
        w.put(f"{w.pick('sqdmulh', 'sqrdmulh')} {a}.{size}, {b}.{size}, {c}.{size}", f"{w.pick('addp', 'add')} {c}.{t}, {a}.{t}, {b}.{t}")


_WIDEN = (("8h", "8b", ""), ("8h", "16b", "2"), ("4s", "4h", ""), ("4s", "8h", "2"), ("2d", "2s", ""), ("2d", "4s", "2"))


def widths(w: Writer) -> None:
    """SIMD: widening, narrowing, permuting, moving elements."""
    names: tuple[str, ...]
    wide, narrow, half = w.rng.choice(_WIDEN)
    t = w.rng.choice(VECTORS)
    a, b, c = w.v(), w.v(), w.v()
    kind = w.rng.randrange(7)
    if kind == 0:
        names = ("saddl", "uaddl", "ssubl", "usubl", "smull", "umull", "smlal", "umlal", "smlsl", "sabal", "uabdl")
        w.put(f"{w.pick(*names)}{half} {a}.{wide}, {b}.{narrow}, {c}.{narrow}")
    elif kind == 1:
        w.put(f"{w.pick('saddw', 'uaddw', 'ssubw', 'usubw')}{half} {a}.{wide}, {b}.{wide}, {c}.{narrow}")
    elif kind == 2:
        w.put(f"{w.pick('addhn', 'subhn', 'raddhn', 'rsubhn')}{half} {a}.{narrow}, {b}.{wide}, {c}.{wide}")
    elif kind == 3:
        w.put(f"{w.pick('xtn', 'sqxtn', 'uqxtn', 'sqxtun')}{half} {a}.{narrow}, {b}.{wide}")
    elif kind == 4:
        bits = {"8h": 8, "4s": 16, "2d": 32}[wide]
        w.put(f"{w.pick('shrn', 'rshrn', 'sqshrn', 'uqrshrn', 'sqrshrun')}{half} {a}.{narrow}, {b}.{wide}, #{w.rng.randrange(1, bits + 1)}")
    elif kind == 5:
        size = w.pick("8b", "16b")
        names = ("zip1", "zip2", "uzp1", "uzp2", "trn1", "trn2")
        w.put(f"{w.pick(*names)} {a}.{t}, {b}.{t}, {c}.{t}", f"ext {c}.{size}, {a}.{size}, {b}.{size}, #{w.rng.randrange(8)}",
              f"{w.pick('tbl', 'tbx')} {b}.{size}, {{ {a}.16b }}, {c}.{size}", f"{w.pick('rev64')} {a}.{size}, {c}.{size}")
    else:
        w.put(f"dup {a}.4s, {w.r('w')}", f"mov {a}.h[{w.rng.randrange(8)}], {w.r('w')}",
              f"umov {w.r('w', zero=False)}, {b}.b[{w.rng.randrange(16)}]",
              f"smov {w.r('x', zero=False)}, {c}.h[{w.rng.randrange(8)}]",
              f"mov {b}.s[{w.rng.randrange(4)}], {c}.s[{w.rng.randrange(4)}]", f"movi {c}.8h, #{w.rng.randrange(256)}")


def floating_vectors(w: Writer) -> None:
    """SIMD FP arithmetic, comparison and conversion; the cryptographic instructions."""
    names: tuple[str, ...]
    t = w.rng.choice(FP_VECTORS)
    a, b, c = w.v(), w.v(), w.v()
    kind = w.rng.randrange(5)
    if kind == 0:
        names = ("fadd", "fsub", "fmul", "fdiv", "fmla", "fmls", "fmax", "fmin", "fmaxnm", "faddp", "fcmeq", "fcmgt", "facge", "frecps",
                 "frsqrts", "fabd")
        w.put(f"{w.pick(*names)} {a}.{t}, {b}.{t}, {c}.{t}")
    elif kind == 1:
        names = ("fabs", "fneg", "fsqrt", "frintn", "frintz", "scvtf", "ucvtf", "fcvtzs", "fcvtnu", "frecpe", "frsqrte")
        w.put(f"{w.pick(*names)} {a}.{t}, {b}.{t}")
    elif kind == 2:
        w.put(f"fcvtl {a}.2d, {b}.2s", f"fcvtn {b}.2s, {c}.2d", f"fcvtn2 {b}.8h, {a}.4s")
    elif kind == 3:
        names = ("aese", "aesd", "aesmc", "aesimc")
        w.put(f"{w.pick(*names)} {a}.16b, {b}.16b", f"pmull {c}.8h, {a}.8b, {b}.8b", f"pmul {a}.16b, {b}.16b, {c}.16b")
    else:
        w.put(f"sha1h {w.v('s')}, {w.v('s')}", f"{w.pick('sha1c', 'sha1p', 'sha1m')} {w.v('q')}, {w.v('s')}, {c}.4s",
              f"{w.pick('sha256h', 'sha256h2')} {w.v('q')}, {w.v('q')}, {b}.4s",
              f"sha256su0 {a}.4s, {b}.4s")


def structures(w: Writer) -> None:
    """LD1 to LD4 and ST1 to ST4, replicating and single-element forms."""
    t = w.rng.choice(VECTORS[:6])
    first, count = w.rng.randrange(28), w.rng.randrange(1, 5)
    registers = "{ " + ", ".join(f"v{first + k}.{t}" for k in range(count)) + " }"
    w.address(8)
    kind = w.rng.randrange(3)
    if kind == 0:
        w.put(f"{w.pick('ld', 'st')}{w.pick('1', str(count))} {registers}, [x29]")
    elif kind == 1:
        w.put(f"ld{count}r {registers}, [x29]")
    else:
        element = "{ " + ", ".join(f"v{first + k}.h" for k in range(count)) + " }"
        w.put(f"{w.pick('ld', 'st')}{count} {element}[{w.rng.randrange(8)}], [x29], #{2 * count}", f"eor {w.x()}, {w.x()}, x29")


def branches(w: Writer) -> None:
    """A branch over an instruction, a short loop, a call by register."""
    kind = w.rng.randrange(4)
    if kind <= 1:
        test = w.pick(f"b.{w.rng.choice(CONDITIONS)} 1f", f"cbz {w.r('x')}, 1f", f"cbnz {w.r('w')}, 1f",
                      f"tbz {w.r('x')}, #{w.rng.randrange(64)}, 1f",
                      f"tbnz {w.r('w')}, #{w.rng.randrange(32)}, 1f")
        w.put(test)
        w.rng.choice((arithmetic, moves, products))(w)
        w.lines.append("1:")
    elif kind == 2:
        w.put(f"mov x30, #{w.rng.randrange(1, 6)}")
        w.lines.append("1:")
        for _ in range(3):
            w.rng.choice((arithmetic, moves, products, floating, integer_vectors))(w)
        w.put("sub x30, x30, #1", "cbnz x30, 1b")
    else:
        w.put("adr x30, 1f", w.pick("br x30", "ret", "blr x30"))
        w.put("eor x28, x28, #1")                   # never executed
        w.lines.append("1:")


KINDS: tuple[tuple[Callable[[Writer], None], int], ...] = (
    (arithmetic, 6), (moves, 6), (products, 4), (flags, 2), (memory, 8), (stack, 1), (atomics, 4), (floating, 4), (integer_vectors, 4),
    (widths, 3), (floating_vectors, 3),
    (structures, 2), (branches, 3),
)


def program(seed: int, instructions: int) -> str:
    """Source of one program: at least `instructions` instructions, after which control falls through."""
    w = Writer(seed)
    functions, weights = [kind for kind, _ in KINDS], [weight for _, weight in KINDS]
    while len(w.lines) < instructions:
        w.rng.choices(functions, weights)[0](w)
    return "\n".join(w.lines)


def _data(seed: int) -> str:
    """Initial memory, then x0 to x27, then v0 to v31: half of the values are FP numbers of note."""
    rng = random.Random(~seed)
    values = [rng.choice(FP_VALUES) if rng.random() < 0.5 else rng.getrandbits(64) for _ in range(DATA_BYTES // 8 + 28 + 64)]
    return "\n".join(f"    .quad {value:#x}" for value in values)


_HEAD = """
.arch_extension crypto
.include "common/start.inc"
.include "common/console.inc"
.include "common/finish.inc"
.include "common/exception.inc"
.include "common/tables.inc"

.equ DATA_PA, 0x44000000
.equ SAVE_PA, 0x44010000
.equ DATA_BYTES, {data_bytes}

irq_handler:
    mov x0, #98
    b exit_status

// In x27 return, x28 address of initial memory and registers. Sets every register of the program, and FPCR from x26.
prepare:
    ldr x1, =DATA_PA
    mov x2, #DATA_BYTES
1:  ldr x3, [x28], #8
    str x3, [x1], #8
    subs x2, x2, #8
    b.ne 1b
    msr fpcr, x26
    msr fpsr, xzr
    msr nzcv, xzr
    msr tpidr_el0, xzr
    mov x29, x28
    mov x30, x27
    add x28, x28, #224
{load_vectors}
{load_registers}
    ldr x28, =DATA_PA
    ret

// Prints the registers and the memory of a program.
report:
    ldr x29, =SAVE_PA
{save_registers}
    mov x0, sp
    mrs x1, nzcv
    mrs x2, fpsr
    stp x0, x1, [x29, #224]
    stp x2, x28, [x29, #240]
    add x28, x29, #256
{save_vectors}
    mov x19, x30
    mov x20, #96
    mov x21, x29
1:  ldr x0, [x21], #8
    hex x0, 16
    sub x20, x20, #1
    tst x20, #3
    b.ne 2f
    bl put_newline
    b 3f
2:  say " "
3:  cbnz x20, 1b
    ldr x21, =DATA_PA
    mov x20, #DATA_BYTES
    mov x22, #0
    mov x23, #0
4:  ldr x0, [x21], #8
    crc32x w22, w22, x0
    eor x23, x0, x23, ror #7
    subs x20, x20, #8
    b.ne 4b
    say "memory "
    hex x22, 8
    say " "
    hex x23, 16
    bl put_newline
    br x19

main:
    mov x2, #39
    bl identity_root
    mov x20, x0
    bl table_new
    mov x1, x0
    mov x0, x20
    ldr x2, =0x1135003500 + (2 << 30) + (25 << 16) + 25
    bl translation_on
"""


def source(seeds: range, instructions: int) -> str:
    """An image of one program for each seed: prints 30 general registers, NZCV, FPSR, v0 to v31 and a digest of memory after each."""
    def pairs(operation: str, prefix: str, count: int, size: int, base: str) -> str:
        return "\n".join(f"    {operation} {prefix}{k}, {prefix}{k + 1}, [{base}, #{size * k}]" for k in range(0, count, 2))

    head = _HEAD.format(
        data_bytes=DATA_BYTES, load_vectors=pairs("ldp", "q", 32, 16, "x28"), load_registers=pairs("ldp", "x", 28, 8, "x29"),
        save_registers=pairs("stp", "x", 28, 8, "x29"), save_vectors=pairs("stp", "q", 32, 16, "x28"),
    )
    parts = [head]
    for seed in seeds:
        fpcr = (seed & 3) << 22 | (seed >> 2 & 1) << 25 | (seed >> 3 & 1) << 24     # RMode, DN, FZ
        parts.append(f'    say "== program {seed}"\n    bl put_newline\n'
                     f"    ldr x26, ={fpcr:#x}\n    adr x28, data_{seed}\n    adr x27, program_{seed}\n    b prepare\n"
                     f"    .ltorg\nprogram_{seed}:\n{program(seed, instructions)}\n    bl report\n")
        parts.append(f"    b after_{seed}\n    .balign 16\ndata_{seed}:\n{_data(seed)}\nafter_{seed}:\n")
    parts.append('    say "== end"\n    bl put_newline\n    b system_off\n')
    return "".join(parts)
