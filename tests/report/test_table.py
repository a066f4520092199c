"""What a person sees, and what scanned content cannot make them see."""

from __future__ import annotations

import io
import re
import unicodedata

import pytest
from hypothesis import given

from scanner.model import Finding, Outcome, Report, Secret, Skip, Verdict
from scanner.report import Options
from scanner.report.table import refusal, render
from scanner.report.text import inert

from .samples import HOSTILE, PLANTED, finding, location, reports

STYLE = re.compile(r"\x1b\[[0-9;]*m")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def shown(report: Report, options: Options | None = None, out: io.StringIO | None = None) -> str:
    out = out or io.StringIO()
    render(report, options or Options(), out)
    return out.getvalue()


def hostile(text: str) -> Report:
    return Report(
        (
            finding(
                name=text,
                secret=Secret(text.encode("utf-8", "surrogateescape")),
                locations=(location(path=text, author=text, date=text, commit=text), location(path=None, commit=text)),
                verdict=Verdict("live", text, {text: text, "list": [text]}),
                outcome=Outcome("failed", text, text, text),
                rotate=text,
            ),
        ),
        (Skip(text, text),),
    )


def test_a_finding() -> None:
    places = (
        location(date="2024-05-06T00:30:00+02:00", commit="a" * 40, author="First"),
        location(path="old.py", date="2024-05-06T01:00:00+05:00", commit="e" * 40, author="Earlier", at_head=False),
        location(path="x.py", commit=None, date=None),
    )
    verdict = Verdict("live", identity={"account": "octo", "scopes": ["repo", "gist"], "expires": None})
    text = shown(Report((finding(locations=places, verdict=verdict, outcome=Outcome("planned", "request")),)))
    for expected in (
        *("high", "Acme token", Secret(PLANTED.encode()).redacted, "app/config.py:12", "+2 more", "yes"),
        *("eeeeeeee", "2024-05-06", "Earlier", "live", "account: octo", "scopes: repo, gist", "planned (request)"),
    ):
        assert expected in text
    assert "expires" not in text
    assert text.endswith("1 secret in 3 places; 1 live.\n")


def test_the_worst_comes_first() -> None:
    def one(name: str, **changes: object) -> Finding:
        return finding(name=name, **changes)

    live = Verdict("live")
    report = Report(
        (
            one("f-low", severity="low"),
            one("e-later-path", locations=(location(path="z"),)),
            one("d-path", locations=(location(path="a"),)),
            one("g-unsure", severity="low", confidence="low"),
            one("c-ended", severity="critical", verdict=live, outcome=Outcome("revoked")),
            one("b-live-low", severity="low", verdict=live),
            one("a-live-high", severity="high", verdict=live),
        )
    )
    text = shown(report)
    assert re.findall(r"\b[a-g]-[a-z-]+\b", text) == sorted(finding.name for finding in report.findings)
    assert "7 secrets in 7 places; 2 live, 1 revoked.\n" in text


def test_nothing_found_is_one_line() -> None:
    assert shown(Report(())) == "No secrets found.\n"


def test_what_was_skipped_is_listed() -> None:
    text = shown(Report((), (Skip("a.zip", "encrypted"), Skip("blobs", "missing", 4))))
    assert "  a.zip: encrypted\n  blobs: missing (4)\n" in text
    assert text.endswith("No secrets found. 5 files could not be read in full.\n")


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("options", [Options(), Options(color=True), Options(show_secrets=True)])
def test_hostile_strings_do_nothing(text: str, options: Options) -> None:
    written = shown(hostile(text), options)
    assert ("\x1b" in written) == bool(options.color)
    assert all(line.isprintable() for line in STYLE.sub("", written).split("\n"))
    assert inert(text) in written  # nothing was taken for markup, an emoji or a newline


@given(reports)
def test_nothing_but_printable_lines(report: Report) -> None:
    out = io.StringIO()
    refusal(report, out)
    for written in (shown(report), out.getvalue(), shown(report, Options(show_secrets=True))):
        assert all(line.isprintable() for line in written.split("\n"))


def test_inert() -> None:
    assert inert("a\x1b[1m\n\u202e\U000e0041\udcff\u3164") == r"a\x1b[1m\n\u202e\U000e0041\xff\u3164"
    assert inert(r"C:\new café [x]") == r"C:\new café [x]"
    every = "".join(map(chr, range(0x110000)))
    assert not {unicodedata.category(c) for c in inert(every)} & {"Cc", "Cf", "Cs", "Zl", "Zp"}


@pytest.mark.parametrize("out", [io.StringIO(), Terminal()])
def test_no_character_is_lost(out: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "70")
    monkeypatch.setenv("NO_COLOR", "1")
    report = Report((finding(name="ζ" * 300, locations=(location(path="ξ" * 500, author="ψ" * 200),)),))
    text = shown(report, out=out)
    assert [text.count(c) for c in "ζξψ"] == [300, 500, 200]
    widest = max(map(len, text.splitlines()))
    assert widest <= 70 if out.isatty() else "ξ" * 500 + ":12" in text


@pytest.mark.parametrize(
    ("out", "environment", "color", "colored"),
    [
        (io.StringIO, {}, None, False),
        (io.StringIO, {"FORCE_COLOR": "1"}, None, True),
        (io.StringIO, {"FORCE_COLOR": "1", "NO_COLOR": "1"}, None, False),
        (io.StringIO, {}, True, True),
        (Terminal, {}, None, True),
        (Terminal, {"NO_COLOR": "1"}, None, False),
        (Terminal, {"NO_COLOR": ""}, None, True),
        (Terminal, {"NO_COLOR": "1"}, True, True),
        (Terminal, {"TERM": "dumb"}, None, False),
        (Terminal, {}, False, False),
    ],
)
def test_color(
    out: type[io.StringIO],
    environment: dict[str, str],
    color: bool | None,
    colored: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in ({"TERM": "xterm"} | environment).items():
        monkeypatch.setenv(name, value)
    assert ("\x1b[" in shown(Report((finding(),)), Options(color=color), out())) == colored


def test_long_answers_are_cut_and_say_so() -> None:
    text = shown(Report((finding(verdict=Verdict("live", identity={"scopes": "s" * 1000})),)))
    assert "s" * 300 + "… (700 characters more)" in text


def test_the_hook_names_places_and_ways_out() -> None:
    out = io.StringIO()
    page = "https://example.org/rotate"
    places = (location(), location(path="b\n.env", start_line=3, start_column=1))
    refusal(Report((finding(rotate=page, locations=places),), (Skip("c", "too large"),)), out)
    redacted = Secret(PLANTED.encode()).redacted
    assert out.getvalue().splitlines() == [
        f"app/config.py:12:8  Acme token  {redacted}  (acme-token)  in cccccccccccc",
        rf"b\n.env:3:1  Acme token  {redacted}  (acme-token)  in cccccccccccc",
        "c  could not be read in full: too large",
        "",
        "If it is a secret: take it out of the change, and rotate the token.",
        f"    Acme token: {page}",
        "If it is none: put deadkey:allow in a comment on that line.",
    ]
