"""Unified diffs: the new side of each hunk, with the added lines marked.

Understood are git's diffs with any prefixes or none, combined diffs of merges, format-patch mails, `diff -u` and what
else writes `---`, `+++` and `@@`, several one after the other and with anything between. Formats: git-diff(1),
"Generating patch text with -p" and "Combined diff format"; POSIX diff, "Diff -u output format".
"""

from __future__ import annotations

import errno
import io
import os
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from scanner.model import Chunk, DeadkeyError, Origin, Skip, Span
from scanner.sources.files import open_regular, reason
from scanner.sources.interface import Item
from scanner.sources.windows import BLOCK, REACH, SIZE, advance

_HUNK = re.compile(rb"(@{2,64})((?: -\d{1,15}(?:,\d{1,15})?){1,64}) \+(\d{1,15})(?:,(\d{1,15}))? (@{2,64})")
_QUOTED = re.compile(rb'"((?:[^"\\]|\\.)*)"')
_ESCAPE = re.compile(rb"\\([0-7]{1,3}|.)", re.DOTALL)
_COMMIT = re.compile(rb"(?:commit|From) ([0-9a-f]{40}|[0-9a-f]{64})(?=[\s(]|$)")
"""What `git log -p`, `git show` and `git format-patch` write before a commit's diffs."""
NOWHERE = b"/dev/null"
_ESCAPES = {b"a": b"\a", b"b": b"\b", b"t": b"\t", b"n": b"\n", b"v": b"\v", b"f": b"\f", b"r": b"\r"}


def added_chunks(
    stream: BinaryIO, source: str, path_prefix: str = "", name: str = "the input"
) -> Iterator[Chunk | Skip]:
    """The new side of every hunk that adds lines, in order, `touch` naming the added ones.

    `path_prefix` is put before every path. A hunk beyond 16 MiB comes in parts, cut at line ends where there are any.
    A hunk that ends early, or goes on after its counts, comes as a Skip naming the file and the patch's line, next to
    what it does hold. Raises DeadkeyError, once all is read, if the input is not blank and holds no diff; `name` is
    what that message calls it.
    """
    yield from _Parser(_Lines(stream), source, path_prefix).parse(name)


@dataclass
class _Lines:
    """Lines with their endings, one of which can be pushed back. A line beyond 1 MiB comes in pieces."""

    stream: BinaryIO
    number: int = 0
    """Of the line last given, counted from 1."""
    continues: bool = False
    """Whether the piece last given goes on the line of the piece before it."""
    ended: bool = True
    """Whether the piece last given has its line's ending."""
    _back: bytes | None = None

    def next(self) -> bytes:
        """The next piece, empty at the end."""
        if self._back is not None:
            piece, self._back = self._back, None
            return piece
        piece = self.stream.readline(BLOCK)
        self.continues = not self.ended
        self.ended = piece.endswith(b"\n")
        self.number += self.continues is False
        return piece

    def push(self, piece: bytes) -> None:
        self._back = piece

    def rest(self) -> Iterator[bytes]:
        """The further pieces of the line last given."""
        while not self.ended and (piece := self.next()):
            yield piece


@dataclass
class _Side:
    """The new side of a hunk as it is put together."""

    origin: Origin
    line: int
    column: int = 1
    data: bytearray = field(default_factory=bytearray)
    touch: list[Span] = field(default_factory=list)
    done: int = 0

    def add(self, piece: bytes, added: bool) -> Iterable[Chunk]:
        """One piece of a line; the chunks that became too large for it come out."""
        full: Iterable[Chunk] = ()
        if len(self.data) + len(piece) > SIZE:
            if self.data.endswith(b"\n"):
                full = list(self.cut(0))
            elif len(self.data) > 2 * REACH:
                full = list(self.cut(REACH))
        begin = len(self.data)
        self.data += piece
        if added:
            if self.touch and self.touch[-1][1] == begin:
                begin = self.touch.pop()[0]
            self.touch.append((begin, len(self.data)))
        return full

    def cut(self, reach: int) -> Iterator[Chunk]:
        """What is held as a chunk; within a line, `reach` bytes at its end are left for the next one to look at."""
        fresh = ((self.done, len(self.data) - reach),) if reach or self.done else None
        if self.touch:
            yield Chunk(bytes(self.data), self.origin, fresh, tuple(self.touch), self.line, self.column)
        passed = len(self.data) - 2 * reach
        self.line, self.column = advance(self.data[:passed], self.line, self.column)
        del self.data[:passed]
        self.touch = [(max(a - passed, 0), b - passed) for a, b in self.touch if b > passed]
        self.done = reach

    def without_newline(self) -> None:
        """The line last added has no ending."""
        if self.data.endswith(b"\n"):
            del self.data[-1]
            if self.touch and self.touch[-1][1] > len(self.data):
                begin, _ = self.touch.pop()
                if begin < len(self.data):
                    self.touch.append((begin, len(self.data)))


@dataclass
class _Parser:
    lines: _Lines
    source: str
    prefix: str
    problem: str = ""
    """What is wrong with the hunk just read."""
    git: bytes | None = None
    """What follows `diff --git ` or, for a combined diff, names its one path."""
    combined: bool = False
    renamed: bytes | None = None
    path: str | None = None
    """Of the file whose hunks come now; None outside of any file."""
    deleted: bool = False
    commit: str | None = None
    """The commit whose diffs come now, where the patch tells."""

    def parse(self, name: str) -> Iterator[Chunk | Skip]:
        found = content = False
        previous = b""
        while line := self.lines.next():
            if self.lines.continues:
                continue
            content = content or bool(line.strip())
            if match := _HUNK.match(line):
                found = True
                yield from self._hunk(match)
            elif line.startswith(b"diff --"):
                found = self._section(line) or found
            elif line.startswith((b"rename to ", b"copy to ")) and self.git is not None:
                self.renamed = line.rstrip(b"\r\n").split(b" ", 2)[2]
            elif line.startswith(b"+++ ") and previous.startswith(b"--- "):
                found = True
                self._files(previous, line)
            elif match := _COMMIT.match(line):
                self.commit, self.path = match[1].decode(), None
            elif not line.startswith(b"--- "):
                self.path, self.deleted = None, False  # hunks belong to a file only right after its header or a hunk
            previous = line
        if content and not found:
            raise DeadkeyError(f"{name} holds no unified diff")

    def _section(self, line: bytes) -> bool:
        """A line that opens a file's part: `diff --git a/x b/x`, `diff --cc x` or `diff --combined x`."""
        self.path, self.renamed, self.git, self.combined = None, None, None, False
        for start in (b"diff --git ", b"diff --cc ", b"diff --combined "):
            if line.startswith(start):
                self.git, self.combined = line[len(start) :].rstrip(b"\r\n"), start != b"diff --git "
        return self.git is not None

    def _files(self, old_line: bytes, new_line: bytes) -> None:
        old, new = _name(old_line[4:]), _name(new_line[4:])
        self.deleted = new == b"/dev/null"
        if self.renamed is not None:
            path = _unquote(self.renamed)
        elif self.combined and self.git is not None:
            path = _unquote(self.git)
        else:
            path = _stripped(old, new, self.git)
        self.path = self.prefix + os.fsdecode(path)
        self.git = self.renamed = None
        self.combined = False

    def _hunk(self, match: re.Match[bytes]) -> Iterator[Chunk | Skip]:
        at = self.lines.number
        for _ in self.lines.rest():
            pass
        if self.path is None:
            yield Skip(f"{self.prefix}<patch>", f"hunk at line {at} of the patch has no file header: make it again")
            return
        old = [int(n or b"1") for n in re.findall(rb" -\d+(?:,(\d+))?", match[2])]
        if len(match[5]) != len(match[1]) or len(old) != len(match[1]) - 1:
            yield Skip(self.path, f"malformed hunk header at line {at} of the patch: make the diff again")
            return
        side = _Side(Origin(self.source, self.path, commit=self.commit), int(match[3]))
        for chunk in self._body(side, old, int(match[4] or b"1")):
            if not self.deleted:
                yield chunk
        if self.problem:
            yield Skip(self.path, f"malformed hunk at line {at} of the patch, {self.problem}: make the diff again")

    def _body(self, side: _Side, old: list[int], new: int) -> Iterator[Chunk]:
        """The lines that the counts promise: `old` for each parent, `new` for the new side. Sets `problem`."""
        self.problem, kept = "", False
        parents = len(old)
        while new > 0 or max(old) > 0:
            line = self.lines.next()
            if line.startswith(b"\\"):
                self._no_newline(side, kept)
                continue
            marks, text = line[:parents], line[parents:]
            if line in (b"\n", b"\r\n"):  # an empty context line whose blanks were trimmed on the way
                marks, text = b" " * parents, line
            kept = b"-" not in marks
            lost = b" " if kept else b"-"
            left = (
                [old[0] - (marks == lost)]
                if parents == 1
                else [n - (marks[i : i + 1] == lost) for i, n in enumerate(old)]
            )
            if len(marks) < parents or marks.strip(b" +-") or min(left) < 0 or new < kept:
                self.problem = "which does not hold the lines that its header says" if line else "which ends early"
                self.lines.push(line)
                break
            old, new = left, new - kept
            if kept:
                yield from side.add(text, marks.count(b"+") == parents)
            for piece in () if self.lines.ended else self.lines.rest():
                if kept:
                    yield from side.add(piece, marks.count(b"+") == parents)
        else:
            line = self.lines.next()
            if line.startswith(b"\\"):
                self._no_newline(side, kept)
                line = self.lines.next()
            if b"+" in line[:parents] and not line[:parents].strip(b" +-"):
                self.problem = "which goes on after the lines that its header says"
            self.lines.push(line)
        if side.data:
            yield from side.cut(0)

    def _no_newline(self, side: _Side, kept: bool) -> None:
        r"""A line `\ No newline at end of file`, in whatever language."""
        for _ in self.lines.rest():
            pass
        if kept:
            side.without_newline()


def _unquote(name: bytes) -> bytes:
    """A name as git and diff quote it, in C's way; one without quotes as it is."""
    match = _QUOTED.match(name)
    if not match:
        return name

    def character(escape: re.Match[bytes]) -> bytes:
        code = escape[1]
        return bytes([int(code, 8) & 0xFF]) if code.isdigit() and code < b"8" else _ESCAPES.get(code, code)

    return _ESCAPE.sub(character, match[1])


def _name(field: bytes) -> bytes:
    """The name in a `---` or `+++` line, without the time stamp or the tab that ends names with blanks in them."""
    return _unquote(field) if field.startswith(b'"') else field.rstrip(b"\r\n").split(b"\t", 1)[0]


def _halves(header: bytes, known: bytes) -> tuple[bytes, bytes] | None:
    """The two names after `diff --git `, of which one is `known`. Unquoted names may hold blanks."""
    if match := _QUOTED.match(header):
        return _unquote(header), _unquote(header[match.end() + 1 :])
    if header.endswith(b'"') and b' "' in header:
        first, _, second = header.partition(b' "')
        return first, _unquote(b'"' + second)
    if header.endswith(b" " + known):
        return header[: -len(known) - 1], known
    if header.startswith(known + b" "):
        return known, header[len(known) + 1 :]
    return None


def _stripped(old: bytes, new: bytes, header: bytes | None) -> bytes:
    """The file's path without the prefix that git puts before it (`b/`, `w/`, whatever is configured, or none).

    Two names that agree have none; two that differ in their first component only have one there. Names that say
    nothing, for one of them is /dev/null, are settled by the `diff --git` line, or else by `a/` and `b/` being usual.
    """
    known = old if new == NOWHERE else new
    if NOWHERE in (old, new):
        if halves := _halves(header or b"", known):
            old, new = halves
        else:
            return known[2:] if known.startswith((b"a/", b"b/")) else known
    first, _, rest = known.partition(b"/")
    same = old.partition(b"/")[2] == new.partition(b"/")[2] != b""
    usual = old.startswith(b"a/") and new.startswith(b"b/")
    return rest if old != new and rest and first and (usual or (same and header is not None)) else known


@dataclass(frozen=True)
class PatchSource:
    """A patch file, or standard input for `-`."""

    path: str
    kind: str = "diff"

    def items(self) -> Iterator[Item | Skip]:
        """The one item. Raises DeadkeyError if the file cannot be read."""
        if self.path == "-":
            yield Item("-")
            return
        with self._open() as file:
            yield Item(self.path, file.seek(0, io.SEEK_END))

    def read(self, item: Item) -> Iterator[Chunk | Skip]:
        """The patch's added lines, as `added_chunks` gives them. Raises DeadkeyError if it is none or went away."""
        if item.path == "-":
            yield from added_chunks(sys.stdin.buffer, self.kind, name="standard input")
            return
        with io.BufferedReader(self._open(), BLOCK) as file:
            yield from added_chunks(file, self.kind, name=item.path)

    def _open(self) -> io.FileIO:
        try:
            return open_regular(self.path, links=True)
        except (OSError, ValueError) as e:
            why = reason(e) if isinstance(e, OSError) and e.errno != errno.ENOENT else "no such file"
            raise DeadkeyError(f"{self.path}: {why}") from e
