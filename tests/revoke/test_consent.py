"""What is revoked without a question stays within the caps, and a dry run decides as the run does."""

from __future__ import annotations

import json
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from scanner.model import Finding
from scanner.revoke import journal
from scanner.revoke.consent import Consents
from scanner.revoke.execute import revoke
from scanner.revoke.hooks import rule
from scanner.revoke.settings import Allowance, RevokeSettings, TwoPerson
from scanner.verify.guard import Guard
from scanner.verify.live import verify

from .parts import ACTION, calls, finding, settings_for

TOKENS = [f"tok_{n}" + "z9Y8x7W6" * 4 for n in range(6)]


class Later:
    """The time, moved on or back by hand."""

    def __init__(self, ahead: float = 0.0) -> None:
        self.ahead = ahead

    def time(self) -> float:
        return time.time() + self.ahead

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float, /) -> None:
        raise AssertionError("nothing is to be waited for")


def _run(port: int, path: Path, tokens: list[str], ahead: float = 0.0, **changes: Any) -> list[Finding]:
    clock = Later(ahead)
    given: dict[str, Any] = {"mode": "auto", "auto": (Allowance(max_per_run=100),), "recheck": (0.0,)}
    settings = RevokeSettings(journal=path, **{**given, **changes})
    asked = verify([finding(token) for token in tokens], lambda _: ACTION, settings_for(port), clock=clock)
    return revoke(
        asked,
        lambda _: ACTION,
        settings,
        settings_for(port),
        confirm=lambda *_: True,
        say=lambda _: None,
        clock=clock,
    )


def _states(found: list[Finding]) -> list[str]:
    return [each.outcome.state if each.outcome else "-" for each in found]


def test_a_run_stops_at_its_cap_whichever_lines_allow(issuer: int, tmp_path: Path) -> None:
    lines = (Allowance(max_per_run=2), Allowance(max_per_run=2))
    found = _run(issuer, tmp_path / "j", TOKENS, auto=lines, max_per_run=3)
    assert _states(found) == ["revoked"] * 3 + ["refused"] * 3
    assert [f.outcome.detail for f in found[3:4] if f.outcome] == [
        "revoke.max_per_run is 3, and that many were revoked"
    ]
    assert calls(issuer) == TOKENS[:3]


def test_the_hour_is_counted_from_the_journal_over_runs_and_modes(issuer: int, tmp_path: Path) -> None:
    path = tmp_path / "j"
    assert _states(_run(issuer, path, TOKENS[:2], mode="ask")) == ["revoked"] * 2
    assert _states(_run(issuer, path, TOKENS[2:5], max_per_hour=3)) == ["revoked", "refused", "refused"]
    assert _states(_run(issuer, path, TOKENS[3:], max_per_hour=3)) == ["refused"] * 3
    # An hour later they count no more; a clock that went back forgets nothing.
    assert _states(_run(issuer, path, TOKENS[3:4], -7200, max_per_hour=3)) == ["refused"]
    assert _states(_run(issuer, path, TOKENS[3:4], 3700, max_per_hour=3)) == ["revoked"]


def test_a_person_who_is_asked_is_not_held_to_caps(issuer: int, tmp_path: Path) -> None:
    found = _run(issuer, tmp_path / "j", TOKENS[:2], mode="ask", max_per_run=1, max_per_hour=1)
    assert _states(found) == ["revoked"] * 2


def test_a_dry_run_goes_the_same_way_up_to_the_call(
    issuer: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    way: list[tuple[str, Any]] = []
    consent, effect, send = Consents.ask, rule.effect, Guard.send

    def asking(self: Consents, found: Finding, *more: Any) -> Any:
        given = consent(self, found, *more)
        way.append(("consent", (found.secret, given)))
        return given

    def effecting(found: Finding, *more: Any) -> Any:
        told = effect(found, *more)
        way.append(("effect", (found.secret, told)))
        return told

    def sending(self: Guard, call: Any) -> Any:
        way.append((call.method, call.url))
        return send(self, call)

    monkeypatch.setattr(Consents, "ask", asking)
    monkeypatch.setattr(rule, "effect", effecting)
    monkeypatch.setattr(Guard, "send", sending)
    path = tmp_path / "state" / "j"
    how: dict[str, Any] = {"auto": (Allowance(max_per_run=3),), "max_per_run": 2, "max_per_hour": 9}
    dry = _run(issuer, path, TOKENS[:4], dry_run=True, **how)
    dry_way = way[:]
    assert calls(issuer) == [] and not path.parent.exists()
    assert not [step for step in dry_way if step[0] == "POST"]
    way.clear()
    real = _run(issuer, path, TOKENS[:4], **how)
    decided = [step for step in dry_way if step[0] == "consent"]
    assert [step for step in way if step[0] == "consent"] == decided and len(decided) == 4
    # Every step of the dry run is one of the run's, in its order: what the run has more is calls, and what follows one.
    left = iter(way)
    assert all(step in left for step in dry_way)
    assert _states(dry) == ["planned", "planned", "refused", "refused"]
    assert _states(real) == ["revoked", "revoked", "refused", "refused"]
    assert next(f.outcome.detail for f in dry if f.outcome) == "dry run: it would be revoked (line 1 of the policy)"
    assert calls(issuer) == TOKENS[:2]


def test_a_dry_run_leaves_what_a_killed_run_began_to_the_next_run(issuer: int, tmp_path: Path) -> None:
    path = tmp_path / "j"
    own = journal.Journal(path)
    own.append("intent", fingerprint=own.fingerprint(finding(TOKENS[0]).secret), hook="rule", state="intended")
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    assert _states(_run(issuer, path, TOKENS[:1], dry_run=True)) == ["planned"]
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before and calls(issuer) == []
    assert _states(_run(issuer, path, TOKENS[:1])) == ["revoked"] and journal.pending(path) == []


def test_where_two_are_needed_one_is_not_enough(issuer: int, tmp_path: Path) -> None:
    for mode in ("ask", "auto"):
        (found,) = _run(issuer, tmp_path / "j", TOKENS[:1], mode=mode, two_person=TwoPerson(required=True))
        assert found.outcome and found.outcome.state == "refused" and "another person signed" in found.outcome.detail
    assert calls(issuer) == []


def test_every_entry_says_who_where_what_and_why(issuer: int, tmp_path: Path) -> None:
    _run(issuer, tmp_path / "j", TOKENS[:1])
    for entry in journal.read(tmp_path / "j"):
        assert entry["actor"].endswith("@" + entry["host"]) and entry["tool"].startswith("deadkey/")
        assert len(entry["rule_digest"]) == 32 and entry["rule"] == "acme-token"
        assert entry["places"] == ["config/tok_…x7W6.env"]
    intent = journal.read(tmp_path / "j")[0]
    assert (intent["allowed"], intent["identity"]) == ("line 1 of the policy", {"account": "bob"})


def test_a_hook_that_breaks_ends_its_own_finding_only(
    issuer: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, broken = rule.run, []

    def breaking(*arguments: Any) -> Any:
        if not broken:
            broken.append(urllib.request.urlopen(_post(issuer)).status)
            raise RuntimeError(TOKENS[0])
        return run(*arguments)

    monkeypatch.setattr(rule, "run", breaking)
    first, second = _run(issuer, tmp_path / "j", TOKENS[:2])
    assert first.outcome and first.outcome.state == "revoked", "it got through before it broke"
    assert first.outcome.detail == "it failed: it failed unexpectedly (RuntimeError)"
    assert second.outcome and second.outcome.state == "revoked"
    assert calls(issuer) == TOKENS[:2]


def _post(port: int) -> urllib.request.Request:
    return urllib.request.Request(f"http://127.0.0.1:{port}/revoke", json.dumps({"token": TOKENS[0]}).encode())
