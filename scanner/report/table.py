"""The report for a person at a terminal, and what the pre-commit hook says when it stops a commit.

Whatever came from scanned content, an issuer or a hook is made inert first and never read as markup. Colour and folding
are for terminals alone: into a file or a pipe every cell is written whole. rich is imported only to draw a table.
"""

from __future__ import annotations

import io
import os
import shutil
from collections.abc import Iterable
from typing import Literal, TextIO

from scanner.model import Finding, Location, Outcome, Report, Severity, Verdict
from scanner.report.color import wanted
from scanner.report.facts import alive, at_tip, introduced, ranked
from scanner.report.interface import Options
from scanner.report.record import secret_text
from scanner.report.scrub import scrubbed
from scanner.report.text import count, flat, inert, place, put, shortened
from scanner.report.workflow import defused

Occasion = Literal["commit", "message", "push"]
"""What a hook stops."""

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
        put(out, _logged(_drawn(ranked(report.findings), options, out) + "\n"))
    if report.skipped:
        put(out, "Not scanned, or not in full:\n")
        for skip in report.skipped:
            times = f" ({skip.count})" if skip.count != 1 else ""
            put(out, _logged(f"  {inert(skip.path)}: {inert(skip.reason)}{times}\n"))
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


WAYS: dict[Occasion, str] = {
    "commit": "take it out of the change, and rotate the token.",
    "message": "take it out of the message, and rotate the token; `git commit -e -F .git/COMMIT_EDITMSG` opens it again.",
    "push": "rotate the token, then take it out of the commit that brings it in, as in `git rebase -i {commit}^`.",
}


def refusal(report: Report, out: TextIO, occasion: Occasion = "commit") -> None:
    """Say which secrets stop a commit or a push, and the two ways on. Never shows a secret, and draws nothing."""
    report = scrubbed(report)
    found = ranked(report.findings)
    for finding in found:
        for location in finding.locations:
            put(out, _logged(_stopped(finding, location)))
    for skip in report.skipped:
        put(out, _logged(f"{inert(skip.path)}  could not be read in full: {inert(skip.reason)}\n"))
    if found:
        first = next((place.commit for finding in found for place in finding.locations if place.commit), None)
        way = WAYS[occasion].format(commit=inert((first or "COMMIT")[:12]))
        put(out, f"\nIf it is a secret: {way}\n")
        pages = dict.fromkeys((inert(f.name), inert(f.rotate)) for f in report.findings if f.rotate)
        for name, page in pages:
            put(out, _logged(f"    {name}: {page}\n"))
        put(out, "If it is none: put deadkey:allow in a comment on that line.\n")


def _stopped(finding: Finding, location: Location) -> str:
    where = f"{place(location)}:{location.start_line}:{location.start_column}"
    commit = f"  in {inert(location.commit[:12])}" if location.commit and location.path else ""
    state = (
        ": ".join(filter(None, (finding.verdict.state, shortened(finding.verdict.reason)))) if finding.verdict else ""
    )
    shown = f"{where}  {inert(finding.name)}  {inert(finding.secret.redacted)}  ({inert(finding.rule)}){commit}"
    return f"{shown}{'  ' if state else ''}{state}\n"


def _logged(text: str) -> str:
    """`text`, with nothing in it that a build system would take for a command."""
    return defused(text) if os.environ.keys() & {"GITHUB_ACTIONS", "TF_BUILD"} else text


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
