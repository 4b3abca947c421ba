"""The front end: statements in, sections out. Files, macros and conditions are read here; what they make is built by builder.py.
"""

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sim.errors import UserError
from sim.loader import directives
from sim.loader.builder import Builder
from sim.loader.expression import ExpressionError, NotYetKnown
from sim.loader.files import read_bytes
from sim.loader.macros import Macro, Parameter, bind_arguments, declaration, expand, first_word, split_arguments
from sim.loader.text import Place, SourceError, Statement, split_statements

STATEMENTS_MAX = 1_000_000
EXPANDED_MAX_CHARACTERS = 64 << 20
INCLUDE_DEPTH_MAX = 64
EXPANSION_DEPTH_MAX = 1000
ERRORS_MAX = 100                        # after so many the rest is not read: what follows would be noise

_LABEL = re.compile(r"(?:([A-Za-z_.$\x80-\xff][\w.$\x80-\xff]*)|(\d{1,9}))\s*:(?!:)\s*", re.ASCII)
_WORD = re.compile(r"([A-Za-z_.$\x80-\xff][\w.$\x80-\xff]*)\s*", re.ASCII)
_ASSIGNMENT = re.compile(r"={1,2}(?!=)\s*")
_REQ = re.compile(r"\.req\b\s*([\w.$]+)\s*$", re.IGNORECASE | re.ASCII)
_OPENERS = {".macro": ".endm", ".rept": ".endr", ".rep": ".endr", ".irp": ".endr", ".irpc": ".endr"}
_CONDITIONS = re.compile(r"\.(if\w*|else|elseif|endif)$")


class SourceEnds(ExpressionError):
    """A mistake after which nothing more of the source can be read with sense."""


class EndOfSource(Exception):
    """.end was reached."""


@dataclass
class Frame:
    """Statements under way: a file, or an expansion. conditions: how many .if were open when it began."""

    statements: Sequence[Statement]
    kind: str
    conditions: int
    path: Path | None = None
    position: int = 0


@dataclass
class Condition:
    """An open .if: whether its present branch is read, whether one has been, and where it stands."""

    active: bool
    taken: bool
    place: Place
    else_seen: bool = False


class Assembler(Builder):
    """One source on its way to sections. run() reads everything; errors are collected, not raised."""

    def __init__(self, origin_pa: int, constants: Mapping[str, int], include_dirs: Sequence[Path], deadline_seconds: float) -> None:
        super().__init__(origin_pa, constants)
        self.include_dirs = list(include_dirs)
        self.macros: dict[str, Macro] = {}
        self.conditions: list[Condition] = []
        self.frames: list[Frame] = []
        self.expansions = 0
        self.gave_up = False
        self.files: list[str] = []
        self._expanded_characters = 0
        self._statements_left = STATEMENTS_MAX
        self._deadline = time.monotonic() + deadline_seconds
        self._deadline_seconds = deadline_seconds

    # --- reading ---

    def run(self, text: str, file: str, path: Path | None) -> None:
        """Read a whole source."""
        self._push_file(text, file, path)
        try:
            while self.frames and len(self.errors) < ERRORS_MAX:
                frame = self.frames[-1]
                if frame.position >= len(frame.statements):
                    self._pop_frame()
                    continue
                self.statement = frame.statements[frame.position]
                frame.position += 1
                self._count_statement()
                try:
                    self._read(self.statement)
                except SourceEnds:
                    raise
                except NotYetKnown:
                    self.error("the value must be known here, but depends on a symbol that is defined later or not at all")
                except ExpressionError as error:
                    self.error(str(error))
        except EndOfSource:
            pass
        except ExpressionError as error:        # a limit: nothing more can be read, and what has been is not worth encoding
            self.error(str(error))
            self.gave_up = True
        for condition in self.conditions:
            self.errors.append(SourceError(condition.place, ".if is never ended by .endif"))
        for section in self.sections.values():
            self.section = section
            self._guarded(self.flush_literals)

    def _guarded(self, action: Callable[[], None]) -> None:
        try:
            action()
        except ExpressionError as error:
            self.error(str(error))

    def _count_statement(self) -> None:
        self._statements_left -= 1
        if self._statements_left < 0:
            raise SourceEnds(f"the source expands to more than {STATEMENTS_MAX} statements")
        if time.monotonic() > self._deadline:
            raise SourceEnds(f"the source is not assembled after {self._deadline_seconds:g} seconds")

    def _push_file(self, text: str, file: str, path: Path | None) -> None:
        statements, errors = split_statements(text, file)
        self.files.append(file)
        self.errors.extend(errors)
        self.frames.append(Frame(statements, "file", len(self.conditions), path))

    def _pop_frame(self, forced: bool = False) -> None:
        frame = self.frames.pop()
        while len(self.conditions) > frame.conditions:
            condition = self.conditions.pop()
            if not forced:
                self.errors.append(SourceError(condition.place, ".if is never ended by .endif"))

    def include(self, name: str) -> None:
        """Read another file: beside the including one, then in include_dirs. It must not be under way already."""
        path = self.find_file(name)
        if any(frame.path is not None and frame.path.resolve() == path.resolve() for frame in self.frames):
            raise ExpressionError(f"`{name}` includes itself")
        if sum(frame.kind == "file" for frame in self.frames) >= INCLUDE_DEPTH_MAX:
            raise ExpressionError("files are included too deeply")
        self._push_file(self.read_included(path).decode("latin-1"), str(path), path)

    def read_included(self, path: Path) -> bytes:
        """The content of an included file, failures told at the statement under way."""
        try:
            return read_bytes(path)
        except UserError as error:
            raise ExpressionError(str(error)) from None

    def find_file(self, name: str) -> Path:
        """The path of an included file. ExpressionError when it is nowhere."""
        including = next((frame.path for frame in reversed(self.frames) if frame.path is not None), None)
        directories = [including.parent if including is not None else Path(), *self.include_dirs]
        try:
            for directory in directories:
                if (directory / name).exists():
                    return directory / name
        except (OSError, ValueError):
            pass
        raise ExpressionError(f"cannot find the file `{name}`")

    # --- statements ---

    def _read(self, statement: Statement) -> None:
        text = statement.text
        skipping = bool(self.conditions) and not self.conditions[-1].active
        if skipping:
            word = first_word(text)
            if _CONDITIONS.match(word):
                self._condition(word, text[text.lower().find(word) + len(word):].strip(), skipping=True)
            return
        position = 0
        while match := _LABEL.match(text, position):
            self.define_label(match.group(1) or int(match.group(2)))
            position = match.end()
        if position == len(text):
            return
        match = _WORD.match(text, position)
        if not match:
            raise ExpressionError(f"`{text[position:position + 20]}` is not a statement")
        name, rest = match.group(1), text[match.end():]
        self._perform(name, rest)

    def _perform(self, name: str, rest: str) -> None:
        word = name.lower() if name.isascii() else name       # a byte of UTF-8 has no case
        if word in self.macros:
            self._call(self.macros[word], rest)
        elif assignment := _ASSIGNMENT.match(rest):
            self.assign(name, rest[assignment.end():], once=False)
        elif request := _REQ.match(rest):
            self.alias(name, request.group(1))
        elif _CONDITIONS.match(word):
            self._condition(word, rest, skipping=False)
        elif word == ".macro":
            macro_name, parameters = self._declare(rest)
            self.macros[macro_name] = Macro(macro_name, parameters, tuple(self._body(word)))
        elif word in _OPENERS:
            self._repeat(word, rest)
        elif word[0] == ".":
            directives.perform(self, word, rest)
        else:
            self.instruction(word, rest)

    def _declare(self, rest: str) -> tuple[str, tuple[Parameter, ...]]:
        try:
            return declaration(rest)
        except ExpressionError:
            self._body(".macro")        # the body of a macro that cannot be called is not code
            raise

    def end(self) -> None:
        """.end: nothing after it is read."""
        raise EndOfSource

    # --- macros and conditions ---

    def _body(self, opener: str) -> list[Statement]:
        """The statements up to the end of the construct under way, which ends in the same file or expansion."""
        frame, start_place = self.frames[-1], self.statement.place
        closers = (".endm", ".endmacro") if opener == ".macro" else (".endr",)
        openers = (".macro",) if opener == ".macro" else tuple(o for o, c in _OPENERS.items() if c == ".endr")
        body: list[Statement] = []
        depth = 1
        while frame.position < len(frame.statements):
            statement = frame.statements[frame.position]
            frame.position += 1
            self._count_statement()
            word = first_word(statement.text)
            depth += (word in openers) - (word in closers)
            if not depth:
                return body
            body.append(statement)
        raise ExpressionError(f"{opener} at line {start_place.line} is never ended by {closers[0]}")

    def _push_expansion(self, statements: list[Statement], kind: str) -> None:
        if len(self.frames) > EXPANSION_DEPTH_MAX:
            raise SourceEnds("macros are nested too deeply: does one call itself for ever?")
        self._expanded_characters += sum(len(statement.text) for statement in statements)
        if self._expanded_characters > EXPANDED_MAX_CHARACTERS:
            raise SourceEnds("macros and repetitions expand to too much text")
        self.frames.append(Frame(statements, kind, len(self.conditions)))

    def _call(self, macro: Macro, rest: str) -> None:
        values = bind_arguments(macro, rest)
        place = self.statement.place
        through = f"in macro {macro.name}, called at {place}"
        self._push_expansion(expand(macro.body, values, self.expansions, through), "macro")
        self.expansions += 1

    def exit_macro(self) -> None:
        """Leave the innermost macro, with the conditions opened in it."""
        while self.frames and self.frames[-1].kind == "repetition":
            self._pop_frame(forced=True)
        if not self.frames or self.frames[-1].kind != "macro":
            raise ExpressionError(".exitm outside a macro")
        self._pop_frame(forced=True)

    def _repeat(self, word: str, rest: str) -> None:
        body = self._body(word)
        rounds: Iterator[dict[str, str]]
        if word in (".rept", ".rep"):
            trees = self.trees(rest)
            count = self.number(trees[0]) if len(trees) == 1 else -1
            if count < 0:
                raise ExpressionError(f"{word} needs a count, zero or more")
            if count * max(1, len(body)) > STATEMENTS_MAX or count * sum(len(s.text) for s in body) > EXPANDED_MAX_CHARACTERS:
                raise SourceEnds(f"{word} {count} expands to too much text")
            if not any("\\" in statement.text for statement in body):
                self._push_expansion(body * count, "repetition")
                return
            rounds = iter([{}] * count)
        else:
            match = re.match(r"\s*\\?([A-Za-z_$.][\w.$]*)\s*,?\s*", rest, re.ASCII)
            if not match:
                raise ExpressionError(f"{word} needs a name and values")
            values = split_arguments(rest[match.end():]) if word == ".irp" else list(rest[match.end():].strip().strip('"'))
            rounds = iter([{match.group(1): value} for value in values or [""]])
        statements: list[Statement] = []
        for values_of_round in rounds:
            statements += expand(body, values_of_round, self.expansions, f"in {word} at {self.statement.place}")
            self.expansions += 1
            if len(statements) > STATEMENTS_MAX or time.monotonic() > self._deadline:
                raise SourceEnds(f"{word} expands to too much text")
        self._push_expansion(statements, "repetition")

    def _condition(self, word: str, rest: str, skipping: bool) -> None:
        place = self.statement.place
        if word.startswith(".if"):
            condition = Condition(active=False, taken=True, place=place)
            self.conditions.append(condition)       # first: an .if that cannot be computed still has its .endif; no branch of it is read
            if not skipping:
                condition.active = condition.taken = self._test(word, rest)
            return
        floor = self.frames[-1].conditions
        if len(self.conditions) <= floor:
            raise ExpressionError(f"{word} without .if")
        condition = self.conditions[-1]
        if word == ".endif":
            self.conditions.pop()
            return
        if condition.else_seen:
            raise ExpressionError(f"{word} after .else")
        condition.else_seen = word == ".else"
        if condition.taken:
            condition.active = False
        else:
            condition.active = condition.taken = word == ".else" or self._test(".if", rest)

    def _test(self, word: str, rest: str) -> bool:
        if word in (".ifdef", ".ifndef", ".ifnotdef"):
            return (rest.strip() in self.symbols.values or rest.strip() in self.aliases) == (word == ".ifdef")
        if word in (".ifb", ".ifnb"):
            return (not rest.strip()) == (word == ".ifb")
        if word in (".ifc", ".ifnc", ".ifeqs", ".ifnes"):
            left, _, right = rest.partition(",")
            return (left.strip() == right.strip()) == (word in (".ifc", ".ifeqs"))
        trees = self.trees(rest)
        if len(trees) != 1:
            raise ExpressionError(f"{word} needs one value")
        number = self.number(trees[0])
        tests = {".if": number != 0, ".ifne": number != 0, ".ifeq": number == 0, ".ifgt": number > 0, ".ifge": number >= 0,
                 ".iflt": number < 0, ".ifle": number <= 0}
        if word not in tests:
            raise ExpressionError(f"unknown directive `{word}`")
        return tests[word]
