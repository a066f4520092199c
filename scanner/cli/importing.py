"""`deadkey import`: what another scanner was told, in deadkey's own files."""

from __future__ import annotations

import fnmatch
import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from scanner.model import DeadkeyError

if TYPE_CHECKING:
    from scanner.adopt.interface import Adopted
    from scanner.adopt.leaks import Known

KINDS = ("gitleaks", "betterleaks", "ignore", "detect-secrets", "paths")
LARGEST = 64 << 20
"""Bytes of a file."""


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path())
@click.option(
    "--as", "kind", type=click.Choice(KINDS), help="What the files are, where neither name nor content tells."
)
@click.option(
    "--repo", default=".", show_default=True, type=click.Path(), help="The repository that the files are about."
)
@click.option("--allowances", default=None, type=click.Path(), help="Where to write allowances.  [REPO/.deadkey.yaml]")
@click.option("--baseline", default=None, type=click.Path(), help="The baseline to add to.  [REPO/.deadkey-baseline]")
@click.option("--rules", default=None, type=click.Path(), help="The folder to write rules to.  [REPO/deadkey-rules]")
def command(
    files: tuple[str, ...],
    kind: str | None,
    repo: str,
    allowances: str | None,
    baseline: str | None,
    rules: str | None,
) -> None:
    """Carry over what other scanners were told: .gitleaks.toml, .betterleaks.toml and their ignore files, baselines of
    detect-secrets, and TruffleHog's lists of excluded paths.

    Says what was carried over, and what could not be, and why. Nothing that exists is overwritten; a baseline is added to.
    """
    from scanner.cli import adopting
    from scanner.report.text import inert

    def there(given: str | None, name: str) -> str:
        return given or os.path.normpath(os.path.join(repo, name))

    places = adopting.Places(
        repo,
        Path(there(allowances, ".deadkey.yaml")),
        there(baseline, ".deadkey-baseline"),
        Path(there(rules, "deadkey-rules")) / "imported.yaml",
    )
    if not os.path.isdir(repo):
        raise DeadkeyError(f"{repo}: no such folder")
    adopting.check_free(places)
    adopted = _read(files, kind)
    for line in adopting.written(adopted, places, files):
        click.echo(inert(line))


def _read(files: tuple[str, ...], kind: str | None) -> Adopted:
    from scanner.adopt.interface import Adopted
    from scanner.ruleset import cache

    ids = tuple(cache.get().by_id)

    def known(glob: str) -> bool:
        return any(fnmatch.fnmatchcase(rule, glob) for rule in ids)

    out = Adopted()
    for name in files:
        out.add(_one(name, kind, known))
    return out


def _one(name: str, kind: str | None, known: Known) -> Adopted:
    from scanner.adopt import leaks, others

    try:
        with open(name, "rb") as file:
            content = file.read(LARGEST + 1)
    except OSError as e:
        raise DeadkeyError(f"{name}: {e.strerror}") from None
    if len(content) > LARGEST or b"\0" in content:
        raise DeadkeyError(f"{name}: not text, or more than {LARGEST} bytes")
    what = kind or _kind(name, content)
    if what in ("gitleaks", "betterleaks"):
        return leaks.config(name, content, known)
    if what == "detect-secrets":
        return others.baseline(name, content)
    return leaks.ignored(name, content) if what == "ignore" else others.paths(name, content)


def _kind(name: str, content: bytes) -> str:
    base = os.path.basename(name).lower()
    if base.endswith("leaksignore"):
        return "ignore"
    if base.endswith(".toml"):
        return "gitleaks"
    if content.lstrip().startswith(b"{"):
        return "detect-secrets"
    if "exclude" in base or "trufflehog" in base:
        return "paths"
    raise DeadkeyError(f"{name}: what is it? say so with --as {', '.join(KINDS[:-1])} or {KINDS[-1]}")
