"""Compiled rules: what detection and the acting rooms work with. No YAML, no pydantic, no network here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from scanner.model import Confidence, Severity

RANKS = {"token": 0, "context": 1, "format": 2, "generic": 3}


@dataclass(frozen=True, slots=True)
class Companion:
    """What is wanted near a match: the rule to read it with, its name in templates, the distance in bytes."""

    rule: str
    name: str
    within: int
    required: bool


@dataclass(frozen=True, slots=True)
class Anchor:
    """One expression of the anchor database.

    `kind` says what a hit means: plain (the match lies around it), context (a match may follow it), or an encoding
    (base64, hex, utf16, url: the run of encoded text around it is decoded and scanned again). `phase` is, for base64,
    where the expression's first character stands in its group of four.
    """

    expression: str
    rules: tuple[int, ...]
    """Whose it is: rules may share one."""
    kind: str
    caseless: bool = False
    phase: int = 0
    length: int = 0
    """Length of the expression in bytes where it is a literal."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One credential type as detection needs it.

    A match starts at most `back` bytes before a hit's end, at one of `starts` before it where those are given, and ends
    at most `forward` bytes after it.
    """

    id: str
    provider: str
    name: str
    severity: Severity
    confidence: Confidence
    pattern: str
    rank: int
    back: int
    forward: int
    starts: tuple[int, ...] = ()
    multiline: bool = False
    lines: int = 0
    """Where a match holds no more newlines than this less one: what is read and judged ends with that line. 0: it need not."""
    slow: bool = False
    """The pattern could backtrack for long and runs with a time limit."""
    context: tuple[str, ...] = ()
    near: int = 0
    letters: str = ""
    """Which bytes may stand in the secret of a rule with context words, or of a component, and in any match of another
    rule: the hexadecimal digits of a number with bit c set for byte c."""
    shortest: int = 0
    """The fewest bytes of that."""
    barred: str = "0"
    """Which bytes cannot stand right before a match, in the same way."""
    checksum: str | None = None
    min_entropy: float | None = None
    known: tuple[str, ...] = ()
    companions: tuple[Companion, ...] = ()
    scored: bool = False
    """`confidence` is the highest that a match can reach: what it gets is a matter of its score."""
    opens: bool = False
    """Every match begins with the anchor, and so before a hit's end."""
    openings: tuple[str, ...] = ()
    """Then also with one of these literals (hexadecimal, case ignored), where any are given."""
    look: str = ""
    half: bool = False
    component: bool = False
    tells: bool = False
    """A component or a half that can be told without what wants it near by: from words before it, or from its own shape."""
    rotate: str | None = None
    before: str = ""
    """What is read up to a secret, once it is one: named groups, the pattern bound to the secret's beginning."""
    after: str = ""
    """What is read from its end on."""
    given: tuple[tuple[str, str], ...] = ()
    """What holds of every match, as if it had been read."""


@dataclass(frozen=True)
class Ruleset:
    """Compiled rules with their anchor database. `digest` names the rules and the compiler together."""

    rules: tuple[Rule, ...]
    anchors: tuple[tuple[tuple[int, ...], str, int, int], ...]
    """By expression number: (rule numbers, kind, phase, length), as in `Anchor`."""
    span: int
    """No expression matches more bytes than this."""
    database: bytes
    """The serialised Hyperscan database."""
    digest: str
    load_actions: Callable[[], dict[str, dict[str, Any]]] = field(compare=False, repr=False)

    @cached_property
    def loaded(self) -> Any:
        """The database ready to scan; not to be used by two threads at once. Raises hyperscan.HyperscanError."""
        import hyperscan

        database = hyperscan.loadb(self.database, hyperscan.HS_MODE_BLOCK)
        database.scratch = hyperscan.Scratch(database)
        return database

    @cached_property
    def by_id(self) -> dict[str, Rule]:
        return {rule.id: rule for rule in self.rules}

    @cached_property
    def _actions(self) -> dict[str, dict[str, Any]]:
        return self.load_actions()

    def actions(self, rule: str) -> dict[str, Any]:
        """How to verify and revoke: `verify`, `revoke`, `rotate`, `domains`, `with`, `docs`, as the schema shapes them."""
        return self._actions[rule]
