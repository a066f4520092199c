"""The fast path through a pack: what a delta copies was looked at in its base, so only what it changed is looked at again.

Every chain of deltas is walked from its root. A chunk is searched in the windows that its delta may have changed; what was
found in the base outside of them is carried over. What this path does not understand is named for the reference path.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from scanner.model import Chunk, Origin
from scanner.sources.git.chains import HUGE, Chains
from scanner.sources.git.objects import Entry, message
from scanner.sources.git.pack import BLOB, COMMIT, KINDS, UNREADABLE, Ints, Pack, numbers
from scanner.sources.git.trees import Notes


class Pair(Protocol):
    """Something found: by the anchor numbered `anchor` that ends at `end`; it depends on the bytes from `end - back` to
    `end + forward`. `moved` gives it for the same bytes standing elsewhere."""

    @property
    def end(self) -> int: ...
    @property
    def anchor(self) -> int: ...
    @property
    def back(self) -> int: ...
    @property
    def forward(self) -> int: ...
    def moved(self, by: int) -> Any: ...


class Reader(Protocol):
    """Detection, as the walk needs it: where anchors end, which of these hits can lead to anything, and what they lead to.

    No anchor is longer than `span` bytes. `reaches` holds two native 32-bit numbers an anchor: how many bytes before and
    after the end of its hit decide what comes of it.
    """

    span: int
    reaches: bytes

    def hits(self, data: bytes) -> list[tuple[int, int]]: ...
    def sift(self, data: bytes, hits: list[tuple[int, int]]) -> list[tuple[int, int]]: ...
    def pairs(self, data: bytes, hits: list[tuple[int, int]]) -> list[Any]: ...


class Seen(NamedTuple):
    """What is known of an object when its children come: all its hits, as the kernel keeps them, and what they led to."""

    hits: bytes
    pairs: list[Any]


class Walk:
    """Walks chains of one pack. `tell` gets every object with something in it, `notes` every commit, and `broken` names
    what was left out."""

    def __init__(
        self,
        pack: Pack,
        first: Ints,
        kids: Ints,
        reader: Reader,
        tell: Callable[[Chunk, list[Any]], None],
        notes: Notes,
        plain: bool = False,
    ) -> None:
        self.pack = pack
        self.broken: list[Entry] = []
        self.bytes = 0
        self.objects = 0
        self._first = numbers(first)
        self._parents = numbers(pack.parents)
        self._kids = kids
        self._reader = reader
        self._tell = tell
        self._notes = notes
        self._chains = Chains(pack, plain)
        self._kernel = self._chains.kernel

    def tree(self, root: int) -> None:
        """One root and everything that is, in the end, a delta against it."""
        stack = [root]
        seen: dict[int, Seen] = {}
        left: dict[int, int] = {}
        parents, first = self._parents, self._first
        commits = self.pack.kinds[root] == COMMIT
        while stack:
            number = stack.pop()
            parent = parents[number] if number != root else -1
            try:
                data, known = self._root(number) if parent < 0 else self._delta(number, parent, seen[parent])
            except UNREADABLE:
                self._leave_out(number)
                data = None
            if data is not None:
                self.bytes += len(data)
                self.objects += 1
                if commits:
                    self._commit(number, data)
                if known.pairs:
                    self._tell(self._chunk(number, data), known.pairs)
                low, high = first[number], first[number + 1]
                if high > low:
                    stack.extend(self._kids[low:high].tolist())
                    seen[number] = known
                    left[number] = high - low
                    self._chains.keep(number, data)
            if parent >= 0:
                left[parent] -= 1
                if not left[parent]:
                    del left[parent], seen[parent]
                    self._chains.drop(parent)

    def _commit(self, number: int, data: bytes) -> None:
        """One that is no proper commit goes unnoted, and is missed later on."""
        with contextlib.suppress(ValueError):
            self._notes.commit(self.pack.oids[number].tobytes(), data)

    def _root(self, number: int) -> tuple[bytes, Seen]:
        data = self._chains.inflate(number)
        return data, self._whole(data)

    def _whole(self, data: bytes) -> Seen:
        reader = self._reader
        found = reader.hits(data)
        if not found:
            return NOTHING
        hits, again = self._kernel.carry(b"", found, [(0, 0, len(data))], [], 0, len(data), reader.span, reader.reaches)
        return Seen(hits, self._read(data, again))

    def _read(self, data: bytes, hits: list[tuple[int, int]]) -> list[Any]:
        hits = self._reader.sift(data, hits)
        return self._reader.pairs(data, hits) if hits else []

    def _delta(self, number: int, parent: int, seen: Seen) -> tuple[bytes, Seen]:
        reader, kernel = self._reader, self._kernel
        base = self._chains.base(parent)
        target, copies, windows = kernel.apply(base, self._chains.inflate(number), reader.span, HUGE)
        text, places = kernel.gather(target, windows)
        found = reader.hits(text) if text else []
        if not found and not seen.hits:
            return target, NOTHING
        if len(seen.pairs) * len(copies) > PATIENCE:
            return target, self._whole(target)
        hits, again = kernel.carry(
            seen.hits, found, places, copies, len(base), len(target), reader.span, reader.reaches
        )
        pairs: list[Any] = []
        if seen.pairs:
            pairs, more = carry(seen.pairs, copies, len(base), len(target), reader.span)
            if more:
                again = sorted({*again, *more})
        if again:
            pairs += self._read(target, again)
        return target, Seen(hits, pairs) if hits else NOTHING

    def _leave_out(self, number: int) -> None:
        """The object and everything that is a delta against it is for the reference path."""
        kind = KINDS[int(self.pack.kinds[number])]
        queue = [number]
        while queue:
            at = queue.pop()
            self.broken.append(Entry(self.pack.oid(at), kind, 0))
            queue.extend(self._kids[self._first[at] : self._first[at + 1]].tolist())

    def _chunk(self, number: int, data: bytes) -> Chunk:
        kind = int(self.pack.kinds[number])
        oid = self.pack.oid(number)
        return (
            Chunk(data, Origin("git", blob=oid)) if kind == BLOB else message(Entry(oid, KINDS[kind], len(data)), data)
        )


NOTHING = Seen(b"", [])
PATIENCE = 1 << 20
"""More comparisons than this cost more than reading the whole target."""


def carry(
    pairs: list[Any], copies: list[tuple[int, int, int]], base_size: int, target_size: int, span: int
) -> tuple[list[Any], list[tuple[int, int]]]:
    """What was found in the base and holds for the target as well, moved; and the hits that must be read again because
    bytes that what they led to depends on have changed although the anchor, of at most `span` bytes, has not."""
    kept = []
    again = []
    for pair in pairs:
        low, high = pair.end - pair.back, pair.end + pair.forward
        for target, base, length in copies:
            stop = base + length
            first = base == target == 0
            if not (first or base + span <= pair.end) or not base < pair.end <= stop:
                continue
            if (first or base <= low) and (high <= stop or (stop == base_size and target + length == target_size)):
                kept.append(pair.moved(target - base))
            else:
                again.append((pair.end + target - base, pair.anchor))
    return kept, again
