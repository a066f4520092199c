"""Looking back at a journal: from a date on, what was done lately, and as a table for those who keep records in one."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any, TextIO

from scanner.model import DeadkeyError
from scanner.revoke.journal import moment

COLUMNS = (
    "seq",
    "time",
    "kind",
    "state",
    "actor",
    "host",
    "tool",
    "provider",
    "rule",
    "rule_digest",
    "fingerprint",
    "identity",
    "places",
    "hook",
    "allowed",
    "detail",
    "intent",
    "prev",
    "hash",
)
"""Of the table, in their order. What an older entry does not have stays empty."""


def moment_of(text: str) -> float:
    """An ISO 8601 date or time, in UTC unless it says otherwise, in seconds since 1970. DeadkeyError."""
    try:
        given = datetime.fromisoformat(text)
    except ValueError:
        raise DeadkeyError(
            f"{text}: write a date like {date(2024, 5, 6)} or a time like 2024-05-06T07:08:09Z"
        ) from None
    return (given if given.tzinfo else given.replace(tzinfo=UTC)).timestamp()


def since(entries: Sequence[Mapping[str, Any]], start: float) -> list[Mapping[str, Any]]:
    """From the first entry at `start` or later on. All that follow belong to it, also where the clock had gone back."""
    for number, entry in enumerate(entries):
        if moment(entry) >= start:
            return list(entries[number:])
    return []


def revoked_since(entries: Iterable[Mapping[str, Any]], start: float) -> int:
    """Distinct secrets for which a hook was to be called at `start` or later; times that are still to come count, too."""
    return len({entry.get("fingerprint") for entry in entries if entry["kind"] == "intent" and moment(entry) >= start})


def write_csv(entries: Iterable[Mapping[str, Any]], out: TextIO) -> None:
    """RFC 4180, with a line of names.

    What a spreadsheet would take for a formula stands behind an apostrophe: paths and answers come from elsewhere
    (OWASP, "CSV Injection").
    """
    table = csv.writer(out)
    table.writerow(COLUMNS)
    for entry in entries:
        table.writerow([_cell(entry.get(name)) for name in COLUMNS])


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, Mapping):
        text = "; ".join(f"{name}={inner}" for name, inner in value.items())
    else:
        text = "; ".join(map(str, value)) if isinstance(value, list) else str(value)
    text = "".join(c if c.isprintable() else "?" for c in text)
    return f"'{text}" if text[:1] in tuple("=+-@|%") else text
