"""A token issuer in a process of its own: says who a token is, revokes it, and counts how often it was asked to.

Prints its port. GET /me,
POST /revoke {"token": …} (204 done, 410 already), GET /calls. Those that start with `tok` live.
With `--sticky` a revocation is accepted and does nothing; with `--slow N` it takes effect after N more questions.
"""

from __future__ import annotations

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

STICKY = "--sticky" in sys.argv
SLOW = int(sys.argv[sys.argv.index("--slow") + 1]) if "--slow" in sys.argv else 0
calls: list[str] = []
left: dict[str, int] = {}
lock = threading.Lock()


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/calls":
            return self.say(200, calls)
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        with lock:
            if token in left:
                left[token] -= 1
            dead = not token.startswith("tok") or left.get(token, 0) < 0
        self.say(401 if dead else 200, {"login": "bob"})

    def do_POST(self) -> None:
        token = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["token"]
        with lock:
            calls.append(token)
            known = token in left
            if not STICKY:
                left.setdefault(token, SLOW)
        self.say(410 if known else 204, None)

    def say(self, status: int, body: Any) -> None:
        data = b"" if status == 204 else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        pass


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(server.server_address[1], flush=True)
    server.serve_forever()
