"""How fast a thousand tokens are asked about: many at once beside one after the other, at an issuer that takes 50 ms.

    python bench/verify.py [TOKENS [AT_ONCE]]

TOKENS (default 1000) distinct ones are asked about at a server on loopback, with `verify.per_host` and
`verify.concurrency` at AT_ONCE (default 64) and `verify.per_host_rate` at its greatest. Then a tenth of them goes one
after the other, and the ratio of both rates is printed. The server counts: more than AT_ONCE at once, or a token asked
twice, ends the benchmark with an error. The last line is what the settings allow that nobody touched: they are
patient with hosts on purpose.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from scanner.model import Finding, Location, Secret  # noqa: E402
from scanner.verify.live import verify  # noqa: E402
from scanner.verify.settings import VerifySettings  # noqa: E402

LATENCY = 0.05
ACTION: dict[str, Any] = {
    "verify": {
        "request": {"url": "{{ endpoint }}/me", "headers": {"Authorization": "Bearer {{ secret }}"}},
        "live": [{"status": [200]}],
        "dead": [{"status": [401]}],
        "identity": {"account": "body.login"},
    },
    "domains": [],
}


def findings(count: int, name: str) -> list[Finding]:
    place = Location("file", "a.env", 1, 1, 1, 9)
    made = (Secret(f"{name}-{n:06}".encode()) for n in range(count))
    return [Finding("acme", "Acme", "Acme", "high", "high", secret, "", (place,)) for secret in made]


def rate(count: int, at_once: int, name: str, **more: float) -> tuple[float, dict[str, int]]:
    """Tokens a second, and what a fresh server counted."""
    command = [sys.executable, str(ROOT / "tests/verify/counting.py"), str(LATENCY)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout
            here = f"127.0.0.1:{int(server.stdout.readline())}"
            limits: dict[str, Any] = {"per_host": at_once, "concurrency": at_once, "per_host_rate": 1000, **more}
            settings = VerifySettings(
                hosts=frozenset({here}), plain_http=frozenset({here}), endpoints={"acme": f"http://{here}"}, **limits
            )
            asked = findings(count, name)
            started = time.perf_counter()
            done = verify(asked, lambda _: ACTION, settings)
            seconds = time.perf_counter() - started
            live = sum(f.verdict is not None and f.verdict.state == "live" for f in done)
            told = json.load(urllib.request.urlopen(f"http://{here}/count"))
        finally:
            server.kill()
    if live != count or told["tokens"] != count or told["at_most"] != 1 or told["most"] > at_once:
        raise SystemExit(f"{live} of {count} live; the server counted {told}")
    return count / seconds, told


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    at_once = int(sys.argv[2]) if len(sys.argv) > 2 else 64
    rate(50, at_once, "warm")
    many, told = rate(count, at_once, "many")
    one, _ = rate(max(1, count // 10), 1, "one")
    print(
        f"{count} tokens, {at_once} at once: {many:7.1f} a second ({count / many:.2f} s), at most {told['most']} at once"
    )
    print(f"{max(1, count // 10)} tokens, one at a time: {one:7.1f} a second")
    print(f"ratio: {many / one:.1f}")
    plain = VerifySettings()
    usual, told = rate(count // 10, plain.per_host, "usual", per_host_rate=plain.per_host_rate)
    print(f"with the settings as they are (verify.per_host_rate {plain.per_host_rate:g}): {usual:.1f} a second")


if __name__ == "__main__":
    main()
