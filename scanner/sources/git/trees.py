"""One pass over a pack's trees and commits: what each tree has that the tree it is a delta against has not.

Most trees differ in one entry from the one they were made from, so this is a small part of what the trees hold; `ancestry`
puts it together again, for the entries that lead to something wanted.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from scanner.sources.git.chains import kernel, open_chains
from scanner.sources.git.pack import COMMIT, TREE, Bytes, Ints, Pack, children

GONE, FOLDER, NAME = 1, 2, 2
"""In an edge's code: the bit of what was there before only, that of a folder, and how far up the name's number stands."""


class Noted(NamedTuple):
    """What some trees of one store say. An edge is an entry that a tree has and the tree it is a delta against has not, or the
    other way round. The edges of one tree follow one another."""

    owners: Ints
    """By edge: the number in its pack of the tree it is of."""
    codes: Ints
    """By edge: four times the number of its name, and the bits FOLDER and GONE."""
    oids: Bytes
    """By edge: the id of what stands there, a row each."""
    names: list[bytes]


class Commits(NamedTuple):
    """What some commits say."""

    rows: Bytes
    """A row each: its id, its tree's, and its first parent's (zeros when it has none)."""
    more: list[tuple[bytes, bytes]]
    """Further parents: id of the commit, and of the parent."""


class Forest:
    """The trees and commits of one pack."""

    def __init__(self, pack: Pack, plain: bool = False) -> None:
        self.pack = pack
        self._kernel = kernel(plain)
        wanted = np.flatnonzero((pack.kinds == TREE) | (pack.kinds == COMMIT))
        self._chains = open_chains(pack, *children(pack, wanted), plain)

    def note(self, roots: Iterable[int], blobs: frozenset[bytes]) -> tuple[Noted, Commits]:
        """All that stands in whole trees of deltas: folders, and of the rest what is in `blobs`.

        Raises what `pack.UNREADABLE` names.
        """
        notes = Notes(self.pack.oids.shape[1], self._kernel, set(blobs))
        for root in roots:
            self._walk(root, notes)
        return notes.noted()

    def _walk(self, root: int, notes: Notes) -> None:
        if self.pack.kinds[root] == TREE:
            notes.trees(self._chains, root)
            return
        for number, _, _, data, *_ in self._chains.walk(root, 0):
            if data is None:
                raise ValueError(f"{self.pack.oid(number)} is damaged")
            notes.commit(self.pack.oids[number].tobytes(), data)


class Notes:
    """Collects what a `Noted` holds, of trees and commits with ids of `oid_size` bytes."""

    def __init__(self, oid_size: int, kernel: Any, wanted: set[bytes]) -> None:
        self._kernel = kernel
        self._wanted = wanted
        self._names: dict[bytes, int] = {}
        self._edges = bytearray()
        self._oids = bytearray()
        self._rows = bytearray()
        self._more: list[tuple[bytes, bytes]] = []
        self._oid_size = oid_size

    def trees(self, chains: Any, root: int) -> None:
        """What all trees that are made from one have that the one each is made from has not, and the other way round. Raises
        ValueError when one is damaged or no tree."""
        chains.note(root, self._oid_size, self._wanted, self._names, self._edges, self._oids)

    def tree(self, owner: int, data: bytes) -> None:
        """All that a tree has. Raises BadDelta when it is none."""
        self._kernel.changed_entries(
            *(b"", data, b"", b"", self._oid_size, self._wanted, self._names, owner, self._edges, self._oids)
        )

    def commit(self, oid: bytes, data: bytes) -> None:
        """Raises ValueError when the commit has no proper tree or parents."""
        size = self._oid_size
        ids = self._kernel.commit_ids(data, size)
        self._rows += oid
        self._rows += ids[: 2 * size].ljust(2 * size, b"\0")
        for at in range(2 * size, len(ids), size):
            self._more.append((oid, ids[at : at + size]))

    def noted(self) -> tuple[Noted, Commits]:
        edges = np.frombuffer(bytes(self._edges), np.int64).reshape(-1, 2)
        oids = np.frombuffer(bytes(self._oids), np.uint8).reshape(-1, self._oid_size)
        rows = np.frombuffer(bytes(self._rows), np.uint8).reshape(-1, 3 * self._oid_size)
        return Noted(edges[:, 0], edges[:, 1], oids, list(self._names)), Commits(rows, self._more)
