"""Operands of an instruction: from tokens to parts that are fixed text or expressions, and from those to canonical text.

Registers come out in lower case (ip0, fp, lr by number), immediates as #0x10 or #-0x10 whether written with # or without, a label as the
immediate that is its address. Relocation operators (:lo12:, :abs_g1:, :pg_hi21: ...) are computed here: the addresses are final.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sim.loader.encoders import CONDITIONS, LABEL_LAST
from sim.loader.expression import ExpressionError, Parser, Token, Tree, Value, tokenize

_REGISTER = re.compile(r"(?:[xw](?:[12]?\d|30|zr)|w?sp|lr|fp|ip[01]|[bhsdq](?:[12]?\d|3[01])"
                       r"|v(?:[12]?\d|3[01])(?:\.(?:8b|16b|4h|8h|2s|4s|1d|2d|1q|b|h|s|d|4b|2h))?|c(?:\d|1[0-5]))", re.ASCII)
OTHER_NAMES = {"ip0": "x16", "ip1": "x17", "fp": "x29", "lr": "x30"}
_SHIFTS = frozenset({"lsl", "lsr", "asr", "ror", "msl", "uxtb", "uxth", "uxtw", "uxtx", "sxtb", "sxth", "sxtw", "sxtx"})
_CONDITIONAL = frozenset({"csel", "csinc", "csinv", "csneg", "cset", "csetm", "cinc", "cinv", "cneg",
                          "ccmp", "ccmn", "fcsel", "fccmp", "fccmpe"})
_KEYWORD_FIRST = frozenset({"msr", "tlbi", "at", "dc", "ic", "dsb", "dmb", "isb", "bti", "psb", "tsb", "prfm", "prfum"})
# Relocation operators: how far the value is shifted right, and the width of the field. AArch64 ELF (IHI 0056), "Relocation operators".
_RELOCATIONS = {"lo12": (0, 12), "pg_hi21": (0, 64), "pg_hi21_nc": (0, 64),
                **{f"abs_g{n}{suffix}": (16 * n, 16) for n in range(4) for suffix in ("", "_nc")}}


@dataclass(frozen=True, slots=True)
class Part:
    """One expression of an operand. prefix: "#", or "" for an index. relocation: an operator's name, or ""."""

    tree: Tree
    prefix: str = "#"
    relocation: str = ""


Operand = tuple[str | Part, ...]


@dataclass(frozen=True, slots=True)
class Literal:
    """The =expression of a load."""

    tree: Tree


def is_register(name: str) -> bool:
    """Whether a name is that of a register (general, vector, or Cn of a SYS instruction)."""
    return _REGISTER.fullmatch(name.lower()) is not None


class OperandParser:
    """Reads the operands of one instruction."""

    def __init__(self, mnemonic: str, text: str, bind: Callable[[Token], Tree], aliases: Mapping[str, str]) -> None:
        self._mnemonic, self._aliases = mnemonic, aliases
        self._tokens = tokenize(text)
        self._parser = Parser(self._tokens, bind)
        self._operands: list[Operand] = []
        self._parts: list[str | Part] = []
        self._depth = 0
        self._last_comma = max((i for i, token in enumerate(self._tokens) if token.text == ","), default=-1)

    def parse(self) -> tuple[list[Operand], Literal | None]:
        """The operands, and the literal when the last one is =expression. ExpressionError when they cannot be read."""
        tokens, parser = self._tokens, self._parser
        while parser.position < len(tokens):
            token = tokens[parser.position]
            if token.text == "," and not self._depth:
                self._finish()
                parser.position += 1
                if parser.position == len(tokens):
                    raise ExpressionError("an operand is missing after the last comma")
            elif token.text in ("[", "{", "]", "}", ",") or (token.text == "!" and self._parts[-1:] == ["]"]):
                self._depth += (token.text in "[{") - (token.text in "]}")
                if self._depth < 0:
                    raise ExpressionError(f"`{token.text}` closes nothing")
                self._parts.append(token.text)
                parser.position += 1
            elif token.text == "=" and self._mnemonic in ("ldr", "ldrsw") and self._operands and not self._parts:
                parser.position += 1
                literal = Literal(parser.expression())
                self._end_of_leaf()
                if parser.position < len(tokens):
                    raise ExpressionError("a literal must be the last operand")
                return self._operands, literal
            else:
                self._leaf(token)
        if self._depth:
            raise ExpressionError("a bracket is not closed")
        if tokens:
            self._finish()
        return self._operands, None

    def _finish(self) -> None:
        if not self._parts:
            raise ExpressionError("an operand is missing")
        self._operands.append(tuple(self._parts))
        self._parts = []

    def _end_of_leaf(self) -> None:
        following = self._parser.peek()
        if following not in ("", ",", "[", "]", "}", "!"):
            raise ExpressionError(f"`{following}` is not expected here")

    def _leaf(self, token: Token) -> None:
        if self._parts and not self._depth:
            raise ExpressionError(f"`{token.text}` is not expected here")
        name = self._name(token) if token.kind == "name" else None
        if name is None:
            self._number()
            return
        self._parser.position += 1
        self._parts.append(name)
        if name in _SHIFTS and self._parser.peek() not in ("", ",", "]"):
            self._parts.append(" ")
            self._number()
        elif self._depth and self._parser.peek() == "-":        # {v0.16b - v3.16b}
            self._parts.append("-")
            self._parser.position += 1
            return
        self._end_of_leaf()

    def _name(self, token: Token) -> str | None:
        """A register or a keyword in canonical spelling, or None for what is part of an expression."""
        alias = self._aliases.get(token.text)
        if alias is not None:
            return alias
        name, index = token.text.lower(), len(self._operands)
        is_last = self._parser.position > self._last_comma
        if self._mnemonic in LABEL_LAST and is_last:
            return None
        if _REGISTER.fullmatch(name):
            if name[0] == "c" and self._mnemonic not in ("sys", "sysl"):
                return None
            return OTHER_NAMES.get(name, name)
        if name in _SHIFTS and (index > 0 and (self._depth or is_last)):
            return name
        if "." in name[1:]:             # an alias with an arrangement: acc.4s
            register, _, arrangement = token.text.partition(".")
            if register in self._aliases and _REGISTER.fullmatch(f"{self._aliases[register]}.{arrangement.lower()}"):
                return f"{self._aliases[register]}.{arrangement.lower()}"
        keyword = (index == 0 and self._mnemonic in _KEYWORD_FIRST) or (index == 1 and self._mnemonic == "mrs") \
            or (is_last and name in CONDITIONS and self._mnemonic in _CONDITIONAL)
        return name if keyword else None

    def _number(self) -> None:
        parser, tokens = self._parser, self._tokens
        is_index = self._parts[-1:] == ["["] and parser.peek() != "#"
        if parser.peek() == "#":
            parser.position += 1
        sign = "-" if parser.peek() == "-" else ""
        ahead = parser.position + len(sign)
        if ahead < len(tokens) and tokens[ahead].kind == "float":
            self._parts.append(f"#{sign}{tokens[ahead].text}")
            parser.position = ahead + 1
        elif parser.peek() == ":":
            self._relocation()
        else:
            self._parts.append(Part(parser.expression(), "" if is_index else "#"))
        self._end_of_leaf()

    def _relocation(self) -> None:
        parser = self._parser
        parser.position += 1
        name = parser.peek().lower()
        parser.position += 1
        if parser.peek() != ":" or name not in _RELOCATIONS:
            raise ExpressionError(f"the relocation operator `:{name}:` is not supported in an image that is already linked")
        parser.position += 1
        self._parts.append(Part(parser.expression(), "#", name))


def canonical(operand: Operand, value_of: Callable[[Tree], Value], unsigned: bool = False) -> str:
    """The text of an operand with its expressions computed. value_of gives final numbers. unsigned: without minus signs."""
    pieces: list[str] = []
    for part in operand:
        if isinstance(part, str):
            pieces.append(part)
            continue
        number = value_of(part.tree).number
        suffix = ""
        if part.relocation:
            shift, width = _RELOCATIONS[part.relocation]
            shifted = (number & (1 << 64) - 1) >> shift
            if shift or part.relocation.startswith("abs_g0"):
                if not part.relocation.endswith("_nc") and shifted >> width:
                    raise ExpressionError(f"{number & (1 << 64) - 1:#x} does not fit :{part.relocation}:")
                suffix = f",lsl #{shift:#x}" if shift else ""
            number = shifted & (1 << width) - 1
        elif unsigned:
            number &= (1 << 64) - 1
        pieces.append(f"{part.prefix}{number:#x}{suffix}")
    return "".join(pieces)
