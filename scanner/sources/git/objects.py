"""Every object of a store, by asking git: the reference path, simple and right on every storage format git knows."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from typing import IO, NamedTuple

from scanner.model import Chunk, Origin, Skip
from scanner.sources.git.run import Repository, complaint
from scanner.sources.windows import windows

WINDOW = 16 << 20
"""Blobs above this many bytes are read in windows."""
PATIENCE = 200
"""How many broken objects are stepped over one by one before the rest is given up."""


class Entry(NamedTuple):
    """One object: its id in hexadecimal, its type (blob, commit, tag), its size in bytes."""

    oid: str
    kind: str
    size: int


def inventory(repository: Repository) -> tuple[list[Entry], list[Skip]]:
    """Every blob, commit and tag in the store, reachable or not, alternates included, in an order cheap to read."""
    process = repository.start(
        "cat-file",
        "--batch-check=%(objectname) %(objecttype) %(objectsize)",
        "--batch-all-objects",
        "--unordered",
        "--buffer",
    )
    assert process.stdout and process.stderr
    entries: list[Entry] = []
    skips: list[Skip] = []
    with contextlib.closing(Errors(process)) as errors:
        for line in process.stdout:
            oid, _, rest = line.decode().rstrip("\n").partition(" ")
            kind, _, size = rest.partition(" ")
            if kind == "tree":
                continue
            if size:
                entries.append(Entry(oid, kind, int(size)))
            else:
                skips.append(Skip(f"object {oid}", "cannot be read; run `git fsck` in the repository"))
        if process.wait():
            skips.append(Skip(repository.path, f"the list of objects is incomplete: {errors.text()}"))
    return entries, skips


class Errors:
    """Keeps a process's standard error from filling its pipe, and ends the process when closed."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        import threading

        self._process = process
        self._kept = b""
        self._thread = threading.Thread(target=self._drain, daemon=True)
        self._thread.start()

    def _drain(self) -> None:
        assert self._process.stderr
        while block := self._process.stderr.read(1 << 16):
            self._kept = (self._kept + block)[: 1 << 16]

    def text(self) -> str:
        """What the process complained of. Nothing more is read of its output: it may have more than its reader wanted."""
        if self._process.stdout:
            self._process.stdout.close()
        self._process.wait()
        self._thread.join()
        return complaint(self._kept)

    def close(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        self._thread.join()
        for pipe in (self._process.stdout, self._process.stderr):
            if pipe:
                pipe.close()


def contents(repository: Repository, entries: list[Entry]) -> Iterator[Chunk | Skip]:
    """The bytes of every entry as chunks, in order; an object that git cannot read comes as a Skip."""
    import tempfile

    done = 0
    broken = 0
    while done < len(entries):
        with tempfile.TemporaryFile() as wanted:
            wanted.writelines(f"{e.oid}\n".encode() for e in entries[done:])
            wanted.seek(0)
            process = repository.start("cat-file", "--batch", "--buffer", stdin=wanted)
        assert process.stdout
        with contextlib.closing(Errors(process)) as errors:
            for entry in entries[done:]:
                header = process.stdout.readline().split()
                if len(header) != 3:
                    if header[1:] != [b"missing"]:
                        break
                    yield Skip(f"{entry.kind} {entry.oid}", "is missing from the repository")
                    done += 1
                    continue
                body = Body(process.stdout, int(header[2]))
                yield from _chunks(entry, body)
                body.finish()
                if body.left or process.stdout.read(1) != b"\n":
                    break
                done += 1
            if done < len(entries):
                bad = entries[done]
                yield Skip(f"{bad.kind} {bad.oid}", f"cannot be read: {errors.text() or 'git stopped'}; run `git fsck`")
                done += 1
                broken += 1
                if broken >= PATIENCE:
                    rest = len(entries) - done
                    yield Skip(repository.path, f"{rest} more objects were left out after {broken} broken ones", rest)
                    return


def _chunks(entry: Entry, body: Body) -> Iterator[Chunk]:
    blob = entry.kind == "blob"
    if body.left > WINDOW:  # not what was said before of its size: a damaged object may be any
        origin = Origin("git", blob=entry.oid) if blob else Origin(f"git-{entry.kind}", commit=entry.oid)
        yield from windows(body, origin, size=WINDOW)
    elif blob:
        yield Chunk(body.read(), Origin("git", blob=entry.oid))
    else:
        yield message(entry, body.read())


def message(entry: Entry, content: bytes) -> Chunk:
    """A commit or tag, its lines counted from the first of its message, as `git log` shows it."""
    head = content.find(b"\n\n")
    lines = content.count(b"\n", 0, head + 2) if head >= 0 else 0
    return Chunk(content, Origin(f"git-{entry.kind}", commit=entry.oid), first_line=1 - lines)


class Body:
    """The next `size` bytes of a pipe, as a stream that ends there."""

    def __init__(self, pipe: IO[bytes], size: int) -> None:
        self._pipe = pipe
        self.left = size

    def read(self, size: int = -1) -> bytes:
        wanted = self.left if size < 0 else min(size, self.left)
        data = self._pipe.read(wanted) if wanted else b""
        self.left -= len(data)
        if len(data) < wanted:
            self._pipe = _EMPTY
        return data

    def finish(self) -> None:
        """Read what was left unread."""
        while self.left and self.read(1 << 20):
            pass


class _Empty:
    def read(self, _size: int = -1) -> bytes:
        return b""


_EMPTY: IO[bytes] = _Empty()  # type: ignore[assignment]
