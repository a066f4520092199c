"""Decides, in `auto`, what may be revoked without asking."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import NamedTuple

from scanner.model import LEVELS, Finding
from scanner.revoke.settings import Allowance


class Decision(NamedTuple):
    """`line` is the number of the allowance that allows it, counted from 0; None: refused, for `reason`."""

    line: int | None
    reason: str


def decide(finding: Finding, policy: Sequence[Allowance], used: Mapping[int, int]) -> Decision:
    """The first line that allows it, or why the one that came closest does not.

    `used` says how many each line has allowed in this run.
    """
    closest, why = -1, "the policy (revoke.auto) allows nothing"
    for number, line in enumerate(policy):
        passed, problem = _judge(finding, line, used.get(number, 0))
        if problem is None:
            return Decision(number, f"line {number + 1} of the policy")
        if passed > closest:
            closest, why = passed, f"line {number + 1} of the policy: {problem}"
    return Decision(None, why)


def _judge(finding: Finding, line: Allowance, used: int) -> tuple[int, str | None]:
    if not any(fnmatchcase(finding.rule, pattern) for pattern in line.rules):
        return 0, f"{finding.rule} is not of its rules"
    if LEVELS[finding.severity] < LEVELS[line.min_severity]:
        return 1, f"severity {finding.severity} is below {line.min_severity}"
    for location in finding.locations:
        path = "-" if location.path is None else location.path
        if not any(fnmatchcase(path, pattern) for pattern in line.paths):
            return 2, "it also stands in a place that is not of its paths"
    if used >= line.max_per_run:
        return 3, f"it allows {line.max_per_run} a run, and that many were revoked"
    return 4, None
