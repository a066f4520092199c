"""`.gitleaks.toml`, `.betterleaks.toml` and their ignore files, as their users' documentation describes them.

gitleaks: README, "Configuration" and "Additional Configuration" (.gitleaksignore); betterleaks: README, the same chapters,
and docs/config.md for `filter` and `prefilter`, expressions in CEL of which only plain lists of patterns are understood.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from typing import Any

from scanner.adopt.go import translated, usable
from scanner.adopt.interface import Adopted, Lines, Spot
from scanner.model import DeadkeyError

PAGE = "https://cheatsheetseries.owasp.org/cheatsheets/Secrets_Management_Cheat_Sheet.html"
GENERIC = "generic-*"
NOT_RULES = ("tokenEfficiency", "validate", "required", "filter", "skipReport")
"""Keys of a rule that deadkey has nothing for."""
CALL = re.compile(
    r'\s*filter\.(?P<call>matchesAny|containsAny)\(\s*(?P<of>attributes\[\?"path"\]\.orValue\(""\)|finding\["(?:secret|line|match)"\])'
    r"\s*,\s*\[(?P<list>.*)\]\s*\)\s*",
    re.DOTALL,
)
STRING = re.compile(r'r?"""(.*?)"""|r?\'\'\'(.*?)\'\'\'|r"(.*?)"|"((?:\\.|[^"\\])*)"', re.DOTALL)

Known = Callable[[str], bool]
"""Whether deadkey has a rule that a glob names."""


def config(name: str, content: bytes, known: Known) -> Adopted:
    """A configuration. Raises DeadkeyError for what is none."""
    try:
        data = tomllib.loads(content.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as e:
        raise DeadkeyError(f"{name}: not TOML: {e}") from None
    out = Adopted()
    own = {
        str(rule.get("id", "")): f"imported-{_slug(rule.get('id', ''))}"
        for rule in _tables(data, "rules")
        if "regex" in rule
    }
    extend = data.get("extend") or {}
    if extend.get("path"):
        out.notes.append(f"{name}: [extend] path {extend['path']}: not read; name that file as well")
    if not extend:
        out.notes.append(
            f"{name}: it does without the default rules; deadkey's stay on (--only 'imported-*' leaves them out)"
        )

    def rules_of(ids: list[Any], where: str) -> tuple[str, ...]:
        return tuple(dict.fromkeys(glob for i in ids for glob in _globs(str(i), own, known, where, out)))

    for rule_id in extend.get("disabledRules", []):
        where = f"{name}: disabled rule {rule_id}"
        out.allowances.append({"rules": [*rules_of([rule_id], where)], "reason": f"{rule_id} is disabled in {name}"})
    for number, table in enumerate(_tables(data, "allowlists", "allowlist"), 1):
        where = f"{name}: allowlist {number}"
        targets = table.get("targetRules") or []
        _allowlist(table, where, rules_of(targets, where), out)
    for rule in _tables(data, "rules"):
        rule_id = str(rule.get("id", ""))
        where = f"{name}: rule {rule_id or '?'}"
        if "regex" in rule:
            _rule(rule, own[rule_id], where, out)
        elif "path" in rule:
            out.notes.append(f"{where}: not carried over: it looks at paths alone, and deadkey looks for secrets")
        for number, table in enumerate(_tables(rule, "allowlists", "allowlist"), 1):
            _allowlist(table, f"{where}, allowlist {number}", rules_of([rule_id], where), out)
    for key in ("prefilter", "filter"):
        if data.get(key):
            _expression(str(data[key]), f"{name}: {key}", out)
    return out


def ignored(name: str, content: bytes) -> Adopted:
    """An ignore file: `COMMIT:PATH:RULE:LINE` or `PATH:RULE:LINE` a line."""
    out = Adopted()
    for number, line in enumerate(content.decode("utf-8", "surrogateescape").splitlines(), 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        found = re.fullmatch(r"(?:(?P<commit>[0-9a-f]{40,64}):)?(?P<path>.+):(?P<rule>[^:]+):(?P<line>\d+)", text)
        if found:
            out.spots.append(Spot(f"{name}:{number}", found["path"], int(found["line"]), found["commit"]))
        else:
            out.notes.append(f"{name}:{number}: not carried over: not COMMIT:PATH:RULE:LINE")
    return out


def _tables(data: dict[str, Any], *keys: str) -> list[dict[str, Any]]:
    given = [data.get(key) or [] for key in keys]
    return [t for tables in given for t in (tables if isinstance(tables, list) else [tables]) if isinstance(t, dict)]


def _slug(text: Any) -> str:
    return re.sub(r"[^a-z0-9]+", "-", str(text).lower()).strip("-")[:50].strip("-") or "rule"


def _globs(rule_id: str, own: dict[str, str], known: Known, where: str, out: Adopted) -> list[str]:
    """deadkey's rules that find what the named rule finds: its own under that name, those of its provider, and those for
    what has no format, which see everything."""
    slug = _slug(rule_id)
    named = [own[rule_id]] if rule_id in own else []
    named += [slug] if known(slug) else []
    provider = f"{slug.split('-')[0]}-*"
    if not named and provider != GENERIC and known(provider):
        out.notes.append(f"{where}: there is no rule {rule_id}; its allowance is for {provider}")
        named.append(provider)
    elif not named and provider != GENERIC:
        out.notes.append(f"{where}: there is no rule {rule_id}; its allowance is for {GENERIC} alone")
    return [*named, GENERIC]


def _allowlist(table: dict[str, Any], where: str, rules: tuple[str, ...], out: Adopted) -> None:
    """One table: its kinds of conditions are alternatives, or with `condition = "AND"` all must hold."""
    reason = str(table.get("description") or "").strip() or where
    target = str(table.get("regexTarget") or "secret")
    paths = usable(table.get("paths") or (), where, out.notes)
    regexes = usable(table.get("regexes") or (), where, out.notes)
    stopwords = [f"(?i:{re.escape(str(word))})" for word in table.get("stopwords") or []]
    commits = [str(c).lower() for c in table.get("commits") or [] if re.fullmatch("[0-9a-fA-F]{7,64}", str(c))]
    for commit in table.get("commits") or []:
        if str(commit).lower() not in commits:
            out.notes.append(f"{where}: not carried over: {commit} is no commit's id")
    base: dict[str, Any] = {"rules": [*rules]} if rules else {}
    whole = "AND" in str(table.get("condition", "")).upper() or "&&" in str(table.get("condition", ""))
    by_line = target != "secret" and bool(regexes)
    if whole:
        lost = sum(len(table.get(k) or []) for k in ("paths", "regexes", "commits")) - len(paths + regexes + commits)
        if lost or (by_line and (commits or stopwords)):
            out.notes.append(f"{where}: not carried over: all its conditions must hold, and not all could be")
            return
        if by_line:
            out.lines.append(Lines(where, tuple(regexes), tuple(paths), rules))
            return
        kinds = {"path_patterns": paths, "commits": commits, "values": regexes}
        if regexes and stopwords:
            out.notes.append(f"{where}: not carried over: regexes and stopwords together")
            return
        kinds["values"] = regexes or stopwords
        given = {kind: value for kind, value in kinds.items() if value}
        if given:
            out.allowances.append({**base, **given, "reason": reason})
        return
    if by_line:
        out.lines.append(Lines(where, tuple(regexes), (), rules))
    for kind, value in (
        ("path_patterns", paths),
        ("commits", commits),
        ("values", [] if by_line else regexes),
        ("values", stopwords),
    ):
        if value:
            out.allowances.append({**base, kind: value, "reason": reason})


def _rule(rule: dict[str, Any], new_id: str, where: str, out: Adopted) -> None:
    try:
        pattern = translated(str(rule["regex"]), int(rule.get("secretGroup") or 0), bounded=True)
    except ValueError as e:
        out.notes.append(f"{where}: not carried over: {e}")
        return
    made: dict[str, Any] = {
        "id": new_id,
        "name": str(rule.get("description") or rule.get("id"))[:100],
        "severity": "high",
        "confidence": "medium",
        "pattern": pattern,
        "examples": ["{token}"],
        "docs": PAGE,
        "rotate": PAGE,
    }
    if rule.get("entropy"):
        made["min_entropy"] = float(rule["entropy"])
    out.rules.append(made)
    for wanted in usable([rule["path"]] if rule.get("path") else [], where, out.notes):
        elsewhere = rf"^(?!.*(?:{wanted}))"
        reason = f"{where} is for some paths alone"
        out.allowances.append({"rules": [new_id], "path_patterns": [elsewhere], "reason": reason})
    for key in NOT_RULES:
        if rule.get(key):
            out.notes.append(f"{where}: {key} not carried over: deadkey has nothing like it, so this may find more")


def _expression(text: str, where: str, out: Adopted) -> None:
    """The parts of a CEL expression that are joined by `||` and ask a list of patterns or words."""
    for part in text.split("||"):
        found = CALL.fullmatch(part)
        words = ["".join(groups) for groups in STRING.findall(found["list"])] if found else []
        if not found or not words:
            out.notes.append(f"{where}: not carried over: {' '.join(part.split())[:80]}")
            continue
        escaped = words if found["call"] == "matchesAny" else [re.escape(word) for word in words]
        patterns = usable(escaped, where, out.notes)
        kind = "path_patterns" if "path" in found["of"] else "values" if "secret" in found["of"] else ""
        if kind and patterns:
            out.allowances.append({kind: patterns, "reason": where})
        elif patterns:
            out.lines.append(Lines(where, tuple(patterns)))
