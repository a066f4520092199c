"""What holds for every format: it is found by name, costs nothing until then, and keeps the secrets to itself."""

from __future__ import annotations

import csv
import html
import io
import json
import os
import subprocess
import sys
import xml.etree.ElementTree as etree
from typing import Any
from urllib.parse import quote, unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.model import DeadkeyError, Report
from scanner.report import FORMATS, NEVER_SECRETS, Options, jsonl, load
from scanner.report.table import refusal
from scanner.report.text import inert

from .samples import PLANTED, planted, reports

parts = st.text('abcXYZ019_-+/=%"\\ é\n{[', min_size=9, max_size=30)


def written(name: str, report: Report, options: Options) -> str:
    out = io.StringIO()
    load(name).render(report, options, out)
    return out.getvalue()


def strings(name: str, text: str) -> list[str]:
    """Every key and value in what was written, as a program reads it."""
    found: list[str] = []

    def walk(value: Any) -> None:
        if isinstance(value, str):
            found.append(value)
        for inner in value if isinstance(value, (list, dict)) else ():
            walk(inner)
        for inner in value.values() if isinstance(value, dict) else ():
            walk(inner)

    if name == "junit":
        root = etree.fromstring(text)
        return [value for element in root.iter() for value in (*element.attrib.values(), element.text or "")]
    if name in ("json", "jsonl", "sarif", "gitlab"):
        for document in text.splitlines() if name == "jsonl" else [text]:
            walk(json.loads(document))
    elif name == "csv":
        walk(list(csv.reader(io.StringIO(text))))
    elif name == "html":
        found.append(html.unescape(text))
    return found


@pytest.mark.parametrize("name", FORMATS)
@given(part=parts)
def test_no_format_prints_a_secret(name: str, part: str) -> None:
    value = f"Zq7{part}"
    text = written(name, planted(value), Options(color=True))
    for seen in (text, unquote(text), *strings(name, text)):
        assert value not in seen
        assert quote(value) not in seen
        assert inert(value) not in seen


@given(part=parts)
def test_nor_does_a_followed_line_or_the_hook(part: str) -> None:
    value = f"Zq7{part}"
    report = planted(value)
    out = io.StringIO()
    refusal(report, out)
    line = jsonl.line(report.findings[0], Options())
    for seen in (out.getvalue(), line, *strings("jsonl", line)):
        assert value not in seen
        assert inert(value) not in seen


@pytest.mark.parametrize(
    ("name", "shown"), [("table", 1), ("json", 1), ("jsonl", 1), *((name, 0) for name in sorted(NEVER_SECRETS))]
)
def test_secrets_are_shown_when_asked_for_but_never_in_what_is_passed_on(name: str, shown: int) -> None:
    text = written(name, planted(PLANTED), Options(show_secrets=True))
    assert (PLANTED in text) == bool(shown)


@pytest.mark.parametrize("name", FORMATS)
@given(report=reports)
def test_every_report_can_be_written_anywhere(name: str, report: Report) -> None:
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding="ascii")
    load(name).render(report, Options(show_secrets=True), out)
    out.flush()
    assert raw.getvalue().endswith(b"\n")


def test_an_unknown_format_is_named() -> None:
    with pytest.raises(DeadkeyError, match="'xml'"):
        load("xml")


def test_nothing_is_imported_before_it_is_needed() -> None:
    code = (
        "import sys, scanner.report\n"
        "print([m for m in sys.modules if m.startswith('scanner.report.')])\n"
        "import io, scanner.report.table as t, scanner.model as m\n"
        "t.refusal(m.Report(()), io.StringIO())\n"
        "print('rich' in sys.modules)"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    ran = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines() == ["['scanner.report.interface']", "False"]
