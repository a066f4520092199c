"""The formats of build systems hold against their published schemas, and no content becomes a command of theirs."""

from __future__ import annotations

import html
import io
import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import xmlschema
from hypothesis import given
from hypothesis import strategies as st

from scanner.model import Report, Skip, Verdict
from scanner.report import Options, load, step
from scanner.report.step import MOST, text
from scanner.report.table import refusal
from scanner.report.workflow import defused

from .samples import HOSTILE, PLANTED, finding, location, reports

FOLDER = Path(__file__).parent
GITLAB = jsonschema.Draft7Validator(json.loads((FOLDER / "gitlab-secret-detection-15.0.7.json").read_text()))
JUNIT = xmlschema.XMLSchema(str(FOLDER / "junit-10.xsd"))

GITHUB_LINE = re.compile(r"^\s*::(?P<name>[a-z-]+) ?(?P<properties>.*?)::(?P<message>.*)$")
"""As the runner reads a line: the properties end at the next `::`, so none may stand in them."""
AZURE_LINE = re.compile(r"##vso\[(?P<name>[a-z.]+) (?P<properties>[^\]]*)\](?P<message>.*)$")
COMMANDS = [
    "::set-env name=X::y",
    "  ::add-mask::x",
    "##vso[task.setvariable variable=x]y",
    "##[error]x",
    "a]b;c=d%0A::error::",
    "%0A::warning::x,y:z",
]
hostile = st.sampled_from([*COMMANDS, *HOSTILE])


def written(name: str, report: Report) -> str:
    out = io.StringIO()
    load(name).render(report, Options(version="1.2.3", verb="ci"), out)
    return out.getvalue()


def evil(content: str) -> Report:
    places = (location(path=content, author=content), location(path=None, commit=None, blob=None, source=content))
    found = finding(name=content, rule=content, rotate=content, locations=places, verdict=Verdict("live", content))
    return Report((found,), (Skip(content, content),))


@given(reports)
def test_any_report_is_valid_for_gitlab(report: Report) -> None:
    document = json.loads(written("gitlab", report))
    GITLAB.validate(document)
    assert len({entry["id"] for entry in document["vulnerabilities"]}) <= len(document["vulnerabilities"])


@given(reports)
def test_any_report_is_valid_junit(report: Report) -> None:
    assert [str(e) for e in JUNIT.iter_errors(written("junit", report))] == []


def test_the_validators_can_fail() -> None:
    document = json.loads(written("gitlab", Report((finding(),))))
    del document["vulnerabilities"][0]["location"]["commit"]
    assert not GITLAB.is_valid(document)
    assert not JUNIT.is_valid(written("junit", Report((finding(),))).replace("failure type", "failure kind"))


def test_gitlab_is_told_where_and_whether_it_is_live() -> None:
    live = finding(verdict=Verdict("live", "HTTP 200"), rotate="https://acme.example/rotate")
    document = json.loads(written("gitlab", Report((live,), statistics={"seconds": 2.5})))
    (entry,) = document["vulnerabilities"]
    assert entry["location"]["file"] == "app/config.py" and entry["location"]["start_line"] == 12
    assert entry["location"]["commit"]["sha"] == "c" * 40
    assert entry["details"]["verdict"]["value"] == "live: HTTP 200"
    assert entry["severity"] == "High" and entry["links"][0]["url"] == "https://acme.example/rotate"
    assert document["scan"]["status"] == "success"
    assert json.loads(written("gitlab", Report((), (Skip("a.zip", "broken"),))))["scan"]["status"] == "failure"


def test_the_same_place_has_the_same_id_in_gitlab_every_time() -> None:
    first, again = (json.loads(written("gitlab", Report((finding(),)))) for _ in range(2))
    assert first["vulnerabilities"] == again["vulnerabilities"]


def suite(report: Report) -> Any:
    return JUNIT.to_dict(written("junit", report))["testsuite"][0]


def test_junit_fails_for_secrets_errs_for_gaps_and_passes_for_neither() -> None:
    found = suite(Report((finding(),), (Skip("a.zip", "broken"),)))
    assert (found["@tests"], found["@failures"], found["@errors"]) == ("2", "1", "1")
    assert "app/config.py:12:8" in found["testcase"][0]["@name"]
    passed = suite(Report(()))
    assert (passed["@tests"], passed["@failures"], passed["@errors"]) == ("1", "0", "0")
    assert passed["testcase"] == [{"@name": "no secrets", "@classname": "deadkey"}]


def test_an_annotation_stands_on_the_line() -> None:
    line = written("github", Report((finding(),))).splitlines()[0]
    found = GITHUB_LINE.match(line)
    assert found and found["name"] == "error"
    assert "file=app/config.py,line=12,endLine=12,col=8,endColumn=48" in found["properties"]
    assert "Acme token" in found["message"] and PLANTED not in line


def test_an_issue_of_azure_stands_on_the_line() -> None:
    found = AZURE_LINE.match(written("azure", Report((finding(severity="low"),))).splitlines()[0])
    assert found and found["name"] == "task.logissue"
    assert "type=warning;sourcepath=app/config.py;linenumber=12;columnnumber=8;code=acme-token" in found["properties"]


@given(hostile)
def test_no_content_becomes_a_command_of_github(content: str) -> None:
    for line in written("github", evil(content)).splitlines():
        if line.startswith("deadkey: "):
            continue
        found = GITHUB_LINE.match(line)
        assert found and found["name"] in ("error", "warning"), line
        names = [part.partition("=")[0] for part in found["properties"].split(",")]
        assert set(names) <= {"title", "file", "line", "endLine", "col", "endColumn"}, line
        assert len(names) == len(set(names))
        assert "##[" not in line and "##vso[" not in line


@given(hostile)
def test_no_content_becomes_a_command_of_azure(content: str) -> None:
    for line in written("azure", evil(content)).splitlines():
        assert len(re.findall(r"##(?:vso)?\[", line, re.IGNORECASE)) == (0 if line.startswith("deadkey: ") else 1)
        if found := AZURE_LINE.match(line):
            names = [part.partition("=")[0] for part in found["properties"].split(";")]
            assert set(names) <= {"type", "sourcepath", "linenumber", "columnnumber", "code"}, line


@pytest.mark.parametrize("variable", ["GITHUB_ACTIONS", "TF_BUILD"])
@pytest.mark.parametrize("content", COMMANDS)
def test_nor_does_a_table_or_a_refusal_in_a_job_s_log(
    variable: str, content: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, "true")
    out = io.StringIO()
    refusal(evil(content), out)
    for line in (written("table", evil(content)) + out.getvalue()).splitlines():
        assert not line.lstrip().startswith("::"), line
        assert not re.search(r"##(?:vso)?\[", line), line


@given(st.text())
def test_what_means_nothing_is_left_as_it_is(content: str) -> None:
    assert defused(content).replace(" ", "") == content.replace(" ", "")
    if ":" not in content and "#" not in content:
        assert defused(content) == content


@given(st.sampled_from(["**a**", "[a](http://b)", "<img src=x>", "a|b", "`a`", "www.a.example", "@all", *HOSTILE]))
def test_markdown_from_content_means_nothing(content: str) -> None:
    shown = text(content)
    assert not re.search(r"[^A-Za-z0-9 /&#;…]", shown)
    assert html.unescape(html.unescape(shown)) is not None and (content in html.unescape(shown) or content in HOSTILE)


def test_a_summary_stays_small() -> None:
    many = finding(locations=tuple(location(start_line=n) for n in range(1, MOST + 4)))
    out = io.StringIO()
    step.render(Report((many,)), Options(), out)
    shown = out.getvalue()
    assert shown.count("| high |") == MOST
    assert "3 more places not shown." in shown
