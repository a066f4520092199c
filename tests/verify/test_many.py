"""A thousand tokens are asked about many at a time: each once, and never more at once than the user allows a host."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from scanner.model import Finding
from scanner.verify.live import verify
from scanner.verify.settings import VerifySettings

TOKENS, AT_ONCE, FASTER = 1000, 24, 20


def _asked(
    make: Callable[..., Finding], actions: Any, options: tuple[str, ...], tokens: int, **limits: Any
) -> dict[str, int]:
    """Ask about so many tokens, each found three times, and give what the server counted."""
    command = [sys.executable, str(Path(__file__).with_name("counting.py")), *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout
            here = f"127.0.0.1:{int(server.stdout.readline())}"
            settings = VerifySettings(
                timeout=60,
                hosts=frozenset({here}),
                plain_http=frozenset({here}),
                endpoints={"acme": f"http://{here}"},
                **limits,
            )
            found = [make(f"token-{n % tokens:06}") for n in range(3 * tokens)]
            done = verify(found, actions, settings)
            assert {f.verdict.state for f in done if f.verdict} == {"live"} and len(done) == 3 * tokens
            with urllib.request.urlopen(f"http://{here}/count") as answer:
                told: dict[str, int] = json.load(answer)
        finally:
            server.kill()
    return told


def test_twenty_times_fewer_waits_than_one_after_the_other(make: Callable[..., Finding], actions: Any) -> None:
    # The server lets twenty wait together before it answers any: a wait is counted, not timed. Fewer at once would hang.
    told = _asked(
        make,
        actions,
        ("0", str(FASTER), str(TOKENS)),
        TOKENS,
        per_host=AT_ONCE,
        concurrency=64,
        per_host_rate=1_000_000,
    )
    assert told["rounds"] * FASTER <= TOKENS
    assert FASTER <= told["most"] <= AT_ONCE
    assert (told["tokens"], told["at_most"]) == (TOKENS, 1)


@pytest.mark.parametrize("at_once", [1, 3])
def test_never_more_at_once_than_allowed(at_once: int, make: Callable[..., Finding], actions: Any) -> None:
    told = _asked(make, actions, ("0.001",), 60, per_host=at_once, concurrency=64, per_host_rate=1_000_000)
    assert told["most"] <= at_once
    assert (told["tokens"], told["at_most"]) == (60, 1)
