"""`deadkey drill --against`: from leak to dead on a real server, nothing left behind there, and the time kept."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

from tests.conftest import deadkey
from tests.databases.parts import Bench, cli, my, pg
from tests.databases.servers import OWNER, PASSWORD, Server


def users(server: Server) -> set[str]:
    """The throw-away users on a server."""
    if server.kind == "postgresql":
        names = [name for (name,) in pg(server).run("SELECT rolname FROM pg_roles")]
    elif server.kind == "mysql":
        with my(server) as session, session.cursor() as cursor:
            cursor.execute("SELECT User FROM mysql.user")
            names = [name for (name,) in cursor.fetchall()]
    else:
        names = cli(server, "ACL", "USERS").split()
    return {name for name in names if name.startswith("deadkey_drill_")}


def test_a_drill_gets_from_leak_to_dead_and_is_kept(bench: Bench, clean_user: Path, tmp_path: Path) -> None:
    server, config = bench.server, str(bench.config())
    for _ in range(2):
        done = deadkey(
            "drill", "--against", server.url, "--config", config, "--format", "json",
            cwd=tmp_path, **{server.variable: PASSWORD},
        )  # fmt: skip
        assert done.returncode == 0, done.stdout.decode() + done.stderr.decode()
        report = json.loads(done.stdout)
        (leak,) = report["leaks"]
        assert report["problems"] == []
        assert 0 < leak["found"] < leak["live"] < leak["dead"] <= report["seconds"]
        assert (leak["outcome"], leak["path"], leak["line"]) == ("revoked", "settings.py", 2)
        assert leak["account"].startswith("deadkey_drill_")
    assert users(server) == set()
    kept = clean_user / ".local/state/deadkey/drills.jsonl"
    lines = [json.loads(line) for line in kept.read_text().splitlines()]
    assert [(line["server"], line["passed"]) for line in lines] == [(f"{server.kind} {server.place}", True)] * 2
    assert OWNER not in kept.read_text() and PASSWORD not in kept.read_text()
    shown = deadkey("drill", "--history", "--svg", str(tmp_path / "drills.svg"))
    assert shown.returncode == 0
    rows = shown.stdout.decode().splitlines()
    assert [row.endswith(f"{line['dead']:.2f} s") and "█" in row for row, line in zip(rows, lines, strict=False)] == [
        True
    ] * 2
    drawn = ElementTree.parse(tmp_path / "drills.svg").getroot()
    assert len(drawn.findall("{http://www.w3.org/2000/svg}circle")) == 2
    assert len(drawn.findall("{http://www.w3.org/2000/svg}polyline")) == 1


def test_what_keeps_a_drill_from_starting_is_one_line(bench: Bench) -> None:
    server, config = bench.server, str(bench.config())
    helper, password = bench.mint("read")
    cases = [
        (server.url, {}, f"{server.variable} is not set"),
        (server.url, {server.variable: "wrong"}, f"refused the owner {OWNER}"),
        (server.url.replace("@", ":word@"), {}, "a password stands in it"),
        (server.url.replace(f"{OWNER}@", ""), {}, "the owner's name is missing"),
        (server.url.replace(OWNER, helper), {server.variable: password}, "could not make a user"),
        ("https://example.org", {}, "not the address of a database server"),
    ]
    for url, environment, why in cases:
        done = deadkey("drill", "--against", url, "--config", config, **environment)
        assert (done.returncode, done.stdout) == (2, b""), done.stderr.decode()
        assert why in done.stderr.decode() and done.stderr.count(b"\n") == 1, done.stderr.decode()
    assert users(server) == set()


def test_a_history_that_is_torn_is_named(clean_user: Path) -> None:
    assert b"No drill" in deadkey("drill", "--history").stdout
    file = clean_user / ".local/state/deadkey/drills.jsonl"
    file.parent.mkdir(parents=True)
    file.write_text('{"version": 1, "at"\n')
    done = deadkey("drill", "--history")
    assert done.returncode == 2
    assert b"drills.jsonl:1: not a drill" in done.stderr
