"""Which servers a password may open: read from what stands around it, the words given by the user, or a configured URL."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import unquote, urlsplit

from scanner.model import Finding
from scanner.verify.databases.interface import Target
from scanner.verify.interface import Unaskable
from scanner.verify.settings import DATABASES, VerifySettings, database_place_of

OTHERS = ("masterauth", "primaryauth")
"""Settings of Redis that hold the password for another server, whose user stands elsewhere (`masteruser`)."""


def targets(finding: Finding, settings: VerifySettings) -> list[Target | Unaskable]:
    """Every server that stands around a finding, each once; in place of one that cannot be told, why.

    What was given by hand, as companions, stands for what the text would say.
    """
    try:
        given = {name: secret.reveal().decode() for name, secret in finding.companions}
    except UnicodeDecodeError:
        return [Unaskable("what belongs to it is not text")]
    found: dict[Target | str, Target | Unaskable] = {}
    for parts in finding.around or ((),):
        try:
            target = _target({**dict(parts), **given}, settings.endpoint(finding.rule, finding.provider))
            found.setdefault(target, target)
        except Unaskable as e:
            found.setdefault(str(e), e)
    return list(found.values())


def target_of(url: str) -> Target:
    """The server and login of a URL without a password. ValueError when it is none."""
    host, port = database_place_of(url)
    parts = urlsplit(url)
    if parts.password is not None:
        raise ValueError("a password stands in it, where others may read it")
    kind = DATABASES[parts.scheme][0]
    return Target(kind, unquote(parts.username or ""), host, port, unquote(parts.path[1:]), parts.scheme == "rediss")


def _target(parts: Mapping[str, str], endpoint: str | None) -> Target:
    percent = parts.get("escapes") == "percent"
    scheme = parts.get("scheme", "")
    if scheme not in DATABASES:
        raise Unaskable(
            f"no way to ask a {scheme} server is known" if scheme else "what kind of server it opens is not known"
        )
    kind, usual = DATABASES[scheme]
    user, database = (unquote(parts.get(name, "")) if percent else parts.get(name, "") for name in ("user", "database"))
    host, port = parts.get("host", "").strip("[]"), parts.get("port", "")
    tls = scheme == "rediss"
    if endpoint and "host" not in parts:
        try:
            own = target_of(endpoint)
        except ValueError:
            raise Unaskable("its address under verify.endpoints is none of a database") from None
        if own.kind != kind:
            raise Unaskable(f"its address under verify.endpoints is none of {kind}")
        host, port, tls, user = own.host, str(own.port), own.tls, user or own.user
    if not host or host == "*":
        raise Unaskable("its server is not named beside it (verify.endpoints in the configuration can)")
    if not user and kind != "redis":
        raise Unaskable("its user is not named beside it")
    number = int(port) if re.fullmatch(r"[0-9]{1,5}", port) else usual
    if not 0 < number < 65536:
        raise Unaskable("its port is none")
    sure = parts.get("setting") not in OTHERS
    return Target(kind, user, host.lower(), number, "" if database == "*" else database, tls, sure)
