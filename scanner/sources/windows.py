"""A stream of any length as overlapping chunks, in memory that does not grow with the stream or with its lines."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from scanner.model import Chunk, Origin

SIZE = 16 << 20
"""Bytes in a window."""
REACH = 32 << 10
"""Bytes of context that every anchor has on both sides, as far as the stream has them."""
BLOCK = 1 << 20


class Readable(Protocol):
    """What is asked of a stream: at most `n` bytes at a time, and none at its end."""

    def read(self, n: int, /) -> bytes: ...


def read_up_to(stream: Readable, n: int) -> bytes:
    """`n` bytes, fewer only where the stream ends. Pipes and raw files may give less at a time than was asked for."""
    pieces = []
    while n > 0 and (piece := stream.read(min(n, BLOCK))):
        pieces.append(piece)
        n -= len(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def advance(passed: bytes | bytearray, line: int, column: int) -> tuple[int, int]:
    """The line and column after `passed`, which began at these. Columns count bytes."""
    newlines = passed.count(b"\n")
    if newlines:
        return line + newlines, len(passed) - passed.rfind(b"\n")
    return line, column + len(passed)


def windows(stream: Readable, origin: Origin, size: int = SIZE, reach: int = REACH) -> Iterator[Chunk]:
    """Read `stream` to its end as chunks of at most `size` bytes.

    The fresh ranges, taken as the end offsets `start < e <= end` of anchors, tile the stream: every offset belongs to
    one window, in which `reach` bytes stand before and after it unless the stream begins or ends there. A stream that
    fits one window comes as one chunk with `fresh=None`, an empty one as nothing. Raises what `stream.read` raises.
    """
    if size <= 2 * reach:
        raise ValueError("a window must be longer than its context on both sides")
    held, line, column, begin, first = b"", 1, 1, 0, True
    while True:
        # One byte more than a window says whether this is the last.
        held += read_up_to(stream, size + 1 - len(held))
        if len(held) <= size:
            break
        yield Chunk(held[:size], origin, ((begin, size - reach),), None, line, column)
        cut = size - 2 * reach
        line, column = advance(held[:cut], line, column)
        held, begin, first = held[cut:], reach, False
    if held:
        yield Chunk(held, origin, None if first else ((begin, len(held)),), None, line, column)
