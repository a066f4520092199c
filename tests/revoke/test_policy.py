"""What `auto` may do: exactly what one line of the policy allows."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from scanner.model import Location, Verdict
from scanner.revoke.policy import Limits, capped, decide
from scanner.revoke.settings import Allowance, RevokeSettings

from .parts import finding


def _place(path: str | None) -> Location:
    return Location("file", path, 1, 1, 1, 2)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (Allowance(), None),
        (Allowance(("acme-*",)), None),
        (Allowance(("other-*",)), "line 1 of the policy: acme-token is not of its rules"),
        (Allowance(min_severity="high"), None),
        (Allowance(min_severity="critical"), "line 1 of the policy: severity high is below critical"),
        (Allowance(paths=("tests/*", "-")), None),
        (Allowance(paths=("tests/*",)), "line 1 of the policy: it also stands in a place that is not of its paths"),
        (Allowance(max_per_run=1), "line 1 of the policy: it allows 1 a run, and that many were revoked"),
    ],
)
def test_lines(line: Allowance, reason: str | None) -> None:
    found = replace(finding(), locations=(_place("tests/a/b.py"), _place(None)))
    decision = decide(found, [line], {0: 1})
    assert decision == ((0, "line 1 of the policy") if reason is None else (None, reason))


def test_no_policy_allows_nothing() -> None:
    assert decide(finding(), [], {}) == (None, "the policy (revoke.auto) allows nothing")


def test_the_first_line_that_allows_counts_and_the_closest_explains() -> None:
    lines = [Allowance(("other",)), Allowance(min_severity="critical"), Allowance(max_per_run=3)]
    assert decide(finding(), lines, {2: 2}).line == 2
    assert decide(finding(), lines, {2: 3}).reason.startswith("line 3")
    assert decide(finding(), lines[:2], {}).reason.startswith("line 2")


ENVIRONMENTS = {"production": ("deploy/prod/*",), "staging": ("deploy/stage/*", "deploy/prod/canary/*")}
NOW = datetime(2027, 3, 31, 12, tzinfo=UTC).timestamp()


def _dated(path: str | None, date: str | None) -> Location:
    return replace(_place(path), date=date)


@pytest.mark.parametrize(
    ("paths", "reason"),
    [
        (["deploy/stage/a"], None),
        (["deploy/stage/a", "deploy/prod/b"], "it also stands in production, which is not of its environments"),
        (["deploy/prod/canary/a"], "it also stands in production, which is not of its environments"),
        (["deploy/stage/a", "src/b"], "it also stands in a place of no environment"),
        ([None], "it also stands in a place of no environment"),
    ],
)
def test_environments_are_the_users_names_for_places(paths: list[str | None], reason: str | None) -> None:
    found = replace(finding(), locations=tuple(map(_place, paths)))
    decision = decide(found, [Allowance(environments=("staging",))], {}, ENVIRONMENTS)
    assert decision.reason == "line 1 of the policy" + (f": {reason}" if reason else "")


@pytest.mark.parametrize(
    ("identity", "patterns", "allowed"),
    [
        ({"account": "ci-deploy"}, ("ci-*",), True),
        ({"account": "ada"}, ("ci-*",), False),
        ({"user": "ci-deploy"}, ("ci-*",), True),
        ({"account": "ada", "organisation": "acme"}, ("organisation=acme",), True),
        ({"account": "organisation=acme2"}, ("organisation=acme",), False),
        ({"note": "ci-deploy"}, ("ci-*",), False),
        ({}, ("*",), False),
    ],
)
def test_identities_are_what_the_issuer_said(
    identity: dict[str, str], patterns: tuple[str, ...], allowed: bool
) -> None:
    found = finding(verdict=Verdict("live", identity=identity))
    assert (decide(found, [Allowance(identities=patterns)], {}).line is not None) == allowed


DAY = 86_400.0


@pytest.mark.parametrize(
    ("dates", "older", "newer", "reason"),
    [
        (["2027-03-01T00:00:00+02:00"], 7 * DAY, None, None),
        (["2027-03-30T12:00:00Z"], 7 * DAY, None, "it came in 24 hours ago, which is not as old as it asks"),
        (["2027-03-30T12:00:00Z", "2027-03-01T00:00:00Z", None], 7 * DAY, None, None),
        (["2027-03-30T12:00:00Z"], None, 7 * DAY, None),
        (
            ["2027-03-30T12:00:00Z", "2027-03-01"],
            None,
            7 * DAY,
            "it came in 30 days ago, which is older than it allows",
        ),
        (["2027-03-30T12:00:00Z", None], None, 7 * DAY, "the age of one of its places is not known"),
        ([None], 7 * DAY, None, "its age is not known"),
        (["2037-01-01"], None, 7 * DAY, "its age is not known"),
        (["yesterday"], None, 7 * DAY, "its age is not known"),
        (["2027-03-01"], 7 * DAY, 90 * DAY, None),
    ],
)
def test_ages_are_counted_from_the_oldest_place(
    dates: list[str | None], older: float | None, newer: float | None, reason: str | None
) -> None:
    found = replace(finding(), locations=tuple(_dated("a", date) for date in dates))
    decision = decide(found, [Allowance(older_than=older, newer_than=newer)], {}, {}, NOW)
    assert decision.reason == "line 1 of the policy" + (f": {reason}" if reason else "")


def test_caps() -> None:
    capped_at = RevokeSettings(Path("j"), max_per_run=3, max_per_hour=5)
    assert capped(capped_at, Limits(run=2, hour=2)) is None
    assert capped(capped_at, Limits(run=3)) == "revoke.max_per_run is 3, and that many were revoked"
    assert capped(capped_at, Limits(run=1, hour=4)) == (
        "revoke.max_per_hour is 5, and that many were revoked within the hour"
    )
    assert capped(RevokeSettings(Path("j")), Limits(1000, 1000)) is None
