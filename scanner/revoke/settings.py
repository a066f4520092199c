"""What the user allows to be done about live secrets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from scanner.model import Severity

Mode = Literal["plan", "ask", "auto"]
HookName = Literal["rule", "database", "command", "webhook", "plugin"]
HOOKS: tuple[HookName, ...] = ("rule", "database", "command", "webhook", "plugin")


@dataclass(frozen=True)
class Webhook:
    """An address that is told to revoke. `key` gives the key that signs what is sent, and is called when it is sent."""

    url: str
    key: Callable[[], str]
    include_secret: bool = False


@dataclass(frozen=True)
class DatabaseOwner:
    """Who may lock users of a database server: a URL without a password, and what gives that, called when it is needed."""

    url: str
    password: Callable[[], str]


@dataclass(frozen=True)
class Allowance:
    """One line of the policy for `auto`: what may be revoked without asking.

    Patterns are those of `fnmatch`, `*` crossing slashes. Every place of a secret must match one of `paths`; a place
    without a path (standard input) is matched as `-`. `max_per_run` counts what this line has allowed in a run.
    """

    rules: tuple[str, ...] = ("*",)
    paths: tuple[str, ...] = ("*",)
    min_severity: Severity = "low"
    max_per_run: int = 10


@dataclass(frozen=True)
class RevokeSettings:
    """How and when secrets are revoked. Administrators' credentials stand in `VerifySettings.owner`."""

    journal: Path
    mode: Mode = "plan"
    hooks: tuple[HookName, ...] = HOOKS
    """Tried in this order until one applies."""
    command: tuple[str, ...] = ()
    """Program and arguments. It runs in the root folder, so that nothing of a scanned folder is picked up."""
    command_timeout: float = 60.0
    """Seconds."""
    webhook: Webhook | None = None
    databases: tuple[DatabaseOwner, ...] = ()
    auto: tuple[Allowance, ...] = ()
    recheck: tuple[float, ...] = (0.0, 1.0, 3.0, 10.0, 20.0)
    """Seconds to wait before each time the issuer is asked again after a hook said done."""
    fresh: float = 900.0
    """Seconds; a live verdict that is older is asked for again before anything is done."""
