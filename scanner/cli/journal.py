"""`deadkey journal`: what was revoked, and whether the record of it is whole."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from scanner.cli.common import load_config

_path = click.option("--journal", "journal", type=click.Path(), help="Another journal than the configured one.")
_config = click.option(
    "--config", type=click.Path(), help="Your configuration, instead of the one in your config folder."
)


@click.group()
def command() -> None:
    """Show or verify the journal of revocations."""


@command.command()
@_path
@_config
@click.option("--format", "-f", "format", type=click.Choice(("table", "json")), default="table")
def show(journal: str | None, config: str | None, format: str) -> None:
    """Every entry, oldest first."""
    from scanner.report.text import inert
    from scanner.revoke.journal import read

    for entry in read(_where(journal, config)):
        if format == "json":
            click.echo(json.dumps(entry))
        else:
            words = [str(entry.get(k) or "") for k in ("time", "kind", "rule", "hook", "state", "detail")]
            click.echo(inert("  ".join(w for w in words if w)))


@command.command()
@_path
@_config
def verify(journal: str | None, config: str | None) -> None:
    """Check that no entry was changed, removed or put elsewhere. Exit status 0 whole, 1 not."""
    from scanner.revoke.journal import read
    from scanner.revoke.journal import verify as problems_of

    path = _where(journal, config)
    problems = problems_of(path)
    for problem in problems:
        click.echo(f"{path}:{problem.line}: {problem.what}", err=True)
    if not problems:
        click.echo(f"{path}: {len(read(path))} entries, whole")
    sys.exit(1 if problems else 0)


def _where(journal: str | None, config: str | None) -> Path:
    return Path(journal) if journal else load_config(config).revoke.journal
