"""What a hook is: two functions, `effect` and `run`, in a module of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Literal, Protocol

from scanner.model import Finding
from scanner.revoke.settings import RevokeSettings
from scanner.verify.interface import Action, Asker, Clock
from scanner.verify.settings import VerifySettings

State = Literal["done", "already-dead", "later", "failed", "not-applicable"]


@dataclass(frozen=True)
class HookResult:
    """What a hook came to. `detail` is for people, and may still hold a secret: the caller cleans it."""

    state: State
    detail: str = ""


@dataclass(frozen=True)
class Tools:
    """What hooks work with: the settings of both rooms, the way to the network, and the time."""

    revoke: RevokeSettings
    verify: VerifySettings
    ask: Asker
    clock: Clock


class Hook(Protocol):
    """The functions of each module in this folder."""

    def effect(self, finding: Finding, action: Action, tools: Tools) -> str | None:
        """What running it would do, in a sentence or two, or None when it does not apply. Touches no network."""
        ...

    def run(self, finding: Finding, action: Action, tools: Tools) -> HookResult:
        """Revoke the secret, or say why not. Does not raise for what the other side does."""
        ...


def load(name: str) -> ModuleType:
    """The module of a hook by its name in the settings."""
    from scanner.revoke.hooks import command, database, plugin, rule, webhook

    return {"rule": rule, "database": database, "command": command, "webhook": webhook, "plugin": plugin}[name]


def payload(finding: Finding, reveal: Callable[[bytes], str] | None) -> dict[str, Any]:
    """The JSON that commands and webhooks are given; `reveal` None leaves the secrets out."""
    identity: Mapping[str, Any] = finding.verdict.identity if finding.verdict else {}
    told: dict[str, Any] = {
        "version": 1,
        "rule": finding.rule,
        "provider": finding.provider,
        "name": finding.name,
        "severity": finding.severity,
        "fingerprint": finding.fingerprint,
        "identity": dict(identity),
        "locations": [
            {
                "source": place.source,
                "path": place.path,
                "line": place.start_line,
                "commit": place.commit,
                "author": place.author,
                "date": place.date,
                "at_head": place.at_head,
            }
            for place in finding.locations
        ],
    }
    if reveal:
        told["secret"] = reveal(finding.secret.reveal())
        told["companions"] = {name: reveal(secret.reveal()) for name, secret in finding.companions}
    return told


def as_text(value: bytes) -> str:
    """A secret in JSON: bytes that are no UTF-8 stand as lone surrogates U+DC80 to U+DCFF, as in Python's paths."""
    return value.decode("utf-8", "surrogateescape")
