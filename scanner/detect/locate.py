"""Offsets to lines and columns, as an editor shows them."""

from __future__ import annotations

from collections.abc import Callable

from scanner.model import Chunk, Location, Match, Sighting

LINE = 4 << 10
"""Bytes of a line looked at on either side of a match for an inline mark."""


def locate(chunk: Chunk, matches: list[Match], allowed: Callable[[bytes, bytes, str], str | None]) -> list[Sighting]:
    """Where each match of `chunk` stands; `allowed` gets its line, the line before and the rule's id."""
    out: list[Sighting] = []
    data, origin = chunk.data, chunk.origin
    line, counted = chunk.first_line, 0
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
            start_column=_column(chunk, start, wide),
            end_column=_column(chunk, end, wide),
            blob=origin.blob,
            commit=origin.commit,
        )
        here, before = _lines(data, start, end)
        here, before = here + chunk.behind, before or chunk.above
        out.append(Sighting(match, location, allowed(_narrow(here, wide), _narrow(before, wide), match.rule)))
    return out


def _column(chunk: Chunk, offset: int, wide: int) -> int:
    newline = chunk.data.rfind(b"\n", 0, offset)
    before = chunk.data[newline + 1 : offset]
    first = chunk.first_column if newline < 0 else 1
    if wide == 2:
        return first + len(before) // 2
    return first + len(before.decode("utf-8", "surrogateescape"))


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
