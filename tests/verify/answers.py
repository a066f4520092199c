"""Answers made to measure: a status, headers and a body on which JMESPath expressions have the value that is wished.

An expression is taken apart into wishes on single places of the answer (is it there, what is it equal to, what does it
contain), and each way to fulfil them is tried. What comes out is evaluated before it is handed out. An expression with
a part that is not understood raises Beyond.
"""

from __future__ import annotations

import itertools
import json
import operator
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import jmespath
from jmespath.exceptions import JMESPathError

Trail = tuple[str | int, ...]
Node = Mapping[str, Any]

WAYS = 200
"""Ways to fulfil one wish that are tried at most."""
MOST = 8
"""Answers made for one status of a condition at most."""
NOTHING: tuple[Any, ...] = (None, "", [], {})
"""Values that say nothing."""
GONE = -1
"""Bytes sent of an answer of which there is not even a status line."""
EMPTY = (204, 205, 304)
"""Statuses of answers without a body."""


class Beyond(Exception):
    """A part of an expression that no answer can be made for yet."""


class _Conflict(Exception):
    """Two wishes on one place that cannot both come true."""


@dataclass(frozen=True)
class Wish:
    """What is wanted of one value: an operator, and what it is compared with."""

    op: str
    value: Any = None

    def __invert__(self) -> Wish:
        return Wish(OPPOSITE[self.op], self.value)


TRUE, FALSE, TEXT = Wish("true"), Wish("false"), Wish("text")
PAIRS = (
    ("true", "false"),
    ("==", "!="),
    ("<", ">="),
    (">", "<="),
    ("has", "lacks"),
    ("begins", "does not begin"),
    ("ends", "does not end"),
)
OPPOSITE = {one: other for pair in PAIRS for one, other in (pair, pair[::-1])}
OPERATORS = {"eq": "==", "ne": "!=", "lt": "<", "lte": "<=", "gt": ">", "gte": ">="}
MIRRORED = {"==": "==", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
COMPARE = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
LOOKING = {"contains": "has", "starts_with": "begins", "ends_with": "ends"}
TEXTUAL: dict[str, Callable[[str, str], bool]] = {
    "has": operator.contains,
    "begins": str.startswith,
    "ends": str.endswith,
}
LAX = frozenset({"!=", "lacks", "does not begin", "does not end", "false"})
"""Wishes that a missing value fulfils."""


@dataclass(frozen=True)
class Open:
    """A value that is not chosen yet, and what is wanted of it."""

    wishes: tuple[Wish, ...] = ()

    def choose(self, name: str) -> Any:
        """A value that fulfils every wish, None for one that should be missing. Raises _Conflict."""
        equal = [wish.value for wish in self.wishes if wish.op == "=="]
        sizes = [wish for wish in self.wishes if wish.op.startswith("length")]
        if all(wish.op in LAX for wish in self.wishes):
            candidates: Iterable[Any] = (None, f"sim-{name}")
        elif equal:
            candidates = equal[:1]
        elif sizes:
            candidates = [[f"sim-{name}"] * n for n in range(1, 50)]
        elif any(wish.op in COMPARE for wish in self.wishes):
            bounds = [wish.value for wish in self.wishes if wish.op in COMPARE]
            candidates = [bound + step for bound in bounds for step in (0, 1, -1)]
        else:
            parts = [str(wish.value) for op in ("begins", "has", "ends") for wish in self.wishes if wish.op == op]
            candidates = (" ".join(parts) or f"sim-{name}",)
        for value in candidates:
            if all(fulfils(value, wish) for wish in self.wishes):
                return value
        raise _Conflict


def fulfils(value: Any, wish: Wish) -> bool:
    """True when a finished value is as it is wished to be."""
    op, other = wish.op, wish.value
    if op.startswith("length "):
        return isinstance(value, str | list | dict) and fulfils(len(value), Wish(op.removeprefix("length "), other))
    if op in COMPARE:
        numbers = all(isinstance(x, int | float) and not isinstance(x, bool) for x in (value, other))
        return numbers and bool(COMPARE[op](value, other))
    if op == "has" and isinstance(value, list):
        return other in value
    if op in TEXTUAL:
        return isinstance(value, str) and isinstance(other, str) and TEXTUAL[op](value, other)
    if OPPOSITE.get(op) in TEXTUAL:
        return not fulfils(value, ~wish)
    if op == "text":
        return isinstance(value, str)
    if op in ("==", "!="):
        same = type(value) is type(other) and value == other
        return same if op == "==" else not same
    return bool(value) is (op == "true")


def _get(tree: Any, trail: Trail) -> Any:
    for key in trail:
        if isinstance(tree, dict) and isinstance(key, str):
            tree = tree.get(key, Open())
        elif isinstance(tree, list) and isinstance(key, int):
            tree = tree[key] if key < len(tree) else Open()
        elif isinstance(tree, Open):
            return Open()
        else:
            raise _Conflict
    return tree


def _put(tree: Any, trail: Trail, leaf: Any) -> Any:
    """A copy of `tree` with `leaf` at `trail`; what is open on the way becomes an object or a list."""
    if not trail:
        return leaf
    key, rest = trail[0], trail[1:]
    if isinstance(tree, Open):
        if not all(wish.op in ("true", "!=", "lacks") for wish in tree.wishes):
            raise _Conflict
        tree = {} if isinstance(key, str) else []
    if isinstance(key, str) and isinstance(tree, dict):
        return {**tree, key: _put(tree.get(key, Open()), rest, leaf)}
    if isinstance(key, int) and isinstance(tree, list) and key <= len(tree):
        return [*tree[:key], _put(tree[key] if key < len(tree) else Open(), rest, leaf), *tree[key + 1 :]]
    raise _Conflict


def _wanted(tree: Any, trail: Trail, wish: Wish) -> Iterator[Any]:
    """`tree` with one more wish on the value at `trail`, if it can still come true."""
    try:
        value = _get(tree, trail)
        if isinstance(value, Open):
            value = Open((*value.wishes, wish))
            value.choose("x")
        elif isinstance(value, dict | list):
            if wish.op == "has" and isinstance(value, list):
                value = [*value, wish.value]
            elif wish.op == "==" or not fulfils(value or [0], wish):
                return
        elif not fulfils(value, wish):
            return
        yield _put(tree, trail, value)
    except _Conflict:
        return


def _located(node: Node, tree: Any, at: Trail, spare: Sequence[str]) -> Iterator[tuple[Any, Trail, bool]]:
    """Where the expression's value stands, seen from `at`; for a projection, where its first value does, and True."""
    kind, children = node["type"], node.get("children") or []
    if kind == "field":
        yield tree, (*at, node["value"]), False
    elif kind in ("identity", "current"):
        yield tree, at, False
    elif kind == "subexpression":
        steps: list[tuple[Any, Trail, bool]] = [(tree, at, False)]
        for child in children:
            steps = [found for first, trail, _ in steps for found in _located(child, first, trail, spare)]
        yield from steps
    elif kind == "pipe":
        left, right = children
        for first, trail, many in _located(left, tree, at, spare):
            if many and right["type"] == "index_expression" and right["children"][0]["type"] == "identity":
                yield first, trail, False
            else:
                yield from _located(right, first, trail, spare)
    elif kind == "index_expression":
        for first, trail, many in _located(children[0], tree, at, spare):
            yield (
                first,
                trail if many else (*trail, max(children[1].get("value") or 0, 0)),
                children[1]["type"] == "slice",
            )
    elif kind == "flatten":
        inner = children[0]
        if inner["type"] == "multi_select_list" and len(inner["children"]) == 1:
            # Flattening `[x]` gives the values of x where it is a list, and x itself where it is none.
            for first, trail, _ in _located(inner["children"][0], tree, at, spare):
                yield first, (*trail, 0), True
                yield first, trail, True
        else:
            yield from ((t, (*p, 0), True) for t, p, _ in _located(inner, tree, at, spare))
    elif kind == "or_expression":
        left, right = children
        yield from _located(left, tree, at, spare)
        for first in fit(left, tree, FALSE, at, spare):
            yield from _located(right, first, at, spare)
    elif kind in ("projection", "value_projection"):
        for first, trail, many in _located(children[0], tree, at, spare):
            step: Trail = () if many else (0,) if kind == "projection" else (_key(first, trail),)
            yield from ((t, p, True) for t, p, _ in _located(children[1], first, (*trail, *step), spare))
    elif kind == "filter_projection":
        for first, trail, _ in _located(children[0], tree, at, spare):
            for number in range(3):
                for second in fit(children[2], first, TRUE, (*trail, number), spare):
                    yield from ((t, p, True) for t, p, _ in _located(children[1], second, (*trail, number), spare))
    elif kind == "function_expression" and node["value"] == "values":
        yield from ((t, (*p, _key(t, p)), True) for t, p, _ in _located(children[0], tree, at, spare))
    else:
        raise Beyond(f"the value of {_told(node)}")


def _key(tree: Any, trail: Trail) -> str:
    """The first key of the object at `trail`, or a made-up one."""
    value = _get(tree, trail)
    return next(iter(value), "sim-key") if isinstance(value, dict) else "sim-key"


def _told(node: Node) -> str:
    return f"{node['type']} {node.get('value', '')}".strip()


def _literal(node: Node) -> bool:
    return node["type"] == "literal" or (node["type"] == "multi_select_list" and all(map(_literal, node["children"])))


def _value(node: Node) -> Any:
    return node["value"] if node["type"] == "literal" else [_value(child) for child in node["children"]]


def fit(node: Node, tree: Any, wish: Wish, at: Trail = (), spare: Sequence[str] = ()) -> Iterator[Any]:
    """`tree` in every way that makes the expression, seen from `at`, what is wished. Raises Beyond.

    `spare` are the names of keys where the answer is asked for the keys of an object.
    """
    kind, children = node["type"], node.get("children") or []
    if _literal(node):
        if fulfils(_value(node), wish):
            yield tree
    elif kind in ("and_expression", "or_expression"):
        left, right = children
        # One side's truth decides which of the two is the value.
        settled, passed = (TRUE, FALSE) if kind == "or_expression" else (FALSE, TRUE)
        yield from _all([(left, settled), (left, wish)], tree, at, spare)
        yield from _all([(left, passed), (right, wish)], tree, at, spare)
    elif kind == "not_expression":
        yield from fit(children[0], tree, ~wish, at, spare)
    elif kind == "comparator":
        yield from _compared(node, tree, wish, at, spare)
    elif kind == "multi_select_list":
        if wish.op == "false":
            raise Beyond(f"no {_told(node)}")
        yield tree
    elif kind == "function_expression" and node["value"] != "values":
        yield from _called(node, tree, wish, at, spare)
    elif wish == FALSE and kind in ("projection", "filter_projection", "value_projection", "flatten", "pipe"):
        yield from fit(children[0], tree, FALSE, at, spare)
    else:
        for found, trail, _ in _located(node, tree, at, spare):
            yield from _wanted(found, trail, wish)


def _compared(node: Node, tree: Any, wish: Wish, at: Trail, spare: Sequence[str]) -> Iterator[Any]:
    (left, right), op = node["children"], OPERATORS[node["value"]]
    if _literal(left):
        left, right, op = right, left, MIRRORED[op]
    if not _literal(right):
        raise Beyond(f"{op} of two values of the answer")
    if wish.op not in ("true", "false"):
        raise Beyond(f"{wish.op} of {_told(node)}")
    other = _value(right)
    wanted = Wish(op, other) if wish == TRUE else ~Wish(op, other)
    if left["type"] == "function_expression" and left["value"] == "length":
        for found, trail, _ in _located(left["children"][0], tree, at, spare):
            yield from _wanted(found, trail, Wish(f"length {wanted.op}", other))
    else:
        yield from fit(left, tree, wanted, at, spare)


def _called(node: Node, tree: Any, wish: Wish, at: Trail, spare: Sequence[str]) -> Iterator[Any]:
    name, arguments = node["value"], node["children"]
    if wish.op not in ("true", "false"):
        raise Beyond(f"{wish.op} of {_told(node)}")
    if name == "contains" and _literal(arguments[0]):
        among = [Wish("==", value) for value in _value(arguments[0])]
        if wish == TRUE:
            for one in among:
                yield from fit(arguments[1], tree, one, at, spare)
        else:
            yield from _all([(arguments[1], ~one) for one in among], tree, at, spare)
    elif name in LOOKING and _literal(arguments[1]):
        wanted = Wish(LOOKING[name], _value(arguments[1]))
        yield from fit(arguments[0], tree, wanted if wish == TRUE else ~wanted, at, spare)
    elif name == "keys" and wish == TRUE:
        for found, trail, _ in _located(arguments[0], tree, at, spare):
            for names in ([*spare, "sim-key"], ["sim-key"]) if spare else (["sim-key"],):
                made = [found]
                for key in names:
                    made = [fuller for one in made for fuller in _wanted(one, (*trail, key), TRUE)]
                yield from made
    elif name == "join" and wish == TRUE and arguments[1]["type"] == "multi_select_list":
        yield from _all([(part, w) for part in arguments[1]["children"] for w in (TEXT, TRUE)], tree, at, spare)
    elif name == "not_null" and wish == TRUE:
        for argument in arguments:
            yield from fit(argument, tree, TRUE, at, spare)
    else:
        raise Beyond(f"{wish.op} of {_told(node)}")


def _all(wanted: Sequence[tuple[Node, Wish]], tree: Any, at: Trail, spare: Sequence[str]) -> Iterator[Any]:
    """`tree` in every way that fulfils all wishes at once."""
    if not wanted:
        yield tree
        return
    for one in fit(wanted[0][0], tree, wanted[0][1], at, spare):
        yield from _all(wanted[1:], one, at, spare)


@dataclass(frozen=True)
class Reply:
    """One HTTP answer. `sent` bytes of the body are put on the wire before the connection is cut; None is a whole one."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    data: bytes = b""
    sent: int | None = None

    def document(self) -> dict[str, Any]:
        """What expressions see of it, by the rules' format and not by the client."""
        text = self.data.decode()
        try:
            body = json.loads(text)
        except ValueError:
            body = None
        headers = {name.lower(): value for name, value in self.headers.items()}
        return {"status": self.status, "headers": headers, "body": body, "text": text}

    def as_json(self, body: Any) -> Reply:
        headers = {"Content-Type": "application/json", **self.headers}
        return replace(self, headers=headers, data=json.dumps(body).encode())


def evaluate(expression: str, reply: Reply) -> Any:
    try:
        return jmespath.search(expression, reply.document())
    except JMESPathError:
        return None


def holds(conditions: Iterable[Mapping[str, Any]] | None, reply: Reply) -> bool:
    """True when one of a rule's conditions holds for an answer."""
    return any(
        reply.status in (one.get("status") or [reply.status])
        and ("match" not in one or bool(evaluate(one["match"], reply)))
        for one in conditions or ()
    )


def parsed(expression: str) -> Node:
    node: Node = jmespath.compile(expression).parsed
    return node


def replies(
    condition: Mapping[str, Any],
    statuses: Sequence[int] = (200,),
    filled: Sequence[str] = (),
    explored: Sequence[str] = (),
    spare: Sequence[str] = (),
) -> list[Reply]:
    """Distinct answers for which `condition` holds, one or more for each of its statuses, at most MOST for each.

    `statuses` are tried where it names none. As many of the `filled` expressions have a value as can; each way in which
    all of the `explored` ones have a value is an answer of its own. Raises Beyond.
    """
    wanted = [parsed(expression) for expression in (condition.get("match"), *explored) if expression]
    found: list[Reply] = []
    for status in condition.get("status") or statuses:
        root = {"status": status, "headers": Open(), "body": Open(), "text": Open()}
        own = 0
        for tree in itertools.islice(_all([(node, TRUE) for node in wanted], root, (), spare), WAYS):
            made = _filled(tree, filled, spare)
            if made is not None and made not in found and holds([condition], made):
                found.append(made)
                own += 1
            if own == MOST:
                break
        if own and not condition.get("status"):
            break
    return found


def _filled(tree: Any, filled: Sequence[str], spare: Sequence[str]) -> Reply | None:
    """The answer that `tree` stands for, with a value for each of `filled` that can have one."""
    made = _finished(tree)
    for expression in filled if made else ():
        for fuller in itertools.islice(fit(parsed(expression), tree, TRUE, (), spare), WAYS):
            better = _finished(fuller)
            if better is not None and evaluate(expression, better) not in NOTHING:
                tree, made = fuller, better
                break
    return made


def _finished(tree: Any) -> Reply | None:
    """The answer with every open value chosen, None when one cannot be."""
    try:
        status, headers, body = (_chosen(tree[name], name) for name in ("status", "headers", "body"))
        wishes = tree["text"].wishes
        text = tree["text"].choose("text") if wishes else None
    except _Conflict:
        return None
    if status in EMPTY:
        return Reply(status, headers or {}) if body is None and text is None else None
    told = {name: str(value) for name, value in (headers or {}).items()}
    if text is None:
        return Reply(status, told).as_json({"message": "simulated"} if body is None else body)
    if body is None:
        return Reply(status, {"Content-Type": "text/plain", **told}, text.encode())
    return Reply(status, told).as_json({**body, "detail": text}) if isinstance(body, dict) else None


def _chosen(value: Any, name: str) -> Any:
    if isinstance(value, dict):
        chosen = {key: _chosen(inner, key) for key, inner in value.items()}
        return {key: inner for key, inner in chosen.items() if inner is not None}
    if isinstance(value, list):
        return [_chosen(inner, name) for inner in value]
    return value.choose(name) if isinstance(value, Open) else value
