"""What `auto` may do: exactly what one line of the policy allows."""

from __future__ import annotations

from dataclasses import replace

import pytest

from scanner.model import Location
from scanner.revoke.policy import decide
from scanner.revoke.settings import Allowance

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
