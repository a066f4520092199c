"""Runs a rule's requests: the steps on the way, the one that decides, and the conditions on its answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import jmespath
from jmespath.exceptions import JMESPathError

from scanner.model import Finding
from scanner.verify.interface import Action, Answer, Asker, Unanswered, Unaskable
from scanner.verify.settings import VerifySettings
from scanner.verify.template import render_call


@dataclass(frozen=True)
class Result:
    """What an exchange came to: the names of the condition sets that hold, and what was read from the answers."""

    answer: Answer
    held: tuple[str, ...]
    saved: Mapping[str, Any] = field(default_factory=dict, repr=False)
    identity: Mapping[str, Any] = field(default_factory=dict, repr=False)


def variables(finding: Finding, spec: Mapping[str, Any], settings: VerifySettings) -> dict[str, Any]:
    """What a rule's templates may use: `secret`, the companions, `endpoint`, and `owner` as far as `spec` names it.

    Unaskable when a value is no text or an administrator's credential is not configured.
    """
    values: dict[str, Any] = {}
    try:
        values["secret"] = finding.secret.reveal().decode()
        values |= {name: secret.reveal().decode() for name, secret in finding.companions}
    except UnicodeDecodeError:
        raise Unaskable("its value is not text") from None
    if endpoint := settings.endpoint(finding.rule, finding.provider):
        values["endpoint"] = endpoint
    owner = {name: settings.credential(finding.rule, finding.provider, name) for name in spec.get("owner") or {}}
    if missing := sorted(name for name, value in owner.items() if value is None):
        raise Unaskable(f"needs an administrator's credential: {', '.join(missing)}")
    values["owner"] = SimpleNamespace(**owner)
    return values


def run(
    spec: Mapping[str, Any],
    values: Mapping[str, Any],
    sets: Mapping[str, Sequence[Mapping[str, Any]]],
    domains: Sequence[str],
    settings: VerifySettings,
    ask: Asker,
    *,
    again: bool = True,
) -> Result:
    """Ask `spec`'s steps and request, and say which of `sets` (name to conditions, of which any may hold) hold.

    `again` is false where what changes something must not be repeated. Raises Unaskable and Unanswered.
    """
    known = dict(values)
    saved: dict[str, Any] = {}
    for number, step in enumerate(spec.get("steps") or (), 1):
        call = render_call(step["request"], known, domains, settings)
        answer = ask(call, again=again or call.method in ("GET", "HEAD"))
        document = answer.document()
        if not holds(step.get("expect") or [{"status": [200]}], document):
            raise Unanswered(f"{answer.host} answered {answer.status} to step {number}, which the rule does not expect")
        for name, expression in (step.get("save") or {}).items():
            value = search(expression, document)
            if value is None:
                raise Unanswered(f"{answer.host} answered step {number} without the {name} that the rule looks for")
            known[name] = saved[name] = value
    answer = ask(render_call(spec["request"], known, domains, settings), again=again)
    document = answer.document()
    found = {name: search(expression, document) for name, expression in (spec.get("identity") or {}).items()}
    return Result(answer, tuple(name for name, any_of in sets.items() if holds(any_of, document)), saved, found)


def conditions(value: Any) -> list[Mapping[str, Any]]:
    """One condition or a list of them, as a list."""
    return [] if value is None else [value] if isinstance(value, Mapping) else list(value)


def holds(any_of: Any, document: Mapping[str, Any]) -> bool:
    """True when one of the conditions holds; an expression that cannot be evaluated on this answer does not."""
    return any(_holds(condition, document) for condition in conditions(any_of))


def _holds(condition: Mapping[str, Any], document: Mapping[str, Any]) -> bool:
    if condition.get("status") and document["status"] not in condition["status"]:
        return False
    expression = condition.get("match")
    return expression is None or bool(search(expression, document))


def search(expression: str, document: Mapping[str, Any]) -> Any:
    """A JMESPath expression's value, None where it has none or does not fit the answer."""
    try:
        return jmespath.search(expression, document)
    except (JMESPathError, TypeError, ValueError, RecursionError):
        return None


def explain_missing(problem: str, action: Action) -> str:
    """`problem` in words that say where the missing value comes from."""
    for companion in action.get("with") or ():
        if problem == f"needs {companion['name']}, which is not known here":
            return f"needs the {companion['rule']} that belongs to it, and none stands near by"
    if problem == "needs endpoint, which is not known here":
        return "needs the service's address (verify.endpoints in the configuration)"
    return problem
