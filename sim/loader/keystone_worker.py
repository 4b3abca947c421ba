"""The process in which Keystone runs: instructions in, words out.

Started by its file name, it imports Keystone and nothing of ours, so it starts fast. Keystone aborts its process on some input, which
then ends only this one. Protocol: a JSON list of instructions on standard input, none of which holds a line end, a directive or a symbol.
Standard output: one line "all <hex>" when they could be assembled in one go, else a line for each instruction in order, flushed one by
one so that the reader knows on which the process died: "ok <hex>" or "bad <why>". --one-by-one leaves out the attempt in one go.
"""

import json
import sys

from keystone import KS_ARCH_ARM64, KS_MODE_LITTLE_ENDIAN, Ks, KsError  # type: ignore[import-untyped]     # it has no types

WORD_BYTES = 4


def assemble(assembler: Ks, text: str) -> tuple[bytes, str]:
    """Bytes of a text and "", or no bytes and Keystone's reason."""
    try:
        encoding, _ = assembler.asm(text, as_bytes=True)
    except KsError as error:
        return b"", str(error).split(" (KS_ERR")[0].strip().lower()
    return bytes(encoding or b""), ""


def main() -> None:
    """Answer one request."""
    instructions: list[str] = json.load(sys.stdin)
    assembler = Ks(KS_ARCH_ARM64, KS_MODE_LITTLE_ENDIAN)
    if "--one-by-one" not in sys.argv:
        # No instruction can make more than one word, so the right total means that each made exactly one.
        together, _ = assemble(assembler, "\n".join(instructions))
        if len(together) == WORD_BYTES * len(instructions):
            print("all", together.hex(), flush=True)
            return
    for instruction in instructions:
        data, reason = assemble(assembler, instruction)
        if len(data) == WORD_BYTES:
            print("ok", data.hex(), flush=True)
        else:
            print("bad", reason or f"made {len(data)} bytes instead of {WORD_BYTES}", flush=True)


if __name__ == "__main__":
    main()
