"""The host's signals, as far as a run minds them."""
import signal
from collections.abc import Callable
from typing import Any


def catch_interrupt(handler: Callable[[int, object], None]) -> Any:
    """Route Ctrl-C to a flag while the compiled loop runs; None where that is not ours to do (not the main thread)."""
    try:
        return signal.signal(signal.SIGINT, handler)
    except ValueError:
        return None
