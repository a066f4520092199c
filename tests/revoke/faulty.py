"""An issuer with faults, in a process of its own, and the run that is cut off at a point.

As the issuer: `faulty.py issue FAULT STEP [ADDRESS PORT CERTIFICATE DEAD…]`. It prints its port, says who a token is
(GET /me), revokes it (POST /revoke) and counts what it was asked (GET /count). FAULT happens at the STEP (`ask`,
`revoke`, or `again`: asked about after a revocation); what it could have done before the fault it has done. `/well` ends
the faults. DEAD tokens were revoked before.

As the run: `faulty.py run PORT JOURNAL POINT`. The process ends itself with SIGKILL at the POINT.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import ssl
import struct
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

FAULTS = ("reset", "half", "slow", "429", "500", "403 page", "401 page", "200 page", "10 MB", "redirect")
POINTS = ("before the intent", "after the intent", "during the call", "after the call", "before the outcome")


class Issuer:
    """What the requests share: which tokens are dead, what was asked, and the fault that is still to come."""

    def __init__(self, fault: str, step: str) -> None:
        self.fault, self.step = fault, step
        self.dead: set[str] = set()
        self.count: dict[str, int] = {"ask": 0, "revoke": 0, "twice": 0, "elsewhere": 0}
        self.lock = threading.Lock()
        self.ended = threading.Event()


issuer: Issuer


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/count":
            return self.say(200, {**issuer.count, "dead": len(issuer.dead)})
        if self.path == "/well":
            issuer.fault = ""
            issuer.ended.set()
            return self.say(200, {})
        if self.path == "/elsewhere":
            issuer.count["elsewhere"] += 1
            return self.say(401, {})
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        with issuer.lock:
            issuer.count["ask"] += 1
            step = "again" if issuer.count["revoke"] else "ask"
            dead = token in issuer.dead
        if not self.failed(step):
            self.say(401 if dead else 200, {} if dead else {"login": "bob"})

    def do_POST(self) -> None:
        token = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["token"]
        with issuer.lock:
            issuer.count["revoke"] += 1
            known = token in issuer.dead
            issuer.count["twice"] += known
            if not (issuer.fault in ("429", "500") and issuer.step == "revoke"):
                issuer.dead.add(token)
        if not self.failed("revoke"):
            self.say(410 if known else 204, None)

    def failed(self, step: str) -> bool:
        fault = issuer.fault if issuer.step == step else ""
        if fault == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
            self.close_connection = True
        elif fault == "half":
            self.wfile.write(b'HTTP/1.1 200 OK\r\nContent-Length: 4000\r\nContent-Type: application/json\r\n\r\n{"lo')
            self.wfile.flush()
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
            self.close_connection = True
        elif fault == "slow":
            issuer.ended.wait(30)
            issuer.ended.clear()
            self.close_connection = True
        elif fault in ("429", "500"):
            self.say(int(fault), {}, {"Retry-After": "3600"})
        elif fault.endswith(" page"):
            self.say(int(fault[:3]), "<html>Welcome to the airport</html>", {"Content-Type": "text/html"})
        elif fault == "10 MB":
            self.say(200 if step == "ask" else 403, {"x": "y" * 10_000_000})
        elif fault == "redirect":
            self.say(302, None, {"Location": f"http://localhost:{self.server.server_address[1]}/elsewhere"})
        return bool(fault)

    def say(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
        data = b"" if body is None else body.encode() if isinstance(body, str) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        try:
            self.wfile.write(data)
        except OSError:
            self.close_connection = True

    def log_message(self, *_: Any) -> None:
        pass


def issue(
    fault: str, step: str, address: str = "127.0.0.1", port: str = "0", certificate: str = "", *dead: str
) -> None:
    global issuer
    issuer = Issuer(fault, step)
    issuer.dead |= set(dead)
    server = ThreadingHTTPServer((address, int(port)), Handler)
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    server.daemon_threads = True
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    print(server.server_address[1], flush=True)
    server.serve_forever()


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def cut_off(point: str) -> None:
    """Have this process killed at a point of its run."""
    from scanner.revoke.hooks import rule
    from scanner.revoke.journal import Journal
    from scanner.verify import guard

    append, run, send = Journal.append, rule.run, guard.Guard.send

    def appending(self: Journal, kind: str, **fields: Any) -> dict[str, Any]:
        if (point, kind) in (("before the intent", "intent"), ("before the outcome", "outcome")):
            die()
        entry = append(self, kind, **fields)
        if (point, kind) == ("after the intent", "intent"):
            die()
        return entry

    def running(*arguments: Any) -> Any:
        result = run(*arguments)
        if point == "after the call":
            die()
        return result

    def sending(self: guard.Guard, call: Any) -> Any:
        if point == "during the call" and call.method == "POST":
            # The request is on its way, and nobody is there to read the answer.
            threading.Thread(target=send, args=(self, call), daemon=True).start()
            while not counted(call.port)["revoke"]:
                pass
            die()
        return send(self, call)

    Journal.append, rule.run, guard.Guard.send = appending, running, sending  # type: ignore[method-assign,assignment]


def counted(port: int) -> dict[str, int]:
    import urllib.request

    with urllib.request.urlopen(f"http://127.0.0.1:{port}/count") as answer:
        told: dict[str, int] = json.load(answer)
    return told


if __name__ == "__main__":
    if sys.argv[1] == "issue":
        issue(*sys.argv[2:])
    else:
        from tests.revoke.parts import run

        cut_off(sys.argv[4])
        run(int(sys.argv[2]), Path(sys.argv[3]))
        print("survived")
