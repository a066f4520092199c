"""OpenAPI 3 and Swagger 2 descriptions from files, JSON or YAML: their operations with the addresses these answer at."""

from __future__ import annotations

import functools
import itertools
import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote, urljoin

import yaml

VARIABLE = re.compile(r"\{[^{}]*\}")
METHODS = {"get", "head", "post", "put", "patch", "delete"}
DEEPEST = 12
"""References in a row, and levels of allOf, anyOf and oneOf, that are followed."""
MOST = 64
"""Ways to fill in a server's variables that are looked at."""
Loader: Any = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
"""Reads every scalar as text: nobody's dates or octal numbers are of interest."""


@dataclass(frozen=True, eq=False)
class Node:
    """A part of a description, and the file it stands in, which its references start from."""

    value: Any
    home: Path

    def get(self, *names: str) -> Node:
        """What lies below these names, references followed; its value is None where there is nothing."""
        node = self
        for name in names:
            node = followed(Node(node.value.get(name) if isinstance(node.value, dict) else None, node.home))
        return node

    def items(self) -> Iterator[tuple[str, Node]]:
        """The entries of a mapping."""
        for name in self.value if isinstance(self.value, dict) else ():
            yield str(name), self.get(name)

    def __iter__(self) -> Iterator[Node]:
        """The entries of a list."""
        for value in self.value if isinstance(self.value, list) else ():
            yield followed(Node(value, self.home))

    @property
    def true(self) -> bool:
        return self.value is True or self.value == "true"

    @property
    def strings(self) -> list[str]:
        return [str(value) for value in self.value] if isinstance(self.value, list) else []


@functools.cache
def read(path: Path) -> Any:
    """A file's content; nothing, and a word on standard error, where it cannot be read."""
    try:
        content = path.read_bytes()
        return json.loads(content) if content.lstrip()[:1] == b"{" else yaml.load(content, Loader=Loader)
    except OSError as e:
        print(f"{path}: {e.strerror}", file=sys.stderr)
    except (ValueError, yaml.YAMLError) as e:
        print(f"{path}: {str(e).splitlines()[0]}", file=sys.stderr)
    return None


def followed(node: Node) -> Node:
    """Where a reference leads: within the file, or to another beside it."""
    for _ in range(DEEPEST):
        if not (isinstance(node.value, dict) and isinstance(node.value.get("$ref"), str)):
            return node
        file, _, pointer = node.value["$ref"].partition("#")
        home = (node.home.parent / unquote(file)).resolve() if file else node.home
        value = read(home)
        for part in filter(None, pointer.split("/")):
            part = unquote(part).replace("~1", "/").replace("~0", "~")
            if isinstance(value, list):
                value = value[int(part)] if part.isdecimal() and int(part) < len(value) else None
            else:
                value = value.get(part) if isinstance(value, dict) else None
        node = Node(value, home)
    return Node(None, node.home)


class Server(NamedTuple):
    """A base address: its host with variables filled in, or as a pattern, and its path."""

    host: str
    pattern: str | None
    path: str


def _server(url: str) -> Iterator[Server]:
    """A base address, where it is one; a host that is all variables could be any."""
    scheme, _, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    host = host.lower()
    domain = VARIABLE.sub("", host).strip(".")
    if rest and (scheme in ("https", "http") or VARIABLE.fullmatch(scheme)) and (domain == host or "." in domain):
        pattern = "[^/]+".join(map(re.escape, VARIABLE.split(host))) if domain != host else None
        yield Server(VARIABLE.sub("x", host), pattern, (slash + path).rstrip("/"))


def _filled(url: str, variables: Node) -> Iterator[Server]:
    """What a base address with variables may be: by their defaults and values, and as it stands."""
    values = {}
    for name, variable in variables.items():
        default = variable.get("default").value
        known = dict.fromkeys([*([str(default)] if default else []), *variable.get("enum").strings])
        if known and f"{{{name}}}" in url:
            values[f"{{{name}}}"] = list(known)
    for chosen in itertools.islice(itertools.product(*values.values()), MOST):
        yield from _server(
            functools.reduce(lambda text, pair: text.replace(*pair), zip(values, chosen, strict=True), url)
        )
    yield from _server(url)


def _servers(part: Node, given: list[str]) -> tuple[Server, ...]:
    """The base addresses that a description, a path or an operation names; `given` completes those without a host."""
    found: list[Server] = []
    for entry in part.get("servers"):
        url = str(entry.get("url").value or "/")
        for full in [url] if "://" in url else [urljoin(base, url) for base in given]:
            found += _filled(full, entry.get("variables"))
    if part.get("swagger").value:
        path = str(part.get("basePath").value or "")
        host = part.get("host").value
        found += [s for base in ([f"https://{host}"] if host else given) for s in _server(base.rstrip("/") + path)]
    return tuple(dict.fromkeys(found))


class Route(NamedTuple):
    """One operation: where it answers, its path, method, path item and itself."""

    servers: tuple[Server, ...]
    path: str
    method: str
    item: Node
    operation: Node


class Description(NamedTuple):
    node: Node
    routes: list[Route]

    def schemes(self) -> dict[str, Node]:
        """Its ways to authenticate, by name."""
        return dict(
            [*self.node.get("components", "securitySchemes").items(), *self.node.get("securityDefinitions").items()]
        )


def description(path: Path, given: list[str]) -> Description:
    """A description, with `given` base addresses beside those that it names."""
    node = Node(read(path.resolve()), path.resolve())
    common = (*_servers(node, given), *(s for base in given for s in _server(base)))
    routes = []
    for name, item in node.get("paths").items():
        for method, operation in item.items():
            if method in METHODS:
                near = _servers(operation, given) or _servers(item, given) or common
                routes.append(Route(near, re.sub(r"[?#].*", "", name), method.upper(), item, operation))
    return Description(node, routes)


def properties(schema: Node, deep: int = 0) -> tuple[dict[str, Node], bool]:
    """A schema's properties with those of its parts, and whether no others are to be expected."""
    fields = dict(schema.get("properties").items())
    more = schema.get("additionalProperties").value
    parts = [part for word in ("allOf", "anyOf", "oneOf") for part in schema.get(word)] if deep < DEEPEST else []
    every = [properties(part, deep + 1) for part in parts]
    closed = bool(fields or every) and (more is None or more is False or more == "false")
    for inner, _ in every:
        fields = inner | fields
    example = schema.get("example").value
    if isinstance(example, dict):
        fields = {name: Node(None, schema.home) for name in example} | fields
    return fields, closed and all(shut for _, shut in every)


def required(schema: Node, deep: int = 0) -> set[str]:
    """The names of the properties that a schema wants."""
    found = set(schema.get("required").strings)
    for part in schema.get("allOf") if deep < DEEPEST else ():
        found |= required(part, deep + 1)
    return found


def array(schema: Node) -> bool:
    return schema.get("type").value == "array" or schema.get("items").value is not None
