"""Running a program to its end while watching what it and its children cost."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import psutil


@dataclass(frozen=True, slots=True)
class Cost:
    """Wall and processor seconds, the largest proportional memory of all processes together in bytes, exit status."""

    wall: float
    cpu: float
    peak: int
    status: int


def measure(
    command: list[str], out: Path | None = None, environment: dict[str, str] | None = None, cwd: str | None = None
) -> Cost:
    """Run `command`, its standard output going to `out` or nowhere."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    peak = 0
    started = time.perf_counter()
    with open(out or os.devnull, "wb") as sink:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **(environment or {})},
            cwd=cwd,
        )
        done = threading.Event()

        def watch() -> None:
            nonlocal peak
            while not done.wait(0.1):
                peak = max(peak, memory(process.pid))

        watcher = threading.Thread(target=watch)
        watcher.start()
        status = process.wait()
        wall = time.perf_counter() - started
        done.set()
        watcher.join()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Cost(wall, cpu, peak, status)


def memory(pid: int) -> int:
    """Proportional set size of a process and all below it, in bytes (resident size where the system does not say)."""
    total = 0
    try:
        root = psutil.Process(pid)
        for process in [root, *root.children(recursive=True)]:
            try:
                info = process.memory_full_info()
                total += getattr(info, "pss", info.rss)
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue
    except psutil.NoSuchProcess:
        pass
    return total


def find(name: str, package: str) -> str | None:
    """A peer's native program: from its Python package, without the start of a wrapper, or from the PATH."""
    try:
        module = __import__(package)
        native = Path(module.__path__[0]) / "bin" / name
        if native.is_file():
            return str(native)
    except (ImportError, AttributeError, IndexError):
        pass
    return shutil.which(name)


def deadkey() -> list[str]:
    return [sys.executable, "-m", "scanner"]
