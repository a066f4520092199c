"""`deadkey drill`: from leak to dead without leaving the machine, and it says so when it does not get there."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from scanner.cli.main import command
from scanner.drill.issuer import Issuer
from tests.conftest import deadkey


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The drill asks again at once where it would wait for an issuer to make up its mind."""
    monkeypatch.setattr("time.sleep", lambda seconds: None)


def test_every_leak_is_found_live_and_dead(tmp_path: Path) -> None:
    done = deadkey("drill", "--format", "json", cwd=tmp_path, TMPDIR=str(tmp_path))
    assert done.returncode == 0, done.stderr.decode()
    report = json.loads(done.stdout)
    assert report["passed"] is True
    assert report["problems"] == []
    assert {leak["place"] for leak in report["leaks"]} == {"git", "staged", "env", "logs"}
    for leak in report["leaks"]:
        assert 0 <= leak["found"] <= leak["live"] <= leak["dead"] <= report["seconds"]
        assert leak["outcome"] == "revoked"
        assert leak["account"] == leak["name"]
        assert leak["scopes"]
        assert leak["path"]
        assert leak["line"] >= 1
    assert list(tmp_path.iterdir()) == [], "it cleans up behind itself"


def test_the_timeline_for_people(tmp_path: Path) -> None:
    done = deadkey("drill", cwd=tmp_path)
    text = done.stdout.decode()
    assert done.returncode == 0
    assert "settings.py:3" in text
    assert "deploy-bot (repo write)" in text
    assert "5 of 5 leaked tokens found, live and now dead" in text
    assert b"dkd_" not in done.stdout.replace(b"dkd_\xe2\x80\xa6", b"")
    assert b"git: " in done.stderr
    assert deadkey("drill", "--quiet", cwd=tmp_path).stderr == b""


def drill(*arguments: str) -> Result:
    return CliRunner().invoke(command, ["drill", *arguments])


@pytest.mark.usefixtures("patient")
def test_an_issuer_that_does_not_revoke_fails_the_drill(monkeypatch: pytest.MonkeyPatch) -> None:
    def pretend(self: Issuer, token: bytes) -> None:
        with sqlite3.connect(self._database) as db:
            db.execute("INSERT INTO calls VALUES ('revoke', 0)")

    monkeypatch.setattr(Issuer, "revoke", pretend)
    done = drill("--format", "json")
    assert done.exit_code == 1
    report = json.loads(done.stdout)
    assert report["passed"] is False
    assert all(leak["dead"] is None and leak["outcome"] == "pending" for leak in report["leaks"])
    assert [p for p in report["problems"] if p.startswith("deploy-bot") and "still calls it active" in p]


@pytest.mark.usefixtures("patient")
def test_an_issuer_that_revokes_another_token_fails_the_drill(monkeypatch: pytest.MonkeyPatch) -> None:
    revoke = Issuer.revoke
    monkeypatch.setattr(Issuer, "revoke", lambda self, token: revoke(self, token[::-1]))
    done = drill("--quiet")
    assert done.exit_code == 1
    assert "PROBLEM" in done.stdout
    assert "0 of 5 leaked tokens" in done.stdout


def test_a_scan_that_misses_a_leak_fails_the_drill(monkeypatch: pytest.MonkeyPatch) -> None:
    from scanner.sources.env import EnvSource

    monkeypatch.setattr(EnvSource, "items", lambda self: iter(()))
    done = drill("--format", "json")
    assert done.exit_code == 1
    report = json.loads(done.stdout)
    (missed,) = [leak for leak in report["leaks"] if leak["place"] == "env"]
    assert missed["found"] is None
    assert any("billing" in problem for problem in report["problems"])
