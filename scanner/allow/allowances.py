"""Allowances at work: which sightings they cover, which of them have expired, and which no longer cover anything.

A repository's own allowances are as hostile as the rest of it: their patterns run with a limit of time, and whatever
cannot be decided is not allowed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from fnmatch import fnmatchcase
from typing import Any

from scanner.allow.settings import Allowance
from scanner.model import Sighting

PATIENCE = 0.2
"""Seconds for one pattern on one path or value."""
SLOW = 3
"""After so many time-outs an allowance is given up for the run."""

Test = Callable[[Sighting, str], bool]
"""Whether a condition holds for a sighting whose path, counted from the top, is the second argument."""


@dataclass(slots=True)
class Working:
    """An allowance with its tests, and what came of it so far."""

    allowance: Allowance
    tests: tuple[Test, ...]
    used: bool = False
    tired: int = 0


@dataclass(slots=True)
class Allowances:
    """The allowances of a run. Their paths count from the folder `top`, and those of sightings from `base`; both absolute."""

    top: str
    base: str
    working: list[Working] = field(default_factory=list)
    expired: list[Allowance] = field(default_factory=list)

    def shown(self, sightings: Iterable[Sighting]) -> list[Sighting]:
        """The sightings that nothing allows."""
        if not self.working:
            return list(sightings)
        return [s for s in sightings if not self._covered(s)]

    def warnings(self, whole: bool) -> list[str]:
        """A line for each allowance that has expired, took too long, or, where a scan was `whole`, covered nothing."""
        lines = [
            f"{a.place}: this allowance expired on {a.until}: what it covered is reported again ({a.reason})"
            for a in self.expired
        ]
        for w in self.working:
            if w.tired >= SLOW:
                lines.append(f"{w.allowance.place}: this allowance is not used: its patterns take too long")
            elif whole and w.allowance.own and not w.used:
                lines.append(
                    f"{w.allowance.place}: this allowance covers nothing any more: remove it ({w.allowance.reason})"
                )
        return lines

    def _covered(self, sighting: Sighting) -> bool:
        path = counted(sighting.location.path or "", self.base, self.top)
        covered = False
        for working in self.working:  # all of them, to know which are used
            if working.tired >= SLOW:
                continue
            try:
                holds = all(test(sighting, path) for test in working.tests)
            except TimeoutError:
                working.tired += 1
                continue
            working.used |= holds
            covered |= holds
        return covered


def allowances(given: Sequence[Allowance], top: str, base: str, key: bytes, today: date) -> Allowances:
    """Those of `given` that hold on `today`, ready to be used; `key` is that of the run's fingerprints."""
    made = Allowances(top, base)
    for allowance in given:
        if allowance.until is not None and allowance.until < today:
            made.expired.append(allowance)
        else:
            made.working.append(Working(allowance, _tests(allowance, key)))
    return made


def counted(path: str, base: str, top: str) -> str:
    """`path`, which counts from `base`, counted from `top`; as it is where it lies elsewhere."""
    absolute = os.path.normpath(os.path.join(base, path))
    prefix = top.rstrip("/") + "/"
    return absolute.removeprefix(prefix) if path and absolute.startswith(prefix) else path.removeprefix("./")


def _tests(allowance: Allowance, key: bytes) -> tuple[Test, ...]:
    tests: list[Test] = []
    if rules := allowance.rules:
        tests.append(lambda s, _: any(fnmatchcase(s.match.rule, glob) for glob in rules))
    if commits := tuple(c.lower() for c in allowance.commits):
        tests.append(lambda s, _: (s.location.commit or "").startswith(commits))
    if fingerprints := frozenset(allowance.fingerprints):
        tests.append(lambda s, _: s.match.secret.fingerprint(key) in fingerprints)
    if allowance.paths:
        tests.append(_ignored(allowance.paths))
    if allowance.path_patterns:
        patterns = [_compiled(p) for p in allowance.path_patterns]
        tests.append(lambda _, path: bool(path) and any(_found(p, os.fsencode(path)) for p in patterns))
    if allowance.values:
        values = [_compiled(v) for v in allowance.values]
        tests.append(lambda s, _: any(_found(v, s.match.secret.reveal()) for v in values))
    return tuple(tests)


def _compiled(pattern: str) -> Any:
    import regex

    return regex.compile(pattern.encode())


def _found(pattern: Any, data: bytes) -> bool:
    return pattern.search(data, timeout=PATIENCE) is not None


def _ignored(lines: Sequence[str]) -> Test:
    """Whether a `.gitignore` with these lines would ignore the path: the last line that matches decides."""
    patterns = ignore_patterns(lines)

    def test(_: Sighting, path: str) -> bool:
        ignored = False
        for include, pattern in patterns:
            if path and pattern.match(path, timeout=PATIENCE):
                ignored = include
        return ignored

    return test


def ignore_patterns(lines: Sequence[str]) -> list[tuple[bool, Any]]:
    """Each line's pattern, and whether it ignores or takes back (`!`). Compiled by `regex`, whose matching can be timed;
    raises ValueError for what is no line of a `.gitignore`."""
    import regex
    from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern

    out = []
    for line in lines:
        text, include = GitIgnoreSpecPattern.pattern_to_regex(line)
        if text is None or include is None:
            raise ValueError(f"{line!r}: not a pattern of paths")
        out.append((include, regex.compile(text)))
    return out
