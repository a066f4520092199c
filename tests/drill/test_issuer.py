"""The drill's issuer speaks OAuth as others understand it: Authlib is the client."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import requests
from authlib.integrations.requests_client import OAuth2Session

from scanner.detect.checksums import CHECKSUMS
from scanner.drill.issuer import LARGEST, Issuer, Server

CLIENT = ("drill client", "s3cret & more%")
"""With characters that HTTP Basic wants escaped (RFC 6749 section 2.3.1)."""


@pytest.fixture
def issuer(tmp_path: Path) -> Issuer:
    return Issuer(str(tmp_path / "issuer.db"), CLIENT)


@pytest.fixture
def address(issuer: Issuer) -> Iterator[str]:
    with closing(Server(issuer)) as server:
        yield server.address


@pytest.fixture(autouse=True)
def insecure(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets Authlib speak to loopback without TLS."""
    monkeypatch.setenv("AUTHLIB_INSECURE_TRANSPORT", "1")


def client(method: str = "client_secret_post", pair: tuple[str, str] = CLIENT) -> OAuth2Session:
    return OAuth2Session(*pair, token_endpoint_auth_method=method, revocation_endpoint_auth_method=method)


def ask(session: OAuth2Session, address: str, token: bytes) -> dict[str, Any]:
    answer = session.introspect_token(f"{address}/introspect", token=token.decode(), token_type_hint="access_token")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Cache-Control"] == "no-store"
    said: dict[str, Any] = answer.json()
    return said


def test_introspection_says_whose_a_token_is_and_what_it_may_do(issuer: Issuer, address: str) -> None:
    token = issuer.mint("deploy-bot", "repo write", 600)
    said = ask(client(), address, token)
    assert said["active"] is True
    assert (said["username"], said["scope"], said["token_type"]) == ("deploy-bot", "repo write", "Bearer")
    assert said["exp"] - said["iat"] == 600
    assert token.decode() not in str(said)


def test_revocation_ends_a_token_for_good(issuer: Issuer, address: str) -> None:
    token, other = issuer.mint("one", "read", 600), issuer.mint("two", "read", 600)
    session = client()
    answer = session.revoke_token(f"{address}/revoke", token=token.decode(), token_type_hint="access_token")
    assert (answer.status_code, answer.content) == (200, b"")
    assert ask(session, address, token) == {"active": False}
    assert ask(session, address, other)["active"] is True
    again = session.revoke_token(f"{address}/revoke", token=token.decode())
    assert again.status_code == 200
    assert issuer.calls("revoke") == 2


@pytest.mark.parametrize("token", [b"dkd_unknown", b"", b"\xc3\xa9" * 30])
def test_an_unknown_token_is_inactive_and_revoking_it_is_no_error(address: str, token: bytes) -> None:
    session = client()
    assert ask(session, address, token) == {"active": False}
    assert session.revoke_token(f"{address}/revoke", token=token.decode()).status_code == 200


def test_an_expired_token_is_inactive_and_tells_nothing_else(issuer: Issuer, address: str) -> None:
    assert ask(client(), address, issuer.mint("late", "read", -1)) == {"active": False}


def test_a_revoked_token_stays_dead_over_a_restart(tmp_path: Path) -> None:
    first = Issuer(str(tmp_path / "db"), CLIENT)
    dead, live = first.mint("dead", "a", 600), first.mint("live", "a", 600)
    first.revoke(dead)
    second = Issuer(str(tmp_path / "db"), CLIENT)
    assert second.introspect(dead) == {"active": False}
    assert second.introspect(live)["active"] is True


@pytest.mark.parametrize("endpoint", ["introspect", "revoke"])
@pytest.mark.parametrize("pair", [("drill client", "wrong"), ("other", CLIENT[1]), ("", "")])
def test_a_wrong_client_learns_and_changes_nothing(
    issuer: Issuer, address: str, endpoint: str, pair: tuple[str, str]
) -> None:
    token = issuer.mint("victim", "all", 600)
    session = client(pair=pair)
    call = session.introspect_token if endpoint == "introspect" else session.revoke_token
    answer = call(f"{address}/{endpoint}", token=token.decode())
    assert answer.status_code == 401
    assert answer.json() == {"error": "invalid_client"}
    assert answer.headers["WWW-Authenticate"].startswith("Basic")
    assert issuer.calls(endpoint) == 0
    assert issuer.introspect(token)["active"] is True


@pytest.mark.parametrize(
    "header", ["Basic", "Basic !!!", "Basic " + base64.b64encode(b"\xff:\xff").decode(), "Bearer x", "Basic Og=="]
)
def test_broken_credentials_are_refused(address: str, header: str) -> None:
    answer = requests.post(f"{address}/introspect", data={"token": "x"}, headers={"Authorization": header})
    assert answer.status_code == 401


@pytest.mark.parametrize("endpoint", ["introspect", "revoke"])
def test_a_missing_token_is_an_invalid_request(issuer: Issuer, address: str, endpoint: str) -> None:
    fields = {"client_id": CLIENT[0], "client_secret": CLIENT[1]}
    answer = requests.post(f"{address}/{endpoint}", data=fields)
    assert answer.status_code == 400
    assert answer.json()["error"] == "invalid_request"
    assert issuer.calls(endpoint) == 0


def test_http_basic_of_escaped_id_and_secret(issuer: Issuer, address: str) -> None:
    """Authlib sends both unescaped, so the pair is one that reads the same either way."""
    plain = Issuer(issuer._database, ("plain", "simple-secret"))
    with closing(Server(plain)) as server:
        token = plain.mint("basic", "read", 600)
        assert ask(client("client_secret_basic", ("plain", "simple-secret")), server.address, token)["active"] is True
    escaped = base64.b64encode(b"drill+client:s3cret+%26+more%25").decode()
    answer = requests.post(
        f"{address}/introspect", data={"token": token.decode()}, headers={"Authorization": f"Basic {escaped}"}
    )
    assert answer.json()["active"] is True


def test_metadata_names_the_endpoints_that_answer(issuer: Issuer, address: str) -> None:
    """RFC 8414: a client that knows only the address finds the rest."""
    metadata = requests.get(f"{address}/.well-known/oauth-authorization-server").json()
    assert metadata["issuer"] == address
    token = issuer.mint("found", "read", 600)
    session = client()
    answer = session.introspect_token(metadata["introspection_endpoint"], token=token.decode())
    assert answer.json()["active"] is True
    session.revoke_token(metadata["revocation_endpoint"], token=token.decode())
    assert issuer.introspect(token) == {"active": False}


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/introspect"), ("GET", "/"), ("POST", "/mint"), ("PUT", "/revoke")]
)
def test_there_is_nothing_else(address: str, method: str, path: str) -> None:
    fields = {"client_id": CLIENT[0], "client_secret": CLIENT[1], "token": "x"}
    assert requests.request(method, address + path, data=fields).status_code in (404, 501)


def test_a_body_too_large_is_not_read(address: str) -> None:
    with requests.Session() as session:
        answer = session.post(f"{address}/introspect", data=b"t=" + b"x" * LARGEST, headers={"Expect": ""})
    assert answer.status_code == 413


def test_tokens_are_named_by_prefix_and_sealed_by_checksum(issuer: Issuer) -> None:
    tokens = {issuer.mint("many", "read", 600) for _ in range(20)}
    assert len(tokens) == 20
    for token in tokens:
        assert token.startswith(b"dkd_")
        assert len(token) == 42
        assert CHECKSUMS["github"].seal(token) == token


def test_the_database_holds_no_token(issuer: Issuer, tmp_path: Path) -> None:
    token = issuer.mint("kept", "read", 600)
    issuer.introspect(token)
    issuer.revoke(token)
    written = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"kept" in written
    assert token not in written
