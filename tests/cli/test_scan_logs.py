"""`deadkey scan logs`: rotated sets, and following a log that lives."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import zstandard

from tests.cli.parts import Token, places, scan, secrets, started, until


def test_a_log_with_its_rotated_set(tmp_path: Path, token: Token) -> None:
    for name, pack in (
        ("app.log", bytes),
        ("app.log.1", bytes),
        ("app.log.2.gz", gzip.compress),
        ("app.log.3.bz2", bz2.compress),
        ("app.log.4.xz", lzma.compress),
        ("app.log.5.zst", zstandard.ZstdCompressor().compress),
        ("app.log-20240101", bytes),
        ("other.log", bytes),
    ):
        (tmp_path / name).write_bytes(pack(b"GET / 200\nlogin token=" + token(name) + b" ok\n"))
    report = scan("logs", "app.log", cwd=tmp_path)
    wanted = ("", ".1", ".2.gz", ".3.bz2", ".4.xz", ".5.zst", "-20240101")
    assert secrets(report) == sorted(token(f"app.log{end}") for end in wanted)
    assert places(report, token("app.log.2.gz")) == [("app.log.2.gz", 2)]


def test_a_folder_of_logs(tmp_path: Path, token: Token) -> None:
    (tmp_path / "var/nginx").mkdir(parents=True)
    (tmp_path / "var/nginx/access.log").write_bytes(b"GET /?t=" + token("a") + b" HTTP/1.1\n")
    assert places(scan("logs", "var", cwd=tmp_path), token("a")) == [("var/nginx/access.log", 1)]


def test_a_compressed_log_that_breaks_off_is_read_as_far_as_it_goes(tmp_path: Path, token: Token) -> None:
    noise = os.urandom(200_000).hex().encode()
    (tmp_path / "app.log.gz").write_bytes(gzip.compress(token("early") + b"\n" + noise)[:-50_000])
    report = scan("logs", "app.log.gz", status=3, cwd=tmp_path)
    assert secrets(report) == [token("early")]
    assert [skip["path"] for skip in report["skipped"]] == ["app.log.gz"]


# Following ------------------------------------------------------------------------------------------------------------


class Followed:
    """`deadkey scan logs --follow` on `app.log` in a process of its own, its output in a file."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.log = folder / "app.log"
        self.out = folder / "out"
        self.err = folder / "err"
        self.log.write_bytes(b"started\n")
        with self.out.open("wb") as out, self.err.open("wb") as err:
            self.process = started(
                "scan", "logs", "--follow", "app.log", *arguments, cwd=folder, stdout=out, stderr=err
            )

    def append(self, line: bytes) -> None:
        with self.log.open("ab") as out:
            out.write(line)

    def ready(self, token: Token) -> int:
        """Write tokens until the first is reported; how many were written since the process has been looking."""
        lines = 0

        def noticed() -> bool:
            nonlocal lines
            if not lines or not self.out.stat().st_size:
                lines += 1
                self.append(b"hello " + token(f"hello {lines}") + b"\n")
            return self.out.stat().st_size > 0

        until(noticed, self.process)
        return lines

    def said(self, what: bytes) -> None:
        until(lambda: what in self.out.read_bytes(), self.process)

    def end(self) -> int:
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(30)


@pytest.fixture
def follow(tmp_path: Path) -> Iterator[Callable[..., Followed]]:
    with ExitStack() as stack:

        def start(*arguments: str) -> Followed:
            followed = Followed(tmp_path, *arguments)
            stack.callback(followed.process.wait)
            stack.callback(followed.process.kill)
            return followed

        yield start


def test_following_through_growth_rotation_and_truncation(follow: Callable[..., Followed], token: Token) -> None:
    log = follow("--format", "jsonl", "--show-secrets")
    log.ready(token)
    log.append(b"x\ngrown " + token("grown") + b"\nhalf " + token("half")[:20])
    log.said(token("grown"))
    log.append(token("half")[20:] + b"\n")
    log.said(token("half"))
    log.log.rename(log.log.with_name("app.log.1"))
    with log.log.with_name("app.log.1").open("ab") as out:
        out.write(b"late " + token("last of the old") + b"\n")
    log.log.write_bytes(b"one\nrotated " + token("rotated") + b"\n")
    log.said(token("rotated"))
    log.said(token("last of the old"))
    log.log.write_bytes(b"truncated " + token("truncated") + b"\n")
    log.said(token("truncated"))
    log.append(b"again " + token("grown") + b"\nend " + token("end") + b"\n")
    log.said(token("end"))
    assert log.end() == 1
    assert log.err.read_bytes() == b""
    found = [json.loads(line) for line in log.out.read_text().splitlines()]
    wanted = [token(x) for x in ("grown", "half", "last of the old", "rotated", "truncated", "end")]
    assert [f["secret"].encode() for f in found][-len(wanted) :] == wanted
    (rotated,) = [f for f in found if f["secret"].encode() == token("rotated")]
    assert [(x["path"], x["start_line"]) for x in rotated["locations"]] == [("app.log", 2)]


def test_following_for_people_hides_the_tokens(follow: Callable[..., Followed], token: Token) -> None:
    log = follow()
    written = log.ready(token)
    assert log.end() == 1
    text = log.out.read_text()
    assert text.startswith("app.log:")
    assert "critical GitHub personal access token" in text
    assert not [n for n in range(1, written + 1) if token(f"hello {n}").decode() in text]


def test_following_what_stays_clean_ends_with_0(follow: Callable[..., Followed]) -> None:
    log = follow()
    opened = Path(f"/proc/{log.process.pid}/fd")

    def reading() -> bool:
        try:
            return any(os.path.realpath(link) == str(log.log.resolve()) for link in list_of(opened))
        except FileNotFoundError:  # closed while it was looked at
            return False

    until(reading, log.process)
    log.append(b"all is well\n")
    assert log.end() == 0
    assert (log.out.read_bytes(), log.err.read_bytes()) == (b"", b"")


def list_of(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []


def test_a_missing_log_to_follow_is_waited_for(tmp_path: Path, token: Token) -> None:
    out = tmp_path / "found"
    process = started(
        "scan", "logs", "--follow", "later.log", "--output", str(out), cwd=tmp_path, stderr=subprocess.PIPE
    )
    try:
        lines = 0

        def noticed() -> bool:
            nonlocal lines
            if not out.exists():
                return False
            if not out.stat().st_size:
                lines += 1
                with (tmp_path / "later.log").open("ab") as log:
                    log.write(token(f"line {lines}") + b"\n")
            return out.stat().st_size > 0

        until(noticed, process)
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 1
        assert process.stderr and process.stderr.read() == b""
    finally:
        process.kill()
        process.wait()
        assert process.stderr
        process.stderr.close()
