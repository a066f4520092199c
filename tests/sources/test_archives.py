import bz2
import gzip
import io
import lzma
import struct
import tarfile
import tracemalloc
import zipfile
from collections.abc import Callable

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from scanner.model import Chunk, Skip
from scanner.sources.archives import Limits, Unpacked, recognise, unpack

COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zstd": zstandard.ZstdCompressor(write_checksum=True).compress,
}


def zipped(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return file.getvalue()


def tarred(members: dict[str, bytes], form: int = tarfile.PAX_FORMAT) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=form) as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return file.getvalue()


def opened(data: bytes, limits: Limits | None = None) -> tuple[dict[str | None, bytes], list[Skip]]:
    """What came out by path, and what was skipped."""
    chunks: dict[str | None, bytes] = {}
    skips = []
    for out in unpack(io.BytesIO(data), "a", "files", limits):
        if isinstance(out, Chunk):
            assert out.origin.path not in chunks or out.fresh is not None
            chunks[out.origin.path] = out.data
        else:
            skips.append(out)
    return chunks, skips


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_zip_of_any_method_is_read(method: int) -> None:
    members = {"one.txt": b"token one", "dir/two": b"token two" * 999, "empty": b"", "dir/": b""}
    chunks, skips = opened(zipped(members, method))
    assert chunks == {"a!/one.txt": members["one.txt"], "a!/dir/two": members["dir/two"]}
    assert skips == []


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@pytest.mark.parametrize("compress", [None, *COMPRESS])
def test_a_tar_is_read_packed_or_not(form: int, compress: str | None) -> None:
    long = "d" * 90 + "/" + "n" * 90 if form == tarfile.USTAR_FORMAT else "n" * 300
    members = {"one": b"token", long: b"x" * 513, "last": b"y" * 1024, "empty": b""}
    data = tarred(members, form)
    chunks, skips = opened(COMPRESS[compress](data) if compress else data)
    assert chunks == {f"a!/{name}": content for name, content in members.items() if content}
    assert skips == []


def test_names_in_a_tar_need_not_be_utf8() -> None:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.GNU_FORMAT, encoding="latin-1") as archive:
        info = tarfile.TarInfo("caf\xe9")
        info.size = 1
        archive.addfile(info, io.BytesIO(b"x"))
    assert opened(file.getvalue())[0] == {"a!/caf\udce9": b"x"}


def test_links_and_devices_in_a_tar_have_nothing_to_read() -> None:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE):
            info = tarfile.TarInfo("n" + kind.decode())
            info.type, info.linkname = kind, "/etc/passwd"
            archive.addfile(info)
        info = tarfile.TarInfo("file")
        info.size = 1
        archive.addfile(info, io.BytesIO(b"x"))
    assert opened(file.getvalue()) == ({"a!/file": b"x"}, [])


@pytest.mark.parametrize("form", COMPRESS)
@settings(deadline=None)
@given(data=st.binary(max_size=3000), more=st.binary(max_size=100), step=st.integers(1, 4000))
def test_a_compressed_file_and_a_concatenation_are_read_whole(form: str, data: bytes, more: bytes, step: int) -> None:
    packed = COMPRESS[form](data) + COMPRESS[form](more) + b"\0" * 8
    assert recognise(packed) == form
    content = Unpacked(io.BytesIO(packed), form)
    out = b"".join(iter(lambda: content.read(step), b""))
    assert (out, content.problem) == (data + more, None)


@pytest.mark.parametrize("form", COMPRESS)
def test_a_compressed_file_comes_under_its_own_path(form: str) -> None:
    assert opened(COMPRESS[form](b"token")) == ({"a": b"token"}, [])


@pytest.mark.parametrize("form", COMPRESS)
def test_a_truncated_file_gives_what_it_holds_and_says_so(form: str) -> None:
    data = bytes(range(256)) * 8000 + b"end"
    chunks, skips = opened(COMPRESS[form](data)[:-6])
    assert data.startswith(b"".join(chunks.values()))
    assert skips == [Skip("a", "ends early: only what could be unpacked was scanned")]


@pytest.mark.parametrize("form", COMPRESS)
def test_a_damaged_file_is_named(form: str) -> None:
    packed = bytearray(COMPRESS[form](b"some words" * 100))
    packed[len(packed) // 2 : len(packed) // 2 + 8] = b"\xff" * 8
    _, (skip,) = opened(bytes(packed))
    assert skip.path == "a"
    assert skip.reason.startswith(("is damaged", "ends early"))


def test_what_follows_the_end_of_a_compressed_file_is_named() -> None:
    chunks, (skip,) = opened(gzip.compress(b"token") + b"something else")
    assert chunks == {"a": b"token"}
    assert skip == Skip("a", "goes on after its end with bytes that are no gzip and were not scanned")


def test_nesting_is_opened_three_deep_and_no_deeper() -> None:
    inner = zipped({"deep.txt": b"token"})
    second = tarred({"b.jar": inner})
    third = zipped({"c.tar.gz": gzip.compress(second)})
    assert opened(third) == ({"a!/c.tar.gz!/b.jar!/deep.txt": b"token"}, [])
    chunks, skips = opened(zipped({"d.zip": third}))
    assert chunks == {}
    assert skips == [
        Skip(
            "a!/d.zip!/c.tar.gz!/b.jar",
            "is an archive more than 3 deep in others: unpack it and scan the folder",
        )
    ]


def test_a_bomb_is_cut_off_by_its_ratio_in_little_memory() -> None:
    bomb = zipped({"first": b"token", "zeros": b"\0" * (60 << 20), "after": b"x"}, zipfile.ZIP_BZIP2)
    tracemalloc.start()
    chunks, skips = opened(bomb)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 50 << 20
    assert chunks["a!/first"] == b"token"
    assert "a!/after" not in chunks
    (skip,) = skips
    assert skip.path == "a!/zeros"
    assert skip.reason == (
        "unpacks to more than 200 times its size; the rest was not scanned: unpack it and scan the folder"
    )


@pytest.mark.parametrize("form", COMPRESS)
def test_the_total_is_bounded_over_all_levels(form: str) -> None:
    text = bytes(range(256)) * 4000
    data = COMPRESS[form](tarred({"one": text, "two": text}))
    chunks, skips = opened(data, Limits(unpacked=len(text) + 4096))
    assert chunks["a!/one"] == text
    assert [(s.path, s.reason.split(";")[0]) for s in skips][-1] == (
        "a",
        f"unpacks to more than {len(text) + 4096:,} bytes",
    )


@pytest.mark.parametrize("make", [zipped, tarred])
def test_members_are_bounded(make: Callable[[dict[str, bytes]], bytes]) -> None:
    chunks, (skip,) = opened(make({str(n): b"x" for n in range(9)}), Limits(members=5))
    assert len(chunks) == 5
    assert skip.path == "a"
    assert skip.reason.startswith("has more than 5 members")


def test_an_encrypted_member_is_named_and_the_others_read() -> None:
    data = bytearray(zipped({"locked": b"x", "open": b"token"}))
    directory = data.index(b"PK\x01\x02")
    data[directory + 8] |= 1
    chunks, skips = opened(bytes(data))
    assert chunks == {"a!/open": b"token"}
    assert skips == [Skip("a!/locked", "is encrypted: unpack it with its password and scan the folder")]


def test_an_unknown_method_is_named() -> None:
    data = bytearray(zipped({"odd": b"x"}))
    data[data.index(b"PK\x01\x02") + 10] = 9
    _, (skip,) = opened(bytes(data))
    assert skip == Skip("a!/odd", "is packed by a method that is not known here (9): unpack it and scan that")


def test_a_damaged_zip_is_named_and_looked_at_as_it_stands() -> None:
    data = zipped({"one": b"token"}, zipfile.ZIP_STORED)[:-30]
    chunks, (skip,) = opened(data)
    assert chunks == {"a": data}
    assert skip.path == "a"
    assert "damaged" in skip.reason


def test_a_damaged_member_is_named() -> None:
    data = bytearray(zipped({"one": b"words " * 99, "two": b"token"}))
    data[36:44] = b"\xff" * 8
    chunks, skips = opened(bytes(data))
    assert chunks["a!/two"] == b"token"
    assert [s.path for s in skips] == ["a!/one"]


def test_a_truncated_tar_is_named() -> None:
    chunks, skips = opened(tarred({"one": b"token", "two": b"x" * 5000})[: 512 + 512 + 512 + 100])
    assert chunks["a!/one"] == b"token"
    assert skips == [Skip("a!/two", "ends early: only what the archive holds of it was scanned")]


def test_a_tar_with_a_broken_header_is_named() -> None:
    data = bytearray(tarred({"one": b"token", "two": b"x"}))
    data[1024:1030] = b"\xff" * 6
    chunks, skips = opened(bytes(data))
    assert chunks == {"a!/one": b"token"}
    assert [s.reason for s in skips] == ["is a damaged tar: only the members before the damage were scanned"]


def test_a_header_that_asks_for_gigabytes_gets_none() -> None:
    info = tarfile.TarInfo("././@LongLink")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 8 << 30
    data = gzip.compress(info.tobuf(tarfile.GNU_FORMAT) + b"\0" * (48 << 20))
    tracemalloc.start()
    chunks, skips = opened(data)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 16 << 20
    assert chunks == {}
    assert len(skips) == 1


def test_a_zip_directory_that_asks_for_gigabytes_gets_none() -> None:
    data = bytearray(zipped({"one": b"token"}))
    end = data.index(b"PK\x05\x06")
    data[end + 12 : end + 16] = struct.pack("<I", end)
    chunks, skips = opened(bytes(data))
    assert len(skips) == 1
    assert list(chunks) == ["a"]


@settings(deadline=None)
@given(st.sampled_from([zipped({"n": b"token" * 9}), tarred({"n": b"token" * 9}), zipped({"n": zipped({"m": b"x"})})]),
       st.lists(st.tuples(st.integers(0, 3000), st.integers(0, 255)), max_size=12))  # fmt: skip
def test_no_damage_crashes(data: bytes, edits: list[tuple[int, int]]) -> None:
    broken = bytearray(data)
    for at, byte in edits:
        broken[at % len(broken)] = byte
    opened(bytes(broken))


def test_text_is_no_archive() -> None:
    assert opened(b"PK is not a zip\n") == ({"a": b"PK is not a zip\n"}, [])
    assert opened(b"") == ({}, [])
