"""SARIF 2.1.0, which code scanning dashboards and editors read.

https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html; sections are named where they decided something.
A SARIF file is made to be uploaded, so no secret is ever in it, not even when secrets are to be shown.
"""

from __future__ import annotations

import json
import os
import re
from typing import Any, TextIO
from urllib.parse import quote

from scanner.model import LEVELS, Finding, Location, Report, Severity, Skip
from scanner.report.interface import Options
from scanner.report.record import plain
from scanner.report.scrub import scrubbed
from scanner.report.text import count, inert, place

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"

LEVEL: dict[Severity, str] = {"low": "note", "medium": "warning", "high": "error", "critical": "error"}

SCORE: dict[Severity, str] = {"low": "3.0", "medium": "5.5", "high": "8.0", "critical": "9.5"}
"""The middle of what GitHub's code scanning calls by the same name in `security-severity`."""

WEB = re.compile(r"https?://[A-Za-z0-9._~:/?#@!$&'()*+,;=%-]+")


def render(report: Report, options: Options, out: TextIO) -> None:
    """Write one log with one run and a newline after it."""
    report = scrubbed(report)
    rules = _rules(report.findings)
    index = {rule["id"]: number for number, rule in enumerate(rules)}
    driver = {"name": options.tool, "rules": rules}
    if options.version:
        driver["version"] = options.version
    invocation: dict[str, Any] = {
        "executionSuccessful": not report.skipped,
        "exitCode": report.exit_status,
        "toolExecutionNotifications": [_notification(skip) for skip in report.skipped],
    }
    if options.verb:
        invocation["commandLine"] = f"{options.tool} {options.verb}"
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "invocations": [invocation],
        "results": [_result(finding, index[inert(finding.rule)]) for finding in report.findings],
    }
    json.dump({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, out, indent=2, allow_nan=False)
    out.write("\n")


def uri(path: str) -> str:
    """`path` as a URI reference made of its bytes: relative stays relative, absolute becomes a `file:` URI."""
    path = path.replace(os.sep, "/")
    try:
        data = os.fsencode(path)
    except UnicodeEncodeError:  # a surrogate that stands for no byte: not from a file system but from a report's JSON
        data = path.encode("utf-8", "surrogatepass")
    return ("file://" if path.startswith("/") else "") + quote(data, safe="/")


def message(text: str) -> dict[str, str]:
    """`text` with what sections 3.11.5 and 3.11.6 give a meaning escaped: placeholders and embedded links."""
    escaped = re.sub(r"[\\\[\]]", r"\\\g<0>", inert(text))
    return {"text": escaped.replace("{", "{{").replace("}", "}}")}


def _rules(findings: tuple[Finding, ...]) -> list[dict[str, Any]]:
    """One descriptor a rule, by id, of its most severe finding."""
    worst: dict[str, Finding] = {}
    for finding in findings:
        known = worst.setdefault(finding.rule, finding)
        if LEVELS[finding.severity] > LEVELS[known.severity]:
            worst[finding.rule] = finding
    return [_rule(worst[rule]) for rule in sorted(worst)]


def _rule(finding: Finding) -> dict[str, Any]:
    described: dict[str, Any] = {
        "id": inert(finding.rule),
        "name": inert(finding.name),
        "shortDescription": {"text": inert(f"{finding.provider}: {finding.name}")},
        "help": {"text": "Take the secret out, and end its life where it was issued."},
        "defaultConfiguration": {"level": LEVEL[finding.severity]},
        "properties": {
            "security-severity": SCORE[finding.severity],
            "precision": finding.confidence,
            "tags": ["security", "external/cwe/cwe-798"],
        },
    }
    if finding.rotate and WEB.fullmatch(finding.rotate):
        described["helpUri"] = finding.rotate
        described["help"] = {"text": f"Take the secret out, and end its life where it was issued: {finding.rotate}"}
    return described


def _result(finding: Finding, rule_index: int) -> dict[str, Any]:
    state = f", {finding.verdict.state}" if finding.verdict else ""
    # A viewer that shows one place shows the first: better one that a person can still open.
    locations = sorted(finding.locations, key=lambda location: location.at_head is not True)
    properties: dict[str, Any] = {
        "confidence": finding.confidence,
        "severity": finding.severity,
        "provider": finding.provider,
        "encoding": list(finding.encoding),
    }
    if finding.verdict:
        properties["verdict"] = {
            "state": finding.verdict.state,
            "reason": finding.verdict.reason,
            "identity": finding.verdict.identity,
            "checked": finding.verdict.checked,
        }
    if finding.outcome:
        properties["outcome"] = {"state": finding.outcome.state, "detail": finding.outcome.detail}
    if locations:
        properties |= _provenance(locations[0])
    return {
        "ruleId": inert(finding.rule),
        "ruleIndex": rule_index,
        "level": LEVEL[finding.severity],
        "message": message(f"{finding.name}, in {count(len(locations), 'place')}{state}."),
        "locations": [_location(location) for location in locations],
        "partialFingerprints": {"deadkey/v1": inert(finding.fingerprint)},
        "properties": plain(properties, inert),
    }


def _provenance(location: Location) -> dict[str, Any]:
    known = {name: getattr(location, name) for name in ("commit", "blob", "author", "date", "at_head")}
    return {name: value for name, value in known.items() if value is not None}


def _location(location: Location) -> dict[str, Any]:
    """A place without a path is named by a logical location.

    It is given a physical one as well, the object store (`.git`) or the stream (`stdin`): GitHub's code scanning
    refuses a whole file for one result that has none.
    """
    provenance = plain(_provenance(location), inert)
    described: dict[str, Any] = {"properties": provenance} if provenance else {}
    in_store = not location.path and (location.commit or location.blob)
    reference = uri(location.path) if location.path else ".git" if in_store else uri(location.source)
    described["physicalLocation"] = {"artifactLocation": {"uri": reference}}
    if not in_store:
        described["physicalLocation"]["region"] = _region(location)
    if not location.path:
        described["logicalLocations"] = [{"fullyQualifiedName": place(location), "kind": inert(location.source)}]
        described["message"] = message(f"{place(location)}, line {location.start_line}")
    return described


def _region(location: Location) -> dict[str, int]:
    """Lines and columns count from 1 (3.30.5, 3.30.6), and `endColumn` is the one after the last (3.30.8)."""
    numbers = {
        "startLine": location.start_line,
        "startColumn": location.start_column,
        "endLine": location.end_line,
        "endColumn": location.end_column,
    }
    return {name: max(1, number) for name, number in numbers.items()}


def _notification(skip: Skip) -> dict[str, Any]:
    described: dict[str, Any] = {
        "level": "warning",
        "message": message(f"Not scanned, or not in full: {skip.path}: {skip.reason}"),
        "properties": {"count": skip.count},
    }
    if skip.path:
        described["locations"] = [{"physicalLocation": {"artifactLocation": {"uri": uri(skip.path)}}}]
    return described
