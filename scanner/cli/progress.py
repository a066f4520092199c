"""The bar that long work shows at a terminal: bytes, rate and time left, after a second."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import TextIO

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    ProgressColumn,
    TaskID,
    TimeElapsedColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from scanner.report.color import wanted

PATIENCE = 1.0
"""Seconds of work before a bar appears."""


class Bar:
    """Tell it bytes done and in all; it appears when the work turns out long, and goes away at the end.

    Where nobody knows how much there is (`total` 0), it shows the time that has passed instead of the time left.
    """

    def __init__(
        self, out: TextIO | None = None, patience: float = PATIENCE, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Draw on `out`, by default standard error, after `patience` seconds of `clock`."""
        out = out or sys.stderr
        self._console = Console(file=out, force_terminal=True, no_color=not wanted(out))
        self._patience, self._clock = patience, clock
        self._started = clock()
        self._bar: Progress | None = None
        self._task = TaskID(0)
        self._most = 0

    def __enter__(self) -> Bar:
        return self

    def tell(self, done: int, total: int) -> None:
        self._most = max(self._most, done)  # what comes out of an archive is more than the archive
        if self._bar is None and self._clock() - self._started >= self._patience and (done < total or not total):
            self._bar = self._drawn(total, self._clock() - self._started)
        if self._bar is not None:
            self._bar.update(self._task, completed=self._most, total=total or None)

    def _drawn(self, total: int, passed: float) -> Progress:
        left: ProgressColumn = TimeRemainingColumn() if total else TimeElapsedColumn()
        columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), left)
        bar = Progress(*columns, console=self._console, transient=True, get_time=self._clock)
        # what was done before it appeared counts for the rate: the work began when it was asked for
        self._task = bar.add_task("", total=total or None, start=False)
        bar.tasks[0].start_time = self._clock() - passed
        bar.start()
        return bar

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
