"""`deadkey baseline`: write down what is known, so that only what is new is reported."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from scanner.cli.common import allowing, load_config, warn
from scanner.model import Report

if TYPE_CHECKING:
    from scanner.config import Config
    from scanner.ruleset.ruleset import Ruleset


@click.group()
def command() -> None:
    """Write down known secrets, so that only new ones are reported."""


def _arguments(function: Callable[..., Any]) -> Callable[..., Any]:
    """What every verb is given: what to scan, where the baseline lies, and how to scan."""
    for option in reversed(
        (
            click.argument("repo", default=".", type=click.Path()),
            click.option("--output", "-o", "path", default=".deadkey-baseline", show_default=True, type=click.Path()),
            click.option("--files", is_flag=True, help="The work tree as it stands, instead of the history."),
            click.option(
                "--config", type=click.Path(), help="Your configuration, instead of that in your config folder."
            ),
            click.option(
                "--rules", multiple=True, type=click.Path(), help="A folder of rules beside the shipped ones."
            ),
        )
    ):
        function = option(function)
    return function


@command.command()
@_arguments
def create(repo: str, path: str, files: bool, config: str | None, rules: tuple[str, ...]) -> None:
    """Write a new baseline of every secret in REPO's history."""
    import os

    from scanner.allow import baseline
    from scanner.model import DeadkeyError

    if os.path.lexists(path):
        raise DeadkeyError(f"{path}: is there already; `deadkey baseline update` adds to it")
    key = baseline.new_key()
    report, _ = scanned(repo, files, key, load_config(config), rules)
    baseline.create(path, key, {f.fingerprint: baseline.Known(f.rule) for f in report.findings})
    click.echo(f"{path}: {len(report.findings)} known secrets")


@command.command()
@_arguments
def update(repo: str, path: str, files: bool, config: str | None, rules: tuple[str, ...]) -> None:
    """Add what is new in REPO to a baseline."""
    from scanner.allow import baseline

    before = baseline.read(path)
    report, _ = scanned(repo, files, before.key, load_config(config), rules)
    fresh = {f.fingerprint: baseline.Known(f.rule) for f in report.findings if f.fingerprint not in before.known}
    baseline.write(path, fresh)
    click.echo(f"{path}: {len(fresh)} more, {len(before.known) + len(fresh)} known secrets")


@command.command()
@_arguments
@click.option("--verify", is_flag=True, help="Ask the issuer of each secret before its question.")
def audit(repo: str, path: str, files: bool, config: str | None, rules: tuple[str, ...], verify: bool) -> None:
    """Go through the known secrets of REPO that nobody has looked at yet, one by one, and write down what each is.

    Keys: t a true secret, f none at all (false), e made for a test, s skip, v ask its issuer, r revoke it, q stop. Each
    answer is kept at once. Keys may come from a pipe; only a person at a terminal can confirm that a secret is revoked.
    """
    from scanner.allow import baseline
    from scanner.cli import walk

    before = baseline.read(path)
    settings = load_config(config)
    report, ruleset = scanned(repo, files, before.key, settings, rules)
    walk.walk(report.findings, before, path, walk.Bench(repo, files, ruleset, settings, verify))


def scanned(
    repo: str, files: bool, key: bytes, settings: Config, rules: tuple[str, ...] = ()
) -> tuple[Report, Ruleset]:
    """The report on REPO's history or work tree. What was not scanned is told on standard error."""
    from scanner import pipeline
    from scanner.report.text import inert
    from scanner.sources.files import FilesSource
    from scanner.sources.git.packed import PackedSource
    from scanner.sources.git.run import open_repository
    from scanner.sources.interface import Source

    options = pipeline.Options(rules=rules, generic=settings.generic)
    source: Source = FilesSource((repo,)) if files else PackedSource.open(open_repository(repo))
    ruleset = pipeline.load_rules(options)
    used = allowing(source, settings, key)
    report, _ = pipeline.scan(source, ruleset, options, key, None, settings.allow, used)
    warn(used, source)
    for skip in report.skipped:
        click.echo(inert(f"deadkey: not scanned: {skip.path}: {skip.reason}"), err=True)
    return report, ruleset
