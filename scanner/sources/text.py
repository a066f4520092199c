"""Text that a program has in its hands, as a source."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass, field

from scanner.model import Chunk, Origin, Skip
from scanner.sources.interface import Item
from scanner.sources.windows import windows


@dataclass(frozen=True)
class TextSource:
    """Bytes in memory; `name` stands for a path, and may be None."""

    data: bytes = field(repr=False)
    name: str | None = None
    kind: str = "text"

    def items(self) -> Iterator[Item | Skip]:
        """The one item there is."""
        yield Item(self.name or "", len(self.data))

    def read(self, item: Item) -> Iterator[Chunk | Skip]:
        """Windows of it."""
        yield from windows(io.BytesIO(self.data), Origin(self.kind, self.name))
