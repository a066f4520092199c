"""SARIF holds against the published schema, and says what dashboards need."""

from __future__ import annotations

import io
import json
import os
import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes, urlsplit

import jsonschema
import pytest
from hypothesis import given

from scanner.model import Report, Skip, Verdict
from scanner.report import Options
from scanner.report.sarif import message, render, uri

from .samples import HOSTILE, PLANTED, finding, location, paths, reports

SCHEMA = json.loads((Path(__file__).parent / "sarif-schema-2.1.0-rtm.5.json").read_text())

# RFC 3986, section 4.1: a relative reference's first segment has no colon.
CHARACTERS = r"(?:[A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-Fa-f]{2})*"
ABSOLUTE = re.compile(rf"[A-Za-z][A-Za-z0-9+.-]*:{CHARACTERS}(?:#{CHARACTERS})?")
RELATIVE = re.compile(rf"(?![^/?#]*:){CHARACTERS}(?:#{CHARACTERS})?")

formats = jsonschema.FormatChecker(())


@formats.checks("uri")
def is_uri(value: object) -> bool:
    return not isinstance(value, str) or bool(ABSOLUTE.fullmatch(value))


@formats.checks("uri-reference")
def is_reference(value: object) -> bool:
    return not isinstance(value, str) or bool(ABSOLUTE.fullmatch(value) or RELATIVE.fullmatch(value))


VALIDATOR = jsonschema.Draft4Validator(SCHEMA, format_checker=formats)


def log(report: Report, options: Options | None = None) -> Any:
    out = io.StringIO()
    render(report, options or Options(version="1.2.3", verb="scan git"), out)
    return json.loads(out.getvalue())


def run(*findings: Any, skipped: tuple[Skip, ...] = ()) -> Any:
    return log(Report(findings, skipped))["runs"][0]


def test_the_validator_can_fail() -> None:
    bad = log(Report((finding(),)))
    bad["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] = "a b"
    assert not VALIDATOR.is_valid(bad)
    assert not VALIDATOR.is_valid(log(Report(())) | {"more": 1})


@given(reports)
def test_any_report_is_valid(report: Report) -> None:
    document = log(report)
    VALIDATOR.validate(document)
    json.dumps(document, ensure_ascii=False).encode()  # no lone surrogate, which other parsers refuse
    rules = document["runs"][0]["tool"]["driver"]["rules"]
    for result in document["runs"][0]["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        assert all("physicalLocation" in place for place in result["locations"])


@given(paths.filter(bool))
def test_a_uri_holds_the_path_s_bytes(path: str) -> None:
    reference = uri(path)
    assert is_reference(reference)
    parts = urlsplit(reference)
    assert parts.netloc == "" and parts.query == "" and parts.fragment == ""
    assert unquote_to_bytes(reference.removeprefix("file://")) == os.fsencode(path)


def test_paths() -> None:
    assert uri("app/config.py") == "app/config.py"
    assert uri("sp ace/ü.txt") == "sp%20ace/%C3%BC.txt"
    assert uri(os.fsdecode(b"\xff\n")) == "%FF%0A"
    assert uri("a:b") == "a%3Ab"
    assert uri("/etc/env") == "file:///etc/env"
    assert uri("\ud800") == "%ED%A0%80"


def test_a_result() -> None:
    verdict = Verdict("live", identity={"account": "octo"})
    written = run(finding(rotate="https://example.org/rotate", verdict=verdict))
    assert written["tool"]["driver"]["version"] == "1.2.3"
    assert written["columnKind"] == "unicodeCodePoints"
    rule = written["tool"]["driver"]["rules"][0]
    assert (rule["id"], rule["helpUri"]) == ("acme-token", "https://example.org/rotate")
    assert rule["properties"]["security-severity"] == "8.0"
    result = written["results"][0]
    assert (result["level"], result["partialFingerprints"]) == ("error", {"deadkey/v1": "0" * 32})
    assert result["message"]["text"] == "Acme token, in 1 place, live."
    region = {"startLine": 12, "startColumn": 8, "endLine": 12, "endColumn": 48}
    assert result["locations"][0]["physicalLocation"]["region"] == region
    assert result["properties"]["commit"] == "c" * 40
    assert result["properties"]["verdict"]["identity"] == {"account": "octo"}
    assert PLANTED not in json.dumps(written)


def test_the_place_that_can_be_opened_comes_first() -> None:
    gone, here = location(path="gone", at_head=False), location(path="here")
    places = run(finding(locations=(gone, here)))["results"][0]["locations"]
    assert [place["physicalLocation"]["artifactLocation"]["uri"] for place in places] == ["here", "gone"]


def test_a_place_without_a_path_is_named() -> None:
    message_, stdin = location(path=None), location(path=None, blob=None, commit=None, source="stdin")
    first, second = run(finding(locations=(message_, stdin)))["results"][0]["locations"]
    assert first["logicalLocations"] == [{"fullyQualifiedName": "commit cccccccccccc", "kind": "git"}]
    assert first["physicalLocation"] == {"artifactLocation": {"uri": ".git"}}
    assert second["physicalLocation"]["artifactLocation"] == {"uri": "stdin"}
    assert second["message"] == {"text": "stdin, line 12"}


def test_one_descriptor_a_rule_of_its_worst_finding() -> None:
    written = run(finding(severity="low"), finding(severity="critical"), finding(rule="a", severity="medium"))
    rules = written["tool"]["driver"]["rules"]
    assert [(rule["id"], rule["defaultConfiguration"]["level"]) for rule in rules] == [
        ("a", "warning"),
        ("acme-token", "error"),
    ]
    assert [(result["ruleIndex"], result["level"]) for result in written["results"]] == [
        (1, "note"),
        (1, "error"),
        (0, "warning"),
    ]


def test_what_was_skipped_is_said() -> None:
    [invocation] = run(skipped=(Skip("big file.zip", "too deep", 3),))["invocations"]
    assert (invocation["executionSuccessful"], invocation["exitCode"]) == (False, 3)
    [notification] = invocation["toolExecutionNotifications"]
    assert "too deep" in notification["message"]["text"]
    assert notification["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "big%20file.zip"
    assert notification["properties"] == {"count": 3}
    assert run()["invocations"][0]["executionSuccessful"] is True


@pytest.mark.parametrize("link", ["javascript:alert(1)", "https://a b", "https://example.org/\n", "x"])
def test_only_a_web_page_is_linked(link: str) -> None:
    assert "helpUri" not in run(finding(rotate=link))["tool"]["driver"]["rules"][0]


def test_a_message_is_neither_link_nor_placeholder() -> None:
    assert message("[a](b) {0} \\") == {"text": r"\[a\](b) {{0}} " + "\\\\"}
    for text in HOSTILE:
        assert message(text)["text"].isprintable()
