"""What a format is: a module with one function, and the options that every format understands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, TextIO

from scanner.model import Report


@dataclass(frozen=True, slots=True)
class Options:
    """How to write a report.

    `color` and `width` (in columns) are for terminals; None means: look at the stream. `tool` and `version` name the
    program, `verb` the command line verb that was run (`scan git`).
    """

    show_secrets: bool = False
    color: bool | None = None
    width: int | None = None
    tool: str = "deadkey"
    version: str = ""
    verb: str = ""


class Format(Protocol):
    """A module of this room."""

    def render(self, report: Report, options: Options, out: TextIO) -> None:
        """Write all of `report` to `out`. Raises only what `out` raises."""
        ...
