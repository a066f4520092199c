"""A commit's message before it is made, as a commit-msg hook is handed it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from scanner.model import Chunk, Origin, Skip
from scanner.sources.files import check_exists, open_regular, reason
from scanner.sources.interface import Item

MOST = 64 << 20
"""Bytes. Nobody writes so long a message."""

SCISSORS = re.compile(rb"(?m)^\S{1,8} -{24} >8 -{24}\r?\n")
"""Below it stands what `git commit --verbose` shows and git cuts off again (git-commit(1), --cleanup=scissors): the diff,
with the very lines that are taken out."""


@dataclass(frozen=True, slots=True)
class MessageSource:
    """The message in the file at `path`."""

    path: str
    kind: str = "message"

    def items(self) -> Iterator[Item | Skip]:
        """Raises DeadkeyError if there is no such file."""
        found = check_exists(self.path, links=True)
        yield found if isinstance(found, Skip) else Item(self.path, found.st_size)

    def read(self, item: Item) -> Iterator[Chunk | Skip]:
        """The message, up to where git cuts it off."""
        try:
            with open_regular(item.path, links=True) as file:
                data = file.read(MOST) or b""
                more = bool(file.read(1))
        except OSError as e:
            yield Skip(item.path, reason(e))
            return
        cut = SCISSORS.search(data)
        yield Chunk(data[: cut.start()] if cut else data, Origin(self.kind, item.path))
        if more and not cut:
            yield Skip(item.path, f"is longer than {MOST >> 20} MiB; the rest was not scanned")
