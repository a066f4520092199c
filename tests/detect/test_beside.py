"""Halves of a pair in different files of one folder find each other; what is ambiguous stays apart."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from scanner import pipeline
from scanner.model import Finding
from scanner.pipeline import Options
from scanner.ruleset.ruleset import Ruleset
from scanner.sources.audit import AuditSource
from scanner.sources.files import FilesSource
from scanner.sources.git.history import HistorySource
from scanner.sources.git.packed import PackedSource
from scanner.sources.git.run import Repository
from scanner.sources.interface import Source
from tests.detect import plain

RULE_FILE = """
provider: Pair
home: https://pair.example
rules:
  - id: pair-id
    name: Pair id
    severity: low
    confidence: medium
    component: true
    pattern: '\\bpairid_[0-9a-z]{12}\\b'
    examples: ['id = {token}']
    docs: https://pair.example/docs
  - id: pair-secret
    name: Pair secret
    severity: high
    confidence: high
    pattern: '\\bpairsec_[0-9a-z]{24}\\b'
    with: [{rule: pair-id, name: key_id, within: 80, required: true}]
    examples: ['{token} {key_id}']
    docs: https://pair.example/docs
    rotate: https://pair.example/docs
  - id: lone-secret
    name: Lone secret
    severity: high
    confidence: high
    pattern: '\\blonesec_[0-9a-z]{24}\\b'
    with: [{rule: pair-id, name: key_id, within: 80}]
    examples: ['{token} {key_id}']
    docs: https://pair.example/docs
    rotate: https://pair.example/docs
"""
SECRET = "pairsec_q7zt0vn3yk9lb2xc5md8rf1h"
LONE = "lonesec_z4gs6pw0ta7ue2iv9xk3mq8d"
IDS = "pairid_k3mq8dz4gs6p", "pairid_w0ta7ue2iv9x"


@pytest.fixture(scope="module")
def ruleset(tmp_path_factory: pytest.TempPathFactory) -> Ruleset:
    folder = tmp_path_factory.mktemp("rules")
    (folder / "pair.yaml").write_text(RULE_FILE)
    return pipeline.load_rules(Options(rules=(str(folder),)))


def found(source: Source, ruleset: Ruleset) -> dict[str, Finding]:
    report, _ = pipeline.scan(source, ruleset, Options(jobs=1), b"k" * 32)
    assert not report.skipped
    return {f.rule: f for f in report.findings if f.rule.endswith("-secret")}


def ids(finding: Finding) -> list[bytes]:
    return [secret.reveal() for name, secret in finding.companions if name == "key_id"]


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


HALVES = {"app/key.txt": f"{SECRET}\n", "app/id.txt": f"the id is {IDS[0]}\n", "other/id.txt": f"{IDS[1]}\n"}


def test_the_other_half_in_the_same_folder(tmp_path: Path, ruleset: Ruleset) -> None:
    write(tmp_path, HALVES)
    assert ids(found(FilesSource((str(tmp_path),)), ruleset)["pair-secret"]) == [IDS[0].encode()]


def test_further_on_in_the_same_file(tmp_path: Path, ruleset: Ruleset) -> None:
    write(tmp_path, {"one.txt": f"{SECRET}\n" + "some line\n" * 200 + f"{IDS[0]}\n"})
    assert ids(found(FilesSource((str(tmp_path),)), ruleset)["pair-secret"]) == [IDS[0].encode()]


@pytest.mark.parametrize(
    "files",
    [
        {"app/key.txt": SECRET, "other/id.txt": IDS[0]},
        {"app/key.txt": SECRET, "app/below/id.txt": IDS[0]},
        {"app/key.txt": SECRET, "app/one.txt": IDS[0], "app/two.txt": IDS[1]},
    ],
    ids=["elsewhere", "below", "two to choose from"],
)
def test_what_needs_its_other_half_and_has_none_for_sure_is_no_finding(
    tmp_path: Path, ruleset: Ruleset, files: dict[str, str]
) -> None:
    write(tmp_path, files)
    assert "pair-secret" not in found(FilesSource((str(tmp_path),)), ruleset)


def test_an_optional_half_is_added_and_its_absence_changes_nothing(tmp_path: Path, ruleset: Ruleset) -> None:
    write(tmp_path, {"a/key.txt": LONE, "a/id.txt": IDS[0]})
    assert ids(found(FilesSource((str(tmp_path),)), ruleset)["lone-secret"]) == [IDS[0].encode()]
    (tmp_path / "a/id.txt").unlink()
    assert ids(found(FilesSource((str(tmp_path),)), ruleset)["lone-secret"]) == []


def test_the_nearest_half_is_not_replaced(tmp_path: Path, ruleset: Ruleset) -> None:
    write(tmp_path, {"a/key.txt": f"{IDS[1]} {SECRET}", "a/id.txt": IDS[0]})
    assert ids(found(FilesSource((str(tmp_path),)), ruleset)["pair-secret"]) == [IDS[1].encode()]


def git(folder: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=A", "-c", "user.email=a@example.com")
    subprocess.run(["git", "-C", str(folder), *identity, *arguments], check=True, capture_output=True)


def test_in_a_history_the_folder_is_as_the_commit_had_it(tmp_path: Path, ruleset: Ruleset) -> None:
    write(tmp_path, HALVES)
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-qm", "both halves")
    (tmp_path / "app/id.txt").unlink()
    (tmp_path / "app/key.txt").unlink()
    git(tmp_path, "commit", "-qam", "gone again")
    git(tmp_path, "gc", "-q")
    repository = Repository(str(tmp_path))
    sources: list[Source] = [
        PackedSource.open(repository),
        PackedSource.open(repository, plain=True),
        HistorySource.open(repository),
        AuditSource.open(repository),
    ]
    for source in sources:
        (finding,) = found(source, ruleset).values()
        assert ids(finding) == [IDS[0].encode()]
        assert [place.path for place in finding.locations] == ["app/key.txt"]


def test_a_secret_without_its_half_leaves_the_place_to_other_rules(tmp_path: Path, ruleset: Ruleset) -> None:
    write(tmp_path, {"key.env": f'api_token = "{SECRET}"\n'})
    assert list(found(FilesSource((str(tmp_path),)), ruleset)) == ["generic-secret"]


def test_engines_that_are_not_patient_say_nothing_of_it(ruleset: Ruleset) -> None:
    from scanner.detect.engine import Engine

    assert plain.shown(Engine(ruleset).scan(plain.chunk(SECRET.encode()))) == []
    (match,) = Engine(ruleset, patient=True).scan(plain.chunk(SECRET.encode()))
    assert match.lacking == ("key_id",)
