"""Every barrier of `asm/` says what is ordered before what; mnemonics are lower case, system registers upper case."""
import re
from pathlib import Path

BARRIER = re.compile(r"^\s*(dsb|dmb|isb)\b[^/]*(//.*)?$")


def silent_barriers(text: str) -> list[str]:
    """The barriers whose comment does not say what comes before what."""
    return [line for line in text.splitlines() if (match := BARRIER.match(line)) and not re.search(r"\w+ before \w+", match[2] or "")]


def test_every_barrier_says_what_is_ordered_before_what(source: Path) -> None:
    assert silent_barriers(source.read_text()) == []


def test_a_silent_barrier_is_found() -> None:
    silent = ["        dsb     ish", "        isb     // wait"]
    assert silent_barriers("\n".join([*silent, "        isb     // a comes before b"])) == silent


def test_mnemonics_are_lower_case_and_system_registers_upper_case(source: Path) -> None:
    for line in source.read_text().splitlines():
        code = line.split("//")[0]
        mnemonic = re.match(r"\s+([A-Za-z][\w.]*)\s", code + " ")
        assert not mnemonic or mnemonic[1] == mnemonic[1].lower(), line
        register = re.match(r"\s+(?:msr\s+(\w+),|mrs\s+\w+,\s*(\w+))", code)
        name = (register[1] or register[2]) if register else "DAIF"
        assert name.startswith(("DAIF", "SPSel")) or name == name.upper(), line


def test_no_line_is_longer_than_the_limit_and_none_holds_a_tab(source: Path) -> None:
    for line in source.read_text().splitlines():
        assert len(line) <= 140 and "\t" not in line, line
