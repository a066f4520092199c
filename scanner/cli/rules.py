"""`deadkey rules`: list, show and check rules."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

from scanner.cli.complete import rule_names
from scanner.model import DeadkeyError

_rules = click.option("--rules", multiple=True, type=click.Path(), help="A folder of rules beside the shipped ones.")


@click.group()
def command() -> None:
    """List, show and check rules."""


@command.command("list")
@_rules
@click.option("--format", "-f", "format", type=click.Choice(("table", "json", "markdown")), default="table")
def list_rules(rules: tuple[str, ...], format: str) -> None:
    """Every rule, and what it can do."""
    from scanner.ruleset import cache

    ruleset = cache.get(tuple(Path(r) for r in rules))
    if format == "markdown":
        from scanner.cli import providers

        click.echo(providers.document(ruleset), nl=False)
        return
    rows = []
    for rule in ruleset.rules:
        actions = ruleset.actions(rule.id)
        verify = actions["verify"] or {}
        rows.append(
            {
                "id": rule.id,
                "provider": rule.provider,
                "name": rule.name,
                "severity": rule.severity,
                "confidence": rule.confidence,
                "verifies": bool(verify),
                "identifies": bool(verify.get("identity") or verify.get("checker")),
                "revokes": bool(actions["revoke"]),
            }
        )
    if format == "json":
        click.echo(json.dumps(rows, indent=2))
    else:
        _table(rows)


def _table(rows: list[dict[str, Any]]) -> None:
    from rich import box
    from rich.table import Table

    from scanner.cli.terminal import console

    table = Table(box=box.SIMPLE_HEAD)
    for column in ("rule", "name", "severity", "confidence", "verifies", "identifies", "revokes"):
        table.add_column(column, no_wrap=column == "rule")
    for row in rows:
        marks = ("yes" if row[k] else "" for k in ("verifies", "identifies", "revokes"))
        table.add_row(row["id"], row["name"], row["severity"], row["confidence"], *marks)
    console(sys.stdout, 160).print(table, markup=False)
    counts = {k: sum(row[k] for row in rows) for k in ("verifies", "identifies", "revokes")}
    providers = len({row["provider"] for row in rows})
    click.echo(
        f"{len(rows)} rules of {providers} providers: {counts['verifies']} verify, "
        f"{counts['identifies']} say whose it is, {counts['revokes']} revoke."
    )


@command.command()
@click.argument("rule", shell_complete=rule_names)
@_rules
def show(rule: str, rules: tuple[str, ...]) -> None:
    """One rule as it is written, with its defaults."""
    import yaml

    from scanner.pipeline import no_rule
    from scanner.ruleset import cache
    from scanner.ruleset.load import load

    folders = (cache.shipped(), *(Path(r) for r in rules))
    loaded = load(cache.read_files(folders))
    for file in loaded:
        for spec in file.rules:
            if spec.id == rule:
                plain = spec.model_dump(by_alias=True, mode="json", exclude_defaults=True)
                click.echo(
                    yaml.safe_dump({"provider": file.provider, **plain}, sort_keys=False, allow_unicode=True, width=120)
                )
                return
    raise DeadkeyError(no_rule(rule, (spec.id for file in loaded for spec in file.rules)))


@command.command()
@click.argument("folders", nargs=-1, type=click.Path())
def check(folders: tuple[str, ...]) -> None:
    """Prove every shipped rule, and those in FOLDERS: schema, examples, rejects, hosts, templates."""
    from scanner.pipeline import check_rules

    count, faults = check_rules(tuple(Path(f) for f in folders))
    for fault in faults:
        click.echo(fault, err=True)
    click.echo(f"{count} rules, {len(faults)} faults")
    sys.exit(2 if faults else 0)


@command.command()
def schema() -> None:
    """The JSON Schema of a rule file, for editors."""
    from scanner.ruleset.schema import RuleFile

    click.echo(json.dumps(RuleFile.model_json_schema(by_alias=True), indent=2))
