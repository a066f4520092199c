"""`deadkey verify`: ask about one token."""

from __future__ import annotations

import sys

import click

from scanner.cli.common import FORMATS, load_config, opened, version
from scanner.cli.complete import rule_names
from scanner.cli.single import given_companions, single
from scanner.model import Report


@click.command()
@click.option(
    "--rule",
    required=True,
    metavar="ID",
    shell_complete=rule_names,
    help="What kind of token it is (`deadkey rules list`).",
)
@click.option(
    "--with", "companions", multiple=True, metavar="NAME=VALUE", help="What belongs to it, such as access_key_id=AKIA…."
)
@click.option("--rules", multiple=True, type=click.Path(), help="A folder of rules beside the shipped ones.")
@click.option("--config", type=click.Path(), help="Your configuration, instead of the one in your config folder.")
@click.option("--format", "-f", "format", type=click.Choice(FORMATS), default="table")
@click.option("--output", "-o", type=click.Path())
def command(
    rule: str, companions: tuple[str, ...], rules: tuple[str, ...], config: str | None, format: str, output: str | None
) -> None:
    """Ask the issuer whether one token, read from standard input, is live, whose it is and what it may do.

    Exit status: 0 dead, 1 live, 3 the issuer could not say.
    """
    from scanner import pipeline, report

    finding, ruleset = single(rule, given_companions(companions), rules, config)
    (asked,) = pipeline.act([finding], ruleset, load_config(config), False, lambda _f, _e: False, lambda _line: None)
    with opened(output) as out:
        report.load(format).render(Report((asked,)), report.Options(version=version(), verb="verify"), out)
    state = asked.verdict.state if asked.verdict else "unknown"
    sys.exit({"live": 1, "dead": 0}.get(state, 3))
