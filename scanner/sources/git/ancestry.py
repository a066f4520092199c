"""Who held a blob, and where: from the blobs up through the trees that hold them to the commits, without a diff of any two.

A tree's digest is a sum over its entries that lead to something wanted, of a number made from the entry's name and the digest
of what stands there. Sums can be had along chains of deltas: that of the base, plus what came, minus what went. A commit
brought something only if its tree's digest is none of its parents'; only there are entries looked at one by one.
"""

from __future__ import annotations

import os
import secrets
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np

from scanner.sources.git.pack import Bytes, Ints
from scanner.sources.git.provenance import Change
from scanner.sources.git.trees import FOLDER, GONE, NAME, Noted

Digests = np.ndarray[Any, np.dtype[np.uint64]]
"""Two words each: a column a tree."""
Entries = dict[bytes, tuple[bool, int]]
"""By name, what stands in a tree: whether that is a blob, and the number of the blob or tree."""


class Trees(NamedTuple):
    """Trees by number: id, and the number of the tree each is a delta against (-1: none)."""

    oids: Bytes
    parents: Ints


class Table:
    """Ids by number, to be found again."""

    def __init__(self, oids: Bytes) -> None:
        self._oids = np.ascontiguousarray(oids)
        keys = self._keys(self._oids)
        self._order = np.argsort(keys, kind="stable")
        self._sorted = keys[self._order]

    @staticmethod
    def _keys(oids: Bytes) -> np.ndarray[Any, np.dtype[np.uint64]]:
        return np.ascontiguousarray(oids[:, :8]).view(np.uint64).ravel()

    def find(self, wanted: Bytes) -> Ints:
        """The number of each id; -1 for what is not there. The first of equal ones."""
        out = np.full(len(wanted), -1, np.int64)
        if not len(self._sorted) or not len(wanted):
            return out
        keys = self._keys(wanted)
        at = np.searchsorted(self._sorted, keys)
        left = np.arange(len(wanted))
        while len(left):
            fits = at[left] < len(self._sorted)
            left = left[fits]
            left = left[self._sorted[at[left]] == keys[left]]
            numbers = self._order[at[left]]
            same = (self._oids[numbers] == wanted[left]).all(axis=1)
            out[left[same]] = numbers[same]
            left = left[~same]
            at[left] += 1
        return out


class Ancestry:
    """What led to some blobs, over all trees and commits of a store."""

    def __init__(self, blobs: frozenset[str], trees: Trees, noted: Iterable[Noted]) -> None:
        """`noted` number their trees as `trees` does. Raises ValueError when a tree's id is not of the ids' size."""
        self._blobs = sorted(blobs)
        self._parents = trees.parents
        self._table = Table(trees.oids)
        oid_size = trees.oids.shape[1]
        parts = list(noted)
        self._commits = np.concatenate([np.zeros((0, 3 * oid_size), np.uint8), *(p.commits for p in parts)])
        self._oid_size = oid_size
        self._more = [pair for p in parts for pair in p.more]
        self._edges(parts)
        self._digests = self._digest()
        self._narrow()
        self._known: dict[int, Entries] = {-1: {}}

    def _edges(self, parts: list[Noted]) -> None:
        """All edges in the order of their owners, their names numbered as one."""
        numbers: dict[bytes, int] = {}
        codes = []
        for part in parts:
            new = np.array([numbers.setdefault(name, len(numbers)) for name in part.names], np.int64)
            if len(part.codes):
                codes.append(new[part.codes >> NAME] << NAME | part.codes & (FOLDER | GONE))
        self._names = list(numbers)
        nothing = np.zeros(0, np.int64)
        owners = np.concatenate([nothing, *(p.owners for p in parts)])
        order = np.argsort(owners, kind="stable")
        self._owners = owners[order]
        self._codes = np.concatenate([nothing, *codes])[order]
        oids = np.concatenate([np.zeros((0, self._oid_size), np.uint8), *(p.oids for p in parts)])[order]
        folders = self._codes & FOLDER != 0
        self._targets = np.full(len(owners), -1, np.int64)
        self._targets[folders] = self._table.find(oids[folders])
        blobs = np.frombuffer(bytes.fromhex("".join(self._blobs)), np.uint8).reshape(-1, self._oid_size)
        self._targets[~folders] = Table(blobs).find(oids[~folders])

    def _digest(self) -> Digests:
        """By tree, of what is wanted below it; zero where there is nothing. A last column stands for no tree."""
        random = np.random.default_rng(secrets.randbits(128))
        salts = random.integers(1, 1 << 64, (2, len(self._names)), np.uint64, endpoint=False)
        marks = random.integers(1, 1 << 64, (2, len(self._blobs) + 1), np.uint64, endpoint=False)
        count = len(self._parents)
        digests = np.zeros((2, count + 1), np.uint64)
        jumps = self._jumps()
        folders = self._codes & FOLDER != 0
        gone = self._codes & GONE != 0
        own = np.zeros((2, count + 1), np.uint64)
        edges = np.flatnonzero(~folders & (self._targets >= 0))
        inner = np.flatnonzero(folders & (self._targets >= 0))
        before = np.zeros((2, count + 1), np.uint64)
        values, old = marks, np.zeros_like(marks)
        while len(edges):
            targets, owners = self._targets[edges], self._owners[edges]
            added = np.empty((2, len(edges)), np.uint64)
            for row in range(2):
                salt = salts[row, self._codes[edges] >> NAME]
                added[row] = _mixed(salt, values[row, targets]) - _mixed(salt, old[row, targets])
                added[row, gone[edges]] = -added[row, gone[edges]]
            first = np.flatnonzero(np.diff(owners, prepend=-1))
            own[:] = 0
            own[:, owners[first]] = np.add.reduceat(added, first, axis=1)
            for jump in jumps:
                own += own[:, jump]
            before[:] = digests
            digests += own
            moved = (before != digests).any(axis=0)
            edges = inner[moved[self._targets[inner]]]
            values, old = digests, before
        return digests

    def _jumps(self) -> list[Ints]:
        """Where each tree's chain leads in one step, in two, in four …; the number of all trees stands for its end."""
        count = len(self._parents)
        jump = np.append(np.where(self._parents < 0, count, self._parents), count)
        jumps = []
        while (jump != count).any():
            jumps.append(jump)
            jump = jump[jump]
        return jumps

    def _narrow(self) -> None:
        """Keep the edges that lead to something wanted, and for each tree the nearest in its chain that has such edges."""
        leads = self._targets >= 0
        folders = self._codes & FOLDER != 0
        leads[folders] &= (self._digests[:, self._targets[folders]] != 0).any(axis=0)
        self._owners, self._codes, self._targets = self._owners[leads], self._codes[leads], self._targets[leads]
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
            low, high = np.searchsorted(self._owners, (number, number + 1)).tolist()
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
        digests = self._digests[:, roots]
        alike = (digests[:, children] == digests[:, above]).all(axis=0)
        brought = (digests != 0).any(axis=0)
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
        while queue:
            path, tree, trees = queue.pop()
            if any((self._digests[:, tree] == self._digests[:, other]).all() for other in trees):
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
