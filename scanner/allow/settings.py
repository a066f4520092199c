"""What an allowance is: some secrets that somebody decided not to have reported, why, and until when."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True, slots=True)
class Allowance:
    """A sighting is allowed when every kind of condition given holds for it; of one kind, any of its entries will do.

    `paths` are in the syntax of a `.gitignore`, counted from the repository's top; `path_patterns` and `values` are
    patterns (`regex`) of which one is found in the path or the value; `rules` are globs of rule ids; `fingerprints` are
    as reports show them; `commits` are ids, or at least seven of their first digits. `until` is the last day on which it
    holds. `place` is its file and line; `own` means that it was written for what is scanned, so that matching nothing
    there is worth a warning.
    """

    reason: str
    place: str
    paths: tuple[str, ...] = ()
    path_patterns: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    values: tuple[str, ...] = ()
    fingerprints: tuple[str, ...] = ()
    commits: tuple[str, ...] = ()
    until: date | None = None
    own: bool = False


CONDITIONS = ("paths", "path_patterns", "rules", "values", "fingerprints", "commits")
