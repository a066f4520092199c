"""Two reports side by side: which secrets are new, which are gone, which are still there.

A secret is the same where its fingerprint is the same, wherever it has moved to. That holds only for reports whose
fingerprints were made with one key; where the same characters of the same object have another fingerprint, it was not.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import NamedTuple, TextIO

from scanner.model import DeadkeyError, Finding, Report, Skip
from scanner.report import load
from scanner.report.facts import label, rank, state
from scanner.report.interface import Options
from scanner.report.record import VERSION, finding_record, skip_record
from scanner.report.scrub import scrubbed
from scanner.report.text import count, inert, place, put

FORMATS = ("table", "json", "html", "markdown", "csv")
"""Those that can show a comparison."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Findings by fingerprint, each once. `still` pairs what it was with what it is."""

    new: tuple[Finding, ...]
    gone: tuple[Finding, ...]
    still: tuple[tuple[Finding, Finding], ...]
    incomplete: bool
    """One of the two scans missed something: what is gone may still be there, what is new may be old."""
    doubtful: bool
    """No secret is in both, though some stand in the very same place: their keys may differ, or all were replaced."""

    @property
    def exit_status(self) -> int:
        """3 a scan was incomplete, 1 something is new, 0 nothing is."""
        return 3 if self.incomplete else 1 if self.new else 0


def compare(old: Report, new: Report) -> Comparison:
    """What changed from `old` to `new`. Raises DeadkeyError where their fingerprints were made with different keys."""
    before = {finding.fingerprint: finding for finding in old.findings}
    now = {finding.fingerprint: finding for finding in new.findings}
    places_before, places_now = _spans(old), _spans(new)
    moved = not before.keys() & now.keys()
    # the same characters of the same object are the same secret; in a file that has no id they may have changed
    if moved and any(span.blob for span in places_before & places_now):
        raise DeadkeyError(
            "the two reports were made with different fingerprint keys, so nothing can be compared; "
            "make both with the same --baseline or DEADKEY_FINGERPRINT_KEY"
        )
    return Comparison(
        tuple(finding for key, finding in now.items() if key not in before),
        tuple(finding for key, finding in before.items() if key not in now),
        tuple((before[key], finding) for key, finding in now.items() if key in before),
        bool(old.skipped or new.skipped),
        moved and bool(places_before & places_now),
    )


class Span(NamedTuple):
    """Characters of a file or an object in which a rule saw a secret."""

    rule: str
    encoding: tuple[str, ...]
    blob: str | None
    path: str | None
    start: tuple[int, int]
    end: tuple[int, int]


def _spans(report: Report) -> set[Span]:
    return {
        Span(
            finding.rule,
            finding.encoding,
            at.blob,
            at.path,
            (at.start_line, at.start_column),
            (at.end_line, at.end_column),
        )
        for finding in report.findings
        for at in finding.locations
    }


def render(comparison: Comparison, old: Report, new: Report, format: str, options: Options, out: TextIO) -> None:
    """Write it in one of FORMATS. The page, Markdown and CSV are the ordinary ones with a column more."""
    if format == "table":
        _table(comparison, old, new, out)
    elif format == "json":
        _json(comparison, new, options, out)
    else:
        changes = {finding.fingerprint: "new" for finding in comparison.new}
        changes |= {finding.fingerprint: "still there" for _, finding in comparison.still}
        changes |= {finding.fingerprint: "gone" for finding in comparison.gone}
        both = replace(new, findings=new.findings + comparison.gone, skipped=_skipped(old, new))
        load(format).render(both, replace(options, changes=changes), out)


def _skipped(old: Report, new: Report) -> tuple[Skip, ...]:
    return new.skipped + tuple(replace(skip, reason=f"in the earlier scan: {skip.reason}") for skip in old.skipped)


def _table(comparison: Comparison, old: Report, new: Report, out: TextIO) -> None:
    everything = scrubbed(Report((*old.findings, *new.findings), _skipped(old, new)))
    clean = {finding.fingerprint: finding for finding in everything.findings}
    was = {finding.fingerprint: state(finding) for finding, _ in comparison.still}
    groups = (
        ("New", comparison.new),
        ("Gone", comparison.gone),
        ("Still there", tuple(finding for _, finding in comparison.still)),
    )
    for title, findings in groups:
        if findings:
            put(out, f"{title} ({len(findings)})\n")
        for finding in sorted((clean[finding.fingerprint] for finding in findings), key=rank):
            put(out, f"  {_line(finding, was.get(finding.fingerprint, ''))}\n")
    for skip in everything.skipped:
        put(out, f"Not scanned, or not in full: {inert(skip.path)}: {inert(skip.reason)}\n")
    numbers = (len(comparison.new), "new"), (len(comparison.gone), "gone"), (len(comparison.still), "still there")
    put(out, ", ".join(f"{number} {word}" for number, word in numbers) + ".")
    put(out, " One of the two scans was incomplete.\n" if comparison.incomplete else "\n")


def _line(finding: Finding, was: str) -> str:
    """`critical  GitHub token ghp_…1stg  app.py:3 and 2 more  dead (was live)`."""
    where = f"{place(finding.locations[0])}:{finding.locations[0].start_line}" if finding.locations else "-"
    more = f" and {count(len(finding.locations) - 1, 'more place')}" if len(finding.locations) > 1 else ""
    now = state(finding)
    change = f"{now} (was {was})" if was and was != now else now
    return f"{finding.severity:8}  {inert(finding.name)} {inert(label(finding))}  {where}{more}  {change}"


def _json(comparison: Comparison, new: Report, options: Options, out: TextIO) -> None:
    """`{"version", "tool", "new": [finding], "gone": [finding], "still": [{"was", "now"}], "skipped": […]}`.

    `still` tells only the states; the later report has the findings themselves, and `fingerprint` finds them there.
    """
    everything = scrubbed(Report((*comparison.new, *comparison.gone), new.skipped))
    records = [finding_record(finding) for finding in everything.findings]
    document = {
        "version": VERSION,
        "tool": {"name": options.tool, "version": options.version},
        "incomplete": comparison.incomplete,
        "new": records[: len(comparison.new)],
        "gone": records[len(comparison.new) :],
        "still": [
            {"fingerprint": now.fingerprint, "rule": now.rule, "was": state(was), "now": state(now)}
            for was, now in comparison.still
        ],
        "skipped": [skip_record(skip) for skip in everything.skipped],
    }
    json.dump(document, out, ensure_ascii=True, allow_nan=False, indent=1)
    out.write("\n")
