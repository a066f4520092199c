"""The report as JSON Lines, for streams: each line is a document of its own and can be acted upon as it comes.

First one line a finding, as `record` says, with nothing around it; then `{"skipped": {"path", "reason", "count"}}` for
each thing that was not scanned; last `{"statistics": {…}, "version": 1, "tool": {"name", "version"}}`. A stream without
that last line was cut short. ASCII only, as in `json`.
"""

from __future__ import annotations

import json
from typing import Any, TextIO

from scanner.model import DeadkeyError, Finding, Report, Skip
from scanner.report.interface import Options
from scanner.report.record import VERSION, finding_from, finding_record, plain, skip_from, skip_record
from scanner.report.scrub import scrubbed, scrubbed_finding


def render(report: Report, options: Options, out: TextIO) -> None:
    """Write every line of `report`."""
    if not options.show_secrets:
        report = scrubbed(report)
    for finding in report.findings:
        out.write(_dump(finding_record(finding, options.show_secrets)) + "\n")
    for skip in report.skipped:
        out.write(_dump({"skipped": skip_record(skip)}) + "\n")
    tool = {"name": options.tool, "version": options.version}
    out.write(_dump({"statistics": plain(report.statistics), "version": VERSION, "tool": tool}) + "\n")


def line(finding: Finding, options: Options) -> str:
    """One finding as one line, without the newline: what a followed log prints as it goes."""
    return _dump(finding_record(finding if options.show_secrets else scrubbed_finding(finding), options.show_secrets))


def report_from(text: str) -> Report:
    """Read the lines back, those of an unfinished stream too. Raises DeadkeyError, naming the line, when it cannot."""
    findings: list[Finding] = []
    skipped: list[Skip] = []
    statistics: dict[str, Any] = {}
    for number, row in enumerate(text.split("\n"), 1):
        if not row.strip():
            continue
        try:
            record = json.loads(row)
            if "skipped" in record:
                skipped.append(skip_from(record["skipped"]))
            elif "statistics" in record:
                statistics = dict(record["statistics"])
            else:
                findings.append(finding_from(record))
        except DeadkeyError as error:
            raise DeadkeyError(f"line {number}: {error}") from None
        except (ValueError, TypeError, RecursionError):
            raise DeadkeyError(f"line {number}: not a line of a deadkey report") from None
    return Report(tuple(findings), tuple(skipped), statistics)


def _dump(value: Any) -> str:
    return json.dumps(value, ensure_ascii=True, allow_nan=False)
