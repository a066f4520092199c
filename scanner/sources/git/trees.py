"""One pass over a pack's trees and commits: what each tree has that the tree it is a delta against has not.

Most trees differ in one entry from the one they were made from, so this is a small part of what the trees hold; `ancestry`
puts it together again, for the entries that lead to something wanted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import repeat
from typing import Any, NamedTuple

import numpy as np

from scanner.sources.git.chains import HUGE, Chains
from scanner.sources.git.pack import COMMIT, TREE, Bytes, Ints, Pack, children

GONE, FOLDER, NAME = 1, 2, 2
"""In an edge's code: the bit of what was there before only, that of a folder, and how far up the name's number stands."""


class Noted(NamedTuple):
    """What some trees and commits of one store say. An edge is an entry that a tree has and the tree it is a delta against
    has not, or the other way round."""

    owners: Ints
    """By edge: the number in its pack of the tree it is of."""
    codes: Ints
    """By edge: four times the number of its name, and the bits FOLDER and GONE."""
    oids: Bytes
    """By edge: the id of what stands there, a row each."""
    names: list[bytes]
    commits: Bytes
    """A row each: its id, its tree's, and its first parent's (zeros when it has none)."""
    more: list[tuple[bytes, bytes]]
    """Further parents: id of the commit, and of the parent."""


class Forest:
    """The trees and commits of one pack."""

    def __init__(self, pack: Pack, plain: bool = False) -> None:
        self.pack = pack
        self._chains = Chains(pack, plain)
        numbers = np.flatnonzero((pack.kinds == TREE) | (pack.kinds == COMMIT))
        self._first, self._kids = children(pack, numbers)

    def note(self, roots: Iterable[int], blobs: frozenset[bytes]) -> Noted:
        """All that stands in whole trees of deltas: folders, and of the rest what is in `blobs`.

        Raises what `pack.UNREADABLE` names.
        """
        notes = Notes(self.pack.oids.shape[1], self._chains.kernel)
        wanted = set(blobs)
        kinds = self.pack.kinds
        for root in roots:
            tree = kinds[root] == TREE
            for number, base, data in self.walk(root):
                if tree:
                    notes.tree(number, base, data, wanted)
                else:
                    notes.commit(bytes(self.pack.oids[number]), data)
        return notes.noted()

    def walk(self, root: int) -> Iterator[tuple[int, bytes, bytes]]:
        """A root and all that is, in the end, a delta against it, parents first: number, the content of what it is a delta
        against (nothing for the root), and its own content."""
        chains, first, kids, parents = self._chains, self._first, self._kids, self.pack.parents
        inflate, apply = chains.inflate, chains.kernel.apply
        data = inflate(root)
        yield root, b"", data
        low, high = int(first[root]), int(first[root + 1])
        if high == low:
            return
        stack = kids[low:high].tolist()
        left = {root: high - low}
        chains.keep(root, data)
        while stack:
            number = stack.pop()
            parent = int(parents[number])
            base = chains.base(parent)
            data = apply(base, inflate(number), 0, HUGE)[0]
            yield number, base, data
            left[parent] -= 1
            if not left[parent]:
                del left[parent]
                chains.drop(parent)
            low, high = int(first[number]), int(first[number + 1])
            if high > low:
                stack.extend(kids[low:high].tolist())
                left[number] = high - low
                chains.keep(number, data)


class Notes:
    """Collects what a `Noted` holds."""

    def __init__(self, oid_size: int, kernel: Any) -> None:
        self._kernel = kernel
        self._names: dict[bytes, int] = {}
        self._codes: list[int] = []
        self._oids: list[bytes] = []
        self._owners: list[int] = []
        self._rows: list[bytes] = []
        self._more: list[tuple[bytes, bytes]] = []
        self._oid_size = oid_size

    def tree(self, owner: int, base: bytes, data: bytes, wanted: set[bytes]) -> None:
        """What a tree has that another has not, and the other way round. Raises BadDelta when one is no tree."""
        self._kernel.changed_entries(base, data, self._oid_size, wanted, self._names, self._codes, self._oids)
        if fresh := len(self._codes) - len(self._owners):
            self._owners.extend(repeat(owner, fresh))

    def commit(self, oid: bytes, data: bytes) -> None:
        """Raises ValueError when the commit has no proper tree or parents."""
        tree, parents = parse_commit(data, self._oid_size)
        self._rows += (oid, tree, parents[0] if parents else bytes(self._oid_size))
        self._more += [(oid, p) for p in parents[1:]]

    def noted(self) -> Noted:
        return Noted(
            np.array(self._owners, np.int64),
            np.array(self._codes, np.int64),
            _rows(self._oids, self._oid_size),
            list(self._names),
            _rows(self._rows, 3 * self._oid_size),
            self._more,
        )


def _rows(parts: list[bytes], width: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.frombuffer(b"".join(parts), np.uint8).reshape(-1, width)


def parse_commit(data: bytes, oid_size: int) -> tuple[bytes, list[bytes]]:
    """The ids of a commit object's tree and parents. Raises ValueError when it has no proper ones."""
    width = 2 * oid_size
    if data[:5] != b"tree ":
        raise ValueError("it is no commit")
    tree = bytes.fromhex(data[5 : 5 + width].decode("ascii"))
    at = 6 + width
    parents = []
    while data[at : at + 7] == b"parent ":
        parents.append(bytes.fromhex(data[at + 7 : at + 7 + width].decode("ascii")))
        at += 8 + width
    if not all(len(oid) == oid_size for oid in (tree, *parents)):
        raise ValueError("it is no commit")
    return tree, parents
