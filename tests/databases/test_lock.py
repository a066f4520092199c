"""A leaked database password is ended by the server's owner: found, live, locked, its sessions ended, and dead."""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Callable
from typing import Any

import pymysql
import pytest

from tests.conftest import deadkey
from tests.databases.parts import MINT, Bench, cli, execute, my, pg, word
from tests.databases.servers import OWNER, PASSWORD, Server


def held(server: Server, user: str, password: str) -> Callable[[], bool]:
    """A session that is open; calling it says whether it still answers."""
    if server.kind == "redis":
        line = socket.create_connection(("127.0.0.1", server.port), 20)
        answers_file = line.makefile("rb")

        def said(command: str) -> bytes:
            line.sendall(command.encode() + b"\r\n")
            return answers_file.readline()

        assert said(f"AUTH {user} {password}") == b"+OK\r\n"

        def answers() -> bool:
            with contextlib.suppress(OSError):
                return said("PING") == b"+PONG\r\n"
            return False

        assert answers()
        return answers
    session: Any = pg(server, user, password) if server.kind == "postgresql" else my(server, user, password)

    def alive() -> bool:
        try:
            if server.kind == "postgresql":
                session.run("SELECT 1")
            else:
                session.cursor().execute("SELECT 1")
        except Exception:
            return False
        return True

    assert alive()
    return alive


def revoke(bench: Bench, user: str, password: str, **environment: str) -> dict[str, Any]:
    bench.leak(user, password)
    config = bench.config(owner=bench.server.url)
    given = {bench.server.variable: PASSWORD, **environment}
    (finding,) = bench.scan(config, "--revoke", "auto", **given)
    return finding


@pytest.mark.parametrize("rights", ["all", "some"])
def test_from_live_to_dead_and_open_sessions_end(bench: Bench, rights: str) -> None:
    user, password = bench.mint(rights)
    session = held(bench.server, user, password)
    finding = revoke(bench, user, password)
    outcome = finding["outcome"]
    assert (outcome["state"], outcome["hook"]) == ("revoked", "database"), outcome
    assert "1 open session of it ended" in outcome["detail"]
    assert user in outcome["effect"] and bench.server.place in outcome["effect"]
    assert finding["verdict"]["state"] == "dead"
    assert not session()
    assert bench.verdict()["state"] == "dead"
    journal = (bench.folder / "journal.jsonl").read_text()
    assert user in journal and password not in journal and PASSWORD not in journal
    again = word()
    execute(bench.server, UNLOCK[bench.server.kind].format(user=user, word=again))
    bench.leak(user, again)
    assert bench.verdict()["state"] == "live", "the way back that its effect names works"


UNLOCK = {
    "postgresql": "ALTER ROLE {user} LOGIN PASSWORD '{word}'",
    "mysql": "ALTER USER {user}@'%' IDENTIFIED BY '{word}' ACCOUNT UNLOCK",
    "redis": "ACL SETUSER {user} on >{word}",
}


def test_a_plan_says_what_would_be_done_and_does_nothing(bench: Bench) -> None:
    user, password = bench.mint("some")
    bench.leak(user, password)
    (finding,) = bench.scan(bench.config(owner=bench.server.url), "--revoke", "plan")
    assert (finding["outcome"]["state"], finding["outcome"]["hook"]) == ("planned", "database")
    assert f"all that logs in as {user} stops" in finding["outcome"]["effect"]
    assert bench.verdict()["state"] == "live"


def test_the_owner_is_not_locked_out(bench: Bench) -> None:
    finding = revoke(bench, OWNER, PASSWORD)
    assert finding["outcome"]["state"] == "failed"
    assert "the owner's own" in finding["outcome"]["detail"]
    assert finding["verdict"]["state"] == "live"


def test_a_leak_of_one_that_no_owner_is_named_for_is_left(bench: Bench) -> None:
    user, password = bench.mint("some")
    bench.leak(user, password)
    (finding,) = bench.scan(bench.config(), "--revoke", "auto")
    assert finding["outcome"]["state"] == "refused"
    assert "no hook applies" in finding["outcome"]["detail"]


def test_what_the_owner_cannot_do_is_said(bench: Bench) -> None:
    user, password = bench.mint("some")
    helper, word_of_helper = bench.mint("read")
    bench.leak(user, password)
    url = bench.server.url.replace(OWNER, helper)
    (finding,) = bench.scan(bench.config(owner=url), "--revoke", "auto", **{bench.server.variable: word_of_helper})
    assert finding["outcome"]["state"] == "failed"
    assert finding["outcome"]["detail"]
    for wrong, why in ((word(), "refused the owner"), ("", f"{bench.server.variable} is not set")):
        (finding,) = bench.scan(bench.config(owner=url), "--revoke", "auto", **{bench.server.variable: wrong})
        assert finding["outcome"]["state"] == "failed"
        assert why in finding["outcome"]["detail"]
    assert bench.verdict()["state"] == "live"


def test_a_saved_report_with_secrets_is_enough_to_revoke(bench: Bench) -> None:
    user, password = bench.mint("some")
    bench.leak(user, password)
    config = bench.config(owner=bench.server.url)
    saved = bench.folder / "saved.json"
    saved.write_text(
        json.dumps({"version": 1, "findings": bench.scan(config, "--show-secrets"), "skipped": [], "statistics": {}})
    )
    done = deadkey("revoke", str(saved), "--mode", "auto", "--config", str(config), **{bench.server.variable: PASSWORD})
    assert done.returncode == 0, done.stdout.decode() + done.stderr.decode()


NAMES = {
    "postgresql": ('a"; DROP TABLE x; --', 'a\\"b', "Größe", "a'b"),
    "mysql": ("a'b", 'a"b', "a\\\\b", "Größe"),
    "redis": ("a*b", "Größe"),
}


def test_odd_names_are_quoted(bench: Bench) -> None:
    """By a URL such names come with escapes."""
    from urllib.parse import quote

    for name in NAMES[bench.server.kind]:
        password = word()
        if bench.server.kind == "postgresql":
            quoted = '"' + name.replace('"', '""') + '"'
            execute(bench.server, MINT["postgresql"]["read"][0].format(user=quoted, word=password))
        elif bench.server.kind == "mysql":
            with my(bench.server) as session, session.cursor() as cursor:
                cursor.execute("CREATE USER %s@'%%' IDENTIFIED BY %s", (name, password))
        else:
            assert cli(bench.server, "ACL", "SETUSER", name, "on", f">{password}", "+@all", "~*") == "OK"
        finding = revoke(bench, quote(name, safe=""), password)
        assert finding["outcome"]["state"] == "revoked", (name, finding["outcome"], finding["verdict"])


def test_the_same_name_for_another_host_is_told_and_kept(
    servers: Any, tmp_path_factory: pytest.TempPathFactory
) -> None:
    bench = Bench(servers.of("mysql"), tmp_path_factory.mktemp("bench"))
    user, password = bench.mint("some")
    other = word()
    execute(bench.server, f"CREATE USER {user}@'10.%' IDENTIFIED BY '{other}'")
    finding = revoke(bench, user, password)
    assert finding["outcome"]["state"] == "revoked"
    assert "1 more of that name for other hosts are not" in finding["outcome"]["detail"]


def test_a_server_that_trusts_everybody_proves_nothing(tmp_path_factory: pytest.TempPathFactory) -> None:
    from tests.databases import servers

    with servers.postgresql(hba="host all anybody 127.0.0.1/32 trust\nhost all nobody 127.0.0.1/32 reject\n") as server:
        bench = Bench(server, tmp_path_factory.mktemp("bench"))
        execute(server, "CREATE ROLE anybody LOGIN", "CREATE ROLE nobody LOGIN")
        for user, why in (("anybody", "without a password"), ("nobody", "28000, which says nothing")):
            bench.leak(user, word())
            verdict = bench.verdict()
            assert verdict["state"] == "unknown"
            assert why in verdict["reason"]


def test_too_many_connections_prove_nothing(tmp_path_factory: pytest.TempPathFactory) -> None:
    from tests.databases import servers

    with servers.redis("--maxclients", "1") as server:
        bench = Bench(server, tmp_path_factory.mktemp("bench"))
        session = held(server, OWNER, PASSWORD)
        bench.leak("app", word())
        assert bench.verdict()["state"] == "unknown"
        assert session()
    with servers.mariadb("--max-connections=10") as server:
        bench = Bench(server, tmp_path_factory.mktemp("bench"))
        user, password = bench.mint("some")
        sessions = []
        with contextlib.suppress(pymysql.MySQLError):
            while len(sessions) < 20:
                sessions.append(my(server, user, password))
        bench.leak(user, password)
        verdict = bench.verdict()
        assert (verdict["state"], "1040" in verdict["reason"]) == ("unknown", True)
        for open_one in sessions:
            open_one.close()
