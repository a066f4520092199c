"""Which hits can lead to anything: those with a long enough run of the secret's letters where a match would have it.

A word like a provider's name stands everywhere in its own source code, a short prefix within longer words, and a pattern tried
at each would be most of a scan.
This is the plain twin of `_sift`, which is used where a compiler was at hand when deadkey was installed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from importlib import import_module
from typing import Any, NamedTuple

from scanner.detect.generic import lead


class Need(NamedTuple):
    """What must stand by a hit: `shortest` bytes in a row, all in `letters`. They begin at most `near` bytes behind its end;
    or, where there are `starts`, so many bytes before its end, and none of `barred` stands right before them.

    `letters` and `barred` hold 256 bytes, each 0 or 1.
    """

    letters: bytes
    shortest: int
    near: int
    starts: tuple[int, ...] = ()
    barred: bytes = bytes(256)
    look: int = 0
    """Above zero: `generic.lead` says instead, by this one of its looks, whether the hit may lead to anything."""


@cache
def letters(digits: str) -> bytes:
    """256 bytes, 1 for each byte that the hexadecimal number `digits` has a bit for."""
    number = int(digits, 16)
    return bytes(number >> c & 1 for c in range(256))


def plain_run(data: bytes, low: int, high: int, letters: bytes, shortest: int) -> int:
    """Where the first `shortest` bytes in a row begin between `low` and `high` that are all in `letters`; -1: nowhere."""
    found = _expression(letters, shortest).search(data, low, high)
    return found.start() if found else -1


@cache
def _expression(letters: bytes, shortest: int) -> Any:
    inside = b"".join(b"\\x%02x" % c for c in range(256) if letters[c])
    return re.compile(b"[" + inside + b"]{%d}" % shortest) if inside else re.compile(b"(?!)")


class PlainSift:
    """By anchor: what its hits need, any of them; None for those that need nothing, and no need at all where none is wanted."""

    def __init__(self, needs: Iterable[Sequence[Need] | None], _surprises: bytes = b"") -> None:
        self._needs = list(needs)

    def __call__(self, data: bytes, hits: list[tuple[int, int]]) -> list[tuple[int, int]]:
        """The hits, each an end and an anchor's number, that have what they need."""
        out = []
        for hit in hits:
            end, anchor = hit
            needs = self._needs[anchor]
            if needs is None or any(self._has(data, end, need) for need in needs):
                out.append(hit)
        return out

    def look(self, data: bytes, end: int, look: int) -> bool:
        """What one of the looks of `generic.lead` says of a hit."""
        return lead.BY_LOOK[look](data, end)

    def _has(self, data: bytes, end: int, need: Need) -> bool:
        if need.look:
            return lead.BY_LOOK[need.look](data, end)
        if not need.starts:
            return plain_run(data, end, end + need.near + need.shortest, need.letters, need.shortest) >= 0
        return any(
            at >= 0
            and not (at and need.barred[data[at - 1]])
            and plain_run(data, at, at + need.shortest, need.letters, need.shortest) == at
            for at in (end - start for start in need.starts)
        )


Sift: Any
run: Callable[[bytes, int, int, bytes, int], int]
try:
    _compiled = import_module("scanner.detect._sift")
    Sift, run = _compiled.Sift, _compiled.run
except ImportError:
    Sift, run = PlainSift, plain_run
