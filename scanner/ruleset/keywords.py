"""A rule for a user's own words that announce a secret, made as a rule file is."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

NAME = "generic-own-keys.yaml"
ANCHOR = r"""(?i)(?:%s)[\w.$-]{0,24}["'`\\\])]{0,3}[ \t]{0,12}[=:]"""
VALUE = (
    r"""[=>]?[ \t]{0,12}(?P<quote>["'`])?(?P<secret>(?(quote)(?!(?P=quote))[^\r\n]{1,400}?(?=(?P=quote))|"""
    r"""[^\s"'`,&<>;][^\s"`,&<>;]{1,198}[^\s"'`,;:&<>(){}\[\]\\]))"""
)


def rule_file(words: Sequence[str]) -> dict[str, bytes]:
    """The file's name and content for assignments to a key with one of `words` in it; nothing where there are none."""
    if not words:
        return {}
    anchor = ANCHOR % "|".join("".join(_escaped(c) for c in word.encode()) for word in sorted(set(words)))
    page = "https://cheatsheetseries.owasp.org/cheatsheets/Secrets_Management_Cheat_Sheet.html"
    first = sorted(words)[0]
    rule = {
        "id": "generic-own-key",
        "name": "Secret under a key of your own",
        "severity": "medium",
        "confidence": "high",
        "rank": "generic",
        "scored": True,
        "look": "assignment",
        "pattern": anchor + VALUE,
        "anchor": anchor,
        "token": "[0-9A-Za-z]{8}[0-9A-Za-z!#%+-]{8,24}",
        "examples": [form % first for form in ('%s="{token}"', "%s: '{token}'", '"%s": "{token}"', "%s={token}")],
        "rejects": [f"{first}=${{VALUE}}", f'{first} = "changeme"'],
        "docs": page,
        "rotate": page,
    }
    file = {"provider": "Your own", "home": "https://owasp.org", "rules": [rule]}
    return {NAME: json.dumps(file).encode()}  # JSON is YAML


def _escaped(c: int) -> str:
    return re.escape(chr(c)) if c < 128 else f"\\x{c:02x}"
