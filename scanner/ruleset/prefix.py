"""What a rule's matches begin with, for people to read."""

from __future__ import annotations

import re._constants as sre  # the parser's own names: typed nowhere, but stable since Python 3.11
import re._parser as parser
from typing import Any

FEW = 6
"""More texts than this are no prefix."""
ZERO_WIDTH = (sre.AT, sre.ASSERT, sre.ASSERT_NOT)
REPEATS = (sre.MAX_REPEAT, sre.MIN_REPEAT, sre.POSSESSIVE_REPEAT)

Heads = tuple[list[bytes], bool]
"""Texts, and whether they are all there is: what follows them is literal too."""
NONE: Heads = ([b""], False)


def prefixes(pattern: str) -> tuple[bytes, ...]:
    """Texts of which every match begins with one, none of them another's beginning; none where it may be anything."""
    texts, _ = _sequence(parser.parse(pattern.encode()))
    return tuple(t for t in texts if t and not any(t.startswith(other) for other in texts if other != t))


def _sequence(items: Any) -> Heads:
    out = [b""]
    for op, value in items:
        if op in ZERO_WIDTH:
            continue
        texts, whole = _element(op, value)
        longer = list(dict.fromkeys(a + b for a in out for b in texts))
        if len(longer) > FEW:
            return out, False
        out = longer
        if not whole:
            return out, False
    return out, True


def _element(op: Any, value: Any) -> Heads:
    if op is sre.LITERAL:
        return [bytes([value])], True
    if op is sre.IN and len(value) <= FEW and all(kind is sre.LITERAL for kind, _ in value):
        return [bytes([c]) for _, c in value], True
    if op is sre.SUBPATTERN:
        return _sequence(value[3])
    if op is sre.BRANCH:
        every = [_sequence(branch) for branch in value[1]]
        texts = list(dict.fromkeys(text for heads, _ in every for text in heads))
        return (texts, all(whole for _, whole in every)) if len(texts) <= FEW else NONE
    if op in REPEATS:
        low, high, inner = value
        texts, whole = _sequence(inner)
        if low == high == 1 or (low, high) == (0, 1):
            return ([b""] if low == 0 else []) + texts, whole
        return (texts, False) if low else NONE
    return NONE
