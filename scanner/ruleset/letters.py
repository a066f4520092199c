"""What a match is made of: the bytes that may stand in it, the fewest there are, and what may not stand before it."""

from __future__ import annotations

import re
import re._constants as sre  # the parser's own names: typed nowhere, but stable since Python 3.11
import re._parser as parser
from typing import Any

from scanner.ruleset.generate import group, inside

EVERY = frozenset(range(256))
NEWLINE = 10
MANY = 1 << 20
"""More than anybody counts: of what is not known."""
REPEATS = (sre.MAX_REPEAT, sre.MIN_REPEAT, sre.POSSESSIVE_REPEAT)
WORD = frozenset(c for c in range(128) if chr(c).isalnum() or c == 95)


def match_letters(pattern: str) -> tuple[frozenset[int], int]:
    """Of what a pattern matches: every byte that may stand in it (or more), and the length of the shortest match."""
    tree = parser.parse(pattern.encode())
    return _cased(_letters(tree), tree.state), int(tree.getwidth()[0])


def newlines(pattern: str) -> int:
    """The most newlines that a match may hold, or more. What a look-around of one byte looks at is not counted."""
    tree = parser.parse(pattern.encode())

    def most(items: Any) -> int:
        return sum(one(op, value) for op, value in items)

    def one(op: Any, value: Any) -> int:
        if op in (sre.LITERAL, sre.NOT_LITERAL, sre.IN):
            return int(NEWLINE in _letters([(op, value)]))
        if op is sre.ANY:
            return int(bool(tree.state.flags & sre.SRE_FLAG_DOTALL))
        if op in REPEATS:
            return int(value[1]) * most(value[2])
        if op is sre.GROUPREF:
            found = group(tree, value)
            return MANY if found is None else most(found[3])
        if op is sre.AT:
            return 0
        if op is sre.SUBPATTERN and (value[1] or value[2]):
            return MANY  # flags of its own
        if op in (sre.ASSERT, sre.ASSERT_NOT):
            return most(value[1]) if parser.SubPattern(tree.state, list(value[1])).getwidth()[1] > 1 else 0
        parts = inside(op, value)
        counts = map(most, parts)
        return max(counts, default=0) if op in (sre.BRANCH, sre.GROUPREF_EXISTS) else sum(counts) if parts else MANY

    return most(tree)


def barred(pattern: str) -> frozenset[int]:
    """The bytes (or fewer) of which none can stand right before a match: said by a look-behind, or a word boundary."""
    out: set[int] = set()
    tree = list(parser.parse(pattern.encode()))
    for number, (op, value) in enumerate(tree):
        if op is sre.ASSERT_NOT and value[0] < 0 and len(value[1]) == 1 and value[1][0][0] in (sre.IN, sre.LITERAL):
            out |= _letters(value[1])
        elif op is sre.AT and value is sre.AT_BOUNDARY:
            if number + 1 < len(tree) and _first(tree[number + 1]) <= WORD:
                out |= WORD
        else:
            break
    return frozenset(out)


def _first(item: Any) -> frozenset[int]:
    """The bytes that what an element matches can begin with, or more."""
    op, value = item
    if op in (sre.LITERAL, sre.IN):
        return _letters([item])
    if op is sre.SUBPATTERN and not value[1] and not value[2] and len(value[3]):
        return _first(value[3][0])
    if op is sre.BRANCH and all(len(branch) for branch in value[1]):
        return frozenset().union(*(_first(branch[0]) for branch in value[1]))
    if op in (sre.MAX_REPEAT, sre.MIN_REPEAT) and value[0] > 0 and len(value[2]):
        return _first(value[2][0])
    return EVERY


def secret_letters(pattern: str) -> tuple[frozenset[int], int]:
    """Of what a pattern's group `secret` matches, or all of it where there is no such group: every byte that may stand in
    it (or more), and the length of the shortest."""
    tree = parser.parse(pattern.encode())
    items: Any = tree
    number = tree.state.groupdict.get("secret")
    if number is not None:
        found = group(tree, number)
        if found is None or found[1] or found[2]:
            return EVERY, 0  # in a look-around, or with flags of its own
        items = found[3]
    holder = parser.SubPattern(tree.state, list(items))
    return _cased(_letters(items), tree.state), int(holder.getwidth()[0])


def _cased(letters: frozenset[int], state: Any) -> frozenset[int]:
    if state.flags & sre.SRE_FLAG_IGNORECASE:
        letters |= {ord(chr(c).swapcase()) for c in letters if c < 128}
    return letters


def _letters(items: Any) -> frozenset[int]:
    out: set[int] = set()
    for op, value in items:
        if op is sre.LITERAL:
            out.add(value)
        elif op is sre.NOT_LITERAL:
            out |= EVERY - {value}
        elif op is sre.IN:
            out |= _class(value)
        elif op in (sre.AT, sre.ASSERT, sre.ASSERT_NOT):
            continue
        elif op is sre.SUBPATTERN and (value[1] or value[2]):
            return EVERY  # flags of its own
        elif parts := inside(op, value):
            for part in parts:
                out |= _letters(part)
        else:  # any byte, a reference back, or what is not known here
            return EVERY
    return frozenset(out)


_CATEGORIES = {
    sre.CATEGORY_DIGIT: rb"\d",
    sre.CATEGORY_NOT_DIGIT: rb"\D",
    sre.CATEGORY_WORD: rb"\w",
    sre.CATEGORY_NOT_WORD: rb"\W",
    sre.CATEGORY_SPACE: rb"\s",
    sre.CATEGORY_NOT_SPACE: rb"\S",
}


def _class(members: Any) -> frozenset[int]:
    out: set[int] = set()
    negated = False
    for op, value in members:
        if op is sre.NEGATE:
            negated = True
        elif op is sre.LITERAL:
            out.add(value)
        elif op is sre.RANGE:
            out.update(range(value[0], value[1] + 1))
        else:
            expression = re.compile(_CATEGORIES[value])
            out.update(c for c in range(256) if expression.match(bytes([c])))
    return EVERY - out if negated else frozenset(out)
