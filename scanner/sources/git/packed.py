"""A repository's whole history by the fast path: packs are walked, loose objects inflated, and the rest asked of git."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from isal import isal_zlib

from scanner.model import Chunk, Location, Origin, Sighting, Skip
from scanner.sources.git.ancestry import Ancestry, Census, Edges, Endless
from scanner.sources.git.beside import beside
from scanner.sources.git.chains import HUGE, kernel
from scanner.sources.git.history import missing, resolve, spread
from scanner.sources.git.objects import Entry, contents, inventory, message
from scanner.sources.git.pack import BLOB, COMMIT, KINDS, TAG, TREE, UNREADABLE, Ints, Pack, children
from scanner.sources.git.provenance import tips
from scanner.sources.git.run import Repository
from scanner.sources.git.store import Store, loose, open_store
from scanner.sources.git.trees import Commits, Forest, Notes
from scanner.sources.git.walk import Reader, Walk
from scanner.sources.interface import Aside, Item, Share, Tally, Told, alone

UNIT = 2 << 20
"""Compressed bytes that make one unit of work; a larger tree of deltas is one by itself."""
LOOSE = 2000
"""Loose objects that make one unit of work."""


class Unsuited(ValueError):
    """A store that only git can look through, sound or not."""


@dataclass(frozen=True)
class PackedSource:
    """All blobs, commits and tags of one repository, reachable or not. `plain` uses the kernel's plain twin."""

    repository: Repository
    store: Store
    loose: tuple[tuple[str, str, Path], ...]
    """Kind, id and path of the loose objects."""
    skips: tuple[Skip, ...]
    plain: bool = False
    kind: str = "git"
    _forests: dict[int, tuple[Ints, Ints]] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def open(cls, repository: Repository, plain: bool = False) -> PackedSource:
        """Raises DeadkeyError where the store cannot be found."""
        store = open_store(repository)
        found: list[tuple[str, str, Path]] = []
        skips: list[Skip] = []
        for folder in store.folders:
            for oid, path in loose(folder):
                kind = _loose_kind(path)
                found.append((kind, oid, path))
        return cls(repository, store, tuple(found), tuple(skips), plain)

    def __reduce__(self) -> tuple[Any, ...]:
        return PackedSource.open, (self.repository, self.plain)

    def items(self) -> Iterator[Item | Skip]:
        """The largest trees of deltas first; then what only git can read, and what is missing."""
        yield from self.skips
        yield from self._flaws()
        if self._partial() and not self._circular:
            yield Item("missing objects", 0, ("missing",))
        units: list[Item] = []
        strange: list[Entry] = []
        for number, pack in enumerate(self.store.packs):
            units += _units(number, pack, (BLOB, COMMIT, TAG))
            strange += _strange(pack)
        yield from sorted(units, key=lambda item: -item.size)
        single = [x for x in self.loose if x[0] != "tree"]
        for start in range(0, len(single), LOOSE):
            yield Item("loose objects", 0, ("loose", tuple(single[start : start + LOOSE])))
        if self.store.unknown and not self._circular:
            entries, skips = inventory(self.repository)
            yield from skips
            known = {pack.oid(n) for pack in self.store.packs for n in range(len(pack.kinds))}
            strange += [e for e in entries if e.oid not in known]
        if strange:
            yield Item("objects", 0, ("git", tuple(strange)))

    def read(self, item: Item) -> Iterator[Chunk | Skip]:
        raise NotImplementedError("this source walks")

    def walk(self, item: Item, reader: Reader) -> Iterator[Chunk | Skip | Told | Tally | Aside]:
        """What one item holds: told where something was found, chunks where it was not looked at yet."""
        kind, *rest = item.payload
        if kind == "missing":
            yield from missing(self.repository)
        elif kind == "git":
            yield from self._asked(rest[0])
        elif kind == "loose":
            yield from self._loose(rest[0])
        else:
            yield from self._pack(rest[0], rest[1], reader)

    def beside(self, places: Sequence[Location]) -> Iterator[tuple[int, bytes]]:
        """For each place, by its number, the contents of the small files in its folder, its own included."""
        return beside(self.repository, places)

    def resolve(
        self, sightings: Sequence[Sighting], share: Share = alone, aside: Sequence[Commits] = ()
    ) -> tuple[list[Sighting], list[Skip]]:
        """Sightings by object to sightings by commit and path. `share` spreads the work; `aside` is what walking brought."""
        if self._circular:
            reason = "commits and paths were not looked up: git would follow deltas that go round in a circle"
            return list(sightings), [Skip(self.repository.path, reason)]
        blobs = frozenset(s.location.blob for s in sightings if s.location.blob)
        if not blobs:
            return spread(self.repository, sightings, (), {}), []
        try:
            ancestry = self.ancestry(blobs, share, aside)
        except Endless as e:
            reason = f"commits and paths were not looked up: {e}; run `git fsck`"
            return list(sightings), [Skip(self.repository.path, reason)]
        except Unsuited:
            return resolve(self.repository, sightings, self._commits())
        except UNREADABLE as e:
            found, skips = resolve(self.repository, sightings, self._commits())
            return found, [*skips, Skip(self.repository.path, f"holds a damaged tree or commit ({e}); run `git fsck`")]
        return spread(self.repository, sightings, ancestry.changes(), ancestry.standing(tips(self.repository))), []

    def ancestry(self, blobs: frozenset[str], share: Share = alone, aside: Sequence[Commits] = ()) -> Ancestry:
        """What led to some blobs, over everything in the store. `aside` holds what is known of packed commits, if it is
        all of them. Raises what UNREADABLE names where git is needed."""
        packs = self.store.packs
        if self.store.unknown or any((pack.kinds == 0).any() for pack in packs):
            raise Unsuited("not every pack can be read")
        wanted = frozenset(bytes.fromhex(b) for b in blobs)
        oid_size = len(next(iter(wanted)))
        single = [bytes.fromhex(oid) for kind, oid, _ in self.loose if kind == "tree"]
        census = Census(packs, single, blobs, oid_size)
        forests = [Forest(pack, self.plain) for pack in packs]
        known = sum(len(part.rows) for part in aside) == sum(int((pack.kinds == COMMIT).sum()) for pack in packs)
        kinds = (TREE,) if known else (TREE, COMMIT)
        units = [u for n, pack in enumerate(packs) for u in _units(n, pack, kinds)]
        units.sort(key=lambda item: -item.size)

        def note(unit: Item) -> tuple[Edges, Commits]:
            _, number, roots = unit.payload
            noted, commits = forests[number].note(roots.tolist(), wanted)
            return census.edges(number, noted), commits

        parts = list(share(note, units))
        notes = Notes(oid_size, kernel(self.plain), set(wanted))
        count = 0
        for kind, oid, path in self.loose:
            if kind in ("commit", "tree"):
                data = _loose_data(path)
                if data is None:
                    raise ValueError("a loose object is damaged")
                if kind == "commit":
                    notes.commit(bytes.fromhex(oid), data)
                else:
                    notes.tree(count, data)
                    count += 1
        noted, commits = notes.noted()
        edges = [*(edge for edge, _ in parts), census.edges(-1, noted)]
        return Ancestry(census, edges, [*(c for _, c in parts), commits, *(aside if known else ())])

    def _commits(self) -> list[str]:
        found = [oid for kind, oid, _ in self.loose if kind == "commit"]
        for pack in self.store.packs:
            rows = pack.oids[np.flatnonzero(pack.kinds == COMMIT)]
            text = rows.tobytes().hex()
            width = 2 * rows.shape[1]
            found += [text[i : i + width] for i in range(0, len(text), width)]
        if self.store.unknown:
            found += [e.oid for e in inventory(self.repository)[0] if e.kind == "commit"]
        return list(dict.fromkeys(found))

    @cached_property
    def _circular(self) -> frozenset[str]:
        """Ids of which git must not be asked: it would never answer."""
        return frozenset(pack.oid(n) for pack in self.store.packs for n in pack.circular().tolist())

    def _flaws(self) -> Iterator[Skip]:
        """What is wrong with whole packs. What they still hold is looked at all the same."""
        for reason in self.store.unknown:
            yield Skip(self.repository.path, f"{reason}; run `git fsck`")
        for pack in self.store.packs:
            if pack.flaw:
                yield Skip(pack.path, f"{pack.flaw}; run `git fsck`")
            if len(circle := pack.circular()):
                shown = ", ".join(pack.oid(n) for n in circle[:5].tolist()) + (", …" if len(circle) > 5 else "")
                yield Skip(pack.path, f"holds deltas that go round in a circle ({shown})", len(circle))

    def _asked(self, entries: Iterable[Entry]) -> Iterator[Chunk | Skip]:
        """Objects as git reads them, of what kind and size they may be."""
        wanted = [e for e in entries if e.oid not in self._circular]
        _, out, _ = self.repository.run("cat-file", "--batch-check", stdin=[e.oid for e in wanted])
        said = {
            words[0]: Entry(words[0], words[1], int(words[2]))
            for x in out.decode().splitlines()
            if len(words := x.split()) == 3
        }
        yield from contents(self.repository, [e for e in (said.get(e.oid, e) for e in wanted) if e.kind != "tree"])

    def _partial(self) -> bool:
        """Whether the clone says of itself that objects may be missing."""
        if any(any((folder / "pack").glob("*.promisor")) for folder in self.store.folders):
            return True
        status, _, _ = self.repository.run(
            "config", "--get-regexp", r"^(remote\..*\.promisor|extensions\.partialclone)$"
        )
        return status == 0

    def _pack(self, number: int, roots: Ints, reader: Reader) -> Iterator[Chunk | Skip | Told | Tally | Aside]:
        pack = self.store.packs[number]
        if number not in self._forests:
            self._forests[number] = children(pack, _of_kind(pack, (BLOB, COMMIT, TAG)))
        told: list[Told] = []
        notes = Notes(pack.oids.shape[1], kernel(self.plain), set())
        walk = Walk(
            pack,
            *self._forests[number],
            reader,
            lambda chunk, pairs: told.append(Told(chunk, pairs)),
            notes,
            self.plain,
        )
        for root in roots.tolist():
            walk.tree(root)
            yield from told
            told.clear()
        yield Tally(walk.bytes, walk.objects)
        commits = notes.noted()[1]
        if len(commits.rows):
            yield Aside(commits)
        if walk.broken:
            yield from self._asked(walk.broken)

    def _loose(self, objects: Iterable[tuple[str, str, Path]]) -> Iterator[Chunk | Skip]:
        strange = []
        for kind, oid, path in objects:
            data = _loose_data(path)
            if data is None or not kind:
                strange.append(Entry(oid, kind or "blob", 0))
            elif kind == "blob":
                yield Chunk(data, Origin("git", blob=oid))
            else:
                yield message(Entry(oid, kind, len(data)), data)
        yield from self._asked(strange) if strange else ()


def _of_kind(pack: Pack, kinds: tuple[int, ...]) -> Ints:
    return np.flatnonzero(np.isin(pack.kinds, kinds))


def _strange(pack: Pack) -> list[Entry]:
    """What the fast path cannot tell the kind of: a base elsewhere, a damaged header, a cycle."""
    return [Entry(pack.oid(n), "blob", 0) for n in np.flatnonzero(pack.kinds == 0).tolist()]


def _units(number: int, pack: Pack, kinds: tuple[int, ...]) -> Iterator[Item]:
    """Trees of deltas whose root is of one of `kinds`; small ones travel together."""
    wanted = _of_kind(pack, kinds)
    weights = np.bincount(pack.roots[wanted], (pack.ends - pack.starts)[wanted], len(pack.kinds))
    roots = wanted[pack.roots[wanted] == wanted]
    mine = weights[roots]
    for root, weight in zip(roots[mine >= UNIT].tolist(), mine[mine >= UNIT].tolist(), strict=True):
        yield Item(KINDS[int(pack.kinds[root])], int(weight), ("pack", number, np.array([root])))
    small, light = roots[mine < UNIT], mine[mine < UNIT]
    if len(small):
        shelf = (np.cumsum(light) // UNIT).astype(np.int64)
        for part in np.split(np.arange(len(small)), np.flatnonzero(np.diff(shelf)) + 1):
            yield Item("objects", int(light[part].sum()), ("pack", number, small[part]))


def _loose_kind(path: Path) -> str:
    """From the header of a loose object; "" when it cannot be read."""
    try:
        with path.open("rb") as file:
            head = zlib.decompressobj().decompress(file.read(128), 32)
    except UNREADABLE:
        return ""
    kind = head.partition(b" ")[0].decode("ascii", "replace")
    return kind if kind in KINDS.values() else ""


def _loose_data(path: Path) -> bytes | None:
    """The content of a loose object; None when git should read it: too large, or damaged."""
    try:
        compressed = path.read_bytes()
        inflater = isal_zlib.decompressobj()
        data: bytes = inflater.decompress(compressed, HUGE + 64)
    except UNREADABLE:
        return None
    head, zero, content = data.partition(b"\0")
    size = head.partition(b" ")[2]
    return content if inflater.eof and zero and size.isdigit() and int(size) == len(content) else None
