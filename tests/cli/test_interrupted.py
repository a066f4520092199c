"""A run that is killed while it revokes is finished by the next one, and no token is revoked twice."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.parts import scan, started, until
from tests.conftest import deadkey
from tests.drill.parts import CLIENT, DRILL, IssuerProcess, before, configuration, issuer_process

HOOK = """
import base64, json, os, sys, urllib.parse, urllib.request
told = json.load(sys.stdin)
form = urllib.parse.urlencode({"token": told["secret"]}).encode()
basic = base64.b64encode(b"%s:%s").decode()
urllib.request.urlopen(urllib.request.Request(sys.argv[1] + "/revoke", form, {"Authorization": "Basic " + basic})).read()
with open(sys.argv[2] + ".new", "w") as out:
    out.write(str(os.getpid()))
os.rename(sys.argv[2] + ".new", sys.argv[2])
sys.stdin.close()
import signal
signal.pause()
"""


@pytest.fixture
def issuer(tmp_path: Path) -> Iterator[IssuerProcess]:
    with issuer_process(tmp_path) as process:
        yield process


@pytest.fixture
def leak(tmp_path: Path, issuer: IssuerProcess) -> Path:
    """A folder with a live token in it."""
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree/app.py").write_bytes(b"t = '" + issuer.mint("victim") + b"'\n")
    return tmp_path / "tree"


def command(leak: Path, config: Path) -> list[str]:
    return ["files", str(leak), "--revoke", "auto", "--config", str(config), *DRILL]


def killed(leak: Path, config: Path, when: Callable[[], Any]) -> None:
    """Kill a revoking run once `when()` is true."""
    process = started("scan", *command(leak, config), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until(when, process)
    finally:
        process.kill()
        process.wait()


def finished(leak: Path, config: Path, status: int = 1) -> dict[str, Any]:
    (finding,) = scan(*command(leak, config), status=status)["findings"]
    return finding  # type: ignore[no-any-return]


def entries(config: Path) -> list[tuple[str, str]]:
    shown = deadkey("journal", "show", "--config", str(config), "--format", "json")
    assert shown.returncode == 0
    return [(x["kind"], x["state"]) for x in map(json.loads, shown.stdout.splitlines())]


def test_killed_after_the_issuer_acted(tmp_path: Path, issuer: IssuerProcess, leak: Path) -> None:
    acted, over = threading.Event(), threading.Event()

    def hold(path: str, forward: Callable[[], None]) -> bool:
        if path != "/revoke":
            return True
        forward()
        acted.set()
        over.wait(60)
        return False

    with before(issuer.address, hold) as address:
        config = configuration(tmp_path, address)
        killed(leak, config, acted.is_set)
        assert entries(config) == [("intent", "intended")]
        over.set()
        finding = finished(leak, config)
    assert finding["outcome"]["state"] == "revoked"
    assert "interrupted run" in finding["outcome"]["detail"]
    assert issuer.calls("revoke") == 1
    assert entries(config) == [("intent", "intended"), ("outcome", "revoked")]
    assert deadkey("journal", "verify", "--config", str(config)).returncode == 0


def test_killed_before_the_issuer_heard_of_it(tmp_path: Path, issuer: IssuerProcess, leak: Path) -> None:
    heard, over = threading.Event(), threading.Event()

    def swallow(path: str, forward: Callable[[], None]) -> bool:
        if path != "/revoke" or heard.is_set():
            return True
        heard.set()
        over.wait(60)
        return False

    with before(issuer.address, swallow) as address:
        config = configuration(tmp_path, address)
        killed(leak, config, heard.is_set)
        over.set()
        assert issuer.calls("revoke") == 0
        finding = finished(leak, config)
    assert finding["outcome"]["state"] == "revoked"
    assert issuer.calls("revoke") == 1
    states = [("intent", "intended"), ("outcome", "failed"), ("intent", "intended"), ("outcome", "revoked")]
    assert entries(config) == states


def test_killed_while_a_command_was_at_work(tmp_path: Path, issuer: IssuerProcess, leak: Path) -> None:
    hook, acted = tmp_path / "hook.py", tmp_path / "acted"
    hook.write_text(HOOK % tuple(map(str, CLIENT)))
    words = [sys.executable, str(hook), issuer.address, str(acted)]
    config = configuration(tmp_path, issuer.address, hooks=["command"], command=words)
    killed(leak, config, acted.exists)
    os.kill(int(acted.read_text()), signal.SIGKILL)
    finding = finished(leak, config)
    assert (finding["outcome"]["state"], finding["outcome"]["hook"]) == ("revoked", "command")
    assert issuer.calls("revoke") == 1
    assert entries(config) == [("intent", "intended"), ("outcome", "revoked")]


def test_while_the_issuer_cannot_be_asked_it_stays_open(tmp_path: Path, issuer: IssuerProcess, leak: Path) -> None:
    acted, over = threading.Event(), threading.Event()

    def hold(path: str, forward: Callable[[], None]) -> bool:
        if over.is_set():
            return False
        if path == "/revoke":
            forward()
            acted.set()
            over.wait(60)
            return False
        return True

    with before(issuer.address, hold) as address:
        config = configuration(tmp_path, address)
        killed(leak, config, acted.is_set)
        over.set()
        finding = finished(leak, config)
        assert (finding["verdict"]["state"], finding["outcome"]["state"]) == ("unknown", "pending")
        assert entries(config) == [("intent", "intended")]
    config = configuration(tmp_path, issuer.address)
    assert finished(leak, config)["outcome"]["state"] == "revoked"
    assert issuer.calls("revoke") == 1


def test_a_second_run_while_the_first_revokes_is_sent_away(tmp_path: Path, issuer: IssuerProcess, leak: Path) -> None:
    acted, over = threading.Event(), threading.Event()

    def hold(path: str, forward: Callable[[], None]) -> bool:
        if path == "/revoke":
            forward()
            acted.set()
            over.wait(60)
        return True

    (leak.parent / "other").mkdir()
    (leak.parent / "other/b.py").write_bytes(b"t = '" + issuer.mint("second") + b"'\n")
    with before(issuer.address, hold) as address:
        config = configuration(tmp_path, address)
        first = started("scan", *command(leak, config), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        try:
            until(acted.is_set, first)
            second = deadkey("scan", *command(leak.parent / "other", config))
            assert second.returncode == 2
            assert b"another run is revoking" in second.stderr
        finally:
            over.set()
            first.communicate(timeout=60)
    assert first.returncode == 1
    assert issuer.calls("revoke") == 1
