"""Makes text from elsewhere fit to be shown: no secret in it, nothing a terminal acts upon, and not too long."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

from scanner.model import Finding, Secret, printable

LONGEST = 200
"""Characters kept of a text."""


def secrets_of(finding: Finding) -> tuple[Secret, ...]:
    """The finding's secret and those that stand near it."""
    return (finding.secret, *(secret for _, secret in finding.companions))


def forms(secret: Secret) -> list[str]:
    """How a secret is likely to be written: plain, URL-escaped, base64, hexadecimal."""
    value = secret.reveal()
    plain = value.decode("utf-8", "replace")
    found = [plain, quote(value, safe=""), base64.b64encode(value).decode(), value.hex(), json.dumps(plain)[1:-1]]
    return sorted({form for form in found if len(form) >= 4}, key=len, reverse=True)


def scrub(text: str, secrets: Iterable[Secret], limit: int = LONGEST) -> str:
    """`text` with every secret replaced by its redaction, printable, on one line, at most `limit` characters."""
    for secret in secrets:
        for form in forms(secret):
            text = text.replace(form, secret.redacted)
    text = printable(" ".join(text.split()).encode("utf-8", "replace"))
    return text if len(text) <= limit else text[: limit - 1] + "…"


def identity(found: Mapping[str, Any], secret: Secret) -> dict[str, Any]:
    """What an answer said of a token, fit to be shown: no empty value, and none that holds the secret."""
    kept: dict[str, Any] = {}
    for name, value in found.items():
        if value is None or value in ("", [], {}):
            continue
        whole = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
        if any(form.lower() in whole.lower() for form in forms(secret)):
            continue
        if isinstance(value, bool | int | float):
            kept[name] = value if len(whole) <= LONGEST else scrub(whole, ())
        elif isinstance(value, list) and all(isinstance(item, str | int | float) for item in value):
            kept[name] = scrub(", ".join(str(item) for item in value), ())
        else:
            kept[name] = scrub(whole, ())
    return kept
