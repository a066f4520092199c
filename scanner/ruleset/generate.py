"""Made-up tokens from a rule's own pattern, for examples, tests and the drill.

The same seed gives the same token. What comes out matches the pattern where it stands alone; placeholders and dull values
are avoided, so that judgement does not drop it.
"""

from __future__ import annotations

import random
import re
import re._constants as sre
import re._parser as parser
from collections.abc import Callable
from typing import Any

PRINTABLE = bytes(range(0x20, 0x7F))
TRIES = 300


class Ungeneratable(ValueError):
    """No string could be made that the pattern matches."""


def generate(
    pattern: str, seed: str, seal: Callable[[bytes], bytes] | None = None, good: Callable[[bytes], bool] | None = None
) -> bytes:
    """A made-up secret: of the pattern's `secret` group where it has one, else of the whole pattern.

    `seal` makes its checksum right; `good` says whether a value will do. Raises Ungeneratable.
    """
    chance = random.Random(seed)
    tree = parser.parse(pattern.encode())
    number = tree.state.groupdict.get("secret")
    items = group(tree, number)[3] if number else tree
    whole = re.compile(pattern.encode())
    for _ in range(TRIES):
        value = _items(items, chance, tree.state.flags, {})
        if seal:
            value = seal(value)
        if (number or whole.fullmatch(value)) and (good is None or good(value)):
            return value
    raise Ungeneratable("no example could be generated from the pattern")


def group(items: Any, number: int) -> Any:
    """The group of that number, as the parser has it: number, flags added and removed, what it holds. None: not in what is
    matched."""
    for op, value in items:
        if op is sre.SUBPATTERN and value[0] == number:
            return value
        for inner in inside(op, value):
            if (found := group(inner, number)) is not None:
                return found
    return None


def inside(op: Any, value: Any) -> list[Any]:
    """What a group, a choice or a repeat holds. Look-around adds nothing to a match."""
    if op is sre.SUBPATTERN:
        return [value[3]]
    if op is sre.BRANCH:
        return list(value[1])
    if op in (sre.MAX_REPEAT, sre.MIN_REPEAT, sre.POSSESSIVE_REPEAT):
        return [value[2]]
    if op is sre.GROUPREF_EXISTS:
        return [x for x in value[1:] if x is not None]
    if op is sre.ATOMIC_GROUP:
        return [value]
    return []


def _items(items: Any, chance: random.Random, flags: int, groups: dict[int, bytes]) -> bytes:
    return b"".join(_one(op, value, chance, flags, groups) for op, value in items)


def _one(op: Any, value: Any, chance: random.Random, flags: int, groups: dict[int, bytes]) -> bytes:
    if op is sre.LITERAL:
        return bytes([value])
    if op in (sre.IN, sre.NOT_LITERAL, sre.ANY):
        return bytes([chance.choice(_choices(op, value))])
    if op is sre.SUBPATTERN:
        text = _items(value[3], chance, flags, groups)
        if value[0] is not None:
            groups[value[0]] = text
        return text
    if op is sre.BRANCH:
        return _items(chance.choice(value[1]), chance, flags, groups)
    if op in (sre.MAX_REPEAT, sre.MIN_REPEAT, sre.POSSESSIVE_REPEAT):
        low, high, inner = value
        count = chance.randint(int(low), min(int(high), int(low) + 24))
        return b"".join(_items(inner, chance, flags, groups) for _ in range(count))
    if op is sre.GROUPREF:
        return groups.get(value, b"")
    if op is sre.GROUPREF_EXISTS:
        chosen = value[1] if value[0] in groups else value[2]
        return _items(chosen, chance, flags, groups) if chosen is not None else b""
    if op is sre.ATOMIC_GROUP:
        return _items(value, chance, flags, groups)
    return b""


_SETS = {
    sre.CATEGORY_DIGIT: b"0123456789",
    sre.CATEGORY_WORD: b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_",
    sre.CATEGORY_SPACE: b" ",
}


def _choices(op: Any, value: Any) -> bytes:
    if op is sre.ANY:
        return PRINTABLE
    if op is sre.NOT_LITERAL:
        return bytes(c for c in PRINTABLE if c != value)
    chosen: set[int] = set()
    negated = False
    for kind, what in value:
        if kind is sre.NEGATE:
            negated = True
        elif kind is sre.LITERAL:
            chosen.add(what)
        elif kind is sre.RANGE:
            chosen.update(range(what[0], what[1] + 1))
        elif what in _SETS:
            chosen.update(_SETS[what])
        else:
            opposite = {sre.CATEGORY_NOT_DIGIT: 0, sre.CATEGORY_NOT_WORD: 1, sre.CATEGORY_NOT_SPACE: 2}[what]
            chosen.update(set(PRINTABLE) - set(list(_SETS.values())[opposite]))
    if negated:
        return bytes(sorted(set(PRINTABLE) - chosen))
    return bytes(sorted(chosen & set(PRINTABLE) or chosen))
