"""A summary in Markdown, as GitHub shows it for a step of a job: a table that no content can break out of."""

from __future__ import annotations

import re
from typing import TextIO

from scanner.model import Finding, Location, Report
from scanner.report.facts import ranked
from scanner.report.interface import Options
from scanner.report.scrub import scrubbed
from scanner.report.table import summary
from scanner.report.text import count, inert, place

MOST = 500
"""Rows. GitHub takes 1 MiB for a step."""
LONGEST = 300
"""Characters of one cell."""


def render(report: Report, options: Options, out: TextIO) -> None:
    """Write a heading, a table of all places and what was not scanned. Never shows a secret."""
    report = scrubbed(report)
    lines = [f"### {options.tool}: {summary(report)}", ""]
    rows = [(finding, location) for finding in ranked(report.findings) for location in finding.locations or (None,)]
    if rows:
        lines += ["| severity | secret | place | commit | state |", "|---|---|---|---|---|"]
        lines += [_row(finding, location) for finding, location in rows[:MOST]]
        if len(rows) > MOST:
            lines += ["", f"{count(len(rows) - MOST, 'more place')} not shown."]
        lines += ["", "If it is a secret: rotate it first, then take it out."]
        pages = dict.fromkeys((text(f.name), f.rotate) for f in report.findings if f.rotate and WEB.fullmatch(f.rotate))
        lines += [f"- {name}: <{page}>" for name, page in pages]
        lines += ["", "If it is none: put `deadkey:allow` in a comment on that line.", ""]
    if report.skipped:
        lines += ["Not scanned, or not in full:", ""]
        lines += [f"- {text(skip.path)}: {text(skip.reason)}" for skip in report.skipped[:MOST]]
        lines.append("")
    out.write("\n".join(lines).rstrip("\n") + "\n")


WEB = re.compile(r"https://[A-Za-z0-9._~:/?#@!$&'()*+,;=%-]+")


def text(content: str) -> str:
    """`content` as text and nothing else: every character that could mean something is written as a reference.

    CommonMark 0.31.2, section 2.5: a numeric reference is never read as structure.
    """
    shown = inert(content)
    cut = f"{shown[:LONGEST]}…" if len(shown) > LONGEST else shown
    return "".join(c if (c.isalnum() and c.isascii()) or c in " /" else f"&#{ord(c)};" for c in cut)


def _row(finding: Finding, location: Location | None) -> str:
    where = f"{place(location)}:{location.start_line}" if location else "-"
    commit = location.commit[:12] if location and location.commit else "-"
    state = finding.outcome.state if finding.outcome else finding.verdict.state if finding.verdict else "not verified"
    secret = f"{text(finding.name)}<br>{text(finding.secret.redacted)}"
    return f"| {finding.severity} | {secret} | {text(where)} | {text(commit)} | {state} |"
