"""Sources: assembly text in the common subset of GNU as and LLVM, made into one flat image.

The front end (assembler.py) does what an assembler does around instructions; Keystone makes their words, except
those that hold addresses or are newer than it (encoders.py), and runs in a process of its own. What differs from GNU as and ld, on purpose:

* .text comes first at the origin, other code sections (.text.*, .init*) next, then data, then .bss, each group in order of appearance and
  aligned as it asks; ld puts data on a page of its own. Sections have no flags and no subsections.
* An alignment in .text counts from physical address 0, not from the start of the section, so that .balign 0x200000 means what it says.
* A number that does not fit its directive is an error, where GNU as warns. So is #define, which GNU as takes for a comment.
* LDR Rt, =value always loads from a literal pool (at .ltorg or the end of the section, equal values once), exactly as GNU as does.
* .arch, .cpu, .global, .type, .size, .cfi_* and their like are read over. Every instruction is accepted, whatever .arch says.
* Not known: SVE, SME, MTE, LDRAA, and the SIMD instructions that came after Armv8.0 or belong to the cryptographic extension.
  Build an ELF for those.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from sim.errors import UserError
from sim.loader import encoders_later  # noqa: F401     # adds its encoders to the table
from sim.loader.assembler import Assembler
from sim.loader.builder import number_bytes
from sim.loader.encode import EncodeError, encode_with_keystone
from sim.loader.encoders import ENCODERS
from sim.loader.expression import ExpressionError, NotYetKnown, wrap
from sim.loader.files import read_bytes
from sim.loader.image import Image, SymbolTable
from sim.loader.layout import Bytes, Fill, Instruction, Item, Number, place, segments_of
from sim.loader.operands import canonical
from sim.loader.text import SourceError

NO_CONSTANTS: Mapping[str, int] = MappingProxyType({})
TIMEOUT_SECONDS = 20.0
ERRORS_SHOWN_MAX = 50
ERROR_MAX_CHARACTERS = 240
_MNEMONIC = re.compile(r"[a-z][a-z0-9.]*", re.ASCII)
_UNSIGNED_IMMEDIATES = frozenset({"movi", "mvni", "movz", "movk", "movn"})


def assemble_file(path: str | Path, origin_pa: int, constants: Mapping[str, int] = NO_CONSTANTS,
                  include_dirs: Sequence[str | Path] = ()) -> Image:
    """Assemble a source file; see assemble_text. .include looks beside the including file, then in include_dirs."""
    path = Path(path)
    return _assemble(read_bytes(path).decode("latin-1"), str(path), path, origin_pa, constants, include_dirs)


def assemble_text(text: str, origin_pa: int, constants: Mapping[str, int] = NO_CONSTANTS, include_dirs: Sequence[str | Path] = (),
                  name: str = "<text>") -> Image:
    """Assemble a text into an image at origin_pa (a multiple of 4).

    constants: names that have these values from the start; the source may assign them anew. The entry is _start where it is
    defined, else the first byte. Symbols are the labels, at physical addresses. UserError with a line `file:line: what is wrong`
    for each mistake, in order of the files read and of their lines; also when assembly takes longer than TIMEOUT_SECONDS.
    """
    return _assemble(text.encode("utf-8", "surrogatepass").decode("latin-1"), name, None, origin_pa, constants, include_dirs)


def _assemble(text: str, name: str, path: Path | None, origin_pa: int, constants: Mapping[str, int],
              include_dirs: Sequence[str | Path]) -> Image:
    if origin_pa % 4 or not 0 <= origin_pa < 1 << 52:
        raise UserError(f"{name}: the origin {origin_pa:#x} is not a word-aligned physical address")
    for constant, number in constants.items():
        if not -(1 << 63) <= number < 1 << 64:
            raise UserError(f"{name}: the constant {constant} = {number:#x} does not fit in 64 bits")
    assembler = Assembler(origin_pa, {constant: wrap(number) for constant, number in constants.items()},
                          [Path(directory) for directory in include_dirs], TIMEOUT_SECONDS)
    assembler.run(text, name, path)
    if assembler.gave_up:
        raise _user_error(assembler)
    sections = list(assembler.sections.values())
    place(sections, origin_pa)
    symbols = assembler.symbols
    symbols.bases.update({section.name: section.base_pa or 0 for section in sections})
    data_of = _contents(assembler)
    if assembler.errors:
        raise _user_error(assembler)
    segments, listing = segments_of(sections, data_of)
    if not segments:
        raise UserError(f"{name}: the source makes no bytes")
    entry_pa = symbols.final("_start").number if "_start" in symbols.values else segments[0].pa
    labels = {label: symbols.final(label).number for label in symbols.values if label in symbols.labels and not label.startswith(".L")}
    return Image(name=name, kind="source", segments=segments, entry_pa=entry_pa, symbols=SymbolTable(_readable(labels)), listing=listing)


def _readable(labels: Mapping[str, int]) -> dict[str, int]:
    return {label.encode("latin-1").decode("utf-8", "replace"): address for label, address in labels.items()}


def _user_error(assembler: Assembler) -> UserError:
    """All errors, one a line: by file in the order of reading, by line within a file, the same line said once."""
    order_of_file = {file: order for order, file in reversed(list(enumerate(assembler.files)))}
    lines: dict[str, None] = {}
    for error in sorted(assembler.errors, key=lambda error: (order_of_file.get(error.place.file, 0), error.place.line)):
        through = f" ({error.place.through})" if error.place.through else ""
        message = error.message if len(error.message) <= ERROR_MAX_CHARACTERS else error.message[:ERROR_MAX_CHARACTERS] + "..."
        message = (message + through).encode("latin-1", "replace").decode("utf-8", "replace")
        lines["".join(c if c.isprintable() else "?" for c in f"{error.place}: {message}")] = None
    shown = list(lines)[:ERRORS_SHOWN_MAX]
    if len(lines) > len(shown):
        shown.append(f"... and {len(lines) - len(shown)} more errors")
    return UserError("\n".join(shown))


def _contents(assembler: Assembler) -> dict[int, bytes]:
    """The bytes of each item, by id; mistakes go to assembler.errors."""
    data_of: dict[int, bytes] = {}
    waiting: dict[str, list[Item]] = {}
    errors = assembler.errors
    for section in assembler.sections.values():
        for item in section.items:
            try:
                data = _content(assembler, item, (section.base_pa or 0) + item.offset)
            except NotYetKnown:
                errors.append(SourceError(item.statement.place, "the value is not known"))
            except ExpressionError as error:
                errors.append(SourceError(item.statement.place, str(error)))
            else:
                if isinstance(data, str):
                    waiting.setdefault(data, []).append(item)
                else:
                    data_of[id(item)] = data
    results = encode_with_keystone(list(waiting), TIMEOUT_SECONDS) if waiting else []
    for (text, items), result in zip(waiting.items(), results, strict=True):
        for item in items:
            if isinstance(result, EncodeError):
                errors.append(SourceError(item.statement.place, f"cannot assemble `{_as_written(item, text)}`: {result}"))
            else:
                data_of[id(item)] = result.to_bytes(4, "little")
    return data_of


def _as_written(item: Item, text: str) -> str:
    written = " ".join(item.statement.text.split())
    return written if len(written) <= 100 else text[:100]


def _content(assembler: Assembler, item: Item, pa: int) -> bytes | str:
    """The bytes of an item, or the text of an instruction that is Keystone's."""
    content = item.content
    if isinstance(content, Bytes):
        return content.data
    if isinstance(content, Fill):
        if not any(content.pattern):
            return b""                  # zeros are not stored
        return (content.pattern * (item.size_bytes // len(content.pattern) + 1))[:item.size_bytes]
    if isinstance(content, Number):
        return number_bytes(assembler.symbols.finish(content.tree).number, content.size_bytes)
    return _instruction(assembler, content, pa)


def _instruction(assembler: Assembler, instruction: Instruction, pa: int) -> bytes | str:
    mnemonic = instruction.mnemonic
    if not _MNEMONIC.fullmatch(mnemonic):       # Keystone takes ASCII, and might take $ or _ for a symbol
        raise ExpressionError(f"`{mnemonic}` is not an instruction")
    unsigned = mnemonic in _UNSIGNED_IMMEDIATES
    operands = [canonical(operand, assembler.symbols.finish, unsigned) for operand in instruction.operands]
    encoder = ENCODERS.get(mnemonic)
    if encoder is not None:
        word = encoder(mnemonic, operands, pa)
        if word is not None:
            return word.to_bytes(4, "little")
    text = f"{mnemonic} {','.join(operands)}".strip()
    if not text.isascii():
        raise ExpressionError("an operand has letters that no register or keyword has")
    return text
