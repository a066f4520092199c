"""Revocation from end to end against a real issuer, killed runs included."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from scanner.model import DeadkeyError, Finding, Verdict
from scanner.revoke import journal
from scanner.revoke.execute import revoke
from scanner.revoke.settings import Allowance, RevokeSettings
from scanner.verify.live import verify

from .parts import ACTION, TOKEN, calls, finding, run, settings_for

Start = Callable[..., int]


def _kinds(path: Path) -> list[tuple[str, str]]:
    return [(entry["kind"], entry["state"]) for entry in journal.read(path)]


def _revoke(findings: list[Finding], port: int, path: Path, **changes: Any) -> list[Finding]:
    given: dict[str, Any] = {"confirm": lambda *_: True, "say": lambda _: None}
    given |= {name: changes.pop(name) for name in ("confirm", "say") if name in changes}
    settings = RevokeSettings(**{"journal": path, "mode": "ask", "recheck": (0.0,) * 3, **changes})
    asked = verify(findings, lambda rule: ACTION, settings_for(port))
    return revoke(asked, lambda rule: ACTION, settings, settings_for(port), **given)


def test_a_live_token_is_revoked_and_the_issuer_confirms(issuer: int, tmp_path: Path) -> None:
    path = tmp_path / "state" / "journal.jsonl"
    found = run(issuer, path)
    assert found.outcome and (found.outcome.state, found.outcome.hook) == ("revoked", "rule")
    assert found.verdict and found.verdict.state == "dead"
    assert calls(issuer) == [TOKEN]
    assert _kinds(path) == [("intent", "intended"), ("outcome", "revoked")]
    assert journal.verify(path) == [] and journal.pending(path) == []
    for file in path.parent.iterdir():
        assert TOKEN.encode() not in file.read_bytes()
        assert file.stat().st_mode & 0o077 == 0
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_a_plan_does_nothing_and_leaves_nothing(issuer: int, tmp_path: Path) -> None:
    path = tmp_path / "state" / "journal.jsonl"
    found = run(issuer, path, mode="plan")
    assert found.outcome and (found.outcome.state, found.outcome.hook) == ("planned", "rule")
    assert found.outcome.effect == "The token stops working."
    assert calls(issuer) == [] and not path.parent.exists()


def test_only_live_ones_and_only_with_consent(issuer: int, tmp_path: Path) -> None:
    asked: list[tuple[Finding, str]] = []

    def confirm(found: Finding, effect: str) -> bool:
        asked.append((found, effect))
        return False

    path = tmp_path / "journal.jsonl"
    first, second = _revoke([finding(), finding("dead_" + TOKEN)], issuer, path, confirm=confirm)
    assert first.outcome and (first.outcome.state, first.outcome.detail) == ("refused", "not confirmed")
    assert second.outcome is None
    assert [effect for _, effect in asked] == ["The token stops working."]
    assert calls(issuer) == []


def test_auto_does_what_the_policy_allows(issuer: int, tmp_path: Path) -> None:
    tokens = [f"tok_{n}" + "z9Y8x7W6" * 4 for n in range(3)]
    found = _revoke(
        [finding(token) for token in tokens],
        issuer,
        tmp_path / "j",
        mode="auto",
        auto=(Allowance(("acme-*",), max_per_run=2),),
    )
    assert [each.outcome.state for each in found if each.outcome] == ["revoked", "revoked", "refused"]
    assert calls(issuer) == tokens[:2]


def test_a_verdict_from_an_earlier_run_is_not_enough(issuer: int, tmp_path: Path) -> None:
    old = finding("dead_" + TOKEN, Verdict("live", checked="2020-01-01T00:00:00Z"))
    settings = RevokeSettings(journal=tmp_path / "j", mode="ask")
    refuse = lambda *_: pytest.fail("asked about a dead token")  # noqa: E731
    found = revoke([old], lambda rule: ACTION, settings, settings_for(issuer), confirm=refuse, say=lambda _: None)[0]
    assert found.verdict and found.verdict.state == "dead" and found.outcome is None


def test_revoked_is_only_said_when_the_issuer_says_dead(start: Start, tmp_path: Path) -> None:
    sticky = run(start("--sticky"), tmp_path / "a")
    assert sticky.outcome and sticky.outcome.state == "pending"
    assert "the issuer still calls it live" in sticky.outcome.detail
    slow = run(start("--slow", "2"), tmp_path / "b")
    assert slow.outcome and slow.outcome.state == "revoked"


def test_hooks_are_tried_in_order_until_one_applies(issuer: int, tmp_path: Path) -> None:
    command = (sys.executable, "-c", "import sys; sys.exit(75)")
    found = run(issuer, tmp_path / "j", hooks=("webhook", "plugin", "command", "rule"), command=command)
    assert found.outcome and (found.outcome.state, found.outcome.hook) == ("pending", "command")
    assert calls(issuer) == []


def test_a_hook_that_says_it_failed_is_told_as_such(issuer: int, tmp_path: Path) -> None:
    script = f"import sys; sys.stdin.read(); sys.exit('no rights for {TOKEN}')"
    found = run(issuer, tmp_path / "j", hooks=("command",), command=(sys.executable, "-c", script))
    assert found.outcome and found.outcome.state == "failed"
    assert found.outcome.detail == "no rights for tok_…x7W6"
    assert TOKEN.encode() not in (tmp_path / "j").read_bytes()


def test_no_hook_no_revocation(issuer: int, tmp_path: Path) -> None:
    found = run(issuer, tmp_path / "j", hooks=("webhook",))
    assert found.outcome and found.outcome.state == "refused"
    assert found.outcome.detail == "no hook applies; rotate it: https://acme.example/rotate"


KILLER = """
import json, os, signal, sys, urllib.request
token = json.load(sys.stdin)["secret"]
data = json.dumps({"token": token}).encode()
urllib.request.urlopen("http://127.0.0.1:PORT/revoke", data).read()
os.kill(os.getppid(), signal.SIGKILL)
"""


def _kill_a_run(port: int, path: Path, script: str) -> None:
    parts = Path(__file__).with_name("parts.py")
    command = [sys.executable, str(parts), str(port), str(path), sys.executable, "-c", script]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": str(root)}, capture_output=True, timeout=60)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()


def test_a_killed_run_is_finished_without_a_second_call(issuer: int, tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    _kill_a_run(issuer, path, KILLER.replace("PORT", str(issuer)))
    assert calls(issuer) == [TOKEN]
    assert _kinds(path) == [("intent", "intended")]
    assert [entry["hook"] for entry in journal.pending(path)] == ["command"]
    found = run(issuer, path)
    assert found.outcome and (found.outcome.state, found.outcome.hook) == ("revoked", "command")
    assert found.outcome.detail == "confirmed after an interrupted run"
    assert calls(issuer) == [TOKEN]
    assert _kinds(path) == [("intent", "intended"), ("outcome", "revoked")]
    assert journal.verify(path) == [] and journal.pending(path) == []
    assert run(issuer, path).outcome is None


def test_a_run_killed_before_the_issuer_acted_goes_on(issuer: int, tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    _kill_a_run(issuer, path, "import os, signal; os.kill(os.getppid(), signal.SIGKILL)")
    assert calls(issuer) == []
    found = run(issuer, path)
    assert found.outcome and (found.outcome.state, found.outcome.hook) == ("revoked", "rule")
    assert calls(issuer) == [TOKEN]
    assert [state for _, state in _kinds(path)] == ["intended", "failed", "intended", "revoked"]


def test_what_was_begun_waits_while_the_issuer_is_silent(issuer: int, start: Start, tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    _kill_a_run(issuer, path, KILLER.replace("PORT", str(issuer)))
    silent = replace(finding(), verdict=Verdict("unknown", "down"))
    settings = RevokeSettings(journal=path, mode="ask")
    found = revoke(
        [silent], lambda rule: ACTION, settings, settings_for(issuer), confirm=lambda *_: True, say=lambda _: None
    )[0]
    assert found.outcome and found.outcome.state == "pending"
    assert len(journal.pending(path)) == 1 and calls(issuer) == [TOKEN]


def test_no_hook_without_a_journal(issuer: int, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DeadkeyError, match="the journal cannot be used: "):
        run(issuer, tmp_path / "file" / "journal.jsonl")
    (tmp_path / "device").symlink_to(os.devnull)
    with pytest.raises(DeadkeyError, match="the journal cannot be used: not a file"):
        run(issuer, tmp_path / "device")
    assert calls(issuer) == []


def test_no_hook_when_the_disk_is_full(issuer: int, tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    try:
        with pytest.raises(DeadkeyError, match="the journal cannot be used: No space left on device"):
            run(issuer, tmp_path / "journal.jsonl")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert calls(issuer) == [] and (tmp_path / "journal.jsonl").read_bytes() == b""


def test_two_runs_do_not_act_at_once(issuer: int, tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    with journal.Journal(path).alone(), pytest.raises(DeadkeyError, match="another run is revoking"):
        run(issuer, path)
    assert calls(issuer) == []


def test_what_is_said_holds_no_secret(issuer: int, tmp_path: Path) -> None:
    said: list[str] = []
    _revoke([finding()], issuer, tmp_path / "j", say=said.append)
    assert said == [
        "Acme token tok_…x7W6: revoking (rule)",
        f"Acme token tok_…x7W6: revoked (127.0.0.1:{issuer} answered 204)",
    ]
