"""What a shell offers while a command is typed, beside what click knows by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


def rule_names(ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The rules whose id begins with what is there, each with its name; none where rules cannot be read."""
    from pathlib import Path

    from click.shell_completion import CompletionItem

    from scanner.model import DeadkeyError
    from scanner.ruleset import cache

    try:
        ruleset = cache.get(tuple(Path(folder) for folder in ctx.params.get("rules") or ()))
    except DeadkeyError:
        return []
    shown = [rule for rule in ruleset.rules if not rule.component and rule.id.startswith(incomplete)]
    return [CompletionItem(rule.id, help=rule.name) for rule in shown]
