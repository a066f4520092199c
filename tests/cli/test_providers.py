"""`deadkey rules list --format markdown`: one row a token type, whatever its rule holds."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from markdown_it import MarkdownIt

from scanner.cli.providers import code, link, text
from scanner.ruleset import cache
from tests.conftest import deadkey

HOSTILE = r"a|b \| *bold* _it_ `code` <b>&amp; [x](y) ![z](https://e.example) ~~no~~ \ #1" + "\n| new | row"
RULE = {
    "id": "acme-key",
    "name": HOSTILE,
    "severity": "low",
    "confidence": "low",
    "pattern": r"\b(?:a\|b|``c`)_[0-9a-f]{32}\b",
    "examples": ["{token}"],
    "docs": "https://acme.example/a|b(c)[d]`e`_f_",
    "rotate": "https://acme.example/<x>|y",
}


def rows(document: str) -> list[list[str]]:
    """The cells of the last table as a reader sees them."""
    tables: list[list[list[str]]] = []
    for token in MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(document):
        if token.type == "table_open":
            tables.append([])
        elif token.type == "tr_open":
            tables[-1].append([])
        elif token.type == "inline" and tables:
            tables[-1][-1].append("".join(child.content for child in token.children or ()))
    return tables[-1]


def listed(*folders: Path) -> str:
    arguments = [argument for folder in folders for argument in ("--rules", str(folder))]
    done = deadkey("rules", "list", "--format", "markdown", *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout.decode()


def test_hostile_words_stay_in_their_cells(tmp_path: Path) -> None:
    file = {"provider": HOSTILE, "home": "https://acme.example", "rules": [RULE]}
    (tmp_path / "acme.yaml").write_text(yaml.safe_dump(file))
    document = listed(tmp_path)
    flat = " ".join(HOSTILE.split())
    (row,) = [row for row in rows(document) if "acme-key" in row]
    assert row == [flat, flat, "acme-key", "a|b_…, ``c`_…", "no", "no", "no: rotate", "docs"]
    assert "(https://acme.example/a%7Cb%28c%29%5Bd%5D%60e%60_f_)" in document


def test_every_type_that_is_reported_has_a_row() -> None:
    head, *body = rows(listed())
    assert all(len(row) == len(head) for row in body)
    assert sorted(row[2] for row in body) == sorted(rule.id for rule in cache.get().rules if not rule.component)


@pytest.mark.parametrize("words", [HOSTILE, "`", "a`", "``", "x|y", "plain words, (and these)"])
def test_what_is_escaped_reads_as_it_was(words: str) -> None:
    table = (
        f"| a | b | c |\n|---|---|---|\n| {text(words)} | {code(words)} | {link(words, 'https://acme.example/')} |\n"
    )
    flat = " ".join(words.split())
    assert rows(table)[1] == [flat, flat, flat]
