"""JSON there and back: nothing is lost but what must not be written."""

from __future__ import annotations

import dataclasses
import io
import json
import os

import pytest
from hypothesis import given

from scanner.model import DeadkeyError, Finding, Report, Secret
from scanner.report import Options, jsonl
from scanner.report import json as as_json
from scanner.report.record import finding_from, finding_record, plain, report_from

from .samples import PLANTED, finding, findings, location, paths, planted, reports, values


def there_and_back(found: Finding, show_secrets: bool) -> Finding:
    return finding_from(json.loads(json.dumps(finding_record(found, show_secrets), ensure_ascii=True)))


def without_secrets(found: Finding) -> Finding:
    companions = tuple((name, Secret(b"")) for name, _ in found.companions)
    return dataclasses.replace(found, secret=Secret(b""), companions=companions)


@given(findings)
def test_everything_but_the_secret_survives(found: Finding) -> None:
    back = there_and_back(found, True)
    assert without_secrets(back) == without_secrets(found)


def test_a_secret_that_is_shown_is_read_back() -> None:
    found = finding(companions=(("id", Secret(b"AKID-made-up")),))
    assert there_and_back(found, True) == found


def test_a_redacted_secret_reads_back_as_none() -> None:
    back = there_and_back(finding(companions=(("id", Secret(b"AKID-made-up")),)), False)
    assert back.secret == Secret(b"")
    assert back.companions == (("id", Secret(b"")),)


@given(values)
def test_a_secret_is_never_read_back_as_another(value: bytes) -> None:
    back = there_and_back(finding(secret=Secret(value)), True).secret.reveal()
    assert back in (value, b"")


@pytest.mark.parametrize(
    "value", [b"caf\xe9-made-up-value", rb"literal \xe9 in the value", "an … in the value".encode()]
)
def test_a_value_that_cannot_be_told_from_another_is_dropped(value: bytes) -> None:
    assert there_and_back(finding(secret=Secret(value)), True).secret == Secret(b"")


def test_what_a_redacted_report_lacks_cannot_be_shown_later() -> None:
    assert finding_record(there_and_back(finding(), False), True)["secret"] == "…"


@given(paths)
def test_a_path_keeps_its_bytes(path: str) -> None:
    record = json.loads(json.dumps(finding_record(finding(locations=(location(path=path),)), True)))
    assert os.fsencode(record["locations"][0]["path"]) == os.fsencode(path)


def test_the_contract() -> None:
    record = finding_record(finding(rotate="https://example.org"))
    assert list(record) == [
        *("rule", "provider", "name", "severity", "confidence", "secret", "fingerprint", "encoding", "companions"),
        *("locations", "verdict", "outcome", "rotate", "around"),
    ]
    assert list(record["locations"][0]) == [
        *("source", "path", "start_line", "end_line", "start_column", "end_column"),
        *("blob", "commit", "author", "date", "at_head"),
    ]
    assert record["secret"] == Secret(PLANTED.encode()).redacted
    assert finding_record(finding(), True)["secret"] == PLANTED


@given(reports)
def test_a_json_report_is_read_back(report: Report) -> None:
    out = io.StringIO()
    as_json.render(report, Options(show_secrets=True, version="1.2"), out)
    document = json.loads(out.getvalue())
    assert out.getvalue().isascii()
    assert (document["version"], document["tool"]) == (1, {"name": "deadkey", "version": "1.2"})
    same(report_from(document), report)


@given(reports)
def test_json_lines_are_read_back(report: Report) -> None:
    out = io.StringIO()
    jsonl.render(report, Options(show_secrets=True), out)
    lines = out.getvalue().splitlines()
    assert len(lines) == len(report.findings) + len(report.skipped) + 1
    assert set(json.loads(lines[-1])) == {"statistics", "version", "tool"}
    assert lines[: len(report.findings)] == [jsonl.line(f, Options(show_secrets=True)) for f in report.findings]
    same(jsonl.report_from(out.getvalue()), report)


def same(one: Report, other: Report) -> None:
    assert [*map(without_secrets, one.findings)] == [*map(without_secrets, other.findings)]
    assert one.skipped == other.skipped
    assert one.statistics == other.statistics


@pytest.mark.parametrize(
    "change",
    [
        {"severity": "enormous"},
        {"secret": None},
        {"locations": [{"source": "git"}]},
        {"locations": [None]},
        {"verdict": {"state": "undead"}},
        {"outcome": []},
        {"companions": [{"name": 1}]},
        {"fingerprint": 7},
    ],
)
def test_what_is_no_finding_is_refused_without_its_values(change: dict[str, object]) -> None:
    record = finding_record(finding(), True) | change
    with pytest.raises(DeadkeyError, match="not a deadkey report") as raised:
        finding_from(record)
    assert PLANTED not in str(raised.value)


@pytest.mark.parametrize("document", [None, [], {}, {"version": 2}, {"version": 1, "findings": {}}])
def test_what_is_no_report_is_refused(document: object) -> None:
    with pytest.raises(DeadkeyError):
        report_from(document)


def test_a_line_that_is_none_is_named() -> None:
    good = jsonl.line(finding(), Options())
    with pytest.raises(DeadkeyError, match=r"^line 2: ") as raised:
        jsonl.report_from(good + "\n{" + PLANTED + "\n")
    assert PLANTED not in str(raised.value)


def test_any_answer_becomes_json() -> None:
    deep: object = "end"
    for _ in range(5000):
        deep = [deep]
    answer = {1: float("nan"), "b": b"\xff", "s": {2}, "deep": deep, "o": planted}
    assert json.loads(json.dumps(plain(answer), allow_nan=False))["1"] is None
