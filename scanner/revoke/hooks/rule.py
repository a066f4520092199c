"""Hook: the rule's own revocation request, as the provider documents it."""

from __future__ import annotations

from scanner.model import Finding
from scanner.revoke.hooks.interface import HookResult, Tools
from scanner.verify.interface import Action, Unanswered, Unaskable


def effect(finding: Finding, action: Action, tools: Tools) -> str | None:
    spec = action.get("revoke")
    if spec is None:
        return None
    credential = tools.verify.credential
    if any(credential(finding.rule, finding.provider, name) is None for name in spec.get("owner") or {}):
        return None
    return str(spec["effect"])


def run(finding: Finding, action: Action, tools: Tools) -> HookResult:
    from scanner.verify import exchange

    spec = action.get("revoke")
    if spec is None:
        return HookResult("not-applicable", "the rule has no revocation request")
    sets = {"done": exchange.conditions(spec["done"]), "already": exchange.conditions(spec.get("already"))}
    try:
        values = exchange.variables(finding, spec, tools.verify)
        result = exchange.run(spec, values, sets, action.get("domains") or (), tools.verify, tools.ask, again=False)
    except Unaskable as e:
        return HookResult("not-applicable", exchange.explain_missing(str(e), action))
    except Unanswered as e:
        return HookResult("later" if e.busy else "failed", str(e))
    said = f"{result.answer.host} answered {result.answer.status}"
    if "done" in result.held:
        return HookResult("done", said)
    if "already" in result.held:
        return HookResult("already-dead", said)
    return HookResult("failed", f"{said}, which is not what its rule calls done")
