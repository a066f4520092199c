"""What the score sees of a candidate: numbers about its value, its key and its place.

`NAMES` gives their order. They need no path: one content can stand at many.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

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
SHOWN = frozenset(
    b"assert assertion expect expected should test tests testing raise raises throw throws fail failed error errors errorf warn"
    b" warning log logger print printf println echo message describe it".split()
)
DEFINED = frozenset(
    b"def func function fn class interface struct type enum import require return if for while case".split()
)
USER = frozenset(
    b"user users username usr login email mail account host hostname server name uid url uri db database".split()
)
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

GROUPS = {
    "password": b"password passwd passphrase passw passcode pass pwd pswd psw pw passwort senha contrase",
    "secret": b"secret",
    "token": b"token jwt bearer",
    "key": b"key",
    "auth": b"auth oauth cred",
    "api": b"api access client consumer app",
    "private": b"private priv encrypt encryption signing cipher aes hmac crypto master root shared",
    "service": b"db database mysql postgres pg redis mongo smtp mail ldap sql ftp ssh rabbitmq admin root user",
    "test": b"test fake mock dummy example invalid wrong bad expected old new temp sample",
    "naming": (
        b"id name label title text description desc display alias username names ids prefix suffix header "
        b"param parameter var variable env"
    ),
    "location": (
        b"file path url uri dir folder location endpoint host port store server provider source ref arn "
        b"link href page route redirect"
    ),
    "shape": (
        b"type length len size count num min max format regex pattern policy strength class kind algorithm "
        b"alg mode version encoding charset level rule validator validation match"
    ),
    "time": b"expire expires expiry expiration ttl timeout time date age lifetime duration interval at days hours",
    "public": (
        b"public pub publishable hash hashed salt digest fingerprint encrypted checksum md5 sha sha1 sha256 "
        b"bcrypt crypt cert certificate nonce iv signature site"
    ),
    "screen": (
        b"input button page hint placeholder confirm confirmation confirmed form field fields show hide "
        b"forgot forgotten lost reset change update tooltip error msg message prompt required mandatory "
        b"please enter repeat current dialog view icon incorrect"
    ),
    "verb": (
        b"is has use enable enabled disable disabled require allow allowed should can no without with set "
        b"get check valid validate verify generate create gen make read write parse decode encode load save "
        b"delete remove add"
    ),
    "structure": (
        b"index idx map list array dict primary foreign unique cache sort row board press event code codes "
        b"down up partition block column table lookup hot short arrow space enter ring chain value values "
        b"pair item entry group by for of in to from and or"
    ),
}
"""Words of keys that say alike of the value."""
_BY_WORD: dict[bytes, list[int]] = {}
for _number, _words in enumerate(GROUPS.values()):
    for _word in _words.split():
        _BY_WORD.setdefault(_word, []).append(_number)
DIGITS, LOWER, UPPER = b"0123456789", b"abcdefghijklmnopqrstuvwxyz", b"ABCDEFGHIJKLMNOPQRSTUVWXYZ"
MARKS, BRACKETS = b"!@#$%^&*?+", b"()[]{}<>"
WIDE = bytes(range(128, 256))
KINDS = bytes(100 if c in DIGITS else 108 if c in LOWER else 117 if c in UPPER else 111 for c in range(256))
"""By byte: d for a digit, l and u for a letter, o for the rest."""
CHANGES = re.compile(rb"d+|l+|u+|o+")
MIXED = re.compile(rb"(?=d[lu]|[lu]d)")
REPEATED = re.compile(rb"((.)\2+)", re.DOTALL)
CAMELED = re.compile(rb"[a-z][A-Z]")
ODD = re.compile(rb"[^a-z0-9]")


def _numbers(place: Place) -> Iterator[tuple[str, float]]:
    value = place.value
    size = len(value)
    low = value.lower()
    digits = size - len(value.translate(None, DIGITS))
    lower = size - len(value.translate(None, LOWER))
    upper = size - len(value.translate(None, UPPER))
    wide = size - len(value.translate(None, WIDE))
    bits = entropy(value[:200])
    kinds = value[:200].translate(KINDS)
    yield "size", min(size, 400)
    yield "digits", digits / size
    yield "lower", lower / size
    yield "upper", upper / size
    yield "other", (size - digits - lower - upper - wide) / size
    yield "wide", wide / size
    yield "entropy", bits
    yield "distinct", len(set(value)) / min(size, 64)
    yield "changes", (len(CHANGES.findall(kinds)) - 1) / size
    yield "letter-digit", len(MIXED.findall(kinds))
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
    yield "marks", size - len(value.translate(None, MARKS))
    yield "brackets", size - len(value.translate(None, BRACKETS))
    yield "escapes", value.count(b"\\")
    yield "secretish", len(SECRETISH.findall(low[:200]))
    yield "testish", len(TESTISH.findall(low[:200]))
    trailing = len(value) - len(value.rstrip(b"0123456789"))
    yield "trailing-digits", trailing if trailing < size else 0
    yield "first-upper", value[:1].isupper() and lower > 0
    yield "runs", max((len(run) for run, _ in REPEATED.findall(value[:100])), default=0)

    key = place.key
    parts = [p.lower() for p in PARTS.findall(key[-64:])]
    yield "key-size", min(len(key), 64)
    yield "key-parts", len(parts)
    yield "key-upper", key.isupper()
    yield "key-camel", bool(CAMELED.search(key))
    yield "key-dotted", b"." in key
    flat = b"".join(parts)
    core = ODD.sub(b"", low)
    yield "same", core == flat or core == parts[-1] if parts and core else False
    yield "holds-key", bool(parts) and len(parts[-1]) > 2 and parts[-1] in low
    where = [0] * len(GROUPS)
    for number, part in enumerate(parts):
        for group in _BY_WORD.get(part, ()):
            where[group] = 3 if number == len(parts) - 1 else 1 if number == 0 else 2
    for name, found in zip(GROUPS, where, strict=True):
        yield f"key-{name}", found

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
    said = [word.lower() for word in PARTS.findall(before)]
    yield "shown", not SHOWN.isdisjoint(said)
    yield "defined", not DEFINED.isdisjoint(said)
    yield "user", not USER.isdisjoint(said[-8:])
    yield "quotes-before", before.count(b'"') + before.count(b"'")
    yield "calls-before", before.count(b"(")
    yield "dollar", before[-1:] == b"$" or key[:1] == b"$"
    behind = place.behind
    yield "ends", bool(AFTER.match(behind))
    yield "behind", min(len(behind), 80)
    yield "next", b"\"'`,;)}]>&: <".find(behind[len(place.quote) :][:1]) + 1 if behind[len(place.quote) :] else 0
    yield "user-behind", not USER.isdisjoint(word.lower() for word in PARTS.findall(behind))


def features(place: Place) -> list[float]:
    """In the order of `NAMES`."""
    return [float(number) for _, number in _numbers(place)]


NAMES = tuple(name for name, _ in _numbers(Place("generic-secret", b"", b"password", b' = "', b"x1", b'"')))
