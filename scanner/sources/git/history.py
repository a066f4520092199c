"""A repository's whole history: its object store, not its diffs. Every distinct object is looked at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from scanner.model import Chunk, Location, Secret, Sighting, Skip
from scanner.sources.git import provenance
from scanner.sources.git.beside import beside
from scanner.sources.git.objects import Entry, contents, inventory
from scanner.sources.git.run import Repository
from scanner.sources.interface import Item, Share, alone

SLICE = 64 << 20
"""Bytes of unpacked objects that make one unit of work."""


@dataclass(frozen=True, slots=True)
class HistorySource:
    """All blobs, commits and tags of one repository, reachable or not, by asking git for each (the reference path)."""

    repository: Repository
    entries: tuple[Entry, ...]
    skips: tuple[Skip, ...] = ()
    kind: str = "git"

    @classmethod
    def open(cls, repository: Repository) -> HistorySource:
        entries, skips = inventory(repository)
        return cls(repository, tuple(entries), tuple(skips))

    def items(self) -> Iterator[Item | Skip]:
        """Slices of the object store, then what is missing from it."""
        yield from self.skips
        yield Item("missing objects", 0, ())
        part: list[Entry] = []
        size = 0
        for entry in self.entries:
            part.append(entry)
            size += entry.size
            if size >= SLICE:
                yield Item("objects", size, tuple(part))
                part, size = [], 0
        if part:
            yield Item("objects", size, tuple(part))

    def read(self, item: Item) -> Iterator[Chunk | Skip]:
        return contents(self.repository, list(item.payload)) if item.payload else missing(self.repository)

    def beside(self, places: Sequence[Location]) -> Iterator[tuple[int, bytes]]:
        """For each place, by its number, the contents of the small files in its folder, its own included."""
        return beside(self.repository, places)

    def resolve(
        self, sightings: Sequence[Sighting], _share: Share = alone, _aside: Sequence[object] = ()
    ) -> tuple[list[Sighting], list[Skip]]:
        """Sightings by object to sightings by commit and path."""
        return resolve(self.repository, sightings, [e.oid for e in self.entries if e.kind == "commit"])


def missing(repository: Repository) -> Iterator[Skip]:
    """What commits and trees refer to and the store does not hold, as in a partial or broken clone."""
    status, out, said = repository.run("rev-list", "--objects", "--all", "--missing=print", "--quiet")
    gone = [line[1:] for line in out.decode().split() if line.startswith("?")]
    shown = ", ".join(gone[:5]) + (", …" if len(gone) > 5 else "")
    if gone:
        reason = f"objects are missing, as in a partial clone ({shown}); `git fetch --refetch --no-filter` brings them"
        yield Skip(repository.path, reason, len(gone))
    if status:
        yield Skip(repository.path, f"what the history refers to cannot be followed: {said}")


Holding = dict[Secret, dict[str, list[Sighting]]]


"""By secret and blob: the sightings."""


def resolve(
    repository: Repository, sightings: Sequence[Sighting], commits: list[str]
) -> tuple[list[Sighting], list[Skip]]:
    """Give every sighting in a blob its commits and paths, asking git for the raw diffs of `commits`: one sighting for
    each place that brought the secret in."""
    blobs = frozenset(s.location.blob for s in sightings if s.location.blob)
    skips: list[Skip] = []
    changes: list[provenance.Change] = []
    for change in provenance.changes(repository, commits, blobs) if blobs else ():
        if isinstance(change, Skip):
            skips.append(change)
        else:
            changes.append(change)
    standing = provenance.at_tips(repository, (c.path for c in changes))
    return spread(repository, sightings, changes, standing), skips


def spread(
    repository: Repository,
    sightings: Sequence[Sighting],
    changes: Iterable[provenance.Change],
    standing: Mapping[str, set[str]],
) -> list[Sighting]:
    """Sightings by blob to sightings by place: `changes` say what came where, `standing` what stands at the tips."""
    holding: Holding = defaultdict(lambda: defaultdict(list))
    out: list[Sighting] = []
    for sighting in sightings:
        if sighting.location.blob:
            holding[sighting.match.secret][sighting.location.blob].append(sighting)
        else:
            out.append(sighting)
    came: dict[str, list[provenance.Change]] = defaultdict(list)
    for change in changes:
        came[change.new].append(change)
    index = provenance.in_index(repository) if holding else {}
    for by_blob in holding.values():
        for blob, found in by_blob.items():
            for sighting in found:
                places = _places(sighting.location, by_blob, came[blob], standing, index)
                out += [replace(sighting, location=x) for x in places]
    details = provenance.commit_details(repository, (s.location.commit for s in out if s.location.commit))
    return [provenance.dated(s, details) for s in out]


def _places(
    location: Location,
    holders: dict[str, list[Sighting]],
    changes: Iterable[provenance.Change],
    standing: Mapping[str, set[str]],
    index: dict[str, str],
) -> Iterator[Location]:
    known = False
    for change in changes:
        known = True
        if not any(old in holders for old in change.old):
            at_head = not standing.get(change.path, set()).isdisjoint(holders)
            yield replace(location, path=change.path, commit=change.commit, at_head=at_head)
    if not known:
        yield replace(location, path=index.get(location.blob or ""), at_head=False)
