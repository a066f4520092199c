"""The text that a place stands in, read again to be shown to a person."""

from __future__ import annotations

import os
import stat

from scanner.model import Location
from scanner.sources.git.run import Repository

LARGEST = 16 << 20
"""Bytes of a file or an object that is read for this."""


def around(place: Location, top: str, repository: Repository | None) -> bytes | None:
    """The content that `place` counts its lines in: an object of `repository`, or a file, `top` being the folder that its
    path counts from. None where it is gone, is inside an archive, or is large."""
    if repository is not None and (name := place.blob or (place.commit if place.source == "git-commit" else None)):
        return _object(repository, name)
    return _file(os.path.join(top, place.path)) if place.path else None


def _object(repository: Repository, name: str) -> bytes | None:
    status, size, _ = repository.run("cat-file", "-s", name)
    if status or int(size) > LARGEST:
        return None
    status, kind, _ = repository.run("cat-file", "-t", name)
    status, content, _ = repository.run("cat-file", kind.decode("ascii").strip(), name)
    return None if status else content


def _file(path: str) -> bytes | None:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            os.close(handle)
            return None
        with open(handle, "rb") as file:
            content = file.read(LARGEST + 1)
    except (OSError, ValueError):
        return None
    return None if len(content) > LARGEST else content
