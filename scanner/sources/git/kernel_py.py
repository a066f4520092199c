"""Applying a delta and naming what it may have changed, in plain Python: the twin that `_kernel` is held against.

The format is git's (gitformat-pack(5), "Deltified representation"): two sizes, then copies from the base and insertions.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right

Copy = tuple[int, int, int]
"""Offset in the target, offset in the base, length."""
Window = tuple[int, int]
"""A stretch of a target: from, up to."""
Place = tuple[int, int, int]
"""Where a window begins in a gathered text; where it begins, and ends, in the target."""
Hit = tuple[int, int]
"""An anchor's end in the data, and its number."""


class BadDelta(ValueError):
    """The delta is damaged, does not belong to its base, or makes too much."""


def apply(base: bytes, patch: bytes, span: int, limit: int) -> tuple[bytes, list[Copy], list[Window]]:
    """The target of `patch` on `base`, what it copied (runs that go on in both are one), and its windows.

    Every stretch of up to `span` bytes that touches what was inserted, or a seam between two copies, lies in a window. With
    a span of 0 copies and windows are not asked for. `limit` is the largest target in bytes. Raises BadDelta.
    """
    base_size, at = _size(patch, 0)
    if base_size != len(base):
        raise BadDelta("its base has another size")
    target_size, at = _size(patch, at)
    if target_size > limit:
        raise BadDelta("its target is too large")
    size = len(patch)
    pieces: list[bytes] = []
    copies: list[Copy] = []
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
    if not span:
        return b"".join(pieces), [], []
    windows: list[Window] = []
    for start, end in edits:
        low, high = max(0, start - span + 1), min(target_size, end + span - 1)
        if windows and windows[-1][1] >= low:
            windows[-1] = (windows[-1][0], max(high, windows[-1][1]))
        else:
            windows.append((low, high))
    return b"".join(pieces), copies, windows


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
    copies: list[Copy],
    base_size: int,
    target_size: int,
    span: int,
    reaches: bytes,
) -> tuple[bytes, list[Hit]]:
    """What a target's hits are, and which of them must be read: the others mean what they meant in the base.

    `hits` are the base's, in order, and so are those that come back: two native 32-bit numbers each, the end and the anchor.
    `found` are those found in what `gather` made of the target, in order, and `places` say where that stands. An anchor is
    at most `span` bytes long. `reaches` holds, for each anchor, how many bytes before and after the end of a hit its reading
    may look at, as native 32-bit numbers too. A text's edge counts as unchanged where base and target alike end there.
    """
    numbers = memoryview(hits).cast("i").tolist()
    reach = memoryview(reaches).cast("i").tolist()
    marks: dict[Hit, bool] = {}
    for end, anchor in zip(numbers[::2], numbers[1::2], strict=True):
        for target, base, length in copies:
            stop = base + length
            first = base == target == 0
            if not (first or base + span <= end) or not base < end <= stop:
                continue
            left = first or base <= end - reach[2 * anchor]
            right = end + reach[2 * anchor + 1] <= stop or (stop == base_size and target + length == target_size)
            hit = (end + target - base, anchor)
            marks[hit] = marks.get(hit, False) or (left and right)
    offsets = [offset for offset, _, _ in places]
    for end, anchor in found:
        offset, low, high = places[bisect_right(offsets, end - 1) - 1]
        # across the seam between two windows there is nothing, and what ends before the edit is carried
        if end - offset <= high - low and (low == 0 or end - offset >= span):
            marks.setdefault((end - offset + low, anchor), False)
    ordered = sorted(marks)
    flat = array("i", [number for hit in ordered for number in hit])
    return flat.tobytes(), [hit for hit in ordered if not marks[hit]]


def changed_entries(
    base: bytes,
    target: bytes,
    oid_size: int,
    wanted: set[bytes],
    names: dict[bytes, int],
    codes: list[int],
    oids: list[bytes],
) -> None:
    """What a tree object has that another has not, and the other way round: folders, and of the rest what is wanted.

    Each such entry is appended: to `codes` four times the number of its name in `names`, which grows, plus 2 for a folder
    and 1 for what `base` alone has; to `oids` its id. With an empty base it is all of the target. Where entries are not in
    git's order some may be told as gone and come. Raises BadDelta when one is no tree.
    """
    tail = _alike(base, target, -1)
    old = new = _skip(target, _alike(base, target, 1), oid_size)
    left = right = None
    while True:
        if left is None and old < len(base):
            left = _entry(base, old, oid_size)
        if right is None and new < len(target):
            right = _entry(target, new, oid_size)
        if left is None and right is None:
            return
        if left is not None and right is not None and left[0] == right[0]:
            if left[2] != right[2]:
                _tell(left, 1, wanted, names, codes, oids)
                _tell(right, 0, wanted, names, codes, oids)
            old, new, left, right = left[3], right[3], None, None
            if len(base) - old == len(target) - new <= tail:
                return
        elif right is None or (left is not None and left[0] < right[0]):
            assert left is not None
            _tell(left, 1, wanted, names, codes, oids)
            old, left = left[3], None
        else:
            _tell(right, 0, wanted, names, codes, oids)
            new, right = right[3], None


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
    entry: Entry, gone: int, wanted: set[bytes], names: dict[bytes, int], codes: list[int], oids: list[bytes]
) -> None:
    key, size, oid, _ = entry
    folder = 2 if len(key) > size else 0
    if folder or oid in wanted:
        codes.append(names.setdefault(key[:size], len(names)) << 2 | folder | gone)
        oids.append(oid)


def _alike(one: bytes, other: bytes, way: int) -> int:
    """How many bytes both begin with, or with `way` -1 end with."""
    low, high = 0, min(len(one), len(other)) + 1
    while high - low > 1:
        middle = (low + high) // 2
        same = (
            one[low:middle] == other[low:middle]
            if way > 0
            else one[len(one) - middle :] == other[len(other) - middle :]
        )
        low, high = (middle, high) if same else (low, middle)
    return low


def _skip(tree: bytes, upto: int, oid_size: int) -> int:
    """Where the entry begins that holds the byte at `upto`."""
    at = 0
    while at < len(tree):
        space, end = tree.find(b" ", at), tree.find(b"\0", at)
        stop = end + 1 + oid_size
        if not at < space < end or stop > len(tree):
            raise BadDelta("it is no tree")
        if stop > upto:
            break
        at = stop
    return at


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
