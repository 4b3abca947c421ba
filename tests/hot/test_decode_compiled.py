"""The decoder's types when compiled, and the same answers when it is not."""

import hashlib
import importlib
import inspect
import os
import random
import subprocess
import sys

import numba
import numpy as np
import numpy.typing as npt
import pytest
from numba import types
from numba.core.dispatcher import Dispatcher

from sim.hot import decode, operands, pipeline

MODULES = ("sim.hot.decode", "sim.hot.decode_memory", "sim.hot.decode_alignment", "sim.hot.operands")
NUMBA_TYPES = {
    np.uint64: types.uint64, np.int64: types.int64, bool: types.boolean, None: types.none,
    npt.NDArray[np.uint64]: types.uint64[::1], npt.NDArray[np.uint8]: types.uint8[::1],
}


def compiled_functions() -> dict[str, Dispatcher]:
    found = {}
    for name in MODULES:
        module = importlib.import_module(name)
        found.update({key: value for key, value in vars(module).items() if isinstance(value, Dispatcher)})
    return found


FUNCTIONS = compiled_functions()
needs_compiler = pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="NUMBA_DISABLE_JIT is set")


def declared(function: Dispatcher) -> tuple[tuple[types.Type, ...], types.Type]:
    """The signature that a function's annotations promise."""
    signature = inspect.signature(function.py_func)
    return tuple(NUMBA_TYPES[each.annotation] for each in signature.parameters.values()), NUMBA_TYPES[signature.return_annotation]


@needs_compiler
@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_function_compiles_to_the_declared_types_and_calls_its_helpers_with_theirs(name: str) -> None:
    arguments, result = declared(FUNCTIONS[name])
    FUNCTIONS[name].compile(arguments)
    assert FUNCTIONS[name].overloads[arguments].signature.return_type == result
    called = [value for key, value in FUNCTIONS[name].py_func.__globals__.items() if key in FUNCTIONS[name].py_func.__code__.co_names]
    for helper in (value for value in called if isinstance(value, Dispatcher)):
        for used in helper.signatures:
            for have, want in zip(used, declared(helper)[0], strict=True):
                assert types.unliteral(have) == want or isinstance(want, types.Array), (helper, used)


@needs_compiler
@pytest.mark.parametrize("name", ["effective_address", "instruction_flags", "cost_class", "block_facts", "alignment_requirements", "memory_access"])
def test_no_variable_is_a_float_and_only_indices_are_signed(name: str) -> None:
    function = FUNCTIONS[name]
    fresh = numba.njit(function.py_func)            # without the cache, which keeps no types of variables
    arguments, _ = declared(function)
    fresh.compile(arguments)
    typemap = fresh.overloads[arguments].type_annotation.typemap
    signed = {"offset", "count", "index", "start", "at", "number", "register"} if name in ("block_facts", "alignment_requirements") else set()
    for variable, kind in typemap.items():
        assert not isinstance(kind, types.Float), (variable, kind)
        base = variable.split(".")[0]
        if isinstance(kind, types.Integer) and kind.signed and base and not base.startswith("$"):
            assert base in signed | {"arg"}, (variable, kind)


def digest_of_answers() -> str:
    """A digest of what every public function says of 3,000 words and 200 blocks from a fixed seed."""
    rng = random.Random(5)
    digest = hashlib.sha256()
    out = np.zeros(max(decode.ALIGNMENT_OUT_WORDS, operands.OPERANDS_WORDS), dtype=np.uint64)
    registers = np.array([rng.getrandbits(64) for _ in range(32)], dtype=np.uint64)
    costs = np.array([rng.randrange(100) for _ in range(21)], dtype=np.uint64)
    shape, work, prefixes = np.array([0, 3, 20, 2, 1], np.uint64), np.zeros(pipeline.WORK_WORDS, np.uint64), np.zeros(4, np.uint32)
    for n in range(3_000):
        word = np.uint64(rng.getrandbits(32) & ~(1 << 25) | 1 << 27 if n % 2 else rng.getrandbits(32))
        pc = np.uint64(rng.getrandbits(64) & ~3)
        address = decode.effective_address(word, registers, pc)
        out[:] = 0
        access = decode.memory_access(word, out)
        answer = (int(decode.instruction_flags(word)), int(decode.cost_class(word)), bool(access), int(address), out.tolist())
        digest.update(repr(answer).encode())
        operands.operands(word, out)
        digest.update(repr(out.tolist()).encode())
    ram = np.array([rng.getrandbits(8) for _ in range(4096)], dtype=np.uint8)
    ram[3::4] = np.resize(np.array([0xF9, 0x91, 0xA9, 0xD5, 0xB8, 0x8B, 0x1E], dtype=np.uint8), 1024)
    for offset in range(0, 3_200, 16):
        out[:] = 0
        decode.block_facts(ram, offset, 5, out)
        digest.update(repr(out.tolist()).encode())
        cycles = pipeline.block_cycles(ram, np.int64(offset), np.int64(5), costs, costs, shape, work, prefixes)
        digest.update(repr((int(cycles), prefixes.tolist())).encode())
        out[:] = 0
        digest.update(repr((int(decode.alignment_requirements(ram, offset, 3, out)), out.tolist())).encode())
    return digest.hexdigest()


def test_uncompiled_functions_give_the_same_answers_without_a_warning() -> None:
    environment = os.environ | {"NUMBA_DISABLE_JIT": "1"}
    command = [sys.executable, "-W", "error::RuntimeWarning", __file__]
    done = subprocess.run(command, check=False, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["uncompiled", digest_of_answers()]


if __name__ == "__main__":
    print("compiled" if isinstance(decode.cost_class, Dispatcher) else "uncompiled", digest_of_answers())
