"""What the parts of this room hand each other: the server meant, the ways to be turned away, and what each kind offers."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from types import ModuleType
from typing import Any, NamedTuple, Protocol

from scanner.model import Severity
from scanner.verify.settings import place

LIST = 50
"""Roles, grants and databases that are read at most."""


class Target(NamedTuple):
    """A server and a login on it, as a URL names them. `kind` is postgresql, mysql (MariaDB too) or redis."""

    kind: str
    user: str
    host: str
    port: int
    database: str = ""
    tls: bool = False
    """TLS with a checked certificate, whatever `verify.plain_http` says."""
    sure: bool = True
    """False where the password may belong to another user than this one: a refusal then proves nothing."""

    @property
    def place(self) -> str:
        return place(self.host, self.port)


class Facts(NamedTuple):
    """What a session tells: `identity` for the verdict, and the severity that follows; None: the rule's own."""

    identity: dict[str, Any]
    severity: Severity | None


class Denied(Exception):
    """The server does not take this password for this user. Never holds a secret."""


class Entered(Exception):
    """The server took the password, but opens no session for it. Never holds a secret."""


class Session(Protocol):
    """An open connection; what else it can do is its kind's business."""

    def close(self) -> None: ...


class Kind(Protocol):
    """The functions of each kind's module."""

    def databases(self, target: Target) -> Sequence[str]:
        """Databases to name when connecting, in the order in which to try them."""
        ...

    def open(self, target: Target, password: bytes, line: Any, trust: ssl.SSLContext | None) -> Any:
        """A session over the connected socket `line`; `trust` None: TLS is not asked for. Raises Denied, Entered,
        Unanswered, and Unaskable where the library is missing."""
        ...

    def account(self, session: Any, target: Target) -> str:
        """Whom the server calls the one who is logged in."""
        ...

    def facts(self, session: Any) -> Facts:
        """What there is to know of the login, by asking alone. May raise whatever the library raises."""
        ...


def load(kind: str) -> Kind | ModuleType:
    """The module of a kind by its name."""
    from scanner.verify.databases import mysql, postgresql, redis

    return {"postgresql": postgresql, "mysql": mysql, "redis": redis}[kind]
