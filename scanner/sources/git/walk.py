"""The fast path through a pack: what a delta copies was looked at in its base, so only what it changed is looked at again.

Every chain of deltas is walked from its root. A chunk is searched in the windows that its delta may have changed; what was
found in the base outside of them is carried over. What this path does not understand is named for the reference path.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from scanner.model import Chunk, Origin
from scanner.sources.git.chains import kernel, open_chains
from scanner.sources.git.kernel_py import COPY, Copies, Place
from scanner.sources.git.objects import Entry, message
from scanner.sources.git.pack import BLOB, COMMIT, KINDS, Ints, Pack
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

    No anchor is longer than `span` bytes. `reaches` says by anchor what of the text around its hit decides what comes of
    it, as `kernel_py.carry` wants it.
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
        self._first = first
        self._kids = kids
        self._reader = reader
        self._tell = tell
        self._notes = notes
        self._kernel = kernel(plain)
        self._chains = open_chains(pack, first, kids, plain)

    def tree(self, root: int) -> None:
        """One root and everything that is, in the end, a delta against it."""
        seen: dict[int, Seen] = {-1: NOTHING}
        commits = self.pack.kinds[root] == COMMIT
        hits, span = self._reader.hits, self._reader.span
        for number, parent, base, data, copies, text, places, keeps, finished in self._chains.walk(root, span):
            if data is None:
                self._leave_out(number)
            else:
                self.bytes += len(data)
                self.objects += 1
                if commits:
                    self._commit(number, data)
                found = hits(text) if text else []
                before = seen[parent]
                known = self._look(data, found, places, copies, before, base) if found or before.hits else NOTHING
                if known.pairs:
                    self._tell(self._chunk(number, data), known.pairs)
                if keeps:
                    seen[number] = known
            if finished >= 0:
                del seen[finished]

    def _commit(self, number: int, data: bytes) -> None:
        """One that is no proper commit goes unnoted, and is missed later on."""
        with contextlib.suppress(ValueError):
            self._notes.commit(self.pack.oids[number].tobytes(), data)

    def _look(
        self,
        data: bytes,
        found: list[tuple[int, int]],
        places: list[Place],
        copies: Copies,
        seen: Seen,
        base: bytes,
    ) -> Seen:
        """What there is in an object: carried over from its base, or read."""
        reader = self._reader
        if len(seen.pairs) * len(copies) // COPY > PATIENCE:
            found, places, copies, seen = reader.hits(data), [(0, 0, len(data))], b"", NOTHING
        hits, again = self._kernel.carry(
            *(seen.hits, found, places, copies, base, len(data), reader.span, reader.reaches)
        )
        pairs: list[Any] = []
        if seen.pairs:
            pairs, more = carry(self._kernel, seen.pairs, copies, len(base), len(data), reader.span)
            if more:
                again = sorted({*again, *more})
        if again and (again := reader.sift(data, again)):
            pairs += reader.pairs(data, again)
        return Seen(hits, pairs) if hits else NOTHING

    def _leave_out(self, number: int) -> None:
        """The object and everything that is a delta against it is for the reference path."""
        kind = KINDS[int(self.pack.kinds[number])]
        queue = [number]
        while queue:
            at = queue.pop()
            self.broken.append(Entry(self.pack.oid(at), kind, 0))
            queue.extend(self._kids[int(self._first[at]) : int(self._first[at + 1])].tolist())

    def _chunk(self, number: int, data: bytes) -> Chunk:
        kind = int(self.pack.kinds[number])
        oid = self.pack.oid(number)
        return (
            Chunk(data, Origin("git", blob=oid)) if kind == BLOB else message(Entry(oid, KINDS[kind], len(data)), data)
        )


NOTHING = Seen(b"", [])
PATIENCE = 1 << 20
"""More comparisons than this cost more than reading the whole target."""


def carry(kernel: Any, pairs: list[Any], copies: Copies, *sizes: int) -> tuple[list[Any], list[tuple[int, int]]]:
    """What was found in the base and holds for the target as well, moved; and the hits that must be read again because
    bytes that what they led to depends on have changed although the anchor has not. `sizes` are as `kernel.follow` takes them."""
    kept = []
    again = []
    marks = [(pair.end, pair.back, pair.forward) for pair in pairs]
    for number, by, intact in kernel.follow(marks, copies, *sizes):
        pair = pairs[number]
        if intact:
            kept.append(pair.moved(by))
        else:
            again.append((pair.end + by, pair.anchor))
    return kept, again
