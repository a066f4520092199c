"""What a finding means to a person: whether it lives, when it came in, how bad it is beside others, what to do next.

Every format for people asks here, so that all say the same. Nothing here is escaped: that is each format's own matter.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple

from scanner.model import LEVELS, Finding, Location

STATES = ("live", "revoked", "dead", "unknown", "uncheckable", "not verified")
"""What `state` can say, the most urgent first."""

WEB = re.compile(r"https://[A-Za-z0-9._~:/?#@!$&'()*+,;=%-]+")
"""An address that a page may link to."""

Kind = Literal["revoke", "rotate", "wait", "ask", "remove", "nothing"]


class Step(NamedTuple):
    """What a person does next; `page` is where to do it, and None where that is not known."""

    kind: Kind
    text: str
    page: str | None


def ended(finding: Finding) -> bool:
    return finding.outcome is not None and finding.outcome.state in ("revoked", "already-dead")


def alive(finding: Finding) -> bool:
    return finding.verdict is not None and finding.verdict.state == "live" and not ended(finding)


def state(finding: Finding) -> str:
    """One of STATES."""
    if finding.outcome is not None and ended(finding):
        return "revoked" if finding.outcome.state == "revoked" else "dead"
    return finding.verdict.state if finding.verdict else "not verified"


def ranked(findings: Iterable[Finding]) -> list[Finding]:
    """The worst first."""
    return sorted(findings, key=rank)


def rank(finding: Finding) -> tuple[Any, ...]:
    """Sorts live ones first, then by severity, confidence and path."""
    first = finding.locations[0] if finding.locations else None
    where = (first.path or "", first.start_line, first.start_column) if first else ("", 0, 0)
    return (not alive(finding), -LEVELS[finding.severity], -LEVELS[finding.confidence], *where, finding.fingerprint)


def label(finding: Finding) -> str:
    """What tells it from others of its kind: its redaction, or where a saved report has none left, its fingerprint."""
    redacted = finding.secret.redacted
    return redacted if redacted != "…" else f"#{finding.fingerprint[:8]}"


def introduced(locations: Iterable[Location]) -> Location | None:
    """The commit that brought it in first: by date, as far as dates are known. None where no commit did."""
    committed = [location for location in locations if location.commit]
    return min(committed, key=lambda location: when(location) or datetime.max.replace(tzinfo=UTC), default=None)


def when(location: Location) -> datetime | None:
    """The commit's date with its offset, UTC where it has none; None for what is no date."""
    try:
        date = datetime.fromisoformat(location.date or "")
        date = date if date.tzinfo else date.replace(tzinfo=UTC)
        date.astimezone(UTC)
    except (ValueError, OverflowError):  # the first and last days of the calendar have no UTC
        return None
    return date


def at_head(locations: Iterable[Location]) -> bool | None:
    """Whether it still stands at a branch tip; None where that is not known."""
    known = {location.at_head for location in locations} - {None}
    return True if True in known else False if known else None


def at_tip(locations: Iterable[Location]) -> str:
    """The same as a word."""
    return {True: "yes", False: "no", None: "-"}[at_head(locations)]


def next_step(finding: Finding) -> Step:
    """What to do about `finding` now, given what its issuer said and what was done already."""
    page = finding.rotate if finding.rotate and WEB.fullmatch(finding.rotate) else None
    outcome = finding.outcome.state if finding.outcome else None
    verdict = finding.verdict.state if finding.verdict else None
    if ended(finding) or (verdict == "dead"):
        if at_head(finding.locations):
            return Step("remove", "It is dead. Take it out of the files at the branch tip.", None)
        return Step("nothing", "It is dead. Nothing is left to do.", None)
    if outcome == "pending":
        return Step("wait", "Revoking it is under way: run again until the issuer calls it dead.", page)
    if outcome in ("failed", "refused"):
        return Step("rotate", "It was not revoked: revoke it by hand, and put a new one in its place.", page)
    if verdict == "live":
        if outcome == "planned" and finding.outcome and finding.outcome.hook:
            return Step("revoke", "Revoke it: run again with --revoke ask, and put a new one in its place.", page)
        return Step("rotate", "Rotate it by hand: make a new one, put it in place, then revoke this one.", page)
    if verdict == "unknown":
        return Step("ask", "The issuer did not say. Ask again, and treat it as live until then.", page)
    if verdict == "uncheckable":
        return Step("rotate", "It cannot be asked about. Treat it as live: rotate it.", page)
    return Step("ask", "Nobody was asked. Run again with --verify, or rotate it.", page)
