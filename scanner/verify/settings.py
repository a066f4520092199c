"""What the user allows and wants when secrets are checked against their issuers."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

DATABASES = {
    "postgres": ("postgresql", 5432),
    "postgresql": ("postgresql", 5432),
    "mysql": ("mysql", 3306),
    "mariadb": ("mysql", 3306),
    "redis": ("redis", 6379),
    "rediss": ("redis", 6379),
}
"""By the scheme of a URL: the kind of server, and its usual port."""

PASSWORDS = {"postgresql": "PGPASSWORD", "mysql": "MYSQL_PWD", "redis": "REDISCLI_AUTH"}
"""By kind: the environment variable in which the system's own programs look for a password."""

Owner = Callable[[str], str | None] | Mapping[str, str]


@dataclass(frozen=True)
class VerifySettings:
    """How questions are asked. Hosts are lower case; an IPv6 address stands in brackets when a port follows."""

    timeout: float = 10.0
    """Seconds to connect, and to wait for bytes; a whole answer may take twice as long."""
    concurrency: int = 32
    per_host: int = 8
    """Requests at once to one host."""
    per_host_rate: float = 20.0
    """Requests a second to one host."""
    hosts: frozenset[str] = frozenset()
    """`host` or `host:port` that may be asked although its address is private or it was read from scanned text."""
    plain_http: frozenset[str] = frozenset()
    """`host:port` that may be asked without TLS."""
    endpoints: Mapping[str, str] = field(default_factory=dict)
    """Base address of a self-hosted service by rule id or provider: what `{{ endpoint }}` stands for."""
    owner: Owner = field(default_factory=dict, repr=False)
    """Administrators' credentials by name, asked for only when a request needs one; None or missing: not given."""
    ca_bundle: str | None = None
    """File or folder of certificate authorities to trust instead of the usual ones."""
    retries: int = 2
    """How often a request is repeated after 429, 502, 503, 504 or a broken connection."""

    def allows(self, host: str, port: int) -> bool:
        """True when the user named this host."""
        return host.lower() in self.hosts or place(host, port) in self.hosts

    def endpoint(self, rule: str, provider: str) -> str | None:
        """The user's base address for a rule, without a slash at its end."""
        for name in (rule, provider, slug(provider)):
            if name in self.endpoints:
                return self.endpoints[name].rstrip("/")
        return None

    def credential(self, rule: str, provider: str, name: str) -> str | None:
        """An administrator's credential: `<rule>.<name>`, `<provider>.<name>` (in lower case), or plain `<name>`."""
        for key in (f"{rule}.{name}", f"{slug(provider)}.{name}", name):
            value = self.owner(key) if callable(self.owner) else self.owner.get(key)
            if value is not None:
                return value
        return None


def place(host: str, port: int) -> str:
    """`host:port` as it is written in settings."""
    host = host.lower()
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def place_of(url: str) -> tuple[str, int]:
    """Host (lower case, no brackets) and port of an http or https address. ValueError when there is none."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("not an http or https address")
    return parts.hostname, parts.port or (443 if parts.scheme == "https" else 80)


def database_place_of(url: str) -> tuple[str, int]:
    """Host and port, or the usual one, of a database server's URL. ValueError when it is none."""
    parts = urlsplit(url)
    if parts.scheme not in DATABASES or not parts.hostname:
        raise ValueError("not the address of a database server")
    return parts.hostname, parts.port or DATABASES[parts.scheme][1]


def agent() -> str:
    """`deadkey/<version>`, as hosts and the journal are told; version 0 when it is not installed."""
    from importlib import metadata

    try:
        return f"deadkey/{metadata.version('deadkey')}"
    except metadata.PackageNotFoundError:
        return "deadkey/0"


def slug(provider: str) -> str:
    """`GitLab Inc.` as `gitlab-inc`."""
    return re.sub(r"[^a-z0-9]+", "-", provider.lower()).strip("-")
