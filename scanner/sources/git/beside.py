"""The files around a place in a history: the blobs of its folder as its commit has them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from scanner.model import Chunk, Location
from scanner.sources.files import BESIDE_BYTES, BESIDE_FILES
from scanner.sources.git.objects import Entry, contents
from scanner.sources.git.run import Repository


def beside(repository: Repository, places: Sequence[Location]) -> Iterator[tuple[int, bytes]]:
    """For each place, by its number, the contents of the small files in its folder, its own included."""
    asked: dict[str, int] = {}
    for number, place in enumerate(places):
        folder = (place.path or "").rpartition("/")[0]
        if place.commit and "\n" not in folder:
            asked[f"{place.commit}:{folder}"] = number
    holders: dict[str, list[int]] = defaultdict(list)
    for name, tree in _trees(repository, list(asked)):
        for oid in _blobs(tree, len(name.partition(":")[0]) // 2):
            holders[oid].append(asked[name])
    _, out, _ = repository.run("cat-file", "--batch-check", stdin=holders)
    words = (line.split() for line in out.decode().splitlines())
    small = [Entry(w[0], w[1], int(w[2])) for w in words if len(w) == 3 and int(w[2]) <= BESIDE_BYTES]
    for piece in contents(repository, small) if small else ():
        if isinstance(piece, Chunk):
            for number in holders[piece.origin.blob or ""]:
                yield number, piece.data


def _trees(repository: Repository, names: list[str]) -> Iterator[tuple[str, bytes]]:
    """Each name of a tree that there is, and the tree's content."""
    status, out, _ = repository.run("cat-file", "--batch", stdin=names) if names else (1, b"", "")
    at = 0
    for name in names if not status else ():
        end = out.find(b"\n", at)
        head = out[at:end].split()
        at = end + 1
        if end < 0:
            return
        if len(head) == 3 and head[1] in (b"tree", b"blob", b"commit", b"tag") and head[2].isdigit():
            size = int(head[2])
            if head[1] == b"tree":
                yield name, out[at : at + size]
            at += size + 1


def _blobs(tree: bytes, oid_size: int) -> Iterator[str]:
    """The first files of a tree object, by id."""
    at = count = 0
    while at < len(tree) and count < BESIDE_FILES:
        end = tree.find(b"\0", at)
        if end < 0:
            return
        stop = end + 1 + oid_size
        if tree[at : at + 3] == b"100":
            count += 1
            yield tree[end + 1 : stop].hex()
        at = stop
