"""Bytes in, the same bytes with every secret masked out: `[github-pat]` and nothing of the value.

Inline marks (`deadkey:allow`) count for nothing here: whoever gets text into a log could write one.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from scanner.model import Span

if TYPE_CHECKING:
    from scanner.config import Config
    from scanner.detect.candidates import Candidate
    from scanner.detect.engine import Engine
    from scanner.pipeline import Options
    from scanner.ruleset.ruleset import Ruleset

KEPT = 8
"""Engines that wait for the next text; of so many threads none has to make one."""
SHORTEST = 12
"""Bytes. A value that stands a second time near by on its line is masked there too; what is shorter may be an ordinary word."""
NEAR = 4 << 10
"""Bytes of a line looked at on either side."""
TIRED = "not-read"
"""Stands for what a rule could not read within its time: it may hold a secret."""


class Mark(NamedTuple):
    """What is to be masked, and what is put there instead."""

    span: Span
    rule: str
    wide: str = ""
    """The codec of the text around it where that is UTF-16."""

    @property
    def label(self) -> bytes:
        return f"[{self.rule}]".encode(self.wide or "ascii")


class Redactor:
    """Masks secrets in text. Any number of threads may use one, and a thread may while it is using it already."""

    def __init__(
        self,
        *,
        rules: Sequence[str] = (),
        only: Sequence[str] = (),
        skip: Sequence[str] = (),
        min_confidence: str = "low",
        config: Config | None = None,
    ) -> None:
        """Load the rules: the shipped ones and those of the folders `rules`.

        `only` and `skip` are globs of rule ids, `min_confidence` is low, medium or high. Of `config` the sections `generic`
        and `allow` count. Raises DeadkeyError, now and never later.
        """
        from scanner import pipeline

        options = pipeline.Options(tuple(rules), tuple(only), tuple(skip), min_confidence)
        if config is not None:
            options = replace(options, generic=config.generic)
        self._options: Options = options
        self._allow = config.allow if config is not None else None
        self._ruleset: Ruleset = pipeline.load_rules(options)
        pipeline.check_names(self._ruleset, options)
        self._free: deque[Engine] = deque()
        self.data(b"-----BEGIN PRIVATE KEY-----")  # what is made at first use is made now

    def text(self, text: str) -> str:
        """`text` with its secrets masked; the very same object where there are none."""
        data = text.encode("utf-8", "surrogatepass")
        marks = self.marks(data)
        if not marks:
            return text
        # a pattern knows bytes: what is left of a character is no text
        whole = [mark._replace(span=_characters(data, mark.span)) for mark in marks]
        return masked(data, whole).decode("utf-8", "surrogatepass")

    def data(self, data: bytes) -> bytes:
        """The same for bytes, whatever they hold."""
        marks = self.marks(data)
        return masked(data, marks) if marks else data

    def marks(self, data: bytes) -> list[Mark]:
        """What is to be masked, in order, none overlapping another."""
        # An engine is one thread's at a time. Taking it off the deque is one step, so no lock can be waited for, not even by a
        # signal handler; one that an exception went through is not put back.
        try:
            engine = self._free.pop()
        except IndexError:
            engine = self._engine()
        marks = self._marks(engine, data)
        if len(self._free) < KEPT:
            self._free.append(engine)
        return marks

    def _engine(self) -> Engine:
        from scanner.detect.engine import Engine

        return Engine(replace(self._ruleset), self._options.wants)  # a copy loads a database of its own

    def _marks(self, engine: Engine, data: bytes) -> list[Mark]:
        hits = engine.hits(data)
        if not hits or not (hits := engine.sift(data, hits)):
            return []
        # Not Engine.scan: that gives up on low-ranking hits when there are very many.
        candidates = engine.read(data, hits)
        tired = [Mark((low, min(high, len(data))), TIRED) for _, (low, high) in engine.gave_up]
        engine.gave_up.clear()
        if not candidates:
            return merged(tired) if tired else []
        from scanner.detect.candidates import settle

        settled = [c for c in settle(engine.rules, candidates) if self._reported(engine, c)]
        rivals = [c.span for c in candidates if not engine.rules[c.rule].component]
        spans = widened([c.span for c in settled], rivals)
        marks = [m for c, span in zip(settled, spans, strict=True) for m in self._of(engine, data, c, span)]
        return merged([*marks, *tired])

    def _reported(self, engine: Engine, candidate: Candidate) -> bool:
        """Whether a scan of a text without a name would report it."""
        rule = engine.rules[candidate.rule]
        if not rule.scored and self._allow is None:
            return True
        from scanner.allow.listed import unlisted
        from scanner.model import Location, Sighting
        from scanner.pipeline import placed

        seen = [Sighting(engine.match(candidate), Location("stdin", None, 1, 1, 1, 1))]
        if self._allow is not None:
            seen = unlisted(seen, (), self._allow.rules, self._allow.values)
        return bool(placed(seen, self._ruleset, self._options))

    def _of(self, engine: Engine, data: bytes, found: Candidate, span: Span) -> Iterator[Mark]:
        """The marks for one secret: its place, and where else it stands near by on its line."""
        rule = engine.rules[found.rule].id
        start, end = span
        wide = ""
        if found.encoding[:1] == ("utf16",):
            wide = "utf-16-be" if data[start : start + 1] == b"\0" else "utf-16-le"
            end += (end - start) % 2  # the zero byte of its last character
        yield Mark((start, end), rule, wide)
        if len(found.value) >= SHORTEST:
            low, high = max(0, start - NEAR), min(len(data), end + NEAR)
            first, last = max(low, data.rfind(b"\n", low, start) + 1), data.find(b"\n", end, high)
            last = high if last < 0 else last
            at = data.find(found.value, first, last)
            while at >= 0:
                yield Mark((at, at + len(found.value)), rule)
                at = data.find(found.value, at + len(found.value), last)


def widened(spans: Sequence[Span], others: Sequence[Span]) -> list[Span]:
    """Each of `spans`, which are in order and apart, as wide as the others that overlap it."""
    out = list(spans)
    ends = [end for _, end in spans]
    for start, end in others:
        at = bisect_right(ends, start)
        while at < len(spans) and spans[at][0] < end:
            out[at] = min(out[at][0], start), max(out[at][1], end)
            at += 1
    return out


def merged(marks: Sequence[Mark]) -> list[Mark]:
    """The marks in order, those that overlap as one under the name of the first."""
    out: list[Mark] = []
    for mark in sorted(marks):
        if out and mark.span[0] < out[-1].span[1]:
            out[-1] = out[-1]._replace(span=(out[-1].span[0], max(out[-1].span[1], mark.span[1])))
        else:
            out.append(mark)
    return out


def masked(data: bytes, marks: Sequence[Mark], base: int = 0, stop: int | None = None) -> bytes:
    """`data` from `base` to `stop` with what is marked masked. Of a secret of many lines each line is, so that there are as many
    lines as before and all end as they did."""
    stop = len(data) if stop is None else stop
    out, at = [], base
    for mark in marks:
        start, end = max(mark.span[0], base), min(mark.span[1], stop)
        if start >= end:
            continue
        out.append(data[at:start])
        piece = data[start:end]
        if mark.wide or b"\n" not in piece:
            out.append(mark.label)
        else:
            out += [_line(line, mark.label) for line in piece.splitlines(keepends=True)]
        at = end
    out.append(data[at:stop])
    return b"".join(out)


def _line(line: bytes, label: bytes) -> bytes:
    text = line.rstrip(b"\r\n")
    return (label if text.strip() else text) + line[len(text) :]


def _characters(data: bytes, span: Span) -> Span:
    """The span widened to whole characters of UTF-8."""
    start, end = span
    while start > 0 and data[start] & 0xC0 == 0x80:
        start -= 1
    while end < len(data) and data[end] & 0xC0 == 0x80:
        end += 1
    return start, end
