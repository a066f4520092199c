"""The one way out: to public addresses, over TLS that fits the name, and never for long or for much."""

from __future__ import annotations

import gzip
import logging
import socket
import ssl
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import trustme
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from scanner.verify import guard
from scanner.verify.guard import BODY, Guard
from scanner.verify.interface import Answer, Call, Unanswered
from scanner.verify.settings import VerifySettings


def get(settings: VerifySettings, url: str, host: str, port: int, **more: Any) -> Answer:
    sender = Guard(settings)
    try:
        return sender.send(Call("GET", url, host, port, **more))
    finally:
        sender.close()


def here(httpserver: HTTPServer, settings: VerifySettings, path: str, **more: Any) -> Answer:
    return get(settings, httpserver.url_for(path), "127.0.0.1", httpserver.port, **more)


def test_an_answer_comes_back_parsed(httpserver: HTTPServer, settings: VerifySettings) -> None:
    httpserver.expect_request("/me").respond_with_json({"login": "bob"}, headers={"X-Scopes": "repo"})
    answer = here(httpserver, settings, "/me")
    assert (answer.status, answer.body, answer.headers["x-scopes"]) == (200, {"login": "bob"}, "repo")
    assert httpserver.log[0][0].headers["User-Agent"].startswith("deadkey/")


def test_a_private_address_is_refused_unless_named(httpserver: HTTPServer, settings: VerifySettings) -> None:
    with pytest.raises(Unanswered, match=r"127\.0\.0\.1:\d+ was not asked: its address is loopback"):
        here(httpserver, replace(settings, hosts=frozenset()), "/me")
    assert httpserver.log == []


def test_a_name_that_leads_inside_is_refused(
    httpserver: HTTPServer, settings: VerifySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = httpserver.port
    for address in ("127.0.0.1", "::ffff:127.0.0.1", "169.254.169.254", "10.0.0.1"):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        found = [(family, socket.SOCK_STREAM, 6, "", (address, port))]
        monkeypatch.setattr(guard, "resolve", lambda host, port, found=found: found)
        named = replace(settings, plain_http=frozenset({f"issuer.example:{port}"}))
        with pytest.raises(Unanswered, match=r"issuer\.example:.* was not asked"):
            get(named, f"http://issuer.example:{port}/me", "issuer.example", port)
    assert httpserver.log == []


def test_plain_http_only_where_the_user_says_so(httpserver: HTTPServer, settings: VerifySettings) -> None:
    with pytest.raises(Unanswered, match="without TLS"):
        here(httpserver, replace(settings, plain_http=frozenset()), "/me")
    assert httpserver.log == []


def test_redirects_are_answers_and_cookies_are_forgotten(httpserver: HTTPServer, settings: VerifySettings) -> None:
    moved = {"Location": httpserver.url_for("/other"), "Set-Cookie": "id=1; Path=/"}
    httpserver.expect_request("/me").respond_with_data("", 302, moved)
    sender = Guard(settings)
    for _ in range(2):
        assert sender.send(Call("GET", httpserver.url_for("/me"), "127.0.0.1", httpserver.port)).status == 302
    sender.close()
    assert [request.path for request, _ in httpserver.log] == ["/me", "/me"]
    assert all("Cookie" not in request.headers for request, _ in httpserver.log)


def test_netrc_is_not_read(
    httpserver: HTTPServer, settings: VerifySettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password other\n")
    monkeypatch.setenv("NETRC", str(netrc))
    httpserver.expect_request("/me").respond_with_data("")
    here(httpserver, settings, "/me")
    assert "Authorization" not in httpserver.log[0][0].headers


def test_bodies_are_cut(httpserver: HTTPServer, settings: VerifySettings) -> None:
    httpserver.expect_request("/big").respond_with_data("x" * (BODY + 100_000))
    httpserver.expect_request("/bomb").respond_with_data(
        gzip.compress(bytes(50_000_000)), headers={"Content-Encoding": "gzip"}
    )
    httpserver.expect_request("/deep").respond_with_data("[" * 200_000)
    assert len(here(httpserver, settings, "/big").text) == BODY
    assert len(here(httpserver, settings, "/bomb").text) == BODY
    assert here(httpserver, settings, "/deep").body is None


def test_compressed_answers_are_read(httpserver: HTTPServer, settings: VerifySettings) -> None:
    httpserver.expect_request("/me").respond_with_data(gzip.compress(b'{"a": 1}'), headers={"Content-Encoding": "gzip"})
    assert here(httpserver, settings, "/me").body == {"a": 1}


def _socket_server(talk: Any) -> Iterator[int]:
    listener = socket.create_server(("127.0.0.1", 0))
    stop = threading.Event()

    def serve() -> None:
        while not stop.is_set():
            try:
                conn, _ = listener.accept()
            except OSError:
                return
            with conn:
                talk(conn, stop)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield listener.getsockname()[1]
    stop.set()
    listener.close()
    thread.join(5)


@pytest.fixture
def silent() -> Iterator[int]:
    yield from _socket_server(lambda conn, stop: stop.wait(20))


@pytest.fixture
def trickling() -> Iterator[int]:
    def talk(conn: socket.socket, stop: threading.Event) -> None:
        conn.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        while not stop.wait(0.05):
            try:
                conn.sendall(b"x")
            except OSError:
                return

    yield from _socket_server(talk)


def _named(port: int, timeout: float) -> VerifySettings:
    named = frozenset({f"127.0.0.1:{port}"})
    return VerifySettings(timeout=timeout, hosts=named, plain_http=named)


def test_a_silent_host_is_given_up(silent: int) -> None:
    with pytest.raises(Unanswered, match=r"127\.0\.0\.1:\d+ did not answer within 0.2 s"):
        get(_named(silent, 0.2), f"http://127.0.0.1:{silent}/", "127.0.0.1", silent)


def test_a_host_that_trickles_is_cut_off_in_its_headers(trickling: int) -> None:
    with pytest.raises(Unanswered, match=r"did not answer in full within 0\.4 s"):
        get(_named(trickling, 0.2), f"http://127.0.0.1:{trickling}/", "127.0.0.1", trickling)


def test_nobody_there(silent: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    with pytest.raises(Unanswered, match="could not be reached") as caught:
        get(_named(port, 1), f"http://127.0.0.1:{port}/", "127.0.0.1", port)
    assert caught.value.broken


def test_no_secret_in_errors_or_logs(
    httpserver: HTTPServer, settings: VerifySettings, caplog: pytest.LogCaptureFixture
) -> None:
    httpserver.expect_request("/hunter2hunter2").respond_with_data("")
    with caplog.at_level(logging.DEBUG):
        here(httpserver, settings, "/hunter2hunter2")
        with pytest.raises(Unanswered) as caught:
            here(httpserver, settings, "/x", headers={"Bad": "hunter2\r\nhunter2"})
    assert "hunter2" not in str(caught.value)
    assert "hunter2" not in "".join(record.getMessage() for record in caplog.records if "urllib3" in record.name)


class _TLS:
    """A server with a certificate for issuer.example, on loopback."""

    def __init__(self, folder: Path, name: str) -> None:
        authority = trustme.CA()
        self.bundle = folder / "ca.pem"
        authority.cert_pem.write_to_path(str(self.bundle))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(name).configure_cert(context)
        asked: list[str] = []
        self.asked = asked

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked.append(self.headers["Host"])
                self.send_response(200)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.handle_error = lambda *_: None  # type: ignore[method-assign]
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def ask(self, monkeypatch: pytest.MonkeyPatch, **changes: Any) -> Answer:
        self.resolved = 0

        def resolve(host: str, port: int) -> list[Any]:
            # A name that changes its mind: inside at the first look-up, a public address at every later one.
            self.resolved += 1
            address = "127.0.0.1" if self.resolved == 1 else "192.0.2.1"
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

        monkeypatch.setattr(guard, "resolve", resolve)
        settings = VerifySettings(timeout=5, hosts=frozenset({"issuer.example"}), ca_bundle=str(self.bundle))
        return get(replace(settings, **changes), f"https://issuer.example:{self.port}/", "issuer.example", self.port)


@pytest.fixture
def issuer(tmp_path: Path) -> Iterator[_TLS]:
    server = _TLS(tmp_path, "issuer.example")
    yield server
    server.server.shutdown()
    server.server.server_close()


def test_tls_is_checked_against_the_name_and_the_judged_address_is_used(
    issuer: _TLS, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert issuer.ask(monkeypatch).status == 200
    assert issuer.resolved == 1
    assert issuer.asked == [f"issuer.example:{issuer.port}"]


def test_a_rebinding_name_reaches_nothing_inside(issuer: _TLS, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Unanswered, match="its address is loopback"):
        issuer.ask(monkeypatch, hosts=frozenset())
    assert issuer.asked == []


def test_an_unknown_authority_is_refused(issuer: _TLS, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Unanswered, match="no certificate that can be trusted"):
        issuer.ask(monkeypatch, ca_bundle=None)
    assert issuer.asked == []


def test_a_certificate_for_another_name_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = _TLS(tmp_path, "other.example")
    try:
        with pytest.raises(Unanswered, match="no certificate that can be trusted"):
            other.ask(monkeypatch)
    finally:
        other.server.shutdown()
        other.server.server_close()
    assert other.asked == []


def test_a_proxy_is_used_and_resolves_the_name(
    httpserver: HTTPServer, settings: VerifySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def proxy(request: Request) -> Response:
        seen.append(request.environ["REQUEST_URI"])
        return Response("{}", 200)

    httpserver.expect_request("/me").respond_with_handler(proxy)
    monkeypatch.setattr(guard, "resolve", lambda host, port: pytest.fail("resolved behind a proxy"))
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{httpserver.port}")
    named = replace(settings, hosts=frozenset(), plain_http=frozenset({"issuer.example:80", "10.0.0.1:80"}))
    assert get(named, "http://issuer.example/me", "issuer.example", 80).status == 200
    assert seen == ["http://issuer.example/me"]
    with pytest.raises(Unanswered, match="its address is private"):
        get(named, "http://10.0.0.1/me", "10.0.0.1", 80)
    assert len(seen) == 1
