"""What the tests of this room share, and the process that one of them kills."""

from __future__ import annotations

import json
import sys
import urllib.request
from pathlib import Path
from typing import Any

from scanner.model import Finding, Location, Secret, Verdict
from scanner.revoke.execute import revoke
from scanner.revoke.settings import RevokeSettings
from scanner.verify.live import verify
from scanner.verify.settings import VerifySettings

TOKEN = "tok_" + "z9Y8x7W6" * 4

ACTION: dict[str, Any] = {
    "verify": {
        "request": {"url": "{{ endpoint }}/me", "headers": {"Authorization": "Bearer {{ secret }}"}},
        "live": [{"status": [200]}],
        "dead": [{"status": [401]}],
        "identity": {"account": "body.login"},
    },
    "revoke": {
        "by": "token",
        "request": {"method": "POST", "url": "{{ endpoint }}/revoke", "json": {"token": "{{ secret }}"}},
        "done": [{"status": [204]}],
        "already": [{"status": [410]}],
        "effect": "The token stops working.",
    },
    "rotate": "https://acme.example/rotate",
    "domains": ["acme.example"],
    "with": [],
}


def finding(secret: str = TOKEN, verdict: Verdict | None = None, **more: Any) -> Finding:
    value = Secret(secret.encode())
    place = Location("file", f"config/{secret}.env", 3, 3, 1, 40)
    return Finding(
        "acme-token",
        "Acme",
        "Acme token",
        "high",
        "high",
        value,
        value.fingerprint(b"k"),
        (place,),
        verdict=verdict,
        **more,
    )


def settings_for(port: int, timeout: float = 5) -> VerifySettings:
    here = frozenset({f"127.0.0.1:{port}"})
    return VerifySettings(timeout=timeout, hosts=here, plain_http=here, endpoints={"acme": f"http://127.0.0.1:{port}"})


def calls(port: int) -> list[str]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/calls") as answer:
        told: list[str] = json.load(answer)
    return told


def run(port: int, journal: Path, secret: str = TOKEN, **changes: Any) -> Finding:
    """Verify one token and revoke it, as a run of the command does."""
    settings = RevokeSettings(**{"journal": journal, "mode": "ask", "recheck": (0.0,) * 3, **changes})
    asked = verify([finding(secret)], lambda rule: ACTION, settings_for(port))
    return revoke(
        asked, lambda rule: ACTION, settings, settings_for(port), confirm=lambda *_: True, say=lambda _: None
    )[0]


if __name__ == "__main__":
    run(int(sys.argv[1]), Path(sys.argv[2]), command=tuple(sys.argv[3:]), hooks=("command",))
    print("survived")
