"""What is said of a scheme: a way to keep exception handlers alive while a superpage that holds what they need is broken and made."""
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

#: What handlers touch, as the detectors name it. A scheme protects an object if no handler ever meets it in a window unhealed.
OBJECTS = ("pcpu", "thread", "stack", "vector", "data")
#: Labels of the load under which every scheme runs, whose passing `quiesce compare` measures by (asm/scheme_load.inc).
LOAD_MARKS = ("mark_ready", "mark_demote_begin", "mark_demote_end", "mark_promote_begin", "mark_promote_end", "mark_walk_begin", "mark_walk_end",
              "mark_broken", "mark_make")


@dataclass(frozen=True, slots=True)
class Scheme:
    """A scheme that runs as the built-in kernel of the same name, `asm/kernels/<name>.s`.

    number: the family that it belongs to, "SC-4". idea: one sentence. origin: where it was proposed or landed. preconditions: what must hold
    for it to work. failure_modes: what happens where it does not. is_safe: whether no handler is lost while the preconditions hold.
    promotes: whether the run is promoted under it. protects: which of OBJECTS it keeps handlers from losing. options: constants of the
    kernel's assembly by which a user varies the scheme, with their defaults. machine: what it needs of the machine (keywords of Machine).
    varies: whether some seeds end otherwise than the rest, in an exception that nobody handles.
    marks: labels whose passing a run records. ends: how a run of its kernel ends on two PEs or more, where is_safe does not say it;
    "panic" is an assertion of the kernel: it exits with EXIT_PANIC.
    """

    name: str
    summary: str
    idea: str
    origin: str
    preconditions: tuple[str, ...]
    failure_modes: tuple[str, ...]
    is_safe: bool
    promotes: bool
    number: str
    protects: tuple[str, ...] = ()
    options: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    machine: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    varies: bool = False
    marks: tuple[str, ...] = LOAD_MARKS
    ends: Literal["exited", "recursion", "livelock", "deadlock", "panic"] | None = None

    @property
    def verdict(self) -> Literal["exited", "recursion", "livelock", "deadlock", "panic"]:
        """How a run of its kernel ends on two PEs or more; "exited" means with status 0."""
        if self.ends is not None:
            return self.ends
        return "exited" if self.is_safe else "recursion"
