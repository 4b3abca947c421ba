"""The command `quiesce`: what is said when something ends it, and with which exit code.

Exit codes: those of `sim.observers.verdict` for a run that took place, 2 for a mistake of the user, 130 for Ctrl-C, 141 for a closed pipe.
Nothing heavy is imported here, so that Ctrl-C is answered in one line from the first moment on.
"""
import contextlib
import os
import re
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from types import FrameType

from sim.errors import UserError

EXIT_USER_ERROR, EXIT_INTERRUPTED, EXIT_CLOSED_PIPE = 2, 130, 141
MOMENT_SECONDS = 0.02
_heard = threading.Event()                                  # Ctrl-C
_NO_INTEGER = re.compile(r"Input should be a valid integer.*|'[^']*' is not a valid int(?:eger)?\.?")   # as Typer's versions put it
_NAMES_A_LINE = re.compile(r"\S+:\d+: |\.\.\. and ")


def main() -> None:
    """Entry point of the command."""
    sys.unraisablehook = _unraisable
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:       # else whoever started us has it ignored
        signal.signal(signal.SIGINT, _interrupt)
    code = run_command(sys.argv[1:])
    if code == EXIT_INTERRUPTED:
        with contextlib.suppress(OSError):
            sys.stderr.flush()
            if _is_compiling():
                os._exit(code)                              # a compiler's half-built objects can neither be used nor taken down
            nowhere = os.open(os.devnull, os.O_WRONLY)      # what else is half-built would complain on its way out
            os.dup2(nowhere, sys.stderr.fileno())
            os.close(nowhere)
    sys.exit(code)


def run_command(arguments: Sequence[str]) -> int:
    """Do what the arguments say and return the exit code; a mistake of the user becomes one clear line on standard error."""
    try:
        for stream in (sys.stdout, sys.stderr):
            if hasattr(stream, "reconfigure"):
                stream.reconfigure(errors="replace")        # a guest may write what the terminal's encoding lacks
        code = _parse(arguments)()
        sys.stdout.flush()
    except UserError as error:
        return _complain(str(error))
    except KeyboardInterrupt:
        return _interrupted()
    except BrokenPipeError:
        _forget_output()
        return EXIT_CLOSED_PIPE
    return code


def _parse(arguments: Sequence[str]) -> Callable[[], int]:
    """What to do, checked as far as the words go. Raises UserError for an option that does not exist or has no such value."""
    import typer

    from sim.cli_commands import app

    try:
        action = app(args=list(arguments), standalone_mode=False, prog_name="quiesce")
    except typer.Abort:
        raise KeyboardInterrupt from None
    except Exception as error:
        # Typer carries its own copy of click or uses an installed one, by version; what they share is this method.
        if not hasattr(error, "format_message"):
            raise
        if type(error).__name__ == "NoArgsIsHelpError":
            text = str(error.format_message())
            return lambda: _show_help(text)
        message = _NO_INTEGER.sub("it must be a whole number", " ".join(str(error.format_message()).split()))
        path = getattr(getattr(error, "ctx", None), "command_path", "")
        raise UserError(f"{message.rstrip('.')}; see {path} --help" if path else message) from None
    if callable(action):
        return action                                       # type: ignore[no-any-return]     # commands return what is to be done
    code = int(action or 0)                                 # --help and --version have already answered
    if code == EXIT_INTERRUPTED:                            # Typer's word for Ctrl-C, in some versions
        raise KeyboardInterrupt
    return lambda: code


def _show_help(text: str) -> int:
    """A command that needs more words was given none: its help, as it is, where mistakes go."""
    print(text.rstrip(), file=sys.stderr)
    return EXIT_USER_ERROR


def _complain(message: str) -> int:
    """Say what is wrong: mistakes in a source begin with file and line, so that editors find them."""
    for line in message.splitlines() or [""]:
        print(line if _NAMES_A_LINE.match(line) else f"quiesce: {line}", file=sys.stderr)
    return EXIT_USER_ERROR


def _interrupted() -> int:
    try:
        print("quiesce: interrupted", file=sys.stderr)
    except OSError:
        pass
    return EXIT_INTERRUPTED


def _interrupt(number: int, frame: FrameType | None) -> None:
    _heard.set()
    signal.default_int_handler(number, frame)


def _unraisable(unraisable: "sys.UnraisableHookArgs") -> None:
    """Ctrl-C that came while a library called back into Python, a compiler for one, which cannot raise from there: once more, a moment later.

    What half-built objects say while they are dropped because of it is nobody's business.
    """
    if issubclass(unraisable.exc_type, KeyboardInterrupt):
        later = threading.Timer(MOMENT_SECONDS, signal.pthread_kill, (threading.main_thread().ident, signal.SIGINT))
        later.daemon = True
        later.start()
    elif not _heard.is_set():
        sys.__unraisablehook__(unraisable)


def _is_compiling() -> bool:
    compilation = sys.modules.get("sim.cli_compile")
    return compilation is not None and bool(compilation.is_under_way())


def _forget_output() -> None:
    """Whoever read standard output has gone: let the interpreter's last flush go nowhere, silently."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


if __name__ == "__main__":
    main()
