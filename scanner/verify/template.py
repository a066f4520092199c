"""Renders a rule's request: Jinja2 in its sandbox, and the checks that keep a secret on its way to the right host.

A template is an expression or two in a text. Statements, loops, arithmetic that grows and calls beyond a few methods of
strings are refused: rules are data from whoever wrote them. No error text holds a rendered value.
"""

from __future__ import annotations

import base64
import binascii
import functools
import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlsplit

from jinja2 import StrictUndefined, Template, TemplateError, UndefinedError, meta, nodes
from jinja2.exceptions import SecurityError
from jinja2.filters import FILTERS
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment

from scanner.verify.interface import Call, Unaskable
from scanner.verify.settings import VerifySettings, place, place_of

LARGEST = 64 * 1024
"""Characters a rendered string may have."""

LABELS = re.compile(r"[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63})*")
ENDPOINT = re.compile(r"\{\{\s*endpoint\b[^{}]*\}\}")
PIECES = re.compile(r"\{\{.*?\}\}|[^{]+|\{", re.S)
AUTHORITY = re.compile(r"(?:\{\{.*?\}\}|[^/?#{])*", re.S)
HEADER = re.compile(r"[^\x00-\x08\x0a-\x1f\x7f]*")
METHODS = {"split", "rsplit", "partition", "rpartition", "startswith", "endswith", "lower", "upper"} | {
    "removeprefix",
    "removesuffix",
    "strip",
    "lstrip",
    "rstrip",
}


class Digest(bytes):
    """A MAC: hexadecimal where it is printed, bytes to the other filters."""

    def __str__(self) -> str:
        return self.hex()


def _bytes(value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogateescape")


def _b64encode(value: Any) -> str:
    return base64.b64encode(_bytes(value)).decode()


def _b64url(value: Any) -> str:
    """Base64 with `-` and `_`, without padding."""
    return base64.urlsafe_b64encode(_bytes(value)).decode().rstrip("=")


def _b64decode(value: Any) -> str:
    """The text behind base64 of either alphabet."""
    text = str(value).replace("-", "+").replace("_", "/").rstrip("=")
    return base64.b64decode(text + "=" * (-len(text) % 4), validate=True).decode()


def _hmac_sha256(value: Any, key: Any) -> Digest:
    return Digest(hmac.digest(_bytes(key), _bytes(value), hashlib.sha256))


def basic(user: Any, password: Any = "") -> str:
    """The value of an Authorization header, RFC 7617."""
    return "Basic " + _b64encode(_bytes(user) + b":" + _bytes(password))


class _Sandbox(ImmutableSandboxedEnvironment):
    intercepted_binops = frozenset({"*", "**", "%"})

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        raise SecurityError("operator")

    def is_safe_callable(self, obj: Any) -> bool:
        return type(getattr(obj, "__self__", None)) is str and getattr(obj, "__name__", "") in METHODS


@functools.cache
def _sandbox() -> _Sandbox:
    sandbox = _Sandbox(undefined=StrictUndefined, autoescape=False, keep_trailing_newline=True)
    sandbox.globals.clear()
    kept = ("default", "d", "first", "int", "join", "last", "length", "lower", "replace", "string", "trim", "upper")
    sandbox.filters = {name: FILTERS[name] for name in kept} | {
        "b64encode": _b64encode,
        "b64url": _b64url,
        "b64decode": _b64decode,
        "hex": lambda value: _bytes(value).hex(),
        "urlencode": lambda value: quote(_bytes(value), safe=""),
        "hmac_sha256": _hmac_sha256,
        "basic": basic,
    }
    return sandbox


@functools.lru_cache(maxsize=4096)
def _compiled(source: str) -> Template:
    return _sandbox().from_string(source)


def variables(source: str) -> set[str]:
    """The names a template uses, those of `owner` as `owner.<name>`. Raises ValueError when it does not parse."""
    try:
        tree = _sandbox().parse(source)
        _compiled(source)
    except TemplateError as e:
        raise ValueError(e.message) from e
    names = meta.find_undeclared_variables(tree)
    return (names - {"owner"}) | {
        f"owner.{found.attr}"
        for found in tree.find_all(nodes.Getattr)
        if isinstance(found.node, nodes.Name) and found.node.name == "owner"
    }


def render_text(source: str, values: Mapping[str, Any]) -> str:
    """One template as text. Unaskable names the variable that is missing, or the kind of error."""
    if "{" not in source:
        return source
    if "{%" in source:
        raise Unaskable("the rule's template holds a statement")
    try:
        text = _compiled(source).render(values)
    except UndefinedError as e:
        name = re.fullmatch(r"'([a-z_][a-z0-9_]{0,63})' is undefined", e.message or "")
        raise Unaskable(f"needs {name[1] if name else 'a value'}, which is not known here") from None
    except (TemplateError, ValueError, TypeError, ArithmeticError, LookupError, binascii.Error) as e:
        raise Unaskable(f"the rule's template failed ({type(e).__name__})") from None
    if len(text) > LARGEST:
        raise Unaskable("the rule's template gives too long a text")
    return text


def render(value: Any, values: Mapping[str, Any]) -> Any:
    """Every string in nested lists and mappings rendered; keys and other scalars stay as they are."""
    if isinstance(value, str):
        return render_text(value, values)
    if isinstance(value, Mapping):
        return {key: render(inner, values) for key, inner in value.items()}
    if isinstance(value, Sequence):
        return [render(inner, values) for inner in value]
    return value


def _authority(source: str, values: Mapping[str, Any]) -> str:
    pieces = []
    for piece in PIECES.findall(source):
        text = render_text(piece, values) if piece.startswith("{{") else piece
        if piece.startswith("{{") and not LABELS.fullmatch(text):
            raise Unaskable("a value in the rule's host name is none that a host name may hold")
        pieces.append(text)
    return "".join(pieces)


def render_url(source: str, values: Mapping[str, Any], domains: Sequence[str], settings: VerifySettings) -> Call:
    """A GET of the rendered address, once it is sure to lead where the rule or the user says.

    The host must be one of `domains` or below one, the user's own `endpoint`, or one of `settings.hosts`. The host is
    rendered by itself and the rest put behind it, so no value in the path can change it.
    """
    if match := ENDPOINT.match(source):
        base, rest = render_text(match[0], values).rstrip("/"), source[match.end() :]
    elif match := re.match(r"https?://", source):
        end = AUTHORITY.match(source, match.end())
        cut = end.end() if end else match.end()
        base, rest = match[0] + _authority(source[match.end() : cut], values), source[cut:]
    else:
        raise Unaskable("the rule's address is not an https one")
    rest = render_text(rest, values)
    if rest and rest[0] not in "/?":
        raise Unaskable("the rule's address has no path where one must stand")
    # An unescaped value could cut the path short or climb out of it, and another token would be asked about.
    path = rest.split("?", 1)[0]
    if re.search(r"[\x00-\x20\x7f\\#]", base + rest) or re.search(r"(^|/)\.{1,2}(/|$)", path):
        raise Unaskable("a value in the rule's address is not URL-encoded")
    try:
        host, port = place_of(base)
        parts = urlsplit(base + rest)
        if (parts.hostname, parts.username, parts.password) != (host, None, None):
            raise ValueError
    except ValueError:
        raise Unaskable("the rule's address has no host as it should be") from None
    if not _permitted(host, port, values.get("endpoint"), domains, settings):
        raise Unaskable("the rule's address leads to a host that neither the rule nor the configuration names")
    if parts.scheme != "https" and place(host, port) not in settings.plain_http:
        raise Unaskable(f"{place(host, port)} may not be asked without TLS (verify.plain_http)")
    return Call("GET", base + rest, host, port)


def _permitted(host: str, port: int, endpoint: Any, domains: Sequence[str], settings: VerifySettings) -> bool:
    if any(host == domain or host.endswith("." + domain) for domain in map(str.lower, domains)):
        return True
    if settings.allows(host, port):
        return True
    return isinstance(endpoint, str) and place_of(endpoint) == (host, port)


def render_call(
    request: Mapping[str, Any], values: Mapping[str, Any], domains: Sequence[str], settings: VerifySettings
) -> Call:
    """A rule's request with all its templates filled in. Unaskable when that cannot or must not be."""
    target = render_url(request["url"], values, domains, settings)
    headers = render(request.get("headers") or {}, values)
    if request.get("basic"):
        headers["Authorization"] = basic(*render(request["basic"], values))
    for name, value in headers.items():
        if not re.fullmatch(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", name) or not HEADER.fullmatch(value):
            raise Unaskable("a value holds a character that no header may hold")
        if not value.isascii():
            raise Unaskable("a value in a header is not ASCII")
    body, form = request.get("body"), request.get("form")
    return Call(
        method=request.get("method", "GET"),
        url=target.url,
        host=target.host,
        port=target.port,
        headers=headers,
        params=render(request.get("params") or {}, values),
        json=render(request.get("json"), values),
        form=None if form is None else render(form, values),
        body=None if body is None else render_text(body, values).encode("utf-8", "surrogateescape"),
    )
