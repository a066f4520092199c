"""A row a place, for spreadsheets and scripts: RFC 4180 with a line of names first.

A spreadsheet runs a cell that begins like a formula, and a path or an author's name comes from whoever wrote the
repository: such a cell is given an apostrophe in front
(https://owasp.org/www-community/attacks/CSV_Injection). What was not scanned has rows of its own, whose `state` is
`not scanned`. A spreadsheet is made to be passed on, so no secret is ever in it.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from typing import TextIO

from scanner.model import Finding, Location, Report, Skip
from scanner.report.facts import label, next_step, rank, state
from scanner.report.interface import Options
from scanner.report.scrub import scrubbed
from scanner.report.text import flat, inert, put

FORMULA = ("=", "+", "-", "@", "＝", "＋", "－", "＠", "'")
"""What a formula begins with, in full width as well; the apostrophe, so that one in front always is ours."""

COLUMNS = (
    *("change", "severity", "confidence", "state", "next", "provider", "name", "rule", "secret", "fingerprint"),
    *("source", "path", "line", "column", "commit", "author", "date", "at_tip", "places"),
    *("reason", "identity", "checked", "outcome", "hook", "detail", "effect", "rotate", "encoding"),
)

NOWHERE = Location("", None, 0, 0, 0, 0)


def render(report: Report, options: Options, out: TextIO) -> None:
    """Write the findings, the worst first, each with all its places, then what was not scanned."""
    report = scrubbed(report)
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\r\n", restval="")
    writer.writeheader()
    for row in _rows(report, options.changes or {}):
        writer.writerow({name: guarded(value) for name, value in row.items()})
    put(out, text.getvalue())


def guarded(value: str | int) -> str | int:
    """`value` as a cell that no spreadsheet takes for a formula, on one line."""
    if isinstance(value, int):
        return value
    text = inert(value)
    return f"'{text}" if text.lstrip().startswith(FORMULA) else text


def _rows(report: Report, changes: Mapping[str, str]) -> Iterator[dict[str, str | int]]:
    for finding in sorted(report.findings, key=rank):
        told = {"change": changes.get(finding.fingerprint, ""), **_finding(finding)}
        for location in finding.locations or (NOWHERE,):
            yield told | _location(location)
    for skip in report.skipped:
        yield _skip(skip)


def _finding(finding: Finding) -> dict[str, str | int]:
    verdict, outcome = finding.verdict, finding.outcome
    return {
        "severity": finding.severity,
        "confidence": finding.confidence,
        "state": state(finding),
        "next": next_step(finding).kind,
        "provider": finding.provider,
        "name": finding.name,
        "rule": finding.rule,
        "secret": label(finding),
        "fingerprint": finding.fingerprint,
        "places": len(finding.locations),
        "reason": verdict.reason if verdict else "",
        "identity": "; ".join(f"{name}: {value}" for name, value in flat(verdict.identity)) if verdict else "",
        "checked": (verdict.checked or "") if verdict else "",
        "outcome": outcome.state if outcome else "",
        "hook": outcome.hook if outcome else "",
        "detail": outcome.detail if outcome else "",
        "effect": outcome.effect if outcome else "",
        "rotate": finding.rotate or "",
        "encoding": " ".join(finding.encoding),
    }


def _location(location: Location) -> dict[str, str | int]:
    if location is NOWHERE:
        return {}
    return {
        "source": location.source,
        "path": location.path or "",
        "line": location.start_line,
        "column": location.start_column,
        "commit": location.commit or "",
        "author": location.author or "",
        "date": location.date or "",
        "at_tip": "" if location.at_head is None else "yes" if location.at_head else "no",
    }


def _skip(skip: Skip) -> dict[str, str | int]:
    return {"state": "not scanned", "path": skip.path, "reason": skip.reason, "places": skip.count}
