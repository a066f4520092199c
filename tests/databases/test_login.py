"""A leaked database password is asked about where the user allows it: whose it is, what it may do, and whether it lives."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.databases.parts import Bench, execute, word
from tests.databases.servers import free_port

SEVERITY = {"all": "critical", "some": "high", "read": "medium"}


@pytest.mark.parametrize("rights", sorted(SEVERITY))
def test_a_live_one_is_told_with_whose_it_is_and_what_it_may_do(bench: Bench, rights: str) -> None:
    user, password = bench.mint(rights)
    bench.leak(user, password)
    (finding,) = bench.scan(bench.config())
    verdict = finding["verdict"]
    assert (finding["rule"], verdict["state"], verdict["reason"]) == (
        "database-url", "live", f"{bench.server.place} let it in"
    )  # fmt: skip
    identity = verdict["identity"]
    assert identity["account"] == (f"{user}@%" if bench.server.kind == "mysql" else user)
    assert identity["server"] == bench.server.place
    assert identity["version"][0].isdigit()
    assert finding["severity"] == SEVERITY[rights]
    assert identity["scopes"]
    if bench.server.kind == "postgresql":
        assert "postgres" in identity["databases"]
        assert identity.get("expires") == ("2999-01-02T03:04:05Z" if rights == "some" else None)
    if bench.server.kind == "mysql":
        assert "IDENTIFIED" not in str(identity)
        assert ("app" if rights == "some" else "information_schema") in identity["databases"].split(", ")


def test_a_wrong_password_is_dead(bench: Bench) -> None:
    user, _ = bench.mint("read")
    bench.leak(user, word())
    verdict = bench.verdict()
    assert verdict["state"] == "dead"
    assert "refused the password" in verdict["reason"]


LOCK = {
    "postgresql": "ALTER ROLE {user} NOLOGIN",
    "mysql": "ALTER USER {user}@'%' ACCOUNT LOCK",
    "redis": "ACL SETUSER {user} off",
}


def test_the_right_password_of_a_locked_user_is_dead(bench: Bench) -> None:
    user, password = bench.mint("some")
    execute(bench.server, LOCK[bench.server.kind].format(user=user))
    bench.leak(user, password)
    assert bench.verdict()["state"] == "dead"


def test_a_server_that_is_down_says_nothing(bench: Bench) -> None:
    place = f"127.0.0.1:{free_port()}"
    bench.leak("app", word(), place)
    verdict = bench.verdict(bench.config(hosts=[place], plain_http=[place]))
    assert (verdict["state"], verdict["reason"]) == ("unknown", f"{place} could not be reached")


@contextmanager
def listening(answer: bytes = b"") -> Iterator[tuple[str, list[bytes]]]:
    """A socket that notes each connection's first bytes, says `answer` and hangs up."""
    seen: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    seen.append(b"")
                    if answer:
                        connection.sendall(answer)
                    seen[-1] = connection.recv(4096)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"127.0.0.1:{server.getsockname()[1]}", seen
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()


def test_a_server_that_is_not_listed_is_not_contacted(bench: Bench) -> None:
    with listening() as (place, seen):
        bench.leak("app", word(), place)
        verdict = bench.verdict(bench.config())
        assert verdict["state"] == "uncheckable"
        assert "verify.hosts" in verdict["reason"] and place in verdict["reason"]
        assert seen == []
        # the same one listed is: the test would notice
        listed = bench.config(hosts=[place], plain_http=[place], timeout=1)
        assert bench.verdict(listed)["state"] == "unknown"
        assert len(seen) >= 1


def test_without_leave_to_do_without_tls_no_password_is_sent(bench: Bench) -> None:
    """The servers here have no certificate that anybody signed."""
    user, password = bench.mint("some")
    bench.leak(user, password)
    verdict = bench.verdict(bench.config(plain_http=[], timeout=1))
    assert verdict["state"] == "unknown"
    assert "verify.plain_http" in verdict["reason"]


def test_a_greeting_without_tls_gets_no_password(bench: Bench) -> None:
    """Whoever sits in between and says that there is no TLS learns nothing."""
    greeting = {"postgresql": b"N", "mysql": b"", "redis": b"+OK\r\n"}[bench.server.kind]
    password = word()
    with listening(greeting) as (place, seen):
        bench.leak("app", password, place)
        assert bench.verdict(bench.config(hosts=[place], plain_http=[], timeout=1))["state"] == "unknown"
    assert seen and not any(password.encode() in said for said in seen)


def test_percent_escapes_of_a_url_are_read(bench: Bench) -> None:
    user, password = "e" + word()[:8], "p%2Fa%3A" + word()
    made = {
        "postgresql": f"CREATE ROLE {user} LOGIN PASSWORD '{password.replace('%2F', '/').replace('%3A', ':')}'",
        "mysql": f"CREATE USER {user}@'%' IDENTIFIED BY '{password.replace('%2F', '/').replace('%3A', ':')}'",
        "redis": f"ACL SETUSER {user} on >{password.replace('%2F', '/').replace('%3A', ':')} +@all ~*",
    }
    execute(bench.server, made[bench.server.kind])
    bench.leak(user, password)
    assert bench.verdict()["state"] == "live"


def test_one_password_for_two_servers_is_dead_only_when_both_say_so(bench: Bench) -> None:
    user, password = bench.mint("read")
    down = f"127.0.0.1:{free_port()}"
    wrong = word()
    bench.leak(user, wrong, name="a.py")
    bench.leak(user, wrong, down, name="b.py")
    config = bench.config(hosts=[bench.server.place, down], plain_http=[bench.server.place, down])
    assert bench.verdict(config)["state"] == "unknown"
    bench.leak(user, password, name="a.py")
    bench.leak(user, password, down, name="b.py")
    assert bench.verdict(config)["state"] == "live"


def test_a_user_is_asked_about_by_hand(bench: Bench, tmp_path: Path) -> None:
    from tests.conftest import deadkey

    user, password = bench.mint("some")
    host, _, port = bench.server.place.partition(":")
    parts = {"scheme": bench.server.scheme, "user": user, "host": host, "port": port}
    given = [word for name, value in parts.items() for word in ("--with", f"{name}={value}")]
    for data, status in ((password, 1), (password + "x", 0)):
        done = deadkey(
            "verify",
            "--rule",
            "database-url",
            *given,
            "--config",
            str(bench.config()),
            data=data.encode(),
            cwd=tmp_path,
        )
        assert done.returncode == status, done.stderr.decode()
