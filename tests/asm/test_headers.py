"""Every function of `asm/` has the header block of its contract, and keeps the part of it that a reader of text can check."""
import re
from pathlib import Path

KEYS = ("In", "Out", "Clobbers", "Preserves", "Needs", "Runs from", "Touches while invalid", "Order", "See")
REQUIRED = {"Out", "Clobbers", "Needs"}
RULE = "//" + "-" * 88
NO_RESULT = {"str", "stp", "strb", "cmp", "cmn", "cbz", "cbnz", "tbz", "tbnz", "push_pair", "pop_pair", "msr", "stlr", "ret",
              "br", "blr", "tlbi", "dc", "ic"}
LABEL = re.compile(r"^([a-z_][a-z0-9_]*):")
KEY = re.compile(r"(?:^// |\s{2,})(" + "|".join(KEYS) + r")\s{2,}")
NOT_FUNCTIONS = ("image_start",)


def code_of(line: str) -> str:
    return line.split("//")[0].strip()


def functions(lines: list[str]) -> list[tuple[str, int, list[str]]]:
    """Name, line index and body of each label that is neither a phase mark nor data."""
    labels = [(match[1], index) for index, line in enumerate(lines) if (match := LABEL.match(line))]
    found = []
    for position, (name, index) in enumerate(labels):
        following = [text for line in lines[index:] if (text := code_of(line).removeprefix(name + ":").strip())]
        if name.startswith(("mark_", "vector_table_")) or name in NOT_FUNCTIONS or not following or re.match(r"\.(quad|asciz|balign)\b", following[0]):
            continue
        end = next((later for other, later in labels[position + 1:] if not other.startswith("mark_")), len(lines))
        found.append((name, index, [code_of(line) for line in lines[index:end]]))
    return found


def header_of(lines: list[str], index: int) -> list[str]:
    """The comment lines right above a label, rules included."""
    first = index
    while first > 0 and lines[first - 1].startswith("//"):
        first -= 1
    return lines[first:index]


def faults_of(text: str) -> list[str]:
    """What is wrong with the headers of a source."""
    lines = text.splitlines()
    faults = []
    for name, index, body in functions(lines):
        header = header_of(lines, index)
        if len(header) < 3 or header[0] != RULE or header[-1] != RULE or not header[1].startswith(f"// {name} — "):
            faults.append(f"{name}: no header block of its own name")
            continue
        keys = [match[1] for line in header[2:-1] for match in KEY.finditer(line)]
        if keys != sorted(keys, key=KEYS.index) or len(set(keys)) != len(keys):
            faults.append(f"{name}: keys out of order or twice: {keys}")
        if missing := REQUIRED - set(keys):
            faults.append(f"{name}: lacks {', '.join(sorted(missing))}")
        breaks = any(re.search(r"\bbl\s+pmap_update_entry\b|\btlbi\s+va", line) for line in body)
        if breaks and "Touches while invalid" not in keys:
            faults.append(f"{name}: breaks an entry but does not say what it touches while invalid")
        if unsaved := undeclared_writes(body, contract_of(header)):
            faults.append(f"{name}: writes {', '.join(unsaved)} without saving them or saying so")
    return faults


def contract_of(header: list[str]) -> dict[str, str]:
    """The text under each key of a header; a line without a key continues the one before."""
    contract: dict[str, str] = {}
    key = ""
    for line in header[2:-1]:
        parts = KEY.split(line)                 # text, key, text, key, text ...
        if key:
            contract[key] += " " + parts[0].removeprefix("//")
        for key, text in zip(parts[1::2], parts[2::2], strict=True):
            contract[key] = contract.get(key, "") + text
    return contract


def undeclared_writes(body: list[str], contract: dict[str, str]) -> list[str]:
    """Registers that a function itself (not one it calls) writes, does not save with push_pair, does not name under Out or Clobbers."""
    if contract.get("Clobbers", "").startswith(("everything", "nothing that the frame")):
        return []
    declared_text = contract.get("Out", "") + " " + contract.get("Clobbers", "")
    declared = {int(number) for number in re.findall(r"[xw](\d+)", declared_text)}
    for first, last in re.findall(r"[xw](\d+)-[xw](\d+)", declared_text):
        declared |= set(range(int(first), int(last) + 1))
    aliases = {match[1]: match[2] for line in body if (match := re.match(r"(\w+)\s+\.req\s+(\w+)", line))}
    saved = {int(number) for line in body if line.startswith("push_pair") for number in re.findall(r"x(\d+)", line)}
    written = {int(register[1:]) for line in body for register in written_by(line, aliases)}
    return [f"x{number}" for number in sorted(written - declared - saved)]


def written_by(line: str, aliases: dict[str, str]) -> list[str]:
    """General-purpose registers that an instruction writes, base registers left out."""
    mnemonic, _, operands = line.partition(" ")
    if mnemonic in NO_RESULT or not operands:
        return []
    places = slice(1, 2) if mnemonic.startswith("ldadd") else slice(0, 2 if mnemonic == "ldp" else 1)
    names = [aliases.get(name.strip(), name.strip()) for name in operands.split(",")[places]]
    return [name for name in names if re.fullmatch(r"[xw]\d+", name) and name != "x30"]


def test_every_function_declares_its_contract(source: Path) -> None:
    assert faults_of(source.read_text()) == []


GOOD = (f"{RULE}\n// do_it — a thing\n//\n// Out       nothing\n// Clobbers  x0                 Preserves  x19\n"
        f"// Needs     EL1\n{RULE}\ndo_it:\n        ret\n")


def test_a_complete_header_is_accepted() -> None:
    assert faults_of(GOOD) == []


def test_each_kind_of_fault_is_found() -> None:
    assert faults_of("do_it:\n        ret\n") == ["do_it: no header block of its own name"]
    assert faults_of(GOOD.replace("// do_it", "// undo_it")) == ["do_it: no header block of its own name"]
    assert faults_of(GOOD.replace("// Needs     EL1\n", "")) == ["do_it: lacks Needs"]
    disordered = GOOD.replace("// Out       nothing\n", "").replace("// Needs     EL1\n", "// Needs     EL1\n// Out       x0\n")
    assert "out of order" in faults_of(disordered)[0]
    assert "touches while invalid" in faults_of(GOOD.replace("        ret", "        tlbi    vaae1is, x0\n        ret"))[0]
    assert "writes x1 " in faults_of(GOOD.replace("        ret", "        ldp     x0, x1, [sp]\n        ret"))[0]
    assert "writes x19" in faults_of(GOOD.replace("        ret", "        mov     x19, x0\n        ret"))[0]
    assert faults_of(GOOD.replace("        ret", "        push_pair x19, x30\n        mov     x19, x0\n        ret")) == []
