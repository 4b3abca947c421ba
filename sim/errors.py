"""The two kinds of exception of the project. A guest's fault is neither: it is a value and ends in a verdict."""


class UserError(Exception):
    """A mistake in what the user gave: one clear line on standard error and exit code 2, no traceback.

    The message is a single sentence that names the thing (file, option, profile) and what is wrong with it.
    """


class SimulatorError(Exception):
    """A defect of Quiesce itself, or a host it cannot run on. The message holds what is needed to reproduce it."""
