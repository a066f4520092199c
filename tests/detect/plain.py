"""The plain path that detection must agree with, and made-up tokens and texts to hold it against.

Anchors are looked for with `regex`, expression by expression and at every offset, instead of with Hyperscan.
"""

from __future__ import annotations

import base64
from functools import cache
from typing import Any

import regex
from hypothesis import strategies as st

from scanner.detect.checksums import CHECKSUMS
from scanner.detect.engine import Engine, Hit
from scanner.detect.judge import judge, judge_value
from scanner.model import Chunk, Match, Origin, Span
from scanner.ruleset import cache as rule_cache
from scanner.ruleset import check
from scanner.ruleset.compile import compile_rules, span
from scanner.ruleset.load import load
from scanner.ruleset.ruleset import Anchor, Rule
from scanner.ruleset.schema import RuleSpec

ORIGIN = Origin("test", "text")


def chunk(data: bytes, **more: Any) -> Chunk:
    return Chunk(data, ORIGIN, **more)


def shown(matches: list[Match]) -> list[tuple[str, Span, bytes, tuple[str, ...]]]:
    return [(m.rule, m.span, m.secret.reveal(), m.encoding) for m in matches]


@cache
def compiled() -> tuple[tuple[Rule, ...], tuple[Anchor, ...]]:
    """The shipped rules and their anchors, before Hyperscan sees them."""
    return compile_rules(load(rule_cache.read_files((rule_cache.shipped(),))))


@cache
def _expressions() -> tuple[Any, ...]:
    return tuple(regex.compile(a.expression.encode(), regex.IGNORECASE if a.caseless else 0) for a in compiled()[1])


@cache
def _span() -> int:
    return span(compiled()[1])


def hits(data: bytes) -> list[Hit]:
    """Every end of every anchor, in the order of the engine's."""
    out = []
    for number, expression in enumerate(_expressions()):
        ends = set()
        for found in expression.finditer(data, overlapped=True):
            start, shortest = found.start(), found.end()
            if compiled()[1][number].length:
                ends.add(shortest)
                continue
            for end in range(start + 1, min(len(data), start + _span()) + 1):
                if expression.fullmatch(data, start, end):
                    ends.add(end)
        out += [(end, number) for end in ends]
    return sorted(out)


@cache
def _pattern(number: int) -> Any:
    return regex.compile(compiled()[0][number].pattern.encode())


def whole(engine: Engine, data: bytes) -> set[tuple[str, Span]]:
    """What the rules without context words match in the whole text, one after the other, and judge to be secrets."""
    out = set()
    for number, rule in enumerate(engine.rules):
        if rule.context or rule.component or any(c.required for c in rule.companions):
            continue
        group = "secret" if "secret" in _pattern(number).groupindex else 0
        for found in _pattern(number).finditer(data):
            if not judge(rule, data, found.start(), found.span(group), found.group(group)):
                out.add((rule.id, found.span(group)))
    return out


@cache
def bench() -> check.Bench:
    """What making examples needs; nothing is searched with it."""
    specs = {spec.id: spec for file in load(rule_cache.read_files((rule_cache.shipped(),))) for spec in file.rules}
    rules = {rule.id: rule for rule in compiled()[0]}

    def good(spec: RuleSpec, value: bytes) -> bool:
        return not judge_value(rules[spec.id], value)

    return check.Bench(lambda _: [], good, lambda name: CHECKSUMS[name].seal, lambda _: set(), specs, lambda *_: False)


@cache
def tokens() -> tuple[bytes, ...]:
    """A made-up secret of every rule that is short enough to be put many times into a small text."""
    made = (check.token_of(spec, bench(), f"{spec.id} token") for spec in bench().rules.values())
    return tuple(token for token in made if len(token) < 200)


@cache
def settings() -> tuple[bytes, ...]:
    """The examples of every rule, filled in."""
    every = (e.text for spec in bench().rules.values() for e in check.examples(spec, bench()))
    return tuple(text for text in every if len(text) < 400)


def url_escaped(data: bytes) -> bytes:
    return b"".join(bytes([c]) if bytes([c]).isalnum() or c in b"-._~" else b"%%%02X" % c for c in data)


def wrapped(data: bytes, width: int = 76, newline: bytes = b"\n") -> bytes:
    text = base64.b64encode(data)
    return newline.join(text[i : i + width] for i in range(0, len(text), width))


ENCODERS = (
    base64.b64encode,
    base64.urlsafe_b64encode,
    lambda data: base64.b64encode(data).rstrip(b"="),
    wrapped,
    lambda data: data.hex().encode(),
    lambda data: data.hex().upper().encode(),
    lambda data: data.decode("latin-1").encode("utf-16-le"),
    lambda data: data.decode("latin-1").encode("utf-16-be"),
    url_escaped,
)

SOURCE = (
    b"def login(user, password=None):\n    return connect(user, password or os.environ['PASSWORD'])\n",
    b"const apiKey = process.env.API_KEY;\n",
    b'"token": "',
    b"export SECRET_KEY=",
    b"# see https://example.org/docs?a=b&c=d\r\n",
    b"\tif (token == NULL) { goto fail; }\n",
    b"Authorization: Bearer ",
    b"client_id: 0123456789abcdef0123456789abcdef\n",
)


@st.composite
def planted(draw: st.DrawFn) -> bytes:
    """A token, an example or a bit of either, perhaps encoded, perhaps with something in front."""
    data = draw(st.sampled_from(draw(st.sampled_from((tokens(), settings())))))
    if draw(st.integers(0, 5)) == 0:
        data = data[draw(st.integers(0, len(data))) :][: draw(st.integers(0, len(data)))]
    for _ in range(draw(st.sampled_from((0, 0, 0, 1, 1, 2)))):
        data = draw(st.sampled_from(ENCODERS))(draw(st.binary(max_size=3)) + data)
    return data


@st.composite
def texts(draw: st.DrawFn) -> bytes:
    """Tokens, source code and noise in any order, with anything or nothing in between."""
    pieces = st.one_of(planted(), planted(), st.sampled_from(SOURCE), st.binary(max_size=40))
    between = st.sampled_from((b"", b"\n", b" ", b'"', b"-", b"_", b"/", b"=", b"\0", b"x", b"\r\n    "))
    out = b""
    for piece in draw(st.lists(pieces, min_size=1, max_size=5)):
        out += draw(between) + piece
    return out
