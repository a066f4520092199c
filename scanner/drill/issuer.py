"""A small OAuth token issuer for drills and tests: loopback only, tokens named, scoped and expiring, kept as hashes.

Speaks RFC 7662 (introspection), RFC 7009 (revocation) and RFC 8414 (metadata). Minting is a method, not an endpoint: only
the process that runs the drill can make tokens. `python -m scanner.drill.issuer DATABASE` serves in a process of its own:
it reads one line `client_id client_secret` from standard input and prints its address.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import secrets
import sqlite3
import sys
import threading
import time
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote_plus

from scanner.detect.checksums import BASE62, CHECKSUMS

LARGEST = 1 << 16
"""Bytes of a request body."""
SCHEMA = """
CREATE TABLE IF NOT EXISTS tokens
  (hash BLOB PRIMARY KEY, name TEXT NOT NULL, scope TEXT NOT NULL, issued REAL NOT NULL, expires REAL NOT NULL, revoked REAL);
CREATE TABLE IF NOT EXISTS calls (endpoint TEXT NOT NULL, at REAL NOT NULL);
"""


class Issuer:
    """Tokens in SQLite. `client` is the id and secret that may introspect and revoke."""

    def __init__(self, database: str, client: tuple[str, str]) -> None:
        self._database = database
        self._client = client
        with closing(self._open()) as db, db:
            db.executescript(SCHEMA)

    def _open(self) -> sqlite3.Connection:
        return sqlite3.connect(self._database, timeout=30)

    def mint(self, name: str, scope: str, lifetime: float) -> bytes:
        """A new token, valid for `lifetime` seconds."""
        body = bytes(secrets.choice(BASE62) for _ in range(32))
        token = CHECKSUMS["github"].seal(b"dkd_" + body + b"000000")
        now = time.time()
        with closing(self._open()) as db, db:
            db.execute(
                "INSERT INTO tokens VALUES (?, ?, ?, ?, ?, NULL)", (_hash(token), name, scope, now, now + lifetime)
            )
        return token

    def introspect(self, token: bytes) -> dict[str, Any]:
        """RFC 7662 section 2.2; a token that is unknown, expired or revoked is only ever `{"active": false}`."""
        with closing(self._open()) as db, db:
            db.execute("INSERT INTO calls VALUES ('introspect', ?)", (time.time(),))
            row = db.execute(
                "SELECT name, scope, issued, expires, revoked FROM tokens WHERE hash = ?", (_hash(token),)
            ).fetchone()
        if row is None or row[4] is not None or row[3] <= time.time():
            return {"active": False}
        name, scope, issued, expires, _ = row
        return {
            "active": True,
            "username": name,
            "sub": name,
            "scope": scope,
            "token_type": "Bearer",
            "iat": int(issued),
            "exp": int(expires),
            "iss": "deadkey drill",
        }

    def revoke(self, token: bytes) -> None:
        """RFC 7009 section 2.2: the same answer whether the token was known or not."""
        with closing(self._open()) as db, db:
            db.execute("INSERT INTO calls VALUES ('revoke', ?)", (time.time(),))
            db.execute("UPDATE tokens SET revoked = ? WHERE hash = ? AND revoked IS NULL", (time.time(), _hash(token)))

    def calls(self, endpoint: str) -> int:
        """How often `introspect` or `revoke` was called."""
        with closing(self._open()) as db:
            return int(db.execute("SELECT count(*) FROM calls WHERE endpoint = ?", (endpoint,)).fetchone()[0])

    def is_client(self, client_id: str, secret: str) -> bool:
        known = hmac.compare_digest(client_id.encode(), self._client[0].encode())
        return hmac.compare_digest(secret.encode(), self._client[1].encode()) and known


def _hash(token: bytes) -> bytes:
    return hashlib.blake2b(token, digest_size=32).digest()


class Server:
    """Serves an issuer on a free loopback port until closed. `address` has no slash at its end."""

    def __init__(self, issuer: Issuer) -> None:
        class Bound(Handler):
            pass

        Bound.issuer = issuer
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Bound)
        self._http.daemon_threads = True
        Bound.address = self.address
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def wait(self) -> None:
        self._thread.join()


class Handler(BaseHTTPRequestHandler):
    issuer: Issuer
    address: str
    protocol_version = "HTTP/1.1"
    timeout = 30

    def do_GET(self) -> None:
        if self.path != "/.well-known/oauth-authorization-server":
            self._answer(404, {"error": "not_found"})
            return
        methods = ["client_secret_basic", "client_secret_post"]
        self._answer(
            200,
            {
                "issuer": self.address,
                "introspection_endpoint": f"{self.address}/introspect",
                "introspection_endpoint_auth_methods_supported": methods,
                "revocation_endpoint": f"{self.address}/revoke",
                "revocation_endpoint_auth_methods_supported": methods,
                "response_types_supported": [],
            },
        )

    def do_POST(self) -> None:
        form = self._form()
        if form is None:
            return
        if not self._authenticated(form):
            self._answer(401, {"error": "invalid_client"}, {"WWW-Authenticate": 'Basic realm="deadkey drill"'})
        elif "token" not in form:
            self._answer(400, {"error": "invalid_request", "error_description": "the parameter token is missing"})
        elif self.path == "/introspect":
            self._answer(200, self.issuer.introspect(form["token"].encode()))
        elif self.path == "/revoke":
            self.issuer.revoke(form["token"].encode())
            self._answer(200, None)
        else:
            self._answer(404, {"error": "not_found"})

    def _form(self) -> dict[str, str] | None:
        size = self.headers.get("Content-Length", "")
        if not size.isdigit() or int(size) > LARGEST:
            self.close_connection = True
            self._answer(413 if size.isdigit() else 411, {"error": "invalid_request"})
            return None
        body = self.rfile.read(int(size)).decode("ascii", "replace")
        return {name: values[0] for name, values in parse_qs(body, keep_blank_values=True).items()}

    def _authenticated(self, form: dict[str, str]) -> bool:
        """RFC 6749 section 2.3.1: HTTP Basic of form-encoded id and secret, or both in the body."""
        scheme, _, value = self.headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "basic":
            try:
                user, _, password = base64.b64decode(value, validate=True).decode().partition(":")
            except (binascii.Error, UnicodeDecodeError):
                return False
            return self.issuer.is_client(unquote_plus(user), unquote_plus(password))
        return self.issuer.is_client(form.get("client_id", ""), form.get("client_secret", ""))

    def _answer(self, status: int, document: Any, headers: dict[str, str] | None = None) -> None:
        body = json.dumps(document).encode() if document is not None else b""
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if body:
            self.send_header("Content-Type", "application/json")
        self.send_header("Cache-Control", "no-store")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: a request's line has no place in a log."""


def main() -> None:
    client_id, client_secret = sys.stdin.readline().split()
    server = Server(Issuer(sys.argv[1], (client_id, client_secret)))
    print(server.address, flush=True)
    server.wait()


if __name__ == "__main__":
    main()
