"""What a run found, written for people and for machines: one module a format, imported only when asked for."""

from __future__ import annotations

from importlib import import_module
from typing import cast

from scanner.model import DeadkeyError
from scanner.report.interface import Format, Options

FORMATS = {
    "table": "scanner.report.table",
    "json": "scanner.report.json",
    "jsonl": "scanner.report.jsonl",
    "sarif": "scanner.report.sarif",
    "html": "scanner.report.html",
    "markdown": "scanner.report.markdown",
    "csv": "scanner.report.csv",
    "gitlab": "scanner.report.gitlab",
    "junit": "scanner.report.junit",
    "github": "scanner.report.github",
    "azure": "scanner.report.azure",
}
"""By the name given to `--format`: the module that writes it."""

NEVER_SECRETS = frozenset(FORMATS) - {"table", "json", "jsonl"}
"""Formats made to be passed on: no secret is in them, not even when secrets are to be shown."""


def load(name: str) -> Format:
    """The format called `name`. Raises DeadkeyError when there is none."""
    if name not in FORMATS:
        raise DeadkeyError(f"no such format: {name!r} (there are {', '.join(FORMATS)})")
    return cast(Format, import_module(FORMATS[name]))


__all__ = ["FORMATS", "NEVER_SECRETS", "Format", "Options", "load"]
