"""Findings get verdicts: from the issuer's words alone, one question a secret, and nothing leaks on the way."""

from __future__ import annotations

import base64
import json
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from scanner.model import Finding, Verdict
from scanner.verify.live import verify
from scanner.verify.settings import VerifySettings

Make = Callable[..., Finding]
Actions = Callable[[str], dict[str, Any]]


def _one(finding: Finding, actions: Actions, settings: VerifySettings, clock: Any) -> Verdict:
    verdict = verify([finding], actions, settings, clock=clock)[0].verdict
    assert verdict is not None
    return verdict


def _with(actions: Actions, **changes: Any) -> Actions:
    return lambda rule: actions(rule) | changes


def _verify_with(actions: Actions, **changes: Any) -> Actions:
    return lambda rule: actions(rule) | {"verify": actions(rule)["verify"] | changes}


def test_live_and_dead_in_the_given_order_and_each_secret_once(
    httpserver: HTTPServer, settings: VerifySettings, make: Make, actions: Actions, clock: Any
) -> None:
    def answer(request: Request) -> Response:
        token = request.headers["Authorization"].removeprefix("Bearer ")
        if token.startswith("live"):
            body = json.dumps({"login": "user-" + token[5:]})
            return Response(body, 200, {"X-Scopes": "repo, admin", "Content-Type": "application/json"})
        return Response("{}", 401)

    httpserver.expect_request("/me").respond_with_handler(answer)
    tokens = [f"{'live' if n % 3 else 'dead'}-{n:04}" for n in range(60)]
    steps: list[tuple[int, int]] = []
    found = verify(
        [make(token) for token in tokens * 2], actions, settings, clock=clock, progress=lambda *n: steps.append(n)
    )
    assert [finding.secret.reveal().decode() for finding in found] == tokens * 2
    for finding in found:
        token = finding.secret.reveal().decode()
        assert finding.verdict and finding.verdict.state == token[:4]
        if token.startswith("live"):
            assert finding.verdict.identity == {"account": f"user-{token[5:]}", "scopes": "repo, admin"}
        assert finding.verdict.checked == "2027-01-15T08:00:00Z"
    assert len(httpserver.log) == 60
    assert steps[-1] == (60, 60)


@pytest.mark.parametrize(
    ("status", "headers", "reason"),
    [
        (403, {}, "answered 403, which the rule takes neither for live nor for dead"),
        (302, {"Location": "https://evil.test/"}, "answered 302, which the rule takes neither"),
        (500, {}, "answered 500"),
        (503, {}, "answered 503"),
        (429, {"Retry-After": "3600"}, "answered 429 and asks for a pause of 3600 s"),
        (429, {"Retry-After": "Fri, 15 Jan 2027 09:00:00 GMT"}, "answered 429 and asks for a pause of 3600 s"),
    ],
)
def test_what_decides_nothing_is_unknown(
    status: int,
    headers: dict[str, str],
    reason: str,
    httpserver: HTTPServer,
    settings: VerifySettings,
    make: Make,
    actions: Actions,
    clock: Any,
) -> None:
    httpserver.expect_request("/me").respond_with_data("", status, headers)
    verdict = _one(make(), actions, settings, clock)
    assert verdict.state == "unknown"
    assert verdict.reason.startswith(f"127.0.0.1:{httpserver.port} {reason}")


def test_even_a_rule_that_calls_500_dead_is_not_believed(
    httpserver: HTTPServer, settings: VerifySettings, make: Make, actions: Actions, clock: Any
) -> None:
    httpserver.expect_request("/me").respond_with_data("", 500)
    assert _one(make(), _verify_with(actions, dead=[{"status": [500]}]), settings, clock).state == "unknown"


def test_both_conditions_at_once_decide_nothing(
    httpserver: HTTPServer, settings: VerifySettings, make: Make, actions: Actions, clock: Any
) -> None:
    httpserver.expect_request("/me").respond_with_json({})
    verdict = _one(make(), _verify_with(actions, dead={"match": "status == `200`"}), settings, clock)
    assert verdict.state == "unknown" and "both for live and for dead" in verdict.reason


def test_retry_after_is_waited_for(
    httpserver: HTTPServer, settings: VerifySettings, make: Make, actions: Actions, clock: Any
) -> None:
    httpserver.expect_ordered_request("/me").respond_with_data("", 429, {"Retry-After": "7"})
    httpserver.expect_ordered_request("/me").respond_with_data("", 503)
    httpserver.expect_ordered_request("/me").respond_with_json({"login": "bob"})
    start = clock.now
    assert _one(make(), actions, settings, clock).state == "live"
    assert clock.now - start == pytest.approx(7 + 2)


def test_retries_end(
    httpserver: HTTPServer, settings: VerifySettings, make: Make, actions: Actions, clock: Any
) -> None:
    httpserver.expect_request("/me").respond_with_data("", 429, {"Retry-After": "1"})
    assert _one(make(), actions, settings, clock).state == "unknown"
    assert len(httpserver.log) == 1 + settings.retries


def test_nobody_there_is_unknown_and_named(make: Make, actions: Actions, clock: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        here = f"127.0.0.1:{unused.getsockname()[1]}"
    named = frozenset({here})
    settings = VerifySettings(hosts=named, plain_http=named, endpoints={"acme": f"http://{here}"})
    verdict = _one(make(), actions, settings, clock)
    assert (verdict.state, verdict.reason) == ("unknown", f"{here} could not be reached or broke off")


def test_what_cannot_be_asked_is_uncheckable(
    httpserver: HTTPServer, settings: VerifySettings, make: Make, actions: Actions, clock: Any
) -> None:
    asks_twilio = {"url": "https://acme.example/{{ sid }}"}
    cases = [
        (make(), _with(actions, verify=None), settings, "its rule knows no way to ask"),
        (make(), actions, replace(settings, endpoints={}), "needs the service's address (verify.endpoints"),
        (
            make(),
            _with(_verify_with(actions, request=asks_twilio), **{"with": [{"rule": "acme-sid", "name": "sid"}]}),
            settings,
            "needs the acme-sid that belongs to it, and none stands near by",
        ),
        (make(), _verify_with(actions, owner={"admin": "…"}), settings, "needs an administrator's credential: admin"),
        (make(), _verify_with(actions, request={"url": "https://evil.test/"}), settings, "the rule's address leads to"),
    ]
    for finding, what, how, reason in cases:
        verdict = _one(finding, what, how, clock)
        assert verdict.state == "uncheckable" and verdict.reason.startswith(reason) and verdict.checked is None
    assert httpserver.log == []


def test_bytes_that_are_no_text_are_uncheckable(
    settings: VerifySettings, make: Make, actions: Actions, clock: Any
) -> None:
    from scanner.model import Secret

    verdict = _one(replace(make(), secret=Secret(b"\xff\xfe" * 9)), actions, settings, clock)
    assert (verdict.state, verdict.reason) == ("uncheckable", "its value is not text")


def test_steps_pass_values_on(
    httpserver: HTTPServer, settings: VerifySettings, make: Make, actions: Actions, clock: Any
) -> None:
    httpserver.expect_request("/keys", query_string={"q": make().secret.reveal().decode()}).respond_with_json(
        {"keys": [{"id": 42}]}
    )
    httpserver.expect_request("/keys/42", headers={"X-Admin": "root-pass"}).respond_with_json({"login": "bob"})
    steps = [
        {"request": {"url": "{{ endpoint }}/keys", "params": {"q": "{{ secret }}"}}, "save": {"id": "body.keys[0].id"}}
    ]
    request = {"url": "{{ endpoint }}/keys/{{ id }}", "headers": {"X-Admin": "{{ owner.admin }}"}}
    ruled = _verify_with(actions, steps=steps, request=request, owner={"admin": "an administrator's token"})
    for owner in ({"acme.admin": "root-pass"}, {"acme-token.admin": "root-pass"}, {"acme.admin": "root-pass"}.get):
        assert _one(make(), ruled, replace(settings, owner=owner), clock).identity == {"account": "bob"}
    verdict = _one(make("tok_other"), ruled, replace(settings, owner={"admin": "root-pass"}), clock)
    assert verdict.state == "unknown"
    assert "to step 1, which the rule does not expect" in verdict.reason or "answered 500" in verdict.reason


def test_a_step_without_the_wanted_value_is_unknown(
    httpserver: HTTPServer, settings: VerifySettings, make: Make, actions: Actions, clock: Any
) -> None:
    httpserver.expect_request("/keys").respond_with_json({"keys": []})
    steps = [{"request": {"url": "{{ endpoint }}/keys"}, "save": {"id": "body.keys[0].id"}}]
    verdict = _one(make(), _verify_with(actions, steps=steps), settings, clock)
    assert verdict.state == "unknown" and verdict.reason.endswith(
        "answered step 1 without the id that the rule looks for"
    )


def test_identity_is_clean_and_holds_no_secret(
    httpserver: HTTPServer, settings: VerifySettings, make: Make, actions: Actions, clock: Any
) -> None:
    secret = make().secret.reveal().decode()
    echoed = {
        "plain": secret,
        "inside": {"deep": [f"token={secret}"]},
        "encoded": base64.b64encode(secret.encode()).decode(),
        "hexed": secret.encode().hex().upper(),
        "late": "x" * 500 + secret,
        "none": None,
        "empty": "",
        "number": 7,
        "yes": True,
        "escape": "bob\x1b[31m\u202e\nroot",
        "long": "y" * 500,
        "list": ["a", "b"],
        "pairs": {"a": 1},
    }
    httpserver.expect_request("/me").respond_with_json(echoed)
    identity = {name: f"body.{name}" for name in echoed}
    verdict = _one(make(), _verify_with(actions, identity=identity), settings, clock)
    assert verdict.state == "live"
    assert set(verdict.identity) == {"number", "yes", "escape", "long", "list", "pairs"}
    assert verdict.identity["escape"] == "bob?[31m? root"
    assert len(verdict.identity["long"]) == 200
    assert (verdict.identity["list"], verdict.identity["number"], verdict.identity["yes"]) == ("a, b", 7, True)
    assert secret not in repr(verdict)


@pytest.mark.parametrize("match", ["body.(", "contains(body, 'x')", "length(`5`)"])
def test_an_expression_that_fails_decides_nothing(
    match: str, httpserver: HTTPServer, settings: VerifySettings, make: Make, actions: Actions, clock: Any
) -> None:
    httpserver.expect_request("/me").respond_with_json(None)
    changed = _verify_with(actions, live={"match": match}, dead={"match": match})
    assert _one(make(), changed, settings, clock).state == "unknown"


def test_nothing_heavy_is_imported_before_a_question() -> None:
    code = (
        "import sys, scanner.verify.live, scanner.revoke.execute, scanner.config\n"
        "print(sorted({'requests', 'jinja2', 'jmespath', 'pydantic', 'yaml'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_refused_with_what_may_be_anothers_companion_is_unknown(
    httpserver: HTTPServer, settings: VerifySettings, make: Make, actions: Actions, clock: Any
) -> None:
    def answer(request: Request) -> Response:
        live = request.headers["Authorization"].startswith("Bearer live")
        return Response('{"login": "a"}' if live else "{}", 200 if live else 401)

    httpserver.expect_request("/me").respond_with_handler(answer)
    made = [replace(make(token), rivals=rivals) for token in ("live-1", "dead-1") for rivals in ((), ("account",))]
    verdicts = [finding.verdict for finding in verify(made, actions, settings, clock=clock)]
    assert [verdict and verdict.state for verdict in verdicts] == ["live", "live", "dead", "unknown"]
    assert verdicts[3] and verdicts[3].reason == "refused, but more than one account stands near it"
