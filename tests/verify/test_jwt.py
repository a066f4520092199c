"""JSON Web Tokens: an expired one is dead, of every other one only its issuer knows."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest

from scanner.model import Finding, Verdict
from scanner.verify.live import verify
from scanner.verify.settings import VerifySettings

NOW = 1_800_000_000


def _token(claims: Any, header: Any = None) -> str:
    parts = [json.dumps(header or {"alg": "HS256"}), json.dumps(claims), "signature"]
    return ".".join(base64.urlsafe_b64encode(part.encode()).decode().rstrip("=") for part in parts)


def _ask(token: str, make: Callable[..., Finding], clock: Any) -> Verdict:
    verdict = verify([make(token)], lambda rule: {"verify": {"checker": "jwt"}}, VerifySettings(), clock=clock)[
        0
    ].verdict
    assert verdict
    return verdict


@pytest.mark.parametrize(
    ("claims", "state", "words"),
    [
        ({"exp": NOW - 1}, "dead", "it expired at 2027-01-15T07:59:59Z"),
        ({"exp": NOW}, "dead", "it expired"),
        ({"exp": NOW + 60.5}, "unknown", "it expires at 2027-01-15T08:01:00Z"),
        ({}, "unknown", "it names no expiry"),
        ({"exp": "soon"}, "unknown", "it names no expiry"),
        ({"exp": True}, "unknown", "it names no expiry"),
        ({"exp": 1e300}, "unknown", "it names no expiry"),
        ({"exp": -(10**30)}, "unknown", "it names no expiry"),
    ],
)
def test_expiry(claims: Any, state: str, words: str, make: Callable[..., Finding], clock: Any) -> None:
    verdict = _ask(_token(claims), make, clock)
    assert verdict.state == state and verdict.reason.startswith(words)


def test_identity(make: Callable[..., Finding], clock: Any) -> None:
    verdict = _ask(_token({"iss": "https://issuer.example", "sub": "bob\x07", "exp": NOW + 1}), make, clock)
    assert verdict.identity == {
        "issuer": "https://issuer.example",
        "subject": "bob?",
        "algorithm": "HS256",
        "expires": "2027-01-15T08:00:01Z",
    }


@pytest.mark.parametrize("token", ["a.b", "a.b.c", "e30.W10.x", "[" * 9 + ".e30.x", ".."])
def test_what_is_no_token_is_uncheckable(token: str, make: Callable[..., Finding], clock: Any) -> None:
    verdict = _ask(token, make, clock)
    assert (verdict.state, verdict.reason) == ("uncheckable", "not a JSON Web Token")
