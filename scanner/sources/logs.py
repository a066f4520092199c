"""Logs: plain or compressed, with their rotated predecessors, and followed as they grow."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from io import FileIO

from scanner.model import Chunk, Origin, Skip
from scanner.sources.archives import Unpacked, recognise
from scanner.sources.files import check_exists, open_regular, reason, walk
from scanner.sources.interface import Item
from scanner.sources.windows import BLOCK, REACH, advance, read_up_to, windows

KIND = "logs"
COMPRESSED = ("gzip", "bzip2", "xz", "zstd")
PARTIAL = 1 << 20
"""Bytes of a line without its end that following holds back."""
POLL = 16 << 20
"""Bytes that following reads of one file before it looks at the next."""
MARK = 1024
"""Bytes before the reading position that are compared to notice a file written anew in place."""
INTERVAL = 0.5
"""Seconds between looks at files that do not grow."""

_STAMP = r"(?P<stamp>\d{4}-\d\d-\d\d(?:[-_.T]?\d+(?:[-:_.]\d+)*)?|\d{8,14}(?:[-_.T]\d+)*|\d{1,6}|old)"
_PACKED = r"(?:\.(?:gz|bz2|xz|zst))?"


@dataclass(frozen=True)
class LogsSource:
    """Logs by name, each with its rotated set, and every regular file in a folder.

    With `follow` set the pipeline goes on with `follow(paths, …)` when these are read.
    """

    paths: tuple[str, ...]
    follow: bool = False
    kind: str = KIND

    def items(self) -> Iterator[Item | Skip]:
        """Each log's files, oldest first. Raises DeadkeyError where neither the log nor a rotated file of it exists."""
        for path in dict.fromkeys(self.paths):
            older = rotated(path)
            if older and not os.path.lexists(path):
                yield from (_item(name) for name in older)
                continue
            status = check_exists(path, links=True)
            if isinstance(status, Skip):
                yield status
            elif stat.S_ISDIR(status.st_mode):
                yield from walk(path)
            else:
                yield from (_item(name) for name in older)
                yield Item(path, status.st_size)

    def read(self, item: Item) -> Iterator[Chunk | Skip]:
        """Windows of the file, unpacked by its first bytes. Unlike an archive's, a log's length is not bounded."""
        origin = Origin(self.kind, item.path)
        try:
            with open_regular(item.path, links=item.path in self.paths) as file:
                form = recognise(read_up_to(file, 512))
                file.seek(0)
                if form not in COMPRESSED:
                    yield from windows(file, origin)
                    return
                content = Unpacked(file, form)
                yield from windows(content, origin)
                if content.problem:
                    yield Skip(item.path, content.problem)
        except OSError as e:
            yield Skip(item.path, reason(e))


def _item(path: str) -> Item | Skip:
    try:
        return Item(path, os.lstat(path).st_size)
    except OSError as e:
        return Skip(path, reason(e))


def rotated(path: str) -> list[str]:
    """The rotated files beside a log, oldest first: those named by date, then those numbered.

    Known are `app.log.1`, `app.log-20240101`, `app.log.2024-01-01`, `app-2024-01-01.log`, `app.1.log` and
    `app.log.old`, each with .gz, .bz2, .xz or .zst after it or none, and `app.log.gz`.
    """
    folder, name = os.path.split(path)
    stem, extension = os.path.splitext(name)
    if not stem:
        return []
    forms = [rf"{re.escape(name)}(?:[.-]{_STAMP})?{_PACKED}"]
    if extension:
        forms.append(rf"{re.escape(stem)}[._-]{_STAMP}{re.escape(extension)}{_PACKED}")
    pattern = [re.compile(form) for form in forms]
    found = []
    try:
        with os.scandir(folder or ".") as entries:
            for entry in entries:
                match = next((m for p in pattern if (m := p.fullmatch(entry.name))), None)
                if match and entry.name != name and entry.is_file(follow_symlinks=False):
                    found.append((_age(match["stamp"]), entry.name))
    except OSError:
        return []  # the log itself will say what is wrong with its folder
    return [os.path.join(folder, name) for _, name in sorted(found)]  # the path as the user gave it


def _age(stamp: str | None) -> tuple[int, tuple[int, ...]]:
    """A key that sorts older first: dates upwards, then numbers downwards, then what carries neither."""
    numbers = tuple(int(n) for n in re.findall(r"\d+", stamp or ""))
    if not numbers:
        return 2, ()
    if len(numbers) == 1 and numbers[0] < 10_000_000:
        return 1, (-numbers[0],)
    return 0, numbers if len(numbers) < 3 else (numbers[0] * 10_000 + numbers[1] * 100 + numbers[2], *numbers[3:])


# Following ------------------------------------------------------------------------------------------------------------


def follow(
    paths: tuple[str, ...], stop: Callable[[], bool], wait: Callable[[float], None], from_start: bool = False
) -> Iterator[Chunk | Skip]:
    """What is written to logs from now on, as `tail -F` sees it; from their first byte with `from_start`.

    Goes on through rotation by renaming (the old file is read to its end first), truncation in place, deletion and
    re-creation; a file that does not exist yet is waited for. Whole lines are yielded as soon as they are read, a line
    without its end when it grows beyond 1 MiB, when its file is replaced, or at the end. Each chunk brings up to
    32 KiB of what came before it as context. `wait(seconds)` is called when nothing new was found; `stop()` is asked
    before each look, and what is written by then is still read.
    """
    tails = [_Tail(path, at_end=not from_start) for path in dict.fromkeys(paths)]
    try:
        while True:
            last = stop()
            quiet = True
            for tail in tails:
                for chunk in tail.poll():
                    quiet = False
                    yield chunk
            if last:
                break
            if quiet:
                wait(INTERVAL)
        for tail in tails:
            yield from tail.flush()
    finally:
        for tail in tails:
            tail.close()


@dataclass
class _Tail:
    """One followed path: the open file, how far it is read, and the bytes that are held.

    `held` starts at `line` and `column` of the file; its first `done` bytes are context, the others yet to be yielded.
    `at_end`: a file found at the first look is entered at its end, whatever turns up later at its beginning.
    """

    path: str
    at_end: bool
    file: FileIO | None = None
    identity: tuple[int, int] = (0, 0)
    offset: int = 0
    mark: bytes = b""
    held: bytes = b""
    done: int = 0
    line: int = 1
    column: int = 1
    complaint: str = ""
    _left: int = field(default=POLL)

    def poll(self) -> Iterator[Chunk | Skip]:
        """What is new since the last look."""
        try:
            yield from self._poll()
            self.complaint = ""
        except FileNotFoundError:
            pass  # gone between two calls: waited for like any other
        except OSError as e:
            if (why := reason(e)) != self.complaint:
                self.complaint = why
                yield Skip(self.path, why)
        self.at_end = False

    def _poll(self) -> Iterator[Chunk | Skip]:
        self._left = POLL
        if self.file is not None:
            yield from self._drain()
        try:
            status = os.stat(self.path)  # paths stay as they were given
        except FileNotFoundError:
            return  # rotated away or not there yet; whoever still writes to the old file is still read
        if self.file is not None:
            if (status.st_dev, status.st_ino) == self.identity or self._left <= 0:
                return
            yield from self._drain()  # what was written between the last read and the renaming
            yield from self.flush()
            self.close()
        self.file = open_regular(self.path, links=True)
        opened = os.fstat(self.file.fileno())
        self.identity = (opened.st_dev, opened.st_ino)
        self._restart()
        if self.at_end:
            self._enter_at_end()
        yield from self._drain()

    def _restart(self) -> None:
        self.offset, self.mark, self.held, self.done, self.line, self.column = 0, b"", b"", 0, 1, 1

    def _enter_at_end(self) -> None:
        """Count the lines that are there, and keep the last bytes as context for what is yet to be written."""
        assert self.file is not None
        while piece := self.file.read(BLOCK):
            self.offset += len(piece)
            self.mark = (self.mark + piece)[-MARK:]
            self.held += piece
            self._forget(max(len(self.held) - REACH, 0))
        self.done = len(self.held)

    def _rewritten(self, file: FileIO) -> bool:
        """Whether what was read is no longer what stands there."""
        if os.fstat(file.fileno()).st_size < self.offset:
            return True
        file.seek(self.offset - len(self.mark))
        return read_up_to(file, len(self.mark)) != self.mark

    def _drain(self) -> Iterator[Chunk | Skip]:
        file = self.file
        assert file is not None
        if self._rewritten(file):
            yield from self.flush()
            self._restart()
        file.seek(self.offset)
        while self._left > 0 and (piece := file.read(BLOCK)):
            self.offset += len(piece)
            self._left -= len(piece)
            self.mark = (self.mark + piece)[-MARK:]
            self.held += piece
            newline = self.held.rfind(b"\n", self.done) + 1
            if newline > self.done:
                yield self._chunk(newline, newline)
            if len(self.held) - self.done > PARTIAL:
                yield self._chunk(len(self.held) - REACH, len(self.held))

    def flush(self) -> Iterator[Chunk]:
        """The line that is held back."""
        if len(self.held) > self.done:
            yield self._chunk(len(self.held), len(self.held))

    def _chunk(self, cut: int, end: int) -> Chunk:
        """The held bytes to `end`, new up to `cut`."""
        whole = self.done == 0 and cut == end
        fresh = None if whole else ((self.done, cut),)
        chunk = Chunk(self.held[:end], Origin(KIND, self.path), fresh, None, self.line, self.column)
        self.done = cut
        self._forget(max(cut - REACH, 0))
        return chunk

    def _forget(self, n: int) -> None:
        self.line, self.column = advance(self.held[:n], self.line, self.column)
        self.held, self.done = self.held[n:], max(self.done - n, 0)

    def close(self) -> None:
        if self.file is not None:
            self.file.close()
            self.file = None
