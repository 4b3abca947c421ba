"""Macros and repetitions: how a body becomes statements. GNU as manual, ".macro", ".rept", ".irp", ".irpc"."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sim.loader.expression import ExpressionError
from sim.loader.text import STATEMENT_MAX_CHARACTERS, Statement

_PARAMETER = re.compile(r"\\(@|\(\)|[A-Za-z_$.\x80-\xff][\w.$\x80-\xff]*)", re.ASCII)
_DECLARATION = re.compile(r"\s*,?\s*([A-Za-z_$.][\w.$]*)\s*(?::\s*(req|vararg))?\s*(=)?", re.ASCII)
_KEYWORD_ARGUMENT = re.compile(r"([A-Za-z_$.][\w.$]*)\s*=(?!=)", re.ASCII)
_STATEMENT_WORD = re.compile(r"(?:[\w.$]+\s*:\s*)*([\w.$]+)", re.ASCII)


@dataclass(frozen=True)
class Parameter:
    """A macro's parameter. kind: "", "req" or "vararg"."""

    name: str
    kind: str
    default: str


@dataclass(frozen=True)
class Macro:
    """A macro's parameters and body."""

    name: str
    parameters: tuple[Parameter, ...]
    body: tuple[Statement, ...]


def first_word(text: str) -> str:
    """The mnemonic or directive of a statement, in lower case, labels passed over."""
    match = _STATEMENT_WORD.match(text)
    return match.group(1).lower() if match else ""


def declaration(text: str) -> tuple[str, tuple[Parameter, ...]]:
    """The name and parameters of a .macro statement's operands."""
    match = re.match(r"\s*([A-Za-z_$.][\w.$]*)", text, re.ASCII)
    if not match:
        raise ExpressionError(".macro needs a name")
    parameters: list[Parameter] = []
    position = match.end()
    while text[position:].strip():
        found = _DECLARATION.match(text, position)
        if not found:
            raise ExpressionError(f"cannot read the parameter `{text[position:].strip()[:20]}`")
        position = found.end()
        default = ""
        if found.group(3):
            default, position = _argument(text, position)
        parameters.append(Parameter(found.group(1), found.group(2) or "", default))
    names = [parameter.name for parameter in parameters]
    if len(set(names)) < len(names):
        raise ExpressionError(f"macro {match.group(1)} has two parameters of one name")
    return match.group(1).lower(), tuple(parameters)


def _argument(text: str, position: int) -> tuple[str, int]:
    """One argument from position on, and where it ends: at a comma, or at a space between two words that no bracket encloses."""
    while position < len(text) and text[position] in " \t":
        position += 1
    if position < len(text) and text[position] == '"':
        end = position + 1
        while end < len(text) and text[end] != '"':
            end += 2 if text[end] == "\\" else 1
        return text[position + 1:end], min(end + 1, len(text))
    out: list[str] = []
    depth = 0
    while position < len(text):
        character = text[position]
        if character == "," or (character in " \t" and not depth and _separates(text, position, out)):
            break
        if character == '"':
            end = text.find('"', position + 1)
            end = len(text) if end < 0 else end + 1
            out.append(text[position:end])
            position = end
            continue
        depth += (character in "([") - (character in ")]")
        if character not in " \t" or depth:
            out.append(character)
        position += 1
    return "".join(out), position


def _separates(text: str, position: int, before: Sequence[str]) -> bool:
    rest = text[position:].lstrip()
    if not rest or rest[0] == ",":
        return False
    word = re.compile(r'[\w.$\\#"]', re.ASCII)
    return bool(before) and bool(re.match(r"[\w.$)\]]", before[-1][-1:], re.ASCII)) and bool(word.match(rest))


def split_arguments(text: str) -> list[str]:
    """The arguments of a macro call, .irp, or .ifc: separated by commas or spaces, quotes taken off."""
    arguments: list[str] = []
    position = 0
    text = text.strip()
    while position < len(text):
        argument, position = _argument(text, position)
        arguments.append(argument)
        while position < len(text) and text[position] in " \t":
            position += 1
        if position < len(text) and text[position] == ",":
            position += 1
            if not text[position:].strip():
                arguments.append("")
    return arguments


def bind_arguments(macro: Macro, text: str) -> dict[str, str]:
    """The value of each parameter for one call."""
    values: dict[str, str] = {}
    names = {parameter.name: parameter for parameter in macro.parameters}
    position, index, text = 0, 0, text.strip()
    while position < len(text):
        keyword = _KEYWORD_ARGUMENT.match(text, position)
        if keyword and keyword.group(1) in names:
            name = keyword.group(1)
            position = keyword.end()
        elif index < len(macro.parameters):
            name = macro.parameters[index].name
            index += 1
        else:
            raise ExpressionError(f"macro {macro.name} takes {len(macro.parameters)} arguments, and more are given")
        if names[name].kind == "vararg":
            values[name] = text[position:].strip()
            break
        values[name], position = _argument(text, position)
        while position < len(text) and text[position] in " \t":
            position += 1
        if position < len(text) and text[position] == ",":
            position += 1
            while position < len(text) and text[position] in " \t":
                position += 1
    for parameter in macro.parameters:
        if not values.get(parameter.name):
            if parameter.kind == "req":
                raise ExpressionError(f"macro {macro.name} needs the argument `{parameter.name}`")
            values[parameter.name] = parameter.default
    return values


def expand(body: Sequence[Statement], values: Mapping[str, str], number: int, through: str) -> list[Statement]:
    r"""The body with \name, \@ (the number of the expansion) and \() replaced. The place stays that of the body's line."""
    def value(match: re.Match[str]) -> str:
        name = match.group(1)
        if name == "@":
            return str(number)
        if name == "()":
            return ""
        if name in values:
            return values[name]
        head, dot, tail = name.partition(".")       # \reg.4s: the arrangement is no part of the name
        if dot and head in values:
            return values[head] + dot + tail
        return match.group()

    statements: list[Statement] = []
    for statement in body:
        text = _PARAMETER.sub(value, statement.text) if "\\" in statement.text else statement.text
        if len(text) > STATEMENT_MAX_CHARACTERS:
            raise ExpressionError("a statement becomes too long by expansion")
        place = statement.place
        statements.extend(Statement(piece, type(place)(place.file, place.line, through)) for piece in _pieces(text))
    return statements


def _pieces(text: str) -> list[str]:
    """An argument may hold `;`, which then separates statements."""
    if ";" not in text:
        return [text] if text.strip() else []
    pieces, start, quoted = [], 0, False
    for position, character in enumerate(text):
        if character == '"' and text[position - 1:position] != "\\":
            quoted = not quoted
        elif character == ";" and not quoted:
            pieces.append(text[start:position])
            start = position + 1
    pieces.append(text[start:])
    return [piece.strip() for piece in pieces if piece.strip()]
