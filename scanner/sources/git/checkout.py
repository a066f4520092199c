"""What lies between two commits, as far as a build's checkout holds it: many are shallow.

In a shallow clone the oldest commits are cut off from their parents, and git shows all their files as added. Where the
base is there, such a commit is compared with the base instead: what was added and taken out again in between is not seen.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from scanner.model import Chunk, DeadkeyError, Sighting, Skip
from scanner.sources.git.changes import DIFF, _patch
from scanner.sources.git.push import PushSource
from scanner.sources.git.run import Repository
from scanner.sources.interface import Item, Share, alone


class Net(NamedTuple):
    """Two commits of which only the difference is looked at."""

    base: str
    head: str


@dataclass(frozen=True, slots=True)
class CheckoutSource:
    """What `revisions` (as of git-log(1)) bring in, and some differences."""

    repository: Repository
    revisions: tuple[str, ...]
    nets: tuple[Net, ...] = ()
    gap: str = ""
    """What is not there, in words; empty where nothing is missing."""
    kind: str = "diff"

    def items(self) -> Iterator[Item | Skip]:
        yield from PushSource(self.repository, self.revisions).items()
        for net in self.nets:
            yield Item(f"{net.base}..{net.head}", payload=net)

    def read(self, item: Item) -> Iterator[Chunk | Skip]:
        if isinstance(item.payload, Net):
            return _patch(self.repository, ("diff", *DIFF, item.payload.base, item.payload.head, "--"), self.kind)
        return PushSource(self.repository, self.revisions).read(item)

    def resolve(
        self, sightings: Sequence[Sighting], share: Share = alone, aside: Sequence[object] = ()
    ) -> tuple[list[Sighting], list[Skip]]:
        """Adds author and date of each commit."""
        return PushSource(self.repository, self.revisions).resolve(sightings, share, aside)


def commit(repository: Repository, names: Sequence[str]) -> str | None:
    """The id of the first of `names` that is a commit here."""
    for name in names:
        status, out, _ = repository.run("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
        # a commit may be named without being there
        oid = out.decode("ascii", "replace").strip()
        if not status and not repository.run("cat-file", "-e", oid)[0]:
            return oid
    return None


def cut_off(repository: Repository) -> frozenset[str]:
    """The commits whose parents a shallow clone left out (gitformat-pack of `shallow`: an id a line)."""
    path = os.fsdecode(repository.ask("rev-parse", "--git-path", "shallow")).rstrip("\n")
    try:
        return frozenset(Path(repository.path, path).read_text("ascii").split())
    except FileNotFoundError:
        return frozenset()
    except (OSError, UnicodeDecodeError) as e:
        raise DeadkeyError(f"{path}: cannot be read, so it is not known how shallow the clone is") from e


def between(repository: Repository, base: str | None, head: str) -> CheckoutSource:
    """What `head` has and `base` has not, all that it has where that is None; both are ids of commits that are there."""
    revisions = (head, "--not", base) if base else (head,)
    commits = repository.ask("rev-list", *revisions, "--").decode().split()
    cut = sorted(cut_off(repository).intersection(commits))
    if not cut:
        return CheckoutSource(repository, revisions)
    gap = f"shallow checkout: what came before {', '.join(c[:12] for c in cut)} is not here"
    if not base:
        return CheckoutSource(repository, revisions, (), f"{gap}, so all files of that commit were scanned")
    nets = tuple(Net(base, c) for c in cut)
    return CheckoutSource(repository, (*revisions, *cut), nets, f"{gap}, so that commit was compared with {base[:12]}")
