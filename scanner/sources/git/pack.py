"""Pack files, read without git: where every object lies, what kind it is, and which other it is a delta against.

Formats: gitformat-pack(5). Everything that can be is read for all objects at once with numpy; nothing is inflated here.
"""

from __future__ import annotations

import hashlib
import mmap
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from scanner.model import DeadkeyError
from scanner.sources.git.kernel_py import UNREADABLE as UNREADABLE

Ints = np.ndarray[Any, np.dtype[np.int64]]
Bytes = np.ndarray[Any, np.dtype[np.uint8]]

COMMIT, TREE, BLOB, TAG, OFS_DELTA, REF_DELTA = 1, 2, 3, 4, 6, 7
KINDS = {COMMIT: "commit", TREE: "tree", BLOB: "blob", TAG: "tag"}
ROOT, STRANGE = -1, -2
"""In place of a parent: the object is whole; its base is not in this pack, or cannot be made out."""


class UnknownPack(DeadkeyError):
    """This pack or its index is of a kind not known here, or damaged; git may still be able to read it."""


@dataclass(frozen=True, slots=True)
class Pack:
    """One pack; its objects are numbered in the order in which they lie in the file."""

    path: str
    data: mmap.mmap
    oids: Bytes
    """One row an object: its id."""
    starts: Ints
    """Where its zlib stream begins."""
    ends: Ints
    """Where the next object begins: the stream ends before it."""
    sizes: Ints
    """Inflated size in bytes; of a delta, the delta's own."""
    parents: Ints
    """Number of the object it is a delta against, or ROOT, or STRANGE."""
    kinds: Bytes
    """Kind of the root of its chain; 0 where that cannot be told."""
    roots: Ints
    """Number of the root of its chain."""
    flaw: str = ""
    """What is wrong with pack and index as a whole, in words."""

    def circular(self) -> Ints:
        """Objects whose chain goes round in a circle: git would follow it for ever."""
        return np.flatnonzero((self.kinds == 0) & (self.parents[self.roots] >= 0))

    def oid(self, number: int) -> str:
        return bytes(self.oids[number]).hex()


def open_pack(index: Path, oid_size: int) -> Pack:
    """The pack of an index file (`.idx`), ids being `oid_size` bytes long. Raises UnknownPack."""
    path = index.with_suffix(".pack")
    try:
        content = index.read_bytes()
        oids, offsets = read_index(content, oid_size, str(index))
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size < 12 + oid_size:
                raise UnknownPack(f"{path}: is cut short")
            data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except OSError as e:
        raise UnknownPack(f"{e.filename or path}: cannot be read: {e.strerror}") from e
    if data[:4] != b"PACK" or int.from_bytes(data[4:8]) not in (2, 3):
        raise UnknownPack(f"{path}: is no pack of version 2 or 3")
    return _opened(str(path), data, oids, offsets, oid_size, _flaw(content, data, len(offsets), oid_size))


def _flaw(index: bytes, pack: mmap.mmap, count: int, oid_size: int) -> str:
    """What the checksums of an index and the count in its pack say. The pack's own checksum is not computed."""
    algorithm = hashlib.sha256 if oid_size == 32 else hashlib.sha1
    if algorithm(memoryview(index)[:-oid_size]).digest() != index[-oid_size:]:
        return "its index is damaged"
    if int.from_bytes(pack[8:12]) != count or pack[-oid_size:] != index[-2 * oid_size : -oid_size]:
        return "it is damaged, or its index belongs to another"
    return ""


def read_index(index: bytes, oid_size: int, name: str) -> tuple[Bytes, Ints]:
    """Ids and pack offsets of an index of version 1 or 2, in its order. Raises UnknownPack."""
    version = 2 if index[:4] == b"\xfftOc" else 1
    if version == 2 and index[4:8] != b"\0\0\0\2":
        raise UnknownPack(f"{name}: is an index of an unknown version")
    head = 8 if version == 2 else 0
    if len(index) < head + 1024 + 2 * oid_size:
        raise UnknownPack(f"{name}: is cut short")
    fanout = np.frombuffer(index, ">u4", 256, head).astype(np.int64)
    count = int(fanout[255])
    at = head + 1024
    if (np.diff(fanout) < 0).any() or len(index) < at + count * (oid_size + (8 if version == 2 else 4)):
        raise UnknownPack(f"{name}: is damaged")
    if version == 1:
        rows = np.frombuffer(index, np.uint8, count * (4 + oid_size), at).reshape(count, 4 + oid_size)
        return rows[:, 4:].copy(), rows[:, :4].copy().view(">u4").ravel().astype(np.int64)
    oids = np.frombuffer(index, np.uint8, count * oid_size, at).reshape(count, oid_size)
    at += count * (oid_size + 4)
    offsets = np.frombuffer(index, ">u4", count, at).astype(np.int64)
    far = offsets & 0x80000000 != 0
    if far.any():
        at += count * 4
        room = (len(index) - at - 2 * oid_size) // 8
        places = offsets[far] & 0x7FFFFFFF
        if room <= 0 or (places >= room).any():
            raise UnknownPack(f"{name}: is damaged")
        offsets[far] = np.frombuffer(index, ">u8", room, at)[places].astype(np.int64)
    return oids, offsets


def _opened(path: str, data: mmap.mmap, oids: Bytes, offsets: Ints, oid_size: int, flaw: str) -> Pack:
    size = len(data) - oid_size
    count = len(offsets)
    raw = np.frombuffer(data, np.uint8)
    order = np.argsort(offsets, kind="stable")
    by_oid = np.empty(count, np.int64)
    by_oid[order] = np.arange(count)
    offsets = offsets[order]
    sane = (offsets >= 12) & (offsets < size)
    ends = np.append(offsets[1:], size) if count else offsets
    ends = np.clip(ends, 0, size)
    at = np.clip(offsets, 12, size - 1)
    first = raw[at]
    kinds = ((first >> 4) & 7).astype(np.uint8)
    sizes = (first & 15).astype(np.int64)
    more = np.flatnonzero(first & 0x80)
    shift = 4
    at = at + 1
    while len(more):
        if shift > 60:
            sane[more] = False
            break
        byte = raw[np.minimum(at[more], size - 1)]
        sizes[more] |= (byte & 0x7F).astype(np.int64) << shift
        at[more] += 1
        shift += 7
        more = more[byte & 0x80 != 0]
    parents = np.full(count, ROOT, np.int64)
    _ofs_parents(raw, size, offsets, kinds, at, parents, sane)
    _ref_parents(raw, size, oids, by_oid, kinds, at, parents, oid_size)
    known = (kinds == COMMIT) | (kinds == TREE) | (kinds == BLOB) | (kinds == TAG)
    parents[~(sane & (at < ends)) | ~(known | (kinds == OFS_DELTA) | (kinds == REF_DELTA))] = STRANGE
    roots = _roots(parents)
    root_kinds = np.where((parents[roots] == ROOT) & known[roots], kinds[roots], 0).astype(np.uint8)
    return Pack(path, data, oids[order], at, ends, sizes, parents, root_kinds, roots, flaw)


def _ofs_parents(
    raw: Bytes,
    size: int,
    offsets: Ints,
    kinds: Bytes,
    at: Ints,
    parents: Ints,
    sane: np.ndarray[Any, np.dtype[np.bool_]],
) -> None:
    """Deltas that name their base by the distance to it. Moves `at` behind the distance."""
    deltas = np.flatnonzero(kinds == OFS_DELTA)
    if not len(deltas):
        return
    place = at[deltas]
    byte = raw[np.minimum(place, size - 1)]
    distance = (byte & 0x7F).astype(np.int64)
    place = place + 1
    more = np.flatnonzero(byte & 0x80)
    for _ in range(9):
        if not len(more):
            break
        byte = raw[np.minimum(place[more], size - 1)]
        distance[more] = ((distance[more] + 1) << 7) | (byte & 0x7F)
        place[more] += 1
        more = more[byte & 0x80 != 0]
    sane[deltas[more]] = False
    at[deltas] = place
    base = offsets[deltas] - distance
    found = np.searchsorted(offsets, base)
    found = np.minimum(found, len(offsets) - 1)
    parents[deltas] = np.where((offsets[found] == base) & (distance > 0), found, STRANGE)


def _ref_parents(
    raw: Bytes, size: int, oids: Bytes, by_oid: Ints, kinds: Bytes, at: Ints, parents: Ints, oid_size: int
) -> None:
    """Deltas that name their base by its id. Moves `at` behind the id."""
    deltas = np.flatnonzero(kinds == REF_DELTA)
    if not len(deltas):
        return
    place = np.minimum(at[deltas], size - oid_size)
    wanted = np.ascontiguousarray(raw[place[:, None] + np.arange(oid_size)]).view(f"S{oid_size}").ravel()
    keys = np.ascontiguousarray(oids).view(f"S{oid_size}").ravel()
    found = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    parents[deltas] = np.where(keys[found] == wanted, by_oid[found], STRANGE)
    at[deltas] += oid_size


def _roots(parents: Ints) -> Ints:
    """The end of each chain. A chain that bites its tail leads to an object that has a parent still."""
    roots = np.where(parents >= 0, parents, np.arange(len(parents)))
    for _ in range(40):
        further = roots[roots]
        if np.array_equal(further, roots):
            break
        roots = further
    return roots


def children(pack: Pack, wanted: Ints) -> tuple[Ints, Ints]:
    """For the objects `wanted`: the number of each one's first child in the second array, by object, plus one past the
    last; and the children, in the order in which they lie in the file."""
    deltas = wanted[pack.parents[wanted] >= 0]
    order = deltas[np.argsort(pack.parents[deltas], kind="stable")]
    counts = np.bincount(pack.parents[order], minlength=len(pack.parents))
    return np.concatenate(([0], np.cumsum(counts))), order
