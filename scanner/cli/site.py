"""Where a scan takes place: the folder whose allowances hold, and what paths count from."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from scanner.sources.interface import Source


class Site(NamedTuple):
    """`top` is the repository's folder, or the scanned one; paths in findings count from `base`; a `whole` scan reads all
    that lies below `top`, or all of its history."""

    top: str
    base: str
    whole: bool


def site(source: Source) -> Site:
    """By what the source reads: a repository, or files, of which the first tells."""
    repository = getattr(getattr(source, "history", source), "repository", None)
    if repository is not None:
        top = _top(os.path.realpath(repository.path))
        return Site(top, top, source.kind in ("git", "audit") and not hasattr(source, "commits"))
    here = os.getcwd()
    paths = [os.path.abspath(path) for path in getattr(source, "paths", ())] or [here]
    top = _top(paths[0])
    return Site(top, here, source.kind == "files" and top in paths)


def _top(path: str) -> str:
    """The nearest folder above `path` that is a repository, else `path` itself, or the folder of a file."""
    folder = Path(path if os.path.isdir(path) else os.path.dirname(path))
    return str(next((f for f in (folder, *folder.parents) if os.path.lexists(f / ".git")), folder))
