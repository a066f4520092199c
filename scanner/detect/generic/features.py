"""What the score sees of a candidate: numbers about its value, its key and its place.

`NAMES` gives their order. They need no path: one content can stand at many.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

from scanner.detect.entropy import entropy
from scanner.detect.generic.place import Place
from scanner.detect.generic.words import LEET, share, surprise

PARTS = re.compile(rb"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")
HEX = re.compile(rb"(?:0x)?[0-9a-fA-F]{8,}\Z")
BASE64 = re.compile(rb"[A-Za-z0-9+/_-]{12,}={0,2}\Z")
SNAKE = re.compile(rb"[A-Za-z][a-z0-9]*(?:[_-][A-Za-z0-9]+)+\Z|[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\Z")
CAMEL = re.compile(rb"[A-Za-z][a-z]+(?:[A-Z][a-z]+)+\Z")
COMMENT = re.compile(rb"\s*(?:#|//|/?\*|--|;|<!--|%|rem\b)", re.IGNORECASE)
SECRETISH = re.compile(rb"pass|pwd|secret|token|key|auth|cred|login|user|admin|root")
TESTISH = re.compile(
    rb"test|example|sample|demo|dummy|fake|mock|foo|bar|baz|qux|invalid|wrong|bad|random|some|your|my|new|old|any|temp|xxx|abc|123|"
    rb"hello|world|string|value|here|change|insert|replace|todo|none|null|undefined|default"
)
SHOWN = re.compile(rb"assert|expect|should|test|raise|throw|fail|error|warn|log|print|echo|message|describe|\bit\b", re.IGNORECASE)
DEFINED = re.compile(rb"\b(?:def|func|function|fn|class|interface|struct|type|enum|import|require|return|if|for|while|case)\b")
USER = re.compile(rb"user|login|email|account|host|server|name", re.IGNORECASE)
AFTER = re.compile(rb"[\"'`\\]{0,4}\s*[,;)\]}>]*\s*(?:\\n)?(?:#.*|//.*)?\Z")

FORMS = (
    "generic-secret",
    "generic-call",
    "generic-element",
    "generic-named-value",
    "generic-option",
    "generic-command",
    "sql-password",
    "authorization-header",
    "basic-auth-url",
    "database-url",
    "go-dsn",
)
"""The rules that are told apart; any other counts as the first."""

STRONG = (
    (rb"pass(?:word|wd|phrase|w|code)?|pwd|pswd|psw|pw|passwort|senha|contrase", "password"),
    (rb"secret", "secret"),
    (rb"token|jwt|bearer", "token"),
    (rb"key", "key"),
    (rb"auth|oauth|cred", "auth"),
    (rb"api|access|client|consumer|app", "api"),
    (rb"private|priv|encrypt|encryption|signing|cipher|aes|hmac|crypto|master|root|shared", "private"),
    (rb"db|database|mysql|postgres|pg|redis|mongo|smtp|mail|ldap|sql|ftp|ssh|rabbitmq|admin|root|user", "service"),
    (rb"test|fake|mock|dummy|example|invalid|wrong|bad|expected|old|new|temp|sample", "test"),
    (rb"id|name|label|title|text|description|desc|display|alias|username|names|ids|prefix|suffix|header|param|parameter|var|variable|env", "naming"),
    (rb"file|path|url|uri|dir|folder|location|endpoint|host|port|store|server|provider|source|ref|arn|link|href|page|route|redirect", "location"),
    (rb"type|length|len|size|count|num|min|max|format|regex|pattern|policy|strength|class|kind|algorithm|alg|mode|version|encoding|charset|level|rule|validator|validation|match", "shape"),
    (rb"expire|expires|expiry|expiration|ttl|timeout|time|date|age|lifetime|duration|interval|at|days|hours", "time"),
    (rb"public|pub|publishable|hash|hashed|salt|digest|fingerprint|encrypted|checksum|md5|sha|sha1|sha256|bcrypt|crypt|cert|certificate|nonce|iv|signature|site", "public"),
    (rb"input|button|page|hint|placeholder|confirm|confirmation|confirmed|form|field|fields|show|hide|forgot|forgotten|lost|reset|change|update|tooltip|error|msg|message|prompt|required|mandatory|please|enter|repeat|current|dialog|view|icon|incorrect", "screen"),
    (rb"is|has|use|enable|enabled|disable|disabled|require|allow|allowed|should|can|no|without|with|set|get|check|valid|validate|verify|generate|create|gen|make|read|write|parse|decode|encode|load|save|delete|remove|add", "verb"),
    (rb"index|idx|map|list|array|dict|primary|foreign|unique|cache|sort|row|board|press|event|code|codes|down|up|partition|block|column|table|lookup|hot|short|arrow|space|enter|ring|chain|value|values|pair|item|entry|group|by|for|of|in|to|from|and|or", "structure"),
)
_STRONG = [(re.compile(rb"(?:%b)\Z" % pattern), name) for pattern, name in STRONG]


def _numbers(place: Place) -> Iterator[tuple[str, float]]:
    value = place.value
    size = len(value)
    low = value.lower()
    digits = sum(48 <= c <= 57 for c in value)
    lower = sum(97 <= c <= 122 for c in value)
    upper = sum(65 <= c <= 90 for c in value)
    wide = sum(c > 127 for c in value)
    bits = entropy(value[:200])
    kinds = [0 if 48 <= c <= 57 else 1 if 97 <= c <= 122 else 2 if 65 <= c <= 90 else 3 for c in value[:200]]
    yield "size", min(size, 400)
    yield "digits", digits / size
    yield "lower", lower / size
    yield "upper", upper / size
    yield "other", (size - digits - lower - upper - wide) / size
    yield "wide", wide / size
    yield "entropy", bits
    yield "distinct", len(set(value)) / min(size, 64)
    yield "changes", sum(a != b for a, b in pairwise(kinds)) / size
    yield "letter-digit", sum({a, b} == {0, 1} or {a, b} == {0, 2} for a, b in pairwise(kinds))
    mean, worst = surprise(low)
    yield "surprise", mean
    yield "worst", worst
    yield "words", share(low)
    yield "leet", share(low.translate(LEET))
    yield "spaces", value.count(b" ")
    yield "hex", bool(HEX.match(value))
    yield "base64", bool(BASE64.match(value))
    yield "digits-only", digits == size
    yield "padded", value.endswith(b"=")
    yield "snake", bool(SNAKE.match(value))
    yield "camel", bool(CAMEL.match(value))
    yield "underscores", value.count(b"_")
    yield "dots", value.count(b".")
    yield "dashes", value.count(b"-")
    yield "slashes", value.count(b"/")
    yield "colons", value.count(b":")
    yield "marks", sum(value.count(c) for c in (b"!", b"@", b"#", b"$", b"%", b"^", b"&", b"*", b"?", b"+"))
    yield "brackets", sum(value.count(c) for c in (b"(", b")", b"[", b"]", b"{", b"}", b"<", b">"))
    yield "escapes", value.count(b"\\")
    yield "secretish", len(SECRETISH.findall(low[:200]))
    yield "testish", len(TESTISH.findall(low[:200]))
    trailing = len(value) - len(value.rstrip(b"0123456789"))
    yield "trailing-digits", trailing if trailing < size else 0
    yield "first-upper", value[:1].isupper() and lower > 0
    yield "runs", max((sum(1 for _ in run) for run in re.findall(rb"((.)\2+)", value[:100], re.DOTALL)), default=0) and max(
        len(run) for run, _ in re.findall(rb"((.)\2+)", value[:100], re.DOTALL)
    )

    key = place.key
    parts = [p.lower() for p in PARTS.findall(key[-64:])]
    yield "key-size", min(len(key), 64)
    yield "key-parts", len(parts)
    yield "key-upper", key.isupper()
    yield "key-camel", bool(re.search(rb"[a-z][A-Z]", key))
    yield "key-dotted", b"." in key
    flat = b"".join(parts)
    core = re.sub(rb"[^a-z0-9]", b"", low)
    yield "same", core == flat or core == parts[-1] if parts and core else False
    yield "holds-key", bool(parts) and len(parts[-1]) > 2 and parts[-1] in low
    for pattern, name in _STRONG:
        where = [n for n, part in enumerate(parts) if pattern.match(part)]
        yield f"key-{name}", 0 if not where else 3 if where[-1] == len(parts) - 1 else 1 if where[-1] == 0 else 2

    way = place.way
    bare = way.strip(b" \t")
    yield "form", FORMS.index(place.form) if place.form in FORMS else 0
    yield "quote", b"\"'`".find(place.quote) + 1 if place.quote else 0
    yield "escaped", b"\\" in way[-3:]
    yield "key-quoted", way[:1] in (b'"', b"'", b"`")
    yield "equals", way.count(b"=")
    yield "colon", b":" in bare
    yield "comma", b"," in bare
    yield "call", b"(" in way
    yield "indexed", b"]" in way[:4]
    yield "spaced", len(way) - len(bare)
    yield "way", min(len(way), 60)
    before = place.before
    yield "comment", bool(COMMENT.match(before) or (not before.strip() and key[:1] == b"#"))
    yield "before", min(len(before), 160)
    yield "indent", min(len(before) - len(before.lstrip()), 40) if not before.strip() else -1
    yield "shown", bool(SHOWN.search(before))
    yield "defined", bool(DEFINED.search(before))
    yield "user", bool(USER.search(before[-60:]))
    yield "quotes-before", before.count(b'"') + before.count(b"'")
    yield "calls-before", before.count(b"(")
    yield "dollar", before[-1:] == b"$" or key[:1] == b"$"
    behind = place.behind
    yield "ends", bool(AFTER.match(behind))
    yield "behind", min(len(behind), 80)
    yield "next", b"\"'`,;)}]>&: <".find(behind[len(place.quote) :][:1]) + 1 if behind[len(place.quote) :] else 0
    yield "user-behind", bool(USER.search(behind))


def features(place: Place) -> list[float]:
    """In the order of `NAMES`."""
    return [float(number) for _, number in _numbers(place)]


NAMES = tuple(name for name, _ in _numbers(Place("generic-secret", b"", b"password", b' = "', b"x1", b'"')))
