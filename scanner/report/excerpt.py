"""A few lines around a secret, with every secret in them hidden."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from scanner.model import Finding, Location
from scanner.report.scrub import Scrub
from scanner.report.text import inert

AROUND = 2
"""Lines shown before and after."""
WIDE = 100
"""Characters of a line that are shown."""
LEAD = 40
"""Of these, before the secret."""

Spans = list[tuple[int, int, str]]
"""Of one line: columns counted from 0, half open, and what stands there instead."""


def excerpt(content: bytes, place: Location, findings: Iterable[Finding], scrub: Scrub) -> list[str]:
    """The lines around `place` in `content`, inert, each with its number: every place of `findings` there is hidden by its
    columns, and whatever else of their values stands there by `scrub`. Empty where that is no text."""
    if b"\0" in content:
        return []
    lines = content.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "surrogateescape").removesuffix("\n").split("\n")
    first, last = max(1, place.start_line - AROUND), min(len(lines), place.end_line + AROUND)
    hidden = _hidden(place, findings)
    width = len(str(last))
    out = []
    for number in range(first, last + 1):
        if place.start_line < number < place.end_line:
            continue
        line = lines[number - 1].rstrip("\r")
        at = place.start_column - 1 if number == place.start_line else 0
        mark = ">" if place.start_line <= number <= place.end_line else " "
        out.append(f"{mark} {number:{width}}  {_shown(line, hidden.get(number, []), at, scrub)}".rstrip())
    return out


def _hidden(place: Location, findings: Iterable[Finding]) -> dict[int, Spans]:
    """By line: what is hidden there of the findings that stand in the same content."""
    hidden: dict[int, Spans] = {}
    for finding in findings:
        for other in finding.locations:
            if (other.source, other.path, other.blob) != (place.source, place.path, place.blob):
                continue
            for line in range(other.start_line, other.end_line + 1):
                start = other.start_column - 1 if line == other.start_line else 0
                end = other.end_column - 1 if line == other.end_line else 1 << 30
                hidden.setdefault(line, []).append((start, end, finding.secret.redacted))
    return hidden


def _shown(line: str, spans: Sequence[tuple[int, int, str]], at: int, scrub: Scrub) -> str:
    """`line` with its spans hidden, and of what is long the part around column `at` (from 0)."""
    out, done, around = "", 0, 0
    for start, end, redacted in sorted(spans):
        if start >= done:
            out += line[done:start]
            around = len(out) if start <= at else around
            out += redacted
        done = max(done, end)
    out += line[done:]
    text = inert(scrub(out))
    begin = max(0, around - LEAD) if len(text) > WIDE else 0
    return ("…" if begin else "") + text[begin : begin + WIDE] + ("…" if len(text) > begin + WIDE else "")
