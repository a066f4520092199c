"""The house stands as it was drawn: imports run one way, every folder is packaged, and few may see a secret's value."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "scanner"

MAY_IMPORT: dict[str, frozenset[str]] = {
    "model": frozenset(),
    "ruleset": frozenset({"model"}),
    "detect": frozenset({"model", "ruleset"}),
    "sources": frozenset({"model"}),
    "allow": frozenset({"model"}),
    "adopt": frozenset({"model"}),
    "verify": frozenset({"model", "ruleset"}),
    "revoke": frozenset({"model", "ruleset", "verify"}),
    "report": frozenset({"model"}),
    "config": frozenset(
        {
            *("model", "allow.settings", "allow.allowances", "detect.generic.settings"),
            *("verify.settings", "verify.credential", "revoke.settings"),
        }
    ),
    "drill": frozenset(
        {"model", "ruleset", "detect", "sources", "allow", "verify", "revoke", "report", "config", "pipeline"}
    ),
    "pipeline": frozenset(
        {"model", "ruleset", "detect", "sources", "allow", "verify", "revoke", "drill", "report", "config"}
    ),
    "redaction": frozenset({"model", "ruleset", "detect", "allow", "config", "pipeline"}),
    "api": frozenset({"model", "ruleset", "sources", "allow", "config", "pipeline"}),
    "cli": frozenset(
        {"model", "ruleset", "detect", "sources", "allow", "verify", "revoke", "drill", "report", "config", "pipeline"}
    )
    | {"adopt", "redaction"},
    "__main__": frozenset({"model", "cli", "report.text"}),
    "__init__": frozenset({"api"}),
}
"""Each room with what it may import: rooms, or single modules of one."""

REVEALS = {
    "scanner.allow.allowances",  # compares it with the values that are allowed
    "scanner.allow.listed",  # compares it with the values that the user allows
    "scanner.cli.adopting",  # compares it with the hashes of a detect-secrets baseline
    "scanner.cli.follow",  # --show-secrets
    "scanner.cli.revoke",  # whether a findings file holds values or redactions
    "scanner.detect.generic.grade",  # whether it holds one of the user's placeholders
    "scanner.drill.against",  # whether its own password was found
    "scanner.drill.drill",  # which of its own tokens was found
    "scanner.pipeline",  # a rule's made-up examples
    "scanner.report.record",  # --show-secrets
    "scanner.report.scrub",  # to take it out of the words around it
    "scanner.revoke.hooks.interface",  # what a hook is to revoke
    "scanner.revoke.notify.forms",  # the longest is taken out of a message first
    "scanner.verify.aws",  # signs with it
    "scanner.verify.clean",  # to take it out of an issuer's answer
    "scanner.verify.databases.check",  # logs in with it
    "scanner.verify.databases.target",  # what was given by hand to say which server it opens
    "scanner.verify.exchange",  # asks its issuer
    "scanner.verify.jwt",  # reads its expiry
}
"""Modules that ask for a secret's value. A new one needs a reason, and a line here."""


def modules() -> list[str]:
    """Every module below the package by its dotted name, `scanner.` left out."""
    return sorted(_name(path) for path in PACKAGE.rglob("*.py"))


def _name(path: Path) -> str:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)


def _tree(name: str) -> tuple[ast.Module, bool]:
    """The module's code, and whether it is a package's own."""
    path = PACKAGE.joinpath(*name.split("."))
    folder = path / "__init__.py"
    file = folder if folder.exists() else path.with_suffix(".py")
    return ast.parse(file.read_bytes(), str(file)), file == folder


def imported(name: str) -> Iterator[str]:
    """The modules of ours that a module imports, anywhere in its code, `scanner.` left out."""
    known = set(modules())
    tree, package = _tree(name)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] == "scanner":
                    yield alias.name.removeprefix("scanner").removeprefix(".")
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                here = ["scanner", *name.split(".")]
                above = here[: len(here) - node.level + package]
                base = ".".join([*above, base] if base else above)
            if base.split(".")[0] != "scanner":
                continue
            base = base.removeprefix("scanner").removeprefix(".")
            for alias in node.names:
                inner = f"{base}.{alias.name}".removeprefix(".")
                yield inner if inner in known or not base else base
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.startswith("scanner."):
            # a module that is imported by its name
            parts = [part for part in node.value.split(".")[1:] if part]
            while parts and ".".join(parts) not in known:
                parts.pop()
            if parts:
                yield ".".join(parts)


def room(module: str) -> str:
    return module.split(".")[0]


def test_every_module_is_in_a_room_that_the_table_knows() -> None:
    assert {room(module) for module in modules()} == set(MAY_IMPORT)


@pytest.mark.parametrize("name", modules())
def test_imports_run_one_way(name: str) -> None:
    here = room(name)
    allowed = MAY_IMPORT[here]
    against = [
        other for other in imported(name) if room(other) != here and room(other) not in allowed and other not in allowed
    ]
    assert against == [], f"scanner.{name} may import {', '.join(sorted(allowed)) or 'nothing of ours'}"


def test_the_table_itself_has_no_circle() -> None:
    order: list[str] = []
    left = {name: {room(other) for other in others} & set(MAY_IMPORT) for name, others in MAY_IMPORT.items()}
    left["pipeline"] -= {"drill"}  # it may, by the table, and must not: the drill runs the pipeline
    while left:
        free = sorted(name for name, others in left.items() if others <= set(order))
        assert free, f"these import each other: {sorted(left)}"
        order += free
        for name in free:
            del left[name]
    assert not [name for name in imported("pipeline") if room(name) == "drill"]


def test_every_package_folder_is_packaged() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    listed = project["tool"]["setuptools"]["packages"]
    folders = {".".join(("scanner", *path.parent.relative_to(PACKAGE).parts)) for path in PACKAGE.rglob("__init__.py")}
    with_code = {".".join(("scanner", *path.parent.relative_to(PACKAGE).parts)) for path in PACKAGE.rglob("*.py")}
    assert with_code == folders
    assert sorted(listed) == sorted(folders | {"scanner._rules"})
    assert "scanner._rules" not in folders


def test_who_asks_for_a_secret_s_value() -> None:
    callers = set()
    for name in modules():
        tree, _ = _tree(name)
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and node.attr in ("reveal", "_value"):
                callers.add(f"scanner.{name}")
    assert callers - {"scanner.model"} == REVEALS


def test_nothing_but_the_model_reaches_past_reveal() -> None:
    """Not by the slot's name in a string, nor through getattr."""
    for path in PACKAGE.rglob("*.py"):
        if path != PACKAGE / "model.py":
            assert not re.search(r"""["']_value["']|object\.__getattribute__""", path.read_text()), path
