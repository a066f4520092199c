"""Is a match that looks like a secret one? Every question asked of it, cheapest first; the answer says which decided."""

from __future__ import annotations

import re
from functools import cache
from itertools import pairwise

from scanner.detect.checksums import CHECKSUMS
from scanner.detect.common import DEFAULTS
from scanner.detect.entropy import entropy
from scanner.model import Span
from scanner.ruleset.ruleset import RANKS, Rule

PLACEHOLDER = re.compile(
    rb"example|sample|dummy|placeholder|change_?me|your[-_]?(?:api|token|key|secret|password|pass|access|app|client|own)"
    rb"|redacted|replace[-_]?(?:me|this|with)|insert[-_]?your|\bfoo_?bar|notareal|not[-_]a[-_]real|fake[-_]?(?:key|token|secret)"
    rb"|0123456789|1234567890|abcdefghij|(?:x{6}|\*{4}|\.{4}|0{12}|\?{4}|#{6}|_{6}|<[a-z -]{2,40}>)",
    re.IGNORECASE,
)
REFERENCE = re.compile(
    rb"\$\{?[A-Za-z_(]|%[A-Za-z_]\w*%|\{\{|<%|#\{|@@?[A-Z_]+@@?|%\(|^\$|^@\{|^!|^&|^\*|process\.env|\benviron\b|getenv|\bENV\["
)
FORMAT = RANKS["format"]


def judge(rule: Rule, data: bytes, begin: int, span: Span, value: bytes) -> str:
    """Why `value`, standing at `span` of `data` in a match from `begin` on, is no secret of `rule`; "" when nothing speaks
    against it."""
    return judge_value(rule, value) or judge_place(rule, data, begin, span)[0]


def judge_place(rule: Rule, data: bytes, begin: int, span: Span) -> tuple[str, float]:
    """What speaks against a value where it stands, and its score there: 1.0 for what has a format."""
    if not rule.scored:
        return "", 1.0
    from scanner.detect.generic import place, score

    return score.verdict(place.read(rule.id, data, begin, span))


def judge_value(rule: Rule, value: bytes) -> str:
    """What speaks against a value wherever it stands."""
    if value in _known(rule.known):
        return "a published example"
    if rule.checksum:
        return "" if CHECKSUMS[rule.checksum].check(value) else f"checksum {rule.checksum} does not match"
    if rule.min_entropy is not None and (bits := entropy(value)) < rule.min_entropy:
        return f"entropy {bits:.2f} is below {rule.min_entropy}"
    if rule.multiline or rule.scored:
        return ""
    if PLACEHOLDER.search(value):
        return "a placeholder"
    if len(value) >= 12 and monotonous(value):
        return "repeats or counts"
    if rule.rank == FORMAT and (REFERENCE.search(value) or value.lower() in DEFAULTS):
        return "a reference or a default"
    return ""


def monotonous(value: bytes) -> bool:
    """Most neighbours are equal or one apart in the same direction (`aaaa`, `1234`), or one short piece repeats."""
    steps = bytes([b - a & 255 for a, b in pairwise(value)])
    if max(steps.count(0), steps.count(1), steps.count(255)) * 2 > len(steps):
        return True
    return any(len(value) >= 3 * n and value[n:] == value[:-n] for n in (2, 3, 4))


@cache
def _known(values: tuple[str, ...]) -> frozenset[bytes]:
    return frozenset(v.encode() for v in values)
