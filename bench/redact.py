"""How fast redaction is: log records a second, against plain logging in the same run, and bytes a second through the pipe.

    python bench/redact.py

Prints each number with its ratio. Measurements take turns, so that a busy machine slows all of them alike.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from scanner.redaction import Filter, Formatter, Redactor  # noqa: E402

RECORDS = 20_000
ROUNDS = 5
FORM = "%(asctime)s %(levelname)s %(name)s %(message)s"


def logger(name: str, filters: list[logging.Filter], formatter: logging.Formatter) -> logging.Logger:
    handler = logging.StreamHandler(open(os.devnull, "w"))  # noqa: SIM115
    handler.setFormatter(formatter)
    for each in filters:
        handler.addFilter(each)
    log = logging.getLogger(name)
    log.propagate, log.handlers = False, [handler]
    log.setLevel(logging.INFO)
    return log


def write(log: logging.Logger) -> float:
    """Seconds for `RECORDS` records without secrets."""
    started = time.perf_counter()
    for number in range(RECORDS):
        log.info("GET %s %d in %.1f ms for user=%s", "/api/v1/items?page=3", 200, number / 10, "ada")
    return time.perf_counter() - started


def best(works: dict[str, Callable[[], float]]) -> dict[str, float]:
    """The shortest time of each, taken in turns."""
    times: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(ROUNDS):
        for name, work in works.items():
            times[name].append(work())
    return {name: min(found) for name, found in times.items()}


def pipe(command: list[str], source: Path) -> float:
    with source.open("rb") as data, open(os.devnull, "wb") as nowhere:
        started = time.perf_counter()
        subprocess.run(command, stdin=data, stdout=nowhere, check=True, cwd=ROOT)
        return time.perf_counter() - started


def main() -> None:
    redactor = Redactor()
    plain = logging.Formatter(FORM)
    loggers = {
        "plain logging": logger("a", [], plain),
        "with Filter": logger("b", [Filter(redactor)], plain),
        "with Formatter": logger("c", [], Formatter(plain, redactor)),
    }
    times = best({name: partial(write, log) for name, log in loggers.items()})
    base = times["plain logging"]
    for name, seconds in times.items():
        each = f"{(seconds - base) / RECORDS * 1e6:+.1f} us a record" if name != "plain logging" else ""
        print(f"{name:<16} {RECORDS / seconds:>9,.0f} lines/s  {base / seconds:.2f} of plain  {each}")
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "app.log"
        line = b"2024-05-06 07:08:09,123 INFO app.views GET /api/v1/items?page=3 200 12ms user=ada id=4711\n"
        source.write_bytes(line * (64 * 1024 * 1024 // len(line)))
        size = source.stat().st_size
        times = best(
            {
                "cat": lambda: pipe(["cat"], source),
                "deadkey redact": lambda: pipe([sys.executable, "-m", "scanner", "redact"], source),
            }
        )
        for name, seconds in times.items():
            rate = f"{size / seconds / 1e6:,.0f} MB/s"
            print(f"{name:<16} {size / len(line) / seconds:>9,.0f} lines/s  {rate}, start included")


if __name__ == "__main__":
    main()
