"""What a push brings in: the lines that its commits add, their messages, and annotated tags.

On the server, git asks the pre-receive hook while what was pushed lies in a quarantine, an object folder of its own inside
the repository's (git-receive-pack(1), "QUARANTINE ENVIRONMENT").
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from scanner.model import Chunk, DeadkeyError, Sighting, Skip
from scanner.sources.git.changes import RangeSource
from scanner.sources.git.objects import Entry, contents
from scanner.sources.git.run import Repository, open_repository
from scanner.sources.git.selected import entries_of, slices
from scanner.sources.interface import Item, Share, alone

QUARANTINE = ("GIT_QUARANTINE_PATH", "GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES")
"""What git sets for the hooks of a receiving repository, and what is needed to see what was pushed."""

DEEPEST = 16
"""How many tags of tags are followed."""

_LINE = re.compile(r"([0-9a-f]{40}|[0-9a-f]{64}) ([0-9a-f]{40}|[0-9a-f]{64}) (refs/\S.*|HEAD)")


@dataclass(frozen=True, slots=True)
class PushSource:
    """What `revisions` (as of git-log(1); empty for none) bring in, and `entries`: tags, and what they name beside commits."""

    repository: Repository
    revisions: tuple[str, ...]
    entries: tuple[Entry, ...] = ()
    skips: tuple[Skip, ...] = ()
    kind: str = "diff"

    def items(self) -> Iterator[Item | Skip]:
        """Raises DeadkeyError when a revision is not known."""
        yield from self.skips
        entries = list(self.entries)
        if self.revisions:
            commits = self.repository.ask("rev-list", *self.revisions, "--").decode().split()
            messages, absent = entries_of(self.repository, commits)
            entries += messages
            yield from (Skip(f"commit {oid}", "is missing from the repository") for oid in absent)
            if commits:
                yield from RangeSource(self.repository, self.revisions).items()
        yield from slices(entries)

    def read(self, item: Item) -> Iterator[Chunk | Skip]:
        if item.payload is None:
            return RangeSource(self.repository, self.revisions).read(item)
        return contents(self.repository, list(item.payload))

    def resolve(
        self, sightings: Sequence[Sighting], share: Share = alone, aside: Sequence[object] = ()
    ) -> tuple[list[Sighting], list[Skip]]:
        """Adds author and date of each commit."""
        return RangeSource(self.repository, self.revisions).resolve(sightings, share, aside)


def open_receiving(path: str) -> Repository:
    """The repository at `path` with what is being pushed to it, if git says where that is.

    Raises DeadkeyError when what the environment names is no quarantine of this repository: nothing else is ever read.
    """
    repository = open_repository(path)
    named = os.environ.get("GIT_QUARANTINE_PATH")
    if not named:
        return repository
    objects = os.fsdecode(repository.ask("rev-parse", "--git-path", "objects")).rstrip("\n")
    own = os.path.realpath(os.path.join(path, objects))
    quarantine = os.path.realpath(named)
    if os.path.dirname(quarantine) != own or os.path.realpath(os.environ.get("GIT_OBJECT_DIRECTORY", "")) != quarantine:
        raise DeadkeyError(f"{named}: no quarantine of {path}; let git run this, as its pre-receive hook")
    return open_repository(path, QUARANTINE)


def received(repository: Repository, lines: Sequence[str]) -> PushSource | None:
    """What a pre-receive hook's standard input (`OLD NEW REF` a line, githooks(5)) brings that no ref had before.

    None when refs are only deleted. Old values do not matter: a branch that is new, moved or forced brings what the
    repository did not have. Raises DeadkeyError for a line that is none of git's.
    """
    news: dict[str, None] = {}
    for number, line in enumerate(lines, 1):
        found = _LINE.fullmatch(line.rstrip("\n"))
        if not found:
            raise DeadkeyError(f"<stdin>:{number}: not `OLD NEW REF`; let git run this, as its pre-receive hook")
        if found[2].strip("0"):
            news[found[2]] = None
    return brought(repository, list(news), ("--not", "--all")) if news else None


def brought(repository: Repository, tips: Sequence[str], known: tuple[str, ...]) -> PushSource:
    """What `tips` (ids) bring beside what is reachable from `known` (options and revisions of git-rev-list(1))."""
    commits: list[str] = []
    entries: dict[str, Entry] = {}
    skips: list[Skip] = []
    for tip in tips:
        oid = tip
        for _ in range(DEEPEST):
            kind, size = _kind(repository, oid)
            if kind != "tag":
                break
            entries[oid] = Entry(oid, kind, size)
            oid = _named_by(repository, oid)
        if kind == "commit":
            commits.append(oid)
        elif kind == "blob":
            entries[oid] = Entry(oid, kind, size)
        elif kind == "tree":
            out = repository.ask("ls-tree", "-r", "-z", "--format=%(objecttype) %(objectname)", oid).decode()
            blobs = [x.partition(" ")[2] for x in out.split("\0") if x.startswith("blob ")]
            found, absent = entries_of(repository, blobs)
            entries.update((e.oid, e) for e in found)
            skips += [Skip(f"blob {gone}", "is missing from the repository") for gone in absent]
        else:
            skips.append(Skip(f"tag {tip}", f"names tags more than {DEEPEST} deep"))
    revisions = (*commits, *known) if commits else ()
    return PushSource(repository, revisions, tuple(entries.values()), tuple(skips))


def _kind(repository: Repository, oid: str) -> tuple[str, int]:
    out = repository.ask("cat-file", "--batch-check=%(objecttype) %(objectsize)", stdin=[oid]).decode().split()
    if len(out) != 2 or not out[1].isdecimal():
        raise DeadkeyError(f"{repository.path}: object {oid} is missing; run `git fsck`")
    return out[0], int(out[1])


def _named_by(repository: Repository, tag: str) -> str:
    """What an annotated tag's first line names."""
    first = repository.ask("cat-file", "tag", tag).partition(b"\n")[0].decode("ascii", "replace").split()
    if len(first) != 2 or first[0] != "object":
        raise DeadkeyError(f"{repository.path}: tag {tag} cannot be read; run `git fsck`")
    return first[1]
