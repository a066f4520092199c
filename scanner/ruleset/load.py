"""Rule files from disk: YAML in, checked records out. Errors name file, line, rule and field."""

from __future__ import annotations

from typing import Any

import yaml
from pydantic import ValidationError

from scanner.model import DeadkeyError
from scanner.ruleset.schema import RuleFile

Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class RuleError(DeadkeyError):
    """One or more faults in rule files, a line each."""


def load(files: dict[str, bytes]) -> list[RuleFile]:
    """Read rule files (name to content), in the order given. Raises RuleError with every fault of every file."""
    loaded: list[RuleFile] = []
    faults: list[str] = []
    for name, content in files.items():
        try:
            loaded.append(read(name, content))
        except RuleError as e:
            faults.append(str(e))
    faults += _across(dict(zip(files, loaded, strict=False)) if not faults else {})
    if faults:
        raise RuleError("\n".join(faults))
    return loaded


def read(name: str, content: bytes) -> RuleFile:
    """One rule file. Raises RuleError."""
    try:
        node = yaml.compose(content, Loader=Loader)
        data = yaml.load(content, Loader=Loader)
    except yaml.MarkedYAMLError as e:
        line = e.problem_mark.line + 1 if e.problem_mark else 1
        raise RuleError(f"{name}:{line}: not valid YAML: {e.problem}") from e
    except (yaml.YAMLError, UnicodeDecodeError) as e:
        raise RuleError(f"{name}: not valid YAML: {str(e).splitlines()[0]}") from e
    if not isinstance(data, dict):
        raise RuleError(f"{name}: a rule file is a mapping with provider, home and rules")
    try:
        file = RuleFile.model_validate(data)
    except ValidationError as e:
        raise RuleError("\n".join(_fault(name, node, data, error) for error in e.errors())) from e
    errors = [{"loc": where, "msg": problem, "type": "host"} for where, problem in file.astray()]
    if errors:
        raise RuleError("\n".join(_fault(name, node, data, error) for error in errors))
    return file


def _fault(name: str, node: Any, data: Any, error: Any) -> str:
    """`file:line: rule ID: field: what is wrong`."""
    where = [part for part in error["loc"] if not (isinstance(part, str) and part.startswith("function-"))]
    rule = ""
    if where[:1] == ["rules"] and len(where) > 1 and isinstance(where[1], int):
        entry = data["rules"][where[1]]
        known = isinstance(entry, dict) and isinstance(entry.get("id"), str)
        rule = f" rule {entry['id'] if known else f'number {where[1] + 1}'}:"
    line = _line(node, where)
    shown = where[2:] if rule else where
    location = ".".join(map(str, shown))
    message = error["msg"].removeprefix("Value error, ")
    if error["type"] == "extra_forbidden":
        message = "unknown key"
    return f"{name}:{line}:{rule}{' ' + location + ':' if location else ''} {message}"


def _line(node: Any, where: list[Any]) -> int:
    """The line of the node at `where`, or of the nearest one above it that exists."""
    line = node.start_mark.line + 1 if node else 1
    for part in where:
        found = None
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                if key.value == str(part):
                    found, line = value, key.start_mark.line + 1
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            found = node.value[part]
            line = found.start_mark.line + 1
        if found is None:
            break
        node = found
    return int(line)


def _across(files: dict[str, RuleFile]) -> list[str]:
    """Faults no file shows alone: an id used twice, a reference to a rule that is not there."""
    faults = []
    home: dict[str, str] = {}
    for name, file in files.items():
        for rule in file.rules:
            if rule.id in home:
                faults.append(f"{name}: rule {rule.id}: the id is taken in {home[rule.id]}")
            home[rule.id] = name
    for name, file in files.items():
        for rule in file.rules:
            for field, ids in (("with", [c.rule for c in rule.with_]), ("overlaps", rule.overlaps)):
                faults += [f"{name}: rule {rule.id}: {field}: there is no rule {i}" for i in ids if i not in home]
    return faults
