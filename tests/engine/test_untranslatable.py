"""The words at which unicorn 2.1.4's translator ends the process are those that are fetched from a copy, and no others."""
import faulthandler
import os
import signal
import struct
import sys
from pathlib import Path

import numpy as np
import pytest

from sim.hot import code_pages

sys.path.insert(0, str(Path(__file__).parent))

from plain_engine import (
    CODE,
    PlainEngine,
)


def half_precision_words() -> list[int]:
    """Every word of the two Advanced SIMD half-precision classes that differ in more than their registers."""
    kinds = [q << 30 | u << 29 | a << 23 for q in (0, 1) for u in (0, 1) for a in (0, 1)]
    words = [0x0E40_0400 | kind | operation << 11 | 3 << 16 | 0x25 for kind in kinds for operation in range(8)]
    scalars = [5 << 28 | kind for kind in kinds[:4]]
    return words + [0x0E78_0800 | kind | operation << 12 | 0x25 for kind in kinds + scalars for operation in range(32)]


def _translate_and_leave(words: list[int]) -> None:
    """In a child process: run each word in an engine; the process ends here, whatever happens."""
    try:
        faulthandler.disable()
        for stream in (1, 2):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream)
        engine = PlainEngine()
        for k, word in enumerate(words):
            engine.put_bytes(CODE + 8 * k, struct.pack("<2I", word, 0xD503_207F))
            engine.run(CODE + 8 * k)
        os._exit(0)
    finally:
        os._exit(1)


def end_of_a_process_that_translates(words: list[int]) -> tuple[int, int]:
    """(signal, exit status) of a child process in which an engine runs each word."""
    child = os.fork()
    if child == 0:
        _translate_and_leave(words)
    status = os.waitpid(child, 0)[1]
    return os.WTERMSIG(status), os.WEXITSTATUS(status)


def test_the_engine_translates_every_half_precision_word_that_is_fetched_as_it_is() -> None:
    fine = [word for word in half_precision_words() if not code_pages.is_untranslatable(np.uint64(word))]
    assert len(fine) > 100
    assert end_of_a_process_that_translates(fine) == (0, 0)


@pytest.mark.parametrize("part", range(4))
def test_a_process_that_translates_a_word_that_is_fetched_from_a_copy_aborts(part: int) -> None:
    bad = [word for word in half_precision_words() if code_pages.is_untranslatable(np.uint64(word))]
    assert len(bad) > 200
    assert [end_of_a_process_that_translates([word]) for word in bad[part::29]] == [(signal.SIGABRT, 0)] * len(bad[part::29])
