"""Hook: installed Python packages, by the entry point group `deadkey.revokers`.

An entry point names a function of a finding and its rule's actions. It gives a HookResult, or None when the finding is
none of its business. They are tried in the order of their names.
"""

from __future__ import annotations

import sys
from importlib import metadata
from pathlib import Path

from scanner.model import Finding
from scanner.revoke.hooks.interface import HookResult, Tools
from scanner.verify.interface import Action

GROUP = "deadkey.revokers"


def entry_points() -> list[metadata.EntryPoint]:
    """Those of installed packages. The current folder is left out: it may be a scanned repository."""
    here = Path.cwd()
    paths = [path for path in sys.path if path and Path(path).absolute() != here]
    found = {
        point.name: point
        for distribution in metadata.distributions(path=paths)
        for point in distribution.entry_points
        if point.group == GROUP
    }
    return [found[name] for name in sorted(found)]


def effect(finding: Finding, action: Action, tools: Tools) -> str | None:
    names = [point.name for point in entry_points()]
    return f"Hands it to the plug-in {' or '.join(names)}." if names else None


def run(finding: Finding, action: Action, tools: Tools) -> HookResult:
    for point in entry_points():
        try:
            result = point.load()(finding, action)
        except Exception as e:
            # The text of a plug-in's error may hold anything; its kind does not.
            return HookResult("failed", f"the plug-in {point.name} failed ({type(e).__name__})")
        if result is None:
            continue
        if not isinstance(result, HookResult):
            return HookResult("failed", f"the plug-in {point.name} gave no HookResult")
        if result.state != "not-applicable":
            return result
    return HookResult("not-applicable", "no plug-in knows it")
