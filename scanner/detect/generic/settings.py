"""What a user can say about secrets without a format."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Generic:
    """`placeholders` are words (case ignored) that no secret holds, `keys` more words that announce one, and `lower` globs of
    paths where confidence is one level lower, as it is for tests and documents."""

    enabled: bool = True
    placeholders: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    lower: tuple[str, ...] = ()


USUAL = Generic()
