"""Every shipped rule that asks or revokes, driven through the real client against a provider that is simulated."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from scanner.model import Finding, Verdict
from scanner.revoke.execute import revoke
from scanner.revoke.hooks import rule as hook
from scanner.revoke.hooks.interface import Tools
from scanner.revoke.settings import RevokeSettings
from scanner.verify import guard
from scanner.verify.addresses import problem
from scanner.verify.clean import forms
from scanner.verify.guard import BODY
from scanner.verify.live import verify
from scanner.verify.settings import VerifySettings
from scanner.verify.transport import Transport
from tests.verify.answers import Beyond, Reply, evaluate, replies
from tests.verify.conftest import FakeClock
from tests.verify.simulator import (
    LOOPBACK,
    RETRIES,
    Case,
    Simulator,
    conversation,
    finding,
    home,
    needs,
    owner,
    revoke_cases,
    rules_with,
    said,
    shipped_actions,
    verify_cases,
)

VERIFYING, REVOKING = rules_with("verify"), rules_with("revoke")


def action_of(rule: str) -> dict[str, Any]:
    return shipped_actions()[rule]


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


def settings_for(simulator: Simulator, *rules: str, hosted: bool = True, concurrency: int = 1) -> VerifySettings:
    """The user's settings: a self-hosted address for each rule if `hosted`, and each credential that one needs."""
    owners = {
        f"{rule}.{name}": value
        for rule in rules
        for part in ("verify", "revoke")
        for name, value in owner(rule, action_of(rule)[part] or {}).items()
    }
    return VerifySettings(
        timeout=5,
        concurrency=concurrency,
        per_host_rate=1000,
        endpoints={rule: home(rule) for rule in rules} if hosted else {},
        owner=owners,
        ca_bundle=str(simulator.bundle),
        retries=RETRIES,
    )


def verdict_of(found: Finding) -> Verdict:
    assert found.verdict is not None
    return found.verdict


def without(found: Finding, name: str) -> Finding:
    return replace(found, companions=tuple(one for one in found.companions if one[0] != name))


def wrong(case: Case, found: Finding) -> Iterator[str]:
    """In what a verdict is another than that of the case."""
    verdict = verdict_of(found)
    name = f"{found.rule}: {case.name}"
    if verdict.state != case.state:
        yield f"{name}: {verdict.state} instead of {case.state} ({verdict.reason})"
    if any(form in repr(verdict) for form in forms(found.secret)):
        yield f"{name}: the verdict holds the secret"
    wanted = said(action_of(found.rule)["verify"], case.answers[-1][-1]) if case.state == "live" else {}
    if verdict.identity.keys() != wanted.keys():
        yield f"{name}: {sorted(verdict.identity)} is told instead of {sorted(wanted)}"
    for key, value in wanted.items():
        if isinstance(value, str) and verdict.identity.get(key) != value:
            yield f"{name}: {key} is {verdict.identity.get(key)!r} instead of {value!r}"


def play(rule: str, cases: list[Case], simulator: Simulator, clock: FakeClock, endpoint: str | None) -> set[str]:
    """Verify a finding for each case. Which of the identity's names were told."""
    scripts = [conversation(case, finding(rule, case.name), action_of(rule)["verify"], endpoint) for case in cases]
    simulator.play(scripts, clock)
    settings = settings_for(simulator, rule, hosted=bool(endpoint))
    asked = verify([one.finding for one in scripts], action_of, settings, clock=clock)
    faults = [fault for case, found in zip(cases, asked, strict=True) for fault in wrong(case, found)]
    assert faults + simulator.faults() == []
    return {name for found in asked for name in verdict_of(found).identity}


@pytest.mark.parametrize("rule", VERIFYING)
def test_verify(rule: str, simulator: Simulator, clock: FakeClock) -> None:
    part = action_of(rule)["verify"]
    cases = verify_cases(part)
    either = needs(part, "endpoint is defined")
    told = play(rule, cases, simulator, clock, home(rule) if needs(part, "endpoint") and not either else None)
    assert told == (part.get("identity") or {}).keys()
    if either:
        play(rule, cases[:1], simulator, clock, home(rule))


def missing(rule: str, part: str) -> list[str]:
    """What the first request of a rule's part cannot be made without: companions, `endpoint`."""
    spec = action_of(rule)[part]
    first = {"request": [*(step["request"] for step in spec.get("steps") or ()), spec["request"]][0]}
    names = [one["name"] for one in action_of(rule)["with"]]
    names += [] if needs(first, "endpoint if") else ["endpoint"]
    return [name for name in names if needs(first, name)]


@pytest.mark.parametrize("rule", [rule for rule in VERIFYING if missing(rule, "verify")])
def test_nothing_is_sent_where_something_is_missing(rule: str, simulator: Simulator, clock: FakeClock) -> None:
    simulator.play([], clock)
    lacking = [
        (without(finding(rule, "bare"), name), settings_for(simulator, rule, hosted=name != "endpoint"))
        for name in missing(rule, "verify")
    ]
    for found, how in lacking:
        verdict = verdict_of(verify([found], action_of, how, clock=clock)[0])
        assert (verdict.state, verdict.checked) == ("uncheckable", None), verdict
    assert simulator.faults() == []


def test_all_rules_at_once_and_each_secret_goes_to_its_own_issuer(simulator: Simulator, clock: FakeClock) -> None:
    scripts = []
    for number, rule in enumerate(VERIFYING):
        part = action_of(rule)["verify"]
        cases = {case.name.partition(" ")[0]: case for case in verify_cases(part)[::-1]}
        case = cases.get("dead", cases["live"]) if number % 2 else cases["live"]
        scripts.append(conversation(case, finding(rule, "crowd"), part, home(rule)))
    simulator.play(scripts, clock)
    settings = settings_for(simulator, *VERIFYING, concurrency=16)
    asked = verify([one.finding for one in scripts], action_of, settings, clock=clock)
    faults = [fault for one, found in zip(scripts, asked, strict=True) for fault in wrong(one.case, found)]
    assert faults + simulator.faults() == []


@pytest.mark.parametrize("rule", REVOKING)
def test_revoke(rule: str, simulator: Simulator, clock: FakeClock, tmp_path: Path) -> None:
    action = action_of(rule)
    part = action["revoke"]
    hosted = needs(part, "endpoint") and not needs(part, "endpoint is defined")
    settings = settings_for(simulator, rule, hosted=hosted)
    transport = Transport(settings, clock)
    tools = Tools(RevokeSettings(tmp_path / "journal"), settings, transport, clock)
    faults = []
    try:
        for case in revoke_cases(part):
            one = conversation(case, finding(rule, case.name), part, home(rule) if hosted else None)
            simulator.play([one], clock)
            assert hook.effect(one.finding, action, tools) == part["effect"]
            result = hook.run(one.finding, action, tools)
            if result.state != case.state:
                faults.append(f"{one.name}: {result.state} instead of {case.state} ({result.detail})")
            faults += simulator.faults()
        simulator.play([], clock)
        whole = finding(rule, "bare")
        for name in [name for name in missing(rule, "revoke") if name != "endpoint"]:
            assert hook.run(without(whole, name), action, tools).state == "not-applicable"
        faults += simulator.faults()
    finally:
        transport.close()
    assert faults == []
    nobody = replace(tools, verify=replace(settings, owner={}))
    assert (hook.effect(finding(rule, "bare"), action, nobody) is None) == bool(part.get("owner"))


@pytest.mark.parametrize("rule", [rule for rule in REVOKING if rule in VERIFYING])
def test_what_was_revoked_is_asked_after(rule: str, simulator: Simulator, clock: FakeClock, tmp_path: Path) -> None:
    ask, end = action_of(rule)["verify"], action_of(rule)["revoke"]
    hosted = any(needs(part, "endpoint") and not needs(part, "endpoint is defined") for part in (ask, end))
    whole = replace(finding(rule, "whole"), verdict=Verdict("live", checked="2027-01-15T08:00:00Z"))
    after = next(case for case in verify_cases(ask) if case.name.startswith(("dead", "refused")))
    scripts = [
        conversation(case, whole, part, home(rule) if hosted else None)
        for case, part in ((revoke_cases(end)[0], end), (after, ask))
    ]
    simulator.play(scripts, clock)
    how = RevokeSettings(tmp_path / "journal", mode="ask", hooks=("rule",), recheck=(0.0,))
    done = revoke(
        [whole],
        action_of,
        how,
        settings_for(simulator, rule, hosted=hosted),
        confirm=lambda found, effect: effect == end["effect"],
        say=lambda line: None,
        clock=clock,
    )
    assert simulator.faults() == []
    assert done[0].outcome is not None and done[0].verdict is not None
    assert done[0].outcome.state == ("revoked" if after.state == "dead" else "pending"), done[0].outcome
    assert whole.secret.reveal() not in how.journal.read_bytes()


TOKEN = {"Authorization": "Bearer {{ secret }}"}
REQUEST = {"url": "https://api.github.com/user", "headers": TOKEN}


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({}, None),
        ({"method": "DELETE"}, "method DELETE instead of GET"),
        ({"url": "https://api.github.com/users"}, "path /users instead of /user"),
        ({"url": "https://api.github.com/user?a=1"}, "query (('a', '1'),) instead of ()"),
        ({"url": "https://uploads.github.com/user"}, "the name uploads.github.com was looked up"),
        ({"params": {"token": "{{ secret }}"}}, "query (('token', 'ghp_"),
        ({"headers": {"Authorization": "token {{ secret }}"}}, "header authorization: token ghp_"),
        ({"headers": TOKEN | {"X-Token": "{{ secret }}"}}, "headers that the rule does not have: x-token"),
        ({"headers": TOKEN | {"Accept": "{{ '{{ secret }}' }}"}}, "a template that was not filled in"),
        ({"json": {"token": "{{ secret }}"}}, 'body b\'{"token":'),
    ],
)
def test_the_simulator_notices(change: Any, fault: str | None, simulator: Simulator, clock: FakeClock) -> None:
    part = {"request": REQUEST, "live": [{"status": [200]}], "dead": [{"status": [401]}]}
    one = conversation(verify_cases(part)[0], finding("github-pat", "tampered"), part, None)
    simulator.play([one], clock)
    tampered = {**action_of("github-pat"), "verify": {**part, "request": REQUEST | change}}
    verdict = verdict_of(verify([one.finding], lambda _: tampered, settings_for(simulator), clock=clock)[0])
    faults = simulator.faults()
    assert (verdict.state == "live", faults == []) == (fault is None, fault is None)
    assert fault is None or fault in "\n".join(faults)


@pytest.mark.parametrize(
    ("data", "state"), [(b'{"login": "', "unknown"), (b'{"login": "' + b"x" * BODY + b'"}', "live")]
)
def test_a_long_answer_is_not_taken_for_a_broken_one(
    data: bytes, state: str, simulator: Simulator, clock: FakeClock
) -> None:
    part = {
        "request": REQUEST,
        "live": [{"status": [200]}],
        "dead": [{"status": [401]}],
        "identity": {"account": "body.login"},
    }
    one = conversation(Case("long", ((Reply(200, {}, data),),), state), finding("github-pat", "long"), part, None)
    simulator.play([one], clock)
    asked = verify(
        [one.finding], lambda _: {**action_of("github-pat"), "verify": part}, settings_for(simulator), clock=clock
    )
    assert (verdict_of(asked[0]).state, simulator.faults()) == (state, [])


def test_the_simulator_notices_a_secret_at_another_issuers_host(simulator: Simulator, clock: FakeClock) -> None:
    part = {"request": REQUEST, "live": [{"status": [200]}], "dead": [{"status": [401]}]}
    case = verify_cases(part)[0]
    other = {**part, "request": {"url": "https://gitlab.com/api/v4/user", "headers": TOKEN}}
    scripts = [
        conversation(case, finding("github-pat", "astray"), part, None),
        conversation(case, finding("gitlab-pat", "astray"), other, None),
    ]
    simulator.play(scripts, clock)
    crossed = {**action_of("gitlab-pat"), "verify": other}
    verify([scripts[0].finding], lambda _: crossed, settings_for(simulator), clock=clock)
    assert any("went to gitlab.com, and may go to api.github.com" in fault for fault in simulator.faults())


@pytest.mark.parametrize(
    "expression",
    [
        "status == `200` && body.a",
        "body.a.b.c == 'x' && body.a.d",
        "body.a && !(body.b)",
        "!(body.a == 'x')",
        "body.a != `null`",
        "body.a > `3` && body.a <= `5`",
        "`2` < body.a",
        "length(body.a) > `2`",
        "contains(body.a, 'x') && starts_with(body.a, 'y') && ends_with(body.a, 'z')",
        "contains(['x', 'y'], body.a) && body.a != 'x'",
        "!contains(['x', 'y'], body.a) && body.a",
        "!contains(headers.a || '', 'x') && contains(text, 'y')",
        "text == '900'",
        "body[0].a && body[].b",
        "(body[?a == 'x' && b].c | [0]) == 'y'",
        "body.a[?b == 'x'] && body.a[?b == 'y']",
        "body.a[].b[].c",
        "values(body.a)[0].b && keys(body.a)",
        "(body.a || body.b)[0].c && !(body.a)",
        "join(' ', [body.a, body.b])",
        "not_null(body.a, body.b)",
        'body."a-b".".c" && headers."x-y" == \'z\'',
    ],
)
def test_answers_fit(expression: str) -> None:
    made = replies({"match": expression})
    assert made and all(evaluate(expression, reply) for reply in made)


def test_each_way_is_an_answer_of_its_own() -> None:
    made = replies({"status": [400, 401], "match": "contains(['x', 'y'], body.a) || body.b == `1`"}, filled=["body.id"])
    assert [reply.status for reply in made] == [400] * 3 + [401] * 3
    assert [reply.document()["body"].get("a") for reply in made[:2]] == ["x", "y"]
    assert all(evaluate("body.id", reply) == "sim-id" for reply in made)


@pytest.mark.parametrize("expression", ["body.a == `1` && body.a == `2`", "body.a && body.a[0] && body.a.b", "`false`"])
def test_what_contradicts_itself_has_no_answer(expression: str) -> None:
    assert replies({"match": expression}) == []


# In JMESPath `!a.b` is `(!a).b`: never true.
@pytest.mark.parametrize("expression", ["!body.a", "body.a == body.b", "sort(body.a) == 'x'", "max(body.a) > `1`"])
def test_what_is_not_understood_is_said(expression: str) -> None:
    with pytest.raises(Beyond):
        replies({"match": expression})
