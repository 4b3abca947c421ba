"""Directives: data, layout, sections, symbols. GNU as manual, "Assembler Directives" and "AArch64 Machine Directives"."""

import re
import struct
from collections.abc import Callable
from typing import TYPE_CHECKING

from sim.loader.expression import ExpressionError, tokenize, unescape
from sim.loader.layout import Fill

if TYPE_CHECKING:
    from sim.loader.assembler import Assembler

Directive = Callable[["Assembler", str, str], None]

NUMBER_BYTES = {".byte": 1, ".hword": 2, ".short": 2, ".half": 2, ".2byte": 2, ".word": 4, ".int": 4, ".long": 4, ".4byte": 4, ".inst": 4,
                ".quad": 8, ".xword": 8, ".dword": 8, ".8byte": 8, ".octa": 16}
# What says nothing about the bytes of one flat image: visibility, types, sizes, debugging, the choice of architecture.
IGNORED = frozenset(
    """
    .arch .cpu .arch_extension .global .globl .local .hidden .internal .protected .type .size .ident .file .loc .variant_pcs
    .addrsig .addrsig_sym .version .title .sbttl .list .nolist .eject .psize .stabs .stabn .line .ln .extern .tlsdescadd .tlsdescldr
    .noaltmacro
    """.split())  # noqa: SIM905     # thirty quoted names would be harder to read
REFUSED = {".altmacro": "alternate macro syntax", ".subsection": "subsections", ".reloc": "relocations", ".uleb128": "LEB128 numbers",
           ".sleb128": "LEB128 numbers", ".symver": "symbol versions", ".struct": "the absolute section", ".offset": "the absolute section",
           ".bundle_align_mode": "bundles", ".tlsdesccall": "thread-local storage", ".weakref": "weak references"}


def perform(assembler: "Assembler", name: str, rest: str) -> None:
    """Carry out one directive."""
    if name in NUMBER_BYTES:
        _numbers(assembler, name, rest)
    elif name in DIRECTIVES:
        DIRECTIVES[name](assembler, name, rest)
    elif name in REFUSED:
        raise ExpressionError(f"{name}: {REFUSED[name]} cannot be honoured in a flat image")
    elif name not in IGNORED and not name.startswith(".cfi_"):
        raise ExpressionError(f"unknown directive `{name}`")


def _arguments(assembler: "Assembler", name: str, rest: str, least: int, most: int) -> list[int | None]:
    """Plain numbers, where an empty one in the middle (.p2align 2,,2) is None."""
    pieces = _split(rest)
    if not least <= len(pieces) <= most:
        raise ExpressionError(f"{name} needs {least} to {most} values" if least < most else f"{name} needs {least} values")
    numbers: list[int | None] = []
    for piece in pieces:
        numbers.append(assembler.number(assembler.tree(piece)) if piece else None)
    if least and numbers[0] is None:
        raise ExpressionError(f"{name} needs a value")
    return numbers + [None] * (most - len(numbers))


def _split(rest: str) -> list[str]:
    """Pieces between commas that are outside strings and parentheses."""
    pieces: list[str] = []
    start, depth = 0, 0
    for token in tokenize(rest):
        depth += (token.text == "(") - (token.text == ")")
        if token.text == "," and not depth:
            pieces.append(rest[start:token.start].strip())
            start = token.start + 1
    pieces.append(rest[start:].strip())
    return pieces if any(pieces) else []


# --- data ---

def _numbers(assembler: "Assembler", name: str, rest: str) -> None:
    size = NUMBER_BYTES[name]
    if size == 16:
        for piece in _split(rest):
            assembler.emit(_octa(assembler, piece))
        return
    if name == ".inst" and assembler.section.size_bytes % 4:
        assembler.align(4, b"\0")
    pieces = [rest] if "." not in rest else _split(rest)        # `.` is the address of its own number
    for piece in pieces:
        for tree in assembler.trees(piece):
            assembler.emit_number(tree, size)
    if name == ".inst":
        assembler.section.alignment = max(assembler.section.alignment, 4)


def _octa(assembler: "Assembler", piece: str) -> bytes:
    try:
        number = int(piece, 0)
    except ValueError:
        number = assembler.number(assembler.tree(piece))
    if not -(1 << 127) <= number < 1 << 128:
        raise ExpressionError(f"the value {piece[:20]} does not fit in 16 bytes")
    return (number & (1 << 128) - 1).to_bytes(16, "little")


def _floats(assembler: "Assembler", name: str, rest: str) -> None:
    for piece in _split(rest):
        try:
            assembler.emit(struct.pack("<d" if name == ".double" else "<f", float(piece)))
        except (ValueError, OverflowError, struct.error):
            raise ExpressionError(f"`{piece[:20]}` is not a floating-point number that fits") from None


def _strings(assembler: "Assembler", name: str, rest: str) -> None:
    end = b"" if name == ".ascii" else b"\0"
    data = bytearray()
    expect_string = True
    for token in tokenize(rest):
        if token.kind == "string":      # strings side by side are one
            if not expect_string:
                data = data[:len(data) - len(end)] if end else data
            data += unescape(token.text[1:-1]) + end
        elif token.text != "," or expect_string:
            raise ExpressionError(f"`{token.text[:20]}` is not a string")
        expect_string = token.text == ","
    assembler.emit(bytes(data))


def _file_bytes(assembler: "Assembler", name: str, rest: str) -> None:
    pieces = _split(rest)
    if not 1 <= len(pieces) <= 3:
        raise ExpressionError(".incbin needs a file, and may have a skip and a count")
    data = assembler.read_included(assembler.find_file(_quoted(name, pieces[0])))
    skip, count = (assembler.number(assembler.tree(piece)) if piece else None for piece in [*pieces[1:], "", ""][:2])
    if (skip or 0) < 0 or (count or 0) < 0 or (skip or 0) + (count or 0) > len(data):
        raise ExpressionError(f".incbin reaches beyond the {len(data)} bytes of {pieces[0]}")
    assembler.emit(data[skip or 0:][:count] if count is not None else data[skip or 0:])


def _quoted(name: str, text: str) -> str:
    text = text.strip()
    if len(text) < 3 or text[0] != '"' or text[-1] != '"':
        raise ExpressionError(f'{name} needs a file name in quotes: {name} "file"')
    return unescape(text[1:-1]).decode("utf-8", "replace")


def _include(assembler: "Assembler", name: str, rest: str) -> None:
    assembler.include(_quoted(name, rest))


# --- space and place ---

def _space(assembler: "Assembler", name: str, rest: str) -> None:
    size, fill = _arguments(assembler, name, rest, 1, 2)
    assembler.section.add(size or 0, Fill(bytes([(fill or 0) & 0xFF])), assembler.statement)


def _fill(assembler: "Assembler", name: str, rest: str) -> None:
    count, size, value = _arguments(assembler, name, rest, 1, 3)
    size = 1 if size is None else size
    if not 0 <= size <= 8 or (count or 0) < 0:
        raise ExpressionError(".fill needs a count, zero or more, and a size from 0 to 8")
    pattern = ((value or 0) & 0xFFFF_FFFF).to_bytes(8, "little")[:size]     # GNU as takes 4 bytes of the value
    assembler.section.add((count or 0) * size, Fill(pattern or b"\0"), assembler.statement)


def _align(assembler: "Assembler", name: str, rest: str) -> None:
    amount, fill, most = _arguments(assembler, name, rest, 0, 3)
    width = {"w": 2, "l": 4}.get(name[-1], 1) if name.startswith((".balign", ".p2align")) else 1
    if name.startswith(".balign"):
        alignment = amount if amount is not None else 1
        alignment = alignment or 1
    else:
        if not 0 <= (amount if amount is not None else 2) <= 31:
            raise ExpressionError(f"{name} takes a power of two from 0 to 31")
        alignment = 1 << (amount if amount is not None else 2 if name == ".align" else 0)
    if alignment <= 0 or alignment & alignment - 1 or alignment > 1 << 31:
        raise ExpressionError(f"an alignment of {alignment} is not a power of two up to 2 GiB")
    pattern = None if fill is None else (fill & (1 << 8 * width) - 1).to_bytes(width, "little")
    assembler.align(alignment, pattern, most or None)


def _org(assembler: "Assembler", name: str, rest: str) -> None:
    pieces = _split(rest)
    if not 1 <= len(pieces) <= 2:
        raise ExpressionError(".org needs a place, and may have a fill byte")
    fill = assembler.number(assembler.tree(pieces[1])) if len(pieces) == 2 else 0
    assembler.move_to(assembler.tree(pieces[0]), bytes([fill & 0xFF]))


def _literal_pool(assembler: "Assembler", name: str, rest: str) -> None:
    assembler.flush_literals()


# --- sections ---

def _section(assembler: "Assembler", name: str, rest: str) -> None:
    pushed = name == ".pushsection"
    if name in (".section", ".pushsection"):
        match = re.match(r'\s*(?:"([^"]+)"|([\w.$-]+))', rest, re.ASCII)
        if not match:
            raise ExpressionError(f"{name} needs a name")
        target = match.group(1) or match.group(2)
    else:
        target = name
        if rest.strip() not in ("", "0"):
            raise ExpressionError(f"{name} {rest.strip()[:10]}: subsections cannot be honoured in a flat image")
    if pushed:
        assembler.section_stack.append((assembler.section, assembler.previous_section))
    assembler.previous_section, assembler.section = assembler.section, assembler.section_named(target)


def _pop_section(assembler: "Assembler", name: str, rest: str) -> None:
    if not assembler.section_stack:
        raise ExpressionError(".popsection without .pushsection")
    assembler.section, assembler.previous_section = assembler.section_stack.pop()


def _previous(assembler: "Assembler", name: str, rest: str) -> None:
    assembler.section, assembler.previous_section = assembler.previous_section, assembler.section


def _common(assembler: "Assembler", name: str, rest: str) -> None:
    symbol, *numbers = _split(rest) or [""]
    if not symbol or not 1 <= len(numbers) <= 2:
        raise ExpressionError(f"{name} needs a name, a size, and may have an alignment")
    size, alignment = (assembler.number(assembler.tree(piece)) for piece in [*numbers, "1"][:2])
    if alignment <= 0 or alignment & alignment - 1:
        raise ExpressionError(f"an alignment of {alignment} is not a power of two")
    present, assembler.section = assembler.section, assembler.section_named(".bss")
    try:
        assembler.align(alignment)
        assembler.define_label(symbol)
        assembler.section.add(size, Fill(b"\0"), assembler.statement)
    finally:
        assembler.section = present


# --- symbols and the assembler itself ---

def _set(assembler: "Assembler", name: str, rest: str) -> None:
    symbol, comma, value = rest.partition(",")
    if not comma or not re.fullmatch(r"\s*[A-Za-z_.$\x80-\xff][\w.$\x80-\xff]*\s*", symbol, re.ASCII):
        raise ExpressionError(f"{name} needs a name and a value")
    assembler.assign(symbol.strip(), value, once=name in (".equiv", ".eqv"))


def _weak(assembler: "Assembler", name: str, rest: str) -> None:
    assembler.symbols.weak.update(piece.strip() for piece in rest.split(","))


def _unreq(assembler: "Assembler", name: str, rest: str) -> None:
    alias = rest.strip()
    if alias not in assembler.aliases:
        raise ExpressionError(f"`{alias}` is no register alias")
    for spelling in {alias, alias.lower(), alias.upper()}:
        assembler.aliases.pop(spelling, None)


def _purge(assembler: "Assembler", name: str, rest: str) -> None:
    if assembler.macros.pop(rest.strip().lower(), None) is None:
        raise ExpressionError(f"there is no macro `{rest.strip()}`")


def _exit_macro(assembler: "Assembler", name: str, rest: str) -> None:
    assembler.exit_macro()


def _end(assembler: "Assembler", name: str, rest: str) -> None:
    assembler.end()


def _error(assembler: "Assembler", name: str, rest: str) -> None:
    raise ExpressionError(rest.strip().strip('"') or f"{name} in the source")


def _nothing(assembler: "Assembler", name: str, rest: str) -> None:
    """.print and .warning: what they say is for whoever wrote the source, and says nothing about the image."""


def _stray(assembler: "Assembler", name: str, rest: str) -> None:
    raise ExpressionError(f"{name} without its beginning")


DIRECTIVES: dict[str, Directive] = {
    ".float": _floats, ".single": _floats, ".double": _floats, ".ascii": _strings, ".asciz": _strings, ".string": _strings,
    ".incbin": _file_bytes, ".include": _include, ".space": _space, ".skip": _space, ".zero": _space, ".fill": _fill, ".org": _org,
    ".ltorg": _literal_pool, ".pool": _literal_pool, ".section": _section, ".pushsection": _section, ".popsection": _pop_section,
    ".previous": _previous, ".comm": _common, ".lcomm": _common, ".set": _set, ".equ": _set, ".equiv": _set, ".eqv": _set, ".weak": _weak,
    ".unreq": _unreq, ".purgem": _purge, ".exitm": _exit_macro, ".end": _end, ".error": _error, ".err": _error, ".print": _nothing,
    ".warning": _nothing, ".abort": _error, ".endm": _stray, ".endmacro": _stray, ".endr": _stray,
    **dict.fromkeys((".text", ".data", ".bss", ".rodata"), _section),
    **dict.fromkeys((".align", ".balign", ".balignw", ".balignl", ".p2align", ".p2alignw", ".p2alignl"), _align),
}
