"""What hits led to, on its way to becoming a match, and which of several that overlap stays."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator
from itertools import accumulate
from typing import NamedTuple

from scanner.model import Around, Secret, Span
from scanner.ruleset.ruleset import Rule


class Candidate(NamedTuple):
    """A match on its way: `gap` is the distance to the context word, for choosing between rules that overlap."""

    rule: int
    span: Span
    value: bytes
    gap: int
    encoding: tuple[str, ...] = ()
    companions: tuple[tuple[str, Secret], ...] = ()
    rivals: tuple[str, ...] = ()
    lacking: tuple[str, ...] = ()
    score: float = 1.0
    around: Around = ()

    def moved(self, by: int) -> Candidate:
        """The same for the same bytes `by` further on."""
        start, end = self.span
        return self._replace(span=(start + by, end + by))


class Pair(NamedTuple):
    """A candidate and the hit that led to it. It depends on the bytes from `end - back` to `end + forward` alone."""

    end: int
    anchor: int
    back: int
    forward: int
    candidate: Candidate

    def moved(self, by: int) -> Pair:
        """The same for the same bytes `by` further on."""
        return self._replace(end=self.end + by, candidate=self.candidate.moved(by))


def touching(settled: list[Candidate], touch: tuple[Span, ...]) -> Iterator[Candidate]:
    """The candidates that overlap one of the ranges, which may overlap each other."""
    ranges = sorted(touch)
    reached = list(accumulate((e for _, e in ranges), max))
    for c in settled:
        at = bisect_left(ranges, (c.span[1],))
        if at and reached[at - 1] > c.span[0]:
            yield c


def settle(rules: tuple[Rule, ...], candidates: list[Candidate]) -> list[Candidate]:
    """Of candidates that overlap the one stays whose rule is more specific, then nearer to its context, then longer. Those
    that lack something neither win nor lose."""
    waiting = [c for c in candidates if c.lacking]
    if waiting:
        candidates = [c for c in candidates if not c.lacking]
    if len(candidates) > 1:
        kept: list[tuple[Span, int, Candidate]] = []
        order = sorted(
            candidates, key=lambda c: (rules[c.rule].rank, c.gap, c.span[0] - c.span[1], c.span, c.rule, c.encoding)
        )
        for number, c in enumerate(order):
            at = bisect_left(kept, ((c.span[1],),))  # those that are kept overlap none of each other
            if at == 0 or kept[at - 1][0][1] <= c.span[0]:
                insort(kept, (c.span, number, c))
        candidates = [c for _, _, c in kept]
    return [c for c in [*candidates, *waiting] if not rules[c.rule].component]
