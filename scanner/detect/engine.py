"""Bytes and rules in, matches out: anchor, extract, decode, judge.

What is read from a hit depends on the bytes within `REACH` of it and on nothing else, so a hit that was read before need
not be read again where those bytes are the same.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from typing import Any, NamedTuple

from scanner.detect.candidates import Candidate, Pair, settle, touching
from scanner.detect.generic import lead
from scanner.detect.generic.place import BEFORE, BEHIND
from scanner.detect.generic.words import table
from scanner.detect.judge import judge_place, judge_value
from scanner.detect.sift import Need, Sift, letters, run
from scanner.model import Around, Chunk, Match, Secret, Span
from scanner.ruleset.ruleset import RANKS, Rule, Ruleset

SLACK = 16
"""Bytes past the longest match that a pattern's look-ahead may need."""
FORMAT, GENERIC = RANKS["format"], RANKS["generic"]
BESIDE = 48
"""Bytes before a match that its pattern's look-behind may look at."""
AROUND = 512
"""Bytes on either side of a secret in which a rule reads what stands around it."""
DEPTH = 3
"""Encodings within encodings are opened this often."""
TIME_LIMIT = 1.0
"""Seconds a pattern that could be slow may take on one hit."""
ANCHOR = 64
"""Bytes that a context word may add to its distance."""
CROWD = 3_000
"""So many hits of rules without a prefix are read in one file; what comes after them is told."""
REMEMBERED = 20_000
"""Judgements of values, and of lines, that are kept, so that the versions of a file do not ask again."""
REACH = 32 << 10
"""No hit is read or judged by bytes further away than this."""


Hit = tuple[int, int]
"""An anchor's end in the data, and the number of its expression."""


class Reach(NamedTuple):
    """How far from a hit's end its reading may look, before and after: to drop a candidate, and to fill one in."""

    back: int
    forward: int
    pair_back: int
    pair_forward: int
    inner: int
    """Before the line's start no more is looked at than this reaches."""
    lines: int
    """Above zero: nor behind the end of so many lines."""

    def around(self, data: bytes, end: int) -> tuple[int, int]:
        """The distances that hold for what came of one hit."""
        if not self.lines:
            return self.pair_back, self.pair_forward
        back, forward = self.pair_back, self.pair_forward
        start = data.rfind(b"\n", max(0, end - back), max(0, end - self.inner))
        stop = end - 1
        for _ in range(self.lines):
            stop = data.find(b"\n", stop + 1, end + forward)
            if stop < 0:
                break
        return back if start < 0 else end - start, forward if stop < 0 else stop + 1 - end


Explain = Callable[[Rule, Span, bytes, str], None]
"""Told of every candidate: rule, span, value, and why it was dropped ("" when it was kept)."""


class Engine:
    """One per process: holds the loaded database and the compiled patterns.

    `wanted` says which rules to report (None: all); components take part whatever it says. A `patient` engine also tells of
    what lacks a companion that it needs.
    """

    def __init__(
        self,
        ruleset: Ruleset,
        wanted: Callable[[Rule], bool] | None = None,
        explain: Explain | None = None,
        patient: bool = False,
    ) -> None:
        self.ruleset = ruleset
        self.rules = ruleset.rules
        self.gave_up: list[tuple[str, Span]] = []
        """Rule and place of every pattern that ran out of time."""
        self.crowded = 0
        """How many hits of rules without a prefix were too many to be read."""
        self._database = ruleset.loaded
        self._anchors = ruleset.anchors
        self._wanted = [wanted is None or r.component or wanted(r) for r in self.rules]
        self._by_id = {rule.id: number for number, rule in enumerate(self.rules)}
        # of a shape that tells by itself: what only a word near by makes an identifier may be a secret elsewhere
        self._components = [n for n, r in enumerate(self.rules) if (r.component or r.half) and r.rank == RANKS["token"]]
        self._patterns: dict[int, Any] = {}
        self._beside: dict[int, tuple[Any, Any]] = {}
        self._openings: dict[int, tuple[re.Pattern[bytes], int]] = {}
        self._values: dict[tuple[int, bytes], str] = {}
        self._lines: dict[tuple[int, bytes, int, bool, bool], tuple[Candidate, ...]] = {}
        self._explain = explain
        self._patient = patient

    def scan(self, chunk: Chunk) -> list[Match]:
        """The secrets of one chunk in the order in which they stand, at most one for any byte."""
        hits = self.hits(chunk.data, chunk.fresh)
        if not hits or not (hits := self.sift(chunk.data, hits)):
            return []
        if len(hits) > CROWD and chunk.origin.blob is None:
            hits = self._thinned(hits)
        candidates = self.read(chunk.data, hits)
        if chunk.fresh is None or not candidates:
            settled = settle(self.rules, candidates)
        else:
            own = {(c.rule, c.span, c.encoding) for c in candidates}
            rivals = self._rivals(chunk.data, hits, chunk.fresh)
            settled = [c for c in settle(self.rules, candidates + rivals) if (c.rule, c.span, c.encoding) in own]
        if chunk.touch is not None:
            settled = list(touching(settled, chunk.touch))
        return [self.match(c) for c in settled]

    def _thinned(self, hits: list[Hit]) -> list[Hit]:
        """The hits without those of `format` and generic rules beyond the first `CROWD`: a table of values would take minutes."""
        crowd = [hit for hit in hits if self.rules[self._anchors[hit[1]][0][0]].rank >= FORMAT]
        self.crowded += len(crowd[CROWD:])
        beyond = set(crowd[CROWD:])
        return [hit for hit in hits if hit not in beyond]

    def settled(self, pairs: Iterable[Pair]) -> list[Match]:
        """The secrets among what was found in one chunk."""
        return [self.match(c) for c in settle(self.rules, [pair.candidate for pair in pairs])]

    def _rivals(self, data: bytes, hits: list[Hit], fresh: Iterable[Span]) -> list[Candidate]:
        """What stands around the edges of the fresh ranges and is announced from outside them: it may overlap what is
        announced inside, and then the same one must win on either side."""
        edges: list[Span] = []
        for edge in sorted(e for ends in fresh for e in ends if 0 < e < len(data)):
            low, high = max(0, edge - REACH), min(len(data), edge + REACH)
            if edges and low < edges[-1][1]:
                low = edges.pop()[0]
            edges.append((low, high))
        known = set(hits)
        return self.read(data, self.sift(data, [h for h in self.hits(data, edges) if h not in known]))

    def match(self, c: Candidate) -> Match:
        return Match(
            self.rules[c.rule].id,
            c.span,
            Secret(c.value),
            c.encoding,
            c.companions,
            c.rivals,
            c.lacking,
            c.score,
            c.around,
        )

    def hits(self, data: bytes, fresh: Iterable[Span] | None = None) -> list[Hit]:
        """Where anchors end, in order; with `fresh` only ends e with start < e <= end of one of these ranges."""
        out: list[Hit] = []
        add = out.append

        if fresh is None:

            def whole(number: int, _start: int, end: int, _flags: int, _context: object) -> None:
                add((end, number))

            self._database.scan(data, whole)
        else:
            view = memoryview(data)
            for start, stop in fresh:
                base = max(0, start - self.span)

                def part(
                    number: int,
                    _start: int,
                    end: int,
                    _flags: int,
                    _context: object,
                    base: int = base,
                    start: int = start,
                ) -> None:
                    if base + end > start:
                        add((base + end, number))

                self._database.scan(view[base:stop], part)
        out.sort()
        return out

    def sift(self, data: bytes, hits: list[Hit]) -> list[Hit]:
        """The hits of rules that are wanted which may lead to a candidate."""
        out: list[Hit] = self._sift(data, hits)
        if self._explain is not None:  # what is not worth reading is explained as well
            kept = set(out)
            out = [h for h in hits if h in kept or any(self.rules[n].look for n in self._anchors[h[1]][0])]
        return out

    @cached_property
    def _sift(self) -> Any:
        return Sift((self._needs(numbers, kind) for numbers, kind, _, _ in self._anchors), table())

    def _tell(self, number: int, kind: str, data: bytes, end: int) -> None:
        """Explain what was not worth reading."""
        assert self._explain is not None
        for begin, span, value, _ in self._extract(number, kind, data, end):
            reason, _ = judge_place(self.rules[number], data, begin, span)
            self._explain(self.rules[number], span, value, reason or "words or code")

    def _needs(self, numbers: Iterable[int], kind: str) -> list[Need] | None:
        """What a hit of some rules needs, any of it; None where it needs nothing."""
        needs = [self._need(self.rules[number], kind) for number in numbers if self._wanted[number]]
        wanted = list(dict.fromkeys(need for need in needs if need is not None))
        return wanted if len(wanted) == len(needs) or None not in needs else None

    def _need(self, rule: Rule, kind: str) -> Need | None:
        if rule.look:
            return Need(bytes(256), 1, 0, (), bytes(256), lead.LOOKS[rule.look]) if kind == "plain" else None
        if not rule.shortest or not (kind == "context" or (kind == "plain" and rule.starts)):
            return None
        return Need(letters(rule.letters), rule.shortest, rule.near, rule.starts, letters(rule.barred))

    def read(self, data: bytes, hits: Iterable[Hit], depth: int = 0) -> list[Candidate]:
        """What the hits lead to: every candidate that was kept, not yet settled against each other."""
        return [pair.candidate for pair in self.pairs(data, hits, depth)]

    def pairs(self, data: bytes, hits: Iterable[Hit], depth: int = 0) -> list[Pair]:
        """The candidates that were kept, each with the hit that led to it; one comes as often as hits lead to it."""
        from scanner.detect import decode  # only now: most of what a hook looks at holds no anchor

        out: list[Pair] = []
        judged: dict[tuple[int, Span], Candidate | None] = {}
        runs: dict[str, list[decode.Run]] = {}
        for end, anchor in hits:
            numbers, kind, phase, length = self._anchors[anchor]
            if kind == "plain" or kind == "context":
                back, forward = self.reach[anchor].around(data, end)
                if not self.reach[anchor].lines or self._explain is not None:
                    found = self._announced(numbers, kind, data, end, judged)
                else:  # a line comes again in every version of a file
                    low, high = max(0, end - back), min(len(data), end + forward)
                    line = (anchor, data[low:high], end - low, low == 0, high == len(data))
                    known = self._lines.get(line)
                    if known is None:
                        if len(self._lines) >= REMEMBERED:
                            self._lines.clear()
                        announced = self._announced(numbers, kind, data, end, judged)
                        known = self._lines[line] = tuple(c.moved(-end) for c in announced)
                    found = (c.moved(end) for c in known)
                out += [Pair(end, anchor, back, forward, candidate) for candidate in found]
            elif depth < DEPTH:
                near = runs[kind] = [r for r in runs.get(kind, ()) if end - length < r.stop]
                if any(r.covers(end - length, phase) for r in near):
                    continue
                run = decode.run(kind, data, end, phase, length)
                if run is None:
                    continue
                near.append(run)
                reach = self.reach[anchor]
                inside = self.sift(run.data, self.hits(run.data))
                for c in settle(self.rules, self.read(run.data, inside, depth + 1)):
                    if kind == "utf16" or self.rules[c.rule].rank < GENERIC:
                        c = c._replace(span=run.outer(c.span), encoding=(kind, *c.encoding))
                        out.append(Pair(end, anchor, reach.pair_back, reach.pair_forward, c))
        return out

    def _announced(
        self,
        numbers: Iterable[int],
        kind: str,
        data: bytes,
        end: int,
        judged: dict[tuple[int, Span], Candidate | None],
    ) -> Iterator[Candidate]:
        """What a hit of some rules leads to. `judged` remembers what was judged in the same data."""
        for number in numbers:
            if not self._wanted[number]:
                continue
            look = self.rules[number].look
            if look and not self._sift.look(data, end, lead.LOOKS[look]):
                if self._explain is not None:
                    self._tell(number, kind, data, end)
                continue
            for begin, span, value, gap in self._extract(number, kind, data, end):
                if (number, span) not in judged:
                    judged[number, span] = self._judge(number, data, begin, span, value)
                candidate = judged[number, span]
                if candidate is not None:
                    yield candidate._replace(gap=gap)

    @cached_property
    def reach(self) -> tuple[Reach, ...]:
        """By anchor."""
        from scanner.detect import decode

        out = []
        for numbers, kind, _, length in self._anchors:
            if kind not in ("plain", "context"):
                back, forward = decode.BEFORE + SLACK, decode.AFTER + SLACK
                out.append(Reach(back, forward, back, forward, back, 0))
                continue
            reaches = [self._reach(self.rules[n], length) for n in numbers]
            widest = Reach(*map(max, zip(*reaches, strict=True)))
            out.append(widest if all(reach.lines for reach in reaches) else widest._replace(lines=0))
        return tuple(out)

    def _reach(self, rule: Rule, length: int) -> Reach:
        """How far the reading of a hit of one rule may look, when the anchor is `length` bytes of context word."""
        inner = max(rule.back, length)
        back = inner + (BEFORE if rule.scored else BESIDE)
        forward = rule.forward + (BEHIND if rule.scored else SLACK)
        rooms = [(c.within + self.rules[self._by_id[c.rule]].forward + 2 * SLACK, c.required) for c in rule.companions]
        needed = max((room for room, required in rooms if required), default=0)
        beside = AROUND + SLACK if rule.before or rule.after else 0
        wanted = max([beside, *(room for room, _ in rooms)])
        return Reach(back + needed, forward + needed, back + wanted, forward + wanted, inner, rule.lines)

    @cached_property
    def reaches(self) -> bytes:
        """By anchor, what `kernel_py.carry` asks for."""
        return array("i", [n for r in self.reach for n in (r.back, r.forward, r.inner, r.lines)]).tobytes()

    @property
    def span(self) -> int:
        """No anchor is longer than this many bytes."""
        return self.ruleset.span

    def _extract(self, number: int, kind: str, data: bytes, end: int) -> Iterator[tuple[int, Span, bytes, int]]:
        """Starts, spans and values of the rule's matches that the anchor ending at `end` announces."""
        rule = self.rules[number]
        pattern = self._pattern(number)
        context = kind == "context"
        low = end if context else max(0, end - rule.back)
        high = min(len(data), end + rule.forward + SLACK)
        limit = TIME_LIMIT if rule.slow else None
        group = "secret" if "secret" in pattern.groupindex else 0
        try:
            if rule.starts:
                for distance in rule.starts:
                    found = pattern.match(data, end - distance, high, timeout=limit) if distance <= end else None
                    if found is not None:
                        yield found.start(), found.span(group), found.group(group), 0
                        return
                return
            if rule.opens:  # most keys are one word: little needs to be tried
                near = lead.key(data, low, end)
                for first, last in ((near, end), (low, near)):
                    matches = [
                        pattern.match(data, at, high, timeout=limit) for at in self._opened(number, data, first, last)
                    ]
                    if any(matches):
                        for found in matches:
                            if found is not None and found.end() >= end:
                                yield found.start(), found.span(group), found.group(group), 0
                                if not rule.scored:  # of one in the other, the inner may be the secret
                                    return
                        return
                return
            for found in pattern.finditer(data, low, high, overlapped=not context, timeout=limit):
                span = found.span(group)
                if context:
                    if span[0] - end > rule.near:
                        return
                    yield found.start(), span, found.group(group), span[0] - end
                elif found.start() >= end:
                    return
                elif found.end() >= end:
                    yield found.start(), span, found.group(group), 0
                    return
        except TimeoutError:
            self.gave_up.append((rule.id, (low, high)))

    def _opened(self, number: int, data: bytes, low: int, high: int) -> Iterable[int]:
        """Where a match of the rule may begin between `low` and `high`."""
        rule = self.rules[number]
        if not rule.openings:
            return range(low, high)
        known = self._openings.get(number)
        if known is None:
            words = [bytes.fromhex(x) for x in rule.openings]
            pattern = re.compile(b"|".join(map(re.escape, words)), re.IGNORECASE)
            known = self._openings[number] = pattern, max(map(len, words))
        opening, longest = known
        return [found.start() for found in opening.finditer(data, low, high + longest) if found.start() < high]

    def _judge(self, number: int, data: bytes, begin: int, span: Span, value: bytes) -> Candidate | None:
        rule = self.rules[number]
        known = self._values.get((number, value))
        if known is None:
            if len(self._values) >= REMEMBERED:
                self._values.clear()
            known = judge_value(rule, value)
            if not known and rule.rank == GENERIC and self._is_component(value):
                known = "a public identifier"
            self._values[number, value] = known
        reason, score = (known, 0.0) if known else judge_place(rule, data, begin, span)
        companions: list[tuple[str, Secret]] = []
        rivals: list[str] = []
        lacking: list[str] = []
        if not reason:
            for wanted in rule.companions:
                near = self._companion(self._by_id[wanted.rule], data, span, wanted.within)
                if near:
                    companions.append((wanted.name, Secret(near[0])))
                    if len(near) > 1:
                        rivals.append(wanted.name)
                elif wanted.required:
                    lacking.append(wanted.name)
                    reason = reason or f"no {wanted.rule} within {wanted.within} bytes"
                    if not self._patient:
                        break
        if self._explain is not None:
            self._explain(rule, span, value, reason)
        if reason and not (lacking and self._patient):
            return None
        around = self._around(number, data, span, value) if rule.before or rule.after or rule.given else ()
        return Candidate(number, span, value, 0, (), tuple(companions), tuple(rivals), tuple(lacking), score, around)

    def _around(self, number: int, data: bytes, span: Span, value: bytes) -> Around:
        """What the rule's `before` reads that ends where the secret begins, its `after` from where it ends, and what it
        gives itself. Where the value stands in it too, it is left out."""
        rule = self.rules[number]
        if number not in self._beside:
            import regex

            before, after = (text and regex.compile(text.encode()) for text in (rule.before, rule.after))
            self._beside[number] = before, after
        before, after = self._beside[number]
        low, high = max(0, span[0] - AROUND), span[1] + AROUND
        try:
            texts = [
                before.search(data, low, span[0], timeout=TIME_LIMIT) if before else None,
                after.match(data, span[1], high, timeout=TIME_LIMIT) if after else None,
            ]
        except TimeoutError:
            self.gave_up.append((rule.id, (low, high)))
            texts = []
        found = dict(rule.given)
        for text in texts:
            for name, part in (text.groupdict() if text else {}).items():
                if part and value not in part:
                    found[name] = part.decode("utf-8", "replace")
        return tuple(found.items())

    def _is_component(self, value: bytes) -> bool:
        return self._component is not None and self._component.fullmatch(value) is not None

    @cached_property
    def _component(self) -> Any:
        """All components whose shape tells by itself, as one pattern; None where there are none."""
        import regex

        patterns = [_alone(self.rules[number].pattern) for number in self._components]
        return regex.compile("|".join(patterns).encode()) if patterns else None

    def tires(self, rule_id: str, data: bytes) -> bool:
        """Whether a rule's pattern runs out of time on a text."""
        try:
            for _ in self._pattern(self._by_id[rule_id]).finditer(data, timeout=TIME_LIMIT):
                pass
        except TimeoutError:
            return True
        return False

    def values(self, rule_id: str, data: bytes) -> set[bytes]:
        """All that a component's pattern matches in a text, that passes its judgement, and has one of its words before it."""
        from scanner.detect.judge import judge

        number = self._by_id[rule_id]
        rule = self.rules[number]
        pattern = self._pattern(number)
        out: set[bytes] = set()
        if rule.shortest and run(data, 0, len(data), letters(rule.letters), rule.shortest) < 0:
            return out
        group = "secret" if "secret" in pattern.groupindex else 0
        words = [word.lower().encode() for word in rule.context]
        try:
            for found in pattern.finditer(data, timeout=TIME_LIMIT if rule.slow else None):
                span = found.span(group)
                before = data[max(0, span[0] - rule.near - ANCHOR) : span[0]].lower()
                if (not words or any(w in before for w in words)) and not judge(
                    rule, data, found.start(), span, found.group(group)
                ):
                    out.add(found.group(group))
        except TimeoutError:
            self.gave_up.append((rule.id, (0, len(data))))
        return out

    def _companion(self, number: int, data: bytes, span: Span, within: int) -> list[bytes]:
        """The matches of another rule's pattern around `span` that pass its judgement, each value once, the nearest first."""
        from scanner.detect.judge import judge

        rule = self.rules[number]
        pattern = self._pattern(number)
        group = "secret" if "secret" in pattern.groupindex else 0
        found_at: list[tuple[int, bytes]] = []
        room = within + rule.forward + SLACK
        low, high = max(0, span[0] - room), min(len(data), span[1] + room)
        if rule.shortest and run(data, low, high, letters(rule.letters), rule.shortest) < 0:
            return []
        try:
            for found in pattern.finditer(data, low, high, timeout=TIME_LIMIT if rule.slow else None):
                start, end = found.span(group)
                if start < span[1] and span[0] < end:
                    continue
                gap = span[0] - end if end <= span[0] else start - span[1]
                if gap <= within and not judge(rule, data, found.start(), (start, end), found.group(group)):
                    found_at.append((gap, found.group(group)))
        except TimeoutError:
            self.gave_up.append((rule.id, (low, high)))
        found_at.sort(key=lambda pair: pair[0])
        return list(dict.fromkeys(value for _, value in found_at))

    def _pattern(self, number: int) -> Any:
        pattern = self._patterns.get(number)
        if pattern is None:
            import regex

            pattern = self._patterns[number] = regex.compile(self.rules[number].pattern.encode())
        return pattern


def _alone(pattern: str) -> str:
    """A pattern as one of several: flags at its beginning stay its own."""
    if flags := re.match(r"\(\?([aiLmsux]+)\)", pattern):
        return f"(?{flags[1]}:{pattern[flags.end() :]})"
    return f"(?:{pattern})"
