"""Hook: the rule's own revocation request, as the provider documents it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from scanner.model import Finding
from scanner.revoke.hooks.interface import HookResult, Tools
from scanner.verify.interface import Action, Unanswered, Unaskable


def doubt(finding: Finding, action: Action) -> str:
    """Why the rule's own request could end another credential's life; "" when it cannot.

    A companion of which several stand near is sure only if the live answer was had with it.
    """
    from scanner.verify.template import variables

    def used(part: str) -> set[str]:
        return set().union(*(variables(text) for text in _strings(action.get(part)))) if finding.rivals else set()

    unsure = sorted(set(finding.rivals) & used("revoke") - used("verify"))
    return f"more than one {', '.join(unsure)} stands near it, and its own is not known" if unsure else ""


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _strings(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _strings(inner)


def effect(finding: Finding, action: Action, tools: Tools) -> str | None:
    spec = action.get("revoke")
    if spec is None or doubt(finding, action):
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
    if unsure := doubt(finding, action):
        return HookResult("not-applicable", unsure)
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
