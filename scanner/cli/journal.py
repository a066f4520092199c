"""`deadkey journal`: what was revoked, and whether the record of it is whole."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from scanner.cli.common import load_config, opened

_path = click.option("--journal", "journal", type=click.Path(), help="Another journal than the configured one.")
_since = click.option("--since", metavar="DATE", help="From this date or time on (ISO 8601, UTC).")
_config = click.option(
    "--config", type=click.Path(), help="Your configuration, instead of the one in your config folder."
)


@click.group()
def command() -> None:
    """Show or verify the journal of revocations."""


@command.command()
@_path
@_config
@_since
@click.option("--format", "-f", "format", type=click.Choice(("table", "json")), default="table")
def show(journal: str | None, config: str | None, since: str | None, format: str) -> None:
    """Every entry, oldest first."""
    from scanner.report.text import inert

    for entry in _entries(journal, config, since):
        if format == "json":
            click.echo(json.dumps(entry))
        else:
            words = [str(entry.get(k) or "") for k in ("time", "kind", "rule", "hook", "state", "detail")]
            if allowed := entry.get("allowed"):
                words.append(f"({allowed})")
            click.echo(inert("  ".join(w for w in words if w)))


@command.command()
@_path
@_config
@_since
@click.option("--format", "-f", "format", type=click.Choice(("csv", "jsonl")), default="csv")
@click.option("--output", "-o", type=click.Path(), help="Write to this file instead of standard output.")
def export(journal: str | None, config: str | None, since: str | None, format: str, output: str | None) -> None:
    """Every entry with all it holds, for those who keep records elsewhere."""
    from scanner.revoke.review import write_csv

    entries = _entries(journal, config, since)
    with opened(output) as out:
        if format == "csv":
            write_csv(entries, out)
        else:
            out.writelines(json.dumps(entry) + "\n" for entry in entries)


def _entries(journal: str | None, config: str | None, since: str | None) -> Sequence[Mapping[str, Any]]:
    from scanner.revoke import review
    from scanner.revoke.journal import read

    start = None if since is None else review.moment_of(since)
    entries = read(_where(journal, config))
    return entries if start is None else review.since(entries, start)


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
