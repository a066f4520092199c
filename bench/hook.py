"""How long a commit waits: `deadkey scan staged` on a change of one file, beside a native scanner and bare Python.

    python bench/hook.py [--files N] [--runs N]

In a repository of N files (default 50,000) one line is added to one of them. The commands take turns, so that whatever else
the machine does is shared; of N runs (default 15) each, the median and the best count, and the ratio to the peer is that of
the medians. Then it prints where deadkey's time goes. The peer is `betterleaks git --staged`, if it is on the PATH or beside
this Python.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent

STAGES = """
import sys, time
began = float(sys.argv[1])
stages = [("interpreter", time.time() - began)]
def lap(name, since):
    stages.append((name, time.perf_counter() - since))
at = time.perf_counter()
import click
from scanner.cli import common, main, scan
from scanner import config, pipeline
from scanner.sources.git import changes, run
lap("imports", at)
at = time.perf_counter()
options = pipeline.Options(jobs=1)
ruleset = pipeline.load_rules(options)
ruleset.loaded
lap("rules", at)
at = time.perf_counter()
source = changes.StagedSource(run.open_repository(".", run.INDEX))
chunks = [chunk for item in source.items() for chunk in source.read(item)]
lap("git", at)
at = time.perf_counter()
scanner = pipeline.Scanner(ruleset, options)
for chunk in chunks:
    scanner.chunk(chunk)
lap("scan", at)
for name, seconds in stages:
    print(name, seconds)
"""
"""What the hook does, in its order, with the clock read in between."""


def environment(folder: Path) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    return clean | {"PYTHONPATH": str(ROOT), "XDG_CACHE_HOME": str(folder.parent / "cache"), "HOME": str(folder.parent)}


def timed(command: list[str], folder: Path) -> float:
    """Seconds that a command takes. It is to find nothing."""
    started = time.perf_counter()
    done = subprocess.run(
        command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, env=environment(folder), check=False
    )
    seconds = time.perf_counter() - started
    if done.returncode:
        raise SystemExit(f"{command[0]} ended with status {done.returncode}: {done.stderr.decode(errors='replace')}")
    return seconds


def stages(folder: Path, runs: int) -> dict[str, float]:
    """Median seconds of each part of a hook's run, in a process of its own."""
    seen: dict[str, list[float]] = {}
    for _ in range(runs):
        done = subprocess.run(
            [sys.executable, "-c", STAGES, repr(time.time())],
            cwd=folder,
            capture_output=True,
            env=environment(folder),
            check=True,
            text=True,
        )
        for name, seconds in re.findall(r"^(\w+) (\S+)$", done.stdout, re.MULTILINE):
            seen.setdefault(name, []).append(float(seconds))
    return {name: statistics.median(values) for name, values in seen.items()}


def repository(folder: Path, files: int) -> None:
    """A repository of so many files, a hundred a folder, with one of them changed and staged."""

    def git(*arguments: str) -> None:
        who = (
            "-c",
            "user.name=Bench",
            "-c",
            "user.email=bench@localhost",
            "-c",
            "commit.gpgSign=false",
            "-c",
            "gc.auto=0",
        )
        subprocess.run(["git", *who, *arguments], cwd=folder, check=True, capture_output=True, env=environment(folder))

    folder.mkdir()
    git("init", "-q")
    for n in range(files):
        path = folder / f"part{n // 100}" / f"module{n}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text("".join(f"def function_{i}():\n    return {i * n}\n\n" for i in range(6)))
    git("add", "-A")
    git("commit", "-q", "-m", "start")
    git("gc", "-q")
    changed = folder / "part0" / "module7.py"
    changed.write_text(changed.read_text() + "\n\ndef one_more():\n    return 'a new line'\n")
    git("add", "-A")


def peer() -> str | None:
    beside = shutil.which("betterleaks", path=str(Path(sys.executable).parent))
    return beside or shutil.which("betterleaks")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=50_000)
    parser.add_argument("--runs", type=int, default=15)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="deadkey-bench-") as base:
        folder = Path(base) / "repository"
        repository(folder, given.files)
        commands = {"deadkey": [sys.executable, "-m", "scanner", "scan", "staged"]}
        if found := peer():
            commands["betterleaks"] = [found, "git", "--staged", "--no-banner", "."]
        commands["git diff --cached"] = ["git", "diff", "--cached"]
        commands["python -c pass"] = [sys.executable, "-c", "pass"]
        times: dict[str, list[float]] = {name: [] for name in commands}
        for turn in range(given.runs + 1):
            for name, command in commands.items():
                seconds = timed(command, folder)
                if turn:  # the first fills caches
                    times[name].append(seconds)
        parts = stages(folder, given.runs)
    print(f"one line added to one of {given.files} files; {given.runs} runs each, in turns")
    for name, values in times.items():
        print(f"  {name:20} median {statistics.median(values) * 1000:7.1f} ms   best {min(values) * 1000:7.1f} ms")
    if found:
        ratio = statistics.median(times["deadkey"]) / statistics.median(times["betterleaks"])
        print(f"deadkey takes {ratio:.2f} of betterleaks' time (median), {best(times):.2f} (best)")
    else:
        print("betterleaks is not installed: no peer was measured")
    print(
        "where deadkey's time goes: " + ", ".join(f"{name} {seconds * 1000:.1f} ms" for name, seconds in parts.items())
    )


def best(times: dict[str, list[float]]) -> float:
    return min(times["deadkey"]) / min(times["betterleaks"])


if __name__ == "__main__":
    main()
