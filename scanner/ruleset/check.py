"""What a rule file must prove beyond its schema: its examples are found, its rejects are not, by the real engine.

The engine is handed in, so that this room needs to know nothing of detection.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from scanner.ruleset.generate import Ungeneratable, generate
from scanner.ruleset.schema import Exchange, RuleFile, RuleSpec

Find = Callable[[bytes], list[tuple[str, bytes]]]
"""Scans one text: rule ids and secrets found."""
Good = Callable[[RuleSpec, bytes], bool]
"""Whether a generated value passes the rule's own judgement."""
Seal = Callable[[str], Callable[[bytes], bytes]]
"""By a checksum's name: what makes it right. Raises KeyError."""

LONG = 6000
"""Letters in a run that should match nothing."""
MANY = 60_000
"""Bytes of what almost matches, again and again."""
FEWEST = 4
"""Examples and their settings that a rule must show; rejects come on top."""
Variables = Callable[[str], set[str]]
"""The variables a template uses, `owner`'s with their names (`owner.x`). Raises ValueError when it does not parse."""

Slow = Callable[[RuleSpec, bytes], bool]
"""Whether the rule's pattern runs out of time on a text."""


class Example(NamedTuple):
    """An example with everything filled in, and the secret that must be found in it."""

    text: bytes
    secret: bytes


class Bench(NamedTuple):
    """What checking needs from other rooms, and all rules by id."""

    find: Find
    good: Good
    seal: Seal
    variables: Variables
    rules: dict[str, RuleSpec]
    slow: Slow


def check(file: RuleFile, bench: Bench) -> Iterator[str]:
    """Every fault of one file's rules as `rule ID: field: what is wrong`."""
    for rule in file.rules:
        for fault in _check_rule(rule, bench):
            yield f"rule {rule.id}: {fault}"


def _check_rule(rule: RuleSpec, bench: Bench) -> Iterator[str]:
    try:
        shown = list(examples(rule, bench))
    except Ungeneratable as e:
        yield f"examples: {e}"
        return
    except KeyError as e:
        yield f"checksum: there is no checksum {e}"
        return
    if not rule.component and len(shown) < FEWEST:
        yield f"examples: show at least {FEWEST} settings, not {len(shown)}"
    if not rule.component and len(rule.rejects) < 2:
        yield "rejects: show at least two lines that must not be found"
    for number, example in enumerate(shown, 1):
        found = bench.find(example.text)
        yield from _example_faults(rule, number, example, found)
    for number, text in enumerate(rule.rejects, 1):
        if any(name == rule.id for name, _ in bench.find(text.encode())):
            yield f"rejects: number {number} is found: {text}"
    if shown and any(bench.slow(rule, text) for text in hostile(shown[0].secret)):
        yield "pattern: takes too long on text that almost matches; give its repeats narrower classes or bounds"
    for part in (rule.verify, rule.revoke):
        if part is not None:
            yield from _template_faults(rule, part, bench.variables)


def _example_faults(rule: RuleSpec, number: int, example: Example, found: list[tuple[str, bytes]]) -> Iterator[str]:
    own = [secret for name, secret in found if name == rule.id]
    if not rule.component and example.secret not in own:
        seen = ", ".join(sorted({name for name, _ in found})) or "nothing"
        what = f"with another secret ({own[0].decode(errors='replace')})" if own else f"(but {seen})"
        yield f"examples: number {number} is not found {what}: {example.text.decode(errors='replace')}"
    for name, secret in found if not rule.component else ():
        if name != rule.id and name not in rule.overlaps and secret == example.secret:
            yield f"examples: number {number} is claimed by {name} as well; name it under overlaps, or narrow one of them"


def examples(rule: RuleSpec, bench: Bench) -> Iterator[Example]:
    """The rule's examples filled in, each with a token of its own. Raises Ungeneratable, KeyError for a checksum."""
    for number, text in enumerate(rule.examples):
        token = token_of(rule, bench, f"{rule.id} {number}")
        filled = text.encode().replace(b"{token}", token)
        for companion in rule.with_:
            marker = b"{" + companion.name.encode() + b"}"
            if marker in filled:
                other = bench.rules[companion.rule]
                filled = filled.replace(marker, token_of(other, bench, f"{rule.id} {companion.name} {number}"))
        yield Example(filled, token if "{token}" in text else _literal(rule, filled))


def hostile(token: bytes) -> Iterator[bytes]:
    """Texts that a pattern for `token` could be slow on: what almost matches, again and again, and long runs of its letters."""
    yield token[:-1] * max(3, min(100, MANY // len(token)))
    for at in (len(token) // 3, len(token) // 2, len(token) - 1):
        yield token[:at] + token[at : at + 1] * LONG
    for letter in sorted(set(token[-1:] + token[len(token) // 2 :][:2])):
        yield bytes([letter]) * LONG + b"!"
    yield (token[: len(token) // 2] + b" ") * 200


def token_of(rule: RuleSpec, bench: Bench, seed: str) -> bytes:
    """A made-up secret of `rule`."""
    seal = bench.seal(rule.checksum) if rule.checksum else None
    return generate(rule.token or rule.pattern, seed, seal, lambda value: bench.good(rule, value))


def _literal(rule: RuleSpec, text: bytes) -> bytes:
    """The secret of an example that is written out."""
    found = re.search(rule.pattern.encode(), text)
    if found is None:
        return b""
    return found.group("secret") if "secret" in found.re.groupindex else found.group()


def _template_faults(rule: RuleSpec, part: Exchange, variables: Variables) -> Iterator[str]:
    """Variables that no run will define, and templates that do not parse."""
    known = {"secret", "endpoint", *(c.name for c in rule.with_), *(f"owner.{name}" for name in part.owner)}
    for step in part.steps:
        known.update(step.save)
    for request in part.requests():
        for source in _strings(request.model_dump()):
            try:
                unknown = variables(source) - known
            except ValueError as e:
                yield f"template: {source}: {e}"
                continue
            for name in sorted(unknown):
                yield f"template: {name} is not defined (there are {', '.join(sorted(known))})"


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _strings(key)
            yield from _strings(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _strings(inner)
