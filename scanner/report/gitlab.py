"""GitLab's secret detection report, which its merge request widget and vulnerability report read.

The format is schema 15.0.7 of gitlab.com/gitlab-org/security-products/security-report-schemas. Such a report is made to be
kept by the server, so no secret is ever in it, not even when secrets are to be shown.
"""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any, TextIO

from scanner.model import Finding, Location, Report, Severity
from scanner.report.facts import ranked
from scanner.report.github import sentence
from scanner.report.interface import Options
from scanner.report.scrub import scrubbed
from scanner.report.step import WEB
from scanner.report.text import inert, place

VERSION = "15.0.7"
SCHEMA = (
    "https://gitlab.com/gitlab-org/security-products/security-report-schemas/-/raw/v15.0.7/dist/"
    "secret-detection-report-format.json"
)
SEVERITY: dict[Severity, str] = {"low": "Low", "medium": "Medium", "high": "High", "critical": "Critical"}
NO_COMMIT = "0000000"
"""What GitLab's own analyzers write where a secret is in no commit; the field must not be empty."""
SPACE = uuid.UUID("5c1f5c5e-6a8d-4b7e-9a55-0e0d7a4f1b11")
"""Drawn once: ids made within it are the same for the same secret at the same place."""


def render(report: Report, options: Options, out: TextIO) -> None:
    """Write one document and a newline after it: an entry for each place."""
    seconds = report.statistics.get("seconds")
    lasted = seconds if isinstance(seconds, (int, float)) and 0 <= seconds < 1e9 else 0
    report = scrubbed(report)
    now = datetime.now(UTC).replace(microsecond=0, tzinfo=None)
    tool = {
        "id": options.tool,
        "name": options.tool,
        "version": options.version or "0",
        "vendor": {"name": options.tool},
    }
    scan: dict[str, Any] = {
        "type": "secret_detection",
        "status": "failure" if report.skipped else "success",
        "start_time": (now - timedelta(seconds=int(lasted))).isoformat(),
        "end_time": now.isoformat(),
        "analyzer": tool,
        "scanner": tool,
    }
    if report.skipped:
        scan["messages"] = [
            {"level": "warn", "value": f"Not scanned, or not in full: {inert(skip.path)}: {inert(skip.reason)}"}
            for skip in report.skipped
        ]
    entries = [_entry(finding, location) for finding in ranked(report.findings) for location in finding.locations]
    json.dump(
        {"schema": SCHEMA, "version": VERSION, "scan": scan, "vulnerabilities": entries},
        out,
        indent=2,
        allow_nan=False,
    )
    out.write("\n")


def _entry(finding: Finding, location: Location) -> dict[str, Any]:
    rule = inert(finding.rule) or "unknown"
    entry: dict[str, Any] = {
        "id": str(uuid.uuid5(SPACE, f"{rule} {finding.fingerprint} {place(location)} {location.start_line}")),
        "name": inert(finding.name)[:255],
        "description": sentence(finding, location),
        "severity": SEVERITY[finding.severity],
        "solution": "Rotate the secret where it was issued, then take it out.",
        "identifiers": [
            {"type": "deadkey_rule_id", "name": f"deadkey rule {rule}", "value": rule},
            {
                "type": "cwe",
                "name": "CWE-798",
                "value": "798",
                "url": "https://cwe.mitre.org/data/definitions/798.html",
            },
        ],
        "location": _location(location),
    }
    details = {"confidence": ("Confidence", finding.confidence), "provider": ("Provider", inert(finding.provider))}
    if finding.verdict:
        reason = f": {inert(finding.verdict.reason)}" if finding.verdict.reason else ""
        details["verdict"] = ("Live or dead", f"{finding.verdict.state}{reason}")
    if finding.outcome:
        details["outcome"] = ("What was done", finding.outcome.state)
    entry["details"] = {key: {"name": name, "type": "text", "value": value} for key, (name, value) in details.items()}
    if finding.rotate and WEB.fullmatch(finding.rotate):
        entry["links"] = [{"name": "How to rotate it", "url": finding.rotate}]
    return entry


def _location(location: Location) -> dict[str, Any]:
    commit = {"sha": inert(location.commit or "") or NO_COMMIT}
    if location.author:
        commit["author"] = inert(location.author)
    if location.date:
        commit["date"] = inert(location.date)
    return {
        "file": place(location),
        "start_line": location.start_line,
        "end_line": location.end_line,
        "commit": commit,
    }
