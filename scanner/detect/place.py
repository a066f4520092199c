"""What a value without a format is not: a reference, a call, a type, a path, a hash, plain words.

Looks at the value and at the bytes right beside it.
"""

from __future__ import annotations

import re

REFERENCE = re.compile(
    rb"\$\{?[A-Za-z_(]|%[A-Za-z_]\w*%|\{\{|<%|#\{|@@?[A-Z_]+@@?|%\(|\$\(|^\$|^@\{|^!|^&|^\*"
    rb"|(?:os\.)?(?:environ|getenv)\b|process\.env|ENV\[|System\.getenv|secrets?\.|vars?\.|params?\.|config[.\[]|settings\.|self\.|this\."
    rb"|vault:|arn:aws:|projects/[^/]+/secrets/|ssm:|op://|keyring:",
    re.IGNORECASE,
)
CODE = re.compile(
    rb"[A-Za-z_][\w.]*\(|->|=>|::|\w\[|\(\)|;$|^function\b|^new |^null$|^none$|^true$|^false$|^undefined$",
    re.IGNORECASE,
)
IDENTIFIER = re.compile(rb"[A-Za-z_$][A-Za-z_$]*(?:\.[A-Za-z_$][\w$]*)*\Z")
WORDS = re.compile(rb"[A-Za-z]*(?:[-_. ][A-Za-z]+)*[-_.]?\Z")
CAMEL = re.compile(rb"[A-Z]?[a-z]+(?:[A-Z][a-z]+)+\d?\Z")
PATH = re.compile(
    rb"(?:[a-z]+://|\.{0,2}/|~/|[A-Za-z]:\\)[\w./\\@%+~-]*\Z|[\w.-]+(?:/[\w.-]+){2,}\Z|[\w-]+\.(?:pem|key|crt|json|ya?ml|txt|php|py|js|ts|html?|java|go|rb|cfg|conf|ini|xml|env)\Z"
)
UUID = re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\Z", re.IGNORECASE)
PUBLIC_KEY = re.compile(rb"public[ _-]?key[\w ]{0,12}[\"'\s:=]*\Z", re.IGNORECASE)
HASH_KEY = re.compile(
    rb"(?:sha\d*|md5|hash|digest|checksum|integrity|etag|commit|revision|fingerprint|thumbprint|signature)[\"'\s:=_-]*\Z",
    re.IGNORECASE,
)
HASH = re.compile(rb"(?:sha\d+-)?(?:[0-9a-f]{32}|[0-9a-f]{40}|[0-9a-f]{64}|[0-9a-f]{128})\Z|sha\d+[-:]", re.IGNORECASE)


BEFORE = 40
"""Bytes before a value that are looked at."""


def not_a_literal(before: bytes, value: bytes, behind: bytes) -> str:
    """Why a value in a secret's place is none of its own; "" when it may be one. `before` are the last BEFORE bytes before
    it, and `behind` is the byte behind it."""
    quoted = before[-1:] in (b'"', b"'", b"`")
    try:
        value.decode()
    except UnicodeDecodeError:
        return "binary"
    if PUBLIC_KEY.search(before):
        return "a public key"
    if REFERENCE.search(value) or before[-2:] == b"${":
        return "a reference to a value kept elsewhere"
    if CODE.search(value) or (not quoted and behind in (b"(", b"[")):
        return "code, not a value"
    if PATH.match(value):
        return "a path"
    if UUID.match(value):
        return "a UUID"
    if HASH.match(value) and HASH_KEY.search(before):
        return "a hash"
    if not quoted and IDENTIFIER.match(value):
        return "an identifier"
    if WORDS.match(value) or CAMEL.match(value):
        return "words"
    if not any(48 <= c <= 57 for c in value):
        return "no digit in it"
    return ""
