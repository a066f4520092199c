"""Marks in the scanned text itself: `deadkey:allow` on a secret's line, and those people already have from other tools.

`deadkey:allow` is for any rule, `deadkey:allow[github-pat, aws-*]` for those it names.
The others: gitleaks (`gitleaks:allow`), betterleaks (`betterleaks:allow`), TruffleHog (`trufflehog:ignore`),
detect-secrets (`pragma: allowlist secret`, and `pragma: allowlist nextline secret` on the line before).
"""

from __future__ import annotations

import re
from fnmatch import fnmatchcase

_HERE = re.compile(
    rb"deadkey:allow(?:\[(?P<rules>[^\]\r\n]*)\])?"
    rb"|gitleaks:allow|betterleaks:allow|trufflehog:ignore|pragma: ?(?:allow|white)list[ -]secret",
    re.IGNORECASE,
)
_ABOVE = re.compile(rb"pragma: ?(?:allow|white)list[ -]nextline[ -]secret", re.IGNORECASE)


def allowed(line: bytes, before: bytes, rule: str) -> str | None:
    """The mark that allows a match of `rule` on `line` (the line before it being `before`), or None."""
    for found in _HERE.finditer(line):
        names = found["rules"]
        if names is None or any(
            fnmatchcase(rule, n.strip()) for n in names.decode("ascii", "replace").lower().split(",")
        ):
            return found[0].decode("ascii", "replace")
    above = _ABOVE.search(before)
    return above[0].decode() if above else None
