"""Applying a delta and naming what it may have changed, in plain Python: the twin that `_kernel` is held against.

The format is git's (gitformat-pack(5), "Deltified representation"): two sizes, then copies from the base and insertions.
"""

from __future__ import annotations

import struct
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
    index: bytes,
    copies: list[Copy],
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
    old = new = taken = run = 0
    while True:
        if left is None and right is None:
            while run < len(copies) and copies[run][0] + copies[run][2] <= new:
                run += 1
            at, start, length = copies[run] if run < len(copies) else (0, 0, 0)
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
