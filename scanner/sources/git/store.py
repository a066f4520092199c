"""A repository's object store on disk: its packs and loose objects, and those of its alternates."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from scanner.model import printable
from scanner.sources.git.pack import Pack, UnknownPack, open_pack
from scanner.sources.git.run import Repository

DEPTH = 8
"""Alternates of alternates are followed this far, further than git does."""
_LOOSE = re.compile(r"[0-9a-f]{2}\Z")


@dataclass(frozen=True, slots=True)
class Store:
    """Opened packs, folders that hold loose objects, and, in words, what only git can read, if anyone."""

    packs: tuple[Pack, ...]
    folders: tuple[Path, ...]
    unknown: tuple[str, ...]


def open_store(repository: Repository) -> Store:
    """The store of `repository`, alternates included. Raises DeadkeyError where git cannot tell where it is."""
    answer = repository.ask("rev-parse", "--show-object-format", "--git-path", "objects").decode(
        errors="surrogateescape"
    )
    algorithm, _, path = answer.rstrip("\n").partition("\n")
    oid_size = 32 if algorithm == "sha256" else 20
    unknown: list[str] = []
    folders = tuple(_folders(Path(repository.path, path), unknown))
    packs: list[Pack] = []
    for folder in folders:
        for index in sorted((folder / "pack").glob("*.idx")):
            try:
                packs.append(open_pack(index, oid_size))
            except UnknownPack as e:
                unknown.append(str(e))
    return Store(tuple(packs), folders, tuple(unknown))


def _folders(first: Path, unknown: list[str] | None = None) -> Iterator[Path]:
    """The folder and its alternates; what cannot be opened is added to `unknown`."""
    seen: set[str] = set()
    queue = [(first, 0)]
    while queue:
        folder, depth = queue.pop(0)
        try:
            real = os.path.realpath(folder, strict=True)
            there = os.path.isdir(real)
        except (OSError, ValueError):  # a name with a zero byte in it
            there = False
        if not there:
            if depth and unknown is not None:
                unknown.append(f"alternate {printable(os.fsencode(folder))}: is no folder")
            continue
        if real in seen:
            continue
        seen.add(real)
        if depth and unknown is not None and not _holds_objects(real):
            unknown.append(f"alternate {printable(os.fsencode(folder))}: holds no objects")
        yield folder
        try:
            lines = (folder / "info" / "alternates").read_bytes().splitlines() if depth < DEPTH else []
        except OSError:
            lines = []
        for line in lines:
            if line and not line.startswith(b"#"):
                queue.append((folder / os.fsdecode(line), depth + 1))


def _holds_objects(folder: str) -> bool:
    """Whether a folder looks like a store; one that cannot be read is told of where it is read."""
    try:
        return any(name in ("pack", "info") or _LOOSE.match(name) for name in os.listdir(folder))
    except OSError:
        return True


def loose(folder: Path) -> Iterator[tuple[str, Path]]:
    """Id and path of every loose object in a folder of objects."""
    for sub in sorted(p for p in folder.iterdir() if _LOOSE.match(p.name) and p.is_dir()):
        for path in sorted(sub.iterdir()):
            oid = sub.name + path.name
            if len(oid) in (40, 64) and not oid.strip("0123456789abcdef"):
                yield oid, path
