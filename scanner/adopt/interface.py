"""What a file of another scanner comes to: allowances, rules, and places whose secrets are known."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple


class Spot(NamedTuple):
    """A place whose secret is known: a file of the work tree, or of `commit`. `line` counts from 1; `sha1` is the value's,
    in hexadecimal; `label` is what an audit said, as in a baseline; `where` is the file and entry that says so."""

    where: str
    path: str
    line: int
    commit: str | None = None
    sha1: str | None = None
    label: str = ""


class Lines(NamedTuple):
    """Patterns of lines whose secrets are allowed, where the path matches one of `path_patterns`, if there are any."""

    where: str
    patterns: tuple[str, ...]
    path_patterns: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()


@dataclass(slots=True)
class Adopted:
    """`allowances` and `rules` are records as deadkey's own files hold them; `notes` are for the user, a line each."""

    allowances: list[dict[str, Any]] = field(default_factory=list)
    rules: list[dict[str, Any]] = field(default_factory=list)
    spots: list[Spot] = field(default_factory=list)
    lines: list[Lines] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, other: Adopted) -> None:
        for name in self.__slots__:
            getattr(self, name).extend(getattr(other, name))
