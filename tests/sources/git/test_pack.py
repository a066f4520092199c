"""Packs and their indexes are read as git reads them, and what is wrong with one is noticed."""

from __future__ import annotations

import zlib
from pathlib import Path
from random import Random

import numpy as np
import pytest

from scanner.sources.git import pack as packs
from scanner.sources.git.pack import BLOB, KINDS, OFS_DELTA, ROOT, STRANGE, Pack, UnknownPack, open_pack
from tests.sources.git import repositories
from tests.sources.git.repositories import PackWriter, Stored, copy, index_of, number, oid_of


def made(path: Path, seed: int, layout: tuple[str, ...]) -> Path:
    rng = Random(seed)
    return repositories.repository(path, layout, repositories.steps(rng, 25), seed)


def opened(index: Path, oid_size: int = 20) -> dict[str, tuple[Pack, int]]:
    pack = open_pack(index, oid_size)
    return {pack.oid(place): (pack, place) for place in range(len(pack.kinds))}


def oid_size(path: Path) -> int:
    return 32 if "sha256" in (path / "config").read_text() else 20


LAYOUTS = [
    ("by hand",),
    ("imported",),
    ("imported", "repacked"),
    ("imported", "indexed again"),
    ("imported", "thin"),
]


@pytest.mark.parametrize("layout", LAYOUTS, ids=" ".join)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_objects_are_where_git_says(tmp_path: Path, layout: tuple[str, ...], seed: int) -> None:
    path = made(tmp_path / "repo", seed, layout)
    seen = 0
    for index in sorted((path / "objects/pack").glob("*.idx")):
        objects = opened(index, oid_size(path))
        said = repositories.git(path, "verify-pack", "-v", str(index)).decode()
        for line in said.splitlines():
            words = line.split()
            if len(words) not in (5, 7) or len(words[0]) != 2 * oid_size(path):
                continue
            pack, place = objects[words[0]]
            assert KINDS[int(pack.kinds[place])] == words[1]
            assert int(pack.sizes[place]) == int(words[2])
            parent = int(pack.parents[place])
            assert (pack.oid(parent) if parent != ROOT else None) == (words[6] if len(words) == 7 else None)
            depth, at = 0, place
            while int(pack.parents[at]) != ROOT:
                depth, at = depth + 1, int(pack.parents[at])
            assert depth == (int(words[5]) if len(words) == 7 else 0)
            assert int(pack.roots[place]) == at
            stream = zlib.decompressobj()
            assert len(stream.decompress(pack.data[int(pack.starts[place]) : int(pack.ends[place])])) == int(words[2])
            assert stream.eof and not stream.unused_data
            assert int(words[4]) + int(words[3]) == int(pack.ends[place])
            seen += 1
    assert seen >= 5


@pytest.mark.parametrize("algorithm", ["sha1", "sha256"])
@pytest.mark.parametrize("version, far", [(1, False), (2, False), (2, True)], ids=["v1", "v2", "64 bits"])
def test_indexes_of_every_kind(tmp_path: Path, algorithm: str, version: int, far: bool) -> None:
    path = repositories.bare(tmp_path / "repo", algorithm)
    texts = [b"text %d\n" % n * 9 for n in range(50)]
    pack = PackWriter(algorithm)
    for text in texts:
        pack.put(oid_of(BLOB, text, algorithm), BLOB, text)
    index = pack.write(path / "objects/pack", "0" * 40, version, far)
    said = repositories.git(path, "cat-file", "--batch-check", "--batch-all-objects").decode().split("\n")
    oids, offsets = packs.read_index(index.read_bytes(), 20 if algorithm == "sha1" else 32, "")
    read = {bytes(oid).hex(): offset for oid, offset in zip(oids, offsets.tolist(), strict=True)}
    assert sorted(read) == [line.split()[0] for line in said if line]
    assert read == {row.oid.hex(): row.offset for row in pack.stored}
    assert len(opened(index, oids.shape[1])) == 50


def test_offsets_beyond_four_gigabytes() -> None:
    """They stand in the table of 64-bit offsets, as here every second one does."""
    stored = [Stored(bytes([n]) * 20, 12 + n * (0x1_2345_6789 if n % 2 else 100), n) for n in range(6)]
    oids, offsets = packs.read_index(index_of(stored, b"\0" * 20, "sha1", 2, True), 20, "")
    assert [(bytes(o), n) for o, n in zip(oids, offsets.tolist(), strict=True)] == [(r.oid, r.offset) for r in stored]


def test_an_empty_pack(tmp_path: Path) -> None:
    assert opened(PackWriter().write(tmp_path, "0" * 40)) == {}


def test_objects_of_every_size_of_header(tmp_path: Path) -> None:
    pack = PackWriter()
    texts = [bytes(size) for size in (0, 1, 15, 16, 2047, 2048, 262_143, 262_144)]
    for text in texts:
        pack.put(oid_of(BLOB, text), BLOB, text)
    objects = opened(pack.write(tmp_path, "0" * 40))
    for text in texts:
        read, place = objects[oid_of(BLOB, text).hex()]
        assert int(read.sizes[place]) == len(text)


def test_bases_at_every_distance(tmp_path: Path) -> None:
    """One, two and three bytes of distance."""
    base = b"a base to copy from\n" * 3
    patch = number(len(base)) + number(10) + copy(0, 10)
    pack = PackWriter()
    pack.put(oid_of(BLOB, base), BLOB, base)
    deltas = []
    for size in (0, 40, 100, 9_000, 12_000, 3_000_000):
        noise = Random(size).randbytes(size)
        pack.put(oid_of(BLOB, noise), BLOB, noise)
        oid = bytes([len(deltas)]) * 20
        pack.against(oid, oid_of(BLOB, base), patch)
        deltas.append(oid.hex())
    objects = opened(pack.write(tmp_path, "0" * 40))
    for oid in deltas:
        read, place = objects[oid]
        assert read.oid(int(read.parents[place])) == oid_of(BLOB, base).hex()
        assert read.kinds[place] == BLOB


def test_bases_named_by_id_may_stand_behind(tmp_path: Path) -> None:
    base, patch = b"the base\n" * 4, number(36) + number(9) + copy(0, 9)
    pack = PackWriter()
    pack.against(b"\1" * 20, b"\2" * 20, patch, by_oid=True)
    pack.against(b"\2" * 20, oid_of(BLOB, base), patch, by_oid=True)
    pack.put(oid_of(BLOB, base), BLOB, base)
    objects = opened(pack.write(tmp_path, "0" * 40))
    read, place = objects["01" * 20]
    assert read.oid(int(read.parents[place])) == "02" * 20
    assert read.oid(int(read.roots[place])) == oid_of(BLOB, base).hex()


def kinds(path: Path) -> dict[str, int]:
    return {oid: int(pack.kinds[place]) for oid, (pack, place) in opened(path).items()}


GOOD = b"a good object\n"
PATCH = number(len(GOOD)) + number(4) + copy(0, 4)


def with_good(folder: Path, pack: PackWriter) -> dict[str, int]:
    """Kinds of a pack's objects, a good one added, which must be right."""
    pack.put(oid_of(BLOB, GOOD), BLOB, GOOD)
    pack.against(b"\x77" * 20, oid_of(BLOB, GOOD), PATCH)
    found = kinds(pack.write(folder, "0" * 40))
    assert found.pop(oid_of(BLOB, GOOD).hex()) == BLOB
    assert found.pop("77" * 20) == BLOB
    return found


@pytest.mark.parametrize("length", [1, 2, 3, 17])
def test_deltas_that_go_round_in_a_circle(tmp_path: Path, length: int) -> None:
    pack = PackWriter()
    names = [bytes([n + 1]) * 20 for n in range(length)]
    for place, name in enumerate(names):
        pack.against(name, names[(place + 1) % length], PATCH, by_oid=True)
    pack.against(b"\x55" * 20, names[0], PATCH, by_oid=True)
    assert set(with_good(tmp_path, pack).values()) == {0}


def test_deltas_without_their_base(tmp_path: Path) -> None:
    pack = PackWriter()
    pack.against(b"\1" * 20, b"\x99" * 20, PATCH, by_oid=True)
    pack.against(b"\2" * 20, b"\1" * 20, PATCH)
    for place, wrong in enumerate((0, 1, 3, 5000, 1 << 62), 3):
        pack.put(bytes([place]) * 20, OFS_DELTA, PATCH, repositories.distance(wrong))
    pack.put(b"\x08" * 20, OFS_DELTA, PATCH, b"\xff" * 12 + b"\x01")
    found = with_good(tmp_path, pack)
    assert found == {f"{n:02x}" * 20: 0 for n in range(1, 9)}


@pytest.mark.parametrize("kind", [0, 5])
def test_kinds_that_are_none(tmp_path: Path, kind: int) -> None:
    pack = PackWriter()
    pack.put(b"\1" * 20, kind, b"x")
    pack.against(b"\2" * 20, b"\1" * 20, PATCH)
    assert with_good(tmp_path, pack) == {"01" * 20: 0, "02" * 20: 0}


def test_a_size_without_an_end(tmp_path: Path) -> None:
    pack = PackWriter()
    offset = len(pack.body)
    pack.body += b"\xb0" + b"\x80" * 20
    pack.stored.append(Stored(b"\1" * 20, offset, 0))
    assert with_good(tmp_path, pack) == {"01" * 20: 0}


@pytest.mark.parametrize("offset", [0, 11, 1 << 30, (1 << 63) - 1, 1 << 63, (1 << 64) - 1])
def test_offsets_outside_of_the_pack(tmp_path: Path, offset: int) -> None:
    pack = PackWriter()
    pack.stored += [Stored(b"\1" * 20, offset, 0), Stored(b"\2" * 20, offset, 0)]
    pack.put(oid_of(BLOB, GOOD), BLOB, GOOD)
    index = pack.write(tmp_path, "0" * 40, far=False) if offset < 1 << 32 else None
    if index is None:
        rows = [r._replace(offset=min(r.offset, 0x7FFFFFFF)) for r in pack.stored]
        pack.stored = rows
        index = pack.write(tmp_path, "0" * 40, far=True)
        raw = index.read_bytes()
        index.write_bytes(raw.replace((0x7FFFFFFF).to_bytes(8), offset.to_bytes(8)))
    found = kinds(index)
    assert found["01" * 20] == found["02" * 20] == 0
    assert found[oid_of(BLOB, GOOD).hex()] == BLOB


def test_two_objects_at_one_place(tmp_path: Path) -> None:
    """At most one of them can be right: git is asked for the other."""
    pack = PackWriter()
    pack.put(oid_of(BLOB, GOOD), BLOB, GOOD)
    pack.stored.append(pack.stored[0]._replace(oid=b"\1" * 20))
    index = pack.write(tmp_path, "0" * 40)
    read = open_pack(index, 20)
    assert sorted(read.parents.tolist()) == [STRANGE, ROOT]


DAMAGE = {
    "an index cut short": ("idx", lambda raw: raw[:100]),
    "an empty index": ("idx", lambda raw: b""),
    "an index cut within its offsets": ("idx", lambda raw: raw[: 8 + 1024 + 30]),
    "an index of version 3": ("idx", lambda raw: raw[:7] + b"\3" + raw[8:]),
    "a table that falls": ("idx", lambda raw: raw[:8] + b"\xff\xff\xff\xff" + raw[12:]),
    "a count beyond the file": ("idx", lambda raw: raw[: 8 + 1020] + b"\x7f\xff\xff\xff" + raw[8 + 1024 :]),
    "a far offset beyond its table": ("idx", lambda raw: raw[:-44] + b"\xff\xff\xff\xff" + raw[-40:]),
    "an empty pack": ("pack", lambda raw: b""),
    "a pack cut within its header": ("pack", lambda raw: raw[:9]),
    "a pack of nothing but a header": ("pack", lambda raw: raw[:12]),
    "a pack of another version": ("pack", lambda raw: raw[:7] + b"\4" + raw[8:]),
    "no pack at all": ("pack", lambda raw: b"PICK" + raw[4:]),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_named(tmp_path: Path, name: str) -> None:
    pack = PackWriter()
    pack.put(oid_of(BLOB, GOOD), BLOB, GOOD)
    index = pack.write(tmp_path, "0" * 40)
    kind, change = DAMAGE[name]
    file = index.with_suffix(f".{kind}")
    file.write_bytes(change(file.read_bytes()))
    with pytest.raises(UnknownPack, match="pack-0"):
        open_pack(index, 20)


def test_an_index_without_its_pack(tmp_path: Path) -> None:
    index = PackWriter().write(tmp_path, "0" * 40)
    index.with_suffix(".pack").unlink()
    with pytest.raises(UnknownPack, match=r"pack-0+\.pack: cannot be read"):
        open_pack(index, 20)


def test_a_pack_cut_short_loses_only_what_was_cut(tmp_path: Path) -> None:
    pack = PackWriter()
    texts = [Random(n).randbytes(500) for n in range(10)]
    for text in texts:
        pack.put(oid_of(BLOB, text), BLOB, text)
    index = pack.write(tmp_path, "0" * 40)
    file = index.with_suffix(".pack")
    file.write_bytes(file.read_bytes()[: pack.at[oid_of(BLOB, texts[6])]])
    found = kinds(index)
    assert all(found[oid_of(BLOB, text).hex()] == BLOB for text in texts[:5])
    assert all(found[oid_of(BLOB, text).hex()] == 0 for text in texts[6:])


def test_a_trees_children_are_listed_below_it(tmp_path: Path) -> None:
    base, patch = b"the base\n" * 4, number(36) + number(9) + copy(0, 9)
    pack = PackWriter()
    pack.put(oid_of(BLOB, base), BLOB, base)
    for name in (b"\1", b"\2"):
        pack.against(name * 20, oid_of(BLOB, base), patch)
    pack.against(b"\3" * 20, b"\2" * 20, patch, by_oid=True)
    read = open_pack(pack.write(tmp_path, "0" * 40), 20)
    places = {read.oid(n)[:2]: n for n in range(4)}
    first, kids = packs.children(read, np.arange(4))
    below = {name: kids[first[n] : first[n + 1]].tolist() for name, n in places.items()}
    assert below[oid_of(BLOB, base).hex()[:2]] == [places["01"], places["02"]]
    assert below["02"] == [places["03"]]
    assert below["01"] == below["03"] == []
