"""Decides, in `auto`, what may be revoked without asking."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import NamedTuple

from scanner.model import LEVELS, Finding, Location
from scanner.revoke.settings import Allowance, RevokeSettings

HOUR = 3600.0


class Decision(NamedTuple):
    """`line` is the number of the allowance that allows it, counted from 0; None: refused, for `reason`."""

    line: int | None
    reason: str


class Limits(NamedTuple):
    """What has been revoked without a question in this run, and in the journal's last hour before it."""

    run: int = 0
    hour: int = 0


def decide(
    finding: Finding,
    policy: Sequence[Allowance],
    used: Mapping[int, int],
    environments: Mapping[str, Sequence[str]] | None = None,
    now: float = 0.0,
) -> Decision:
    """The first line that allows it, or why the one that came closest does not.

    `used` says how many each line has allowed in this run; `now` is in seconds since 1970.
    """
    closest, why = -1, "the policy (revoke.auto) allows nothing"
    for number, line in enumerate(policy):
        problems = list(_problems(finding, line, used.get(number, 0), environments or {}, now))
        first = next((step for step, problem in enumerate(problems) if problem), len(problems))
        if first == len(problems):
            return Decision(number, f"line {number + 1} of the policy")
        if first > closest:
            closest, why = first, f"line {number + 1} of the policy: {problems[first]}"
    return Decision(None, why)


def capped(settings: RevokeSettings, limits: Limits) -> str | None:
    """Why one more may not be revoked without a question now, or None."""
    if settings.max_per_run is not None and limits.run >= settings.max_per_run:
        return f"revoke.max_per_run is {settings.max_per_run}, and that many were revoked"
    if settings.max_per_hour is not None and limits.hour + limits.run >= settings.max_per_hour:
        return f"revoke.max_per_hour is {settings.max_per_hour}, and that many were revoked within the hour"
    return None


def environments_of(place: Location, environments: Mapping[str, Sequence[str]]) -> set[str]:
    """The user's names for a place."""
    return {name for name, patterns in environments.items() if any(fnmatchcase(_path(place), p) for p in patterns)}


def _problems(
    finding: Finding, line: Allowance, used: int, environments: Mapping[str, Sequence[str]], now: float
) -> Iterator[str | None]:
    """What stands against it, question by question; the later, the closer it came."""
    rule = any(fnmatchcase(finding.rule, pattern) for pattern in line.rules)
    yield None if rule else f"{finding.rule} is not of its rules"
    enough = LEVELS[finding.severity] >= LEVELS[line.min_severity]
    yield None if enough else f"severity {finding.severity} is below {line.min_severity}"
    everywhere = all(any(fnmatchcase(_path(place), p) for p in line.paths) for place in finding.locations)
    yield None if everywhere else "it also stands in a place that is not of its paths"
    yield _environment_problem(finding, line, environments)
    yield _identity_problem(finding, line)
    yield _age_problem(finding, line, now)
    yield f"it allows {line.max_per_run} a run, and that many were revoked" if used >= line.max_per_run else None


def _path(place: Location) -> str:
    return "-" if place.path is None else place.path


def _environment_problem(finding: Finding, line: Allowance, environments: Mapping[str, Sequence[str]]) -> str | None:
    if not line.environments:
        return None
    for place in finding.locations:
        names = environments_of(place, environments)
        if not names:
            return "it also stands in a place of no environment"
        if other := sorted(names - set(line.environments)):
            return f"it also stands in {other[0]}, which is not of its environments"
    return None


def _identity_problem(finding: Finding, line: Allowance) -> str | None:
    if not line.identities:
        return None
    known = finding.verdict.identity if finding.verdict else {}
    words = [str(known[name]) for name in ("account", "user") if name in known]
    words += [f"{name}={value}" for name, value in known.items()]
    if not words:
        return "its issuer did not say whose it is"
    return None if any(fnmatchcase(w, p) for w in words for p in line.identities) else "it is of none of its identities"


def _age_problem(finding: Finding, line: Allowance, now: float) -> str | None:
    if line.older_than is None and line.newer_than is None:
        return None
    ages = [_age(place, now) for place in finding.locations]
    known = [age for age in ages if age is not None]
    if not known:
        return "its age is not known"
    if line.older_than is not None and max(known) < line.older_than:
        return f"it came in {_days(max(known))} ago, which is not as old as it asks"
    if line.newer_than is not None and len(known) < len(ages):
        return "the age of one of its places is not known"
    if line.newer_than is not None and max(known) > line.newer_than:
        return f"it came in {_days(max(known))} ago, which is older than it allows"
    return None


def _age(place: Location, now: float) -> float | None:
    """Seconds; None where no date is known, or one that is still to come."""
    try:
        date = datetime.fromisoformat(place.date or "")
    except ValueError:
        return None
    age = now - (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
    return age if age >= 0 else None


def _days(seconds: float) -> str:
    return f"{seconds / 86400:.0f} days" if seconds >= 172_800 else f"{seconds / HOUR:.0f} hours"
