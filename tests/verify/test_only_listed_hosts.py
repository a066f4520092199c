"""Hostile repositories choose nobody to talk to: whatever stands in them, only the hosts of a rule are looked up or asked.

Every shipped rule's examples are scanned and verified at the real command line, with an attacker's hosts in every place
where a host may stand. The resolver, the sockets and the proxy are ours and write down whom they are asked for.
"""

from __future__ import annotations

import json
import re
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from scanner import pipeline
from scanner.cli.main import command
from scanner.ruleset.check import examples
from scanner.ruleset.generate import Ungeneratable
from scanner.ruleset.ruleset import Ruleset

ATTACKER = ("evil.test", "169.254.169.254", "metadata.google.internal", "localhost")
HOST = re.compile(rb"(?<![\w.@-])(?:[a-z0-9-]+\.)+(?:com|io|net|org|dev|ai|app|co|cloud|sh|us|eu|me|tech)\b")

SELF_HOSTED = """
GITLAB_URL=https://gitlab.evil.test
CI_SERVER_URL=https://gitlab.evil.test:8443/
CI_API_V4_URL=http://169.254.169.254/latest/meta-data/
endpoint: https://evil.test
base_url = "https://evil.test/api"
git clone https://oauth2:{token}@gitlab.evil.test/acme/app.git
DATABASE_URL=postgres://admin:Zk3vN8qLw2Xr7Tb9@db.evil.test:5432/app
DATABASE_URL=mysql://admin:Zk3vN8qLw2Xr7Tb8@127.0.0.1:3306/app
REDIS_URL=redis://:Zk3vN8qLw2Xr7Tb7@evil.test:6379/0
MONGODB_URI=mongodb+srv://admin:Zk3vN8qLw2Xr7Tb6@cluster0.evil.test/app
AMQP_URL=amqp://admin:Zk3vN8qLw2Xr7Tb5@evil.test/vhost
machine evil.test login me password Zk3vN8qLw2Xr7Tb4
//registry.evil.test/:_authToken={token}
"""


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every rule's examples, as they are, and with the attacker's hosts in the place of theirs."""
    folder = tmp_path_factory.mktemp("hostile")
    files, bench = pipeline.rule_bench()
    written = 0
    for file in files.values():
        for rule in file.rules:
            if rule.verify is None:
                continue
            try:
                shown = list(examples(rule, bench))
            except Ungeneratable:  # pragma: no cover - the rules' own check tells
                continue
            for number, example in enumerate(shown):
                for host in ("", *ATTACKER):
                    text = HOST.sub(host.encode(), example.text) if host else example.text
                    beside = SELF_HOSTED.replace("{token}", example.secret.decode("utf-8", "replace"))
                    # A word for each name that a companion could have, with what would lead elsewhere.
                    named = "".join(f"{c.name}={host or 'evil.test'}/x?@evil.test\n" for c in rule.with_)
                    place = folder / f"{rule.id}-{number}-{ATTACKER.index(host) + 1 if host else 0}"
                    if host in ("", "evil.test"):
                        place.write_bytes(text + b"\n" + named.encode() + beside.encode())
                        written += 1
                    elif number == 0:
                        place.write_bytes(text + b"\n" + named.encode())
                        written += 1
    assert written > 2000
    return folder


class Network:
    """Writes down who is looked up and connected to, and lets nobody through but the proxy."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, answers: list[str], proxy: int | None = None) -> None:
        self.looked_up: list[str] = []
        self.connected: list[Any] = []
        self._lock = threading.Lock()
        connect = socket.socket.connect

        def getaddrinfo(host: str, port: Any, *_: Any, **__: Any) -> list[Any]:
            with self._lock:
                self.looked_up.append(host)
                # One after the other, for each name: a name that changes its mind.
                turn = self.looked_up.count(host) - 1
            if host == "127.0.0.1" and port == proxy:
                return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]
            chosen = answers[min(turn, len(answers) - 1)].split()
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in chosen]

        def connecting(sock: socket.socket, address: Any) -> None:
            if address == ("127.0.0.1", proxy):
                return connect(sock, address)
            with self._lock:
                self.connected.append(address)
            raise TimeoutError("nobody is let through")

        monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
        monkeypatch.setattr(socket.socket, "connect", connecting)


def _verified(folder: Path) -> list[dict[str, Any]]:
    done = CliRunner().invoke(command, ["scan", "files", str(folder), "--verify", "--format", "json", "--jobs", "1"])
    assert done.exit_code == 1, done.output
    found: list[dict[str, Any]] = json.loads(done.stdout)["findings"]
    return found


def _listed(host: str, domains: Any) -> bool:
    return any(host == domain or host.endswith("." + domain) for domain in domains)


def _every_domain(ruleset: Ruleset) -> set[str]:
    return {domain for rule in ruleset.rules for domain in ruleset.actions(rule.id).get("domains") or ()}


def test_only_a_rules_own_hosts_are_looked_up_and_nobody_inside_is_reached(
    repository: Path, ruleset: Ruleset, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Every name leads inside, as an attacker who owns one would have it.
    network = Network(monkeypatch, ["10.1.2.3", "127.0.0.1", "169.254.169.254"])
    found = _verified(repository)
    assert network.connected == []
    assert not [name for name in network.looked_up if not _listed(name, _every_domain(ruleset))]
    asked = 0
    for finding in found:
        reason = finding["verdict"]["reason"]
        if named := re.match(r"(\S+) was not asked: its address is", reason):
            assert _listed(named[1].partition(":")[0], ruleset.actions(finding["rule"])["domains"]), reason
            asked += 1
        else:
            assert finding["verdict"]["state"] == "uncheckable", reason
    # It is no proof if nothing is asked: most rules know a host of their own.
    assert asked > 300 and len(set(network.looked_up)) > 150


def test_a_name_that_changes_its_mind_is_connected_to_where_it_was_judged(
    repository: Path, ruleset: Ruleset, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    few = tmp_path / "few"
    few.mkdir()
    for place in sorted(repository.iterdir())[::40]:
        (few / place.name).write_bytes(place.read_bytes())
    # Both at once at the first look, inside at every later one.
    network = Network(monkeypatch, ["10.0.0.1 93.184.215.14 169.254.169.254", "127.0.0.1"])
    _verified(few)
    assert network.connected and {address[0] for address in network.connected} == {"93.184.215.14"}
    assert {address[1] for address in network.connected} == {443}
    assert not [name for name in network.looked_up if not _listed(name, _every_domain(ruleset))]


@pytest.fixture
def proxy() -> Iterator[tuple[int, list[str]]]:
    """Writes down the first line of each request, and lets nothing through."""
    lines: list[str] = []
    listener = socket.create_server(("127.0.0.1", 0), backlog=256)

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection, connection.makefile("rb") as read:
                lines.append(read.readline().decode("latin-1").strip())
                while read.readline().strip():
                    """The headers go unread."""
                connection.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield listener.getsockname()[1], lines
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join(5)


def test_behind_a_proxy_only_a_rules_own_hosts_are_asked_for(
    repository: Path, ruleset: Ruleset, monkeypatch: pytest.MonkeyPatch, proxy: tuple[int, list[str]]
) -> None:
    port, lines = proxy
    for name in ("https_proxy", "http_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{port}")
    network = Network(monkeypatch, ["10.1.2.3"], port)
    _verified(repository)
    assert network.connected == [] and set(network.looked_up) == {"127.0.0.1"}
    assert len(set(lines)) > 150
    hosts = {re.fullmatch(r"CONNECT ([^:]+):443 HTTP/1\.[01]", line) for line in lines}
    assert None not in hosts, [line for line in lines if not line.startswith("CONNECT ")]
    assert not [m[1] for m in hosts if m and not _listed(m[1], _every_domain(ruleset))]
