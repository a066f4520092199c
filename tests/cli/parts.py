"""What the tests of the command line share: running a verb, reading its report, waiting for a process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.conftest import deadkey

ROOT = Path(__file__).parent.parent.parent
Token = Callable[[str], bytes]
Report = dict[str, Any]


def scan(*arguments: str, status: int = 1, verb: str = "scan", **given: Any) -> Report:
    """The JSON report of `deadkey scan ARGUMENTS`, secrets shown, after its exit status was what it should be."""
    done = deadkey(verb, *arguments, "--format", "json", "--show-secrets", **given)
    assert done.returncode == status, done.stderr.decode(errors="replace")
    report: Report = json.loads(done.stdout)
    return report


def secrets(report: Report) -> list[bytes]:
    """The values that were found, sorted."""
    return sorted(f["secret"].encode() for f in report["findings"])


def locations(report: Report, token: bytes) -> list[dict[str, Any]]:
    """The places of the one finding for `token`."""
    (finding,) = [f for f in report["findings"] if f["secret"] == token.decode()]
    found: list[dict[str, Any]] = finding["locations"]
    return found


def places(report: Report, token: bytes) -> list[tuple[str | None, int]]:
    """The paths and lines of the one finding for `token`."""
    return [(place["path"], place["start_line"]) for place in locations(report, token)]


def started(*arguments: str, cwd: Path | None = None, **popen: Any) -> subprocess.Popen[bytes]:
    """`deadkey ARGUMENTS`, running."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **popen.pop("env", {})}
    return subprocess.Popen([sys.executable, "-m", "scanner", *arguments], cwd=cwd, env=environment, **popen)


def until(what: Callable[[], Any], process: subprocess.Popen[bytes] | None = None, seconds: float = 30) -> Any:
    """The first true answer of `what`; fails when the process ends before it, or time is over."""
    end = time.monotonic() + seconds
    while not (answer := what()):
        assert process is None or process.poll() is None, f"ended early with status {process and process.returncode}"
        assert time.monotonic() < end, "nothing happened in time"
        time.sleep(0.02)
    return answer


def one_line(stderr: bytes) -> str:
    """The one line that standard error holds, which begins with the program's name."""
    text = stderr.decode()
    assert text.startswith("deadkey: "), text
    assert text.count("\n") == 1, text
    assert text.endswith("\n"), text
    return text.removeprefix("deadkey: ").rstrip("\n")
