"""A provider for every shipped rule: answers over TLS as the rule says that the issuer does, and checks what was asked.

A case is a script: which requests the client must send, one after the other, and what each is answered with. Requests
are rendered here anew, with plain Jinja2 and without the package's own code, and what arrives is compared part by part:
method, host, path, query, headers and body. What arrives beside the script, to whatever host, is a fault.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import ssl
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socket import AF_INET, SOCK_STREAM
from types import SimpleNamespace
from typing import Any, Protocol
from urllib.parse import parse_qsl, quote, unquote, urlsplit

import jinja2
import trustme

from scanner.detect.checksums import CHECKSUMS
from scanner.model import Finding, Location, Secret
from scanner.ruleset import cache as rule_cache
from scanner.ruleset.compile import actions
from scanner.ruleset.generate import generate
from scanner.ruleset.load import load
from scanner.ruleset.schema import RuleFile, RuleSpec
from tests.verify.answers import EMPTY, GONE, NOTHING, Reply, evaluate, holds, replies

Spec = Mapping[str, Any]
Script = tuple[tuple[Reply, ...], ...]
"""What each request in turn is answered with; one that is repeated has several answers."""

LOOPBACK = "127.0.0.1"
RETRIES = 1
"""How often the client repeats; one is enough to see that it does."""
TRIES = 1 + RETRIES
LONG = "3600"
"""A pause that no client waits for."""
UNASKED = Reply(500).as_json({"error": "the simulator did not expect this request"})
GOOD: list[Spec] = [{"status": [200]}]
"""What a step that says nothing of it expects."""
NEVER = "`false`"
"""The condition of a rule whose provider says nothing that only a dead token gets."""
KNOWN = "sim-known"
"""Stands in an answer for the value that the rule looks for in it."""


class Ticks(Protocol):
    """The part of a clock that the server needs."""

    def time(self) -> float: ...


# The shipped rules, and findings made up for them.


@cache
def _files() -> list[RuleFile]:
    return load(rule_cache.read_files((rule_cache.shipped(),)))


@cache
def specs() -> dict[str, RuleSpec]:
    return {spec.id: spec for file in _files() for spec in file.rules}


@cache
def shipped_actions() -> dict[str, dict[str, Any]]:
    return actions(_files())


def rules_with(part: str) -> list[str]:
    """The ids of the rules with a request under `verify` or `revoke`."""
    return [rule for rule, action in shipped_actions().items() if (action[part] or {}).get("request")]


def _sentry(plain: str, seed: str) -> str:
    """An organisation's token names its server in base64 between two underscores."""
    url = "https://sentry.io" if hashlib.sha256(seed.encode()).digest()[0] % 2 else "https://sentry.acme.example"
    told = json.dumps({"iat": 1700000000.5, "url": url, "region_url": url, "org": f"acme-{seed}"})
    start, _, end = plain.split("_")
    return "_".join((start, base64.b64encode(told.encode()).decode(), end))


SHAPED = {"sentry-org-token": _sentry}
"""Tokens that hold more than their pattern says."""


def made_up(rule: str, seed: str) -> str:
    """A value of the rule's own pattern, its checksum right."""
    spec = specs()[rule]
    seal = CHECKSUMS[spec.checksum].seal if spec.checksum else None
    plain = generate(spec.pattern, f"{rule} {seed}", seal).decode()
    return SHAPED[rule](plain, seed) if rule in SHAPED else plain


@cache
def _near(rule: str, of: str) -> str:
    return made_up(rule, of)


def finding(rule: str, seed: str) -> Finding:
    """A finding of `rule`: a secret of its own, and beside it every companion that the rule names."""
    spec = specs()[rule]
    secret = Secret(made_up(rule, seed).encode())
    near = tuple((one.name, Secret(_near(one.rule, rule).encode())) for one in spec.with_)
    place = Location("file", "config/app.env", 3, 3, 1, 40)
    provider = shipped_actions()[rule]["provider"]
    return Finding(
        rule,
        provider,
        spec.name,
        spec.severity,
        spec.confidence,
        secret,
        secret.fingerprint(b"k"),
        (place,),
        companions=near,
    )


def needs(part: Spec, name: str) -> bool:
    """True when a template of a rule's `verify` or `revoke` uses the name."""
    return any(re.search(rf"\b{name}\b", found) for found in re.findall(r"\{\{.*?\}\}", repr(_requests(part))))


def home(rule: str) -> str:
    """The address of a self-hosted service, as the user's configuration would name it."""
    return f"https://{rule}.self-hosted.example"


def owner(rule: str, spec: Spec) -> dict[str, str]:
    """Administrator's credentials for a part of a rule, by name."""
    return {
        name: f"owner-{hashlib.sha256(f'{rule} {name}'.encode()).hexdigest()[:24]}" for name in spec.get("owner") or {}
    }


# Requests, as the rule's text means them.


class _Mac(bytes):
    """A digest: hexadecimal where it is printed."""

    def __str__(self) -> str:
        return self.hex()


def _raw(value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()


def _basic(user: Any, password: Any = "") -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@cache
def _jinja() -> jinja2.Environment:
    plain = jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=False, keep_trailing_newline=True)
    plain.filters |= {
        "b64encode": lambda value: base64.b64encode(_raw(value)).decode(),
        "b64url": lambda value: base64.urlsafe_b64encode(_raw(value)).decode().rstrip("="),
        "b64decode": lambda value: base64.urlsafe_b64decode(str(value).translate({43: 45, 47: 95}) + "===").decode(),
        "urlencode": lambda value: quote(_raw(value), safe=""),
        "hex": lambda value: _raw(value).hex(),
        "hmac_sha256": lambda value, key: _Mac(hmac.digest(_raw(key), _raw(value), "sha256")),
        "basic": _basic,
    }
    return plain


@cache
def _template(source: str) -> jinja2.Template:
    return _jinja().from_string(source)


def rendered(value: Any, values: Mapping[str, Any]) -> Any:
    if isinstance(value, str):
        return _template(value).render(values) if "{" in value else value
    if isinstance(value, Mapping):
        return {key: rendered(inner, values) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [rendered(inner, values) for inner in value]
    return value


@dataclass(frozen=True)
class Asked:
    """A request as it arrived. Header names are in lower case; `name` is the server that the handshake named."""

    name: str
    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    @property
    def host(self) -> str:
        return dict(self.headers).get("host", "")

    def text(self) -> str:
        """Everything in it with the usual encodings undone, to look for values in."""
        parts = [self.name, self.target, unquote(self.target), *(f"{name}: {value}" for name, value in self.headers)]
        body = self.body.decode("utf-8", "replace")
        with_basic = re.match(r"Basic ([\w+/=-]+)$", dict(self.headers).get("authorization", ""))
        if with_basic:
            parts.append(base64.b64decode(with_basic[1]).decode("utf-8", "replace"))
        return "\n".join([*parts, body, unquote(body)])


USUAL = {"host", "user-agent", "accept", "accept-encoding", "connection", "content-length", "content-type"}
"""Headers that a client sends by itself."""


@dataclass(frozen=True)
class Expected:
    """A request that the client must send."""

    method: str
    host: str
    path: str
    query: tuple[tuple[str, str], ...]
    headers: Mapping[str, str]
    kind: str
    """`json`, `form`, `body`, or nothing at all."""
    content: Any = None

    def differences(self, asked: Asked) -> Iterator[str]:
        """In what the request that arrived is another."""
        if asked.method != self.method:
            yield f"method {asked.method} instead of {self.method}"
        if (asked.host, asked.name) != (self.host, self.host.split(":")[0]):
            yield f"host {asked.host} (TLS: {asked.name}) instead of {self.host}"
        path, _, query = asked.target.partition("?")
        if [unquote(part) for part in path.split("/")] != [unquote(part) for part in self.path.split("/")]:
            yield f"path {path} instead of {self.path}"
        if (pairs := tuple(parse_qsl(query, keep_blank_values=True))) != self.query:
            yield f"query {pairs} instead of {self.query}"
        yield from self._header_differences(asked)
        yield from self._body_differences(asked)
        if "{{" in asked.text() or "{%" in asked.text():
            yield "a template that was not filled in"

    def _header_differences(self, asked: Asked) -> Iterator[str]:
        sent = dict(asked.headers)
        if len(sent) != len(asked.headers):
            yield "a header that is there twice"
        for name, value in self.headers.items():
            if sent.get(name, "").strip() != value.strip():
                yield f"header {name}: {sent.get(name)} instead of {value}"
        if extra := sent.keys() - self.headers.keys() - USUAL:
            yield f"headers that the rule does not have: {', '.join(sorted(extra))}"
        if "user-agent" not in self.headers and not sent.get("user-agent", "").startswith("deadkey/"):
            yield f"user agent {sent.get('user-agent')}"

    def _body_differences(self, asked: Asked) -> Iterator[str]:
        types = {"json": "application/json", "form": "application/x-www-form-urlencoded"}
        kind = dict(asked.headers).get("content-type", "")
        if self.kind in types and "content-type" not in self.headers and kind != types[self.kind]:
            yield f"content type {kind} instead of {types[self.kind]}"
        content: Any = asked.body
        try:
            if self.kind == "json":
                content = json.loads(asked.body)
            elif self.kind == "form":
                content = dict(parse_qsl(asked.body.decode(), keep_blank_values=True, strict_parsing=True))
        except ValueError:
            yield f"a body that is no {self.kind}"
        if content != self.content:
            yield f"body {content!r} instead of {self.content!r}"


def expected(request: Spec, values: Mapping[str, Any]) -> Expected:
    """What a rule's request must look like on the wire."""
    parts = urlsplit(rendered(request["url"], values))
    assert parts.scheme == "https" and parts.hostname and not parts.fragment
    query = [*parse_qsl(parts.query, keep_blank_values=True), *rendered(request.get("params") or {}, values).items()]
    headers = {name.lower(): value for name, value in rendered(request.get("headers") or {}, values).items()}
    if request.get("basic"):
        headers["authorization"] = _basic(*rendered(request["basic"], values))
    kind, content = "", b""
    for kind in ("json", "form", "body"):
        if request.get(kind) is not None:
            content = rendered(request[kind], values)
            content = content.encode() if kind == "body" else content
            break
    else:
        kind = ""
    host = parts.hostname if parts.port in (None, 443) else f"{parts.hostname}:{parts.port}"
    return Expected(request.get("method", "GET"), host, parts.path or "/", tuple(query), headers, kind, content)


# Scripts.


@dataclass(frozen=True)
class Case:
    """What a provider answers, and what must come of it."""

    name: str
    answers: Script
    state: str
    wait: float = 0.0
    """Seconds that the client must let pass before it repeats."""


@dataclass(frozen=True)
class Turn:
    request: Expected
    reply: Reply
    wait: float = 0.0


@dataclass
class Conversation:
    """A case with the finding that it is about."""

    case: Case
    finding: Finding
    turns: list[Turn]
    """What is still to come."""
    hosts: frozenset[str]
    """Where its values may go."""
    domains: tuple[str, ...]
    values: tuple[str, ...]
    """The secret, and of what is sent with it what is long enough to be told from other text."""
    last: float = 0.0

    @property
    def name(self) -> str:
        return f"{self.finding.rule}: {self.case.name}"


def conversation(case: Case, about: Finding, part: Spec, endpoint: str | None) -> Conversation:
    """The script of a case for one finding; `part` is a rule's `verify` or `revoke`."""
    values: dict[str, Any] = {"secret": about.secret.reveal().decode()}
    values |= {name: secret.reveal().decode() for name, secret in about.companions}
    owned = owner(about.rule, part)
    told = [values["secret"], *(value for value in (*values.values(), *owned.values()) if len(value) >= 12)]
    values |= {"endpoint": endpoint} if endpoint else {}
    values["owner"] = SimpleNamespace(**owned)
    turns = []
    steps = list(part.get("steps") or ())
    looked_up = [values[name] for name in re.findall(r"\b(\w+) in \w", repr(part["request"])) if name in values]
    for number, (request, answers) in enumerate(zip(_requests(part), case.answers, strict=False)):
        wanted = expected(request, values)
        if looked_up:
            answers = tuple(replace(r, data=r.data.replace(KNOWN.encode(), looked_up[0].encode())) for r in answers)
        turns += [Turn(wanted, reply, case.wait if again else 0.0) for again, reply in enumerate(answers)]
        for name, expression in (steps[number].get("save") or {}).items() if number < len(steps) else ():
            values[name] = evaluate(expression, answers[-1])
    domains = tuple(shipped_actions()[about.rule]["domains"])
    domains += (urlsplit(endpoint).hostname or "",) if endpoint else ()
    return Conversation(
        case, about, turns, frozenset(turn.request.host for turn in turns), domains, tuple(dict.fromkeys(told))
    )


def _requests(part: Spec) -> list[Spec]:
    return [*(step["request"] for step in part.get("steps") or ()), part["request"]]


def _plain(status: int, text: str = "") -> Reply:
    return Reply(status).as_json({"message": text or "simulated"})


REDIRECTED = Reply(302, {"Location": "https://elsewhere.example/"})
LIMITED = (
    _plain(403, "Forbidden"),
    Reply(403, {"Content-Type": "text/html"}, b"<html><body>Access denied</body></html>"),
    _plain(404, "Not Found"),
    _plain(402, "Payment Required"),
    _plain(400, "Bad Request"),
)
"""Refusals that say nothing of a token, as long as its rule does not take them for something."""


def _busy(seconds: str, body: Reply) -> Reply:
    return replace(body, status=429, headers={**body.headers, "Retry-After": seconds})


def _answers(conditions: Iterable[Spec] | None, statuses: Sequence[int], filled: Sequence[str] = ()) -> list[Reply]:
    made = []
    for one in conditions or ():
        if one.get("match") != NEVER:
            found = replies(one, statuses, filled)
            missing = set(one.get("status", ())) - {reply.status for reply in found}
            assert found and not missing, f"no answer can be made of {one} {missing or ''}"
            made += found
    return made


def _stepped(step: Spec) -> list[Reply]:
    """Every answer to a step from which the rule goes on."""
    saves = list((step.get("save") or {}).values())
    made = [
        reply
        for one in step.get("expect") or GOOD
        for reply in replies(one, (200,), explored=saves, spare=(KNOWN, "sim-key"))
    ]
    assert made, f"no answer can be made of {step}"
    return made


def _stepping(part: Spec, changes: bool) -> tuple[Script, list[tuple[str, Script]], list[tuple[str, Script, str]]]:
    """The usual answers to the steps, the others from which a rule goes on, and those from which it does not.

    The last come with what revoking comes to. `changes` says that a request may change something: one that can is not
    repeated when its answer is lost.
    """
    steps = list(part.get("steps") or ())
    variants = [_stepped(step) for step in steps]
    usual: Script = tuple((answers[0],) for answers in variants)
    others: list[tuple[str, Script]] = []
    ends: list[tuple[str, Script, str]] = []
    for n, step in enumerate(steps):
        before, after, name = usual[:n], usual[n + 1 :], f"step {n + 1}"
        for number, reply in enumerate(variants[n][1:], 1):
            others.append((f"{name} answered {number}, {reply.status}", (*before, (reply,), *after)))
        others.append((f"{name} rate-limited", (*before, (_busy("7", usual[n][0]), usual[n][0]), *after)))
        odd = next(reply for reply in (_plain(418), _plain(409)) if not holds(step.get("expect") or GOOD, reply))
        ends.append((f"{name} unexpected", (*before, (odd,)), "failed"))
        ends.append((f"{name} 500", (*before, (replace(usual[n][0], status=500),)), "failed"))
        tries = 1 if changes and step["request"].get("method", "GET") != "GET" else TRIES
        ends.append((f"{name} broken off", (*before, (replace(usual[n][0], sent=GONE),) * tries), "failed"))
        ends.append((f"{name} busy", (*before, (_busy(LONG, usual[n][0]),)), "later"))
        bare = [reply for one in step.get("expect") or GOOD for reply in replies(one)]
        saves = (step.get("save") or {}).values()
        for reply in [reply for reply in bare if any(evaluate(expression, reply) is None for expression in saves)][:1]:
            ends.append((f"{name} without what it saves", (*before, (reply,)), "failed"))
    return usual, others, ends


def verify_cases(part: Spec) -> list[Case]:
    """Every answer that a rule's `verify` tells apart, and those that must decide nothing."""
    names = part.get("identity") or {}
    live = _answers(part["live"], (200,), list(names.values()))
    dead = _answers(part["dead"], (401, 400, 403, 404, 200))
    first, others, ends = _stepping(part, False)
    yes, no = live[0], (dead or live)[0]
    cases = [Case(f"live {n}, {reply.status}", (*first, (reply,)), "live") for n, reply in enumerate(live)]
    cases += [Case(f"dead {n}, {reply.status}", (*first, (reply,)), "dead") for n, reply in enumerate(dead)]
    neither = _neither(part["live"], part["dead"])
    cases += [Case(f"limited {n}, {reply.status}", (*first, (reply,)), "unknown") for n, reply in enumerate(neither)]
    if not dead:
        cases.append(Case("refused", (*first, (_plain(401, "Unauthorized"),)), "unknown"))
    cases += [
        Case("rate-limited", (*first, (_busy("7", yes), yes)), "live", 7),
        Case("rate-limited past the limit", (*first, (_busy("1", no),) * TRIES), "unknown", 1),
        Case("sent away", (*first, (_busy(LONG, yes),)), "unknown"),
        Case("broken, 500 like live", (*first, (replace(yes, status=500),)), "unknown"),
        Case("broken, 500 like dead", (*first, (replace(no, status=500),)), "unknown"),
        Case("broken, 503", (*first, (replace(no, status=503),) * TRIES), "unknown", 1),
    ]
    if yes.data:
        cases += [
            Case(f"broken, {name}", (*first, (reply,)), "unknown")
            for name, reply in _garbled(yes).items()
            if reads_body(part) or not holds(part["live"], reply)
        ]
    if not any(condition.get("match") for condition in part["live"]):
        page = Reply(yes.status, {"Content-Type": "text/html; charset=utf-8"}, b"<!doctype html><title>Welcome</title>")
        cases.append(Case("somebody else's page", (*first, (page,)), "unknown"))
    for name, script in others:
        cases.append(Case(f"{name}, live", (*script, (yes,)), "live", 7))
        cases += [Case(f"{name}, dead", (*script, (no,)), "dead", 7)] if dead else []
    cases += [Case(name, script, "unknown") for name, script, _ in ends]
    half = replace(yes, sent=len(yes.data) // 2 if yes.data else GONE)
    return [*cases, Case("broken, cut short", (*first, (half,) * TRIES), "unknown", 1)]


def revoke_cases(part: Spec) -> list[Case]:
    """Every answer that a rule's `revoke` tells apart, those that mean nothing was done, and those that are not clear."""
    done, already = _answers(part["done"], (200,)), _answers(part.get("already"), (401, 400, 403, 404, 200))
    first, others, ends = _stepping(part, True)
    yes = done[0]
    cases = [Case(f"done {n}, {reply.status}", (*first, (reply,)), "done") for n, reply in enumerate(done)]
    cases += [
        Case(f"already {n}, {reply.status}", (*first, (reply,)), "already-dead") for n, reply in enumerate(already)
    ]
    neither = _neither(part["done"], part.get("already"))
    cases += [Case(f"refused {n}, {reply.status}", (*first, (reply,)), "failed") for n, reply in enumerate(neither)]
    cases += [
        Case("rate-limited", (*first, (_busy("7", yes), yes)), "done", 7),
        Case("rate-limited past the limit", (*first, (_busy("1", yes),) * TRIES), "later", 1),
        Case("sent away", (*first, (_busy(LONG, yes),)), "later"),
        Case("broken, 500", (*first, (replace(yes, status=500),)), "failed"),
        # What may have been done is not asked for a second time.
        Case("broken, 503", (*first, (replace(yes, status=503),)), "later"),
        Case("broken off", (*first, (replace(yes, sent=GONE),)), "failed"),
    ]
    if yes.data:
        cases.append(Case("broken, cut short", (*first, (replace(yes, sent=len(yes.data) // 2),)), "failed"))
        cases += [
            Case(f"broken, {name}", (*first, (reply,)), "failed")
            for name, reply in _garbled(yes).items()
            if not holds(part["done"], reply)
        ]
    cases += [Case(name, (*script, (yes,)), "done", 7) for name, script in others]
    return cases + [Case(name, script, state) for name, script, state in ends]


def _neither(one: Sequence[Spec], other: Sequence[Spec] | None) -> list[Reply]:
    """A few refusals, and a redirect, that a rule takes neither for the one nor for the other."""
    found = [reply for reply in LIMITED if not holds(one, reply) and not holds(other, reply)]
    assert found, "the rule takes every refusal for something"
    assert not holds(one, REDIRECTED) and not holds(other, REDIRECTED), "the rule takes a redirect for something"
    return [*found[:3], REDIRECTED]


def _garbled(reply: Reply) -> dict[str, Reply]:
    """A success whose body is not what it should be."""
    return {
        "half a document": replace(reply, data=reply.data[: len(reply.data) // 2]),
        "an empty body": replace(reply, data=b""),
        "a web page": replace(reply, data=b"<!doctype html><title>Welcome</title>"),
    }


def reads_body(part: Spec) -> bool:
    """True when a rule reads from the body whose token it is."""
    return any(re.search(r"\bbody\b", expression) for expression in (part.get("identity") or {}).values())


def said(part: Spec, reply: Reply) -> dict[str, Any]:
    """What a rule's `identity` reads from an answer."""
    found = {name: evaluate(expression, reply) for name, expression in (part.get("identity") or {}).items()}
    return {name: value for name, value in found.items() if value not in NOTHING}


# The server.

_handshake = threading.local()
"""`name`: the host that this thread's connection asked for."""


class Simulator:
    """One server on loopback for every host there is, with a certificate for each from an authority of its own."""

    def __init__(self, folder: Path) -> None:
        self._authority = trustme.CA()
        self.bundle = folder / "simulator-ca.pem"
        self._authority.cert_pem.write_to_path(str(self.bundle))
        self._contexts: dict[str, ssl.SSLContext] = {}
        self._lock = threading.Lock()
        self._playing: list[Conversation] = []
        self._faults: list[str] = []
        self._places: dict[str, set[str]] = {}
        """Where each value may go."""
        self._clock: Ticks | None = None
        self.front = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.front.sni_callback = self._named
        self._server = _Server((LOOPBACK, 0), self)
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def resolve(self, host: str, port: int) -> list[tuple[Any, ...]]:
        """Stands in for the resolver: every name leads here. One that no script needs is a fault."""
        with self._lock:
            if not any(host == known.split(":")[0] for one in self._playing for known in one.hosts):
                self._faults.append(f"the name {host} was looked up")
        return [(AF_INET, SOCK_STREAM, 6, "", self._server.server_address)]

    def play(self, conversations: Sequence[Conversation], clock: Ticks) -> None:
        """Begin anew with these scripts."""
        with self._lock:
            self._playing, self._faults, self._clock = list(conversations), [], clock
            self._places = {}
            for one in conversations:
                for value in one.values:
                    self._places.setdefault(value, set()).update(one.hosts)

    def faults(self) -> list[str]:
        """What the client did beside the scripts, and what it left out."""
        with self._lock:
            left = [
                f"{one.name}: {len(one.turns)} requests were not sent, first {one.turns[0].request.host}"
                for one in self._playing
                if one.turns
            ]
            return self._faults + left

    def _named(self, sock: ssl.SSLSocket | ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
        """Show the certificate of the name that is asked for: its own, or one for all names beside it."""
        name = name or ""
        parent = name.partition(".")[2]
        shown = f"*.{parent}" if "." in parent else name
        with self._lock:
            if shown not in self._contexts:
                self._contexts[shown] = context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                self._authority.issue_cert(shown).configure_cert(context)
            sock.context = self._contexts[shown]
        _handshake.name = name

    def fault(self, what: str) -> None:
        with self._lock:
            self._faults.append(what)

    def answer(self, asked: Asked) -> Reply:
        """The scripted answer to a request, or UNASKED and a fault."""
        with self._lock:
            text = asked.text()
            for value, hosts in self._places.items():
                if asked.host not in hosts and value in text:
                    self._faults.append(f"{value} went to {asked.host}, and may go to {', '.join(sorted(hosts))}")
            waiting = [one for one in self._playing if one.turns]
            for one in waiting:
                if one.turns[0].request.host == asked.host and not any(one.turns[0].request.differences(asked)):
                    return self._taken(one)
            near = next((one for one in waiting if any(value in text for value in one.values)), None)
            if near is None:
                self._faults.append(f"a request that no script has: {asked.method} {asked.host}{asked.target}")
            else:
                what = "; ".join(near.turns[0].request.differences(asked))
                self._faults.append(f"{near.name}: {what}")
            return UNASKED

    def _taken(self, one: Conversation) -> Reply:
        turn = one.turns.pop(0)
        host = turn.request.host.split(":")[0]
        if not any(host == domain or host.endswith(f".{domain}") for domain in one.domains):
            self._faults.append(f"{one.name}: {host} is not of the provider's domains")
        now = self._clock.time() if self._clock else 0.0
        if now - one.last < turn.wait:
            self._faults.append(f"{one.name}: asked again after {now - one.last:g} s instead of {turn.wait:g} s")
        one.last = now
        return turn.reply


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], simulator: Simulator) -> None:
        super().__init__(address, _Handler)
        self.simulator = simulator

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client may hang up when it likes."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    timeout = 30
    server: _Server

    def setup(self) -> None:
        try:
            self.request = self.server.simulator.front.wrap_socket(self.request, server_side=True)
        except OSError as e:
            self.server.simulator.fault(f"the handshake failed: {e}")
            raise
        super().setup()

    def finish(self) -> None:
        super().finish()
        self.request.close()

    def _answer(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        headers = tuple((name.lower(), value) for name, value in self.headers.items())
        target = self.requestline.split(" ")[1]
        asked = Asked(_handshake.name, self.command, target, headers, self.rfile.read(length))
        reply = self.server.simulator.answer(asked)
        if reply.sent is not None:
            self.close_connection = True
        if reply.sent == GONE:
            return
        self.send_response_only(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        if reply.status not in EMPTY:
            self.send_header("Content-Length", str(len(reply.data)))
        self.end_headers()
        self.wfile.write(b"" if self.command == "HEAD" else reply.data[: reply.sent])
        self.wfile.flush()

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = _answer

    def log_message(self, *_: Any) -> None:
        pass
