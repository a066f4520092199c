"""The token types of a rule set as a Markdown document: how each is found, asked about and revoked."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby
from typing import Any, NamedTuple
from urllib.parse import quote

from scanner.ruleset.anchors import plan
from scanner.ruleset.prefix import prefixes
from scanner.ruleset.ruleset import Rule, Ruleset

MOST = 3
"""Prefixes that a cell names."""
SHORTEST = 3
"""A shorter one says little beside the words that stand near by."""
DULL = {b"http://", b"https://"}
TELLS = {
    "aws": ("account", "arn", "user"),
    "database": ("account", "version", "scopes", "roles", "databases", "expires"),
    "jwt": ("issuer", "subject", "algorithm", "expires"),
}
"""What the checkers of `verify/` say of a token."""
COLUMNS = ("Type", "Rule", "Found by", "Verify", "Identity", "Revoke", "Documentation")


class Entry(NamedTuple):
    """A token type: its rule, and what can be done about it."""

    rule: Rule
    verify: dict[str, Any]
    revoke: dict[str, Any]
    rotate: str | None
    docs: str

    @property
    def identity(self) -> tuple[str, ...]:
        return TELLS.get(self.verify.get("checker", ""), ()) or tuple(self.verify.get("identity", ()))


def document(ruleset: Ruleset) -> str:
    """The whole of it; rules that are only read beside another are left out."""
    entries = sorted(_entries(ruleset), key=lambda e: e.rule.provider.casefold())
    return "\n".join([*_head(entries), *_table(entries), ""])


def _entries(ruleset: Ruleset) -> Iterator[Entry]:
    for rule in ruleset.rules:
        if not rule.component:
            actions = ruleset.actions(rule.id)
            yield Entry(rule, actions["verify"] or {}, actions["revoke"] or {}, actions["rotate"], actions["docs"])


def _head(entries: list[Entry]) -> list[str]:
    ways = [e.revoke.get("by") for e in entries]
    counts = {
        "Token types": len(entries),
        "Providers": len({e.rule.provider for e in entries}),
        "Verified: whether one is live can be asked": sum(bool(e.verify) for e in entries),
        "… and whose it is": sum(bool(e.identity) for e in entries),
        "Revocable": len(ways) - ways.count(None),
        "… holding the token is enough": ways.count("token"),
        "… with a credential of the owner": ways.count("owner"),
    }
    return [
        "# Providers and their tokens",
        "",
        "Made by `make docs` from the rules; `deadkey rules show RULE` prints all of one.",
        "[rules.md](rules.md) says what their fields mean.",
        "",
        "| What | How many |",
        "|---|---:|",
        *(f"| {what} | {count} |" for what, count in counts.items()),
        "",
    ]


def _table(entries: list[Entry]) -> Iterator[str]:
    yield f"| Provider | {' | '.join(COLUMNS)} |"
    yield "|---" * (len(COLUMNS) + 1) + "|"
    for provider, group in groupby(entries, lambda e: e.rule.provider):
        for entry in group:
            yield "| " + " | ".join((text(provider), *_cells(entry))) + " |"


def _cells(entry: Entry) -> Iterator[str]:
    yield text(entry.rule.name)
    yield code(entry.rule.id)
    yield _found_by(entry.rule)
    yield "yes" if entry.verify else "no"
    yield ", ".join(map(text, entry.identity)) or "no"
    if entry.revoke:
        yield "by token" if entry.revoke["by"] == "token" else "by owner"
    else:
        yield f"no: {link('rotate', entry.rotate)}" if entry.rotate else "no"
    yield link("docs", entry.docs)


def _found_by(rule: Rule) -> str:
    """What tokens begin with or hold, and whether words must stand near by."""
    shown = [x for x in prefixes(rule.pattern) if x not in DULL and (len(x) >= SHORTEST or not rule.context)]
    told = ", ".join(code(_printable(x) + "…") for x in shown[:MOST])
    if len(shown) > MOST:
        told += " and others"
    if not shown and not rule.context:
        told = "what stands around it" if rule.rank > 0 else _literal(rule)
    return ", ".join(filter(None, (told, "by context" if rule.context else "")))


def _literal(rule: Rule) -> str:
    """The text that every token holds somewhere."""
    found = [x for x in plan(rule.pattern).literals if x not in DULL]
    return ", ".join(code(f"…{_printable(x)}…") for x in found[:MOST]) or "its form"


def _printable(text: bytes) -> str:
    return "".join(chr(c) if 0x20 <= c < 0x7F else f"\\x{c:02x}" for c in text)


def text(words: str) -> str:
    """Words as a table's cell shows them, whatever they hold."""
    return re.sub(r"[\\`*_\[\]<>|~&]", r"\\\g<0>", " ".join(words.split()))


def code(words: str) -> str:
    """The same in a monospaced font: longer fences than the text holds, and the one escape that tables have there."""
    flat = " ".join(words.split())
    fence = "`" * (max(map(len, re.findall("`+", flat)), default=0) + 1)
    pad = " " if flat.startswith("`") or flat.endswith("`") else ""
    return f"{fence}{pad}{flat}{pad}{fence}".replace("|", "\\|")


def link(words: str, url: str) -> str:
    return f"[{text(words)}]({quote(url, safe=':/?#@!$&=,;+*%~-._')})"
