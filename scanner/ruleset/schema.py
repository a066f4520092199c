"""The shape of a rule file, typed: what may be written in `rules/*.yaml` and what it means.

Only the loader and `rules` verbs import this module; a start with a warm cache does not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from scanner.model import Confidence, Severity

Url = Annotated[str, Field(pattern=r"^https?://\S+$")]
Identifier = Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=64)]
Name = Annotated[str, Field(pattern=r"^[a-z_][a-z0-9_]*$")]
Method = Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]

CHECKERS = ("aws", "database", "jwt")
"""Verification that declarative HTTP cannot express; each is a module in `verify/`."""


def _compiles(pattern: str) -> str:
    try:
        re.compile(pattern.encode("ascii"))
    except UnicodeEncodeError as e:
        raise ValueError("write bytes beyond ASCII as \\x escapes") from e
    except re.error as e:
        raise ValueError(f"not a pattern: {e}") from e
    return pattern


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Request(Strict):
    """One HTTP request. Every string is a Jinja2 template; `secret` is the token, companions stand under their names."""

    method: Method = "GET"
    url: str
    headers: dict[str, str] = {}
    params: dict[str, str] = {}
    json_: Any = Field(default=None, alias="json")
    form: dict[str, str] | None = None
    body: str | None = None
    basic: tuple[str, str] | None = None
    """User and password for HTTP Basic authentication."""


class Condition(Strict):
    """Holds when every part given holds: the status is one of these, and the JMESPath expression is truthy.

    The expression sees `{status, headers, body, text}`: header names in lower case, `body` the parsed JSON (or null).
    """

    status: list[int] = []
    match: str | None = None

    @model_validator(mode="after")
    def says_something(self) -> Condition:
        if not self.status and self.match is None:
            raise ValueError("give status, match or both")
        return self


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, dict) else value


Conditions = Annotated[list[Condition], BeforeValidator(_as_list), Field(min_length=1)]
"""One condition or a list of which any may hold."""


class Step(Strict):
    """A request on the way to the last one. `save` maps names for later templates to JMESPath expressions."""

    request: Request
    expect: Conditions = [Condition(status=[200])]
    save: dict[Name, str] = {}


class Exchange(Strict):
    """What verify and revoke share: an optional chain of steps, then the request that decides."""

    steps: list[Step] = []
    request: Request | None = None
    owner: dict[Name, str] = {}
    """Administrator's credentials the templates use as `owner.<name>`, each with a sentence on what it must be."""
    docs: Url | None = None

    def requests(self) -> list[Request]:
        return [step.request for step in self.steps] + ([self.request] if self.request else [])


class Verify(Exchange):
    """How to ask the issuer, with a read-only call, whether a token is live."""

    checker: Literal["aws", "database", "jwt"] | None = None
    live: Conditions | None = None
    dead: Conditions | None = None
    identity: dict[Name, str] = {}
    """What the answer to the last request says of the token: name to JMESPath expression (account, scopes, expires …)."""

    @model_validator(mode="after")
    def asks_one_way(self) -> Verify:
        if (self.checker is None) == (self.request is None):
            raise ValueError("give either request or checker")
        if self.request is not None and (self.live is None or self.dead is None):
            raise ValueError("a request needs live and dead conditions")
        return self


class Revoke(Exchange):
    """How to end a token's life, as the provider documents it."""

    by: Literal["token", "owner"]
    """token: holding the leaked token is enough. owner: needs an administrator's credential (see `owner`)."""
    request: Request
    done: Conditions
    already: Conditions | None = None
    """Answers that mean the token was dead before."""
    effect: str
    """What stops working, and whether it can be undone: read by the person who decides."""
    docs: Url

    @model_validator(mode="after")
    def owner_named(self) -> Revoke:
        if self.by == "owner" and not self.owner:
            raise ValueError("by: owner needs owner: {name: what it must be}")
        return self


class Companion(Strict):
    """Another rule's match wanted near by. `name` is its name in templates; `within` is the distance in bytes."""

    rule: Identifier
    name: Name
    within: int = Field(default=400, ge=1, le=4096)
    required: bool = False
    """Without it the match is no finding at all; otherwise it only cannot be verified."""


class Around(Strict):
    """What is read beside a secret that was found, for a checker or a hook: who it belongs to, and where. Named groups,
    bytes as in `pattern`, at most 512 bytes away; nothing of it decides whether something is a secret."""

    before: str | None = None
    """A pattern that ends where the secret begins."""
    after: str | None = None
    """A pattern that begins where the secret ends."""
    given: dict[Name, str] = {}
    """What holds of every match, where nothing else was read under that name."""

    @field_validator("before", "after")
    @classmethod
    def compiles(cls, pattern: str | None) -> str | None:
        return None if pattern is None else _compiles(pattern)


class RuleSpec(Strict):
    """One credential type: how it looks, how to ask about it, and how to end it."""

    id: Identifier
    name: str
    severity: Severity
    confidence: Confidence
    pattern: str
    """A byte pattern in the syntax of Python's `re`; `(?P<secret>…)` where the secret is not the whole match."""
    anchor: str | None = None
    """An expression that every match begins with, searched for instead of the literals of `pattern`: for patterns that
    begin with common words. No look-around, at most 250 bytes wide, and cheap."""
    rank: Literal["token", "context", "format", "generic"] | None = None
    """Which match wins where two overlap, strongest first. Default: context when `context` is given, else token."""
    span: Literal["line", "multiline"] = "line"
    context: list[str] = []
    """Words (case ignored) of which one must stand within `near` bytes before the secret."""
    near: int = Field(default=100, ge=1, le=1000)
    checksum: str | None = None
    """A function in `detect/checksums.py`; a mismatch means that it was never a token."""
    min_entropy: float | None = Field(default=None, ge=0, le=8)
    """Shannon entropy of the secret in bits a character."""
    known: list[str] = []
    """Values the provider publishes as examples: never findings."""
    with_: list[Companion] = Field(default=[], alias="with")
    overlaps: list[Identifier] = []
    """Rules that may rightly claim this rule's examples too."""
    around: Around | None = None
    scored: bool = False
    """What the pattern reads has no format: it is asked what it is not, and scored by value, key and place; `confidence` is
    then the highest it can reach."""
    look: (
        Literal["assignment", "strings", "element", "named", "bytes", "userinfo", "authority", "command", "option"]
        | None
    ) = None
    """What stands where `anchor` ends is looked at before the pattern is tried, in one of the ways of `detect.generic.lead`."""
    token: str | None = None
    """What examples are generated from, where `pattern` takes more than a token looks like."""
    half: bool = False
    """Half of a pair that is worth telling by itself, but not again where it stands as the companion of a finding."""
    component: bool = False
    """Wanted only as another rule's companion (a key's public id): never reported by itself."""
    examples: list[str] = Field(min_length=1)
    """`{token}` stands for a generated match of `pattern`; `{name}` for a companion's."""
    rejects: list[str] = []
    docs: Url
    verify: Verify | None = None
    revoke: Revoke | None = None
    rotate: Url | None = None

    @field_validator("pattern", "token")
    @classmethod
    def compiles(cls, pattern: str | None) -> str | None:
        return None if pattern is None else _compiles(pattern)

    @model_validator(mode="after")
    def says_what_next(self) -> RuleSpec:
        if self.revoke is None and self.rotate is None and not self.component:
            raise ValueError("give revoke or rotate: a person must know what to do next")
        return self


class RuleFile(Strict):
    """One provider's rules. Requests may go to `domains` and below; the default is the home page's own."""

    provider: str
    home: Url
    domains: list[str] = []
    rules: list[RuleSpec] = Field(min_length=1)

    def allowed_domains(self) -> list[str]:
        if self.domains:
            return self.domains
        host = urlsplit(self.home).hostname or ""
        return [".".join(host.split(".")[-2:])]

    def astray(self) -> Iterator[tuple[tuple[str | int, ...], str]]:
        """Where a request may leave the provider's domains, and why."""
        for number, rule in enumerate(self.rules):
            for name, part in (("verify", rule.verify), ("revoke", rule.revoke)):
                if part is None:
                    continue
                steps = [(("steps", n, "request"), step.request) for n, step in enumerate(part.steps)]
                last = [(("request",), part.request)] if part.request else []
                for where, request in (*steps, *last):
                    if problem := host_problem(request.url, self.allowed_domains()):
                        yield ("rules", number, name, *where, "url"), problem


SELF_HOSTED = re.compile(r"^\{\{\s*endpoint\b[^{}]*\}\}")
"""`{{ endpoint }}` is a base address from the user's own configuration (`verify.endpoints`), never from scanned text."""


def host_problem(url: str, domains: list[str]) -> str | None:
    """Say why `url` may leave the provider's domains, or None when it cannot.

    Templates may stand in the host only as whole labels left of a literal domain of the provider.
    """
    if SELF_HOSTED.match(url):
        return None
    flat = re.sub(r"\{\{.*?\}\}", "x", url)
    parts = urlsplit(flat)
    if parts.scheme != "https":
        return f"{url}: must be https"
    literal = urlsplit(re.sub(r"\{\{.*?\}\}", "*", url)).netloc.lower()
    if "@" in literal:
        return f"{url}: no user information in a URL"
    tail = literal.rsplit("*", 1)[-1].lstrip(".") if "*" in literal else literal
    tail = tail.split(":")[0]
    if "*" in literal and f"*.{tail}" not in f"{literal.split(':')[0]}":
        return f"{url}: a template in the host must be a whole label before the provider's domain"
    if not any(tail == d or tail.endswith("." + d) for d in domains):
        return f"{url}: {tail or 'its host'} is not of the provider's domains ({', '.join(domains)})"
    return None
