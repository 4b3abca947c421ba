"""Pages that instructions are fetched from, and the words in them that would end the host process.

The engine's translator aborts (g_assert_not_reached) where it meets an unallocated encoding of two Advanced SIMD half-precision
classes. A page that holds such a word, anywhere, is fetched from a copy in which it is UDF #0: the PE takes the same exception, and
memory stays what it is. Copies are made at the first fetch; whatever changes a page that was fetched from asks here whether it
must be looked at again. Source of the set: every word, translated one by one by unicorn 2.1.4; `tests/engine` tries it again.
"""
import numpy as np
from numba import njit

from sim.hot.soft_tlb import empty_soft_tlb
from sim.state import dtypes
from sim.state.handle import code_copy_of, page_flags_of, pe_of, pes_of, ram_words_of

u64, u32, u8 = np.uint64, np.uint32, np.uint8
ZERO, ONE = u64(0), u64(1)
LOW_WORD = u64(0xFFFF_FFFF)
EXECUTED, COPIED = u8(dtypes.PAGE_EXECUTED), u8(dtypes.PAGE_COPIED)
TOUCHED = u8(dtypes.PAGE_TOUCHED)
NOT_FETCHED = u8(0xFF ^ (dtypes.PAGE_EXECUTED | dtypes.PAGE_COPIED))
PAGE_SHIFT, WORDS_SHIFT = u64(12), 9    # a page of 4096 bytes is 512 words of 64 bits

# DDI 0487, C4.1 "Advanced SIMD three same (FP16)": bits by U:a:opcode that are unallocated and that the translator does not expect.
THREE_SAME_MASK, THREE_SAME = u64(0x9F60_C400), u64(0x0E40_0400)
THREE_SAME_BAD = u64(0x8A02_3820)
# "Advanced SIMD two-register miscellaneous (FP16)", vector and scalar: bits by U:a:opcode, low and high 64.
TWO_REGISTER_MASK, TWO_REGISTER = u64(0x8F7E_0C00), u64(0x0E78_0800)
VECTOR_BAD_LOW, VECTOR_BAD_HIGH = u64(0xD0FF_0FFF_C0FF_FFFF), u64(0x51FF_4FFF_C0FF_FFFF)
SCALAR_BAD_LOW, SCALAR_BAD_HIGH = u64(0x50FF_8FFF_C0FF_FFFF), u64(0xD1FF_4FFF_C0FF_FFFF)
SCALAR, SCALAR_NEEDS = u64(1 << 28), u64(1 << 30)


@njit
def is_untranslatable(word):  # type: ignore[no-untyped-def]
    """Whether the engine's translator aborts on an A64 word."""
    if word & THREE_SAME_MASK == THREE_SAME:
        operation = (word >> u64(11)) & u64(7) | ((word >> u64(23)) & ONE) << u64(3) | ((word >> u64(29)) & ONE) << u64(4)
        return (THREE_SAME_BAD >> operation) & ONE != ZERO
    if word & TWO_REGISTER_MASK != TWO_REGISTER:
        return False
    operation = (word >> u64(12)) & u64(31) | ((word >> u64(23)) & ONE) << u64(5)
    upper = word & u64(1 << 29) != ZERO
    if word & SCALAR == ZERO:
        bad = VECTOR_BAD_HIGH if upper else VECTOR_BAD_LOW
    elif word & SCALAR_NEEDS != ZERO:
        bad = SCALAR_BAD_HIGH if upper else SCALAR_BAD_LOW
    else:
        return False
    return (bad >> operation) & ONE != ZERO


@njit
def _translatable(pair):  # type: ignore[no-untyped-def]
    """Two A64 words, each replaced by UDF #0 if the translator aborts on it."""
    if is_untranslatable(pair & LOW_WORD):
        pair &= ~LOW_WORD
    if is_untranslatable(pair >> u64(32)):
        pair &= LOW_WORD
    return pair


@njit
def look_at_code(m, page):  # type: ignore[no-untyped-def]
    """A page of RAM is about to be fetched from for the first time: make its copy if it needs one. Returns its new flags."""
    flags, words = page_flags_of(m), ram_words_of(m)
    first = page << WORDS_SHIFT
    needed = False
    for k in range(first, first + (1 << WORDS_SHIFT)):
        if _translatable(words[k]) != words[k]:
            needed = True
            break
    if needed:
        copy = code_copy_of(m)
        for k in range(first, first + (1 << WORDS_SHIFT)):
            copy[k] = _translatable(words[k])
        flags[page] |= COPIED
    flags[page] |= EXECUTED
    return flags[page]


@njit
def code_written(m, i, offset, size):  # type: ignore[no-untyped-def]
    """PE i has changed `size` bytes at `offset` in RAM, not by a plain store: if instructions were fetched from there, they are looked at again.

    The engine's soft TLB is emptied at once, because the next block is translated before anything of ours runs.
    """
    flags, words = page_flags_of(m), ram_words_of(m)
    page = np.int64(offset >> PAGE_SHIFT)
    flags[page] |= TOUCHED
    if flags[page] & EXECUTED == u8(0):
        return
    first, last = np.int64(offset >> u64(3)), np.int64((offset + size - ONE) >> u64(3))
    concerned = flags[page] & COPIED != u8(0)
    for k in range(first, last + 1):
        if _translatable(words[k]) != words[k]:
            concerned = True
    if not concerned:
        return
    flags[page] &= NOT_FETCHED
    pes = pes_of(m)
    for j in range(pes.shape[0]):
        pes[j]["soft_flush"] = ONE
    empty_soft_tlb(m, i, pe_of(m, i)["uc"])
