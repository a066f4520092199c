"""The console that verbs draw their own tables on."""

from __future__ import annotations

from typing import TYPE_CHECKING, TextIO

from scanner.report.color import wanted

if TYPE_CHECKING:
    from rich.console import Console


def console(out: TextIO, width: int) -> Console:
    """One for `out`, as wide as the terminal, or `width` columns where it is none; coloured as everywhere."""
    from rich.console import Console

    colored = wanted(out)
    return Console(file=out, width=None if out.isatty() else width, force_terminal=colored, no_color=not colored)
