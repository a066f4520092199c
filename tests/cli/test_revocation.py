"""Dry runs, caps and notices at the real command line, with the drill's issuer in a process of its own."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml

from tests.conftest import deadkey
from tests.drill.parts import DRILL, IssuerProcess, configuration, issuer_process


@pytest.fixture
def issuer(tmp_path: Path) -> Iterator[IssuerProcess]:
    (tmp_path / "issuer").mkdir()
    with issuer_process(tmp_path / "issuer") as running:
        yield running


@pytest.fixture
def told() -> Iterator[tuple[str, list[bytes]]]:
    """A receiver of notices, its address and what it was sent."""
    bodies: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"127.0.0.1:{server.server_address[1]}", bodies
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_dry_run_then_the_run(issuer: IssuerProcess, told: tuple[str, list[bytes]], tmp_path: Path) -> None:
    here, bodies = told
    tokens = [issuer.mint(f"service-{n}") for n in range(3)]
    (tmp_path / "tree").mkdir()
    for n, token in enumerate(tokens):
        (tmp_path / "tree" / f"{n}.py").write_bytes(b"t = '" + token + b"'\n")
    file = configuration(tmp_path, issuer.address)
    settings = yaml.safe_load(file.read_text())
    settings["verify"]["plain_http"].append(here)
    settings["revoke"] |= {"journal": "state/journal.jsonl", "max_per_hour": 2, "auto": [{}]}
    settings["notify"] = [{"form": "json", "url": {"env": "RECEIVER"}}]
    file.write_text(yaml.safe_dump(settings))

    def scan(*more: str) -> list[tuple[str, str]]:
        done = deadkey(
            *("scan", "files", "tree", *DRILL, "--config", str(file), "-f", "json", "--revoke", "auto"),
            *more,
            cwd=tmp_path,
            RECEIVER=f"http://{here}/notices",
        )
        assert done.returncode == 1, done.stderr.decode()
        return [(f["outcome"]["state"], f["outcome"]["detail"]) for f in json.loads(done.stdout)["findings"]]

    assert [state for state, _ in scan("--dry-run")] == ["planned", "planned", "refused"]
    assert not (tmp_path / "state").exists() and bodies == []
    assert [state for state, _ in scan()] == ["revoked", "revoked", "refused"]
    (body,) = bodies
    assert [each["state"] for each in json.loads(body)["findings"]] == ["revoked", "revoked", "refused"]
    assert not [token for token in tokens if token in body]
    shown = deadkey("journal", "show", "--config", str(file))
    assert shown.stdout.count(b"(line 1 of the policy)") == 2


def test_a_dry_run_belongs_to_revoking(tmp_path: Path) -> None:
    done = deadkey("scan", "files", str(tmp_path), "--dry-run")
    assert done.returncode == 2 and b"--dry-run belongs to --revoke" in done.stderr


def test_a_mode_and_a_plan_at_once(tmp_path: Path) -> None:
    done = deadkey("revoke", "found.json", "--plan", "plan.json", "--mode", "auto", cwd=tmp_path)
    assert done.returncode == 2 and b"give no --mode with it" in done.stderr
