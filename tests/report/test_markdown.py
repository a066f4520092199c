"""What a forge makes of it: a table of what was found, in which nothing that came from outside is markup."""

from __future__ import annotations

import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from scanner.model import Outcome, Report, Secret, Skip, Verdict
from scanner.report import Options
from scanner.report.markdown import code, render, word
from scanner.report.text import inert

from .samples import HOSTILE, finding, location, reports

MARKUP = [
    "**bold** _it_ ~~gone~~ `code` ``two`` `",
    "[link](https://example.org) <https://example.org> ![picture](x.png)",
    "<script>alert(1)</script><!-- x --> &lt;",
    "@octocat #1 GH-2 acme/app@0123456789abcdef www.example.org someone@example.org",
    "a|b\\|c||",
    "- [ ] item",
    "# heading",
    "\n\n# heading",
    "`",
    "``` ",
    " `x` ",
    *HOSTILE,
]


def written(report: Report, options: Options | None = None) -> str:
    out = io.StringIO()
    render(report, options or Options(), out)
    return out.getvalue()


def elements(text: str) -> list[str]:
    """The start tags of what GitHub's dialect makes of it: tables, and bare addresses are links."""
    return re.findall(r"<([a-z][a-z0-9]*)", MarkdownIt("commonmark", {"html": False}).enable("table").render(text))


def filled(text: str) -> Report:
    return Report(
        (
            finding(
                name=text,
                secret=Secret(b"made-up " + text.encode("utf-8", "surrogateescape")),
                locations=(location(path=text, author=text, commit=text, date=text),),
                verdict=Verdict("live", text, {text: text, "list": [text]}, text),
                outcome=Outcome("failed", text, text, text),
                rotate=text,
            ),
        ),
        (Skip(text, text, 2),),
    )


def test_a_report() -> None:
    verdict = Verdict("live", identity={"account": "octo", "scopes": ["repo"]})
    live = finding(
        name="Live token",
        verdict=verdict,
        outcome=Outcome("planned", "rule", "", "It ends."),
        rotate="https://acme.example/rotate",
        locations=(location(), location(path="b.py")),
    )
    text = written(Report((finding(name="Quiet token", severity="low"), live), (Skip("a.zip", "encrypted", 2),)))
    assert text.startswith("# Leaked secrets\n\n2 secrets in 3 places; 1 live. 2 files could not be read in full.\n")
    assert text.index("| high | Live token") < text.index("| low | Quiet token")
    for expected in ("`app/config.py:12` and 1 more", "`Jo Doe`", "**live**", "| revoke |", "account: `octo`"):
        assert expected in text
    assert (
        "Revoke it: run again with --revoke ask, and put a new one in its place. <https://acme.example/rotate>" in text
    )
    assert "- `a.zip`: encrypted (2)" in text
    assert "## Live: Quiet" not in text


@pytest.mark.parametrize("text", MARKUP)
def test_nothing_from_outside_is_markup(text: str) -> None:
    """It makes the elements that a harmless word makes, but for the code spans themselves."""
    harmless, hostile = elements(written(filled("plain"))), elements(written(filled(text)))
    assert [e for e in hostile if e != "code"] == [e for e in harmless if e != "code"]
    spans = re.sub(r"(`+)(?!`).*?(?<!`)\1(?!`)", "", written(filled(text)))
    assert not re.search(r"[@#]\w|www\.|\w+://", spans.replace("# Leaked", "").replace("##", ""))


@given(text=st.text("`| \\ab*_<>[]@#&;.\n", max_size=20))
def test_a_code_span_holds_its_text_whole(text: str) -> None:
    rendered = MarkdownIt("commonmark").renderInline(f"x {code(text)} y")
    shown = inert(text).replace("|", r"\x7c")
    assert rendered == f"x <code>{_escaped(shown)}</code> y" if shown.strip(" ") else True
    assert "|" not in code(text)


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")


@pytest.mark.parametrize("text", ["Stripe key (live mode)", "It ends. And so on.", "2024-05-06"])
def test_harmless_words_stay_words(text: str) -> None:
    assert word(text) == text


@given(report=reports)
def test_every_row_of_the_table_has_all_its_cells(report: Report) -> None:
    for line in written(report).splitlines():
        if line.startswith("| "):
            assert line.count("|") == 8, line
