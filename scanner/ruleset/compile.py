"""Checked rules to compiled ones: anchors chosen, reach measured, the Hyperscan database built."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import hyperscan

from scanner.model import DeadkeyError
from scanner.ruleset import anchors as anchoring
from scanner.ruleset.letters import barred, match_letters, newlines, secret_letters
from scanner.ruleset.ruleset import RANKS, Anchor, Companion, Rule
from scanner.ruleset.schema import RuleFile, RuleSpec


def compile_rules(files: list[RuleFile]) -> tuple[tuple[Rule, ...], tuple[Anchor, ...]]:
    """Every rule with its anchors. Raises DeadkeyError naming the rule that cannot be anchored."""
    rules: list[Rule] = []
    found: list[Anchor] = []
    for file in files:
        for spec in file.rules:
            rule, own = compile_rule(len(rules), file.provider, spec)
            rules.append(rule)
            found += own
    return tuple(rules), shared(found)


def shared(anchors: list[Anchor]) -> tuple[Anchor, ...]:
    """Each expression once, with the rules that look for it."""
    rules: dict[Anchor, list[int]] = {}
    for anchor in anchors:
        known = rules.setdefault(replace(anchor, rules=()), [])
        known += [number for number in anchor.rules if number not in known]
    return tuple(replace(anchor, rules=tuple(numbers)) for anchor, numbers in rules.items())


def compile_rule(number: int, provider: str, spec: RuleSpec) -> tuple[Rule, list[Anchor]]:
    try:
        plan = _plan(spec)
        width = anchoring.width(spec.pattern)
        if width > anchoring.MAX_WIDTH:
            raise anchoring.Unbounded(
                f"may match more than {anchoring.MAX_WIDTH} bytes; give every repeat an upper bound"
            )
    except ValueError as e:
        raise DeadkeyError(f"rule {spec.id}: pattern: {e}") from e
    rank = spec.rank or ("context" if spec.context else "token")
    own: list[Anchor] = []
    if spec.component:
        plan, back, forward = None, 0, width
    elif plan is None:
        for word in spec.context:
            own.append(anchoring.context_anchor(number, word))
            own.append(anchoring.utf16_anchor(number, word.encode(), caseless=True))
        back, forward = 0, spec.near + width
    else:
        own += [Anchor(e, (number,), "plain", caseless=plan.caseless) for e in plan.expressions]
        if plan.caseless or rank == "generic":
            own += [anchoring.utf16_anchor(number, x, caseless=plan.caseless) for x in plan.literals if len(x) > 3]
        else:
            own += anchoring.encoded_anchors(number, plan.literals)
        back, forward = plan.back, plan.forward
    letters, shortest = (secret_letters if spec.context or spec.component else match_letters)(spec.pattern)
    rule = Rule(
        id=spec.id,
        provider=provider,
        name=spec.name,
        severity=spec.severity,
        confidence=spec.confidence,
        pattern=spec.pattern,
        rank=RANKS[rank],
        back=back,
        forward=forward,
        starts=plan.starts if plan else (),
        slow=anchoring.may_be_slow(spec.pattern),
        multiline=spec.span == "multiline",
        lines=_lines(spec),
        context=tuple(spec.context),
        near=spec.near if spec.context else 0,
        letters=_digits(letters),
        shortest=shortest,
        barred=_digits(barred(spec.pattern)),
        checksum=spec.checksum,
        min_entropy=spec.min_entropy,
        known=tuple(spec.known),
        companions=tuple(Companion(c.rule, c.name, c.within, c.required) for c in spec.with_),
        scored=spec.scored,
        opens=spec.anchor is not None and plan is not None,
        openings=tuple(x.hex() for x in anchoring.openings(spec.pattern)) if spec.anchor else (),
        look=spec.look or "",
        half=spec.half,
        component=spec.component,
        tells=(spec.component or spec.half) and _tells(spec),
        rotate=spec.rotate,
        before=rf"(?:{spec.around.before})\Z" if spec.around and spec.around.before else "",
        after=spec.around.after or "" if spec.around else "",
        given=tuple(spec.around.given.items()) if spec.around else (),
    )
    return rule, own


MOST_LINES = 2
"""Of how many lines reading may be known to end with the last."""


def _lines(spec: RuleSpec) -> int:
    """For what is read and judged by its lines alone."""
    count = newlines(spec.pattern) + 1
    if spec.with_ or spec.context or spec.component or count > MOST_LINES:
        return 0
    beside = (spec.around.before, spec.around.after) if spec.around else ()
    return 0 if any(newlines(text) for text in beside if text) else count


def _tells(spec: RuleSpec) -> bool:
    if spec.context:
        return True
    try:
        return bool(anchoring.plan(spec.pattern).literals)
    except ValueError:
        return False


def _digits(letters: frozenset[int]) -> str:
    return f"{sum(1 << c for c in letters):x}"


def _plan(spec: RuleSpec) -> anchoring.Plan | None:
    """None for a rule that is anchored on its context words. A component is read only near what wants it."""
    if spec.context or spec.component:
        return None
    return anchoring.explicit(spec.pattern, spec.anchor) if spec.anchor else anchoring.plan(spec.pattern)


def span(anchors: tuple[Anchor, ...]) -> int:
    """The most bytes any of the anchors can match."""
    return max((a.length or anchoring.width(a.expression) for a in anchors), default=1)


def build(anchors: tuple[Anchor, ...]) -> bytes:
    """The serialised Hyperscan database of `anchors`, numbered in their order."""
    database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    try:
        database.compile(
            expressions=[a.expression.encode() for a in anchors],
            ids=list(range(len(anchors))),
            elements=len(anchors),
            flags=[hyperscan.HS_FLAG_CASELESS if a.caseless else 0 for a in anchors],
        )
    except hyperscan.HyperscanError as e:
        raise DeadkeyError(f"the rules do not compile: {e}") from e
    return bytes(hyperscan.dumpb(database))


def actions(files: list[RuleFile]) -> dict[str, dict[str, Any]]:
    """By rule id: what `Ruleset.actions` answers, as plain data."""
    out: dict[str, dict[str, Any]] = {}
    for file in files:
        for spec in file.rules:
            plain = spec.model_dump(by_alias=True, mode="json", exclude_defaults=True)
            out[spec.id] = {
                "provider": file.provider,
                "verify": plain.get("verify"),
                "revoke": plain.get("revoke"),
                "rotate": spec.rotate,
                "domains": file.allowed_domains(),
                "with": plain.get("with", []),
                "docs": spec.docs,
            }
    return out
