"""Pairs whose halves stand in different files: what is missing beside a secret is looked for in the files of its folder."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

from scanner.detect.engine import Engine
from scanner.model import Location, Secret, Sighting
from scanner.ruleset.ruleset import Companion, Rule

PLACES = 3
"""So many of a secret's places are looked around."""
FEW = 4
"""Of a kind of companion no more than so many different values of one folder are remembered; two are too many already."""

Beside = Callable[[Sequence[Location]], Iterator[tuple[int, bytes]]]
"""For each of many places, by its number, the contents of the files in its folder, its own included, within bounds."""


def complete(sightings: Sequence[Sighting], engine: Engine, beside: Beside) -> list[Sighting]:
    """The sightings with the companions they lack, where the folder of one of the secret's places holds exactly one."""
    groups: dict[tuple[str, Secret], list[Sighting]] = defaultdict(list)
    for sighting in sightings:
        if sighting.location.path and _missing(engine, sighting):
            groups[sighting.match.rule, sighting.match.secret].append(sighting)
    if not groups:
        return list(sightings)
    places: dict[tuple[str | None, str], int] = {}
    where: dict[tuple[str, Secret], list[int]] = {}
    shown: list[Location] = []
    wanted: dict[int, set[str]] = defaultdict(set)
    for key, group in groups.items():
        around = {(s.location.commit, (s.location.path or "").rpartition("/")[0]): s.location for s in group}
        where[key] = []
        for place, location in list(around.items())[:PLACES]:
            number = places.setdefault(place, len(shown))
            if number == len(shown):
                shown.append(location)
            where[key].append(number)
            wanted[number] |= {c.rule for c in _missing(engine, group[0])}
    found: dict[tuple[int, str], set[bytes]] = defaultdict(set)
    for number, data in beside(shown):
        for rule in wanted[number]:
            if len(found[number, rule]) < FEW:
                found[number, rule] |= engine.values(rule, data)
    out = []
    for sighting in sightings:
        key = sighting.match.rule, sighting.match.secret
        out.append(_filled(engine, sighting, [(n, found) for n in where.get(key, ())]))
    return out


def _missing(engine: Engine, sighting: Sighting) -> list[Companion]:
    rule: Rule = engine.ruleset.by_id[sighting.match.rule]
    there = {name for name, _ in sighting.match.companions}
    return [c for c in rule.companions if c.name not in there and engine.ruleset.by_id[c.rule].tells]


def _filled(
    engine: Engine, sighting: Sighting, around: Iterable[tuple[int, dict[tuple[int, str], set[bytes]]]]
) -> Sighting:
    match = sighting.match
    more = {}
    for number, found in around:
        for companion in _missing(engine, sighting):
            values = set(map(Secret, found.get((number, companion.rule), ()))) - {match.secret}
            if len(values) == 1 and companion.name not in more:
                more[companion.name] = values.pop()
    if not more:
        return sighting
    order = [c.name for c in engine.ruleset.by_id[match.rule].companions]
    companions = sorted({**dict(match.companions), **more}.items(), key=lambda pair: order.index(pair[0]))
    lacking = tuple(name for name in match.lacking if name not in more)
    return replace(sighting, match=replace(match, companions=tuple(companions), lacking=lacking))
