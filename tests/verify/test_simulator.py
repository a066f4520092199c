"""Every shipped rule that asks or revokes, driven through the real client against a provider that is simulated."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from scanner.model import Finding, Verdict
from scanner.revoke.hooks import rule as hook
from scanner.revoke.hooks.interface import Tools
from scanner.revoke.settings import RevokeSettings
from scanner.verify import guard
from scanner.verify.addresses import problem
from scanner.verify.clean import forms
from scanner.verify.live import verify
from scanner.verify.settings import VerifySettings
from scanner.verify.transport import Transport
from tests.verify.conftest import FakeClock
from tests.verify.simulator import (
    LOOPBACK,
    RETRIES,
    Case,
    Simulator,
    conversation,
    finding,
    home,
    owner,
    revoke_cases,
    rules_with,
    said,
    shipped_actions,
    verify_cases,
)

VERIFYING, REVOKING = rules_with("verify"), rules_with("revoke")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    simulator = Simulator(tmp_path_factory.mktemp("simulator"))
    yield simulator
    simulator.close()


@pytest.fixture
def simulator(running: Simulator, monkeypatch: pytest.MonkeyPatch) -> Simulator:
    """Every name leads to the simulator, whose address counts as a public one. All else is as it always is."""
    monkeypatch.setattr(guard, "resolve", running.resolve)
    monkeypatch.setattr(guard, "problem", lambda address: None if address == LOOPBACK else problem(address))
    return running


def settings_for(simulator: Simulator, *rules: str, endpoints: bool = True, concurrency: int = 1) -> VerifySettings:
    owners = {
        f"{rule}.{name}": value
        for rule in rules
        for part in ("verify", "revoke")
        for name, value in owner(rule, shipped_actions()[rule][part] or {}).items()
    }
    return VerifySettings(
        timeout=5,
        concurrency=concurrency,
        per_host_rate=1000,
        endpoints={rule: home(rule) for rule in rules} if endpoints else {},
        owner=owners,
        ca_bundle=str(simulator.bundle),
        retries=RETRIES,
    )


def uses(part: Any, name: str) -> bool:
    return name in repr([part.get("steps"), part["request"]])


def verdict_of(found: Finding) -> Verdict:
    assert found.verdict is not None
    return found.verdict


def play(rule: str, cases: list[Case], simulator: Simulator, clock: FakeClock, endpoint: str | None) -> dict[str, Any]:
    """Verify a finding for each case. What was said of live ones, by identity's names."""
    part = shipped_actions()[rule]["verify"]
    scripts = [conversation(case, finding(rule, case.name), part, endpoint) for case in cases]
    simulator.play(scripts, clock)
    settings = settings_for(simulator, rule, endpoints=bool(endpoint))
    asked = verify([one.finding for one in scripts], lambda rule: shipped_actions()[rule], settings, clock=clock)
    told: dict[str, Any] = {}
    problems = []
    for one, found in zip(scripts, asked, strict=True):
        verdict = verdict_of(found)
        if verdict.state != one.case.state:
            problems.append(f"{one.name}: {verdict.state} instead of {one.case.state} ({verdict.reason})")
        problems += [
            f"{one.name}: the verdict holds the secret" for form in forms(found.secret) if form in repr(verdict)
        ]
        wanted = said(part, one.case.answers[-1][-1]) if one.case.state == "live" else {}
        if verdict.identity.keys() != wanted.keys():
            problems.append(f"{one.name}: said {sorted(verdict.identity)} of it instead of {sorted(wanted)}")
        for name, value in wanted.items():
            if isinstance(value, str) and verdict.identity.get(name) != value:
                problems.append(f"{one.name}: {name} is {verdict.identity.get(name)!r} instead of {value!r}")
        told |= verdict.identity
    assert problems + simulator.faults() == []
    return told


@pytest.mark.parametrize("rule", VERIFYING)
def test_verify(rule: str, simulator: Simulator, clock: FakeClock) -> None:
    part = shipped_actions()[rule]["verify"]
    cases = verify_cases(part)
    endpoint = uses(part, "endpoint")
    optional = uses(part, "endpoint is defined")
    told = play(rule, cases, simulator, clock, home(rule) if endpoint and not optional else None)
    assert told.keys() == (part.get("identity") or {}).keys()
    if optional:
        play(rule, cases[:1], simulator, clock, home(rule))


@pytest.mark.parametrize("rule", REVOKING)
def test_revoke(rule: str, simulator: Simulator, clock: FakeClock, tmp_path: Path) -> None:
    action = shipped_actions()[rule]
    part = action["revoke"]
    endpoint = home(rule) if uses(part, "endpoint") and not uses(part, "endpoint is defined") else None
    settings = settings_for(simulator, rule, endpoints=bool(endpoint))
    transport = Transport(settings, clock)
    tools = Tools(RevokeSettings(tmp_path / "journal"), settings, transport, clock)
    scripts = [conversation(case, finding(rule, case.name), part, endpoint) for case in revoke_cases(part)]
    problems = []
    try:
        for one in scripts:
            simulator.play([one], clock)
            assert hook.effect(one.finding, action, tools) == part["effect"]
            result = hook.run(one.finding, action, tools)
            if result.state != one.case.state:
                problems.append(f"{one.name}: {result.state} instead of {one.case.state} ({result.detail})")
            problems += simulator.faults()
    finally:
        transport.close()
    assert problems == []
