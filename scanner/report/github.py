"""Annotations on the lines of a pull request: workflow commands of GitHub Actions, one for each place.

GitHub shows ten errors and ten warnings a step, so the worst come first; the log has all of them.
"""

from __future__ import annotations

from typing import TextIO

from scanner.model import LEVELS, Finding, Location, Report
from scanner.report.facts import ranked
from scanner.report.interface import Options
from scanner.report.scrub import scrubbed
from scanner.report.table import summary
from scanner.report.text import inert, place, put
from scanner.report.workflow import defused, github_message, github_property


def render(report: Report, options: Options, out: TextIO) -> None:
    """Write a line for each place and each thing that was not scanned, and a summary. Never shows a secret."""
    report = scrubbed(report)
    for finding in ranked(report.findings):
        for location in finding.locations:
            put(out, _annotation(finding, location))
    for skip in report.skipped:
        said = f"not scanned, or not in full: {inert(skip.path)}: {inert(skip.reason)}"
        put(out, f"::warning title={github_property(options.tool)}::{github_message(defused(said))}\n")
    put(out, f"{options.tool}: {summary(report)}\n")


def _annotation(finding: Finding, location: Location) -> str:
    level = "error" if LEVELS[finding.severity] >= LEVELS["high"] else "warning"
    properties = {"title": f"{inert(finding.name)} ({inert(finding.rule)})"}
    if location.path:
        properties["file"] = inert(location.path)
        properties["line"] = str(location.start_line)
        properties["endLine"] = str(location.end_line)
        if location.start_line == location.end_line:  # columns mean nothing over several lines
            properties["col"] = str(location.start_column)
            properties["endColumn"] = str(location.end_column)
    shown = ",".join(f"{name}={github_property(defused(value))}" for name, value in properties.items())
    return f"::{level} {shown}::{github_message(defused(sentence(finding, location)))}\n"


def sentence(finding: Finding, location: Location) -> str:
    """What stands there, since which commit, whether it is live, and what to do: one inert line."""
    where = "" if location.path else f" in {place(location)}, line {location.start_line}"
    since = f", brought in by {inert(location.commit[:12])}" if location.commit and location.path else ""
    state = f", {finding.verdict.state}" if finding.verdict else ""
    ended = f", {finding.outcome.state}" if finding.outcome else ""
    page = f" ({inert(finding.rotate)})" if finding.rotate else ""
    said = f"{inert(finding.name)} {inert(finding.secret.redacted)}{where}{since}{state}{ended}."
    return f"{said} Rotate it{page} and take it out; if it is none, put deadkey:allow in a comment on that line."
