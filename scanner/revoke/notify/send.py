"""Sends what a run came to where the user wants it told. What cannot be told is said, and changes nothing else."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from scanner.model import LEVELS, DeadkeyError, Finding
from scanner.revoke.hooks.webhook import sign
from scanner.revoke.notify import forms
from scanner.revoke.settings import Notice
from scanner.verify.interface import Asker, Call, Clock, Unanswered
from scanner.verify.settings import VerifySettings, place, place_of


def notify(
    findings: Sequence[Finding],
    notices: Sequence[Notice],
    settings: VerifySettings,
    say: Callable[[str], None],
    clock: Clock = time,
) -> None:
    """Tell each of `notices` of those findings that it is for. Raises nothing for what the other side does."""
    from scanner.verify.transport import Transport

    for number, notice in enumerate(notices, 1):
        wanted = [f for f in findings if wants(notice, f)]
        if not wanted:
            continue
        name = f"notify[{number}] ({notice.form})"
        try:
            url = notice.url()
            host, port = place_of(url)
        except DeadkeyError as e:
            say(f"{name}: {e}")
            continue
        except ValueError:
            # The address itself is a credential, and is not shown.
            say(f"{name}: its url is not an http or https address")
            continue
        transport = Transport(replace(settings, hosts=settings.hosts | {place(host, port)}), clock)
        try:
            for body in _bodies(notice, wanted):
                _post(url, body, notice, transport, clock)
        except (DeadkeyError, Unanswered) as e:
            say(f"{name}: nobody was told: {e}")
        finally:
            transport.close()


def wants(notice: Notice, finding: Finding) -> bool:
    """True when the notice is for it, by its state and severity."""
    return forms.state(finding) in notice.when and LEVELS[finding.severity] >= LEVELS[notice.min_severity]


def _bodies(notice: Notice, findings: Sequence[Finding]) -> Iterator[dict[str, Any]]:
    hidden = forms.hidden_in(findings)
    if notice.form == "pagerduty":
        assert notice.key
        key = notice.key()
        yield from (forms.pagerduty(finding, hidden, key) for finding in findings)
    else:
        yield {"slack": forms.slack, "teams": forms.teams, "json": forms.plain}[notice.form](findings, hidden)


def _post(url: str, body: dict[str, Any], notice: Notice, ask: Asker, clock: Clock) -> None:
    data = json.dumps(body, ensure_ascii=False, sort_keys=True).encode("utf-8", "backslashreplace")
    headers = {"Content-Type": "application/json; charset=utf-8"}
    if notice.form == "json" and notice.key:
        stamp = str(int(clock.time()))
        headers |= {"X-Deadkey-Timestamp": stamp, "X-Deadkey-Signature": sign(notice.key().encode(), stamp, data)}
    host, port = place_of(url)
    # PagerDuty knows one alert by its key; elsewhere a message that is sent twice is shown twice.
    answer = ask(Call("POST", url, host, port, headers, body=data), again=notice.form == "pagerduty")
    if not 200 <= answer.status < 300:
        raise Unanswered(f"{answer.host} answered {answer.status}")
