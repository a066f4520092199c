"""The hooks: what they are told, what they may answer, and where the secret never goes."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pytest_httpserver import HTTPServer

from scanner.model import DeadkeyError, Secret, Verdict
from scanner.revoke.hooks import command, plugin, rule, webhook
from scanner.revoke.hooks.interface import HookResult, Tools
from scanner.revoke.settings import RevokeSettings, Webhook
from scanner.verify.settings import VerifySettings
from scanner.verify.transport import Transport

from .parts import ACTION, TOKEN, finding

FOUND = replace(
    finding(), verdict=Verdict("live", identity={"account": "bob"}), companions=(("id", Secret(b"id_12345\xff")),)
)


@pytest.fixture(scope="session")
def httpserver_listen_address() -> tuple[str, int]:
    return "127.0.0.1", 0


@pytest.fixture
def tools(httpserver: HTTPServer, tmp_path: Path) -> Iterator[Callable[..., Tools]]:
    here = frozenset({f"127.0.0.1:{httpserver.port}"})
    settings = VerifySettings(
        timeout=5, hosts=here, plain_http=here, endpoints={"acme": f"http://127.0.0.1:{httpserver.port}"}, retries=0
    )
    transport = Transport(settings)
    yield lambda **changes: Tools(RevokeSettings(journal=tmp_path / "j", **changes), settings, transport, time)
    transport.close()


def _python(code: str) -> tuple[str, ...]:
    return sys.executable, "-c", code


def test_a_command_is_told_on_its_standard_input_only(tools: Callable[..., Tools], tmp_path: Path) -> None:
    script = (
        "import json, os, sys\n"
        "seen = {'stdin': sys.stdin.read(), 'argv': sys.argv, 'env': dict(os.environ), 'cwd': os.getcwd(),\n"
        "        'cmdline': open('/proc/self/cmdline').read() if os.path.exists('/proc/self/cmdline') else ''}\n"
        f"json.dump(seen, open({str(tmp_path / 'seen')!r}, 'w'))"
    )
    result = command.run(FOUND, ACTION, tools(command=_python(script)))
    assert result == HookResult("done", "")
    seen = json.loads((tmp_path / "seen").read_text())
    told = json.loads(seen.pop("stdin"))
    assert (told["secret"], told["rule"], told["provider"]) == (TOKEN, "acme-token", "Acme")
    assert (told["identity"], told["fingerprint"]) == ({"account": "bob"}, FOUND.fingerprint)
    assert told["companions"]["id"].encode("utf-8", "surrogateescape") == b"id_12345\xff"
    assert told["locations"][0]["line"] == 3
    assert TOKEN not in json.dumps(seen) and seen["cwd"] == os.sep


@pytest.mark.parametrize(
    ("status", "state"), [(0, "done"), (10, "already-dead"), (75, "later"), (1, "failed"), (2, "failed")]
)
def test_exit_statuses(status: int, state: str, tools: Callable[..., Tools]) -> None:
    script = f"import sys; sys.stderr.write('because\\nmore'); sys.exit({status})"
    assert command.run(FOUND, ACTION, tools(command=_python(script))) == HookResult(state, "because")  # type: ignore[arg-type]


def test_a_command_that_talks_without_end_is_read_and_forgotten(tools: Callable[..., Tools]) -> None:
    script = "import sys\nfor _ in range(300): sys.stderr.write('x' * 10000 + chr(10))"
    result = command.run(FOUND, ACTION, tools(command=_python(script)))
    assert result.state == "done" and len(result.detail) == 10000


def test_a_command_that_hangs_is_ended_with_its_children(tools: Callable[..., Tools], tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    child = tmp_path / "child.py"
    child.write_text(
        f"f = open({str(fifo)!r}, 'w')\nf.write('up')\nf.flush()\nimport threading\nthreading.Event().wait()\n"
    )
    script = f"import subprocess, sys; subprocess.run([sys.executable, {str(child)!r}])"
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    result = command.run(FOUND, ACTION, tools(command=_python(script), command_timeout=2.0))
    assert result == HookResult("failed", "the command took longer than 2 s")
    os.set_blocking(reader, True)
    # The end of the pipe is seen only once the grandchild, its one writer, is gone.
    assert os.read(reader, 100) == b"up" and os.read(reader, 100) == b""
    os.close(reader)


def test_a_command_that_is_not_there(tools: Callable[..., Tools]) -> None:
    result = command.run(FOUND, ACTION, tools(command=("/nonexistent/program",)))
    assert result == HookResult("failed", "the command cannot be started: No such file or directory")
    assert command.effect(FOUND, ACTION, tools()) is None


@pytest.mark.parametrize("include", [False, True])
def test_a_webhook_is_signed_and_holds_the_secret_only_if_asked(
    include: bool, httpserver: HTTPServer, tools: Callable[..., Tools]
) -> None:
    httpserver.expect_request("/hook", method="POST").respond_with_data("", 204)
    hook = Webhook(httpserver.url_for("/hook"), lambda: "signing-key", include)
    result = webhook.run(FOUND, ACTION, tools(webhook=hook))
    assert result == HookResult("done", f"127.0.0.1:{httpserver.port} answered 204")
    request = httpserver.log[0][0]
    stamp, body = request.headers["X-Deadkey-Timestamp"], request.get_data()
    mac = hmac.new(b"signing-key", stamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    assert request.headers["X-Deadkey-Signature"] == f"sha256={mac}"
    assert abs(int(stamp) - time.time()) < 60
    told = json.loads(body)
    assert told.get("secret") == (TOKEN if include else None)
    assert ("companions" in told) is include
    assert (webhook.effect(FOUND, ACTION, tools(webhook=hook)) or "").startswith("Tells 127.0.0.1, with")


@pytest.mark.parametrize(
    ("status", "body", "state"),
    [
        (200, {}, "done"),
        (202, {}, "later"),
        (200, {"state": "already-dead"}, "already-dead"),
        (200, {"state": "failed", "detail": "no"}, "failed"),
        (200, {"state": "maybe"}, "failed"),
        (404, {}, "failed"),
        (302, {}, "failed"),
        (429, {}, "later"),
        (503, {}, "later"),
        (500, {}, "failed"),
    ],
)
def test_webhook_answers(
    status: int, body: Any, state: str, httpserver: HTTPServer, tools: Callable[..., Tools]
) -> None:
    httpserver.expect_request("/hook").respond_with_json(body, status)
    given = tools(webhook=Webhook(httpserver.url_for("/hook"), lambda: "k"))
    assert webhook.run(FOUND, ACTION, given).state == state
    assert len(httpserver.log) == 1


def test_a_webhook_without_its_key_sends_nothing(httpserver: HTTPServer, tools: Callable[..., Tools]) -> None:
    def missing() -> str:
        raise DeadkeyError("credential revoke.webhook.key: the environment variable X is not set")

    result = webhook.run(FOUND, ACTION, tools(webhook=Webhook(httpserver.url_for("/hook"), missing)))
    assert result.state == "failed" and httpserver.log == []


@pytest.mark.parametrize(
    ("status", "state"), [(204, "done"), (410, "already-dead"), (403, "failed"), (429, "later"), (500, "failed")]
)
def test_the_rules_own_request(status: int, state: str, httpserver: HTTPServer, tools: Callable[..., Tools]) -> None:
    httpserver.expect_request("/revoke", method="POST", json={"token": TOKEN}).respond_with_data("", status)
    whole = replace(FOUND, companions=())
    assert rule.run(whole, ACTION, tools()).state == state
    assert len(httpserver.log) == 1


def test_a_rule_without_what_it_needs_does_not_apply(tools: Callable[..., Tools]) -> None:
    assert rule.run(FOUND, {"revoke": None}, tools()).state == "not-applicable"
    owned = {**ACTION, "revoke": {**ACTION["revoke"], "owner": {"admin": "an administrator's token"}}}
    assert rule.effect(FOUND, owned, tools()) is None
    result = rule.run(replace(FOUND, companions=()), owned, tools())
    assert result == HookResult("not-applicable", "needs an administrator's credential: admin")


PLUGINS = """
from scanner.revoke.hooks.interface import HookResult
def other(finding, action): return None
def ours(finding, action): return HookResult("done", finding.rule)
def broken(finding, action): raise ValueError(finding.secret.reveal())
"""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    def put(**points: str) -> None:
        folder = tmp_path / "site" / "acme_plugin-1.dist-info"
        folder.mkdir(parents=True)
        (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-plugin\nVersion: 1\n")
        lines = [f"{name} = acme_plugin_{tmp_path.name}:{function}" for name, function in points.items()]
        (folder / "entry_points.txt").write_text("[deadkey.revokers]\n" + "\n".join(lines) + "\n")
        (tmp_path / "site" / f"acme_plugin_{tmp_path.name}.py").write_text(PLUGINS)
        monkeypatch.syspath_prepend(str(tmp_path / "site"))

    return put


def test_plugins_are_tried_by_name(install: Callable[..., None], tools: Callable[..., Tools]) -> None:
    assert plugin.effect(FOUND, ACTION, tools()) is None
    install(b="ours", a="other")
    assert plugin.effect(FOUND, ACTION, tools()) == "Hands it to the plug-in a or b."
    assert plugin.run(FOUND, ACTION, tools()) == HookResult("done", "acme-token")


def test_a_plugin_that_fails_is_named_without_its_words(
    install: Callable[..., None], tools: Callable[..., Tools]
) -> None:
    install(a="broken")
    assert plugin.run(FOUND, ACTION, tools()) == HookResult("failed", "the plug-in a failed (ValueError)")


def test_a_plugin_of_the_current_folder_is_none(
    install: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(a="ours")
    monkeypatch.chdir(tmp_path / "site")
    assert plugin.entry_points() == []


def test_what_might_end_another_credentials_life_is_not_called(tools: Callable[..., Tools]) -> None:
    """Several ids stand near, revoking goes by the id, and the live answer was had without it."""
    revoking = {**ACTION["revoke"], "request": {"method": "DELETE", "url": "{{ endpoint }}/keys/{{ id }}"}}
    asking = {**ACTION["verify"], "request": {"url": "{{ endpoint }}/keys/{{ id }}"}}
    several = replace(FOUND, companions=(("id", Secret(b"id_12345")),), rivals=("id",))
    for action, found, sure in (
        (ACTION | {"revoke": revoking}, several, False),
        (ACTION | {"revoke": revoking}, replace(several, rivals=()), True),
        (ACTION | {"revoke": revoking, "verify": asking}, several, True),
        (ACTION, several, True),
    ):
        assert (rule.effect(found, action, tools()) is not None) == sure
        assert (rule.doubt(found, action) == "") == sure
        if not sure:
            assert rule.run(found, action, tools()) == HookResult(
                "not-applicable", "more than one id stands near it, and its own is not known"
            )
