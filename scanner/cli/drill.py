"""`deadkey drill`: leak, find, ask, kill, and show the timeline."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from scanner.drill.drill import Drill


@click.command()
@click.option(
    "--format", "-f", "format", type=click.Choice(("table", "json")), default="table", help="How to write the timeline."
)
@click.option("--quiet", "-q", is_flag=True, help="No running commentary.")
def command(format: str, quiet: bool) -> None:
    """Leak throw-away tokens in a repository's history, a staged change, an env file and a log, find them, prove them
    live, revoke them, and prove them dead. Nothing leaves this machine. Exit status 0 when every one is dead, else 1."""
    from scanner.drill.drill import run

    drill = run(
        (lambda line: None) if quiet or format == "json" else (lambda line: click.echo(f"drill: {line}", err=True))
    )
    if format == "json":
        click.echo(json.dumps(drill.record(), indent=2))
    else:
        _timeline(drill)
    sys.exit(1 if drill.problems else 0)


def _timeline(drill: Drill) -> None:
    from rich import box
    from rich.table import Table

    from scanner.cli.terminal import console

    table = Table(box=box.SIMPLE_HEAD)
    for column in ("token", "leaked in", "found at", "whose, and what it may do"):
        table.add_column(column)
    for column in ("found", "live", "dead"):
        table.add_column(column, justify="right")
    for leak in drill.leaks:
        place = f"{leak.path}:{leak.line}" if leak.path else "-"
        whose = f"{leak.account} ({leak.scopes})" if leak.account else leak.outcome
        steps = (f"+{at:.2f} s" if at is not None else "-" for at in (leak.found, leak.live, leak.dead))
        table.add_row(leak.name, leak.place, place, whose, *steps)
    console(sys.stdout, 120).print(table, markup=False)
    for problem in drill.problems:
        click.echo(f"PROBLEM {problem}")
    dead = [leak.dead for leak in drill.leaks if leak.dead is not None]
    slowest = f"; from leak to dead in at most {max(dead):.2f} s" if dead else ""
    click.echo(
        f"{len(dead)} of {len(drill.leaks)} leaked tokens found, live and now dead{slowest}; {drill.seconds:.2f} s in all."
    )
