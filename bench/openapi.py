"""The requests of the shipped rules beside what providers describe of their APIs: OpenAPI 3 and Swagger 2, JSON or YAML.

usage: bench/openapi.py [--server URL] [--answers] DESCRIPTION…

For every request of a rule whose host is one of a description's servers it prints ok or what the description does not
know: path, method, parameter, field of the body, authentication; or what it requires and the rule does not give. With
`--answers` also statuses and fields of the answer that the rule waits for and the description does not name. `--server`
is a base address for descriptions that name none. Exit status 1 when anything differs, 2 when nothing could be compared.
"""

from __future__ import annotations

import argparse
import functools
import itertools
import json
import re
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, unquote, urljoin, urlsplit

import jmespath
import yaml

from scanner.ruleset import cache
from scanner.ruleset.load import load
from scanner.ruleset.schema import Exchange, Request, Revoke, RuleSpec, Verify

TEMPLATE = re.compile(r"\{\{.*?\}\}")
ANY = "\0"
"""Stands for what a template puts into a URL."""
VARIABLE = re.compile(r"\{[^{}]*\}")
USUAL = {"accept", "authorization", "content-type", "user-agent"}
"""Headers that a description need not name."""
DEEPEST = 12
"""Levels of allOf, anyOf and oneOf that are followed."""
Loader: Any = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
SCHEMES = {"bearer": "bearer ", "basic": "basic "}


@dataclass(frozen=True, eq=False)
class Node:
    """A part of a description, and the file it stands in, which its references start from."""

    value: Any
    home: Path

    def get(self, *names: str) -> Node:
        """What lies below these names with references followed; None is the value where one is missing."""
        node = self
        for name in names:
            value = node.value.get(name) if isinstance(node.value, dict) else None
            node = followed(Node(value, node.home))
        return node

    def items(self) -> Iterator[tuple[str, Node]]:
        if isinstance(self.value, dict):
            for name in self.value:
                yield str(name), self.get(name)

    def __iter__(self) -> Iterator[Node]:
        """The entries of a list."""
        for value in self.value if isinstance(self.value, list) else ():
            yield followed(Node(value, self.home))

    @property
    def true(self) -> bool:
        """YAML is read without types."""
        return self.value is True or self.value == "true"

    @property
    def strings(self) -> list[str]:
        return [str(value) for value in self.value] if isinstance(self.value, list) else []


@functools.cache
def read(path: Path) -> Any:
    """A file's content; nothing, and a word on standard error, where it cannot be read."""
    try:
        content = path.read_bytes()
    except OSError as e:
        print(f"{path}: {e.strerror}", file=sys.stderr)
        return None
    if content.lstrip()[:1] == b"{":
        return json.loads(content)
    return yaml.load(content, Loader=Loader)


def followed(node: Node) -> Node:
    """Where a reference leads: within the file, or to another beside it."""
    for _ in range(DEEPEST):
        if not (isinstance(node.value, dict) and isinstance(node.value.get("$ref"), str)):
            return node
        file, _, pointer = node.value["$ref"].partition("#")
        home = (node.home.parent / file).resolve() if file else node.home
        value = read(home)
        for part in filter(None, pointer.split("/")):
            part = unquote(part).replace("~1", "/").replace("~0", "~")
            if isinstance(value, list) and part.isdecimal():
                value = value[int(part)] if int(part) < len(value) else None
            else:
                value = value.get(part) if isinstance(value, dict) else None
        node = Node(value, home)
    return Node(None, node.home)


class Server(NamedTuple):
    """A base address: its host as it may be written out, as a pattern where it holds variables, and its path."""

    hosts: tuple[str, ...]
    pattern: re.Pattern[str] | None
    path: str


def server(url: str, variables: Node) -> Iterator[Server]:
    """What a base address with variables may be."""
    values = {}
    for name, variable in variables.items():
        default = variable.get("default").value
        values[name] = list(dict.fromkeys([*([str(default)] if default else []), *variable.get("enum").strings]))
    names = [name for name in values if values[name] and f"{{{name}}}" in url]
    for chosen in itertools.islice(itertools.product(*(values[name] for name in names)), 64):
        filled = url
        for name, value in zip(names, chosen, strict=True):
            filled = filled.replace(f"{{{name}}}", value)
        yield from plain_server(filled)
    host = urlsplit(VARIABLE.sub("x", url)).netloc
    if VARIABLE.search(url) and host.count(".") >= 2:
        yield from plain_server(url)


def plain_server(url: str) -> Iterator[Server]:
    scheme, _, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    if not rest or scheme not in ("https", "http", "{scheme}", "{protocol}"):
        return
    host = host.lower()
    pieces = [re.escape(piece) for piece in VARIABLE.split(host)]
    pattern = re.compile("[^/]+".join(pieces)) if VARIABLE.search(host) else None
    yield Server((VARIABLE.sub("x", host),), pattern, (slash + path).rstrip("/"))


def servers(description: Node, given: list[str]) -> list[Server]:
    found: list[Server] = []
    for entry in description.get("servers"):
        url = str(entry.get("url").value)
        for base in given if not urlsplit(url).netloc and "://" not in url else [""]:
            found += server(urljoin(base, url) if base else url, entry.get("variables"))
    if host := description.get("host").value:
        found += plain_server(f"https://{host}{description.get('basePath').value or ''}")
    elif description.get("swagger").value:
        found += [s for base in given for s in plain_server(base + str(description.get("basePath").value or ""))]
    if not found and not any(description.get("servers")):
        found += [s for base in given for s in plain_server(base)]
    return found


class Wanted(NamedTuple):
    """A rule's request, taken apart."""

    host: str
    path: str
    query: dict[str, str]
    request: Request


def wanted(request: Request) -> Wanted | None:
    """None for a host that only the user's configuration knows."""
    url = re.sub(r"""^\{\{ *endpoint\b[^{}]*["'](https://[^"']+)["'] *\}\}""", r"\1", request.url)
    if url.startswith("{{"):
        return None
    parts = urlsplit(TEMPLATE.sub(ANY, url))
    query = dict(parse_qsl(parts.query, keep_blank_values=True)) | request.params
    return Wanted(parts.netloc.lower(), parts.path, query, request)


def same_host(base: Server, host: str) -> bool:
    shape = re.compile("[^/]+".join(map(re.escape, host.split(ANY))))
    return any(shape.fullmatch(known) for known in base.hosts) or bool(
        base.pattern and base.pattern.fullmatch(host.replace(ANY, "x"))
    )


def paths(description: Node, base: str, path: str) -> Iterator[Node]:
    """The path items that a path matches, the most literal first."""
    found: list[tuple[int, int, Node]] = []
    for template, item in description.get("paths").items():
        whole = re.sub(r"\?.*|#.*", "", base + template)
        shape = "[^/]+".join(re.escape(piece) for piece in VARIABLE.split(whole))
        if re.fullmatch(shape + ("/?" if whole == base + "/" else ""), path):
            found.append((len(VARIABLE.findall(whole)), len(found), item))
    for _, _, item in sorted(found, key=lambda f: f[:2]):
        yield item


class Fault(NamedTuple):
    kind: str
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.kind}: {self.detail}" if self.detail else self.kind


def compare(
    want: Wanted, description: Node, bases: list[Server], part: Exchange, last: bool, answers: bool
) -> list[Fault] | None:
    """What the description does not know of a request; None where the host is none of its servers."""
    near = [base for base in bases if same_host(base, want.host)]
    if not near:
        return None
    items = [i for path in dict.fromkeys(base.path for base in near) for i in paths(description, path, want.path)]
    if not items:
        return [Fault("path unknown", want.path.replace(ANY, "{}"))]
    results = []
    for item in items:
        operation = item.get(want.request.method.lower())
        if not isinstance(operation.value, dict):
            known = sorted({"get", "head", "post", "put", "patch", "delete"} & {name for name, _ in item.items()})
            results.append([Fault("method unknown", f"{want.request.method}, known are {' '.join(known).upper()}")])
            continue
        faults = [*parameters(want, item, operation, description), *authentication(want, operation, description)]
        if answers:
            faults += answer(part, last, operation)
        results.append(faults)
    return min(results, key=lambda faults: (any(f.kind == "method unknown" for f in faults), len(faults)))


def parameters(want: Wanted, item: Node, operation: Node, description: Node) -> Iterator[Fault]:
    declared: dict[tuple[str, str], Node] = {}
    for parameter in (*item.get("parameters"), *operation.get("parameters")):
        declared[str(parameter.get("in").value), str(parameter.get("name").value)] = parameter
    headers = {name.lower() for name in want.request.headers}
    keys = {(str(s.get("in").value), str(s.get("name").value)) for _, s in schemes(description)}
    query = {name for place, name in (*declared, *keys) if place == "query"}
    for name in want.query:
        whole = name.partition("[")[0]
        if not {name, whole, f"{name}[]"} & query and not any(spread(p, whole) for p in declared.values()):
            yield Fault("unknown parameter", f"query {name}")
    known = {name.lower() for place, name in (*declared, *keys) if place == "header"}
    for name in sorted(headers - known - USUAL):
        yield Fault("unknown parameter", f"header {name}")
    form = {name: p for (place, name), p in declared.items() if place == "formData"}
    for (place, name), parameter in declared.items():
        if not parameter.get("required").true or place not in ("query", "header"):
            continue
        if name not in want.query if place == "query" else name.lower() not in headers | USUAL:
            yield Fault("missing required parameter", f"{place} {name}")
    yield from body(want, operation, form, next((p for (place, _), p in declared.items() if place == "body"), None))


def spread(parameter: Node, name: str) -> bool:
    """Whether a query parameter stands for an object whose properties are sent by their own names."""
    return parameter.get("in").value == "query" and name in properties(parameter.get("schema"))[0]


def body(want: Wanted, operation: Node, form: dict[str, Node], plain: Node | None) -> Iterator[Fault]:
    """Fields of what is sent: OpenAPI 3's requestBody, Swagger 2's `body` parameter and form data."""
    request = want.request
    sent = request.json_ if request.json_ is not None else request.form
    given = sent is not None or request.body is not None
    described = operation.get("requestBody")
    kind = "form" if request.form is not None else "json"
    if plain is not None:
        schema, required = plain.get("schema"), plain.get("required").true
    elif form:
        schema, required = None, any(p.get("required").true for p in form.values())
    else:
        kinds = {name.lower(): media.get("schema") for name, media in described.get("content").items()}
        fits = [schema for name, schema in kinds.items() if ("json" in name) == (kind == "json") or name == "*/*"]
        if given and request.body is None and kinds and not fits:
            yield Fault("unknown parameter", f"a body in {kind}, known are {', '.join(kinds)}")
            return
        schema, required = fits[0] if fits else None, described.get("required").true
    if not given:
        if required:
            yield Fault("missing required parameter", "body")
        return
    if plain is None and not form and described.value is None and sent:
        yield Fault("unknown parameter", "body")
    if not isinstance(sent, dict):
        return
    known, closed, needed = set(form), bool(form), {n for n, p in form.items() if p.get("required").true}
    if schema is not None:
        fields, closed = properties(schema)
        known, needed = set(fields), required_of(schema)
    for name in sent:
        if closed and name not in known:
            yield Fault("unknown parameter", f"body {name}")
    for name in sorted(needed - set(sent)):
        yield Fault("missing required parameter", f"body {name}")


def properties(schema: Node, deep: int = 0) -> tuple[dict[str, Node], bool]:
    """A schema's properties with those of its parts, and whether no others are to be expected."""
    fields = dict(schema.get("properties").items())
    more = schema.get("additionalProperties").value
    closed = bool(fields) and (more is None or more is False or more == "false")
    parts = [part for word in ("allOf", "anyOf", "oneOf") for part in schema.get(word)] if deep < DEEPEST else []
    every = [properties(part, deep + 1) for part in parts]
    for inner, _ in every:
        fields = inner | fields
    return fields, (closed or (bool(every) and more is None)) and all(shut for _, shut in every)


def required_of(schema: Node, deep: int = 0) -> set[str]:
    found = set(schema.get("required").strings)
    for part in schema.get("allOf") if deep < DEEPEST else ():
        found |= required_of(part, deep + 1)
    return found


def schemes(description: Node) -> Iterator[tuple[str, Node]]:
    yield from description.get("components", "securitySchemes").items()
    yield from description.get("securityDefinitions").items()


def authentication(want: Wanted, operation: Node, description: Node) -> Iterator[Fault]:
    """Whether one of the ways to authenticate that the description names is the rule's."""
    security = operation.get("security") if operation.get("security").value is not None else description.get("security")
    known = dict(schemes(description))
    ways = [[known[name] for name, _ in way.items() if name in known] for way in security]
    if ways and all(ways) and not any(all(shown(want, scheme) for scheme in way) for way in ways):
        names = sorted({name for way in security for name, _ in way.items()})
        yield Fault("other authentication", " or ".join(names))


def shown(want: Wanted, scheme: Node) -> bool:
    """Whether a request authenticates in this way. Cookies and the like are taken for given."""
    headers = {name.lower(): value.lower() for name, value in want.request.headers.items()}
    kind, name = scheme.get("type").value, str(scheme.get("name").value)
    if kind == "apiKey":
        place = scheme.get("in").value
        return (
            (name.lower() in headers or (name.lower() == "authorization" and bool(want.request.basic)))
            if (place == "header")
            else place != "query" or name in want.query
        )
    carried = headers.get("authorization", "basic " if want.request.basic else "")
    if kind == "basic":
        kind, way = "http", "basic"
    else:
        way = str(scheme.get("scheme").value).lower()
    if kind == "http":
        return carried.startswith(SCHEMES.get(way, "")) or ("| basic" in carried and way == "basic")
    return bool(carried) or kind not in ("oauth2", "openIdConnect")


def answer(part: Exchange, last: bool, operation: Node) -> Iterator[Fault]:
    """Statuses that mean success and are not described, and fields of the answer that no schema has."""
    if not last:
        return
    conditions = part.live if isinstance(part, Verify) else part.done if isinstance(part, Revoke) else None
    statuses = {status for condition in conditions or [] for status in condition.status}
    good = {code for code, _ in operation.get("responses").items() if re.fullmatch(r"2(\d\d|XX)", code)}
    if (
        good
        and statuses
        and any(s < 300 for s in statuses)
        and not {*map(str, statuses), "2XX"} & good | {f"{s // 100}XX" for s in statuses} & good
    ):
        yield Fault("status not described", f"{sorted(statuses)}, described are {' '.join(sorted(good))}")
    if not isinstance(part, Verify):
        return
    schemas = [s for code in good for s in schemas_of(operation.get("responses", code))]
    for name, expression in part.identity.items():
        missing: list[str] = []
        reach(jmespath.compile(expression).parsed, [ROOT, *schemas], missing)
        if schemas and missing:
            yield Fault("field not described", f"{name}: {', '.join(missing)}")


ROOT = Node("the answer", Path())


def schemas_of(response: Node) -> Iterator[Node]:
    if isinstance(response.get("schema").value, dict):
        yield response.get("schema")
    for name, media in response.get("content").items():
        if "json" in name and isinstance(media.get("schema").value, dict):
            yield media.get("schema")


def reach(tree: Any, at: list[Node], missing: list[str]) -> list[Node]:
    """The schemas that an expression leads to, none where anything may be; what it asks for in vain goes to `missing`."""
    kind, children = tree["type"], tree.get("children", [])
    if kind == "field":
        if at and at[0] is ROOT:
            return at[1:] if tree["value"] == "body" else []
        every = [properties(schema) for schema in at]
        found = [fields[tree["value"]] for fields, _ in every if tree["value"] in fields]
        if at and not found and all(shut or array(s) for (_, shut), s in zip(every, at, strict=True)):
            missing.append(tree["value"])
        return found
    if kind in ("subexpression", "pipe", "index_expression"):
        for child in children:
            at = reach(child, at, missing)
            if not at:
                break
        return at
    if kind == "index":
        return [schema.get("items") for schema in at if array(schema)]
    if kind in ("projection", "filter_projection", "flatten"):
        inner = reach(children[0], at, missing)
        inner = [s.get("items") if array(s) else s for s in inner]
        return reach(children[1], inner, missing) if inner and len(children) > 1 else inner
    if kind in ("identity", "current"):
        return at
    for child in children:
        if isinstance(child, dict):
            reach(child, at, missing)
    return []


def array(schema: Node) -> bool:
    return schema.get("type").value == "array" or schema.get("items").value is not None


def exchanges(spec: RuleSpec) -> Iterator[tuple[str, Exchange, Request, bool]]:
    for name, part in (("verify", spec.verify), ("revoke", spec.revoke)):
        if part is not None:
            for number, step in enumerate(part.steps, 1):
                yield f"{name}.steps[{number}]", part, step.request, False
            if part.request is not None:
                yield name, part, part.request, True


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("description", nargs="+", type=Path)
    parser.add_argument("--server", action="append", default=[], metavar="URL")
    parser.add_argument("--answers", action="store_true")
    given = parser.parse_args()
    described = []
    for path in given.description:
        node = Node(read(path.resolve()), path.resolve())
        described.append((node, servers(node, given.server)))
    kinds: Counter[str] = Counter()
    rules: set[str] = set()
    differing: set[str] = set()
    for file in load(cache.read_files((cache.shipped(),))):
        for spec in file.rules:
            for name, part, request, last in exchanges(spec):
                want = wanted(request)
                all_of = [compare(want, n, bases, part, last, given.answers) for n, bases in described] if want else []
                results = [r for r in all_of if r is not None]
                if not results:
                    continue
                best = min(results, key=lambda faults: (*rank(faults), len(faults)))
                rules.add(spec.id)
                if best:
                    differing.add(spec.id)
                kinds.update({fault.kind for fault in best} or {"ok"})
                said = "; ".join(map(str, best)) or "ok"
                print(f"{spec.id} {name}: {request.method} {TEMPLATE.sub('{}', request.url)}: {said}")
    print(", ".join(f"{count} {kind}" for kind, count in kinds.most_common()) or "no rule asks these servers")
    print(f"{len(rules)} rules compared, {len(differing)} differ")
    sys.exit(1 if differing else 0 if rules else 2)


def rank(faults: list[Fault]) -> tuple[int, int]:
    """Of several descriptions of one host the one that knows more of a request is the right one."""
    kinds = {fault.kind for fault in faults}
    return "path unknown" in kinds, "method unknown" in kinds


if __name__ == "__main__":
    main()
