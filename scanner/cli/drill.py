"""`deadkey drill`: leak, find, ask, kill, and show the timeline."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from scanner.drill.drill import Drill


@click.command()
@click.option(
    "--format", "-f", "format", type=click.Choice(("table", "json")), default="table", help="How to write the timeline."
)
@click.option("--quiet", "-q", is_flag=True, help="No running commentary.")
@click.option("--against", metavar="URL", help="A database server and its owner, without a password, to drill against.")
@click.option("--history", is_flag=True, help="How long earlier drills against servers took.")
@click.option("--svg", type=click.Path(), metavar="FILE", help="Write the history as a drawing.")
@click.option("--config", type=click.Path(), help="Your configuration, instead of the one in your config folder.")
def command(format: str, quiet: bool, against: str | None, history: bool, svg: str | None, config: str | None) -> None:
    """Leak throw-away tokens in a repository's history, a staged change, an env file and a log, find them, prove them
    live, revoke them, and prove them dead. Nothing leaves this machine. Exit status 0 when every one is dead, else 1."""
    if history or svg:
        if against:
            raise click.UsageError("--history and --svg show earlier drills: give them without --against")
        _history(history, svg)
        return
    say = (lambda line: None) if quiet or format == "json" else (lambda line: click.echo(f"drill: {line}", err=True))
    drill = _against(against, config, say) if against else _own(say)
    if format == "json":
        click.echo(json.dumps(drill.record(), indent=2))
    else:
        _timeline(drill)
    sys.exit(1 if drill.problems else 0)


def _own(say: Callable[[str], None]) -> Drill:
    from scanner.drill.drill import run

    return run(say)


def _against(url: str, config: str | None, say: Callable[[str], None]) -> Drill:
    from datetime import UTC, datetime

    from scanner.cli.common import load_config
    from scanner.config import state_folder
    from scanner.drill import against, history
    from scanner.verify.databases.target import target_of

    at = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    drill = against.run(url, load_config(config), say)
    owner = target_of(url)
    history.keep(state_folder(), at, f"{owner.kind} {owner.place}", drill)
    return drill


def _history(shown: bool, svg: str | None) -> None:
    from scanner.cli.common import opened
    from scanner.config import state_folder
    from scanner.drill import history
    from scanner.report.text import inert

    runs = history.read(state_folder())
    if svg:
        with opened(svg) as out:
            out.write(history.svg(runs))
    if shown:
        lines = history.plot(runs).split("\n") if runs else ["No drill against a server has been kept yet."]
        for line in lines:
            click.echo(inert(line))


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
