"""Where a value stands: the line around it, taken apart into what is before, the key, the way there, and what follows."""

from __future__ import annotations

import re
from typing import NamedTuple

from scanner.detect.generic.lead import plain
from scanner.model import Span

BEFORE = 160
"""Bytes of the line before a match that are looked at."""
BEHIND = 80
"""Bytes of the line behind a value that are looked at."""

KEY = re.compile(rb"[\w.$-]*")
TAIL = re.compile(rb"[\w.$-]*\Z")


class Place(NamedTuple):
    """A candidate where it stands. `form` is the rule that read it."""

    form: str
    before: bytes
    """The line up to the key."""
    key: bytes
    """The whole identifier, with what stands before the word that was recognised."""
    way: bytes
    """From the key to the value: quotes, brackets, separators, calls."""
    value: bytes
    behind: bytes
    """The rest of the line."""

    @property
    def quote(self) -> bytes:
        """The quote before the value, or nothing."""
        last = self.way[-1:]
        return last if last in (b'"', b"'", b"`") else b""


NAMED = re.compile(rb"(?:pass(?:word|wd|phrase)?|pwd|secret)\Z", re.IGNORECASE)


def setting(place: Place) -> bool:
    """Whether the line is `PASSWORD=VALUE` alone, as settings are written, with a value that may be a password made of words."""
    if place.way not in (b"=", b'="', b"='") or NAMED.search(place.key) is None:
        return False
    head = place.before + place.key + place.way
    line = head + place.value + place.behind.rstrip()
    return plain(line, len(place.before) + len(place.key) + 1, len(head), len(head) + len(place.value))


def read(form: str, data: bytes, begin: int, span: Span) -> Place:
    """The place of the value at `span` of `data`, whose match begins at `begin`."""
    start, end = span
    low = max(0, begin - BEFORE)
    low = max(low, data.rfind(b"\n", low, begin) + 1)
    high = min(len(data), end + BEHIND)
    stop = data.find(b"\n", end, high)
    before = data[low:begin]
    lead = data[begin:start]
    head = TAIL.search(before)
    assert head
    key = KEY.match(lead)
    assert key
    return Place(
        form,
        before[: head.start()],
        head.group() + key.group(),
        lead[key.end() :],
        data[start:end],
        data[end : high if stop < 0 else stop].rstrip(b"\r"),
    )
