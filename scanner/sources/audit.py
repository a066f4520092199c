"""History and work tree of one repository as one source."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from scanner.model import Chunk, Location, Sighting, Skip
from scanner.sources.files import FilesSource, beside
from scanner.sources.git.packed import PackedSource
from scanner.sources.git.run import Repository
from scanner.sources.git.walk import Reader
from scanner.sources.interface import Aside, Item, Share, Tally, Told, alone


@dataclass(frozen=True, slots=True)
class AuditSource:
    """The object store, and the files that lie around it; a bare repository has none. Paths count from the top level."""

    history: PackedSource
    files: FilesSource | None
    top: str
    kind: str = "audit"

    @classmethod
    def open(cls, repository: Repository) -> AuditSource:
        # not what git calls the top level: a hostile core.worktree could name any folder
        folder = Path(os.path.realpath(repository.path))
        top = next((str(f) for f in (folder, *folder.parents) if (f / ".git").exists()), "")
        return cls(PackedSource.open(repository), FilesSource((top,)) if top else None, top)

    def items(self) -> Iterator[Item | Skip]:
        yield from self.history.items()
        if self.files is not None:
            yield from self.files.items()

    def read(self, item: Item) -> Iterator[Chunk | Skip]:
        assert self.files is not None
        return self.files.read(item)

    def walk(self, item: Item, reader: Reader) -> Iterator[Chunk | Skip | Told | Tally | Aside]:
        return self.read(item) if item.payload is None else self.history.walk(item, reader)

    def beside(self, places: Sequence[Location]) -> Iterator[tuple[int, bytes]]:
        """For each place, by its number, the contents of the small files in its folder, its own included."""
        yield from self.history.beside(places)
        yield from beside(["" if p.commit or not p.path else os.path.join(self.top, p.path) for p in places])

    def resolve(
        self, sightings: Sequence[Sighting], share: Share = alone, aside: Sequence[Any] = ()
    ) -> tuple[list[Sighting], list[Skip]]:
        """History's sightings with their commits, the files' with paths from the top level."""
        own = [s for s in sightings if s.location.source != "files"]
        resolved, skips = self.history.resolve(own, share, aside)
        prefix = self.top.rstrip("/") + "/"
        for sighting in sightings:
            if sighting.location.source == "files":
                path = (sighting.location.path or "").removeprefix(prefix)
                resolved.append(replace(sighting, location=replace(sighting.location, path=path)))
        return resolved, skips
