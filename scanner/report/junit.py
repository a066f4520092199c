"""JUnit XML, which Jenkins, GitLab and Azure Pipelines show as tests: a failed test for each place of a secret.

The format is that of the Jenkins xUnit plug-in's `junit-10.xsd`, which came from Ant's.
"""

from __future__ import annotations

import xml.etree.ElementTree as etree
from typing import TextIO

from scanner.model import Finding, Location, Report
from scanner.report.facts import ranked
from scanner.report.github import sentence
from scanner.report.interface import Options
from scanner.report.scrub import scrubbed
from scanner.report.text import inert, place


def render(report: Report, options: Options, out: TextIO) -> None:
    """Write one suite: secrets fail, what was not scanned is an error, and nothing at all is one passed test."""
    report = scrubbed(report)
    places = [(finding, location) for finding in ranked(report.findings) for location in finding.locations]
    counts = {
        "tests": str(len(places) + len(report.skipped) or 1),
        "failures": str(len(places)),
        "errors": str(len(report.skipped)),
        "time": _seconds(report),
    }
    suites = etree.Element("testsuites", counts)
    suite = etree.SubElement(suites, "testsuite", {"name": options.tool, **counts})
    for finding, location in places:
        suite.append(_failed(finding, location, options.tool))
    for skip in report.skipped:
        case = etree.SubElement(suite, "testcase", {"name": inert(skip.path), "classname": f"{options.tool}.scanned"})
        etree.SubElement(case, "error", {"type": "incomplete", "message": inert(skip.reason)})
    if not len(suite):
        etree.SubElement(suite, "testcase", {"name": "no secrets", "classname": options.tool})
    etree.indent(suites)
    # in ASCII, so that it can be written to any stream
    out.write('<?xml version="1.0" encoding="UTF-8"?>\n')
    out.write(etree.tostring(suites, encoding="us-ascii").decode() + "\n")


def _failed(finding: Finding, location: Location, tool: str) -> etree.Element:
    rule = inert(finding.rule)
    name = f"{rule}: {place(location)}:{location.start_line}:{location.start_column}"
    case = etree.Element("testcase", {"name": name, "classname": f"{tool}.{rule}"})
    message = f"{inert(finding.name)} {inert(finding.secret.redacted)}"
    failure = etree.SubElement(case, "failure", {"type": finding.severity, "message": message})
    failure.text = sentence(finding, location)
    return case


def _seconds(report: Report) -> str:
    seconds = report.statistics.get("seconds")
    number = isinstance(seconds, (int, float)) and 0 <= seconds < 1e9  # a saved report may hold anything
    return f"{seconds:.3f}" if number else "0.000"
