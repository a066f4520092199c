"""What the page's charts draw: counts and lengths, in the units of their view boxes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import NamedTuple, get_args

from scanner.model import LEVELS, Finding, Severity
from scanner.report.facts import alive, introduced, next_step, when
from scanner.report.text import count

WORST_FIRST: list[Severity] = sorted(get_args(Severity), key=LEVELS.__getitem__, reverse=True)

LENGTH = 100.0
"""Of the longest bar."""

WIDTH, HEIGHT, BASE = 960, 170, 140
"""Of the timeline in pixels; its bars stand on BASE, and its years below that."""

YEAR = 40
"""Room for a year below the axis, in pixels."""

MOST = 60
"""Bars in a timeline."""

UNITS = ((1, "month"), (3, "quarter"), (12, "year"), (60, "five years"), (120, "decade"), (1200, "century"))
"""What a bar of the timeline can stand for, in months. Commits can claim any year up to 9999."""

AGES = (
    (7, "under a week"),
    (30, "under a month"),
    (91, "under 3 months"),
    (365, "under a year"),
    (3 * 365, "1 to 3 years"),
    (10 * 365, "3 to 10 years"),
)
"""Days, and what is said of a secret that is younger."""

STEPS = {
    "revoke": "revoke",
    "rotate": "rotate by hand",
    "wait": "wait for the issuer",
    "ask": "ask the issuer",
    "remove": "take out of the files",
    "nothing": "nothing is left to do",
}
"""What is said of each kind of next step."""

OLDEST, UNKNOWN = "10 years or more", "no commit known"


class Part(NamedTuple):
    """A piece of a bar, by severity."""

    severity: str
    start: float
    length: float


class Bar(NamedTuple):
    label: str
    number: int
    note: str
    parts: list[Part]


class Column(NamedTuple):
    """A bar of the timeline: `parts` measure from the top."""

    label: str
    number: int
    note: str
    left: float
    width: float
    parts: list[Part]
    year: Year | None


class Year(NamedTuple):
    """Written below the axis: where, and which end of the text stands there (SVG's `text-anchor`)."""

    text: str
    at: float
    anchor: str


class Timeline(NamedTuple):
    unit: str
    columns: list[Column]
    highest: int
    undated: int
    said: str


def by_severity(findings: Iterable[Finding]) -> list[Bar]:
    found = list(findings)
    total, living = Counter(f.severity for f in found), Counter(f.severity for f in found if alive(f))
    longest = max(total.values(), default=1)
    return [
        Bar(level, total[level], _living(living[level]), [Part(level, 0, _round(LENGTH * total[level] / longest))])
        for level in WORST_FIRST
    ]


def by_age(findings: Iterable[Finding], now: datetime) -> list[Bar]:
    """By the time since the commit that brought it in; a date in the future counts as now."""
    groups: dict[str, list[Finding]] = {label: [] for label in (*(label for _, label in AGES), OLDEST, UNKNOWN)}
    for finding in findings:
        groups[_age(finding, now)].append(finding)
    longest = max(map(len, groups.values())) or 1
    return [
        Bar(label, len(group), _living(sum(map(alive, group))), _stacked(group, LENGTH / longest))
        for label, group in groups.items()
    ]


def by_step(findings: Iterable[Finding]) -> list[Bar]:
    """By what is to be done next."""
    groups: dict[str, list[Finding]] = {kind: [] for kind in STEPS}
    for finding in findings:
        groups[next_step(finding).kind].append(finding)
    longest = max(map(len, groups.values())) or 1
    return [
        Bar(STEPS[kind], len(group), _living(sum(map(alive, group))), _stacked(group, LENGTH / longest))
        for kind, group in groups.items()
    ]


def _age(finding: Finding, now: datetime) -> str:
    date = _introduced(finding)
    if date is None:
        return UNKNOWN
    days = (now - date).total_seconds() / 86400
    return next((label for limit, label in AGES if days < limit), OLDEST)


def _introduced(finding: Finding) -> datetime | None:
    first = introduced(finding.locations)
    return when(first) if first else None


def timeline(findings: Iterable[Finding]) -> Timeline | None:
    """Secrets by when they came in, in units that make at most MOST bars; None where no date is known."""
    dated: list[tuple[int, Finding]] = []
    undated = 0
    for finding in findings:
        if date := _introduced(finding):
            utc = date.astimezone(UTC)
            dated.append((utc.year * 12 + utc.month - 1, finding))
        else:
            undated += 1
    if not dated:
        return None
    months = [month for month, _ in dated]
    size, unit = next((u for u in UNITS if max(months) // u[0] - min(months) // u[0] < MOST), UNITS[-1])
    groups: dict[int, list[Finding]] = {n: [] for n in range(min(months) // size, max(months) // size + 1)}
    for month, finding in dated:
        groups[month // size].append(finding)
    highest = max(map(len, groups.values()))
    columns = _columns(groups, size, (BASE - 16) / highest)
    most = max(columns, key=lambda column: column.number)
    said = (
        f"{count(len(dated), 'secret')} by {unit} of introduction, "
        f"{columns[0].label} to {columns[-1].label}; most in {most.label}: {most.number}."
    )
    return Timeline(unit, columns, highest, undated, said)


def _columns(groups: dict[int, list[Finding]], size: int, scale: float) -> list[Column]:
    step = WIDTH / max(len(groups), 12)
    gap = min(4.0, step / 5)
    drawn: list[Column] = []
    written = -WIDTH * 1.0
    for at, (number, group) in enumerate(groups.items()):
        month, left = number * size, at * step
        year = None
        last = left > WIDTH - YEAR
        if (month % 12 == 0 or at == 0) and left - written >= (2 if last else 1) * YEAR:
            year = Year(f"{month // 12}", _round(left + step - gap if last else left), "end" if last else "start")
            written = left
        upright = [
            Part(part.severity, _round(BASE - part.start - part.length), part.length) for part in _stacked(group, scale)
        ]
        note = ", ".join(f"{n} {level}" for level in WORST_FIRST if (n := sum(f.severity == level for f in group)))
        drawn.append(Column(_label(month, size), len(group), note, _round(left), _round(step - gap), upright, year))
    return drawn


def _label(month: int, size: int) -> str:
    year = month // 12
    if size == 1:
        return f"{year:04d}-{month % 12 + 1:02d}"
    if size == 3:
        return f"{year:04d} Q{month % 12 // 3 + 1}"
    return f"{year:04d}" if size == 12 else f"{year:04d} to {year + size // 12 - 1:04d}"


def _stacked(group: list[Finding], scale: float) -> list[Part]:
    """The worst at the bottom, one after the other."""
    parts, start = [], 0.0
    for level in WORST_FIRST:
        if number := sum(finding.severity == level for finding in group):
            parts.append(Part(level, _round(start), _round(number * scale)))
            start += number * scale
    return parts


def _living(number: int) -> str:
    return f"{number} live" if number else ""


def _round(number: float) -> float:
    return round(number, 2)
