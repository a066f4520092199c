"""Standard input as a source."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass

from scanner.model import Chunk, DeadkeyError, Origin, Skip
from scanner.sources.interface import Item
from scanner.sources.windows import windows

PATH = "<stdin>"


@dataclass(frozen=True)
class StdinSource:
    """Whatever is piped in, read once, in the process that owns the pipe."""

    kind: str = "stdin"

    def items(self) -> Iterator[Item | Skip]:
        """The one item there is. Raises DeadkeyError when standard input is closed."""
        if sys.stdin is None or sys.stdin.closed:
            raise DeadkeyError("standard input is closed: pipe something in")
        yield Item(PATH)

    def read(self, item: Item) -> Iterator[Chunk | Skip]:
        """Windows of standard input under the path `<stdin>`."""
        try:
            yield from windows(sys.stdin.buffer, Origin(self.kind, PATH))
        except OSError as e:
            yield Skip(PATH, f"cannot be read: {(e.strerror or 'input error').lower()}")
