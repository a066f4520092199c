"""What the user allows to be done about live secrets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from scanner.model import Severity

Mode = Literal["plan", "ask", "auto"]
HookName = Literal["rule", "database", "command", "webhook", "plugin"]
Form = Literal["slack", "teams", "pagerduty", "json"]
State = Literal["live", "unknown", "dead", "revoked", "already-dead", "pending", "failed", "refused"]
TOLD: tuple[State, ...] = ("live", "revoked", "pending", "failed", "refused")
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
    """One line of the policy for `auto`: what may be revoked without asking. What is empty or None asks nothing.

    Patterns are those of `fnmatch`, `*` crossing slashes. Every place of a secret must match one of `paths`; a place
    without a path (standard input) is matched as `-`. `max_per_run` counts what this line has allowed in a run.
    """

    rules: tuple[str, ...] = ("*",)
    paths: tuple[str, ...] = ("*",)
    min_severity: Severity = "low"
    max_per_run: int = 10
    identities: tuple[str, ...] = ()
    """Patterns of the account that the issuer named, or of `name=value` of what else it said of the token."""
    environments: tuple[str, ...] = ()
    """Names of `RevokeSettings.environments`: every place must be of one of these, and of no other."""
    older_than: float | None = None
    """Seconds since the oldest place came in, at least. A commit's date is what its author wrote."""
    newer_than: float | None = None
    """Seconds since the oldest place came in, at most; a place without a date could be older."""


@dataclass(frozen=True)
class TwoPerson:
    """Plans that one person signs and another carries out. Keys are Ed25519 in the forms of OpenSSH."""

    key: Callable[[], str] | None = None
    """Gives the private key of the one who runs this; called when it is needed."""
    signers: Mapping[str, str] = field(default_factory=dict)
    """Whose plans are carried out here: public keys by name."""
    required: bool = False
    """Nothing is revoked without such a plan."""
    valid: float = 86_400.0
    """Seconds for which a plan that is made here holds."""


@dataclass(frozen=True)
class Notice:
    """Who is told what a run came to, in which form. `url` is called when there is something to tell: it is a credential.

    `key` gives PagerDuty's routing key, or for `json` the key that signs.
    """

    form: Form
    url: Callable[[], str]
    key: Callable[[], str] | None = None
    when: tuple[State, ...] = TOLD
    min_severity: Severity = "low"


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
    max_per_run: int | None = None
    """Secrets at most that one run revokes without a question, whichever lines allow them."""
    max_per_hour: int | None = None
    """The same for the last hour of the journal, whoever ran and in whichever mode."""
    environments: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """The user's names for places: patterns of paths by name."""
    two_person: TwoPerson = TwoPerson()
    dry_run: bool = False
    """Go the whole way, but write nothing and call no hook."""
    recheck: tuple[float, ...] = (0.0, 1.0, 3.0, 10.0, 20.0)
    """Seconds to wait before each time the issuer is asked again after a hook said done."""
    fresh: float = 900.0
    """Seconds; a live verdict that is older is asked for again before anything is done."""
