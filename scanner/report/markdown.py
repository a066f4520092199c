"""The report for issues, pull requests and wikis: GitHub-flavoured Markdown (https://github.github.com/gfm/).

Whatever came from outside stands in a code span, where nothing is a link, a mention, an issue's number or markup, and
a bar is escaped as `inert` escapes, since it would end a table's cell even there. Markdown is made to be passed on, so
no secret is ever in it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TextIO

from scanner.model import LEVELS, Finding, Report
from scanner.report.facts import alive, at_tip, introduced, label, next_step, rank, state
from scanner.report.interface import Options
from scanner.report.scrub import scrubbed
from scanner.report.table import summary
from scanner.report.text import count, flat, place, put, shortened

PLAIN = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9 ,()/'-]|\.(?= |$))*")
"""Text in which nothing means anything to Markdown, and no reader makes a link of it."""

LINKED = re.compile(r"https://[A-Za-z0-9._~:/?#&=%+-]+")
"""An address that can stand between angle brackets."""


def render(report: Report, options: Options, out: TextIO) -> None:
    """Write a heading, the numbers, a table of all findings, the live ones in detail, and what was not scanned."""
    report = scrubbed(report)
    put(out, "".join(f"{line}\n" for line in _lines(report, options)))


def _lines(report: Report, options: Options) -> Iterator[str]:
    found = sorted(report.findings, key=rank)
    changes = options.changes
    yield "# Leaked secrets"
    yield ""
    yield summary(report)
    if found:
        levels = Counter(finding.severity for finding in found)
        worst_first = sorted(levels, key=LEVELS.__getitem__, reverse=True)
        yield ""
        yield f"By severity: {', '.join(f'{levels[level]} {level}' for level in worst_first)}."
        if changes is not None:
            counted = Counter(changes.values())
            yield f"Since the earlier report: {', '.join(f'{counted[w]} {w}' for w in ('new', 'still there', 'gone'))}."
        yield ""
        headings = ("Severity", "Secret", "Place", "Introduced", "At tip", "State", "Next")
        yield _row((*headings, "Change") if changes is not None else headings)
        yield _row("---" for _ in range(len(headings) + (changes is not None)))
        for finding in found:
            cells = _cells(finding)
            yield _row((*cells, changes.get(finding.fingerprint, "")) if changes is not None else cells)
    for finding in filter(alive, found):
        yield from _detail(finding)
    if report.skipped:
        yield ""
        yield "## Not scanned, or not in full"
        yield ""
        for skip in report.skipped:
            yield f"- {code(skip.path)}: {word(skip.reason)}{f' ({skip.count})' if skip.count != 1 else ''}"


def code(text: str) -> str:
    """`text` as a code span that holds it whole, whatever stands in it; nothing where it is empty."""
    if not text:
        return ""
    text = shortened(text).replace("|", r"\x7c")
    fence = "`" * (max(map(len, re.findall("`+", text)), default=0) + 1)
    # one space at both ends is taken off again, and keeps a backtick there off the fence
    pad = " " if text.startswith(("`", " ")) or text.endswith(("`", " ")) else ""
    return f"{fence}{pad}{text}{pad}{fence}"


def word(text: str) -> str:
    """`text` as it is where nothing in it means anything, else as a code span."""
    return text if PLAIN.fullmatch(text) else code(text)


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cells(finding: Finding) -> tuple[str, ...]:
    first, where = introduced(finding.locations), ""
    if finding.locations:
        more = len(finding.locations) - 1
        where = code(f"{place(finding.locations[0])}:{finding.locations[0].start_line}")
        where += f" and {more} more" if more else ""
    came = (code((first.commit or "")[:8]), word((first.date or "")[:10]), code(first.author or "")) if first else ()
    return (
        finding.severity,
        f"{word(finding.name)} {code(label(finding))}",
        where or "-",
        " ".join(filter(None, came)) or "-",
        at_tip(finding.locations),
        f"**{state(finding)}**" if alive(finding) else state(finding),
        next_step(finding).kind,
    )


def _detail(finding: Finding) -> Iterator[str]:
    """A live one: whose it is, how far it spread, what to do."""
    verdict, outcome, step = finding.verdict, finding.outcome, next_step(finding)
    yield ""
    yield f"## Live: {word(finding.name)} {code(label(finding))}"
    yield ""
    yield f"- {step.text}{f' <{step.page}>' if step.page and LINKED.fullmatch(step.page) else ''}"
    for name, value in flat(verdict.identity) if verdict else ():
        yield f"- {word(name)}: {code(value)}"
    if outcome and outcome.effect:
        yield f"- effect of revoking: {word(outcome.effect)}"
    if outcome and outcome.detail:
        yield f"- {outcome.state}: {word(outcome.detail)}"
    commits = {location.commit for location in finding.locations if location.commit}
    yield f"- {count(len(finding.locations), 'place')}, {count(len(commits), 'commit')}"
