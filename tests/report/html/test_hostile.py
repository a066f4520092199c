"""Whoever writes a repository writes paths, names and branches, and an issuer's answer: on the page all of it stays text."""

from __future__ import annotations

import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from playwright.sync_api import expect

from scanner.model import Outcome, Report, Secret, Skip, Verdict
from scanner.report import Options
from scanner.report.html import render
from scanner.report.text import inert
from tests.cli.parts import Token
from tests.conftest import GitRepo, deadkey

from ..samples import HOSTILE, finding, location, reports
from .conftest import Opened

MARKUP = [
    "</script><script>window.ran = 1</script>",
    "<!--<script>window.ran = 1</script>",
    "\"><img src=x onerror='window.ran = 1'>",
    "' autofocus onfocus=window.ran=1 x='",
    "</title></style></table><svg onload=window.ran=1>",
    "{{ 7 * 7 }}{% raw %}&lt;b&gt;&#x41;",
    "]]><a href=javascript:window.ran=1>click</a>",
    "\u2028\u2029",
    *HOSTILE,
]


class Parsed(HTMLParser):
    """How many elements of each name there are, and the attributes' names."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[str] = []
        self.attributes: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        self.attributes |= {name for name, _ in attrs}


def page_of(report: Report) -> str:
    out = io.StringIO()
    render(report, Options(), out)
    return out.getvalue()


def filled(text: str) -> Report:
    """A report that says `text` wherever it can."""
    return Report(
        (
            finding(
                name=text,
                provider=text,
                rule=text,
                secret=Secret(b"made-up " + text.encode("utf-8", "surrogateescape")),
                fingerprint=text,
                locations=(location(path=text, author=text, commit=text, blob=text, source=text), location(date=text)),
                encoding=(text,),
                verdict=Verdict("live", text, {text: text, "list": [text], "nested": {text: [text]}}, text),
                outcome=Outcome("failed", text, text, text),
                rotate=text,
            ),
        ),
        (Skip(text, text, 2),),
        {text: text, "bytes": text, "rules": text, "seconds": text},
    )


@pytest.mark.parametrize("text", MARKUP)
def test_what_came_from_outside_is_shown_and_does_nothing(opened: Opened, text: str) -> None:
    page = opened(filled(text))
    page.get_by_role("button", name="Show all details").click()
    for _ in range(2):
        page.get_by_role("columnheader", name="Place").get_by_role("button").click()
    page.get_by_label("Search").fill(inert(text).split(" ")[0].lower())
    expect(page.locator("tbody.finding")).to_be_visible()
    assert page.locator("#s0 .where code").text_content() == f"{inert(text)}:12"
    assert page.evaluate("window.ran") is None
    assert page.locator("main img, main script, main style, main iframe").count() == 0


@given(report=reports)
def test_no_report_changes_what_the_page_is_made_of(report: Report) -> None:
    """The elements are those of a harmless report with as many findings, and nothing written acts on a terminal."""
    text = page_of(report)
    assert text.isascii()
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", text)
    parsed = Parsed(text)
    assert parsed.elements.count("script") == 2 and parsed.elements.count("style") == 1
    assert not {"img", "iframe", "object", "embed", "link", "base"} & set(parsed.elements)
    assert not {name for name in parsed.attributes if name.startswith("on") or name == "style"}
    assert len(json.loads(text.rpartition('id="keys">')[2].partition("</script>")[0])["rows"]) == len(report.findings)


def test_a_hostile_repository_end_to_end(opened: Opened, repo: GitRepo, token: Token, tmp_path: Path) -> None:
    names = [
        "<img src=x onerror=window.ran=1>",
        "\"'><script>window.ran=1<",
        "\u202egnp.exe",
        "\x1b[2Jclear",
        "=1+1|cmd",
    ]
    for number, name in enumerate(names):
        repo.write(f"{name}.txt", b"t = '" + token(name) + b"'\n")
        repo.git("checkout", "-q", "-b", f"<b>{number}'\"&amp;")
        repo.commit("</script>", GIT_AUTHOR_NAME="&lt;b&gt; \"'&#x41; {{ 7*7 }}", GIT_AUTHOR_EMAIL="\u2066x@y\u202e")
    made = tmp_path / "audit.html"
    done = deadkey("audit", "--no-verify", "--format", "html", "--output", str(made), cwd=repo.path)
    assert done.returncode == 1, done.stderr.decode()
    page = opened(made)
    page.get_by_role("button", name="Show all details").click()
    assert page.evaluate("window.ran") is None
    shown = page.locator("#secrets").inner_text()
    for name in names:
        assert f"{inert(name)}.txt" in shown
        assert token(name).decode() not in made.read_text()
    assert "&lt;b&gt; \"'&#x41; {{ 7*7 }}" in shown
    assert "\u202e" not in shown and "\x1b" not in shown
