"""Encoded copies: from a hit on a token's encoded form to the decoded text around it.

Each kind takes the run of encoded text around the hit, within fixed limits, and tells how decoded offsets lie in it.
"""

from __future__ import annotations

import base64
import bisect
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import unquote_to_bytes

from scanner.model import Span

BEFORE = 4 << 10
AFTER = 30 << 10
"""Encoded bytes looked at before and after a hit."""
ENOUGH = 24 << 10
"""A hit in a run that was decoded before needs no run of its own where this much follows it there; a private key of
16 KiB fits. So text full of hits is decoded a few times, not once a hit."""


@dataclass(frozen=True, slots=True)
class Run:
    """Decoded text: `data` stands encoded at [start, stop) of the outer data; `outer` maps a span of it back."""

    data: bytes
    start: int
    stop: int
    ended: bool
    """Nothing encoded follows; otherwise the run was cut at `AFTER`."""
    _outer: Callable[[Span], Span] = field(repr=False)
    _fits: Callable[[int, int], bool] = field(repr=False)
    """Whether the characters of a hit (its start and phase) were decoded in step with its own."""

    def outer(self, span: Span) -> Span:
        return self._outer(span)

    def covers(self, hit: int, phase: int) -> bool:
        """Whether a hit that starts here would decode to what this run holds."""
        return self.start <= hit < self.stop and (self.ended or hit + ENOUGH <= self.stop) and self._fits(hit, phase)


def run(kind: str, data: bytes, end: int, phase: int, length: int) -> Run | None:
    """The decoded run around an anchor of `length` encoded bytes that ends at `end`, or None when it is not one."""
    return _KINDS[kind](data, end, phase, length)


_BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_"
_STANDARD = bytes.maketrans(b"-_", b"+/")
_SPACE = b" \t\r\n"
_WRAPPED = 40
"""Lines shorter than this are not taken for wrapped base64."""


def _base64(data: bytes, end: int, phase: int, length: int) -> Run | None:
    hit = end - length
    high = min(len(data), hit + AFTER)
    start, stop = _wrapped_left(data, hit, _after(_BASE64, data, hit, high)), _wrapped_right(data, hit, high)
    places = (
        [i for i in range(start, stop) if data[i] not in _SPACE] if b"\n" in data[start:stop] else range(start, stop)
    )
    lead = (bisect.bisect_left(places, hit) - phase) % 4
    text = data[start:stop].translate(_STANDARD, _SPACE)[lead:]
    if len(text) % 4 == 1:
        text = text[:-1]
    decoded = base64.b64decode(text + b"=" * (-len(text) % 4))
    last = len(places) - 1

    def outer(span: Span) -> Span:
        first, final = span[0] * 4 // 3, -(-span[1] * 4 // 3) - 1
        return places[min(lead + first, last)], places[min(lead + final, last)] + 1

    def fits(hit: int, phase: int) -> bool:
        return (bisect.bisect_left(places, hit) - phase - lead) % 4 == 0

    return Run(decoded, start, stop, stop < high or high == len(data), outer, fits)


def _wrapped_left(data: bytes, hit: int, stop: int) -> int:
    """Where base64 that may be wrapped over lines begins, for the line that holds `hit` and ends at `stop`."""
    low = max(0, hit - BEFORE)
    start = _before(_BASE64, data, hit)
    width = stop - start
    while True:
        line_end = len(data[low:start].rstrip(b" \t")) + low
        if data[line_end - 1 : line_end] != b"\n" or line_end <= low:
            return start
        line_end -= 2 if data[line_end - 2 : line_end - 1] == b"\r" else 1
        begin = _before(_BASE64, data, line_end)
        if line_end - begin < max(_WRAPPED, width) or begin < low:
            return start
        start, width = begin, line_end - begin


def _wrapped_right(data: bytes, hit: int, high: int) -> int:
    start, stop = _before(_BASE64, data, hit), _after(_BASE64, data, hit, high)
    while stop - start >= _WRAPPED:
        line = stop + (2 if data[stop : stop + 2] == b"\r\n" else 1 if data[stop : stop + 1] == b"\n" else 0)
        if line == stop:
            break
        line += len(data[line:high]) - len(data[line:high].lstrip(b" \t"))
        following = _after(_BASE64, data, line, high)
        if not 0 < following - line <= stop - start or data[following : following + 1] not in (
            b"",
            b"=",
            b"\r",
            b"\n",
            b'"',
            b"'",
        ):
            break
        start, stop = line, following
    return min(stop, high)


_HEX = b"0123456789abcdefABCDEF"


def _hex(data: bytes, end: int, phase: int, length: int) -> Run | None:
    hit = end - length
    start = _before(_HEX, data, hit)
    start += (hit - start) % 2
    high = min(len(data), hit + AFTER)
    stop = _after(_HEX, data, end, high)
    ended = stop < high or high == len(data)
    stop -= (stop - start) % 2
    decoded = bytes.fromhex(data[start:stop].decode())
    return Run(
        decoded,
        start,
        stop,
        ended,
        lambda s: (start + 2 * s[0], start + 2 * s[1]),
        lambda at, _: (at - start) % 2 == 0,
    )


_URL = bytes(c for c in range(0x21, 0x7F) if c not in b"\"'<>`")
_ESCAPED = re.compile(rb"%[0-9A-Fa-f]{2}|.", re.DOTALL)


def _url(data: bytes, end: int, phase: int, length: int) -> Run | None:
    hit = end - length
    start = _before(_URL, data, hit)
    high = min(len(data), hit + AFTER)
    stop = _after(_URL, data, end, high)
    text = data[start:stop]
    if b"%" in data[max(start, hit - 2) : hit]:  # the hit may begin inside an escape
        return None
    ends = [start, *(start + found.end() for found in _ESCAPED.finditer(text))]
    ended = stop < high or high == len(data)
    return Run(unquote_to_bytes(text), start, stop, ended, lambda s: (ends[s[0]], ends[s[1]]), lambda *_: True)


_WIDE_RIGHT = re.compile(rb"(?:\x00[\x01-\xff])*")


def _utf16(data: bytes, end: int, phase: int, length: int) -> Run | None:
    """Text whose every second byte is zero, of either byte order; `end` is just after a character's own byte."""
    high = min(len(data), end - length + AFTER)
    found = _WIDE_RIGHT.match(data, end, high)
    stop = found.end() if found else end
    low = end - 1 - min(BEFORE, end - 1) // 2 * 2
    characters, zeros = data[low : end - 1 : 2], data[low + 1 : end - 1 : 2]
    start = low + 2 * max(len(zeros.rstrip(b"\0")), characters.rfind(b"\0") + 1)
    return Run(
        data[start:stop:2],
        start,
        stop,
        stop < high - 1 or high == len(data),
        lambda s: (start + 2 * s[0], start + 2 * s[1] - 1),
        lambda at, _: (at - start) % 2 == 0,
    )


def _before(alphabet: bytes, data: bytes, hit: int) -> int:
    """Where the run of `alphabet` that ends at `hit` begins."""
    low = max(0, hit - BEFORE)
    return low + len(data[low:hit].rstrip(alphabet))


def _after(alphabet: bytes, data: bytes, start: int, high: int) -> int:
    """Where the run of `alphabet` that begins at `start` ends, at `high` at the latest."""
    window = data[start:high]
    return start + len(window) - len(window.lstrip(alphabet))


_KINDS: dict[str, Callable[[bytes, int, int, int], Run | None]] = {
    "base64": _base64,
    "hex": _hex,
    "url": _url,
    "utf16": _utf16,
}
