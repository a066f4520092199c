"""`deadkey scan`: one command a source."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path

import click

from scanner.cli.common import Common, common, run, say, state_folder, version
from scanner.model import DeadkeyError


@click.group()
def command() -> None:
    """Look for secrets."""


@command.command()
@click.argument("repo", default=".", type=click.Path())
@click.option(
    "--engine",
    type=click.Choice(("pack", "plain", "reference")),
    default="pack",
    show_default=True,
    help="pack reads the packs themselves; plain does so without the compiled kernel; reference asks git for every object.",
)
@click.option(
    "--range",
    "ranges",
    multiple=True,
    metavar="A..B",
    help="Only what the commits that B has and A has not brought in.",
)
@click.option(
    "--branch", "branches", multiple=True, metavar="NAME", help="Only what the commits of this branch brought in."
)
@click.option(
    "--since",
    metavar="DATE",
    help="Only what commits after this date brought in, as `git log --since` reads it; a day alone begins at midnight.",
)
@click.option(
    "--since-last", is_flag=True, help="Read with care only what is new since the last scan with this option."
)
@click.option("--state", type=click.Path(), metavar="FILE", help="Where --since-last remembers what it has seen.")
@common
def git(
    repo: str,
    engine: str,
    ranges: tuple[str, ...],
    branches: tuple[str, ...],
    since: str | None,
    since_last: bool,
    state: str | None,
    shared: Common,
) -> None:
    """The whole history of REPO: every blob, commit and tag message, reachable or not.

    --range and --branch may be repeated and add up; --since narrows them, or the whole history where neither is given. Of
    a part of the history only what stands in its commits is reported, and only if one of them brought it in.

    --since-last reports what the whole history holds, as a full scan does. It remembers which objects it has looked at,
    and in which there was something; no secret is in that file.
    """
    from scanner.sources.git.run import open_repository
    from scanner.sources.interface import Source

    partly = bool(ranges or branches or since is not None)
    if since_last and (partly or engine == "reference" or shared.explain):
        raise click.UsageError(
            "--since-last goes with none of --range, --branch, --since, --explain and --engine reference"
        )
    if state and not since_last:
        raise click.UsageError("--state says where --since-last remembers; give both")
    repository = open_repository(repo)
    source: Source
    if partly:
        from scanner.sources.git.selected import SelectedSource

        source = SelectedSource.open(repository, ranges, branches, since)
        if engine != "pack":
            source = replace(source, many=sys.maxsize)
    elif since_last:
        from scanner.sources.git.state import SinceSource

        file = Path(state).absolute() if state else None
        source = SinceSource(
            *(repository, state_folder() / "scans", file, version(), say(shared.quiet)), plain=engine == "plain"
        )
    elif engine == "reference":
        from scanner.sources.git.history import HistorySource

        source = HistorySource.open(repository)
    else:
        from scanner.sources.git.packed import PackedSource

        source = PackedSource.open(repository, plain=engine == "plain")
    run(source, shared, "scan git")


@command.command()
@click.argument("repo", default=".", type=click.Path())
@common
def staged(repo: str, shared: Common) -> None:
    """What is about to be committed in REPO (the pre-commit hook)."""
    from scanner.sources.git.changes import StagedSource
    from scanner.sources.git.run import INDEX, open_repository

    run(StagedSource(open_repository(repo, INDEX)), shared, "scan staged", hook="commit")


@command.command()
@click.argument("file", type=click.Path())
@common
def message(file: str, shared: Common) -> None:
    """The message in FILE of a commit that is about to be made (the commit-msg hook)."""
    from scanner.sources.message import MessageSource

    run(MessageSource(file), shared, "scan message", hook="message")


@command.command()
@click.argument("repo", default=".", type=click.Path())
@common
def receive(repo: str, shared: Common) -> None:
    """What is being pushed to REPO, as git tells a pre-receive hook on standard input (the server's hook).

    Read are the lines that the new commits add, their messages and annotated tags, from where git keeps them until the
    push is accepted.
    """
    from scanner.sources.git.push import open_receiving, received

    if sys.stdin is None or sys.stdin.isatty():
        raise DeadkeyError("standard input is a terminal; let git run this, as its pre-receive hook")
    source = received(open_receiving(repo), sys.stdin.read().splitlines())
    if source:
        run(source, shared, "scan receive", hook="push")


@command.command()
@click.argument("what", required=False)
@click.option("--repo", default=".", type=click.Path(), help="The repository of the range.")
@click.option("--push", is_flag=True, help="The range being pushed, as git or pre-commit tells a pre-push hook.")
@common
def diff(what: str | None, repo: str, push: bool, shared: Common) -> None:
    """Added lines of a range of commits (A..B), of a patch FILE, or of a patch on standard input (-)."""
    from scanner.sources.diff import PatchSource
    from scanner.sources.git.changes import RangeSource, pushed, range_of
    from scanner.sources.git.run import open_repository

    if push:
        known = "PRE_COMMIT_TO_REF" in os.environ
        lines = [] if known or sys.stdin is None or sys.stdin.isatty() else sys.stdin.read().splitlines()
        repository = open_repository(repo)
        revisions = pushed(repository, dict(os.environ), lines)
        if revisions:
            from scanner.sources.git.push import PushSource

            run(PushSource(repository, revisions), shared, "scan diff", hook="push")
        return
    if what is None:
        raise click.UsageError("say what to scan: a range A..B, a patch file, or - for standard input")
    revisions_named = None if what == "-" or Path(what).exists() else range_of(what)
    if revisions_named:
        run(RangeSource(open_repository(repo), revisions_named), shared, "scan diff")
    run(PatchSource(what), shared, "scan diff")


@command.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path())
@common
def files(paths: tuple[str, ...], shared: Common) -> None:
    """Files and folders as they stand, archives opened."""
    from scanner.sources.files import FilesSource

    run(FilesSource(paths), shared, "scan files")


@command.command()
@click.argument("paths", nargs=-1, type=click.Path())
@click.option("--process", type=click.IntRange(1), metavar="PID", help="The environment of a running process.")
@common
def env(paths: tuple[str, ...], process: int | None, shared: Common) -> None:
    """Env files, compose files, Kubernetes secrets, unit files and shell profiles below PATHS (default: here)."""
    from scanner.sources.env import EnvSource, ProcessSource

    if process is not None and paths:
        raise click.UsageError("give either paths or --process")
    run(ProcessSource(process) if process is not None else EnvSource(paths), shared, "scan env")


@command.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path())
@click.option("--follow", is_flag=True, help="Go on reading what is appended, through rotation, until interrupted.")
@common
def logs(paths: tuple[str, ...], follow: bool, shared: Common) -> None:
    """Logs, plain or compressed, with their rotated sets."""
    if follow:
        from scanner.cli.follow import follow_logs

        follow_logs(paths, shared)
    from scanner.sources.logs import LogsSource

    run(LogsSource(paths), shared, "scan logs")


@command.command()
@common
def stdin(shared: Common) -> None:
    """Standard input."""
    from scanner.sources.stdin import StdinSource

    if sys.stdin is not None and sys.stdin.isatty():
        raise DeadkeyError(
            "standard input is a terminal; pipe something in, as in `kubectl get secret -o yaml | deadkey scan stdin`"
        )
    run(StdinSource(), shared, "scan stdin")
