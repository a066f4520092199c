"""What a format is: a module with one function, and the options that every format understands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TextIO

from scanner.model import Report


@dataclass(frozen=True, slots=True)
class Options:
    """How to write a report.

    `color` and `width` (in columns) are for terminals; None means: look at the stream. `tool` and `version` name the
    program, `verb` the command line verb that was run (`scan git`). `now` is the time from which ages count; None means
    the present. `changes` says of each fingerprint, in a comparison of two reports, whether it is `new`, `gone` or
    `still there`.
    """

    show_secrets: bool = False
    color: bool | None = None
    width: int | None = None
    tool: str = "deadkey"
    version: str = ""
    verb: str = ""
    now: datetime | None = None
    changes: Mapping[str, str] | None = None


class Format(Protocol):
    """A module of this room."""

    def render(self, report: Report, options: Options, out: TextIO) -> None:
        """Write all of `report` to `out`. Raises only what `out` raises."""
        ...
