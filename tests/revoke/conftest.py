"""A real issuer in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def start() -> Iterator[Callable[..., int]]:
    running = []

    def begin(*options: str) -> int:
        process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("issuer.py")), *options], stdout=subprocess.PIPE, text=True
        )
        running.append(process)
        assert process.stdout
        return int(process.stdout.readline())

    yield begin
    for process in running:
        process.kill()
        process.communicate()


@pytest.fixture
def issuer(start: Callable[..., int]) -> int:
    return start()
