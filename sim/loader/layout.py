"""Sections, symbols and what is in them, before and after addresses are known."""

from dataclasses import dataclass, field

from sim.loader.expression import ExpressionError, NotYetKnown, Tree, Value, evaluate
from sim.loader.image import ListingLine, Segment
from sim.loader.operands import Operand
from sim.loader.text import Statement

SECTION_MAX_BYTES = 1 << 36             # larger than any RAM that a host gives
CONTENT_MAX_BYTES = 256 << 20           # bytes other than zeros that a source may make
GAP_BYTES = 64 << 10                    # zeros from this length on end a segment instead of being stored
SYMBOL_DEPTH_MAX = 100                  # symbols defined by symbols
NOP = (0xD503201F).to_bytes(4, "little")
LOCAL_MARK = "\x02"                     # in the names of labels 1: and of literals, which no source can spell


@dataclass(frozen=True, slots=True)
class Bytes:
    """Content that is known."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Fill:
    """count times the pattern; the item is cut to its size."""

    pattern: bytes


@dataclass(frozen=True, slots=True)
class Number:
    """A number whose value needs addresses."""

    tree: Tree
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Instruction:
    """An instruction whose operands need addresses."""

    mnemonic: str
    operands: tuple[Operand, ...]


@dataclass(frozen=True, slots=True)
class Item:
    """A piece of a section at an offset."""

    offset: int
    size_bytes: int
    content: Bytes | Fill | Number | Instruction
    statement: Statement


@dataclass
class Section:
    """A section: its items in order, its size and alignment so far, and the literals that wait for their pool."""

    name: str
    items: list[Item] = field(default_factory=list)
    size_bytes: int = 0
    alignment: int = 1
    base_pa: int | None = None
    content_bytes: int = 0
    literals: dict[int, dict[Tree, tuple[str, Statement]]] = field(default_factory=dict)

    @property
    def is_code(self) -> bool:
        """Whether padding is made of NOPs."""
        return self.name == ".text" or self.name.startswith((".text.", ".init"))

    @property
    def is_zero(self) -> bool:
        """Whether it holds no data, only space."""
        return self.name == ".bss" or self.name.startswith(".bss.")

    def add(self, size_bytes: int, content: Bytes | Fill | Number | Instruction, statement: Statement) -> None:
        """Append an item. ExpressionError when the section grows beyond reason."""
        stored = size_bytes if not isinstance(content, Fill) or any(content.pattern) else 0
        if size_bytes < 0:
            raise ExpressionError(f"a size of {size_bytes} bytes is negative")
        if self.size_bytes + size_bytes > SECTION_MAX_BYTES or self.content_bytes + stored > CONTENT_MAX_BYTES:
            raise ExpressionError(f"section {self.name} grows too large: {self.size_bytes + size_bytes} bytes")
        if stored and self.is_zero and not (isinstance(content, Bytes) and not any(content.data)):
            raise ExpressionError(f"section {self.name} can hold zeros only")
        self.content_bytes += stored
        if size_bytes:
            self.items.append(Item(self.size_bytes, size_bytes, content, statement))
            self.size_bytes += size_bytes


class Symbols:
    """Labels and assigned names."""

    def __init__(self, constants: dict[str, int]) -> None:
        self.values: dict[str, Value | Tree] = {name: Value(number) for name, number in constants.items()}
        self.labels: set[str] = set()
        self.weak: set[str] = set()
        self.bases: dict[str, int] = {}         # sections whose address is known
        self._under_way: list[str] = []

    def lookup(self, name: str) -> Value:
        """The value so far; NotYetKnown for what is undefined. ExpressionError for a definition that goes round in circles."""
        value = self.values.get(name)
        if value is None:
            raise NotYetKnown
        if isinstance(value, Value):
            return value
        if name in self._under_way or len(self._under_way) > SYMBOL_DEPTH_MAX:
            raise ExpressionError(f"the definition of `{name}` depends on itself")
        self._under_way.append(name)
        try:
            return evaluate(value, self.lookup)
        finally:
            self._under_way.pop()

    def final(self, name: str) -> Value:
        """The final value, a number. ExpressionError when there is none."""
        value = self.values.get(name)
        if value is None:
            if name in self.weak:
                return Value(0)
            shown = name.split(LOCAL_MARK)[0]
            raise ExpressionError(f"undefined label `{shown}`" if shown != name else f"undefined symbol `{name}`")
        if isinstance(value, Value):
            return Value(value.number + self.bases[value.section]) if value.section is not None else value
        if name in self._under_way or len(self._under_way) > SYMBOL_DEPTH_MAX:
            raise ExpressionError(f"the definition of `{name}` depends on itself")
        self._under_way.append(name)
        try:
            return self.finish(value)
        finally:
            self._under_way.pop()

    def finish(self, tree: Tree) -> Value:
        """The final value of a tree."""
        return evaluate(tree, self.final, self.bases)


def place(sections: list[Section], origin_pa: int) -> None:
    """Give each section its address: .text first, then other code, then data, then space, each group in order of appearance.

    That is the order in which GNU ld's default script puts the sections of one object, and between code sections it pads with NOPs, too.
    """
    def rank(section: Section) -> int:
        return 0 if section.name == ".text" else 1 if section.is_code else 3 if section.is_zero else 2

    address = origin_pa
    before: Section | None = None
    for section in sorted((s for s in sections if s.size_bytes or s.name == ".text"), key=rank):
        padding_bytes = -address % section.alignment if section.name != ".text" else 0
        if padding_bytes and before is not None and before.is_code and section.is_code:
            before.add(padding_bytes % 4, Bytes(bytes(padding_bytes % 4)), before.items[-1].statement)
            before.add(padding_bytes - padding_bytes % 4, Fill(NOP), before.items[-1].statement)
        address += padding_bytes
        before = section if section.size_bytes else before
        section.base_pa = address
        address += section.size_bytes
    for section in sections:
        if section.base_pa is None:             # empty, but it may have labels
            section.base_pa = address


def segments_of(sections: list[Section], data_of: dict[int, bytes]) -> tuple[tuple[Segment, ...], tuple[ListingLine, ...]]:
    """The memory of an image and its listing. data_of: the bytes of each item, by id."""
    segments: list[Segment] = []
    listing: list[ListingLine] = []
    start_pa, stored, end_pa = 0, bytearray(), 0

    def finish() -> None:
        if end_pa > start_pa:
            segments.append(Segment(start_pa, bytes(stored), end_pa - start_pa))
        stored.clear()

    for section in sorted((s for s in sections if s.size_bytes), key=lambda s: s.base_pa or 0):
        for item in section.items:
            pa = (section.base_pa or 0) + item.offset
            is_gap = isinstance(item.content, Fill) and not any(item.content.pattern)
            if not end_pa or (not is_gap and pa - (start_pa + len(stored)) >= GAP_BYTES):
                finish()
                start_pa = pa
            data = b"" if is_gap else data_of[id(item)]
            end_pa = pa + item.size_bytes
            shown = bytes(item.size_bytes) if is_gap and item.size_bytes < GAP_BYTES else data
            place_of = item.statement.place
            listing.append(ListingLine(pa, shown, place_of.file, place_of.line, item.statement.text))
            if data:
                stored.extend(bytes(pa - start_pa - len(stored)))
                stored.extend(data)
    finish()
    return tuple(segments), tuple(listing)
