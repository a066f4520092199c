"""detect-secrets' baselines, and lists of excluded paths.

detect-secrets: README, "Baseline" and "Filters"; before version 1 what is excluded stood under `exclude`. TruffleHog:
README, `--exclude-paths`: a file of newline separated regexes.
"""

from __future__ import annotations

import json
from typing import Any

from scanner.adopt.go import usable
from scanner.adopt.interface import Adopted, Lines, Spot
from scanner.model import DeadkeyError

FILTER = "detect_secrets.filters.regex.should_exclude_"
LABELS = {True: "true", False: "false", None: ""}


def baseline(name: str, content: bytes) -> Adopted:
    """A detect-secrets baseline. Raises DeadkeyError for what is none."""
    try:
        data = json.loads(content)
        results = data["results"].items()
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError):
        raise DeadkeyError(f"{name}: not a detect-secrets baseline: a JSON object with `results`") from None
    out = Adopted()
    for path, entries in results:
        for number, entry in enumerate(entries, 1):
            where = f"{name}: {path}, entry {number}"
            if not isinstance(entry, dict) or not isinstance(entry.get("hashed_secret"), str):
                out.notes.append(f"{where}: not carried over: it has no hashed_secret")
                continue
            line, said = entry.get("line_number"), entry.get("is_secret")
            label = LABELS[said if isinstance(said, bool) else None]
            out.spots.append(
                Spot(where, path, line if isinstance(line, int) else 0, None, entry["hashed_secret"], label)
            )
    exclude = data.get("exclude") or {}
    _excluded("file", [exclude.get("files")], name, out)
    _excluded("line", [exclude.get("lines")], name, out)
    for given in data.get("filters_used") or []:
        path = str(given.get("path", ""))
        if path.startswith(FILTER):
            pattern = given.get("pattern")
            _excluded(path.removeprefix(FILTER), pattern if isinstance(pattern, list) else [pattern], name, out)
        elif path.startswith("file://") or not path.startswith("detect_secrets."):
            out.notes.append(f"{name}: the filter {path}: not carried over: it is a program")
    return out


def _excluded(kind: str, patterns: list[Any], name: str, out: Adopted) -> None:
    given = [p for p in patterns if isinstance(p, str) and p]
    kept = usable(given, name, out.notes, go=False)
    reason = f"excluded in {name}"
    if not kept:
        return
    if kind == "file":
        out.allowances.append({"path_patterns": kept, "reason": reason})
    elif kind == "secret":
        out.allowances.append({"values": kept, "reason": reason})
    else:
        out.lines.append(Lines(f"{name}: excluded lines", tuple(kept)))


def paths(name: str, content: bytes) -> Adopted:
    """A list of patterns of paths, a line each."""
    out = Adopted()
    lines = [line.strip() for line in content.decode("utf-8", "replace").splitlines()]
    given = [line for line in lines if line and not line.startswith("#")]
    if kept := usable(given, name, out.notes):
        out.allowances.append({"path_patterns": kept, "reason": f"excluded in {name}"})
    return out
