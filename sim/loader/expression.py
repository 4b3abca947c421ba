"""Expressions as GNU as reads them: tokens, a tree, a value.

Arithmetic is 64-bit two's complement. Precedence, from the tightest: unary - + ~ !, then * / % << >>, then | & ^ ! (or-not), then + -,
then == != <> < > >= <= (true is -1), then &&, then ||. >> is logical, / and % truncate. GNU as manual, "Infix Operators".
An address inside a section is a Value with the section's name until the layout is known; the difference of two in one section is a number.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

DEPTH_MAX = 100                         # nested parentheses and unary operators


class ExpressionError(Exception):
    """What is wrong with an expression, in words for the user."""


class NotYetKnown(Exception):
    """The value depends on a symbol that is not defined so far, or on the layout."""


class Value(NamedTuple):
    """A signed 64-bit number, or an offset from the start of a section."""

    number: int
    section: str | None = None


ZERO = Value(0)


class Token(NamedTuple):
    """kind: number, float, name, local (a reference 1b or 1f), char, string, operator; text as written."""

    kind: str
    text: str
    start: int


@dataclass(frozen=True, slots=True)
class Tree:
    """An expression: operator "number" (value), "name" (name), or an operator's spelling with one or two operands."""

    operator: str
    value: Value = ZERO
    name: str = ""
    operands: tuple["Tree", ...] = ()


_TOKEN = re.compile(r"""
    [ \t\f\v\r]* (?:
      (?P<float>  \d+\.\d+(?:[eE][+-]?\d+)? | \d+[eE][+-]\d+ )
    | (?P<number> 0[xX][0-9a-fA-F]+ (?![\w$]) | 0[bB][01]+ (?![\w$]) | \d+ (?![\w$]) )
    | (?P<local>  \d{1,9}[bf] (?![\w$]) )
    | (?P<name>   [A-Za-z_.$\x80-\xff][\w.$\x80-\xff]* )
    | (?P<string> "(?:\\.|[^"\\])*" )
    | (?P<char>   '(?:\\.|[^\\])'? )
    | (?P<operator> << | >> | == | != | <> | <= | >= | && | \|\| | [-+*/%&|^~!()<>,\[\]{}\#=:] )
    )""", re.VERBOSE | re.ASCII)
_ESCAPES = {"n": 10, "t": 9, "r": 13, "b": 8, "f": 12, "v": 11, "0": 0, "\\": 92, '"': 34, "'": 39}
_PRECEDENCE = {"*": 6, "/": 6, "%": 6, "<<": 6, ">>": 6, "|": 5, "&": 5, "^": 5, "!": 5, "+": 4, "-": 4,
               "==": 3, "!=": 3, "<>": 3, "<": 3, ">": 3, ">=": 3, "<=": 3, "&&": 2, "||": 1}


def wrap(number: int) -> int:
    """A number as signed 64-bit two's complement."""
    number &= 0xFFFF_FFFF_FFFF_FFFF
    return number - (1 << 64) if number >> 63 else number


def tokenize(text: str) -> list[Token]:
    """The tokens of operands or of an expression. ExpressionError at a character that cannot start one."""
    tokens: list[Token] = []
    position, end = 0, len(text.rstrip())
    while position < end:
        match = _TOKEN.match(text, position)
        if match is None or match.end() == position:
            rest = text[position:].lstrip()
            raise ExpressionError(f"cannot read `{rest[:20]}`")
        kind = str(match.lastgroup)
        tokens.append(Token(kind, match.group(kind), match.start(kind)))
        position = match.end()
    return tokens


def unescape(text: str) -> bytes:
    r"""The bytes of a string or character constant, escapes (\n \t \" \\ \123 \x1f) resolved. GNU as manual, "Strings"."""
    out = bytearray()
    position = 0
    while position < len(text):
        character = text[position]
        position += 1
        if character != "\\" or position >= len(text):
            out += character.encode("latin-1", "replace")
            continue
        octal = re.compile(r"[0-7]{1,3}").match(text, position)
        hexadecimal = re.compile(r"[xX]([0-9a-fA-F]+)").match(text, position)
        if octal:
            out.append(int(octal.group(), 8) & 0xFF)
            position = octal.end()
        elif hexadecimal:
            out.append(int(hexadecimal.group(1)[-2:], 16))
            position = hexadecimal.end()
        elif text[position] in _ESCAPES:
            out.append(_ESCAPES[text[position]])
            position += 1
        else:
            raise ExpressionError(f"unknown escape `\\{text[position]}` in a string")
    return bytes(out)


class Parser:
    """Trees from tokens[position:]. bind turns a name into a Tree at once: a number if it has one now, else a reference to the name."""

    def __init__(self, tokens: list[Token], bind: Callable[[Token], Tree], position: int = 0) -> None:
        self.tokens, self.bind, self.position = tokens, bind, position
        self._depth = 0

    def peek(self) -> str:
        """The text of the next token, "" at the end."""
        return self.tokens[self.position].text if self.position < len(self.tokens) else ""

    def expression(self, lowest: int = 1) -> Tree:
        """One expression; stops at what cannot continue it."""
        tree = self._operand()
        while True:
            operator = self.peek()
            precedence = _PRECEDENCE.get(operator, 0)
            if precedence < lowest or self.tokens[self.position].kind != "operator":
                return tree
            self.position += 1
            tree = _fold(Tree(operator, operands=(tree, self.expression(precedence + 1))))

    def _operand(self) -> Tree:
        if self.position >= len(self.tokens):
            raise ExpressionError("an expression ends too early")
        token = self.tokens[self.position]
        self.position += 1
        if token.kind == "number":
            return Tree("number", Value(_number(token.text)))
        if token.kind == "char":
            code = unescape(token.text[1:-1] if len(token.text) > 2 and token.text.endswith("'") else token.text[1:])
            return Tree("number", Value(code[0] if code else 0))
        if token.kind in ("name", "local"):
            return self.bind(token)
        self._depth += 1
        if self._depth > DEPTH_MAX:
            raise ExpressionError("an expression is nested too deeply")
        try:
            if token.text == "(":
                tree = self.expression()
                if self.peek() != ")":
                    raise ExpressionError("a parenthesis is not closed")
                self.position += 1
                return tree
            if token.text in ("-", "+", "~", "!"):
                return _fold(Tree("u" + token.text, operands=(self._operand(),)))
        finally:
            self._depth -= 1
        raise ExpressionError(f"`{token.text[:20]}` cannot start an expression")


def _number(text: str) -> int:
    if len(text) > 400:
        raise ExpressionError(f"the number {text[:12]}... is too large")
    if text[:2] in ("0x", "0X"):
        number = int(text, 16)
    elif text[:2] in ("0b", "0B"):
        number = int(text, 0)
    elif text[0] == "0" and len(text) > 1:
        try:
            number = int(text, 8)
        except ValueError:
            raise ExpressionError(f"`{text}` is not an octal number") from None
    else:
        number = int(text)
    if number >> 64:
        raise ExpressionError(f"the number {text} does not fit in 64 bits")
    return wrap(number)


def _fold(tree: Tree) -> Tree:
    """The same expression with numbers computed, so that long constant expressions stay small."""
    if all(operand.operator == "number" for operand in tree.operands):
        try:
            return Tree("number", evaluate(tree, lambda name: Value(0)))
        except NotYetKnown:
            return tree
    return tree


def evaluate(tree: Tree, lookup: Callable[[str], Value], bases: Mapping[str, int] | None = None) -> Value:
    """The value of a tree. lookup(name) gives a symbol's value or raises NotYetKnown or ExpressionError.

    bases: the addresses of the sections that are known; then every value is a number, or NotYetKnown.
    """
    if tree.operator == "number":
        number, section = tree.value
        if bases is None or section is None:
            return tree.value
        if section not in bases:
            raise NotYetKnown
        return Value(number + bases[section])
    if tree.operator == "name":
        return lookup(tree.name)
    if len(tree.operands) == 1:
        return Value(_unary(tree.operator, _plain(evaluate(tree.operands[0], lookup, bases))))
    # Long sums lean to the left: walk down that side with a loop, not with the Python stack.
    spine = [tree]
    while len(spine[-1].operands[0].operands) == 2:
        spine.append(spine[-1].operands[0])
    left = evaluate(spine[-1].operands[0], lookup, bases)
    for node in reversed(spine):
        left = _binary(node.operator, left, evaluate(node.operands[1], lookup, bases))
    return left


def _plain(value: Value) -> int:
    if value.section is not None:
        raise NotYetKnown
    return value.number


def _unary(operator: str, number: int) -> int:
    if operator == "u-":
        return wrap(-number)
    if operator == "u~":
        return ~number
    return int(not number) if operator == "u!" else number


def _binary(operator: str, left: Value, right: Value) -> Value:
    if operator == "+" and (left.section is None or right.section is None):
        return Value(wrap(left.number + right.number), left.section or right.section)
    if operator == "-" and right.section is None:
        return Value(wrap(left.number - right.number), left.section)
    if left.section != right.section or (left.section is not None and _PRECEDENCE[operator] not in (3, 4)) or \
            (left.section is not None and operator == "+"):
        raise NotYetKnown
    return Value(_compute(operator, left.number, right.number))


def _compute(operator: str, a: int, b: int) -> int:
    match operator:
        case "+":
            return wrap(a + b)
        case "-":
            return wrap(a - b)
        case "*":
            return wrap(a * b)
        case "/" | "%":
            if b == 0:
                raise ExpressionError("division by zero")
            quotient = abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)
            return wrap(quotient if operator == "/" else a - quotient * b)
        case "<<":
            return wrap(a << b) if 0 <= b < 64 else 0
        case ">>":
            return wrap((a & 0xFFFF_FFFF_FFFF_FFFF) >> b) if 0 <= b < 64 else 0
        case "|":
            return a | b
        case "&":
            return a & b
        case "^":
            return a ^ b
        case "!":
            return a | ~b
        case "&&":
            return int(bool(a) and bool(b))
        case "||":
            return int(bool(a) or bool(b))
    truth = {"==": a == b, "!=": a != b, "<>": a != b, "<": a < b, ">": a > b, "<=": a <= b, ">=": a >= b}
    return -int(truth[operator])
