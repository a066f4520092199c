"""The records that travel between the rooms: plain frozen data, no input or output.

Offsets are bytes counted from 0, spans are half open; lines and columns are what an editor shows, counted from 1.
Paths are `str` as `os.fsdecode` gives them, so bytes that are no UTF-8 survive as surrogate escapes.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any, Literal

Severity = Literal["low", "medium", "high", "critical"]
Confidence = Literal["low", "medium", "high"]
LEVELS = {"low": 0, "medium": 1, "high": 2, "critical": 3}

Span = tuple[int, int]

Around = tuple[tuple[str, str], ...]
"""What a rule reads beside a secret, by name: the user, host, port and database of a URL. It never holds the secret."""


class DeadkeyError(Exception):
    """Bad input, usage or configuration: one line for the user, exit status 2."""


class Incomplete(DeadkeyError):
    """Something that was to be scanned could not be: exit status 3."""


class Secret:
    """A secret's value, which prints as a redaction wherever it is not asked for by `reveal`."""

    __slots__ = ("_value",)

    def __init__(self, value: bytes) -> None:
        self._value = value

    def reveal(self) -> bytes:
        """The value itself. A test lists the callers."""
        return self._value

    @property
    def redacted(self) -> str:
        """At most four characters of each end, and never more than a third of the whole (`ghp_…1stg`)."""
        shown = min(4, len(self._value) // 6)
        head, tail = self._value[:shown], self._value[len(self._value) - shown :]
        return f"{printable(head)}…{printable(tail)}"

    def fingerprint(self, key: bytes) -> str:
        """Keyed BLAKE2b of the value, 32 hexadecimal digits; without `key` (up to 64 bytes) no guess can be tested."""
        return hashlib.blake2b(self._value, key=key, digest_size=16).hexdigest()

    def __repr__(self) -> str:
        return self.redacted

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return format(self.redacted, spec)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._value == other._value

    def __hash__(self) -> int:
        return hash(self._value)


def printable(data: bytes) -> str:
    """`data` as text that no terminal acts upon: control and undecodable bytes become `?`."""
    return "".join(c if c.isprintable() else "?" for c in data.decode("utf-8", "replace").replace("\ufffd", "?"))


@dataclass(frozen=True, slots=True)
class Origin:
    """Where bytes came from: the source's kind, the path there, and for history the object."""

    source: str
    path: str | None = None
    blob: str | None = None
    commit: str | None = None


@dataclass(frozen=True, slots=True)
class Chunk:
    """Bytes to look at.

    `fresh` names the ranges in which an anchor must end to be looked at (None: anywhere); a match is then read from the
    whole of `data`. `touch` names ranges of which a secret must touch one to be reported (None: anywhere), as for the
    added lines of a diff. `first_line` and `first_column` are those of the first byte. `behind` and `above` are, for a value taken
    out of its file, the rest of its line and the line before: inline marks stand there.
    """

    data: bytes = field(repr=False)
    origin: Origin
    fresh: tuple[Span, ...] | None = None
    touch: tuple[Span, ...] | None = None
    first_line: int = 1
    first_column: int = 1
    behind: bytes = field(default=b"", repr=False)
    above: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Match:
    """One secret read from a chunk: its span there, its decoded value and what stands near that belongs to it."""

    rule: str
    span: Span
    secret: Secret
    encoding: tuple[str, ...] = ()
    companions: tuple[tuple[str, Secret], ...] = ()
    rivals: tuple[str, ...] = ()
    """Companions of which more than one stands near: the nearest may belong to another secret."""
    lacking: tuple[str, ...] = ()
    """Companions it needs to be a secret at all, and that do not stand near it. Another file may hold them."""
    score: float = 1.0
    """How sure it is that this is a secret, from 0 to 1; 1 where the format says so."""
    around: Around = ()


@dataclass(frozen=True, slots=True)
class Location:
    """A place where a secret stands: from its first character up to, not including, the one at `end_column`.

    `commit`, `author` and `date` (ISO 8601) are those that brought it in; `at_head` says whether it still stands at a
    branch tip, and is None where that means nothing.
    """

    source: str
    path: str | None
    start_line: int
    end_line: int
    start_column: int
    end_column: int
    blob: str | None = None
    commit: str | None = None
    author: str | None = None
    date: str | None = None
    at_head: bool | None = None


@dataclass(frozen=True, slots=True)
class Sighting:
    """A match with its place, and the inline mark that allows it there, if one does."""

    match: Match
    location: Location
    allowed: str | None = None
    confidence: Confidence | None = None
    """Where it is a matter of the place; None: the rule's own."""


@dataclass(frozen=True, slots=True)
class Skip:
    """Something that was not scanned, or not in full, and why."""

    path: str
    reason: str
    count: int = 1


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the issuer said. `checked` is ISO 8601; `identity` holds account, scopes, expiry and the like."""

    state: Literal["live", "dead", "unknown", "uncheckable"]
    reason: str = ""
    identity: dict[str, Any] = field(default_factory=dict)
    checked: str | None = None
    severity: Severity | None = None
    """What it may do, where the issuer told; it then takes the place of the rule's guess."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was done about a live secret.

    planned: what would be done; revoked: done, and the issuer then called it dead; already-dead: nothing was left to do;
    pending: a hook asked to be called later, or the issuer still calls it live; failed; refused: by the policy or the
    person asked.
    """

    state: Literal["planned", "revoked", "already-dead", "pending", "failed", "refused"]
    hook: str = ""
    detail: str = ""
    effect: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """One distinct secret with every place where it stands."""

    rule: str
    provider: str
    name: str
    severity: Severity
    confidence: Confidence
    secret: Secret
    fingerprint: str
    locations: tuple[Location, ...]
    encoding: tuple[str, ...] = ()
    companions: tuple[tuple[str, Secret], ...] = ()
    rivals: tuple[str, ...] = ()
    """As in `Match`."""
    rotate: str | None = None
    around: tuple[Around, ...] = ()
    """What is read beside it, each different one once: a password may open more than one server."""
    verdict: Verdict | None = None
    outcome: Outcome | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """Everything a run found out. `statistics` holds bytes, chunks and seconds."""

    findings: tuple[Finding, ...]
    skipped: tuple[Skip, ...] = ()
    statistics: dict[str, Any] = field(default_factory=dict)

    @property
    def exit_status(self) -> int:
        """3 the scan is incomplete, 1 findings, 0 nothing found."""
        return 3 if self.skipped else 1 if self.findings else 0
