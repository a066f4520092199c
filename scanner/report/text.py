"""Strings made safe to show: what came from scanned content, an issuer or a hook can do nothing where it is printed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TextIO

from scanner.model import Location

NAMED = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}

BLANK = frozenset("\u115f\u1160\u2800\u3164\uffa0")
"""Letters and symbols by category, yet nothing is drawn for them."""


def inert(text: str) -> str:
    r"""`text` on one line, with nothing in it that a terminal acts upon or an eye misses.

    Control characters, ANSI escapes, bidirectional overrides, zero-width and blank characters are shown as `\x1b` or
    `\u202e`, bytes that were no UTF-8 (surrogate escapes) as `\xff`. A backslash stays as it is, so that paths remain
    readable: the result is for eyes, and is not meant to be read back.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(c if c.isprintable() and c not in BLANK else _escaped(c) for c in text)


def _escaped(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    if character in NAMED:
        return NAMED[character]
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def place(location: Location) -> str:
    """Where it stands, in one inert word or two: the path, or for what has none the commit, the blob or the source."""
    if location.path:
        return inert(location.path)
    if location.commit:
        return inert(f"commit {location.commit[:12]}")
    return inert(f"blob {location.blob[:12]}" if location.blob else location.source)


def count(number: int, noun: str) -> str:
    """`1 place`, `2 places`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def put(out: TextIO, text: str) -> None:
    """Write `text`; what the encoding of `out` cannot hold is escaped, so that no locale ends a run."""
    encoding = getattr(out, "encoding", None) or "utf-8"
    out.write(text.encode(encoding, "backslashreplace").decode(encoding))


LONGEST = 300
"""Characters shown of one thing that an issuer or a hook said; the JSON report has all of it."""


def shortened(text: str) -> str:
    """`text` inert and at most LONGEST characters long, with how much was cut."""
    cut = len(text) - LONGEST
    return inert(text) if cut <= 0 else f"{inert(text[:LONGEST])}… ({cut} characters more)"


def flat(identity: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What an issuer said about whose it is: name and value, both as one line, what is empty left out."""
    for name, value in identity.items():
        if value not in (None, "", [], {}):
            shown = ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
            yield shortened(str(name)), shortened(shown)
