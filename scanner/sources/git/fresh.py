"""What a repository holds that a state file does not know: finding it, having it looked at, and what to remember then.

Packs that are known by name and size are not opened as long as nothing has gone; else every id in the store is compared.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from scanner.model import Chunk, Skip
from scanner.sources.git import provenance
from scanner.sources.git.ancestry import Endless
from scanner.sources.git.history import missing
from scanner.sources.git.objects import Entry
from scanner.sources.git.pack import BLOB, COMMIT, TAG, TREE, UNREADABLE, UnknownPack, open_pack
from scanner.sources.git.packed import LOOSE, PackedSource, _loose_kind, _units
from scanner.sources.git.run import Repository
from scanner.sources.git.selected import Survey, entries_of, named, slices
from scanner.sources.git.state import Listing, Memory
from scanner.sources.git.store import Store
from scanner.sources.git.walk import Reader
from scanner.sources.interface import Aside, Item, Share, Tally, Told

FEW = 4
"""A pack of whose objects less than one in so many is new is not walked: git is asked for those."""

Oids = np.ndarray[Any, np.dtype[np.bytes_]]


class News(NamedTuple):
    """Objects in which something stands and the commits that changed them, old and new; `memory` None if it is partial."""

    found: list[str]
    commits: list[str]
    skips: tuple[Skip, ...]
    memory: Memory | None


@dataclass(frozen=True)
class FreshSource:
    """Some packs of a store, a few objects of others, and loose objects."""

    packed: PackedSource
    whole: tuple[int, ...] = ()
    few: tuple[Entry, ...] = ()
    loose: tuple[tuple[str, str, Path], ...] = ()
    kind: str = "git"

    def __reduce__(self) -> tuple[Any, ...]:
        paths = tuple(pack.path for pack in self.packed.store.packs)
        size = self.packed.store.packs[0].oids.shape[1] if paths else 20
        return _again, (self.packed.repository, paths, size, self.packed.plain)

    def items(self) -> Iterator[Item | Skip]:
        units: list[Item] = []
        for number in self.whole:
            pack = self.packed.store.packs[number]
            units += _units(number, pack, (BLOB, COMMIT, TAG))
        yield from sorted(units, key=lambda item: -item.size)
        for start in range(0, len(self.loose), LOOSE):
            yield Item("loose objects", 0, ("loose", self.loose[start : start + LOOSE]))
        for item in slices(self.few):
            yield item._replace(payload=("git", item.payload))

    def read(self, item: Item) -> Iterator[Chunk | Skip]:
        raise NotImplementedError("this source walks")

    def walk(self, item: Item, reader: Reader) -> Iterator[Chunk | Skip | Told | Tally | Aside]:
        return self.packed.walk(item, reader)


def _again(repository: Repository, paths: tuple[str, ...], oid_size: int, plain: bool) -> FreshSource:
    packs = tuple(open_pack(Path(path).with_suffix(".idx"), oid_size) for path in paths)
    return FreshSource(PackedSource(repository, Store(packs, (), ()), (), (), plain))


def look(
    repository: Repository, now: Listing, memory: Memory | None, survey: Survey, share: Share, plain: bool
) -> News | None:
    """Have everything looked at that `memory` does not know. None where the store is damaged, so that only a full scan
    says all there is to say."""
    grown = memory is not None and not memory.skipped and _grown(memory, now)
    try:
        opened = _opened(repository, now, memory, plain) if memory and grown else PackedSource.open(repository, plain)
    except UnknownPack:
        return None
    if not now.whole or opened.store.unknown or any(pack.flaw or not pack.kinds.all() for pack in opened.store.packs):
        return None
    size = now.oid_size
    loose = _oids(_packed_ids(now.loose), size)
    seen = _oids(memory.seen if memory else b"", size)
    source, present, commits = _unseen(opened, seen, size)
    sightings, skips = survey(source, every=True)
    holes = list(missing(repository)) if opened._partial() else []

    old = memory.found if memory else []
    touched = memory.commits if memory else []
    if not grown:
        there = np.unique(np.concatenate((present, loose)))
        old, touched = _still(old, there, size), _still(touched, there, size)
        seen = seen[_within(seen, there)]
    found = list(dict.fromkeys([*old, *(s.location.blob or s.location.commit or "" for s in sightings)]))
    blobs = frozenset(found)
    if memory is None or memory.skipped or holes:
        # what could not be read before may be what an old commit brought in
        whole = PackedSource.open(repository, plain) if grown else opened
        try:
            touched = _touching(whole, blobs, share) if blobs else []
        except Endless:
            return None
    elif commits and blobs:
        touched = list(dict.fromkeys([*touched, *_changed(repository, commits, blobs)]))
    known = np.unique(np.concatenate((seen, present, loose)))
    broken = {oid for skip in skips if (oid := named(skip))}
    if broken:
        known = known[~_within(known, np.unique(_oids(_packed_ids(broken), size)))]
    keep = Memory(now.packs, frozenset(now.loose), found, touched, bool(skips or holes), known.tobytes())
    return News(found, touched, (*skips, *holes), keep if all(named(skip) for skip in skips) else None)


def _grown(memory: Memory, now: Listing) -> bool:
    """Whether all that was in the store is there still, where it was."""
    return memory.packs.items() <= now.packs.items() and memory.loose <= now.loose.keys()


def _opened(repository: Repository, now: Listing, memory: Memory, plain: bool) -> PackedSource:
    """The packs and loose objects that have come. Raises UnknownPack."""
    packs = tuple(open_pack(now.indexes[name], now.oid_size) for name in now.packs.keys() - memory.packs.keys())
    loose = tuple((_loose_kind(p), oid, p) for oid, p in now.loose.items() if oid not in memory.loose)
    return PackedSource(repository, Store(packs, now.folders, ()), loose, (), plain)


def _unseen(opened: PackedSource, seen: Oids, size: int) -> tuple[FreshSource, Oids, list[str]]:
    """What is to be looked at, the ids of all objects in the opened packs but trees, and the commits that are new."""
    whole: list[int] = []
    few: list[str] = []
    commits: list[str] = []
    present: list[Oids] = [_oids(b"", size)]
    for number, pack in enumerate(opened.store.packs):
        rows = np.flatnonzero(pack.kinds != TREE)
        ids = _oids(np.ascontiguousarray(pack.oids[rows]).tobytes(), size)
        present.append(ids)
        fresh = ~_within(ids, seen)
        commits += _hex(ids[fresh & (pack.kinds[rows] == COMMIT)], size)
        if fresh.sum() * FEW >= len(rows) > 0:
            whole.append(number)
        elif fresh.any():
            few += _hex(ids[fresh], size)
    old = _within(_oids(_packed_ids(oid for _, oid, _ in opened.loose), size), seen).tolist()
    single = tuple(x for x, known in zip(opened.loose, old, strict=True) if not known and x[0] != "tree")
    commits += [oid for kind, oid, _ in single if kind == "commit"]
    asked, absent = entries_of(opened.repository, few)
    entries = (*asked, *(Entry(oid, "blob", 0) for oid in absent))
    return FreshSource(opened, tuple(whole), entries, single), np.concatenate(present), commits


def _touching(opened: PackedSource, blobs: frozenset[str], share: Share) -> list[str]:
    """Of all commits those that brought one of `blobs` to a path."""
    try:
        ancestry = opened.ancestry(blobs, share)
    except Endless:
        raise  # git would follow them for ever
    except UNREADABLE:
        return _changed(opened.repository, opened._commits(), blobs)
    return list(dict.fromkeys(change.commit for change in ancestry.changes()))


def _changed(repository: Repository, commits: Iterable[str], blobs: frozenset[str]) -> list[str]:
    """The same among some commits. One that cannot be read is among them, so that the report will name it."""
    out: dict[str, None] = {}
    for change in provenance.changes(repository, list(commits), blobs):
        if isinstance(change, provenance.Change):
            out[change.commit] = None
        elif oid := named(change):
            out[oid] = None
    return list(out)


def _oids(data: bytes, size: int) -> Oids:
    return np.frombuffer(data, f"S{size}")


def _hex(ids: Oids, size: int) -> list[str]:
    text = ids.tobytes().hex()
    return [text[at : at + 2 * size] for at in range(0, len(text), 2 * size)]


def _packed_ids(oids: Iterable[str] | Mapping[str, Any]) -> bytes:
    return bytes.fromhex("".join(oids))


def _within(ids: Oids, known: Oids) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Which of `ids` are among the sorted `known`."""
    if not len(known):
        return np.zeros(len(ids), np.bool_)
    places = np.minimum(np.searchsorted(known, ids), len(known) - 1)
    return np.asarray(known[places] == ids, np.bool_)


def _still(oids: list[str], there: Oids, size: int) -> list[str]:
    kept = _within(_oids(_packed_ids(oids), size), there).tolist()
    return [oid for oid, k in zip(oids, kept, strict=True) if k]
