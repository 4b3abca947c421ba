"""What an address is to a PE: its pcpu, its stack, a vector. Detectors ask; whoever knows the kernel answers.

No detector knows a kernel's layout. Whoever does hands in a function from address to Suspect; without one, addresses stay addresses.
"""
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

PCPU, THREAD, STACK, VECTOR, DATA = "pcpu", "thread", "stack", "vector", "data"
KINDS = (PCPU, THREAD, STACK, VECTOR, DATA)
_SCHEMES_MOST = 8                       # that are named in a line


@dataclass(frozen=True, slots=True)
class Suspect:
    """What lies at an address.

    kind: one of KINDS, or "" for what no scheme is about (a guard page, the identity map). name: a phrase, "PE 2's pcpu". safe_under: names
    of the schemes under which an object of this kind is never lost to a handler.
    """

    kind: str
    name: str
    safe_under: tuple[str, ...] = ()

    def sentence(self) -> str:
        """What it is, and under which scheme it would not have happened."""
        if not self.kind:
            return f"it is {self.name}"
        if not self.safe_under:
            return f"it is {self.name}; under no known scheme is a {self.kind} safe from that"
        shown = ", ".join(self.safe_under[:_SCHEMES_MOST]) + (" and others" if len(self.safe_under) > _SCHEMES_MOST else "")
        return f"it is {self.name}; that would not have happened under {shown}"

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {"kind": self.kind, "name": self.name, "safe_under": list(self.safe_under)}


Suspects = Callable[[int], Suspect | None]


def unknown(_address: int) -> Suspect | None:
    """Of a kernel that nobody knows."""
    return None
