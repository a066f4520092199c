"""Checker for passwords of database servers: logs in, reads who that is and what it may do, and changes nothing.

Every server that stands beside the password is asked. It is live when one takes it, and dead when all refuse it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

from scanner.model import LEVELS, Finding, Severity, Verdict
from scanner.verify.clean import identity
from scanner.verify.databases.interface import Denied, Entered, Facts, Target, load
from scanner.verify.databases.line import connected, trust
from scanner.verify.databases.target import targets
from scanner.verify.interface import Asker, Clock, Unanswered, Unaskable
from scanner.verify.settings import VerifySettings


class Answer(NamedTuple):
    """What one server said: live, dead, unknown or uncheckable."""

    state: str
    reason: str
    facts: Facts = Facts({}, None)


def check(finding: Finding, settings: VerifySettings, ask: Asker, clock: Clock) -> Verdict:
    """The verdict on a password. Unaskable when none of its servers may or can be asked."""
    answers = [_answer(finding, target, settings) for target in targets(finding, settings)]
    by_state = {state: [a for a in answers if a.state == state] for state in ("live", "dead", "unknown", "uncheckable")}
    if live := by_state["live"]:
        first = live[0]
        told = dict(first.facts.identity)
        if len(live) > 1:
            told["servers"] = ", ".join(str(a.facts.identity.get("server")) for a in live)
        return Verdict("live", first.reason, identity(told, finding.secret), severity=_worst(live))
    if len(by_state["uncheckable"]) == len(answers):
        raise Unaskable(answers[0].reason)
    if len(by_state["dead"]) == len(answers):
        return Verdict("dead", "; ".join(dict.fromkeys(a.reason for a in answers)))
    raise Unanswered("; ".join(dict.fromkeys(a.reason for a in answers if a.state != "dead")))


def _worst(live: list[Answer]) -> Severity | None:
    known = [level for a in live if (level := a.facts.severity) is not None]
    if len(known) < len(live):
        return None
    worst: Severity = max(known, key=lambda level: LEVELS[level])
    return worst


def secret_of(finding: Finding, target: Target) -> bytes:
    """The password as the server is to be told it: percent escapes of a URL read."""
    from urllib.parse import unquote_to_bytes

    value = finding.secret.reveal()
    escaped = any(dict(parts).get("escapes") == "percent" for parts in finding.around)
    return unquote_to_bytes(value) if escaped else value


@contextmanager
def session(target: Target, password: bytes, settings: VerifySettings) -> Iterator[Any]:
    """A session of `target`'s user. Denied, Entered, Unaskable, Unanswered when there is none."""
    kind = load(target.kind)
    way = trust(target, settings)
    names = list(kind.databases(target))
    for number, name in enumerate(names, 1):
        with connected(target, settings) as line:
            try:
                opened = kind.open(target._replace(database=name), password, line, way)
            except Entered:
                if number == len(names):
                    raise
                continue
            try:
                yield opened
            finally:
                with suppress(Exception):  # a session that its server has ended cannot say goodbye
                    opened.close()
            return


def _answer(finding: Finding, target: Target | Unaskable, settings: VerifySettings) -> Answer:
    if isinstance(target, Unaskable):
        return Answer("uncheckable", str(target))
    said = {"server": target.place, "kind": target.kind}
    try:
        with session(target, secret_of(finding, target), settings) as opened:
            kind = load(target.kind)
            try:
                facts = kind.facts(opened)
            except Exception as e:
                # It is in, whatever became of the questions that followed.
                reason = f"{target.place} let {target.user or 'it'} in, but told nothing more ({type(e).__name__})"
                return Answer("live", reason, Facts(said | {"account": target.user}, None))
            return Answer("live", f"{target.place} let it in", Facts(facts.identity | said, facts.severity))
    except Entered as e:
        return Answer("live", str(e), Facts(said | {"account": target.user}, None))
    except Denied as e:
        if target.sure:
            return Answer("dead", str(e))
        return Answer("unknown", f"{e}, but it may be the password of another user")
    except Unanswered as e:
        return Answer("unknown", str(e))
    except Unaskable as e:
        return Answer("uncheckable", str(e))
