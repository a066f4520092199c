"""What a value without a format is not: every question asked of it, in their order; the answer says which one decided.

`REASONS` names them all. Questions look at the value, its key and its line, never at a path: see `profile` for that.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from scanner.detect.generic.lead import FEWEST
from scanner.detect.generic.place import Place
from scanner.detect.generic.words import share

REFERENCE = re.compile(
    rb"^\$\{?[A-Za-z_][\w.]*\}?\Z|\$\{[A-Za-z_#!]|\$\(|\{\{|<%|#\{|%\{|@@?[A-Z_]{3,}@@?\Z|%\(\w+\)|"
    rb"%[A-Za-z_]\w*%|^@\{|^\[\[|^\$[\[<]"
    rb"|\b(?:os\.)?(?:environ|getenv)\b|process\.env|\bENV\[|System\.getenv|^(?:secrets?|vars?|params?|"
    rb"self|this|args?|opts|options|"
    rb"settings|config|cfg|env|request|req|context|ctx|props|state|data|local|module|each|input|output|"
    rb"parameters?|inputs|outputs|variables)"
    rb"\.[A-Za-z_]|vault:[a-z]|\barn:aws|projects/[^/]+/secrets/|\bssm:|op://|keyring:|!Ref|!Sub|!GetAtt|"
    rb"secretsmanager:|secretKeyRef"
    rb"|\{\d?\}|\{[a-z_]\w{0,40}\}|^&[a-z]|^%[sdv@]$|^:[a-z_]+$",
    re.IGNORECASE,
)
PLACEHOLDER = re.compile(
    rb"^<[^<>]{1,60}>?$|^\[[A-Za-z _-]{2,60}\]?$|^\.{2,}$|^-+$|^\*+$|^[xX*.#?_-]{3,}$|[*]{3,}|\.{3}$|x{5}|X{4}"
    rb"|^\W*(?:my|your|our|the|a|an|some|enter|insert|put|add|type|change|replace|set|fill|use|new|old|"
    rb"super|top|very|long|random|"
    rb"strong|secure|test|dummy|fake|sample|example|demo|default|any|wrong|bad|invalid|correct|good|valid|"
    rb"not|no|this|is)?[ ._-]{0,2}"
    rb"(?:my|your|own|secret|private|access|client|consumer|api|app|auth|oauth|db|database|user|admin|root|"
    rb"real|actual|valid)?[ ._-]{0,2}"
    rb"(?:secret|private|access|client|consumer|api|app|auth|oauth|db|bot|user|admin|encryption|long|"
    rb"strong|random|super)?[ ._-]{0,2}"
    rb"(?:pass(?:word|wd|phrase|code)?|passw0rd|pwd|secret|token|key|api_?key|credentials?|value|string|"
    rb"here|this|me|it|placeholder|example)s?"
    rb"[ ._-]{0,2}(?:here|value|goes here|string|please|\d{1,3}|example|placeholder|key|token|secret)?\W*$"
    rb"|change_?(?:me|this|it)|replace[-_ ]?(?:me|this|with)|insert[-_ ]?(?:your|here)|your[-_ ]?(?:api|"
    rb"own|secret|token|key|pass|access|client|app|user|db)"
    rb"|\bexample\b|placeholder|redacted|notareal|not[-_ ]a[-_ ]real|\bdummy|todo\b|tbd\b|fixme|\bfoo_?bar|"
    rb"^(?:foo|bar|baz|qux)\d?$"
    rb"|0123456789|1234567890|abcdefghij|deadbeef|_removed|removed_|_here\b|^(?:n/a|none|null|nil|true|"
    rb"false|undefined|empty|blank|yes|no|on|off)$"
    rb"|^(?:cambia|cambiar|contrase\xc3\xb1a|mot[ _]?de[ _]?passe|passwort|kennwort|geheim|wachtwoord|"
    rb"senha|parola|has\xc5\x82o|secreto)\d*$"
    rb"|\xe5\xaf\x86\xe7\xa0\x81|\xe4\xbd\xa0\xe7\x9a\x84|\xd0\xbf\xd0\xb0\xd1\x80\xd0\xbe\xd0\xbb\xd1\x8c|"
    rb"\xe3\x83\x91\xe3\x82\xb9\xe3\x83\xaf\xe3\x83\xbc\xe3\x83\x89"
    rb"|\xeb\xb9\x84\xeb\xb0\x80\xeb\xb2\x88\xed\x98\xb8",
    re.IGNORECASE,
)
TYPE = re.compile(
    rb"(?:const |final |static )?(?:\[\])?(?:str(?:ing)?|bytes?|int(?:eger)?\d*|u?int\d+|bool(?:ean)?|"
    rb"number|float\d*|double|char|void|any|object|"
    rb"array|list|dict|map|set|text|varchar|uuid|date(?:time)?|long|short|number|unknown|never|optional|"
    rb"hidden|input|securestring|password|"
    rb"SecretStr|SecureString|Optional|Callable|Union|None|Self|type|class|enum|struct|binary|blob|"
    rb"longtext|buffer|rune|symbol|regexp)"
    rb"(?:[\[<(|?].*|\s*\|.*|\?|\[\])?[,;]?\Z",
    re.IGNORECASE,
)
CALL = re.compile(
    rb"[A-Za-z_$][\w.$:>-]*\(|->|=>|\w::\w|[\w\])]\[[\"'\w:$-]*\]?|\(\)|^function\b|^new |^lambda\b|"
    rb"^await |^async |^return |^not |^typeof |^func\("
    rb"|\+ ?[A-Za-z_]+\b.*[\"']|[\"'] ?\+|\|\||&&|[=!]==? |^\w+ \? |^\(|^!\w+$|^\w+\) *\{?$|;\s*\w+ *=",
)
IDENTIFIER = re.compile(
    rb"[$@&*]?[A-Za-z_][A-Za-z_]*(?:(?:\.|->|::|\?\.)[A-Za-z_]\w*)+\Z|[a-z]+(?:[A-Z][a-z]+)+\Z|[a-z]+(?:_[a-z]+)+\Z"
)
PATH = re.compile(
    rb"(?:[a-z][a-z0-9+.-]{1,20}://|\.{1,2}/|~/|[A-Za-z]:\\\\?|/)[\w./\\@%+~:?&=#{}$<>,*-]*\Z"
    rb"|[\w@.-]+(?:/[\w@.-]+){2,}\Z|[\w./-]+\.(?:pem|key|crt|cer|der|p12|pfx|jks|keystore|json|ya?ml|toml|"
    rb"txt|php|py|js|jsx|ts|tsx|css|html?|java|"
    rb"go|rb|rs|cfg|conf|ini|xml|env|csv|md|sh|bat|log|sql|db|png|svg|jpe?g|gif|pub|asc|gpg|lock|"
    rb"properties)\Z|www\.[\w.-]+\Z"
    rb"|(?:[A-Za-z0-9-]+\.)+(?:com|org|net|io|dev|local|internal|example|localhost)(?::\d+)?(?:/.*)?\Z|"
    rb"[\w.+-]+@[\w-]+(?:\.[\w-]+)+\Z"
)
UUID = re.compile(rb"\{?[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\}?\Z", re.IGNORECASE)
IDS = re.compile(rb"(?:id|uuid|guid|ref|uid|oid|ids)\Z|_id|Id\b", re.IGNORECASE)
VERSION = re.compile(
    rb"[v^~=<>]{0,2}\d+(?:\.(?:\d+|x|\*)){1,3}(?:[-+.](?:[a-z]+\.?\d*|\d+|snapshot|final|release|ga))*\Z", re.IGNORECASE
)
DATE = re.compile(
    rb"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?\Z"
    rb"|-?\d+(?:\.\d+)?(?:e[+-]?\d+)?[a-z%]{0,2}\Z|0x[0-9a-f]{1,8}\Z",
    re.IGNORECASE,
)
"""Dates, and numbers that a bare value may be."""
PUBLIC_KEY = re.compile(
    rb"pub(?:lic)?[ _.-]?key|publickeytoken|public[ _-]?token|publishable|site_?key|pubkey|host_?key|known_?hosts",
    re.IGNORECASE,
)
PUBLIC = re.compile(
    rb"^(?:ssh-(?:rsa|dss|ed25519)|ecdsa-sha2-\S+|sk-\S+@openssh\.com) |^AAAA[BCE]3NzaC1|^MII(?:BI|CI|"
    rb"BC)jANBgkq|^MFkwEwYHKoZI|^M[FIHEC][a-z]wwDQYJKoZI"
    rb"|^-----BEGIN (?:PUBLIC|CERTIFICATE|RSA PUBLIC|PGP PUBLIC|X509|SSH2 PUBLIC)|"
    rb"^MII[A-Za-z0-9+/]{5}[A-Za-z0-9+/]{2}(?:MIIC|AwIBAgI)"
)
HASH_KEY = re.compile(
    rb"(?:sha\d{0,3}(?:sum)?|md5(?:sum)?|hash(?:ed)?|digest|checksum|integrity|etag|commit|revision|rev|"
    rb"fingerprint|thumbprint|signature|sig|bcrypt|scrypt|argon2)"
    rb"(?:[_.-]?\w{0,8})?\Z|(?:^|[_.-])(?:sha\d{0,3}|md5|hash(?:ed)?|bcrypt|encrypted|crypted)(?:[_.-]|\Z)|"
    rb"(?:sha\d{1,3}|hash)_?pass",
    re.IGNORECASE,
)
DIGEST = re.compile(
    rb"(?:sha\d+[-:])?(?:[0-9a-f]{32}|[0-9a-f]{40}|[0-9a-f]{56}|[0-9a-f]{64}|[0-9a-f]{96}|[0-9a-f]{128})\Z",
    re.IGNORECASE,
)
HASH = re.compile(
    rb"\$(?:2[abxy]?|1|5|6|7|y|gy|argon2\w*|pbkdf2[\w-]*|scrypt|apr1|P|H|sha1|md5|bcrypt-sha256|"
    rb"plaintext)\$|\{(?:S?MD5|S?SHA\d*|CRYPT|PBKDF2[\w-]*|BCRYPT|ARGON2\w*|"
    rb"SSHA\d*)\}|sha(?:1|256|384|512)[-:=]|^(?:md5|sha\d{1,3})[:$-]?[0-9a-f]{32}|^\*[0-9A-F]{40}\Z|"
    rb"^pbkdf2[_:]|^bcrypt[$:_]|^scrypt:|^\$S\$|^0x0[12]00[0-9A-F]{40}",
    re.IGNORECASE,
)
ENCRYPTED = re.compile(
    rb"ENC\[|ENC\(|^\{(?:AQA[A-Za-z0-9+/]|cipher\}|AES|3DES)|^vault:v\d|\$ANSIBLE_VAULT|^AQICAH|"
    rb"^AQA[AB][A-Z0-9]{3}AA|^gAAAAA[A-Za-z0-9_-]{60}|BEGIN PGP MESSAGE"
    rb"|BEGIN AGE ENCRYPTED|^age1|^AgA[A-Za-z0-9+/]{200}|^U2FsdGVkX1|^!encrypted|^\{(?:xor|aes|des)\}|"
    rb"^secure:|^CiQA[A-Za-z0-9+/]{20}|^\{\{?[A-F0-9]{32,}\}\}?$",
    re.IGNORECASE,
)
ENCRYPTED_KEY = re.compile(rb"encrypted|ciphertext|cipher_text|sealed|_enc\Z|secure\Z", re.IGNORECASE)
SCREEN = re.compile(
    rb"(?:^|[_.-])(?:label|title|tooltip|message|msg|hint|placeholder|button|error|mandatory|invalid|"
    rb"forgot|show|hide|confirm|change|enter|text|"
    rb"description|desc|help|prompt|caption|header|heading|notice|warning|please|reset|repeat|lost|"
    rb"remember|info|name|subject|status)(?:[_.-]|\Z)"
    rb"|(?:Label|Title|Tooltip|Message|Hint|Placeholder|Button|Error|Description|Help|Prompt|Submit|Text|"
    rb"Confirm|Invalid|Required|Name)",
    re.IGNORECASE,
)
LETTERS = re.compile(r"[^\W\d_]+(?:[ ,.'’!?:;()\"/%-]+[^\W\d_]+|[ ,.'’!?:;()\"/%-]*\{\{?\w+\}?\})*[ .,!?:;()…\"%s-]*\Z")
PROSE = re.compile(rb"[A-Za-z'\",.]+(?: [A-Za-z'\",.()/-]+){2,}[.!?:]?\Z")
MINIFIED = re.compile(rb"[,;{}()=!&|?:]")
LONG_LINE = 140
"""Bytes before a match at which a line may be minified code."""
RESULT = re.compile(rb"X?PASS(?:ED)?\Z")
STATEMENT = re.compile(rb"\b(?:create|alter|grant|user|role|set)\b", re.IGNORECASE)
KEYWORD_ONLY = re.compile(
    rb"\W*(?:pass(?:word|wd|phrase|code)?|pwd|user(?:name)?|secret|token|api[_-]?key|key|login|email|auth|"
    rb"bearer|basic|credentials?)\W*\Z",
    re.IGNORECASE,
)
URLS = ("basic-auth-url", "database-url", "go-dsn")
"""Forms that are addresses themselves."""
WORDY = 0.5
"""An identifier is made of words when they cover this share of its letters."""


def _short(p: Place) -> bool:
    return len(p.value) < FEWEST


def _binary(p: Place) -> bool:
    try:
        p.value.decode()
    except UnicodeDecodeError:
        return True
    return any(c < 32 and c != 9 for c in p.value)


def _reference(p: Place) -> bool:
    return REFERENCE.search(p.value) is not None or p.way[-2:] in (b"${", b"$(", b"{{", b"<%", b"#{", b"%{")


def _placeholder(p: Place) -> bool:
    return PLACEHOLDER.search(p.value) is not None or KEYWORD_ONLY.match(p.value) is not None


def _type(p: Place) -> bool:
    return not p.quote and TYPE.match(p.value) is not None


def _call(p: Place) -> bool:
    if CALL.search(p.value) is not None:
        return not p.quote or (CALL.match(p.value) is not None and p.value.endswith((b")", b");", b"(")))
    return not p.quote and (p.behind[:1] in (b"(", b"[") or (p.value[-1:] == b"-" and p.behind[:1] == b">"))


def _identifier(p: Place) -> bool:
    return not p.quote and IDENTIFIER.match(p.value) is not None and share(p.value.lower()) > WORDY


def _path(p: Place) -> bool:
    return PATH.match(p.value) is not None and p.form not in URLS


def _uuid(p: Place) -> bool:
    return UUID.match(p.value) is not None and IDS.search(p.key) is not None


def _version(p: Place) -> bool:
    return VERSION.match(p.value) is not None


def _date(p: Place) -> bool:
    return DATE.match(p.value) is not None and (not p.value.isdigit() or (not p.quote and p.way[-1:] == b" "))


def _public(p: Place) -> bool:
    return (
        PUBLIC.match(p.value) is not None
        or PUBLIC_KEY.search(p.key) is not None
        or PUBLIC_KEY.search(p.before[-24:]) is not None
    )


def _hash(p: Place) -> bool:
    if HASH.search(p.value):
        return True
    return HASH_KEY.search(p.key) is not None and (DIGEST.match(p.value) is not None or len(p.value) >= 24)


def _encrypted(p: Place) -> bool:
    return ENCRYPTED.search(p.value) is not None or (len(p.value) >= 24 and ENCRYPTED_KEY.search(p.key) is not None)


def _text(p: Place) -> bool:
    """A translation or a sentence: letters of any alphabet, spaces and punctuation."""
    try:
        value = p.value.decode()
    except UnicodeDecodeError:
        return False
    if not value.isascii() and LETTERS.match(value):
        return True
    if b" " in p.value and (PROSE.match(p.value) or (SCREEN.search(p.key) and LETTERS.match(value))):
        return True
    return SCREEN.search(p.key) is not None and value.isalpha() and value[:1].isupper() and not value.isupper()


def _result(p: Place) -> bool:
    """`PASS: name`, as test harnesses write."""
    return RESULT.match(p.key) is not None and not p.quote and p.way.startswith(b":") and not p.before.strip()


def _prose(p: Place) -> bool:
    """`identified by` somebody."""
    return p.form == "sql-password" and not p.quote and STATEMENT.search(p.before) is None


def _minified(p: Place) -> bool:
    line = p.before
    return len(line) >= LONG_LINE and line.count(b" ") * 12 < len(line) and len(MINIFIED.findall(line)) * 6 > len(line)


QUESTIONS: tuple[tuple[str, Callable[[Place], bool]], ...] = (
    ("too short", _short),
    ("binary", _binary),
    ("an encrypted value", _encrypted),
    ("a reference to a value kept elsewhere", _reference),
    ("a public key", _public),
    ("a hash", _hash),
    ("a type", _type),
    ("a call or an expression", _call),
    ("an identifier", _identifier),
    ("a placeholder", _placeholder),
    ("a path or an address", _path),
    ("a UUID used as an id", _uuid),
    ("a version", _version),
    ("a date or a number", _date),
    ("a test's result", _result),
    ("a text for people", lambda place: _text(place) or _prose(place)),
    ("minified code", _minified),
)
REASONS = tuple(reason for reason, _ in QUESTIONS)


def refusal(place: Place) -> str:
    """Why the value is no secret; "" when none of the questions says so."""
    for reason, holds in QUESTIONS:
        if holds(place):
            return reason
    return ""
