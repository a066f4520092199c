"""The report for a person at a terminal, and what the pre-commit hook says when it stops a commit.

Whatever came from scanned content, an issuer or a hook is made inert first and never read as markup. Colour and folding
are for terminals alone: into a file or a pipe every cell is written whole. rich is imported only to draw a table.
"""

from __future__ import annotations

import io
import shutil
from collections.abc import Iterable
from typing import TextIO

from scanner.model import Finding, Location, Outcome, Report, Severity, Verdict
from scanner.report.color import wanted
from scanner.report.facts import alive, at_tip, introduced, rank
from scanner.report.interface import Options
from scanner.report.record import secret_text
from scanner.report.scrub import scrubbed
from scanner.report.text import count, flat, inert, place, put, shortened

NARROWEST = 60
"""Columns. Below that folded cells are harder to read than lines that the terminal wraps."""

WIDEST = 100_000
"""Columns for what is no terminal: enough that nothing is folded."""

SEVERITY: dict[Severity, str] = {"critical": "bold red", "high": "red", "medium": "yellow", "low": "cyan"}

STATUS = {"live": "bold red", "revoked": "green", "already-dead": "green", "dead": "green", "failed": "bold red"}


def render(report: Report, options: Options, out: TextIO) -> None:
    """Write the findings, the worst first, then what was skipped and a summary."""
    if not options.show_secrets:
        report = scrubbed(report)
    if report.findings:
        put(out, _drawn(sorted(report.findings, key=rank), options, out) + "\n")
    if report.skipped:
        put(out, "Not scanned, or not in full:\n")
        for skip in report.skipped:
            times = f" ({skip.count})" if skip.count != 1 else ""
            put(out, f"  {inert(skip.path)}: {inert(skip.reason)}{times}\n")
        put(out, "\n")
    put(out, summary(report) + "\n")


def summary(report: Report) -> str:
    """One line: `3 secrets in 5 places; 1 live. 2 files could not be read in full.`"""
    findings = report.findings
    said = "No secrets found"
    if findings:
        said = f"{count(len(findings), 'secret')} in {count(sum(len(f.locations) for f in findings), 'place')}"
        if any(finding.verdict for finding in findings):
            said += f"; {sum(map(alive, findings))} live"
        if revoked := sum(finding.outcome is not None and finding.outcome.state == "revoked" for finding in findings):
            said += f", {revoked} revoked"
    if unread := sum(skip.count for skip in report.skipped):
        return f"{said}. {count(unread, 'file')} could not be read in full."
    return f"{said}."


def refusal(report: Report, out: TextIO) -> None:
    """Say which secrets stop a commit, and the two ways on. Never shows a secret, and draws nothing."""
    report = scrubbed(report)
    for finding in sorted(report.findings, key=rank):
        for location in finding.locations:
            where = f"{place(location)}:{location.start_line}:{location.start_column}"
            put(out, f"{where}  {inert(finding.name)}  {inert(finding.secret.redacted)}\n")
    for skip in report.skipped:
        put(out, f"{inert(skip.path)}  could not be read in full: {inert(skip.reason)}\n")
    if report.findings:
        put(out, "\nIf it is a secret: take it out of the change, and rotate the token.\n")
        pages = dict.fromkeys((inert(f.name), inert(f.rotate)) for f in report.findings if f.rotate)
        for name, page in pages:
            put(out, f"    {name}: {page}\n")
        put(out, "If it is none: put deadkey:allow in a comment on that line.\n")


def _drawn(findings: Iterable[Finding], options: Options, out: TextIO) -> str:
    from rich.box import ASCII2, SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    def cell(text: str, style: str = "") -> Text:
        return Text(text, style=style, overflow="fold", end="")

    unicode = (getattr(out, "encoding", None) or "utf-8").lower().startswith("utf")
    table = Table(
        box=SIMPLE_HEAD if unicode else ASCII2, pad_edge=False, show_edge=False, header_style="bold", show_lines=False
    )
    for title in ("Severity", "Secret", "Place", "Introduced", "At head", "State"):
        table.add_column(title, overflow="fold")
    for finding in findings:
        table.add_row(
            cell(finding.severity, SEVERITY[finding.severity]),
            cell(f"{inert(finding.name)}\n{inert(secret_text(finding.secret, options.show_secrets))}"),
            cell(_places(finding.locations)),
            cell(_introduced(finding.locations)),
            cell(at_tip(finding.locations)),
            cell("\n".join(_state(finding)), _status_style(finding)),
        )
    terminal = bool(getattr(out, "isatty", lambda: False)())
    color = options.color
    if color is None:
        color = wanted(out)
    width = options.width or (shutil.get_terminal_size().columns if terminal else WIDEST)
    drawn = Console(
        file=io.StringIO(),
        width=max(width, NARROWEST),
        force_terminal=color,
        no_color=not color,
        color_system="standard" if color else None,
        markup=False,
        emoji=False,
        highlight=False,
        legacy_windows=False,
    )
    with drawn.capture() as capture:
        drawn.print(table)
    return "\n".join(row.rstrip() for row in capture.get().split("\n"))


def _places(locations: tuple[Location, ...]) -> str:
    if not locations:
        return "-"
    more = f"\n+{len(locations) - 1} more" if len(locations) > 1 else ""
    return f"{place(locations[0])}:{locations[0].start_line}{more}"


def _introduced(locations: tuple[Location, ...]) -> str:
    first = introduced(locations)
    parts = ((first.commit or "")[:8], (first.date or "")[:10], first.author or "") if first else ()
    return "\n".join(inert(part) for part in parts if part) if first else "-"


def _state(finding: Finding) -> Iterable[str]:
    yield from _verdict_lines(finding.verdict) if finding.verdict else ["not verified"]
    if finding.outcome:
        yield from _outcome_lines(finding.outcome)


def _verdict_lines(verdict: Verdict) -> Iterable[str]:
    yield f"{verdict.state}: {shortened(verdict.reason)}" if verdict.reason else verdict.state
    for name, value in flat(verdict.identity):
        yield f"{name}: {value}"


def _outcome_lines(outcome: Outcome) -> Iterable[str]:
    yield f"{outcome.state} ({shortened(outcome.hook)})" if outcome.hook else outcome.state
    for said in (outcome.detail, outcome.effect):
        if said:
            yield shortened(said)


def _status_style(finding: Finding) -> str:
    ended = finding.outcome.state if finding.outcome else ""
    return STATUS.get(ended) or STATUS.get(finding.verdict.state if finding.verdict else "", "")
