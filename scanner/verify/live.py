"""Asks the issuers about findings: every distinct secret once, many at a time, and gives each finding its verdict."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from scanner.model import Finding, Verdict
from scanner.verify.clean import identity, scrub, secrets_of
from scanner.verify.interface import Action, Actions, Answer, Asker, Clock, Unanswered, Unaskable
from scanner.verify.settings import VerifySettings

Progress = Callable[[int, int], None]
"""Called with how many questions are answered, and how many there are."""


def verify(
    findings: Sequence[Finding],
    actions: Actions,
    settings: VerifySettings,
    *,
    progress: Progress | None = None,
    clock: Clock = time,
) -> list[Finding]:
    """`findings` in their order, each with a verdict. Never raises for what a host says or fails to say."""
    jobs: dict[Hashable, Finding] = {}
    for finding in findings:
        jobs.setdefault(_question(finding), finding)
    verdicts: dict[Hashable, Verdict] = {}
    askable: dict[Hashable, Finding] = {}
    for key, finding in jobs.items():
        if actions(finding.rule).get("verify") is None:
            verdicts[key] = Verdict("uncheckable", "its rule knows no way to ask")
        else:
            askable[key] = finding
    if askable:
        verdicts |= _ask_all(askable, actions, settings, progress, clock)
    return [_told(finding, _sure(finding, verdicts[_question(finding)])) for finding in findings]


def _told(finding: Finding, verdict: Verdict) -> Finding:
    return replace(finding, verdict=verdict, severity=verdict.severity or finding.severity)


def _sure(finding: Finding, verdict: Verdict) -> Verdict:
    """Refused together with what may be another secret's companion says nothing of the secret."""
    if verdict.state == "dead" and finding.rivals:
        names = ", ".join(finding.rivals)
        return replace(verdict, state="unknown", reason=f"refused, but more than one {names} stands near it")
    return verdict


def _question(finding: Finding) -> Hashable:
    return finding.rule, finding.secret, finding.companions, finding.around


def _interleaved(jobs: dict[Hashable, Finding]) -> list[tuple[Hashable, Finding]]:
    """Rules taken in turn, so that one slow host does not hold all the threads."""
    seen: dict[str, int] = {}
    order = []
    for key, finding in jobs.items():
        seen[finding.rule] = seen.get(finding.rule, 0) + 1
        order.append((seen[finding.rule], key, finding))
    return [(key, finding) for _, key, finding in sorted(order, key=lambda item: item[0])]


def _ask_all(
    jobs: dict[Hashable, Finding], actions: Actions, settings: VerifySettings, progress: Progress | None, clock: Clock
) -> dict[Hashable, Verdict]:
    from scanner.verify.transport import Transport

    ask = Transport(settings, clock)
    pool = ThreadPoolExecutor(min(settings.concurrency, len(jobs)), thread_name_prefix="verify")
    try:
        running = {
            pool.submit(ask_one, finding, actions(finding.rule), settings, ask, clock): key
            for key, finding in _interleaved(jobs)
        }
        verdicts: dict[Hashable, Verdict] = {}
        left = set(running)
        while left:
            done, left = wait(left, return_when=FIRST_COMPLETED)
            verdicts |= {running[future]: future.result() for future in done}
            if progress:
                progress(len(verdicts), len(jobs))
        return verdicts
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        ask.close()


def ask_one(finding: Finding, action: Action, settings: VerifySettings, ask: Asker, clock: Clock) -> Verdict:
    """The verdict on one finding, with the time at which it was asked."""
    from scanner.verify.exchange import explain_missing

    checked: str | None = datetime.fromtimestamp(clock.time(), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    try:
        verdict = _asked(finding, action, settings, ask, clock)
    except Unaskable as e:
        verdict, checked = Verdict("uncheckable", explain_missing(str(e), action)), None
    except Unanswered as e:
        verdict = Verdict("unknown", str(e))
    except Exception as e:
        # One odd answer must not end the run; the kind of error is enough to report it by, and holds no value.
        verdict = Verdict("unknown", f"asking failed ({type(e).__name__})")
    return replace(verdict, reason=scrub(verdict.reason, secrets_of(finding)), checked=checked)


def _page(answer: Answer) -> bool:
    """True for HTML: what stands in the way answers like that."""
    return answer.headers.get("content-type", "").lower().startswith(("text/html", "application/xhtml"))


def _unreadable(answer: Answer, spec: Mapping[str, Any]) -> bool:
    """True for a success that is somebody else's page: one that is not the JSON in which its rule looks for the identity, or
    a page of HTML where the rule reads nothing but the status. A captive portal answers like that, and a proxy.

    What was cut because it is long cannot be parsed either, and is the answer all the same.
    """
    if not 200 <= answer.status < 300:
        return False
    reads = any(re.search(r"\bbody\b", expression) for expression in (spec.get("identity") or {}).values())
    if reads and answer.body is None and not answer.cut:
        return True
    return _page(answer) and not any(condition.get("match") for condition in spec.get("live") or ())


def _asked(finding: Finding, action: Action, settings: VerifySettings, ask: Asker, clock: Clock) -> Verdict:
    spec = action["verify"]
    if checker := spec.get("checker"):
        from scanner.verify import aws, jwt
        from scanner.verify.databases import check as database

        return {"aws": aws.check, "database": database.check, "jwt": jwt.check}[checker](finding, settings, ask, clock)
    from scanner.verify import exchange

    values = exchange.variables(finding, spec, settings)
    sets = {name: exchange.conditions(spec.get(name)) for name in ("live", "dead")}
    result = exchange.run(spec, values, sets, action.get("domains") or (), settings, ask)
    said = f"{result.answer.host} answered {result.answer.status}"
    if result.held == ("live",):
        if _unreadable(result.answer, spec):
            return Verdict("unknown", f"{said}, but not with what its rule reads")
        return Verdict("live", said, identity(result.identity, finding.secret))
    if result.held == ("dead",):
        if _page(result.answer) and result.answer.host in settings.plain_http:
            return Verdict("unknown", f"{said} with a page, and without TLS nobody vouches for it")
        return Verdict("dead", said)
    which = "both for live and for dead" if result.held else "neither for live nor for dead"
    return Verdict("unknown", f"{said}, which the rule takes {which}")
