"""What is said of a scheme: a way to keep exception handlers alive while a superpage that holds what they need is broken and made."""
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Scheme:
    """A scheme that runs as the built-in kernel of the same name, `asm/kernels/<name>.s`.

    idea: one sentence. origin: where it was proposed or landed. preconditions: what must hold for it to work. failure_modes: what happens
    where it does not. is_safe: whether no handler is lost while the preconditions hold. promotes: whether the run is promoted under it.
    """

    name: str
    summary: str
    idea: str
    origin: str
    preconditions: tuple[str, ...]
    failure_modes: tuple[str, ...]
    is_safe: bool
    promotes: bool

    @property
    def verdict(self) -> Literal["exited", "recursion"]:
        """How a run of its kernel ends on two PEs or more; "exited" means with status 0."""
        return "exited" if self.is_safe else "recursion"
