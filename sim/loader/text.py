"""From the text of a source to statements: comments gone, one statement each, with the place where it stands."""

import re
from dataclasses import dataclass

STATEMENT_MAX_CHARACTERS = 1 << 20


class SourceError(Exception):
    """A mistake in a source, at a place."""

    def __init__(self, place: "Place", message: str) -> None:
        super().__init__(message)
        self.place, self.message = place, message

    def __str__(self) -> str:
        return f"{self.place}: {self.message}"


@dataclass(frozen=True, slots=True)
class Place:
    """A line of a file, and the expansion of a macro or repetition it was reached through."""

    file: str
    line: int
    through: str = ""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement without comments; text keeps its spelling."""

    text: str
    place: Place


_SPECIAL = re.compile(r"""
      (?P<string>  "(?:\\.|[^"\\\n])*"? )
    | (?P<char>    '(?:\\[^\n]|[^\\\n])'? )
    | (?P<line>    //[^\n]* )
    | (?P<block>   /\*.*?(?:\*/|\Z) )
    | (?P<hash>    ^[ \t]*\#[^\n]* )
    | (?P<end>     [;\n] )
    """, re.VERBOSE | re.DOTALL | re.MULTILINE)
_PREPROCESSOR = re.compile(r"\s*#\s*(define|include|if|ifdef|ifndef|else|elif|endif|undef|pragma)\b")


def split_statements(text: str, file: str) -> tuple[list[Statement], list[SourceError]]:
    """The statements of a file, and what is wrong with its comments and strings.

    // and /* */ comments may follow an instruction; # starts one only where a line starts. ; separates statements. A line that only the
    C preprocessor understands is an error, because none runs and GNU as would take it for a comment.
    """
    statements: list[Statement] = []
    errors: list[SourceError] = []
    text = text.replace("\r\n", "\n")
    line, line_of_statement, copied = 1, 0, 0
    pieces: list[str] = []

    def finish() -> None:
        nonlocal line_of_statement
        statement = "".join(pieces).strip()
        if statement:
            place = Place(file, line_of_statement or line)
            if len(statement) > STATEMENT_MAX_CHARACTERS:
                errors.append(SourceError(place, "the statement is too long"))
            else:
                statements.append(Statement(statement, place))
        pieces.clear()
        line_of_statement = 0

    def keep(piece: str) -> None:
        nonlocal line_of_statement
        if not line_of_statement and piece.strip():
            line_of_statement = line
        pieces.append(piece)

    for match in _SPECIAL.finditer(text):
        keep(text[copied:match.start()])
        copied = match.end()
        found, kind = match.group(), match.lastgroup
        if kind == "end":
            finish()
        elif kind in ("string", "char"):
            keep(found)
            if kind == "string" and (len(found) < 2 or not found.endswith('"')):
                errors.append(SourceError(Place(file, line), "a string is not closed on its line"))
        elif kind == "block":
            if len(found) < 4 or not found.endswith("*/"):
                errors.append(SourceError(Place(file, line), "a comment /* is never closed"))
            pieces.append(" ")
        elif kind == "hash" and _PREPROCESSOR.match(found):
            errors.append(SourceError(Place(file, line), f"`{found.strip()[:40]}` needs the C preprocessor, which does not run here: "
                                                         "use .equ, .if and .include, or build an ELF"))
        line += found.count("\n")
    keep(text[copied:])
    finish()
    return statements, errors
