"""Checker for JSON Web Tokens: reads the expiry without asking anybody. Only an expired one is known to be dead."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import Any

from scanner.model import Finding, Verdict
from scanner.verify.clean import identity
from scanner.verify.interface import Asker, Clock, Unaskable
from scanner.verify.settings import VerifySettings


def _part(text: str) -> dict[str, Any]:
    try:
        part = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (ValueError, RecursionError):
        part = None
    if not isinstance(part, dict):
        raise Unaskable("not a JSON Web Token")
    return part


def check(finding: Finding, settings: VerifySettings, ask: Asker, clock: Clock) -> Verdict:
    """dead when `exp` (RFC 7519, 4.1.4) has passed, unknown otherwise; no signature is checked."""
    parts = finding.secret.reveal().decode("utf-8", "replace").split(".")
    if len(parts) < 3:
        raise Unaskable("not a JSON Web Token")
    header, claims = _part(parts[0]), _part(parts[1])
    found = {"issuer": claims.get("iss"), "subject": claims.get("sub"), "algorithm": header.get("alg")}
    expires = claims.get("exp")
    when = None
    if isinstance(expires, int | float) and not isinstance(expires, bool):
        try:
            when = datetime.fromtimestamp(expires, UTC)
        except (OverflowError, ValueError, OSError):
            when = None
    if when is None:
        return Verdict("unknown", "it names no expiry; only its issuer can tell", identity(found, finding.secret))
    stamp = when.strftime("%Y-%m-%dT%H:%M:%SZ")
    said = identity({**found, "expires": stamp}, finding.secret)
    if when.timestamp() <= clock.time():
        return Verdict("dead", f"it expired at {stamp}", said)
    return Verdict("unknown", f"it expires at {stamp}; until then only its issuer can tell", said)
