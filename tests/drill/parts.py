"""What tests that revoke share: an issuer in a process of its own, a slow one before it, and a configuration for both."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from scanner.drill.issuer import Issuer

ROOT = Path(__file__).parent.parent.parent
DRILL = ("--rules", str(ROOT / "scanner/drill/rules"), "--only", "deadkey-drill")
CLIENT = ("drill", "cl1ent-s3cret-of-the-issuer")


class IssuerProcess:
    """The issuer, serving at `address`; minting goes past its process through the database they share."""

    def __init__(self, folder: Path) -> None:
        self.database = folder / "issuer.db"
        self.process = subprocess.Popen(
            [sys.executable, "-m", "scanner.drill.issuer", str(self.database)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            text=True,
        )
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(" ".join(CLIENT) + "\n")
        self.process.stdin.flush()
        self.address = self.process.stdout.readline().strip()
        self._issuer = Issuer(str(self.database), CLIENT)

    def mint(self, name: str) -> bytes:
        return self._issuer.mint(name, "read write", 600)

    def calls(self, endpoint: str) -> int:
        with closing(sqlite3.connect(self.database, timeout=30)) as db:
            return int(db.execute("SELECT count(*) FROM calls WHERE endpoint = ?", (endpoint,)).fetchone()[0])

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()


@contextmanager
def issuer_process(folder: Path) -> Iterator[IssuerProcess]:
    issuer = IssuerProcess(folder)
    try:
        yield issuer
    finally:
        issuer.close()


@contextmanager
def before(address: str, watch: Callable[[str, Callable[[], None]], bool]) -> Iterator[str]:
    """A server that passes requests on to `address` and answers as it does.

    `watch(path, forward)` is called for each request; when it gives False nothing is answered.
    """

    class Pass(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            answers: list[tuple[int, bytes]] = []

            def forward() -> None:
                request = urllib.request.Request(address + self.path, body, dict(self.headers))
                with urllib.request.urlopen(request, timeout=30) as answer:
                    answers.append((answer.status, answer.read()))

            if not watch(self.path, forward):
                self.close_connection = True
                return
            if not answers:
                forward()
            status, content = answers[0]
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Pass)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def configuration(folder: Path, address: str, **revoke: Any) -> Path:
    """A configuration that lets `deadkey` ask and revoke at `address` without asking back. JSON is YAML, too."""
    key = folder / "client-secret"
    key.write_text(CLIENT[1])
    key.chmod(0o600)
    file = folder / "config.yaml"
    plain = [address.removeprefix("http://")]
    if hook := revoke.get("webhook"):
        plain.append(hook["url"].removeprefix("http://").partition("/")[0])
    settings = {
        "verify": {"plain_http": plain, "endpoints": {"deadkey-drill": address}, "timeout": 20},
        "revoke": {
            "hooks": ["rule"],
            "auto": [{"rules": ["deadkey-drill"]}],
            "recheck": [0, 0.1],
            "journal": str(folder / "journal.jsonl"),
            **revoke,
        },
        "credentials": {
            "deadkey-drill.client_id": {"command": ["echo", CLIENT[0]]},
            "deadkey-drill.client_secret": {"file": str(key)},
        },
    }
    file.write_text(json.dumps(settings, indent=2))
    return file
