"""Offsets to lines and columns, as an editor shows them."""

from __future__ import annotations

import codecs
from collections.abc import Callable

from scanner.model import Chunk, Location, Match, Sighting

_MARKS = (codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
LINE = 4 << 10
"""Bytes of a line looked at on either side of a match for an inline mark."""


def locate(chunk: Chunk, matches: list[Match], allowed: Callable[[bytes, bytes, str], str | None]) -> list[Sighting]:
    """Where each match of `chunk` stands; `allowed` gets its line, the line before and the rule's id."""
    out: list[Sighting] = []
    data, origin = chunk.data, chunk.origin
    line, counted = chunk.first_line, 0
    columns = _Columns(chunk)
    for match in sorted(matches, key=lambda m: m.span):
        start, end = match.span
        wide = 2 if "utf16" in match.encoding[:1] else 1
        line += data.count(b"\n", counted, start)
        counted = start
        end_line = line + data.count(b"\n", start, end)
        location = Location(
            source=origin.source,
            path=origin.path,
            start_line=line,
            end_line=end_line,
            start_column=columns.at(start, wide, start),
            end_column=columns.at(end, wide, start),
            blob=origin.blob,
            commit=origin.commit,
        )
        here, before = _lines(data, start, end)
        here, before = here + chunk.behind, before or chunk.above
        out.append(Sighting(match, location, allowed(_narrow(here, wide), _narrow(before, wide), match.rule)))
    return out


class _Columns:
    """Columns of growing offsets; nothing on a line is counted twice, as a line may be megabytes long."""

    def __init__(self, chunk: Chunk) -> None:
        self._chunk = chunk
        self._restart()

    def _restart(self) -> None:
        chunk = self._chunk
        self._line = self._counted = 0
        self._first = self._column = chunk.first_column
        if (chunk.first_line, chunk.first_column) == (1, 1) and chunk.data.startswith(_MARKS):
            self._first = self._column = 0  # no editor counts a byte order mark

    def at(self, offset: int, wide: int, start: int) -> int:
        """The column of `offset`; `start` is where a character of the match begins."""
        if offset < self._counted:
            self._restart()
        data = self._chunk.data
        newline = data.rfind(b"\n", self._counted, offset)
        if newline >= 0:
            self._line = self._counted = newline + 1
            self._first = self._column = 1
        self._column += len(data[self._counted : offset].decode("utf-8", "surrogateescape"))
        self._counted = offset
        if wide == 2:
            return self._first + (offset - self._line + (start - self._line + 1) % 2) // 2
        return self._column


def _lines(data: bytes, start: int, end: int) -> tuple[bytes, bytes]:
    """The lines a span touches, and the line before them, each cut to what is near."""
    begin = data.rfind(b"\n", max(0, start - LINE), start) + 1 or max(0, start - LINE)
    stop = data.find(b"\n", end, end + LINE)
    stop = min(len(data), end + LINE) if stop < 0 else stop
    here = data[begin:start] + data[start:end][:LINE] + data[end:stop]
    previous = data[max(0, begin - 1 - LINE) : max(0, begin - 1)]
    return here, previous[previous.rfind(b"\n") + 1 :]


def _narrow(text: bytes, wide: int) -> bytes:
    return text.replace(b"\0", b"") if wide == 2 else text
