"""Who held a blob, found from the blob's side: up through the trees that hold it to the commits, without a diff of any two.

One pass over a store's trees notes which entries each delta touched; from then on only the trees that hold something
wanted are looked at. Where this cannot tell (packs that only git can read), the caller asks git for diffs instead.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from scanner.sources.git.chains import HUGE, Chains
from scanner.sources.git.pack import COMMIT, TREE, Ints, Pack, children
from scanner.sources.git.provenance import Change

Prefixes = np.ndarray[Any, np.dtype[np.uint64]]


class Known(NamedTuple):
    """A commit: its id, its tree's, and its parents'."""

    oid: str
    tree: str
    parents: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Noted:
    """What the pass over some objects brought: the prefixes of entries that a delta touched, each with the number of the
    tree it is in, of folders and of wanted blobs; and the commits."""

    folders: tuple[Prefixes, Ints]
    wanted: tuple[Prefixes, Ints]
    commits: list[Known]

    @classmethod
    def together(cls, parts: list[Noted]) -> Noted:
        """One of many, its prefixes sorted."""
        return cls(
            _sorted([p.folders for p in parts]),
            _sorted([p.wanted for p in parts]),
            [c for p in parts for c in p.commits],
        )


def _sorted(parts: list[tuple[Prefixes, Ints]]) -> tuple[Prefixes, Ints]:
    if not parts:
        return NONE
    found = np.concatenate([p[0] for p in parts])
    order = np.argsort(found, kind="stable")
    return found[order], np.concatenate([p[1] for p in parts])[order]


NONE: tuple[Prefixes, Ints] = (np.array([], np.uint64), np.array([], np.int64))


def prefix(oids: Iterable[bytes]) -> Prefixes:
    """The first eight bytes of ids, sorted, each once."""
    return np.unique(np.frombuffer(b"".join(oid[:8] for oid in oids), np.uint64))


class Forest:
    """The trees and commits of one pack."""

    def __init__(self, pack: Pack, plain: bool = False) -> None:
        self.pack = pack
        self.oid_size = pack.oids.shape[1]
        self._chains = Chains(pack, plain)
        self._kernel = self._chains.kernel
        numbers = np.flatnonzero((pack.kinds == TREE) | (pack.kinds == COMMIT))
        self._first, self._kids = children(pack, numbers)

    def walk(self, root: int, visit: Callable[[int, bytes, list[tuple[int, int]] | None], bool]) -> None:
        """Visit a root and what is a delta against it, parents first, each with its content and the windows of its delta
        (None for the root); below an object for which `visit` answers False nothing is visited.

        Raises what `pack.UNREADABLE` names.
        """
        chains, first, kids, parents = self._chains, self._first, self._kids, self.pack.parents
        stack = [root]
        left: dict[int, int] = {}
        while stack:
            number = stack.pop()
            windows = None
            if number == root:
                data = chains.inflate(number)
            else:
                base = chains.base(int(parents[number]))
                data, _, windows = self._kernel.apply(base, chains.inflate(number), 1, 1, 0, HUGE, False)
            low, high = int(first[number]), int(first[number + 1])
            if visit(number, data, windows) and high > low:
                stack.extend(kids[low:high].tolist())
                left[number] = high - low
                chains.keep(number, data)
            if number != root:
                parent = int(parents[number])
                left[parent] -= 1
                if not left[parent]:
                    del left[parent]
                    chains.drop(parent)

    def note(self, roots: Iterable[int], blobs: Prefixes) -> Noted:
        """One pass over whole trees of deltas."""
        commits: list[Known] = []
        kinds = self.pack.kinds
        folders: list[bytes] = []
        others: list[bytes] = []
        owners: list[tuple[int, int, int]] = []
        everything = [(0, HUGE)]

        def visit(number: int, data: bytes, windows: list[tuple[int, int]] | None) -> bool:
            if kinds[number] == COMMIT:
                commits.append(parse_commit(self.pack.oid(number), data))
            else:
                touched = everything if windows is None else windows
                own_folders, own_others = self._kernel.fresh_entries(data, touched, self.oid_size)
                folders.append(own_folders)
                others.append(own_others)
                owners.append((number, len(own_folders) >> 3, len(own_others) >> 3))
            return True

        for root in roots:
            self.walk(root, visit)
        if not owners:
            return Noted(NONE, NONE, commits)
        table = np.array(owners, np.int64)
        found = np.frombuffer(b"".join(others), np.uint64)
        hit = np.isin(found, blobs)
        return Noted(
            (np.frombuffer(b"".join(folders), np.uint64), np.repeat(table[:, 0], table[:, 1])),
            (found[hit], np.repeat(table[:, 0], table[:, 2])[hit]),
            commits,
        )

    def holding(self, fresh: Ints, wanted: set[bytes]) -> Iterator[tuple[bytes, list[tuple[bytes, bytes]]]]:
        """Every tree that holds a wanted entry, `fresh` being those in which a delta touched one: its id, and the names and
        ids of such entries."""
        parents = self.pack.parents
        needed: set[int] = set()
        for number in fresh.tolist():
            at = number
            while at >= 0 and at not in needed:
                needed.add(at)
                at = int(parents[at])
        out: list[tuple[bytes, list[tuple[bytes, bytes]]]] = []
        holds: set[int] = set()

        def visit(number: int, data: bytes, _windows: list[tuple[int, int]] | None) -> bool:
            if number not in needed and int(parents[number]) not in holds:
                return False
            found = self._kernel.find_entries(data, self.oid_size, wanted)
            if found:
                holds.add(number)
                out.append((bytes(self.pack.oids[number]), found))
            return True

        for root in sorted({int(self.pack.roots[n]) for n in fresh.tolist()}):
            self.walk(root, visit)
            yield from out
            out.clear()


def parse_commit(oid: str, data: bytes) -> Known:
    """The head of a commit object. Raises ValueError when its tree has no proper id."""
    tree, parents = "", []
    for line in data.partition(b"\n\n")[0].split(b"\n"):
        name, _, value = line.partition(b" ")
        if name == b"tree":
            tree = value.decode("ascii", "replace")
        elif name == b"parent":
            parents.append(value.decode("ascii", "replace"))
        else:
            break
    bytes.fromhex(tree)
    return Known(oid, tree, tuple(parents))


def entries_of(tree: bytes, oid_size: int) -> list[tuple[bytes, bytes]]:
    """Names and ids of all entries of a tree object. Raises ValueError when it is none."""
    out = []
    at = 0
    while at < len(tree):
        space, end = tree.find(b" ", at), tree.find(b"\0", at)
        if not at < space < end:
            raise ValueError("it is no tree")
        at = end + 1 + oid_size
        out.append((tree[space + 1 : end], tree[end + 1 : at]))
    return out


class Holders:
    """Which trees hold which wanted entries, found level by level from the blobs up."""

    def __init__(self, blobs: frozenset[str]) -> None:
        self._blobs = {bytes.fromhex(b): b for b in blobs}
        self._entries: dict[bytes, dict[bytes, bytes]] = defaultdict(dict)

    def add(self, tree: bytes, entries: list[tuple[bytes, bytes]]) -> None:
        self._entries[tree].update(entries)

    def trees(self) -> set[bytes]:
        return set(self._entries)

    def introduced(
        self, tree: bytes, before: list[bytes], path: bytes = b""
    ) -> Iterator[tuple[bytes, str, tuple[str, ...]]]:
        """Path, blob and what stood there before, for every wanted blob below `tree` that none of the trees `before` has
        at that path."""
        held = self._entries.get(tree)
        if held is None or tree in before:
            return
        old = [entries for b in before if (entries := self._entries.get(b)) is not None]
        changed = set(held.items())
        for entries in old:
            changed -= entries.items()
        for name, oid in sorted(changed):
            there = [entries[name] for entries in old if name in entries]
            blob = self._blobs.get(oid)
            if blob is not None:
                yield path + name, blob, tuple(self._blobs[o] for o in there if o in self._blobs)
            else:
                yield from self.introduced(oid, there, path + name + b"/")

    def standing(self, roots: Iterable[bytes]) -> dict[str, set[str]]:
        """By path: the wanted blobs that stand there below any of the trees."""
        out: dict[str, set[str]] = defaultdict(set)
        queue = [(b"", root) for root in roots]
        seen = set(queue)
        while queue:
            path, tree = queue.pop()
            for name, oid in self._entries.get(tree, {}).items():
                blob = self._blobs.get(oid)
                if blob is not None:
                    out[os.fsdecode(path + name)].add(blob)
                elif (below := (path + name + b"/", oid)) not in seen:
                    seen.add(below)
                    queue.append(below)
        return out


def climb(
    holders: Holders,
    blobs: frozenset[str],
    noted: list[tuple[Noted, Forest]],
    single: dict[bytes, list[tuple[bytes, bytes]]],
) -> None:
    """Fill `holders`: from the trees that hold a blob to those that hold these, up to the roots.

    `single` are trees that stand by themselves (loose ones): id to names and ids of all their entries.
    """
    wanted = {bytes.fromhex(b) for b in blobs}
    level = set(wanted)
    first = True
    while level:
        look = prefix(level)
        before = holders.trees()
        for some, forest in noted:
            numbers = _owners(*(some.wanted if first else some.folders), look)
            for tree, entries in forest.holding(numbers, level):
                holders.add(tree, entries)
        for tree, entries in single.items():
            if own := [entry for entry in entries if entry[1] in level]:
                holders.add(tree, own)
        level = holders.trees() - before if not first else holders.trees()
        first = False


def _owners(found: Prefixes, owners: Ints, look: Prefixes) -> Ints:
    """The trees in which one of the prefixes `look` was noted."""
    low, high = np.searchsorted(found, look, "left"), np.searchsorted(found, look, "right")
    ranges = [owners[a:b] for a, b in zip(low.tolist(), high.tolist(), strict=True) if b > a]
    return np.unique(np.concatenate(ranges)) if ranges else np.array([], np.int64)


def changes(commits: Iterable[Known], holders: Holders) -> Iterator[Change]:
    """Every change that brought a wanted blob to a path where none of the commit's parents had that very blob."""
    trees = {commit.oid: bytes.fromhex(commit.tree) for commit in commits}
    for commit in commits:
        before = [trees[p] for p in commit.parents if p in trees]
        for path, blob, old in holders.introduced(trees[commit.oid], before):
            yield Change(commit.oid, os.fsdecode(path), blob, old)
