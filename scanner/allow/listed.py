"""What the user's configuration never wants reported: by path, by rule, by value."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

from scanner.model import Sighting


def unlisted(
    sightings: Iterable[Sighting], paths: Sequence[str], rules: Sequence[str], values: Sequence[str]
) -> list[Sighting]:
    """Those sightings that nothing allows: globs of paths (`*` crosses slashes) and of rule ids, and patterns of which
    one is found in the value. A sighting without a path is of no listed path."""
    patterns = [re.compile(v.encode()) for v in values]

    def listed(sighting: Sighting) -> bool:
        path = (sighting.location.path or "").removeprefix("./")
        return (
            any(path and fnmatchcase(path, glob) for glob in paths)
            or any(fnmatchcase(sighting.match.rule, glob) for glob in rules)
            or any(pattern.search(sighting.match.secret.reveal()) for pattern in patterns)
        )

    return [s for s in sightings if not listed(s)]
