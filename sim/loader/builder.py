"""What stands where: labels, values, bytes and instructions at the present place of the present section.

An A64 instruction has four bytes whatever it is, so the layout is known before anything is encoded.
"""

from collections.abc import Mapping, Sequence

from sim.loader.expression import ExpressionError, NotYetKnown, Parser, Token, Tree, Value, evaluate, tokenize
from sim.loader.layout import LOCAL_MARK, NOP, Bytes, Fill, Instruction, Number, Section, Symbols
from sim.loader.operands import OTHER_NAMES, Operand, OperandParser, Part, is_register
from sim.loader.text import Place, SourceError, Statement

SECTIONS_MAX = 1000


class Builder:
    """The sections and symbols of one source as they grow. Mistakes raise ExpressionError, or are noted in errors where reading goes on."""

    def __init__(self, origin_pa: int, constants: Mapping[str, int]) -> None:
        self.symbols = Symbols(dict(constants))
        self.symbols.bases[".text"] = origin_pa
        self.sections: dict[str, Section] = {}
        self.section = self.section_named(".text")
        self.section_stack: list[tuple[Section, Section]] = []
        self.previous_section = self.section
        self.aliases: dict[str, str] = {}
        self.statement = Statement("", Place("", 0))
        self.errors: list[SourceError] = []
        self._local_counts: dict[int, int] = {}
        self._literals = 0

    def section_named(self, name: str) -> Section:
        """The section of a name, made when it is new."""
        if name not in self.sections and len(self.sections) >= SECTIONS_MAX:
            raise ExpressionError(f"there are more than {SECTIONS_MAX} sections")
        return self.sections.setdefault(name, Section(name))

    def error(self, message: str) -> None:
        """Note a mistake in the statement under way."""
        self.errors.append(SourceError(self.statement.place, message))

    def define_label(self, name: str | int) -> None:
        """Put a label at the present place. A number is a local label, of which there may be many."""
        value = Value(self.section.size_bytes, self.section.name)
        if isinstance(name, int):
            count = self._local_counts[name] = self._local_counts.get(name, 0) + 1
            self.symbols.values[f"{name}{LOCAL_MARK}{count}"] = value
        elif name == ".":
            raise ExpressionError("`.` cannot be a label")
        elif name in self.symbols.values:
            self.error(f"symbol `{name}` is already defined")
        else:
            self.symbols.values[name] = value
            self.symbols.labels.add(name)

    def bind(self, token: Token) -> Tree:
        """What a name or a local reference in an expression stands for at this place."""
        if token.text == ".":
            return Tree("number", Value(self.section.size_bytes, self.section.name))
        if token.kind == "local":
            number = int(token.text[:-1])
            count = self._local_counts.get(number, 0) + (token.text[-1] == "f")
            if not count:
                raise ExpressionError(f"there is no label {number}: before this")
            return Tree("name", name=f"{number}{LOCAL_MARK}{count}")
        value = self.symbols.values.get(token.text)
        if isinstance(value, Value):
            return Tree("number", value)
        return Tree("name", name=token.text)

    # --- values ---

    def trees(self, text: str) -> list[Tree]:
        """The expressions of a list; `.` is the present place in all of them."""
        tokens = tokenize(text)
        parser = Parser(tokens, self.bind)
        trees: list[Tree] = []
        while parser.position < len(tokens):
            if parser.peek() == "#":
                parser.position += 1
            trees.append(parser.expression())
            if parser.position < len(tokens):
                if parser.peek() != ",":
                    raise ExpressionError(f"`{parser.peek()}` is not expected here")
                parser.position += 1
                if parser.position == len(tokens):
                    raise ExpressionError("a value is missing after the last comma")
        return trees

    def tree(self, text: str) -> Tree:
        """The one expression of a text. ExpressionError when there is none or more."""
        trees = self.trees(text)
        if len(trees) != 1:
            raise ExpressionError("one value is needed")
        return trees[0]

    def value(self, tree: Tree) -> Value:
        """The value so far. NotYetKnown when there is none."""
        return evaluate(tree, self.symbols.lookup)

    def number(self, tree: Tree) -> int:
        """The value as a plain number; an address in .text counts when the origin is known."""
        try:
            value = self.value(tree)
            if value.section is None:
                return value.number
        except NotYetKnown:
            pass
        return evaluate(tree, self._placed, self.symbols.bases).number

    def _placed(self, name: str) -> Value:
        value = self.symbols.lookup(name)
        return value if value.section is None else Value(value.number + self._base(value.section))

    def _base(self, section: str) -> int:
        if section not in self.symbols.bases:
            raise NotYetKnown
        return self.symbols.bases[section]

    def assign(self, name: str, text: str, once: bool) -> None:
        """name = expression. A value that is not known yet is computed when it is used."""
        tree = self.tree(text)
        if name == ".":
            self.move_to(tree, b"\0")
            return
        if name in self.symbols.labels or (once and name in self.symbols.values):
            raise ExpressionError(f"symbol `{name}` is already defined")
        try:
            self.symbols.values[name] = self.value(tree)
        except NotYetKnown:
            self.symbols.values[name] = tree

    def alias(self, name: str, target: str) -> None:
        target = self.aliases.get(target, target).lower()
        if not is_register(target):
            raise ExpressionError(f"`{target}` is not a register")
        target = OTHER_NAMES.get(target, target)
        for spelling in {name, name.lower(), name.upper()}:
            self.aliases[spelling] = target

    # --- content ---

    def emit(self, data: bytes) -> None:
        """Put bytes at the present place."""
        self.section.add(len(data), Bytes(data), self.statement)

    def emit_number(self, tree: Tree, size_bytes: int) -> None:
        """Put a number, computed at the end when it depends on addresses."""
        try:
            value = self.value(tree)
        except NotYetKnown:
            value = Value(0, "later")
        if value.section is None:
            self.emit(number_bytes(value.number, size_bytes))
        else:
            self.section.add(size_bytes, Number(tree, size_bytes), self.statement)

    def align(self, alignment: int, fill: bytes | None = None, most_bytes: int | None = None) -> None:
        """Move to a multiple of alignment: with the fill pattern, or NOPs in code, or zeros."""
        base = self.symbols.bases.get(self.section.name, 0)
        needed = -(base + self.section.size_bytes) % alignment
        if most_bytes is not None and needed > most_bytes:
            return
        self.section.alignment = max(self.section.alignment, alignment)
        if fill is None and self.section.is_code and needed:
            self.emit(bytes(needed % 4))
            self.section.add(needed - needed % 4, Fill(NOP), self.statement)
        elif needed:
            self.section.add(needed, Fill(fill or b"\0"), self.statement)

    def move_to(self, tree: Tree, fill: bytes) -> None:
        """.org: a plain number counts from the start of the section, an address stands for itself. It never moves backwards."""
        section, value = self.section, self.value(tree)
        if value.section not in (None, section.name):
            raise ExpressionError(f".org to section {value.section} from section {section.name}")
        if value.number < section.size_bytes:
            excess_bytes = section.size_bytes - value.number
            raise ExpressionError(f".org moves backwards by {excess_bytes:#x} bytes: what stands before it is too long")
        section.add(value.number - section.size_bytes, Fill(fill), self.statement)

    def instruction(self, mnemonic: str, rest: str) -> None:
        """Put an instruction, aligned as GNU as aligns it after data."""
        if self.section.is_zero:
            raise ExpressionError(f"section {self.section.name} can hold zeros only")
        if self.section.size_bytes % 4:
            self.align(4, b"\0")
        self.section.alignment = max(self.section.alignment, 4)
        try:
            operands, literal = OperandParser(mnemonic, rest, self.bind, self.aliases).parse()
            if literal is not None:
                operands = [*operands, (self._literal(mnemonic, operands, literal.tree),)]
            content = Instruction(mnemonic, tuple(operands))
        except ExpressionError:
            self.section.add(4, Bytes(bytes(4)), self.statement)        # so that what follows keeps its address
            raise
        self.section.add(4, content, self.statement)

    def _literal(self, mnemonic: str, operands: Sequence[Operand], tree: Tree) -> Part:
        register = str(operands[0][0]) if len(operands) == 1 else ""
        sizes = {"w": 4, "x": 8, "s": 4, "d": 8, "q": 16}
        if not is_register(register) or register[0] not in sizes or (mnemonic == "ldrsw" and register[0] != "x"):
            raise ExpressionError(f"{mnemonic} = needs one register")
        size = 4 if mnemonic == "ldrsw" else sizes[register[0]]
        pool = self.section.literals.setdefault(size, {})
        if tree not in pool:
            self._literals += 1
            pool[tree] = (f"literal{LOCAL_MARK}{self._literals}", self.statement)
        return Part(Tree("name", name=pool[tree][0]))

    def flush_literals(self) -> None:
        """Put the literals of the section that wait: 4-byte ones first, each size aligned. The place is where GNU as puts them."""
        waiting, self.section.literals = self.section.literals, {}
        for size in sorted(waiting):
            self.align(size, b"\0")
            for tree, (name, statement) in waiting[size].items():
                self.symbols.values[name] = Value(self.section.size_bytes, self.section.name)
                self.statement = statement
                self.emit_number(tree, size)


def number_bytes(number: int, size_bytes: int) -> bytes:
    """A number as little-endian bytes. ExpressionError when it does not fit, signed or unsigned."""
    bits = 8 * size_bytes
    if not -(1 << bits - 1) <= number < 1 << bits and bits < 64:
        raise ExpressionError(f"the value {number:#x} does not fit in {size_bytes} byte{'s' if size_bytes > 1 else ''}")
    return (number & (1 << bits) - 1).to_bytes(size_bytes, "little")
