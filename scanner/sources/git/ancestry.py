"""Who held a blob, and where: from the blobs up through the trees that hold them to the commits, without a diff of any two.

A tree's digest is a sum over its entries that lead to something wanted, of a number made from the entry's name and the digest
of what stands there. Sums can be had along chains of deltas: that of the base, plus what came, minus what went. A commit
brought something only if its tree's digest is none of its parents'; only there are entries looked at one by one.
"""

from __future__ import annotations

import os
import secrets
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from scanner.sources.git.pack import TREE, Bytes, Ints, Pack
from scanner.sources.git.provenance import Change
from scanner.sources.git.trees import FOLDER, GONE, NAME, Commits, Noted

Digests = np.ndarray[Any, np.dtype[np.uint64]]
"""A random-looking word each: two that differ are alike once in 2^64 times."""
DEEPEST = 2049
"""Folders in folders; git itself stops at 2,048 (`core.maxTreeDepth`)."""
Entries = dict[bytes, tuple[bool, int]]
"""By name, what stands in a tree: whether that is a blob, and the number of the blob or tree."""


class Endless(ValueError):
    """Whoever follows these trees, git as well, never comes to an end."""


class Table:
    """Ids by number, to be found again.

    Ids are evenly spread, so a few of their bits say almost where each stands among all in order.
    """

    def __init__(self, oids: Bytes) -> None:
        self._oids = np.ascontiguousarray(oids)
        keys = self._keys(self._oids)
        self._order = np.argsort(keys, kind="stable")
        self._sorted = np.append(keys[self._order], np.uint64(0))
        bits = max(1, len(keys).bit_length())
        self._shift = np.uint64(64 - bits)
        starts = np.arange(1 << bits, dtype=np.uint64) << self._shift
        self._starts = np.searchsorted(self._sorted[:-1], starts)

    @staticmethod
    def _keys(oids: Bytes) -> np.ndarray[Any, np.dtype[np.uint64]]:
        return np.ascontiguousarray(oids[:, :8]).view(np.uint64).ravel()

    def find(self, wanted: Bytes) -> Ints:
        """The number of each id; -1 for what is not there. The first of equal ones."""
        out = np.full(len(wanted), -1, np.int64)
        count = len(self._order)
        if not count or not len(wanted):
            return out
        keys = self._keys(wanted)
        at = self._starts[keys >> self._shift]
        left = np.arange(len(wanted))
        while len(left):
            place, key = at[left], keys[left]
            there = self._sorted[place]
            inside = place < count
            same = np.flatnonzero(inside & (there == key))
            numbers = self._order[place[same]]
            found = (self._oids[numbers] == wanted[left[same]]).all(axis=1)
            out[left[same[found]]] = numbers[found]
            further = inside & (there <= key)
            further[same[found]] = False
            left = left[further]
            at[left] += 1
        return out


class Census:
    """All trees of a store, and the blobs that are wanted, numbered.

    Whole trees come first, then those that are deltas against these, and so on: `levels` says where each such level begins,
    and the last one ends. `parents` holds, by tree, the number of the tree it is a delta against (-1: none).
    """

    def __init__(self, packs: Sequence[Pack], loose: Sequence[bytes], blobs: frozenset[str], oid_size: int) -> None:
        """`loose` are the ids of loose trees."""
        self.blobs = sorted(blobs)
        self.oid_size = oid_size
        self._blobs = Table(_rows(bytes.fromhex("".join(self.blobs)), oid_size))
        mine = [np.flatnonzero(pack.kinds == TREE) for pack in packs]
        counts = [*map(len, mine), len(loose)]
        starts = [0, *np.cumsum(counts).tolist()]
        above = np.full(starts[-1], -1, np.int64)
        places = []
        for pack, trees, start in zip(packs, mine, starts, strict=False):
            place = np.full(len(pack.kinds) + 1, -1, np.int64)
            place[trees] = np.arange(start, start + len(trees))
            parents = pack.parents[trees]
            above[start : start + len(trees)] = place[np.where(parents < 0, len(pack.kinds), parents)]
            places.append(place)
        places.append(np.arange(starts[-2], starts[-1]))
        steps = _steps(above)
        order = np.argsort(steps, kind="stable")
        number = np.empty(len(order) + 1, np.int64)
        number[order] = np.arange(len(order))
        number[-1] = -1  # of none
        self._numbers = [number[place] for place in places]
        """By pack, and at last for the loose trees: the number of each."""
        self.parents: Ints = number[above[order]]
        self.levels: list[int] = np.cumsum(np.bincount(steps)).tolist()
        oids = [*(pack.oids[trees] for pack, trees in zip(packs, mine, strict=True)), _rows(b"".join(loose), oid_size)]
        self.table = Table(np.concatenate(oids)[order])

    def edges(self, pack: int, noted: Noted) -> Edges:
        """What was noted of the pack of that number (-1: of the loose trees, numbered from 0), in this numbering."""
        targets = np.empty(len(noted.owners), np.int64)
        folders = noted.codes & FOLDER != 0
        targets[folders] = self.table.find(noted.oids[folders])
        targets[~folders] = self._blobs.find(noted.oids[~folders])
        known = targets >= 0
        owners = self._numbers[pack][noted.owners[known]]
        codes = noted.codes[known]
        return Edges(owners.astype(np.int32), codes.astype(np.int32), targets[known].astype(np.int32), noted.names)


class Edges(NamedTuple):
    """By edge: the tree it is of, its code, and the number of the tree or wanted blob that stands there. The edges of one tree
    follow one another."""

    owners: Any
    codes: Any
    targets: Any
    names: list[bytes]


def _steps(above: Ints) -> Ints:
    """How far each is from where its chain ends."""
    count = len(above)
    jump = np.append(np.where(above < 0, count, above), count)
    steps = (jump != count).astype(np.int64)
    while (jump != count).any():
        steps += steps[jump]
        jump = jump[jump]
    out: Ints = steps[:-1]
    return out


def _rows(data: bytes, width: int) -> Bytes:
    return np.frombuffer(data, np.uint8).reshape(-1, width)


class Ancestry:
    """What led to some blobs, over all trees and commits of a store."""

    def __init__(self, census: Census, edges: list[Edges], commits: list[Commits]) -> None:
        """Raises Endless when trees hold each other, as no sound ones can."""
        self._blobs = census.blobs
        self._parents = census.parents
        self._levels = census.levels
        self._table = census.table
        self._oid_size = census.oid_size
        self._commits = np.concatenate([_rows(b"", 3 * census.oid_size), *(c.rows for c in commits)])
        self._more = [pair for c in commits for pair in c.more]
        self._join(edges)
        self._digests = self._digest()
        self._narrow()
        self._known: dict[int, Entries] = {-1: {}}

    def _join(self, parts: list[Edges]) -> None:
        """All edges, their names numbered as one."""
        numbers: dict[bytes, int] = {}
        codes = []
        for part in parts:
            new = np.array([numbers.setdefault(name, len(numbers)) for name in part.names], np.int32)
            if len(part.codes):
                codes.append(new[part.codes >> NAME] << NAME | part.codes & (FOLDER | GONE))
        self._names = list(numbers)
        nothing = np.zeros(0, np.int32)
        self._owners = np.concatenate([nothing, *(p.owners for p in parts)])
        self._codes = np.concatenate([nothing, *codes])
        self._targets = np.concatenate([nothing, *(p.targets for p in parts)])

    def _digest(self) -> Digests:
        """By tree, of what is wanted below it; zero where there is nothing. A last row stands for no tree."""
        random = np.random.default_rng(secrets.randbits(128))
        salts = random.integers(1, 1 << 64, len(self._names), np.uint64, endpoint=False)
        marks = random.integers(1, 1 << 64, len(self._blobs) + 1, np.uint64, endpoint=False)
        count = len(self._parents)
        digests = np.zeros(count + 1, np.uint64)
        folders = self._codes & FOLDER != 0
        gone = self._codes & GONE != 0
        own = np.zeros(count + 1, np.uint64)
        edges = np.flatnonzero(~folders)
        inner = np.flatnonzero(folders)
        below = self._targets[inner].astype(np.int64)
        values, old = marks, np.zeros_like(marks)
        depth = 0
        while len(edges):
            depth += 1
            if depth > DEEPEST:
                raise Endless("trees hold each other, or lie deeper in each other than git allows")
            targets, owners = self._targets[edges], self._owners[edges]
            salt = salts[self._codes[edges] >> NAME]
            added = _mixed(salt, values[targets]) - _mixed(salt, old[targets])
            added[gone[edges]] = -added[gone[edges]]
            first = np.flatnonzero(np.diff(owners, prepend=-1))
            own[:] = 0
            own[owners[first]] = np.add.reduceat(added, first)
            for low, high in pairwise(self._levels):
                own[low:high] += own.take(self._parents[low:high])
            moved = own != 0
            values, old = digests + own, digests
            digests = values
            edges = inner[moved.take(below)]
        return digests

    def _narrow(self) -> None:
        """Keep the edges that lead to something wanted, and for each tree the nearest in its chain that has such edges."""
        folders = self._codes & FOLDER != 0
        leads = ~folders
        leads[folders] = (self._digests != 0)[self._targets[folders]]
        kept = np.flatnonzero(leads)
        kept = kept[np.argsort(self._owners[kept], kind="stable")]
        self._owners, self._codes, self._targets = self._owners[kept], self._codes[kept], self._targets[kept]
        first = np.flatnonzero(np.diff(self._owners, prepend=-1))
        ends = np.append(first, len(kept))[1:].tolist()
        self._spans = dict(zip(self._owners[first].tolist(), zip(first.tolist(), ends, strict=True), strict=True))
        count = len(self._parents)
        nearest = np.append(np.where(self._parents < 0, count, self._parents), count)
        nearest[self._owners] = self._owners
        while not np.array_equal(further := nearest[nearest], nearest):
            nearest = further
        nearest[nearest == count] = -1
        self._nearest = nearest

    def _entries(self, tree: int) -> Entries:
        """What of a tree's entries leads to something wanted."""
        chain = []
        at = int(self._nearest[tree])
        while at not in self._known:
            chain.append(at)
            above = int(self._parents[at])
            at = int(self._nearest[above]) if above >= 0 else -1
        entries = self._known[at]
        for number in reversed(chain):
            entries = dict(entries)
            low, high = self._spans.get(number, (0, 0))
            edges = [
                (self._names[code >> NAME], code, target)
                for code, target in zip(self._codes[low:high].tolist(), self._targets[low:high].tolist(), strict=True)
            ]
            for name, code, target in edges:
                if code & GONE and entries.get(name) == (not code & FOLDER, target):
                    del entries[name]
            for name, code, target in edges:
                if not code & GONE:
                    entries[name] = (not code & FOLDER, target)
            self._known[number] = entries
        return entries

    def changes(self) -> Iterator[Change]:
        """Every change that brought a wanted blob to a path where none of the commit's parents had that very blob."""
        size = self._oid_size
        oids, firsts = self._commits[:, :size], self._commits[:, 2 * size :]
        table = Table(oids)
        roots = self._table.find(self._commits[:, size : 2 * size])
        more = np.frombuffer(b"".join(a + b for a, b in self._more), np.uint8).reshape(-1, 2 * size)
        children = np.concatenate([np.arange(len(oids)), table.find(more[:, :size])])
        above = table.find(np.concatenate([firsts, more[:, size:]]))
        known = above >= 0
        children, above = children[known], above[known]
        digests = self._digests[roots]
        alike = digests[children] == digests[above]
        brought = digests != 0
        brought[children[alike]] = False
        parents: dict[int, list[int]] = defaultdict(list)
        wanted = brought[children]
        for child, parent in zip(children[wanted].tolist(), above[wanted].tolist(), strict=True):
            parents[child].append(int(roots[parent]))
        seen = set()
        for commit in np.flatnonzero(brought).tolist():
            oid = bytes(oids[commit]).hex()
            if oid not in seen:
                seen.add(oid)
                before = [tree for tree in parents[commit] if tree >= 0]
                for path, blob, old in self._introduced(int(roots[commit]), before):
                    yield Change(oid, os.fsdecode(path), blob, old)

    def _introduced(self, root: int, before: list[int]) -> Iterator[tuple[bytes, str, tuple[str, ...]]]:
        """Path, blob and what stood there before, for every wanted blob below a tree that none of the trees `before` has
        at that path."""
        queue = [(b"", root, before)]
        digests = self._digests
        while queue:
            path, tree, trees = queue.pop()
            if any(digests[tree] == digests[other] for other in trees):
                continue
            old = [self._entries(other) for other in trees]
            for name, entry in self._entries(tree).items():
                there = [entries[name] for entries in old if name in entries]
                if entry in there:
                    continue
                is_blob, number = entry
                if is_blob:
                    yield path + name, self._blobs[number], tuple(self._blobs[n] for blob, n in there if blob)
                else:
                    queue.append((path + name + b"/", number, [n for blob, n in there if not blob]))

    def standing(self, tips: Iterable[str]) -> dict[str, set[str]]:
        """By path: the wanted blobs that stand there in any of these commits."""
        size = self._oid_size
        wanted = np.frombuffer(bytes.fromhex("".join(tips)), np.uint8).reshape(-1, size)
        commits = Table(self._commits[:, :size]).find(wanted)
        roots = self._table.find(self._commits[commits[commits >= 0], size : 2 * size])
        out: dict[str, set[str]] = defaultdict(set)
        queue = [(b"", root) for root in sorted({*roots.tolist()} - {-1})]
        seen = set(queue)
        while queue:
            path, tree = queue.pop()
            for name, (is_blob, number) in self._entries(tree).items():
                if is_blob:
                    out[os.fsdecode(path + name)].add(self._blobs[number])
                elif (below := (path + name + b"/", number)) not in seen:
                    seen.add(below)
                    queue.append(below)
        return out


def _mixed(salt: Digests, value: Digests) -> Digests:
    """A number of name and value, zero where the value is (the finisher of splitmix64)."""
    x = value + salt
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    x ^= x >> np.uint64(31)
    x[value == 0] = 0
    return x
