"""A server on 127.0.0.1, a clock that is moved by hand, and findings made up for the purpose."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from pytest_httpserver import HTTPServer

from scanner.model import Finding, Location, Secret
from scanner.verify.settings import VerifySettings

TOKEN = "tok_" + "a1B2c3D4" * 4


class FakeClock:
    """Sleeping moves it on at once."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0
        self.slept: list[float] = []
        self._lock = threading.Lock()

    def time(self) -> float:
        return self.now

    monotonic = time

    def sleep(self, seconds: float, /) -> None:
        with self._lock:
            self.slept.append(seconds)
            self.now += seconds


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "REQUESTS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture(scope="session")
def httpserver_listen_address() -> tuple[str, int]:
    return "127.0.0.1", 0


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def settings(httpserver: HTTPServer) -> VerifySettings:
    here = f"127.0.0.1:{httpserver.port}"
    return VerifySettings(
        timeout=5.0,
        hosts=frozenset({here}),
        plain_http=frozenset({here}),
        endpoints={"acme": f"http://{here}"},
        per_host_rate=10_000,
    )


@pytest.fixture
def make() -> Callable[..., Finding]:
    def build(secret: str = TOKEN, rule: str = "acme-token", **more: Any) -> Finding:
        companions = tuple((name, Secret(value.encode())) for name, value in more.pop("companions", {}).items())
        value = Secret(secret.encode())
        place = Location("file", "config/app.env", 3, 3, 1, 40)
        return Finding(
            rule, "Acme", "Acme token", "high", "high", value, value.fingerprint(b"k"), (place,), (), companions, **more
        )

    return build


VERIFY = {
    "request": {"url": "{{ endpoint }}/me", "headers": {"Authorization": "Bearer {{ secret }}"}},
    "live": [{"status": [200]}],
    "dead": [{"status": [401]}],
    "identity": {"account": "body.login", "scopes": 'headers."x-scopes"', "expires": "body.expires"},
}


@pytest.fixture
def actions() -> Callable[[str], dict[str, Any]]:
    def of(rule: str) -> dict[str, Any]:
        return {"verify": VERIFY, "revoke": None, "rotate": None, "domains": ["acme.example"], "with": [], "docs": ""}

    return of
