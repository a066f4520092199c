"""`deadkey baseline`: write down what is known, so that only what is new is reported."""

from __future__ import annotations

import click

from scanner.cli.common import load_config
from scanner.model import DeadkeyError, Report


@click.group()
def command() -> None:
    """Write down known secrets, so that only new ones are reported."""


_arguments = (
    click.argument("repo", default=".", type=click.Path()),
    click.option("--output", "-o", "path", default=".deadkey-baseline", show_default=True, type=click.Path()),
    click.option("--files", is_flag=True, help="The work tree as it stands, instead of the history."),
)


@command.command()
@_arguments[0]
@_arguments[1]
@_arguments[2]
def create(repo: str, path: str, files: bool) -> None:
    """Write a new baseline of every secret in REPO's history."""
    from pathlib import Path

    from scanner.allow import baseline

    if Path(path).exists():
        raise DeadkeyError(f"{path}: is there already; `deadkey baseline update` adds to it")
    key = baseline.new_key()
    report = _scan(repo, files, key)
    baseline.write(path, key, report.findings, {})
    click.echo(f"{path}: {len(report.findings)} known secrets")


@command.command()
@_arguments[0]
@_arguments[1]
@_arguments[2]
def update(repo: str, path: str, files: bool) -> None:
    """Add what is new in REPO to a baseline."""
    from scanner.allow import baseline

    known = baseline.read(path)
    report = _scan(repo, files, known.key)
    fresh = [f for f in report.findings if f.fingerprint not in known.known]
    baseline.write(path, known.key, fresh, known.known)
    click.echo(f"{path}: {len(fresh)} more, {len(known.known) + len(fresh)} known secrets")


def _scan(repo: str, files: bool, key: bytes) -> Report:
    from scanner import pipeline
    from scanner.report.text import inert
    from scanner.sources.files import FilesSource
    from scanner.sources.git.packed import PackedSource
    from scanner.sources.git.run import open_repository
    from scanner.sources.interface import Source

    settings = load_config(None)
    options = pipeline.Options(generic=settings.generic)
    source: Source = FilesSource((repo,)) if files else PackedSource.open(open_repository(repo))
    report, _ = pipeline.scan(source, pipeline.load_rules(options), options, key, None, settings.allow)
    for skip in report.skipped:
        click.echo(inert(f"deadkey: not scanned: {skip.path}: {skip.reason}"), err=True)
    return report
