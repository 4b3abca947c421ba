"""What a system register is: a frozen value whose class names its fields.

A class declares its fields in the order of their bits, lowest first, each with the bits it takes:

    class TCR_EL1(Register):
        \"\"\"Translation Control Register (EL1). DDI 0487 L.a, D24.2.\"\"\"
        T0SZ = Field(5, 0)              # VA size of the TTBR0 region = 2**(64 - T0SZ) bytes

`TCR_EL1.T0SZ` is then the field (`.msb`, `.lsb`, `.mask`, `.shift`), and `TCR_EL1(0x19).T0SZ` its value in a register.
"""

from collections.abc import Iterator
from enum import IntEnum
from typing import Any, ClassVar, Self, overload

from sim.arch.register_keys import SYSTEM_REGISTERS


class Field:
    """Bits msb down to lsb of a register, with Arm's names for their values where there are any.

    msb, lsb: bit numbers, 0..63, msb >= lsb; lsb left out means a single bit.
    values: an IntEnum; reading the field then gives its member, or a plain int for a value that has no name.
    mask is in place (TCR_EL1.TG0.mask == 0xC000), shift is lsb. Raises ValueError for bits that cannot be.
    """

    overlaps_allowed: ClassVar[bool] = False

    def __init__(self, msb: int, lsb: int | None = None, values: type[IntEnum] | None = None) -> None:
        self.msb = msb
        self.lsb = msb if lsb is None else lsb
        self.values = values
        self.name = ""
        if not 0 <= self.lsb <= self.msb <= 63:
            raise ValueError(f"field bits [{self.msb}:{self.lsb}] are not an ascending range within a 64-bit register")

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def name_of(self, value: int) -> IntEnum | None:
        """Arm's name of one of the field's values, if it has one."""
        if self.values is None:
            return None
        return next((member for member in self.values if member == value), None)

    @property
    def shift(self) -> int:
        """Bit number of the field's lowest bit."""
        return self.lsb

    @property
    def width_bits(self) -> int:
        """Number of bits in the field."""
        return self.msb - self.lsb + 1

    @property
    def mask(self) -> int:
        """The field's bits, in place."""
        return ((1 << self.width_bits) - 1) << self.lsb

    def extract(self, register: int) -> int:
        """The field's value, moved down to bit 0, from a whole register value."""
        return (register & self.mask) >> self.lsb

    def insert(self, register: int, value: int) -> int:
        """The register value with the field set to value. Raises ValueError if value does not fit."""
        if not 0 <= value < 1 << self.width_bits:
            raise ValueError(f"{value:#x} does not fit {self.name or 'a field'}, which is {self.width_bits} bits wide")
        return register & ~self.mask | value << self.lsb

    def show(self, register: int) -> str:
        """The field as printed: `TG0=0x1(KB64)` with Arm's name of the value where it has one, else `T0SZ=0x10`."""
        value = self.extract(register)
        named = self.name_of(value)
        return f"{self.name}={value:#x}" + (f"({named.name})" if named is not None else "")

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.msb}, {self.lsb})"

    @overload
    def __get__(self, register: None, owner: type) -> Self: ...
    @overload
    def __get__(self, register: "Register", owner: type) -> int: ...
    def __get__(self, register: "Register | None", owner: type) -> Self | int:
        if register is None:
            return self
        value = self.extract(int(register))
        named = self.name_of(value)
        return value if named is None else named

    def __set__(self, register: "Register", value: int) -> None:
        raise AttributeError(f"registers are frozen: use .replace({self.name}=...)")


class Alias(Field):
    """A second name for bits that another field of the register already has, so that the overlap is visibly meant.

    Aliases may come in any order and are left out when the register is printed.
    """

    overlaps_allowed = True


class Register:
    """The value of a system register: 0 <= int(register) < 2**width_bits, never changed in place.

    `TCR_EL1(0x80)`, `TCR_EL1(T0SZ=16)` and `register.replace(T0SZ=16)` make one. Raises ValueError for a value that does not fit and
    TypeError for a field the register does not have. Bits without a field are kept as they are: nothing is masked to RES0.
    """

    __slots__ = ("_value",)
    _value: int
    width_bits: ClassVar[int] = 64
    fields: ClassVar[dict[str, Field]] = {}
    encoding: ClassVar[tuple[int, int, int, int, int] | None] = None       # (op0, op1, CRn, CRm, op2); None: no MRS or MSR reaches it

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        declared = {name: item for name, item in vars(cls).items() if isinstance(item, Field)}
        cls.fields = {**cls.fields, **declared}
        cls.encoding = SYSTEM_REGISTERS.get(cls.__name__)
        next_free_bit = 0
        for name, field in cls.fields.items():
            if field.msb >= cls.width_bits:
                raise TypeError(f"{cls.__name__}.{name} reaches bit {field.msb} of a register of {cls.width_bits} bits")
            if field.overlaps_allowed:
                continue
            if field.lsb < next_free_bit:
                raise TypeError(f"{cls.__name__}.{name} {field!r} overlaps or precedes the field declared before it; if meant, write Alias")
            next_free_bit = field.msb + 1

    def __init__(self, value: int = 0, /, **fields: int) -> None:
        result = int(value)
        for name, field_value in fields.items():
            if name not in self.fields:
                raise TypeError(f"{type(self).__name__} has no field {name}")
            result = self.fields[name].insert(result, int(field_value))
        if not 0 <= result < 1 << self.width_bits:
            raise ValueError(f"{result:#x} does not fit {type(self).__name__}, which is {self.width_bits} bits wide")
        object.__setattr__(self, "_value", result)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"registers are frozen: use .replace({name}=...)")

    def replace(self, **fields: int) -> Self:
        """The same register with some fields changed."""
        return type(self)(self._value, **fields)

    def __iter__(self) -> Iterator[tuple[str, int]]:
        """Name and value of each field, lowest bits first, aliases last and in the order declared."""
        ordered = sorted(self.fields.items(), key=lambda item: item[1].overlaps_allowed)
        return iter([(name, field.extract(self._value)) for name, field in ordered])

    def __int__(self) -> int:
        return self._value

    __index__ = __int__

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Register):
            return type(self) is type(other) and self._value == other._value
        return isinstance(other, int) and self._value == other

    def __hash__(self) -> int:
        return hash(self._value)

    def __repr__(self) -> str:
        """`TCR_EL1(T0SZ=0x10, TG0=0x1(KB64))`: the fields that are not zero, then set bits that no field names."""
        real = [field for field in self.fields.values() if not field.overlaps_allowed]
        shown = [field.show(self._value) for field in real if field.extract(self._value)]
        unnamed = self._value & ~sum(field.mask for field in real)
        if unnamed:
            shown.append(f"unnamed={unnamed:#x}")
        return f"{type(self).__name__}({', '.join(shown)})"
