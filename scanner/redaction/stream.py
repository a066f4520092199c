"""A stream masked as it goes: what is written comes out line by line, in memory that does not grow with it or its lines.

The three ways out: `full` while more input is at hand, which holds back what later bytes could turn into a secret;
`lines` when the input pauses, which gives every whole line but those of a private key that is still being written; and
`pressed` when the pause grows long, which gives these too, with all that looks like the inside of a key masked.
"""

from __future__ import annotations

import re

from scanner.redaction.mask import Mark, Redactor, masked, merged

REACH = 32 << 10
"""Bytes around a hit that detection may look at; what is within that of the last byte is not settled."""
WINDOW = 1 << 20
"""Bytes held while more comes, and the longest line that is held until its end."""

_OPENS = re.compile(rb"-----BEGIN (?:[A-Z]{2,10} )?PRIVATE KEY(?: BLOCK)?-----|PuTTY-User-Key-File-[23]: ")
_CLOSES = re.compile(rb"-----END |^Private-MAC: ", re.MULTILINE)
_HEADER = (
    rb"(?:Proc-Type|DEK-Info|Version|Comment|Charset|Hash|MessageID|Encryption|(?:Public|Private)-Lines"
    rb"|Key-Derivation|Argon2-[A-Za-z]+): [^\r\n]{0,200}"
)
_BODY = rb"[A-Za-z0-9+/=]{1,100}"
_DECK = rb"[\s\\\"',|#*>]*"
_INSIDE = re.compile(rb"%s(?:%s|%s)?%s" % (_DECK, _HEADER, _BODY, _DECK))
"""A line between the first and the last of a private key (RFC 7468, RFC 1421, RFC 9580, and PuTTY's own format)."""
_SUSPECT = re.compile(rb"[A-Za-z0-9+/]{16,100}={0,2}")
LONGEST = 20_000
"""Bytes. A private key has ended by then."""


class Stream:
    """Feed it bytes, and take what may be written. `masked` counts the secrets so far."""

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self._before = b""
        """What was given out last, as it came in: a secret may begin there."""
        self._held = b""
        self._touched = False
        """The last byte that was given out was part of a secret."""
        self.masked = 0

    def feed(self, data: bytes) -> None:
        self._held += data

    @property
    def waits(self) -> bool:
        """Whole lines are held back."""
        return b"\n" in self._held

    def full(self) -> bytes:
        """What may be written while more input is at hand."""
        return self._out(len(self._held) - 2 * REACH) if len(self._held) >= WINDOW else b""

    def lines(self) -> bytes:
        """What may be written when the input pauses."""
        end = self._held.rfind(b"\n") + 1
        if end == 0:
            return self.full()
        opened = self._opened(end)
        return self._out(end if opened is None else max(0, opened))

    def pressed(self) -> bytes:
        """Every whole line, when the pause has become long."""
        end = self._held.rfind(b"\n") + 1
        opened = self._opened(end) if end else None
        if opened is None:
            return self._out(end)
        marks = []
        at = self._held.find(b"\n", max(0, opened)) + 1 if opened >= 0 else 0
        for found in _SUSPECT.finditer(self._held, at, end):
            marks.append(Mark(found.span(), "private-key"))
        return self._out(end, marks)

    def end(self) -> bytes:
        """All that is left, once the input has ended."""
        return self._out(len(self._held))

    def _opened(self, end: int) -> int | None:
        """Where, in what is held up to `end`, a private key begins that does not end there; negative if it began before."""
        if not any(word in part for part in (self._held, self._before) for word in (b"PRIVATE KEY", b"PuTTY-User-Key")):
            return None
        tail = self._before[-LONGEST:]
        data = tail + self._held[:end]
        begins = [found.span() for found in _OPENS.finditer(data, max(0, len(data) - LONGEST))]
        if not begins:
            return None
        start, inside = begins[-1]
        if _CLOSES.search(data, inside):
            return None
        rest = data[inside:].split(b"\n")[1:]
        if not all(_INSIDE.fullmatch(line) for line in rest):
            return None
        return data.rfind(b"\n", 0, start) + 1 - len(tail)

    def _out(self, cut: int, suspects: list[Mark] | None = None) -> bytes:
        """What is held up to `cut`, masked; it becomes what came before."""
        if cut <= 0:
            return b""
        base = len(self._before)
        data = self._before + self._held
        stop = base + cut
        marks = self._redactor.marks(data)
        if suspects:
            marks = merged([*marks, *(m._replace(span=(m.span[0] + base, m.span[1] + base)) for m in suspects)])
        out = masked(data, marks, base, stop)
        for start, end in (mark.span for mark in marks):
            if start < stop and end > base and (start >= base or not self._touched):
                self.masked += 1
        last = base + len(data[base:stop].rstrip())
        self._touched = any(start < last <= end for start, end in (mark.span for mark in marks))
        self._before, self._held = data[max(0, stop - REACH) : stop], data[stop:]
        return out
