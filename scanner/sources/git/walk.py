"""The fast path through a pack: what a delta copies was looked at in its base, so only what it changed is looked at again.

Every chain of deltas is walked from its root. A chunk is searched in the windows that its delta may have changed; what was
found in the base outside of them is carried over. What this path does not understand is named for the reference path.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from scanner.model import Chunk, Origin
from scanner.sources.git.chains import HUGE, Chains
from scanner.sources.git.objects import Entry, message
from scanner.sources.git.pack import BLOB, KINDS, UNREADABLE, Ints, Pack


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
    """Detection, as the walk needs it. Outside of `back` and `forward` around an edit nothing that is not far changes."""

    back: int
    forward: int
    lead: int

    def hits(self, data: bytes) -> list[tuple[int, int]]: ...
    def pairs(self, data: bytes, hits: list[tuple[int, int]]) -> list[Any]: ...
    def far(self, hits: list[tuple[int, int]]) -> bool: ...


class Seen(NamedTuple):
    """What is known of an object when its children come: what was found in it, and whether it holds a far anchor."""

    pairs: list[Any]
    far: bool


class Walk:
    """Walks chains of one pack. `tell` gets every object with something in it, and `broken` every one left out."""

    def __init__(
        self,
        pack: Pack,
        first: Ints,
        kids: Ints,
        reader: Reader,
        tell: Callable[[Chunk, list[Any]], None],
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
        self._chains = Chains(pack, plain)
        self._kernel = self._chains.kernel

    def tree(self, root: int) -> None:
        """One root and everything that is, in the end, a delta against it."""
        stack = [root]
        seen: dict[int, Seen] = {}
        left: dict[int, int] = {}
        parents, first = self.pack.parents, self._first
        while stack:
            number = stack.pop()
            parent = int(parents[number]) if number != root else -1
            try:
                data, known = self._root(number) if parent < 0 else self._delta(number, parent, seen[parent])
            except UNREADABLE:
                self._leave_out(number)
                data = None
            if data is not None:
                self.bytes += len(data)
                self.objects += 1
                if known.pairs:
                    self._tell(self._chunk(number, data), known.pairs)
                low, high = int(first[number]), int(first[number + 1])
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

    def _root(self, number: int) -> tuple[bytes, Seen]:
        data = self._chains.inflate(number)
        hits = self._reader.hits(data)
        if not hits:
            return data, NOTHING
        return data, Seen(self._reader.pairs(data, hits), self._reader.far(hits))

    def _delta(self, number: int, parent: int, base_seen: Seen) -> tuple[bytes, Seen]:
        reader = self._reader
        base = self._chains.base(parent)
        pairs = base_seen.pairs
        target, copies, windows = self._kernel.apply(
            base, self._chains.inflate(number), reader.back, reader.forward, reader.lead, HUGE, bool(pairs)
        )
        if base_seen.far:
            hits = reader.hits(target)
            return target, Seen(reader.pairs(target, hits), reader.far(hits)) if hits else NOTHING
        text, places = self._kernel.gather(target, windows, reader.lead)
        hits = reader.hits(text) if text else []
        if hits and places is not None:
            hits = _placed(hits, places)
        far = reader.far(hits) if hits else False
        carried: list[Any] = []
        if pairs and copies:
            carried, again = carry(pairs, copies, len(base), len(target), reader.lead)
            if again:
                hits = sorted({*hits, *again})
        if hits:
            carried += reader.pairs(target, hits)
        return target, Seen(carried, far) if carried or far else NOTHING

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


NOTHING = Seen([], False)


def carry(
    pairs: list[Any], copies: list[tuple[int, int, int]], base_size: int, target_size: int, lead: int
) -> tuple[list[Any], list[tuple[int, int]]]:
    """What was found in the base and holds for the target as well, moved; and the hits that must be read again because
    bytes they depend on have changed although the anchor, of at most `lead` bytes, has not."""
    kept = []
    again = []
    for pair in pairs:
        low, high = pair.end - pair.back, pair.end + pair.forward
        for target, base, length in copies:
            stop = base + length
            if not base < pair.end <= stop:
                continue
            left = base <= low or base == target == 0
            right = high <= stop or (stop == base_size and target + length == target_size)
            if left and right:
                kept.append(pair.moved(target - base))
            elif base <= pair.end - lead or base == target == 0:
                again.append((pair.end + target - base, pair.anchor))
    return kept, again


def _placed(hits: list[tuple[int, int]], places: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Hits in a gathered text at their places in the target."""
    offsets = [offset for offset, _ in places]
    out = []
    for end, anchor in hits:
        offset, target = places[bisect_right(offsets, end - 1) - 1]
        out.append((end - offset + target, anchor))
    return out
