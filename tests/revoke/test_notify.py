"""Who is told what, in the form that each tool accepts; and the secret is in none of it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from scanner.model import DeadkeyError, Finding, Location, Outcome, Secret, Verdict
from scanner.revoke.notify import forms
from scanner.revoke.notify.send import notify
from scanner.revoke.settings import Notice
from scanner.verify.settings import VerifySettings

from .parts import TOKEN, finding

HOSTILE = "<!channel> [x](https://evil.test) *bold* @here & <https://evil.test|click>\x1b[31m\u202e\n\nnew"


def _found(n: int = 0, state: str = "revoked", path: str = HOSTILE, **more: Any) -> Finding:
    token = f"{TOKEN}{n}"
    verdict = Verdict("dead" if state == "revoked" else "live", f"saw {token}", {"account": f"bob {token}"})
    outcome = Outcome(state, "rule", f"said {token}") if state != "live" else None  # type: ignore[arg-type]
    places = (Location("git", f"{path}/{token}.env", 3, 3, 1, 9), Location("stdin", None, 1, 1, 1, 9))
    made = replace(finding(token), locations=places, verdict=verdict, outcome=outcome)
    return replace(made, fingerprint=f"{n:032}", companions=(("id", Secret(b"key-id-0123456789")),), **more)


@pytest.fixture(scope="session")
def httpserver_listen_address() -> tuple[str, int]:
    return "127.0.0.1", 0


Tell = Callable[..., list[str]]


@pytest.fixture
def tell(httpserver: HTTPServer) -> Tell:
    here = frozenset({f"127.0.0.1:{httpserver.port}"})
    settings = VerifySettings(timeout=5, plain_http=here, retries=0)

    def telling(findings: list[Finding], *notices: Notice) -> list[str]:
        said: list[str] = []
        notify(findings, notices, settings, said.append)
        return said

    return telling


def _bodies(httpserver: HTTPServer) -> list[Any]:
    for request, _ in httpserver.log:
        assert request.headers["Content-Type"].startswith("application/json")
        for value in (TOKEN, "key-id-0123456789"):
            for form in (value, value[6:-6], base64.b64encode(value.encode()).decode()[:20], value.encode().hex()):
                assert form.encode() not in request.get_data() and form not in str(request.headers)
    return [json.loads(request.get_data()) for request, _ in httpserver.log]


def _notice(httpserver: HTTPServer, form: Any, **more: Any) -> Notice:
    return Notice(form, lambda: httpserver.url_for("/services/T0/B0/x"), **more)


def _slack(request: Request) -> Response:
    """What Slack takes: text, and blocks within its bounds; anything else it answers with 400."""
    body = json.loads(request.get_data())
    assert set(body) == {"text", "blocks"} and 1 <= len(body["blocks"]) <= 50
    for block in body["blocks"]:
        assert block["type"] in ("header", "section") and set(block) == {"type", "text"}
        assert block["text"]["type"] == "plain_text"
        assert 1 <= len(block["text"]["text"]) <= (150 if block["type"] == "header" else 3000)
    return Response("ok", 200, content_type="text/plain")


def test_slack(httpserver: HTTPServer, tell: Tell) -> None:
    httpserver.expect_request("/services/T0/B0/x", method="POST").respond_with_handler(_slack)
    findings = [_found(n) for n in range(30)] + [_found(99, "live", "secret.env", severity="critical")]
    assert tell(findings, _notice(httpserver, "slack")) == []
    (body,) = _bodies(httpserver)
    assert body["text"] == "deadkey: 1 live, 30 revoked"
    lines = [block["text"]["text"] for block in body["blocks"]]
    assert lines[1].startswith("live: Acme token of bob tok_…") and "(critical), in secret.env/" in lines[1]
    assert lines[-1] == "and 11 more" and len(lines) == 22
    assert "\x1b" not in "".join(lines) and "\n" not in "".join(lines)


def test_what_slack_would_act_upon_is_escaped(httpserver: HTTPServer, tell: Tell) -> None:
    httpserver.expect_request("/services/T0/B0/x").respond_with_handler(_slack)
    tell([_found()], _notice(httpserver, "slack"))
    (body,) = _bodies(httpserver)
    assert "<" not in body["text"]
    assert {block["text"]["type"] for block in body["blocks"]} == {"plain_text"}


def test_teams(httpserver: HTTPServer, tell: Tell) -> None:
    httpserver.expect_request("/services/T0/B0/x", method="POST").respond_with_data("", 202)
    assert tell([_found(n) for n in range(30)], _notice(httpserver, "teams")) == []
    (body,) = _bodies(httpserver)
    (attachment,) = body["attachments"]
    assert (body["type"], attachment["contentType"]) == ("message", "application/vnd.microsoft.card.adaptive")
    card = attachment["content"]
    assert (card["type"], card["version"]) == ("AdaptiveCard", "1.4")
    # Text runs know no Markdown; a TextBlock would show the link.
    assert {block["type"] for block in card["body"]} == {"RichTextBlock"}
    assert {run["type"] for block in card["body"] for run in block["inlines"]} == {"TextRun"}
    assert len(httpserver.log[0][0].get_data()) < 28_000


def test_pagerduty_opens_and_ends_one_alert_a_secret(httpserver: HTTPServer, tell: Tell) -> None:
    accepted = {"status": "success", "message": "Event processed", "dedup_key": "x"}
    httpserver.expect_request("/services/T0/B0/x", method="POST").respond_with_json(accepted, 202)
    notice = _notice(httpserver, "pagerduty", key=lambda: "R" * 32)
    assert tell([_found(1, "live"), _found(2, "failed", severity="low")], notice) == []
    assert tell([_found(1, "revoked")], notice) == []
    first, second, third = _bodies(httpserver)
    assert {event["routing_key"] for event in (first, second, third)} == {"R" * 32}
    assert [event["event_action"] for event in (first, second, third)] == ["trigger", "trigger", "resolve"]
    assert first["dedup_key"] == third["dedup_key"] != second["dedup_key"] and len(first["dedup_key"]) <= 255
    assert set(first["payload"]) >= {"summary", "source", "severity"} and len(first["payload"]["summary"]) <= 1024
    assert [event["payload"]["severity"] for event in (first, second)] == ["error", "info"]
    assert "payload" not in third


def test_plain_json_is_signed_like_the_webhook(httpserver: HTTPServer, tell: Tell) -> None:
    httpserver.expect_request("/services/T0/B0/x").respond_with_data("", 204)
    assert tell([_found()], _notice(httpserver, "json", key=lambda: "shared")) == []
    (body,) = _bodies(httpserver)
    (told,) = body["findings"]
    assert (told["state"], told["rule"], told["fingerprint"]) == ("revoked", "acme-token", "0" * 32)
    assert told["locations"][1]["path"] is None and told["reason"].startswith("said tok_…")
    request = httpserver.log[0][0]
    stamp = request.headers["X-Deadkey-Timestamp"].encode()
    mac = hmac.new(b"shared", stamp + b"." + request.get_data(), hashlib.sha256).hexdigest()
    assert request.headers["X-Deadkey-Signature"] == f"sha256={mac}"


def test_only_what_was_asked_for_is_told(httpserver: HTTPServer, tell: Tell) -> None:
    httpserver.expect_request("/services/T0/B0/x").respond_with_data("ok")
    every = [_found(1, "live"), _found(2, "revoked", severity="low"), _found(3, "refused")]
    assert tell(every, _notice(httpserver, "json", when=("failed",))) == []
    assert httpserver.log == []
    assert tell(every, _notice(httpserver, "json", when=("revoked", "refused"), min_severity="high")) == []
    (body,) = _bodies(httpserver)
    assert [told["fingerprint"] for told in body["findings"]] == [f"{3:032}"]


def test_a_plan_is_told_as_what_it_is(httpserver: HTTPServer) -> None:
    planned = replace(_found(1, "live"), outcome=Outcome("planned", "rule", "", "x"))
    assert forms.state(planned) == "live"


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("{here}/gone", "notify[1] (slack): nobody was told: {host} answered 404"),
        ("{here}/busy", "notify[1] (slack): nobody was told: {host} answered 503"),
        ("{here}/moved", "notify[1] (slack): nobody was told: {host} answered 302"),
        (
            "http://127.0.0.1:9/hook-Qw8e",
            "notify[1] (slack): nobody was told: 127.0.0.1:9 may not be asked without TLS",
        ),
        ("hook-Qw8e", "notify[1] (slack): its url is not an http or https address"),
        ("file:///hook-Qw8e", "notify[1] (slack): its url is not an http or https address"),
        ("http://[::1/hook-Qw8e", "notify[1] (slack): its url is not an http or https address"),
    ],
)
def test_what_could_not_be_told_is_said_without_the_address(
    url: str, said: str, httpserver: HTTPServer, tell: Tell
) -> None:
    httpserver.expect_request("/gone").respond_with_data("", 404)
    httpserver.expect_request("/busy").respond_with_data("", 503)
    httpserver.expect_request("/moved").respond_with_data("", 302, {"Location": "/elsewhere"})
    httpserver.expect_request("/fine").respond_with_data("ok")
    here = f"http://127.0.0.1:{httpserver.port}"
    fine = Notice("json", lambda: f"{here}/fine")
    (line,) = tell([_found()], Notice("slack", lambda: url.format(here=here)), fine)
    assert line.startswith(said.format(host=here[7:])) and "Qw8e" not in line and "/" not in line[20:]
    assert [request.path for request, _ in httpserver.log][-1] == "/fine", "the others are told all the same"
    assert "/elsewhere" not in [request.path for request, _ in httpserver.log]


def test_a_credential_that_is_not_there(httpserver: HTTPServer, tell: Tell) -> None:
    def missing() -> str:
        raise DeadkeyError("credential notify[1].key: the environment variable PD is not set")

    assert tell([_found()], Notice("slack", missing)) == [
        "notify[1] (slack): credential notify[1].key: the environment variable PD is not set"
    ]
    assert tell([_found()], _notice(httpserver, "pagerduty", key=missing)) == [
        "notify[1] (pagerduty): nobody was told: credential notify[1].key: the environment variable PD is not set"
    ]
