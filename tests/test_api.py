"""deadkey as a library: what the command line finds, from Python."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

import scanner
from scanner import DeadkeyError, Report, scan
from tests.cli.parts import ROOT, Token
from tests.conftest import GitRepo, deadkey


def values(report: Report) -> set[bytes]:
    return {finding.secret.reveal() for finding in report.findings}


def test_a_text_its_places_and_its_name(token: Token) -> None:
    report = scan("one\nkey = '" + token("a").decode() + "'\n", name="settings.py")
    (finding,) = report.findings
    (place,) = finding.locations
    assert (finding.rule, finding.secret.reveal()) == ("github-pat", token("a"))
    assert (place.source, place.path, place.start_line, place.start_column) == ("text", "settings.py", 2, 8)
    assert report.skipped == () and report.exit_status == 1
    assert values(scan(b"\xff" + token("a"))) == {token("a")}
    assert scan("\ud800").findings == scan("").findings == ()


def test_files_and_history(repo: GitRepo, token: Token) -> None:
    repo.write("old.py", token("old"))
    repo.commit()
    repo.write("old.py", b"")
    repo.write("new.py", token("new"))
    commit = repo.commit()
    assert values(scan(files=repo.path)) == {token("new")}
    assert values(scan(files=[repo.path / "old.py", str(repo.path / "new.py")])) == {token("new")}
    report = scan(git=repo.path)
    assert values(report) == {token("old"), token("new")}
    assert commit in {place.commit for finding in report.findings for place in finding.locations}


def test_the_options_are_those_of_the_command_line(repo: GitRepo, token: Token) -> None:
    repo.write("a.py", b"a = '" + token("a") + b"'\npassword = 'Kd83hd7Hhs82KDj'\n")
    repo.commit()
    assert len(scan(git=repo.path).findings) == 2
    assert (
        values(scan(git=repo.path, only=["github-*"]))
        == values(scan(git=repo.path, skip=["generic-*"]))
        == {token("a")}
    )
    baseline = repo.path / "known"
    assert deadkey("baseline", "create", "--output", str(baseline), str(repo.path)).returncode == 0
    report = scan(git=repo.path, baseline=baseline)
    assert report.findings == () and report.statistics["known"] == 2
    own = repo.path / "own.yaml"
    own.write_text("allow: {paths: ['*.py']}\n")
    own.chmod(0o600)
    assert scan(git=repo.path, config=own).findings == ()


def test_fingerprints_are_those_of_the_command_line(tmp_path: Path, token: Token) -> None:
    (tmp_path / "a.py").write_bytes(token("a"))
    (finding,) = scan(files=tmp_path).findings
    assert finding.fingerprint.encode() in deadkey("scan", "files", "a.py", "--format", "json", cwd=tmp_path).stdout


def test_verify_says_what_the_issuer_said(token: Token) -> None:
    """Where nobody can be asked: the verdict says so."""
    (finding,) = scan("password = 'Kd83hd7Hhs82KDj'", name="app.py", verify=True).findings
    assert finding.verdict is not None and finding.verdict.state == "uncheckable"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "give exactly one of text, files and git"),
        ({"text": "a", "git": "."}, "give exactly one of text, files and git"),
        ({"text": Path("a.py")}, "for a path write files="),
        ({"text": "a", "only": "github-pat"}, r"only='github-pat': give a list"),
        ({"text": "a", "only": ["githb-pat"]}, "did you mean github-pat"),
        ({"text": "a", "min_confidence": "sure"}, "no such confidence: 'sure'"),
        ({"files": "/nowhere/at/all"}, "/nowhere/at/all: no such file or folder"),
        ({"files": ".", "name": "a"}, "name= is the path"),
        ({"git": "/"}, "/: not a git repository"),
        ({"text": "a", "config": "/nowhere.yaml"}, "/nowhere.yaml"),
        ({"text": "a", "rules": ["/nowhere"]}, "/nowhere: cannot read rules"),
    ],
)
def test_mistakes_are_told_in_one_line(given: dict[str, Any], said: str) -> None:
    with pytest.raises(DeadkeyError, match=said) as told:
        scan(**given)
    assert "\n" not in str(told.value)


def test_threads_scan_at_the_same_time(token: Token) -> None:
    found: list[set[bytes]] = []

    def work(name: str) -> None:
        found.extend(values(scan(b"x = " + token(name))) for _ in range(10))

    threads = [threading.Thread(target=work, args=(str(number),)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(repr, found)) == sorted(repr({token(str(number))}) for number in range(6) for _ in range(10))


def test_importing_costs_nothing_and_names_what_there_is() -> None:
    code = "import scanner, sys; print(sorted(m for m in sys.modules if m.partition('.')[0] in {HEAVY}))"
    heavy = {"scanner", "hyperscan", "regex", "yaml", "requests", "rich", "click", "numpy"}
    done = subprocess.run(
        [sys.executable, "-c", code.replace("{HEAVY}", repr(heavy))], cwd=ROOT, capture_output=True, check=True
    )
    assert done.stdout == b"['scanner']\n"
    assert all(getattr(scanner, name) for name in scanner.__all__)
    with pytest.raises(AttributeError):
        _ = scanner.nothing_of_that_name


def test_the_types_are_there_for_others(tmp_path: Path) -> None:
    """A program that uses it wrongly does not pass a type checker."""
    pytest.importorskip("mypy")
    program = tmp_path / "program.py"
    program.write_text(
        "from scanner import scan\nfrom scanner.redaction import Redactor\n"
        "reveal_type(scan('a').findings)\nreveal_type(Redactor().text('a'))\nscan(git=3)\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--config-file=", "--cache-dir", str(tmp_path / "cache"), str(program)],
        cwd=tmp_path,
        env={"MYPYPATH": str(ROOT), "PATH": "/usr/bin", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert '"tuple[scanner.model.Finding, ...]"' in done.stdout.replace("builtins.tuple", "tuple"), done.stdout
    assert 'is "str"' in done.stdout.replace("builtins.str", "str")
    assert 'program.py:5: error: Argument "git"' in done.stdout
