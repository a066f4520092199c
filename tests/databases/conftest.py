"""One server of each kind for a run, started when the first test wants it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.databases.parts import Bench
from tests.databases.servers import KINDS, Server


class Pool:
    """Servers by kind; `of` starts one that is not there yet."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._running: dict[str, Server] = {}

    def of(self, kind: str) -> Server:
        if kind not in self._running:
            self._running[kind] = self._stack.enter_context(KINDS[kind]())
        return self._running[kind]


@pytest.fixture(scope="session")
def servers() -> Iterator[Pool]:
    with ExitStack() as stack:
        yield Pool(stack)


@pytest.fixture(params=sorted(KINDS))
def server(request: pytest.FixtureRequest, servers: Pool) -> Server:
    return servers.of(request.param)


@pytest.fixture
def bench(tmp_path_factory: pytest.TempPathFactory, server: Server) -> Bench:
    return Bench(server, tmp_path_factory.mktemp("bench"))


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PGPASSWORD", "MYSQL_PWD", "REDISCLI_AUTH", "REQUESTS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
