"""Issues of a build on Azure Pipelines: logging commands, one for each place."""

from __future__ import annotations

from typing import TextIO

from scanner.model import LEVELS, Finding, Location, Report
from scanner.report.facts import ranked
from scanner.report.github import sentence
from scanner.report.interface import Options
from scanner.report.scrub import scrubbed
from scanner.report.table import summary
from scanner.report.text import inert, put
from scanner.report.workflow import azure_message, azure_property, defused


def render(report: Report, options: Options, out: TextIO) -> None:
    """Write a line for each place and each thing that was not scanned, and a summary. Never shows a secret."""
    report = scrubbed(report)
    for finding in ranked(report.findings):
        for location in finding.locations:
            put(out, _issue(finding, location))
    for skip in report.skipped:
        said = f"{options.tool}: not scanned, or not in full: {inert(skip.path)}: {inert(skip.reason)}"
        put(out, f"##vso[task.logissue type=warning]{azure_message(defused(said))}\n")
    put(out, f"{options.tool}: {summary(report)}\n")


def _issue(finding: Finding, location: Location) -> str:
    properties = {"type": "error" if LEVELS[finding.severity] >= LEVELS["high"] else "warning"}
    if location.path:
        properties["sourcepath"] = inert(location.path)
        properties["linenumber"] = str(location.start_line)
        properties["columnnumber"] = str(location.start_column)
    properties["code"] = inert(finding.rule)
    shown = ";".join(f"{name}={azure_property(defused(value))}" for name, value in properties.items())
    return f"##vso[task.logissue {shown}]{azure_message(defused(sentence(finding, location)))}\n"
