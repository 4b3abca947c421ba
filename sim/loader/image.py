"""What every loader gives: an image of physical memory, its entry, its symbols, and (from a source) its listing."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal

from sim.errors import UserError


@dataclass(frozen=True)
class Segment:
    """A run of physical memory: data from pa on, then zeros up to size_bytes (size_bytes >= len(data))."""

    pa: int
    data: bytes
    size_bytes: int

    @property
    def end_pa(self) -> int:
        """The first physical address after the segment."""
        return self.pa + self.size_bytes


@dataclass(frozen=True)
class ListingLine:
    """What one statement of a source became: address, bytes, and where and how it was written."""

    pa: int
    data: bytes
    file: str
    line: int
    text: str

    def __str__(self) -> str:
        shown = self.data[:8].hex() + ("..." if len(self.data) > 8 else "")
        return f"{self.pa:#012x} {shown:19} {self.file}:{self.line}: {self.text}"


class SymbolTable:
    """Labels of an image, by name and by address.

    Addresses are those of the image's file: physical for a source or a flat image, virtual for an ELF (its st_value, untranslated).
    Assembler-local names (.L...) and mapping symbols are not in it. Of several names at one address, find() gives the first defined.
    """

    def __init__(self, symbols: Mapping[str, int] | Iterable[tuple[str, int]] = ()) -> None:
        self._by_name = dict(symbols)
        first_at: dict[int, str] = {}
        for name, address in self._by_name.items():
            first_at.setdefault(address, name)
        self._addresses = sorted(first_at)
        self._names = [first_at[address] for address in self._addresses]

    def address(self, name: str) -> int:
        """The address of a label. Raises KeyError with the name when there is none."""
        return self._by_name[name]

    def find(self, address: int) -> str | None:
        """The nearest label at or below an address, as "name" or "name+0x10"; None below the first. O(log n)."""
        position = bisect_right(self._addresses, address) - 1
        if position < 0:
            return None
        offset = address - self._addresses[position]
        return f"{self._names[position]}+{offset:#x}" if offset else self._names[position]

    def get(self, name: str) -> int | None:
        """The address of a label, or None."""
        return self._by_name.get(name)

    def items(self) -> Iterable[tuple[str, int]]:
        """(name, address) in order of definition."""
        return self._by_name.items()

    def __contains__(self, name: object) -> bool:
        return name in self._by_name

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_name)

    def __len__(self) -> int:
        return len(self._by_name)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SymbolTable) and self._by_name == other._by_name

    __hash__ = None  # type: ignore[assignment]     # holds a dictionary

    def __repr__(self) -> str:
        return f"SymbolTable({len(self)} symbols)"


@dataclass(frozen=True)
class Image:
    """A kernel ready to be put into RAM.

    name: for reports, the file's name as given. entry_pa: where the first PE starts, MMU off. listing: one line for each statement of a
    source that produced bytes, in order of address; empty for an ELF and a flat image.
    """

    name: str
    kind: Literal["source", "elf", "flat"]
    segments: tuple[Segment, ...]
    entry_pa: int
    symbols: SymbolTable = field(default_factory=SymbolTable)
    listing: tuple[ListingLine, ...] = ()


def _named(segment: Segment) -> str:
    return f"{segment.pa:#x}..{segment.end_pa - 1:#x}"


def check_segments(image: Image, ram_pa: int, ram_bytes: int) -> None:
    """Refuse an image that does not fit: UserError for a segment outside RAM, for two that overlap, and for an entry outside RAM.

    Segments of no bytes are ignored.
    """
    ram_end_pa = ram_pa + ram_bytes
    segments = sorted((s for s in image.segments if s.size_bytes), key=lambda s: (s.pa, s.end_pa))
    for segment in segments:
        if segment.pa < ram_pa or segment.end_pa > ram_end_pa:
            raise UserError(f"{image.name}: segment {_named(segment)} lies outside RAM ({ram_pa:#x}..{ram_end_pa - 1:#x})")
    for lower, upper in pairwise(segments):
        if upper.pa < lower.end_pa:
            raise UserError(f"{image.name}: segments {_named(lower)} and {_named(upper)} overlap")
    if not ram_pa <= image.entry_pa < ram_end_pa:
        raise UserError(f"{image.name}: entry {image.entry_pa:#x} lies outside RAM ({ram_pa:#x}..{ram_end_pa - 1:#x})")
