"""`deadkey ci`: what a build is about, scanned and reported the way its build system shows it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from scanner.cli.builds import NAMES, REMEDY, Build, System, detect
from scanner.cli.common import Common, common, say, scanned, state_folder, version, write
from scanner.model import DeadkeyError, Report, Skip

if TYPE_CHECKING:
    from scanner.sources.git.run import Repository
    from scanner.sources.interface import Source

FILES: dict[System, dict[str, str]] = {
    "github": {"sarif": "deadkey.sarif"},
    "gitlab": {"gitlab": "gl-secret-detection-report.json", "junit": "deadkey-junit.xml"},
    "azure": {"sarif": "deadkey.sarif", "junit": "deadkey-junit.xml"},
    "jenkins": {"junit": "deadkey-junit.xml", "sarif": "deadkey.sarif"},
}
"""By build system: the formats it can show, and the names of the files."""


@click.command()
@click.argument("repo", default=".", type=click.Path())
@click.option("--artifacts", type=click.Path(), default=".", show_default=True, help="The folder for the report files.")
@click.option("--fetch", is_flag=True, help="Fetch what a shallow checkout lacks. Without it nothing is ever fetched.")
@common
def command(repo: str, artifacts: str, fetch: bool, shared: Common) -> None:
    """Scan what this build is about: the commits of its pull request, merge request or push, or else the whole history.

    GitHub Actions, GitLab CI, Azure Pipelines and Jenkins are told by their variables. Each gets the files and the lines in
    the log that it shows; --format and --output write one more report.
    """
    from scanner.sources.git.run import open_repository

    build = detect(os.environ)
    tell = say(shared.quiet)
    tell(f"{NAMES[build.system]}: {build.what}")
    repository = open_repository(repo)
    if fetch:
        _fetch(repository, build, tell)
    source, gaps = chosen(repository, build, tell)
    report = scanned(source, shared)
    gaps = [f"{gap}; {REMEDY[build.system]}, or use --fetch" for gap in gaps]
    report = replace(report, skipped=(*report.skipped, *(Skip("history", gap) for gap in gaps)))
    _write(report, build, Path(artifacts), shared)
    sys.exit(report.exit_status)


def chosen(repository: Repository, build: Build, tell: Callable[[str], None]) -> tuple[Source, list[str]]:
    """What to read, and what of it is not there."""
    from scanner.sources.git.checkout import between, commit, cut_off

    if build.whole:
        from scanner.sources.git.state import SinceSource

        cut = ["shallow checkout: only a part of the history is here"] if cut_off(repository) else []
        return SinceSource(repository, state_folder() / "scans", None, version(), tell), cut
    head = commit(repository, build.heads)
    gaps = []
    if head is None:
        gaps.append(f"{_short(build.heads)} is not here, so what is checked out was scanned instead")
        head = commit(repository, ("HEAD",))
        if head is None:
            raise DeadkeyError(f"{repository.path}: nothing is checked out")
    base = commit(repository, build.bases)
    if base is None and build.merge and commit(repository, (f"{build.merge}^2",)):
        head = commit(repository, (build.merge,)) or head
        base = commit(repository, (f"{build.merge}^1",))
    source = between(repository, base, head)
    if source.gap:
        gaps.append(source.gap)
    elif base is None and build.bases:
        tell(f"{_short(build.bases)} is not here, so all that {head[:12]} has is scanned")
    return source, gaps


def _short(names: tuple[str, ...]) -> str:
    return " or ".join(name[:12] if len(name) in (40, 64) else name for name in names) or "the commit"


def _fetch(repository: Repository, build: Build, tell: Callable[[str], None]) -> None:
    """What the checkout lacks: the commits behind a shallow one, then those that the build names.

    Raises DeadkeyError where the first cannot be had. That a commit is gone, as after a forced push, is told and no error:
    what is missing for it is reported.
    """
    from scanner.sources.git.checkout import commit, cut_off
    from scanner.sources.git.run import fetch

    if cut_off(repository):
        fetch(repository, "--unshallow", "origin")
    for names in (build.heads, build.bases):
        if not names or names[0] == "HEAD" or commit(repository, names[:1]):
            continue
        branch = names[0].removeprefix("refs/remotes/origin/")
        try:
            fetch(repository, "origin", names[0] if branch == names[0] else f"+refs/heads/{branch}:{names[0]}")
        except DeadkeyError as e:
            tell(str(e))


def _write(report: Report, build: Build, folder: Path, shared: Common) -> None:
    """The files, the log, and for GitHub the step's summary and outputs. No file of a build ever holds a secret."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as e:
        raise DeadkeyError(f"{folder}: cannot be made: {e.strerror}") from e
    for format, name in FILES[build.system].items():
        write(report, format, str(folder / name), "ci", False)
    if shared.output or shared.format != "table":
        write(report, shared.format, shared.output, "ci", shared.show_secrets)
    if build.system in ("github", "azure"):
        write(report, build.system, None, "ci", False)  # and for GitHub the summary
    elif report.findings or report.skipped:
        write(report, "table", None, "ci", False, hook="push")
    else:
        click.echo("deadkey: no secrets found")
    if build.system == "github":
        _set_outputs(report, folder / FILES["github"]["sarif"])


def _set_outputs(report: Report, sarif: Path) -> None:
    """Outputs of the step, for those that come after it."""
    path = os.environ.get("GITHUB_OUTPUT")
    if not path:
        return
    live = sum(finding.verdict is not None and finding.verdict.state == "live" for finding in report.findings)
    outputs = {
        "status": report.exit_status,
        "findings": len(report.findings),
        "live": live,
        "complete": str(not report.skipped).lower(),
        "sarif": os.fspath(sarif),
    }
    if any("\n" in str(value) for value in outputs.values()):
        raise DeadkeyError(f"{str(sarif)!r}: a folder's name with a line break cannot be told to GitHub Actions")
    try:
        with open(path, "a", encoding="utf-8", errors="surrogateescape") as out:
            out.writelines(f"{name}={value}\n" for name, value in outputs.items())
    except OSError as e:
        raise DeadkeyError(f"{path}: cannot write the step's outputs (GITHUB_OUTPUT): {e.strerror}") from e
