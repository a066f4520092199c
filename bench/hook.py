"""How long a commit waits: `deadkey scan staged` on a change of one file, beside a native scanner and bare Python.

    python bench/hook.py [RUNS]

Prints the best wall time of RUNS (default 15) for each command, and its ratio to `deadkey scan staged`. The peer is
`betterleaks git --staged`, if it is on the PATH or beside this Python.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent


def best(command: list[str], folder: Path, runs: int) -> float:
    """Seconds of the fastest run; the first, which fills caches, does not count. The runs are to find nothing."""
    times = []
    for _ in range(runs + 1):
        started = time.perf_counter()
        done = subprocess.run(
            command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, env=environment(folder), check=False
        )
        times.append(time.perf_counter() - started)
        if done.returncode:
            raise SystemExit(
                f"{command[0]} ended with status {done.returncode}: {done.stderr.decode(errors='replace')}"
            )
    return min(times[1:])


def environment(folder: Path) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    return clean | {"PYTHONPATH": str(ROOT), "XDG_CACHE_HOME": str(folder.parent / "cache"), "HOME": str(folder.parent)}


def repository(folder: Path) -> None:
    """A repository of a hundred files with one of them changed and staged."""

    def git(*arguments: str) -> None:
        who = ("-c", "user.name=Bench", "-c", "user.email=bench@localhost", "-c", "commit.gpgSign=false")
        subprocess.run(["git", *who, *arguments], cwd=folder, check=True, capture_output=True, env=environment(folder))

    folder.mkdir()
    git("init", "-q")
    for n in range(100):
        (folder / f"module{n}.py").write_text(
            "".join(f"def function_{i}():\n    return {i * n}\n\n" for i in range(60))
        )
    git("add", "-A")
    git("commit", "-q", "-m", "start")
    changed = folder / "module7.py"
    changed.write_text(changed.read_text() + "\n\ndef one_more():\n    return 'a new line'\n")
    git("add", "-A")


def peer() -> str | None:
    beside = shutil.which("betterleaks", path=str(Path(sys.executable).parent))
    return beside or shutil.which("betterleaks")


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    with tempfile.TemporaryDirectory(prefix="deadkey-bench-") as base:
        folder = Path(base) / "repository"
        repository(folder)
        commands = {"deadkey scan staged": [sys.executable, "-m", "scanner", "scan", "staged"]}
        if found := peer():
            commands["betterleaks git --staged"] = [found, "git", "--staged", "--no-banner", "."]
        commands["git diff --cached"] = ["git", "diff", "--cached"]
        commands["python -c pass"] = [sys.executable, "-c", "pass"]
        times = {name: best(command, folder, runs) for name, command in commands.items()}
    own = next(iter(times.values()))
    for name, seconds in times.items():
        print(f"{name:26} {seconds * 1000:7.1f} ms  {seconds / own:5.2f} of deadkey")
    if not found:
        print("betterleaks is not installed: no peer was measured")


if __name__ == "__main__":
    main()
