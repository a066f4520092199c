"""What the page's template shows: every string inert, every number counted, nothing left to decide."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from scanner.model import LEVELS, Finding, Location, Report
from scanner.report.facts import STATES, Step, alive, at_head, at_tip, introduced, label, next_step, rank, state, when
from scanner.report.text import count, flat, inert, place, shortened

PAGE = 50
"""Findings shown at once."""

PLACES = 100
"""Places listed of one finding. The JSON report has all; a secret in thousands of files would bury the others."""


class Row(NamedTuple):
    """One finding in the table. `keys` is what the script sorts and filters by; see `page.js` for their order."""

    number: int
    severity: str
    confidence: str
    name: str
    provider: str
    rule: str
    secret: str
    place: str
    more: int
    commit: str
    date: str
    author: str
    tip: str
    state: str
    reason: str
    checked: str
    identity: list[tuple[str, str]]
    outcome: list[tuple[str, str]]
    reach: str
    encoding: str
    fingerprint: str
    step: Step
    places: list[tuple[str, str, str, str, str]]
    unlisted: int
    change: str
    keys: list[Any]


def rows(report: Report, changes: Mapping[str, str] | None = None) -> list[Row]:
    """A row a finding, the worst first."""
    found = sorted(report.findings, key=rank)
    return [_row(number, finding, (changes or {}).get(finding.fingerprint, "")) for number, finding in enumerate(found)]


def _row(number: int, finding: Finding, change: str) -> Row:
    locations, first = finding.locations, introduced(finding.locations)
    shown = _at(locations[0]) if locations else "-"
    date = when(first) if first else None
    said, done = finding.verdict, finding.outcome
    outcome = (
        [("Outcome", done.state), ("By", done.hook), ("Detail", done.detail), ("Effect", done.effect)] if done else []
    )
    step = next_step(finding)
    keys = [
        LEVELS[finding.severity],
        STATES.index(state(finding)),
        inert(finding.name),
        shown,
        date.timestamp() if date else None,
        at_head(locations),
        LEVELS[finding.confidence],
        inert(finding.rule),
        change,
    ]
    return Row(
        number=number,
        severity=finding.severity,
        confidence=finding.confidence,
        name=inert(finding.name),
        provider=inert(finding.provider),
        rule=inert(finding.rule),
        secret=inert(label(finding)),
        place=shown,
        more=max(0, len(locations) - 1),
        commit=inert((first.commit or "")[:8]) if first else "",
        date=inert((first.date or "")[:10]) if first else "",
        author=shortened(first.author or "") if first else "",
        tip=at_tip(locations),
        state=state(finding),
        reason=shortened(said.reason) if said else "",
        checked=inert(said.checked or "") if said else "",
        identity=list(flat(said.identity)) if said else [],
        outcome=[(name, shortened(value)) for name, value in outcome if value],
        reach=_reach(locations),
        encoding=inert(", ".join(finding.encoding)),
        fingerprint=inert(finding.fingerprint),
        step=step,
        places=[_place(location) for location in locations[:PLACES]],
        unlisted=max(0, len(locations) - PLACES),
        change=change,
        keys=keys,
    )


def _at(location: Location) -> str:
    return f"{place(location)}:{location.start_line}"


def _place(location: Location) -> tuple[str, str, str, str, str]:
    """Where it stands, the commit, its date, its author, and whether it stands at a branch tip."""
    told = (location.commit or "")[:12], (location.date or "")[:10], location.author or ""
    return (f"{_at(location)}:{location.start_column}", *(shortened(text) for text in told), at_tip([location]))  # type: ignore[return-value]


def _reach(locations: tuple[Location, ...]) -> str:
    """How far it has spread, in words."""
    counted = (
        (len(locations), "place"),
        (len({location.path for location in locations if location.path}), "file"),
        (len({location.commit for location in locations if location.commit}), "commit"),
        (len({location.author for location in locations if location.author}), "author"),
    )
    return ", ".join(count(number, noun) for number, noun in counted if number)


def tiles(report: Report, changes: Mapping[str, str] | None) -> list[tuple[str, str, str]]:
    """The numbers on top: a class for the style, the number, what it counts."""
    findings = report.findings
    asked = any(finding.verdict for finding in findings)
    living = sum(map(alive, findings))
    tip = sum(at_head(finding.locations) is True for finding in findings)
    shown = [("", str(len(findings)), "secrets")]
    if changes is not None:
        shown += [("alarm" if word == "new" else "", str(n), word) for word, n in _counted(changes.values())]
    shown += [
        ("alarm" if living else "", str(living) if asked else "\u2013", "live" if asked else "live: nobody was asked"),
        ("", str(tip), "at a branch tip"),
        ("", str(sum(len(finding.locations) for finding in findings)), "places"),
    ]
    if unread := sum(skip.count for skip in report.skipped):
        shown.append(("alarm", str(unread), "not scanned in full"))
    return shown


def _counted(words: Iterable[str]) -> list[tuple[str, int]]:
    counted = Counter(words)
    return [(word, counted[word]) for word in ("new", "still there", "gone")]


def facts(report: Report) -> list[str]:
    """What the scan looked at, as far as the report says it."""
    known = report.statistics
    told = []
    if isinstance(size := known.get("bytes"), int):
        told.append(f"{_size(size)} read")
    if isinstance(rules := known.get("rules"), int):
        told.append(f"{rules:,} rules")
    if isinstance(seconds := known.get("seconds"), (int, float)):
        told.append(f"{seconds:,.1f} seconds")
    for name, text in (("allowed", "allowed by a mark"), ("known", "left out as known")):
        if isinstance(number := known.get(name), int) and number:
            told.append(f"{number:,} {text}")
    return told


def _size(number: int) -> str:
    """Bytes in the largest unit of which there is at least one."""
    for unit, name in ((10**9, "GB"), (10**6, "MB"), (10**3, "kB")):
        if number >= unit:
            return f"{number / unit:,.1f} {name}"
    return f"{number} bytes"


def skipped(report: Report) -> list[tuple[str, str, int]]:
    return [(inert(skip.path), shortened(skip.reason), skip.count) for skip in report.skipped]


class Choices(NamedTuple):
    """What can be chosen in the filters: the value that the script compares, what is shown, how many there are."""

    severity: list[tuple[int, str, int]]
    state: list[tuple[int, str, int]]
    rule: list[tuple[str, str, int]]
    change: list[tuple[str, str, int]]


def choices(shown: list[Row]) -> Choices:
    severities, states = Counter(row.severity for row in shown), Counter(row.state for row in shown)
    rules, changes = Counter(row.rule for row in shown), Counter(row.change for row in shown)
    names = {row.rule: row.name for row in shown}
    return Choices(
        [(LEVELS[level], level, severities[level]) for level in sorted(LEVELS, key=LEVELS.__getitem__, reverse=True)],
        [(number, word, states[word]) for number, word in enumerate(STATES) if states[word]],
        [(rule, names[rule], number) for rule, number in rules.most_common()],
        [(word, word, changes[word]) for word in ("new", "still there", "gone") if changes[word]],
    )
