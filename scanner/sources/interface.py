"""What a source is: a list of items, cheap to make and to send to another process, and a way to read each one.

The pipeline decides where items are read and hands what comes out to detection; a source never sees a finding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple, Protocol

from scanner.model import Chunk, Skip


class Item(NamedTuple):
    """A unit of work: what to read, about how many bytes that is (0 when unknown), and what else the source needs."""

    path: str
    size: int = 0
    payload: Any = None


class Told(NamedTuple):
    """A chunk that the source has had read already, by the reader it was given, and what was found there."""

    chunk: Chunk
    pairs: list[Any]


class Tally(NamedTuple):
    """Bytes and chunks that were looked at without becoming a chunk of their own."""

    bytes: int
    chunks: int


class Aside(NamedTuple):
    """What a source came to know while it was walked, and wants back when it is asked for the places of what was found."""

    known: Any


Share = Callable[[Callable[[Any], Any], list[Any]], Iterator[Any]]
"""Calls a function with each of many arguments and gives the answers, in any order: here, or spread over processes."""


def alone(function: Callable[[Any], Any], arguments: list[Any]) -> Iterator[Any]:
    """The plain way to share work: one after the other."""
    return map(function, arguments)


class Source(Protocol):
    """Picklable, so that items can be read by worker processes."""

    @property
    def kind(self) -> str: ...

    def items(self) -> Iterable[Item | Skip]:
        """What there is to read, in the order in which findings are to be listed, with what cannot be read."""
        ...

    def read(self, item: Item) -> Iterator[Chunk | Skip]:
        """The bytes of one item. Never raises for what a file holds: what cannot be read comes as a Skip."""
        ...
