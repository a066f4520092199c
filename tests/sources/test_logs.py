import bz2
import gzip
import lzma
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from scanner.model import Chunk, DeadkeyError, Skip
from scanner.sources.interface import Item
from scanner.sources.logs import LogsSource, follow


def read(source: LogsSource) -> list[tuple[str, bytes]]:
    out = []
    for item in source.items():
        assert isinstance(item, Item)
        for chunk in source.read(item):
            assert isinstance(chunk, Chunk)
            out.append((Path(item.path).name, chunk.data))
    return out


def test_a_log_brings_its_rotated_set_oldest_first(tmp_path: Path) -> None:
    packed: dict[str, Callable[[bytes], bytes]] = {
        ".gz": gzip.compress,
        ".bz2": bz2.compress,
        ".xz": lzma.compress,
        ".zst": zstandard.compress,
    }
    names = [
        "app-2023-12-31.log",
        "app.log-20240101",
        "app.log-20240102.gz",
        "app.log.2024-01-03",
        "app-2024-01-04.0.log.zst",
        "app-2024-01-04.1.log",
        "app.log.10.gz",
        "app.log.3.xz",
        "app.log.2.bz2",
        "app.1.log",
        "app.log.old",
        "app.log",
    ]
    for name in names:
        (tmp_path / name).write_bytes(packed.get(Path(name).suffix, bytes)(name.encode()))
    for other in ("app.logger", "myapp.log.1", "app.log.1.txt", "apple.log", "app-x.log"):
        (tmp_path / other).write_bytes(b"other")
    (tmp_path / "app.log.7").symlink_to("apple.log")
    assert read(LogsSource((str(tmp_path / "app.log"),))) == [(name, name.encode()) for name in names]


def test_a_log_of_which_only_rotated_files_are_left_is_read(tmp_path: Path) -> None:
    (tmp_path / "app.log.1").write_bytes(b"old")
    assert read(LogsSource((str(tmp_path / "app.log"),))) == [("app.log.1", b"old")]
    with pytest.raises(DeadkeyError, match="no such file"):
        list(LogsSource((str(tmp_path / "none.log"),)).items())


def test_a_folder_means_every_regular_file_and_a_named_link_its_target(tmp_path: Path) -> None:
    (tmp_path / "d" / "e").mkdir(parents=True)
    (tmp_path / "d" / "e" / "x").write_bytes(b"x")
    (tmp_path / "d" / "y").write_bytes(b"y")
    (tmp_path / "d" / "z").symlink_to("y")
    assert read(LogsSource((str(tmp_path / "d"),))) == [("y", b"y"), ("x", b"x")]
    assert read(LogsSource((str(tmp_path / "d" / "z"),))) == [("z", b"y")]


def test_a_broken_gzip_gives_what_it_holds_then_a_skip(tmp_path: Path) -> None:
    text = b"".join(b"%d a line of a log\n" % n for n in range(300_000))
    log = tmp_path / "app.log.gz"
    log.write_bytes(gzip.compress(text)[:-1000])
    source = LogsSource((str(log),))
    (item,) = source.items()
    assert isinstance(item, Item)
    *chunks, skip = source.read(item)
    assert skip == Skip(str(log), "ends early: only what could be unpacked was scanned")
    (chunk,) = chunks
    assert isinstance(chunk, Chunk)
    assert text.startswith(chunk.data)
    assert len(chunk.data) > len(text) // 2


@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstandard.compress])
def test_a_line_of_200_megabytes_takes_little_memory(pack: Callable[[bytes], bytes], tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    piece = b"start\n" + b"x" * (200 << 20)
    log.write_bytes(pack(piece))
    total = len(piece)
    del piece
    program = """
import resource, sys, zstandard
from scanner.sources.logs import LogsSource
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
source = LogsSource((sys.argv[1],))
reached = 0
for item in source.items():
    for chunk in source.read(item):
        reached += chunk.fresh[0][1] - chunk.fresh[0][0]
print(reached, chunk.first_line, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    out = subprocess.run([sys.executable, "-c", program, str(log)], capture_output=True, check=True).stdout
    reached, line, grown = map(int, out.split())
    assert (reached, line) == (total, 2)
    assert grown * (1 if sys.platform == "darwin" else 1024) < 100 << 20


class Writer:
    """Steps that happen to a log while it is followed: one each time that nothing new was found."""

    def __init__(self, path: Path, *steps: Callable[[], object]) -> None:
        self.path, self.steps = path, list(steps)
        self.waits: list[float] = []

    def stop(self) -> bool:
        return not self.steps and bool(self.waits)

    def wait(self, seconds: float) -> None:
        self.waits.append(seconds)
        if self.steps:
            self.steps.pop(0)()

    def append(self, data: bytes, path: Path | None = None) -> Callable[[], object]:
        def step() -> None:
            with (path or self.path).open("ab") as file:
                file.write(data)

        return step

    def followed(self, from_start: bool = False) -> list[tuple[int, int, bytes]]:
        """Line, column and bytes of everything that was fresh."""
        out = []
        for chunk in follow((str(self.path),), self.stop, self.wait, from_start):
            assert isinstance(chunk, Chunk), chunk
            assert chunk.origin.path == str(self.path)
            ((begin, end),) = chunk.fresh or ((0, len(chunk.data)),)
            before = chunk.data[:begin]
            line = chunk.first_line + before.count(b"\n")
            column = len(before) - before.rfind(b"\n") if b"\n" in before else chunk.first_column + len(before)
            out.append((line, column, chunk.data[begin:end]))
        return out


def test_following_starts_at_the_end_with_absolute_lines(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    log.write_bytes(b"one\ntwo\nthree, begun")
    writer = Writer(log)
    writer.steps = [writer.append(b" and done\nfour\nfi"), writer.append(b"ve\n")]
    chunks = list(follow((str(log),), writer.stop, writer.wait))
    assert [c.data for c in chunks if isinstance(c, Chunk)] == [
        b"one\ntwo\nthree, begun and done\nfour\n",
        b"one\ntwo\nthree, begun and done\nfour\nfive\n",
    ]
    assert [c.fresh for c in chunks if isinstance(c, Chunk)] == [((20, 35),), ((35, 40),)]


def test_following_from_the_start_holds_partial_lines_back(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    log.write_bytes(b"one\ntwo\npart")
    writer = Writer(log)
    writer.steps = [writer.append(b"ial"), writer.append(b" line\nlast without end")]
    assert writer.followed(from_start=True) == [
        (1, 1, b"one\ntwo\n"),
        (3, 1, b"partial line\n"),
        (4, 1, b"last without end"),
    ]


def test_following_survives_rotation_by_renaming(tmp_path: Path) -> None:
    log, old = tmp_path / "app.log", tmp_path / "app.log.1"
    log.write_bytes(b"before\n")
    writer = Writer(log)

    def rotate() -> None:
        log.rename(old)
        writer.append(b"late, by a writer that has not noticed\nand unfinished", old)()
        log.write_bytes(b"new one\nnew two\n")

    writer.steps = [writer.append(b"second\n"), rotate, writer.append(b"new three\n")]
    assert writer.followed() == [
        (2, 1, b"second\n"),
        (3, 1, b"late, by a writer that has not noticed\n"),
        (4, 1, b"and unfinished"),
        (1, 1, b"new one\nnew two\n"),
        (3, 1, b"new three\n"),
    ]


def test_following_survives_truncation_in_place_even_when_it_outgrows_the_old(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    log.write_bytes(b"a\nb\nc\n")
    writer = Writer(log)
    writer.steps = [
        lambda: log.write_bytes(b"x\n"),
        lambda: log.write_bytes(b"much longer than before\nwith lines\n"),
        writer.append(b"more\n"),
    ]
    assert writer.followed() == [
        (1, 1, b"x\n"),
        (1, 1, b"much longer than before\nwith lines\n"),
        (3, 1, b"more\n"),
    ]


def test_following_survives_deletion_and_waits_for_what_is_not_there(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    writer = Writer(log)
    writer.steps = [
        lambda: None,
        writer.append(b"born\n"),
        log.unlink,
        lambda: None,
        writer.append(b"reborn\n"),
    ]
    assert writer.followed() == [(1, 1, b"born\n"), (1, 1, b"reborn\n")]
    assert len(writer.waits) >= 5
    assert set(writer.waits) == {0.5}


def test_a_line_that_does_not_end_is_given_in_parts_that_tile_it(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    log.write_bytes(b"")
    line = bytes(range(32, 127)) * 40_000
    writer = Writer(log)
    size = len(line) // 5
    writer.steps = [writer.append(line[n : n + size]) for n in range(0, len(line), size)]
    writer.steps.append(writer.append(b"\nnext\n"))
    parts = writer.followed()
    assert b"".join(data for _, _, data in parts) == line + b"\nnext\n"
    assert len(parts) == 3
    at = 1
    for number, column, data in parts[:-1]:
        assert (number, column) == (1, at)
        at += len(data)


def test_several_logs_are_followed_and_what_cannot_be_read_is_said_once(tmp_path: Path) -> None:
    one, two, folder = tmp_path / "one", tmp_path / "two", tmp_path / "folder"
    folder.mkdir()
    writer = Writer(one)
    writer.steps = [writer.append(b"1\n"), writer.append(b"2\n", two), lambda: None]
    out = list(follow((str(one), str(two), str(folder)), writer.stop, writer.wait))
    assert [Path(c.origin.path or "").name for c in out if isinstance(c, Chunk)] == ["one", "two"]
    assert [s for s in out if isinstance(s, Skip)] == [Skip(str(folder), "cannot be read: not a regular file")]


def test_files_are_closed_when_the_follower_is(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    log.write_bytes(b"x\n")
    fds = Path("/dev/fd")
    before = len(list(fds.iterdir()))
    follower = follow((str(log),), lambda: False, lambda _: None, from_start=True)
    next(follower)
    assert len(list(fds.iterdir())) == before + 1
    follower.close()  # type: ignore[attr-defined]
    assert len(list(fds.iterdir())) == before
