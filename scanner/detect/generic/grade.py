"""How sure a secret without a format is at each of its places."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from scanner.detect.generic import profile, score
from scanner.detect.generic.settings import Generic
from scanner.model import LEVELS, Confidence, Sighting
from scanner.ruleset.ruleset import Ruleset

BELOW: dict[Confidence, Confidence] = {"high": "medium", "medium": "low", "low": "low"}


def graded(
    sightings: Sequence[Sighting],
    ruleset: Ruleset,
    settings: Generic,
    least: str,
    explain: Callable[[str], None] | None = None,
) -> list[Sighting]:
    """The sightings with the confidence they have where they stand, without those below `least` and those that their file's
    name speaks against. What has a format stays as it is."""
    placeholders = [word.lower().encode() for word in settings.placeholders]
    out = []
    for sighting in sightings:
        rule = ruleset.by_id[sighting.match.rule]
        if not rule.scored:
            out.append(sighting)
            continue
        path = sighting.location.path or ""
        level = min(score.confidence(sighting.match.score), rule.confidence, key=LEVELS.__getitem__)
        lower = profile.lowered(path, settings.lower)
        if lower:
            level = BELOW[level]
        value = sighting.match.secret.reveal().lower() if placeholders else b""
        reason = "a placeholder of yours" if any(word in value for word in placeholders) else profile.refused(path)
        if not reason and sighting.match.score < score.model().levels[0] and not profile.settings(path):
            reason = f"score {sighting.match.score:.2f}, and the file is not one of settings"
        if not reason and LEVELS[level] < LEVELS[least]:
            reason = f"confidence {level} is below {least}"
        if explain is not None:
            where = f"{path}:{sighting.location.start_line}: {rule.id} {sighting.match.secret}"
            explain(
                f"{where}: {reason or f'score {sighting.match.score:.2f}, {level}' + (' by its path' if lower else '')}"
            )
        if not reason:
            out.append(replace(sighting, confidence=level))
    return out
