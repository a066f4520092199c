"""One token from standard input as a finding, for the verbs that act on a token rather than scan."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from scanner.model import DeadkeyError, Finding, Location, Secret
from scanner.ruleset.ruleset import Ruleset

LARGEST = 1 << 20
"""Bytes of a token."""


def given_companions(given: tuple[str, ...]) -> tuple[tuple[str, Secret], ...]:
    """`NAME=VALUE` words as companions. Raises UsageError."""
    out = []
    for word in given:
        name, equals, value = word.partition("=")
        if not equals:
            raise click.UsageError(f"--with {name}: write NAME=VALUE")
        out.append((name, Secret(value.encode(errors="surrogateescape"))))
    return tuple(out)


def single(
    rule_id: str, companions: tuple[tuple[str, Secret], ...], rules: tuple[str, ...], config: str | None = None
) -> tuple[Finding, Ruleset]:
    """The token on standard input, white space around it left out. Raises DeadkeyError."""
    from scanner.allow.baseline import own_key
    from scanner.config import load, state_folder
    from scanner.ruleset import cache

    ruleset = cache.get(tuple(Path(r) for r in rules))
    rule = ruleset.by_id.get(rule_id)
    if rule is None:
        from scanner.pipeline import no_rule

        raise DeadkeyError(no_rule(rule_id, ruleset.by_id))
    if sys.stdin.isatty():
        click.echo("Paste the token and end with Ctrl-D:", err=True)
    value = sys.stdin.buffer.read(LARGEST + 1).strip()
    if not value or len(value) > LARGEST:
        raise DeadkeyError("standard input holds no token" if not value else "standard input holds more than one token")
    secret = Secret(value)
    place = Location("stdin", "<stdin>", 1, 1, 1, 1)
    finding = Finding(
        rule.id,
        rule.provider,
        rule.name,
        rule.severity,
        rule.confidence,
        secret,
        secret.fingerprint(own_key(state_folder(), load(config).fingerprint_key)),
        (place,),
        (),
        companions,
        rotate=rule.rotate,
    )
    return finding, ruleset
