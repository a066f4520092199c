"""What a spreadsheet makes of it: a row a place, and no formula of anybody else's."""

from __future__ import annotations

import csv
import io
import re

import pytest
from hypothesis import given

from scanner.model import Outcome, Report, Skip, Verdict
from scanner.report import Options
from scanner.report.csv import COLUMNS, render

from .samples import HOSTILE, finding, location, reports


def rows(report: Report, options: Options | None = None) -> list[dict[str, str]]:
    out = io.StringIO()
    render(report, options or Options(), out)
    reader = csv.DictReader(io.StringIO(out.getvalue(), newline=""), strict=True)
    read = list(reader)
    assert tuple(reader.fieldnames or ()) == COLUMNS
    assert all(None not in row and None not in row.values() for row in read), "a row has as many cells as names"
    return read


def test_a_row_a_place_and_one_for_what_was_not_scanned() -> None:
    places = (location(), location(path="b.py", start_line=3, at_head=None, commit=None))
    verdict = Verdict("live", "answered 200", {"account": "octo", "scopes": ["repo", "gist"]}, "2024-05-06T00:00:00Z")
    told = Report(
        (finding(locations=places, verdict=verdict, outcome=Outcome("planned", "rule", "", "It ends.")),),
        (Skip("a.zip", "encrypted", 3),),
    )
    first, second, skipped = rows(told)
    assert (first["path"], first["line"], first["at_tip"], first["places"]) == ("app/config.py", "12", "yes", "2")
    assert (second["path"], second["line"], second["at_tip"], second["commit"]) == ("b.py", "3", "", "")
    assert first["fingerprint"] == second["fingerprint"]
    assert (first["state"], first["next"], first["effect"]) == ("live", "revoke", "It ends.")
    assert first["identity"] == "account: octo; scopes: repo, gist"
    assert (skipped["state"], skipped["path"], skipped["reason"], skipped["places"]) == (
        *("not scanned", "a.zip", "encrypted"),
        "3",
    )


def test_a_secret_without_a_place_has_a_row() -> None:
    (row,) = rows(Report((finding(locations=()),)))
    assert (row["rule"], row["path"], row["line"]) == ("acme-token", "", "")


FORMULAS = [
    "=1+1",
    "+1",
    "-1",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    " =1",
    "＝1",
    '=cmd|" /C calc"!A0',
    '=HYPERLINK("x")',
    "\n-1",
]


@pytest.mark.parametrize("text", [*FORMULAS, *HOSTILE, "a,b;c\td", '"', "''", "'=1"])
def test_no_cell_is_a_formula(text: str) -> None:
    hostile = finding(
        name=text,
        provider=text,
        rule=text,
        locations=(location(path=text, author=text, commit=text, date=text, source=text),),
        verdict=Verdict("live", text, {text: text}, text),
        outcome=Outcome("failed", text, text, text),
        rotate=text,
        fingerprint=text,
        encoding=(text,),
    )
    for row in rows(Report((hostile,), (Skip(text, text),)), Options(changes={text: text})):
        for name, cell in row.items():
            assert not re.match(r"\s*[=+\-@＝＋－＠]", cell), f"{name}: {cell!r}"
            assert cell.isprintable(), f"{name}: {cell!r}"


@given(report=reports)
def test_any_report_is_read_back_as_so_many_places(report: Report) -> None:
    expected = sum(max(1, len(finding.locations)) for finding in report.findings) + len(report.skipped)
    assert len(rows(report)) == expected


def test_changes_of_a_comparison_stand_in_the_first_column() -> None:
    (row,) = rows(Report((finding(),)), Options(changes={"0" * 32: "new"}))
    assert row["change"] == "new"
