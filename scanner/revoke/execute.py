"""Revokes what was found live: asks or consults the policy, writes the intent, calls a hook, and asks the issuer again.

"revoked" is said only of a secret that its issuer calls dead. What a killed run has begun is finished first, by asking.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from scanner.model import Finding, Outcome
from scanner.revoke.approval import Approved, rule_digest
from scanner.revoke.consent import Confirm, Consents
from scanner.revoke.hooks import rule
from scanner.revoke.hooks.interface import HookResult, Tools, load
from scanner.revoke.journal import STEP, Journal, JournalError, pending, read
from scanner.revoke.policy import HOUR
from scanner.revoke.review import revoked_since
from scanner.revoke.settings import RevokeSettings
from scanner.verify.clean import scrub, secrets_of
from scanner.verify.interface import Actions, Clock
from scanner.verify.live import verify
from scanner.verify.settings import VerifySettings, place, place_of

Say = Callable[[str], None]
"""Takes a line on what is going on. It holds no secret."""

PLACES = 20
"""Paths that a journal entry names at most."""

INTERRUPTED = "confirmed after an interrupted run"


@dataclass
class _Run:
    """What one call of `revoke` works with."""

    actions: Actions
    tools: Tools
    journal: Journal
    consents: Consents
    say: Say
    begun: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    acted: bool = False
    """A hook was called: what came of it is told, even if the journal fails."""

    @property
    def settings(self) -> RevokeSettings:
        return self.tools.revoke


def revoke(
    findings: Sequence[Finding],
    actions: Actions,
    settings: RevokeSettings,
    verify_settings: VerifySettings,
    *,
    confirm: Confirm,
    say: Say,
    clock: Clock = time,
    approved: Approved | None = None,
) -> list[Finding]:
    """`findings` in their order; those that are live, or were being revoked when a run was killed, with an outcome.

    With an `approved` plan nobody is asked: what is in it is revoked, and nothing else.
    JournalError before any hook is called when the journal cannot be written, or another run holds it. If it fails
    later, what is left is marked as failed.
    """
    from scanner.verify.transport import Transport

    journal = Journal(settings.journal, clock)
    transport = Transport(_with_webhook(verify_settings, settings), clock)
    tools = Tools(settings, verify_settings, transport, clock)
    run = _Run(actions, tools, journal, Consents(settings, confirm, approved), say)
    try:
        with contextlib.ExitStack() as stack:
            _begin(findings, run, stack)
            done = [_handle(finding, run) for finding in findings]
            _tell_open(run)
            return done
    finally:
        transport.close()


def _begin(findings: Sequence[Finding], run: _Run, stack: contextlib.ExitStack) -> None:
    """Take the journal for this run if it is going to be written, and read what a killed run left open in it.

    A plan and a dry run go without where the journal cannot be had.
    """
    plan = run.settings.mode == "plan" or run.settings.dry_run
    try:
        begun = pending(run.journal.path)
        if not run.settings.dry_run and (begun or (not plan and any(map(_is_live, findings)))):
            stack.enter_context(run.journal.alone())
            begun = pending(run.journal.path)
        if run.settings.max_per_hour is not None:
            run.consents.hour = revoked_since(read(run.journal.path), run.tools.clock.time() - HOUR)
    except JournalError as e:
        if not plan:
            raise
        run.say(str(e))
        return
    for intent in begun:
        run.begun.setdefault(intent["fingerprint"], []).append(intent)


def _tell_open(run: _Run) -> None:
    """Say what an earlier run has begun and this one did not come across."""
    for intent in (intent for intents in run.begun.values() for intent in intents):
        where = ", ".join(map(str, (intent.get("places") or ())[:3]))
        told = f"in {where}" if where else f"entry {intent['seq']} of the journal"
        run.say(f"an earlier run was interrupted while revoking a {intent.get('rule')} {told}: scan there again")


def _with_webhook(verify_settings: VerifySettings, settings: RevokeSettings) -> VerifySettings:
    """The user named the webhook's host by configuring it: it may be a private one."""
    if settings.webhook is None:
        return verify_settings
    named = place(*place_of(settings.webhook.url))
    return replace(verify_settings, hosts=verify_settings.hosts | {named})


def _is_live(finding: Finding) -> bool:
    return finding.verdict is not None and finding.verdict.state == "live"


def _plan(finding: Finding, actions: Actions, tools: Tools) -> Outcome:
    action = actions(finding.rule)
    for name in tools.revoke.hooks:
        effect = load(name).effect(finding, action, tools)
        if effect is not None:
            return Outcome("planned", name, effect=effect)
    owner = (action.get("revoke") or {}).get("owner") or {}
    needs = "".join(f"; its rule needs {name}: {what}" for name, what in owner.items())
    unsure = f"; {doubt}" if (doubt := rule.doubt(finding, action)) else ""
    detail = f"no hook applies{needs}{unsure}" + (f"; rotate it: {action['rotate']}" if action.get("rotate") else "")
    return Outcome("planned", "", detail)


def _handle(finding: Finding, run: _Run) -> Finding:
    try:
        finding = _fresh(finding, run)
        if run.begun:
            settled = _settle(finding, run.begun.pop(run.journal.fingerprint(finding.secret), []), run)
            if settled is not None:
                return replace(finding, outcome=settled)
        if not _is_live(finding):
            return finding
        plan = _plan(finding, run.actions, run.tools)
        if run.settings.mode == "plan":
            return replace(finding, outcome=plan)
        if not plan.hook:
            return replace(finding, outcome=Outcome("refused", "", plan.detail))
        now = run.tools.clock.time()
        consent = run.consents.ask(finding, plan, rule_digest(run.actions(finding.rule)), now)
        if not consent.given:
            return replace(finding, outcome=Outcome("refused", plan.hook, consent.why, plan.effect))
        if run.settings.dry_run:
            return replace(finding, outcome=replace(plan, detail=f"dry run: it would be revoked ({consent.why})"))
        return _act(finding, plan, consent.why, run)
    except JournalError as e:
        if not run.acted:
            raise
        return replace(finding, outcome=Outcome("failed", "", str(e)))


def _fresh(finding: Finding, run: _Run) -> Finding:
    """A live verdict from longer ago counts for nothing: the issuer is asked again."""
    if not _is_live(finding) or run.settings.mode == "plan":
        return finding
    assert finding.verdict
    try:
        asked = datetime.fromisoformat(finding.verdict.checked or "").timestamp()
    except ValueError:
        asked = 0.0
    # A verdict of a time to come was had before the clock went back: how old it is nobody knows.
    return finding if -STEP <= run.tools.clock.time() - asked <= run.settings.fresh else _asked(finding, run)


def _asked(finding: Finding, run: _Run) -> Finding:
    return verify([finding], run.actions, run.tools.verify, clock=run.tools.clock)[0]


def _settle(finding: Finding, intents: list[dict[str, Any]], run: _Run) -> Outcome | None:
    """Close what a killed run has begun, by what the issuer says now. None: go on as if nothing had been begun."""
    if not intents:
        return None
    state = finding.verdict.state if finding.verdict else "unknown"
    hook = str(intents[-1].get("hook", ""))
    if state == "dead":
        for intent in intents:
            _write(
                finding,
                run,
                "outcome",
                hook=hook,
                intent=intent["seq"],
                state="revoked",
                detail=f"revoked, {INTERRUPTED}",
            )
        run.say(f"{finding.name} {finding.secret}: revoked, {INTERRUPTED}")
        return Outcome("revoked", hook, INTERRUPTED)
    if state != "live":
        return Outcome("pending", hook, "an earlier run was interrupted, and the issuer's answer is not known yet")
    if run.settings.mode == "plan":
        return None
    for intent in intents:
        detail = "an interrupted run; the issuer still calls it live"
        _write(finding, run, "outcome", hook=hook, intent=intent["seq"], state="failed", detail=detail)
    return None


def _act(finding: Finding, plan: Outcome, why: str, run: _Run) -> Finding:
    action = run.actions(finding.rule)
    reasons = []
    # Whoever signed a plan signed the one hook in it.
    for name in (plan.hook,) if run.consents.approved else run.settings.hooks:
        hook = load(name)
        effect = hook.effect(finding, action, run.tools)
        if effect is None:
            continue
        intent = _write(finding, run, "intent", hook=name, state="intended", detail=effect, allowed=why)
        run.acted = True
        run.say(f"{finding.name} {finding.secret}: revoking ({name})")
        try:
            result: HookResult = hook.run(finding, action, run.tools)
        except Exception as e:
            # It may have got through before it failed: the issuer is asked, and the other findings still get their turn.
            result = HookResult("failed", f"it failed unexpectedly ({type(e).__name__})")
        result = replace(result, detail=scrub(result.detail, secrets_of(finding)))
        if result.state == "not-applicable":
            _write(finding, run, "outcome", hook=name, intent=intent["seq"], state=result.state, detail=result.detail)
            reasons.append(f"{name}: {result.detail}")
            continue
        finding, outcome = _confirmed(finding, name, effect, result, run)
        try:
            _write(finding, run, "outcome", hook=name, intent=intent["seq"], state=outcome.state, detail=outcome.detail)
        except JournalError as e:
            # The hook has acted: what it came to is told even if it cannot be written. The intent stays open, and the
            # next run asks the issuer.
            run.say(f"{e}; the next run that finds it closes its entry")
        run.say(
            f"{finding.name} {finding.secret}: {outcome.state}" + (f" ({outcome.detail})" if outcome.detail else "")
        )
        return replace(finding, outcome=outcome)
    return replace(finding, outcome=Outcome("failed", plan.hook, "; ".join(reasons) or "no hook applies", plan.effect))


def _confirmed(finding: Finding, hook: str, effect: str, result: HookResult, run: _Run) -> tuple[Finding, Outcome]:
    """Ask the issuer until it calls the secret dead or patience ends; a failed hook may have done it too."""
    waits = run.settings.recheck if result.state == "done" else run.settings.recheck[:1]
    asked = finding
    for wait in waits:
        if wait:
            run.tools.clock.sleep(wait)
        asked = _asked(finding, run)
        if asked.verdict and asked.verdict.state == "dead":
            break
    verdict = asked.verdict
    said = {"done": "", "already-dead": "", "later": "it asked for later", "failed": "it failed"}[result.state]
    told = ": ".join(part for part in (said, result.detail) if part)
    if verdict and verdict.state == "dead":
        return asked, Outcome("already-dead" if result.state == "already-dead" else "revoked", hook, told, effect)
    if result.state == "failed":
        return asked, Outcome("failed", hook, result.detail, effect)
    still = "the issuer still calls it live"
    if verdict is None or verdict.state != "live":
        still = f"the issuer has not confirmed it ({verdict.reason if verdict else 'not asked'})"
    return asked, Outcome("pending", hook, "; ".join(part for part in (told, still) if part), effect)


def _write(finding: Finding, run: _Run, kind: str, *, detail: str, **fields: Any) -> dict[str, Any]:
    if run.settings.dry_run:
        return {"seq": 0}
    hidden = secrets_of(finding)
    identity = finding.verdict.identity if finding.verdict else {}
    paths = dict.fromkeys(scrub(place.path or f"({place.source})", hidden) for place in finding.locations)
    return run.journal.append(
        kind,
        fingerprint=run.journal.fingerprint(finding.secret),
        rule=finding.rule,
        rule_digest=rule_digest(run.actions(finding.rule)),
        provider=finding.provider,
        identity={name: scrub(str(value), hidden) for name, value in identity.items()},
        places=list(paths)[:PLACES],
        detail=scrub(detail, hidden, 500),
        **fields,
    )
