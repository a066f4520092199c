"""Going through deltas and naming what each may have changed, in plain Python: the twin that `_kernel` is held against.

The format is git's (gitformat-pack(5), "Deltified representation"): two sizes, then copies from the base and insertions.
"""

from __future__ import annotations

import struct
import zlib
from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, cast

from isal import isal_zlib

Copies = bytes
"""Three native 64-bit numbers each: offset in the target, offset in the base, length."""
COPY = 24
"""Bytes of one."""
Window = tuple[int, int]
"""A stretch of a target: from, up to."""
Place = tuple[int, int, int]
"""Where a window begins in a gathered text; where it begins, and ends, in the target."""
Hit = tuple[int, int]
"""An anchor's end in the data, and its number."""


Step = tuple[int, int, bytes, bytes | None, Copies, bytes | None, list[Place] | None, bool, int]
"""An object's number; the number of what it is a delta against (-1: it is whole), and the content of that; its own, None when it
cannot be read; what it copied; what must be looked at in it, and where that stands; whether others are deltas against it;
and the number of the object of which this was the last such one (-1: of none)."""

UNREADABLE: tuple[type[Exception], ...] = (OSError, zlib.error, cast(type[Exception], isal_zlib.error), ValueError)
"""What reading a damaged object raises."""
SMALL = 32 << 10
"""Compressed bytes of which so little can come (a thousandfold) that no limit is needed."""


class BadDelta(ValueError):
    """The delta is damaged, does not belong to its base, or makes too much."""


def apply(base: bytes, patch: bytes, span: int, limit: int) -> tuple[bytes, Copies, list[Window]]:
    """The target of `patch` on `base`, what it copied (runs that go on in both are one), and its windows.

    Every stretch of up to `span` bytes that touches what was inserted, or a seam between two copies, lies in a window. With
    a span of 0 windows are not asked for. `limit` is the largest target in bytes. Raises BadDelta.
    """
    base_size, at = _size(patch, 0)
    if base_size != len(base):
        raise BadDelta("its base has another size")
    target_size, at = _size(patch, at)
    if target_size > limit:
        raise BadDelta("its target is too large")
    size = len(patch)
    pieces: list[bytes] = []
    copies: list[tuple[int, int, int]] = []
    edits: list[Window] = []
    done = 0
    while at < size:
        op = patch[at]
        at += 1
        if op & 0x80:
            start = length = 0
            if (op & 0x7F).bit_count() > size - at:
                raise BadDelta("it ends within a copy")
            for bit in range(4):
                if op >> bit & 1:
                    start |= patch[at] << 8 * bit
                    at += 1
            for bit in range(3):
                if op >> bit & 0x10:
                    length |= patch[at] << 8 * bit
                    at += 1
            length = length or 0x10000
            if start + length > base_size:
                raise BadDelta("it copies from beyond its base")
            if length > target_size - done:
                raise BadDelta("it makes more than it says")
            pieces.append(base[start : start + length])
            last = copies[-1] if copies else (0, 0, 0)
            if last[2] and last[0] + last[2] == done and last[1] + last[2] == start:
                copies[-1] = (last[0], last[1], last[2] + length)
            else:
                copies.append((done, start, length))
                if done or start:  # a seam, but where both begin
                    edits.append((done, done))
            done += length
        elif op:
            if op > size - at:
                raise BadDelta("it ends within an insertion")
            if op > target_size - done:
                raise BadDelta("it makes more than it says")
            pieces.append(patch[at : at + op])
            at += op
            edits.append((done, done + op))
            done += op
        else:
            raise BadDelta("it holds an unknown operation")
    if done != target_size:
        raise BadDelta("it makes less than it says")
    windows: list[Window] = []
    for start, end in edits if span else []:
        low, high = max(0, start - span + 1), min(target_size, end + span - 1)
        if windows and windows[-1][1] >= low:
            windows[-1] = (windows[-1][0], max(high, windows[-1][1]))
        else:
            windows.append((low, high))
    return b"".join(pieces), packed(copies), windows


def packed(copies: Iterable[tuple[int, int, int]]) -> Copies:
    return array("q", [number for copy in copies for number in copy]).tobytes()


def unpacked(copies: Copies) -> list[tuple[int, int, int]]:
    numbers = memoryview(copies).cast("q").tolist()
    return list(zip(numbers[::3], numbers[1::3], numbers[2::3], strict=True))


def gather(target: bytes, windows: list[Window]) -> tuple[bytes, list[Place]]:
    """The windows of `target` in one text with newlines between, and where each stands in both. The target itself when the
    windows cover most of it. Raises ValueError when a window lies outside."""
    if not all(0 <= low <= high <= len(target) for low, high in windows):
        raise ValueError("a window lies outside of its text")
    if sum(high - low + 1 for low, high in windows) * 4 >= len(target) * 3:
        return target, [(0, 0, len(target))]
    places: list[Place] = []
    at = 0
    for low, high in windows:
        places.append((at, low, high))
        at += high - low + 1
    return b"".join(target[low:high] + b"\n" for low, high in windows), places


def carry(
    hits: bytes,
    found: list[Hit],
    places: list[Place],
    copies: Copies,
    base: bytes,
    target_size: int,
    span: int,
    reaches: bytes,
) -> tuple[bytes, list[Hit]]:
    """What a target's hits are, and which of them must be read: the others mean what they meant in the base.

    `hits` are the base's, in order, and so are those that come back: two native 32-bit numbers each, the end and the anchor.
    `found` are those found in what `gather` made of the target, in order, and `places` say where that stands. An anchor is
    at most `span` bytes long. `reaches` holds four native 32-bit numbers for each anchor: how many bytes before and
    after the end of a hit its reading may look at; and if the last is above zero, that this ends after so many newlines, and
    before the hit with the first newline that stands further away than the third. A text's edge counts as unchanged where
    base and target alike end there.
    """
    numbers = memoryview(hits).cast("i").tolist()
    reach = memoryview(reaches).cast("i").tolist()
    marks: dict[Hit, bool] = {}
    known = list(zip(numbers[::2], numbers[1::2], strict=True))
    reached = [(end, *_around(base, end, *reach[4 * anchor : 4 * anchor + 4])) for end, anchor in known]
    for number, by, intact in follow(reached, copies, len(base), target_size, span):
        end, anchor = known[number]
        hit = (end + by, anchor)
        marks[hit] = marks.get(hit, False) or intact
    offsets = [offset for offset, _, _ in places]
    for end, anchor in found:
        offset, low, high = places[bisect_right(offsets, end - 1) - 1]
        # across the seam between two windows there is nothing, and what ends before the edit is carried
        if end - offset <= high - low and (low == 0 or end - offset >= span):
            marks.setdefault((end - offset + low, anchor), False)
    ordered = sorted(marks)
    flat = array("i", [number for hit in ordered for number in hit])
    return flat.tobytes(), [hit for hit in ordered if not marks[hit]]


def _around(base: bytes, end: int, back: int, forward: int, inner: int, lines: int) -> tuple[int, int]:
    if lines <= 0:
        return back, forward
    start = base.rfind(b"\n", max(0, end - back), max(0, end - inner))
    stop = end - 1
    for _ in range(lines):
        stop = base.find(b"\n", stop + 1, end + forward)
        if stop < 0:
            break
    return back if start < 0 else end - start, forward if stop < 0 else stop + 1 - end


def follow(
    marks: list[tuple[int, int, int]], copies: Copies, base_size: int, target_size: int, span: int
) -> list[tuple[int, int, bool]]:
    """Where copies took what stands in a base. `marks` are its ends, and how many bytes before and after each it depends on; its
    anchor is at most `span` bytes long.

    For each mark, by its number, and each copy that took its anchor: how much further on it stands in the target, and whether
    all that it depends on is there too. A text's edge counts as unchanged where base and target alike end there.
    """
    runs = unpacked(copies)
    out = []
    for number, (end, back, forward) in enumerate(marks):
        for target, base, length in runs:
            stop = base + length
            first = base == target == 0
            if not (first or base + span <= end) or not base < end <= stop:
                continue
            left = first or base <= end - back
            right = end + forward <= stop or (stop == base_size and target + length == target_size)
            out.append((number, target - base, left and right))
    return out


def changed_entries(
    base: bytes,
    target: bytes,
    index: bytes,
    copies: Copies,
    oid_size: int,
    wanted: set[bytes],
    names: dict[bytes, int],
    owner: int,
    edges: bytearray,
    oids: bytearray,
) -> bytes:
    """What a tree object has that another has not, and the other way round: folders, and of the rest what is wanted.

    For each such entry two native 64-bit numbers are appended to `edges`: the owner, and four times the number of its name
    in `names`, which grows, plus 2 for a folder and 1 for what `base` alone has; and to `oids` its id. With an empty base
    it is all of the target. Where entries are not in git's order some may be told as gone and come.

    `copies` are what `apply` said of the two. `index` says where the entries of `base` stop, in native 32-bit numbers, and
    what is returned says so of the target. Raises BadDelta when one is no tree.
    """
    stops = memoryview(index).cast("i").tolist()
    if (stops[-1] if stops else 0) != len(base):
        raise ValueError("the index is of another tree")
    made: list[int] = []
    left = right = None
    runs = unpacked(copies)
    old = new = taken = run = 0
    while True:
        if left is None and right is None:
            while run < len(runs) and runs[run][0] + runs[run][2] <= new:
                run += 1
            at, start, length = runs[run] if run < len(runs) else (0, 0, 0)
            if length and at <= new and old - start == new - at:  # both stand in one copied run: go to its end
                upto = bisect_right(stops, start + length)
                if upto > taken:
                    made += [stop + at - start for stop in stops[taken:upto]]
                    taken, old = upto, stops[upto - 1]
                    new = old + at - start
        if left is None and old < len(base):
            left = _entry(base, old, oid_size)
        if right is None and new < len(target):
            right = _entry(target, new, oid_size)
        if left is None and right is None:
            break
        order = 1 if left is None else -1 if right is None else (left[0] > right[0]) - (left[0] < right[0])
        changed = order != 0 or (left and left[2]) != (right and right[2])
        if left is not None and order <= 0:
            if changed:
                _tell(left, 1, wanted, names, owner, edges, oids)
            old = left[3]
            taken += 1
        if right is not None and order >= 0:
            if changed:
                _tell(right, 0, wanted, names, owner, edges, oids)
            new = right[3]
            made.append(new)
        left, right = left if order > 0 else None, right if order < 0 else None
    return array("i", made).tobytes()


def commit_ids(data: bytes, oid_size: int) -> bytes:
    """The ids of a commit object's tree and of its parents, one after the other. Raises ValueError when it has none."""
    width = 2 * oid_size
    found = [data[5 : 5 + width] if data.startswith(b"tree ") and len(data) >= 6 + width else b""]
    at = 6 + width
    while data.startswith(b"parent ", at):
        found.append(data[at + 7 : at + 7 + width] if len(data) >= at + 8 + width else b"")
        at += 8 + width
    if not all(len(x) == width and set(x) <= set(b"0123456789abcdef") for x in found):
        raise ValueError("it is no commit")
    return bytes.fromhex(b"".join(found).decode())


Entry = tuple[bytes, int, bytes, int]
"""An entry of a tree object: its name, a folder's with a slash as git orders them; the name's size; its id; its end."""


def _entry(tree: bytes, at: int, oid_size: int) -> Entry:
    space, end = tree.find(b" ", at), tree.find(b"\0", at)
    stop = end + 1 + oid_size
    if not at < space < end or stop > len(tree):
        raise BadDelta("it is no tree")
    name = tree[space + 1 : end]
    return name + b"/" if tree[at : at + 2] in (b"40", b"04") else name, len(name), tree[end + 1 : stop], stop


def _tell(
    entry: Entry,
    gone: int,
    wanted: set[bytes],
    names: dict[bytes, int],
    owner: int,
    edges: bytearray,
    oids: bytearray,
) -> None:
    key, size, oid, _ = entry
    folder = 2 if len(key) > size else 0
    if folder or oid in wanted:
        edges += struct.pack("qq", owner, names.setdefault(key[:size], len(names)) << 2 | folder | gone)
        oids += oid


def _size(patch: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= len(patch) or shift > 56:
            raise BadDelta("its sizes cannot be read")
        c = patch[at]
        at += 1
        value |= (c & 0x7F) << shift
        shift += 7
        if not c & 0x80:
            return value, at


class Chains:
    """The contents of a pack's objects by number: streams inflated, deltas applied, bases kept within a budget.

    `sizes`, `starts`, `ends` and `parents` are the pack's; `first` and `kids` say which objects are deltas against each (see
    `pack.children`). Bases are kept up to `budget` bytes; one that was let go is made again, and counted. What is larger
    than `huge` bytes is not made.
    """

    def __init__(
        self,
        data: Any,
        sizes: Sequence[int],
        starts: Sequence[int],
        ends: Sequence[int],
        parents: Sequence[int],
        first: Sequence[int],
        kids: Sequence[int],
        budget: int,
        huge: int,
    ) -> None:
        self._data = data
        self._sizes, self._starts, self._ends, self._parents = sizes, starts, ends, parents
        self._first, self._kids = first, kids
        self._kept: dict[int, bytes] = {}
        self._kept_bytes = 0
        self._budget = budget
        self._huge = huge
        self.made_again = 0

    def inflate(self, number: int) -> bytes:
        """What an object's stream holds. Raises what UNREADABLE names."""
        size = self._sizes[number]
        if size > self._huge:
            raise ValueError("too large for this path")
        stream = self._data[self._starts[number] : self._ends[number]]
        if len(stream) <= SMALL:
            data: bytes = isal_zlib.decompress(stream, 15, max(size, 1))
        else:
            inflater = isal_zlib.decompressobj()
            data = inflater.decompress(stream, max(size, 0) + 1)
            if not inflater.eof:
                raise ValueError("its stream does not end where it should")
        if len(data) != size:
            raise ValueError("it has another size than it says")
        return data

    def note(
        self,
        root: int,
        oid_size: int,
        wanted: set[bytes],
        names: dict[bytes, int],
        edges: bytearray,
        oids: bytearray,
    ) -> None:
        """What each tree object of a walk has that the one it is made from has not: see `changed_entries`. Raises ValueError
        where one is damaged or no tree."""
        indexes = {-1: b""}
        for number, parent, base, data, copies, _, _, keeps, finished in self.walk(root, 0):
            if data is None:
                raise ValueError(f"object {number} of its pack is damaged")
            index = changed_entries(base, data, indexes[parent], copies, oid_size, wanted, names, number, edges, oids)
            if keeps:
                indexes[number] = index
            if finished >= 0:
                del indexes[finished]

    def walk(self, root: int, span: int) -> Iterator[Step]:
        """A root and all that is, in the end, a delta against it, bases first. What has changed comes in one text for a `span`
        above 0. What lies beyond an object that cannot be read is left out."""
        stack = [root]
        left: dict[int, int] = {}
        while stack:
            number = stack.pop()
            parent = self._parents[number] if number != root else -1
            finished = -1
            base = b""
            copies = b""
            data = text = places = None
            try:
                if parent < 0:
                    data = self.inflate(number)
                    if span:
                        text, places = data, [(0, 0, len(data))]
                else:
                    base = self._base(parent)
                    data, copies, windows = apply(base, self.inflate(number), span, self._huge)
                    if span:
                        text, places = gather(data, windows)
            except UNREADABLE:
                data = None
            below: list[int] = []
            if data is not None:
                below = list(self._kids[self._first[number] : self._first[number + 1]])
                if below:
                    stack += below
                    left[number] = len(below)
                    self._keep(number, data)
            if parent >= 0:
                left[parent] -= 1
                if not left[parent]:
                    del left[parent]
                    self._drop(parent)
                    finished = parent
            yield number, parent, base, data, copies, text, places, bool(below), finished

    def _base(self, number: int) -> bytes:
        kept = self._kept.get(number)
        if kept is not None:
            return kept
        self.made_again += 1
        chain = []
        at = number
        while at not in self._kept and self._parents[at] >= 0:
            chain.append(at)
            at = self._parents[at]
        data = self._kept[at] if at in self._kept else self.inflate(at)
        for step in reversed(chain):
            data = apply(data, self.inflate(step), 0, self._huge)[0]
        self._keep(number, data)
        return data

    def _keep(self, number: int, data: bytes) -> None:
        self._kept[number] = data
        self._kept_bytes += len(data)
        while self._kept_bytes > self._budget and len(self._kept) > 1:
            self._kept_bytes -= len(self._kept.pop(next(iter(self._kept))))

    def _drop(self, number: int) -> None:
        gone = self._kept.pop(number, None)
        if gone is not None:
            self._kept_bytes -= len(gone)
