"""Keeps the secrets out of the words around them.

A token can stand in more than its own field: in the name of a file, in an issuer's answer, in the URL that an error
quotes, in what a hook printed. Every format passes its report through here first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import lru_cache
from typing import Any
from urllib.parse import quote

from scanner.model import Finding, Location, Report, Secret

SHORTEST = 12
"""In bytes. What is shorter is a password that may be a word (`postgres`), and a path may rightly hold that word."""

START = SHORTEST // 4
"""In characters, of four bytes at most: every value that is looked for has as many."""

CACHED = 4096
"""Texts whose scrubbed form is kept: paths and authors come again and again."""

Scrub = Callable[[str], str]


def scrubbed(report: Report) -> Report:
    """`report` with every string free of the values of all its secrets and companions; the secrets stay as they are."""
    scrub = scrubber(secret for finding in report.findings for secret in _secrets(finding))
    return Report(
        tuple(_finding(finding, scrub) for finding in report.findings),
        tuple(replace(skip, path=scrub(skip.path), reason=scrub(skip.reason)) for skip in report.skipped),
        _deep(report.statistics, scrub),
    )


def scrubbed_finding(finding: Finding) -> Finding:
    """The same for one finding by itself."""
    return _finding(finding, scrubber(_secrets(finding)))


def scrubber(secrets: Iterable[Secret]) -> Scrub:
    """A function that replaces each of `secrets`, plain or URL-escaped, by its redaction.

    Looks values up by their first characters, so that its time does not grow with the number of secrets.
    """
    by_start: dict[str, list[tuple[str, str]]] = {}
    for secret in dict.fromkeys(secrets):
        value = secret.reveal()
        if len(value) >= SHORTEST:
            forms = dict.fromkeys((value.decode("utf-8", "surrogateescape"), quote(value), quote(value, safe="")))
            for form in forms:
                by_start.setdefault(form[:START], []).append((form, secret.redacted))
    for forms_here in by_start.values():
        forms_here.sort(key=lambda pair: -len(pair[0]))

    @lru_cache(CACHED)
    def scrub(text: str) -> str:
        kept, start, at = [], 0, 0
        while at < len(text):
            for form, redacted in by_start.get(text[at : at + START], ()):
                if text.startswith(form, at):
                    kept += [text[start:at], redacted]
                    start = at = at + len(form)
                    break
            else:
                at += 1
        return "".join([*kept, text[start:]]) if kept else text

    return scrub if by_start else lambda text: text


def _secrets(finding: Finding) -> list[Secret]:
    return [finding.secret, *(secret for _, secret in finding.companions)]


def _finding(finding: Finding, scrub: Scrub) -> Finding:
    verdict, outcome = finding.verdict, finding.outcome
    if verdict is not None:
        verdict = replace(verdict, reason=scrub(verdict.reason), identity=_deep(verdict.identity, scrub))
    if outcome is not None:
        outcome = replace(outcome, hook=scrub(outcome.hook), detail=scrub(outcome.detail), effect=scrub(outcome.effect))
    locations = tuple(_location(location, scrub) for location in finding.locations)
    around = tuple(tuple((name, scrub(value)) for name, value in parts) for parts in finding.around)
    return replace(finding, locations=locations, verdict=verdict, outcome=outcome, around=around)


def _location(location: Location, scrub: Scrub) -> Location:
    path, author = location.path, location.author
    return replace(location, path=path and scrub(path), author=author and scrub(author))


def _deep(value: Any, scrub: Scrub) -> Any:
    if isinstance(value, str):
        return scrub(value)
    if isinstance(value, dict):
        return {_deep(k, scrub): _deep(v, scrub) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_deep(v, scrub) for v in value]
    return value
