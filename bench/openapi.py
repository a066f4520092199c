"""The requests of the shipped rules beside what providers describe of their APIs: OpenAPI 3 and Swagger 2, JSON or YAML.

usage: bench/openapi.py [--server URL] [--answers] DESCRIPTION…

For every request of a rule whose host is one of a description's servers it prints ok, or what the description does not
know (path, method, parameter, way to authenticate), or what it requires and the rule does not give. With `--answers` also
the statuses and fields of the answer that the rule waits for and the description does not name. `--server` is a base
address beside those that the descriptions name. Exit status 1 where something differs, 2 where nothing could be compared.
"""

from __future__ import annotations

import argparse
import functools
import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

import jmespath
from describe import VARIABLE, Description, Node, Route, Server, array, description, properties, required

from scanner.ruleset import cache
from scanner.ruleset.load import load
from scanner.ruleset.schema import Request, RuleSpec, Verify

TEMPLATE = re.compile(r"\{\{.*?\}\}")
DEFAULT = re.compile(r"""^\{\{ *endpoint\b[^{}]*["'](https://[^"']+)["'] *\}\}""")
"""The address of a service that may also be self-hosted."""
ANY = "\0"
"""Stands for what a template puts into a URL."""
USUAL = {"accept", "authorization", "content-type", "user-agent"}
"""Headers that a description need not name."""
ORDER = ("path unknown", "method unknown")
"""Of several descriptions of one host the one that knows more of a request is the right one."""


class Asked(NamedTuple):
    """A rule's request, taken apart, with the statuses that mean success and what is read from the answer."""

    host: str
    path: str
    query: dict[str, str]
    request: Request
    statuses: tuple[int, ...] = ()
    identity: tuple[tuple[str, str], ...] = ()


class Fault(NamedTuple):
    kind: str
    detail: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.detail}"


def asked(spec: RuleSpec) -> Iterator[tuple[str, Asked]]:
    """A rule's requests by where they stand, but for those to a host that only the user's configuration knows."""
    for name, part, good in (
        ("verify", spec.verify, spec.verify.live if spec.verify else None),
        ("revoke", spec.revoke, spec.revoke.done if spec.revoke else None),
    ):
        if part is None:
            continue
        for number, step in enumerate(part.steps, 1):
            yield from taken(f"{name} step {number}", step.request)
        if part.request is not None:
            statuses = tuple(status for condition in good or () for status in condition.status)
            identity = tuple(part.identity.items()) if isinstance(part, Verify) else ()
            yield from taken(name, part.request, statuses, identity)


def taken(where: str, request: Request, *answer: Any) -> Iterator[tuple[str, Asked]]:
    url = DEFAULT.sub(r"\1", request.url)
    if not url.startswith("{{"):
        parts = urlsplit(TEMPLATE.sub(ANY, url))
        query = dict(parse_qsl(parts.query, keep_blank_values=True)) | request.params
        yield where, Asked(parts.netloc.lower(), parts.path, query, request, *answer)


@functools.cache
def same_host(server: Server, host: str) -> bool:
    shape = "[^/]+".join(map(re.escape, host.split(ANY)))
    return bool(
        re.fullmatch(shape, server.host) or (server.pattern and re.fullmatch(server.pattern, host.replace(ANY, "x")))
    )


@functools.cache
def shape(path: str) -> re.Pattern[str]:
    return re.compile("[^/]+".join(map(re.escape, VARIABLE.split(path))))


def compare(ask: Asked, described: Description, answers: bool) -> list[Fault] | None:
    """What a description does not know of a request; None where the host is none of its servers."""
    near = [(s.path + r.path, r) for r in described.routes for s in r.servers if same_host(s, ask.host)]
    if not near:
        return None
    # A secret may hold a slash: the two halves of a webhook's address.
    results = []
    for path in dict.fromkeys((ask.path, ask.path.replace(ANY, f"{ANY}/{ANY}"))):
        found = [(whole, route) for whole, route in near if shape(whole).fullmatch(path)]
        fewest = min((len(VARIABLE.findall(whole)) for whole, _ in found), default=0)
        routes = [route for whole, route in found if len(VARIABLE.findall(whole)) == fewest]
        results += [operation(ask, r, described, answers) for r in routes if r.method == ask.request.method]
        if found and not any(r.method == ask.request.method for r in routes):
            known = " ".join(sorted({r.method for r in routes}))
            results.append([Fault("method unknown", f"{ask.request.method}, known are {known}")])
    return min(results, key=weight, default=[Fault("path unknown", ask.path.replace(ANY, "{}"))])


def weight(faults: list[Fault]) -> tuple[bool, bool, int]:
    kinds = {fault.kind for fault in faults}
    return ORDER[0] in kinds, ORDER[1] in kinds, len(faults)


def operation(ask: Asked, route: Route, described: Description, answers: bool) -> list[Fault]:
    """What one operation does not know of a request."""
    declared: dict[tuple[str, str], Node] = {}
    for parameter in (*route.item.get("parameters"), *route.operation.get("parameters")):
        declared[str(parameter.get("in").value), str(parameter.get("name").value)] = parameter
    known = {*declared, *((str(s.get("in").value), str(s.get("name").value)) for s in described.schemes().values())}
    faults = [*parameters(ask, declared, known), *body(ask.request, declared, route.operation)]
    if not any("{{" in text for text in sent_texts(ask.request)):
        faults += authentication(ask, route.operation, described)
    return faults + list(answer(ask, route.operation)) if answers else faults


def parameters(ask: Asked, declared: dict[tuple[str, str], Node], known: set[tuple[str, str]]) -> Iterator[Fault]:
    """The query and the headers."""
    headers = {name.lower() for name in ask.request.headers}
    spread = {n for (place, _), p in declared.items() if place == "query" for n in properties(p.get("schema"))[0]}
    query = spread | {name for place, name in known if place == "query"}
    for name in ask.query:
        if not {name, name.partition("[")[0], f"{name}[]"} & query:
            yield Fault("unknown parameter", f"query {name}")
    for name in sorted(headers - {name.lower() for place, name in known if place == "header"} - USUAL):
        yield Fault("unknown parameter", f"header {name}")
    for (place, name), parameter in declared.items():
        given = name in ask.query if place == "query" else name.lower() in headers | USUAL
        if place in ("query", "header") and parameter.get("required").true and not given:
            yield Fault("missing required parameter", f"{place} {name}")


def sent_texts(request: Request) -> list[str]:
    sent = request.json_ if isinstance(request.json_, dict) else request.form or {}
    return [*(str(value) for value in sent.values()), *([request.body] if request.body else [])]


def body(request: Request, declared: dict[tuple[str, str], Node], operation: Node) -> Iterator[Fault]:
    """What is sent: OpenAPI 3's requestBody, Swagger 2's body parameter and form data."""
    sent = request.json_ if request.json_ is not None else request.form
    given = sent is not None or request.body is not None
    form = {name: p for (place, name), p in declared.items() if place == "formData"}
    plain = next((p for (place, _), p in declared.items() if place == "body"), None)
    whole = plain or operation.get("requestBody")
    kinds = {name.lower(): media.get("schema") for name, media in whole.get("content").items()}
    kind = "json" if request.form is None else "form"
    fits = [schema for name, schema in kinds.items() if name == "*/*" or ("json" in name) == (kind == "json")]
    if not given:
        if whole.get("required").true or any(p.get("required").true for p in form.values()):
            yield Fault("missing required parameter", "body")
    elif whole.value is None and not form:
        if sent:
            yield Fault("unknown parameter", "body")
    elif sent is not None and kinds and not fits:
        yield Fault("unknown parameter", f"a body as {kind}, known are {', '.join(kinds)}")
    elif isinstance(sent, dict):
        schema = whole.get("schema") if plain else fits[0] if fits else Node(None, operation.home)
        fields, closed = (form, True) if form else properties(schema)
        needed = {name for name, p in form.items() if p.get("required").true} | required(schema)
        yield from (Fault("unknown parameter", f"body {name}") for name in sent if closed and name not in fields)
        yield from (Fault("missing required parameter", f"body {name}") for name in sorted(needed - set(sent)))


def authentication(ask: Asked, operation: Node, described: Description) -> Iterator[Fault]:
    """Whether one of the ways to authenticate that the description names is the rule's."""
    security = operation.get("security")
    ways = [
        list(way.value or ()) for way in (security if security.value is not None else described.node.get("security"))
    ]
    known = described.schemes()
    if any(all(name not in known or shown(ask, known[name]) for name in way) for way in ways) or not ways:
        return
    yield Fault("other authentication", " or ".join(" and ".join(way) for way in ways))


def shown(ask: Asked, scheme: Node) -> bool:
    """Whether a request authenticates in this way. Cookies and the like are taken for given."""
    headers = {name.lower(): value.lower() for name, value in ask.request.headers.items()}
    carried = headers.get("authorization") or ("basic " if ask.request.basic else "")
    basic = carried.startswith("basic ") or "| basic" in carried
    kind, name = scheme.get("type").value, str(scheme.get("name").value)
    if kind == "apiKey":
        if name.lower() == "authorization":
            return bool(carried)
        return (
            name.lower() in headers
            if scheme.get("in").value == "header"
            else name in {*ask.query, *ask.request.headers}
        )
    if kind == "basic" or (kind == "http" and str(scheme.get("scheme").value).lower() == "basic"):
        return basic
    if kind in ("http", "oauth2", "openIdConnect"):
        return bool(carried) and not basic
    return True


def answer(ask: Asked, operation: Node) -> Iterator[Fault]:
    """Statuses that mean success and are not described, and fields of the answer that no schema has."""
    described = {code.upper(): answer for code, answer in operation.get("responses").items()}
    good = {code for code in described if code.startswith("2")}
    wanted = {code for status in ask.statuses for code in (str(status), f"{status // 100}XX")}
    if good and wanted and not wanted & {*described, *({"DEFAULT"} & set(described))}:
        told = " ".join(map(str, ask.statuses))
        yield Fault("status not described", f"{told}, described are {' '.join(sorted(described))}")
    schemas = [s for code in (wanted & good or good) for s in schemas_of(described[code])]
    for name, expression in ask.identity if all(status < 300 for status in ask.statuses) else ():
        vain = reach(jmespath.compile(expression).parsed, schemas, root=True).vain
        if schemas and vain:
            yield Fault("field not described", f"{name}: {', '.join(vain)}")


def schemas_of(response: Node) -> list[Node]:
    media = [media for name, media in response.get("content").items() if "json" in name]
    return [part.get("schema") for part in (response, *media) if isinstance(part.get("schema").value, dict)]


class Reached(NamedTuple):
    """The schemas that an expression leads to, none where anything may be, and the fields that it asks for in vain."""

    schemas: list[Node]
    vain: list[str]


def reach(tree: Any, at: list[Node], root: bool = False) -> Reached:
    """Follow a JMESPath expression, parsed, from some schemas on; with `root` from what the rule's expressions see."""
    kind, children = tree["type"], tree.get("children", [])
    if kind == "field":
        return field(tree["value"], at) if not root else Reached(at if tree["value"] == "body" else [], [])
    if kind in ("subexpression", "pipe", "index_expression"):
        vain: list[str] = []
        for number, child in enumerate(children):
            at, missed = reach(child, at, root and not number)
            vain += missed
            if not at:
                break
        return Reached(at, vain)
    if kind in ("index", "slice"):
        return Reached([schema.get("items") for schema in at if array(schema)], [])
    if kind in ("projection", "filter_projection", "flatten"):
        found, vain = reach(children[0], at, root)
        inner = reach(children[1], elements(found)) if found and len(children) > 1 else Reached(elements(found), [])
        return Reached(inner.schemas, vain + inner.vain)
    if kind in ("identity", "current"):
        return Reached(at, [])
    every = [reach(child, at, root) for child in children if isinstance(child, dict)]
    if kind == "or_expression":
        good = [tried for tried in every if not tried.vain]
        return Reached([s for tried in good for s in tried.schemas], [] if good else every[0].vain)
    return Reached([], [name for tried in every for name in tried.vain])


def field(name: str, at: list[Node]) -> Reached:
    every = [properties(schema) for schema in at]
    found = [fields[name] for fields, _ in every if name in fields]
    told = bool(at) and all(shut or array(schema) for (_, shut), schema in zip(every, at, strict=True))
    return Reached(found, [name] if told and not found else [])


def elements(schemas: list[Node]) -> list[Node]:
    return [schema.get("items") if array(schema) else schema for schema in schemas]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("description", nargs="+", type=Path)
    parser.add_argument("--server", action="append", default=[], metavar="URL")
    parser.add_argument("--answers", action="store_true")
    given = parser.parse_args()
    described = [description(path, given.server) for path in given.description]
    kinds: Counter[str] = Counter()
    compared: dict[str, bool] = {}
    for file in load(cache.read_files((cache.shipped(),))):
        for spec in file.rules:
            for where, ask in asked(spec):
                results = [r for d in described if (r := compare(ask, d, given.answers)) is not None]
                if results:
                    faults = min(results, key=weight)
                    compared[spec.id] = compared.get(spec.id, True) and not faults
                    kinds.update({fault.kind for fault in faults} or {"ok"})
                    url = TEMPLATE.sub("{}", ask.request.url)
                    print(f"{spec.id} {where}: {ask.request.method} {url}: {'; '.join(map(str, faults)) or 'ok'}")
    print("requests:", ", ".join(f"{count} {kind}" for kind, count in kinds.most_common()) or "none to compare")
    print(f"rules: {len(compared)} compared, {sum(compared.values())} ok")
    sys.exit(2 if not compared else 0 if all(compared.values()) else 1)


if __name__ == "__main__":
    main()
