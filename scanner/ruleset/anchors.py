"""From a rule's pattern to what is cheap to search for: literal runs with a few bytes around them.

A pattern is read with the parser of Python's `re`; its best literal run becomes the anchor, narrowed by the shortest
form of what stands next to it. The rest of the pattern is left to extraction, so an anchor may hit too often, never too
seldom.
"""

from __future__ import annotations

import base64
import re._constants as sre  # the parser's own names: typed nowhere, but stable since Python 3.11
import re._parser as parser
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from scanner.ruleset.ruleset import Anchor

MAX_WIDTH = 20_000
"""The longest match a rule may have, in bytes."""
LITERALS = 64
"""A run that stands for more literals than this is treated as a class."""
BESIDE = 8
"""How many bytes of the neighbouring classes narrow an anchor."""
WEAK_BESIDE = 24
"""The same where the literal is shorter than three bytes."""
STARTS = 16
"""More places than this where a match can begin are searched through instead of tried one by one."""
URL_SAFE = bytes.maketrans(b"+/", b"-_")
PLENTY = 10
"""A literal this long needs no narrowing."""


@dataclass(frozen=True, slots=True)
class Part:
    """One element of a pattern: its shortest Hyperscan expression, widths, and the literals it stands for, if few."""

    expression: str | None
    low: int
    high: int
    literals: tuple[bytes, ...] | None = None
    single: str | None = None
    """The class, where the part is a repeated single byte."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Where a pattern is anchored, and how far a match can reach before and after the end of a hit.

    `starts` are the distances from a hit's end back to where a match can begin, when they are few; else empty.
    """

    expressions: tuple[str, ...]
    literals: tuple[bytes, ...]
    back: int
    forward: int
    caseless: bool
    starts: tuple[int, ...] = ()


class Unbounded(ValueError):
    """The pattern may match more than `MAX_WIDTH` bytes."""


def plan(pattern: str) -> Plan:
    """Choose the anchors of `pattern`. Raises Unbounded, or ValueError where there is nothing to anchor on."""
    tree = parser.parse(pattern.encode())
    low, high = tree.getwidth()
    if high > MAX_WIDTH:
        raise Unbounded(f"may match more than {MAX_WIDTH} bytes; give every repeat an upper bound")
    if low == 0:
        raise ValueError("may match nothing at all")
    caseless = bool(tree.state.flags & sre.SRE_FLAG_IGNORECASE)
    plans = [_plan(_parts(items, tree.state), caseless) for items in _alternatives(list(tree))]
    return Plan(
        tuple(e for p in plans for e in p.expressions),
        tuple(x for p in plans for x in p.literals) if all(p.literals for p in plans) else (),
        max(p.back for p in plans),
        max(p.forward for p in plans),
        plans[0].caseless,
        tuple(sorted({n for p in plans for n in p.starts}, reverse=True)) if all(p.starts for p in plans) else (),
    )


def explicit(pattern: str, anchor: str) -> Plan:
    """The plan of a rule that writes its anchor out: an expression that every match begins with."""
    tree = parser.parse(anchor.encode())
    low, high = map(int, tree.getwidth())
    if not 0 < low <= high <= 250:
        raise ValueError("the anchor may match nothing, or more than 250 bytes")
    literals = tuple(sorted({x for x in _openings(list(tree)) if x is not None and len(x) > 3}))
    caseless = bool(tree.state.flags & sre.SRE_FLAG_IGNORECASE)
    return Plan((anchor.removeprefix("(?i)"),), literals, high, width(pattern) - low, caseless)


def openings(pattern: str) -> tuple[bytes, ...]:
    """Literals, in any case, of which every match of `pattern` begins with one; () where some begin with anything else."""
    found = set(_openings(list(parser.parse(pattern.encode()))))
    return () if None in found or b"" in found else tuple(sorted(x for x in found if x))


def _openings(items: list[Any]) -> Iterator[bytes | None]:
    """The literals that what is matched begins with; an empty one for nothing at all, None for anything else."""
    head = b""
    for number, (op, value) in enumerate(items):
        letters: set[str] = {chr(v).lower() for o, v in value if o is sre.LITERAL} if op is sre.IN else set()
        if op is sre.LITERAL:
            head += bytes([value])
            continue
        if op is sre.IN and len(letters) == 1 and len(value) <= 2:  # a letter in either case
            head += letters.pop().encode("latin-1")
            continue
        if _zero_width((op, value)) and not head:
            continue
        if head:
            yield head
            return
        inner: list[list[Any]] = []
        if op is sre.SUBPATTERN:
            inner = [list(value[3])]
        elif op is sre.BRANCH:
            inner = [list(branch) for branch in value[1]]
        elif op in (sre.MAX_REPEAT, sre.MIN_REPEAT):
            inner = [list(value[2])] + ([[]] if value[0] == 0 else [])
        if not inner:
            yield None
            return
        for part in inner:
            for opening in _openings(part):
                if opening == b"":
                    yield from _openings(items[number + 1 :])
                else:
                    yield opening
        return
    yield head


def width(pattern: str) -> int:
    """The longest match of `pattern` in bytes."""
    return int(parser.parse(pattern.encode()).getwidth()[1])


LONG = 32
"""A repeat whose count varies by more than this is long."""


def _within(op: Any, value: Any) -> list[Any]:
    """What a group or a choice holds."""
    if op is sre.SUBPATTERN:
        return [value[3]]
    if op is sre.BRANCH:
        return list(value[1])
    if op in (sre.ASSERT, sre.ASSERT_NOT):
        return [value[1]]
    if op is sre.ATOMIC_GROUP:
        return [value]
    return [part for part in value[1:] if part is not None] if op is sre.GROUPREF_EXISTS else []


def _chooses(items: Any) -> bool:
    return any(op is sre.BRANCH or any(map(_chooses, _within(op, value))) for op, value in items)


def may_be_slow(pattern: str) -> bool:
    """Whether a match may backtrack for long: a varying repeat or a choice within a repeat, or more than two long ones."""
    long = [0]

    def nested(items: Any, inside: bool) -> bool:
        for op, value in items:
            if op in (sre.MAX_REPEAT, sre.MIN_REPEAT, sre.POSSESSIVE_REPEAT):
                if value[1] > 3 and _chooses(value[2]):
                    return True
                varies = value[1] - value[0] > 1
                long[0] += value[1] - value[0] > LONG
                if (varies and inside) or nested(value[2], inside or varies):
                    return True
            elif any(nested(part, inside) for part in _within(op, value)):
                return True
        return False

    return nested(parser.parse(pattern.encode()), False) or long[0] > 2


def encoded_anchors(rule: int, literals: tuple[bytes, ...]) -> list[Anchor]:
    """Anchors for encoded copies of a token that begins with, or holds, one of `literals`."""
    anchors = []
    for literal in literals:
        if len(literal) < 4:
            continue
        for phase in range(3):
            first, text = base64_inside(literal, phase)
            for form in {text: 0, text.translate(URL_SAFE): 0}:
                anchors.append(Anchor(_quote(form), (rule,), "base64", phase=first, length=len(form)))
        anchors.append(Anchor(literal.hex(), (rule,), "hex", caseless=True, length=2 * len(literal)))
        anchors.append(utf16_anchor(rule, literal, caseless=False))
        escaped = "".join(chr(c) if _unreserved(c) else f"%{c:02x}" for c in literal)
        if "%" in escaped:
            anchors.append(Anchor(_quote(escaped.encode()), (rule,), "url", caseless=True, length=len(escaped)))
    return anchors


def utf16_anchor(rule: int, literal: bytes, caseless: bool) -> Anchor:
    """Matches both byte orders: the zero bytes between the characters are the same."""
    spread = b"\0".join(literal[i : i + 1] for i in range(len(literal)))
    return Anchor(_quote(spread), (rule,), "utf16", caseless=caseless, length=len(spread))


def base64_inside(literal: bytes, phase: int) -> tuple[int, bytes]:
    """The base64 characters that `literal` alone decides when it starts `phase` bytes into a group of three.

    Returns where in its group of four the first such character stands, and the characters.
    """
    text = base64.b64encode(b"\0" * phase + literal)
    first = (0, 2, 3)[phase]
    return first, text[first : (phase + len(literal)) * 8 // 6]


def context_anchor(rule: int, word: str) -> Anchor:
    return Anchor(_quote(word.encode()), (rule,), "context", caseless=True, length=len(word))


def _plan(parts: list[Part], caseless: bool) -> Plan:
    start, end = _best_run(parts)
    run = _product(parts[start:end])
    assert run is not None
    shortest = min(map(len, run)) if run else 0
    left = right = ""
    beside = 0
    if shortest < PLENTY:
        most = BESIDE if shortest >= 3 else WEAK_BESIDE
        left = "".join(_beside(parts[:start][::-1], most)[0][::-1])
        after, beside = _beside(parts[end:], most)
        right = "".join(after)
    if shortest == 0 and not right:
        raise ValueError("holds nothing to search for: give a literal, or context words")
    alternatives = "(?:" + "|".join(map(_quote, run)) + ")" if run != (b"",) else ""
    back = sum(p.high for p in parts[:end]) + beside
    forward = sum(p.high for p in parts[end:]) - beside
    before = sum(p.high for p in parts[:start])
    fixed = before == sum(p.low for p in parts[:start])
    starts = {before + len(x) + beside for x in run} if fixed else set()
    return Plan(
        (left + alternatives + right,),
        run if shortest >= 3 else (),
        back,
        forward,
        caseless,
        tuple(starts) if len(starts) <= STARTS else (),
    )


def _best_run(parts: list[Part]) -> tuple[int, int]:
    """The neighbouring parts whose literals are longest at their shortest; the first of several such."""
    best, score = (0, 0), 0
    for start in range(len(parts)):
        for end in range(start + 1, len(parts) + 1):
            run = _product(parts[start:end])
            if run is None:
                break
            if (length := min(map(len, run))) > score:
                best, score = (start, end), length
    return best


def _product(parts: list[Part]) -> tuple[bytes, ...] | None:
    out: tuple[bytes, ...] = (b"",)
    for part in parts:
        if part.literals is None or len(out) * len(part.literals) > LITERALS:
            return None
        out = tuple(a + b for a in out for b in part.literals)
    return out


def _beside(parts: list[Part], most: int) -> tuple[list[str], int]:
    """The expressions of at most `most` bytes next to a run, and its length. Left parts come in reverse, and so does
    what is made of them."""
    pieces: list[str] = []
    length = 0
    for part in parts:
        if part.single is None or length >= most:
            break
        count = min(part.low, most - length)
        if count:
            pieces.append(part.single if count == 1 else f"{part.single}{{{count}}}")
            length += count
        if part.low != part.high:
            break
    return pieces, length


def _alternatives(items: list[Any]) -> list[list[Any]]:
    """A pattern that is one choice of unlike forms is anchored form by form."""
    solid = [item for item in items if not _zero_width(item)]
    if len(solid) == 1:
        op, value = solid[0]
        if op is sre.SUBPATTERN and not value[1] and not value[2]:
            return _alternatives(list(value[3]))
        if op is sre.BRANCH and _literals(solid[0]) is None:
            return [form for branch in value[1] for form in _alternatives(list(branch))]
    return [items]


def _zero_width(item: Any) -> bool:
    return item[0] in (sre.AT, sre.ASSERT, sre.ASSERT_NOT)


def _parts(items: list[Any], state: Any) -> list[Part]:
    out: list[Part] = []
    flags = state.flags
    for item in items:
        op, value = item
        if _zero_width(item):
            continue
        if op is sre.SUBPATTERN and not value[1] and not value[2]:
            out += _parts(list(value[3]), state)
            continue
        low, high = _width(item, state)
        single = _single(item, flags)
        if single is not None:
            out.append(Part(single, 1, 1, _literals(item), single))
        elif op in (sre.MAX_REPEAT, sre.MIN_REPEAT, sre.POSSESSIVE_REPEAT) and len(value[2]) == 1:
            inner = _single(value[2][0], flags)
            out.append(Part(inner, low, high, _literals(item), inner))
        else:
            out.append(Part(None, low, high, _literals(item)))
    return out


def _width(item: Any, state: Any) -> tuple[int, int]:
    holder = parser.SubPattern(state, [item])  # the state knows how wide the groups are that it refers back to
    low, high = holder.getwidth()
    return int(low), int(high)


def _literals(item: Any) -> tuple[bytes, ...] | None:
    """The few literals that `item` stands for, or None."""
    op, value = item
    if op is sre.LITERAL:
        return (bytes([value]),)
    if op is sre.IN and len(value) <= 4 and all(o is sre.LITERAL for o, _ in value):
        return tuple(bytes([v]) for _, v in value)
    if _zero_width(item):
        return (b"",)
    if op is sre.SUBPATTERN and not value[1] and not value[2]:
        return _sequence(value[3])
    if op is sre.BRANCH:
        out: tuple[bytes, ...] = ()
        for branch in value[1]:
            literals = _sequence(branch)
            if literals is None:
                return None
            out += literals
        return tuple(dict.fromkeys(out)) if len(out) <= LITERALS else None
    if op in (sre.MAX_REPEAT, sre.MIN_REPEAT) and value[1] <= 4:
        inner = _sequence(value[2])
        if inner is not None and len(inner) == 1:
            return tuple(inner[0] * n for n in range(value[0], value[1] + 1))
    return None


def _sequence(items: Any) -> tuple[bytes, ...] | None:
    out: tuple[bytes, ...] = (b"",)
    for item in items:
        literals = _literals(item)
        if literals is None or len(out) * len(literals) > LITERALS:
            return None
        out = tuple(a + b for a in out for b in literals)
    return out


def _single(item: Any, flags: int) -> str | None:
    """The Hyperscan expression of an element that matches exactly one byte."""
    op, value = item
    if op is sre.LITERAL:
        return _quote(bytes([value]))
    if op is sre.NOT_LITERAL:
        return f"[^\\x{value:02x}]"
    if op is sre.ANY:
        return "[\\x00-\\xff]" if flags & sre.SRE_FLAG_DOTALL else "[^\\n]"
    if op is sre.IN:
        return _class(value)
    return None


_CATEGORIES = {
    sre.CATEGORY_DIGIT: "\\d",
    sre.CATEGORY_NOT_DIGIT: "\\D",
    sre.CATEGORY_WORD: "\\w",
    sre.CATEGORY_NOT_WORD: "\\W",
    sre.CATEGORY_SPACE: "\\s",
    sre.CATEGORY_NOT_SPACE: "\\S",
}


def _class(members: Any) -> str:
    out = ""
    for op, value in members:
        if op is sre.NEGATE:
            out += "^"
        elif op is sre.LITERAL:
            out += f"\\x{value:02x}"
        elif op is sre.RANGE:
            out += f"\\x{value[0]:02x}-\\x{value[1]:02x}"
        elif op is sre.CATEGORY:
            out += _CATEGORIES[value]
    return f"[{out}]"


def _quote(literal: bytes) -> str:
    return "".join(chr(c) if chr(c).isalnum() and c < 128 else f"\\x{c:02x}" for c in literal)


def _unreserved(c: int) -> bool:
    return c < 128 and (chr(c).isalnum() or c in b"-._~")
