"""What cannot be read or understood is told in one clear line and the right exit status, never in a traceback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.parts import ROOT, Token, one_line, places, scan, secrets
from tests.cli.test_options import ACME
from tests.conftest import GitRepo, deadkey


def refused(*arguments: str, cwd: Path, status: int = 2, data: bytes = b"") -> str:
    """The one line that is said about it."""
    done = deadkey(*arguments, cwd=cwd, data=data)
    assert done.returncode == status, done.stderr.decode(errors="replace")
    assert done.stdout == b""
    return one_line(done.stderr)


@pytest.mark.parametrize(
    "verb", [("scan", "git"), ("scan", "staged"), ("scan", "diff", "A..B"), ("scan", "diff", "--push"), ("audit",)]
)
def test_not_a_repository(tmp_path: Path, verb: tuple[str, ...]) -> None:
    assert "not a git repository" in refused(*verb, cwd=tmp_path)


@pytest.mark.parametrize(
    "arguments",
    [
        ("scan", "files", "gone"),
        ("scan", "logs", "gone"),
        ("scan", "env", "gone"),
        ("scan", "git", "gone"),
        ("scan", "staged", "gone"),
        ("audit", "gone"),
        ("scan", "stdin", "--rules", "gone"),
        ("scan", "stdin", "--baseline", "gone"),
        ("scan", "stdin", "--verify", "--config", "gone"),
        ("report", "gone"),
        ("revoke", "gone"),
        ("rules", "check", "gone"),
        ("rules", "show", "gone"),
        ("verify", "--rule", "gone"),
        ("baseline", "update", "--output", "gone"),
    ],
    ids=" ".join,
)
def test_what_is_missing_is_named(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    assert "gone" in refused(*arguments, cwd=tmp_path)


@pytest.mark.parametrize(
    "arguments",
    [
        ("scan", "stdin", "--output", "."),
        ("scan", "stdin", "--output", "no/such/folder"),
        ("scan", "stdin", "--baseline", "."),
        ("scan", "stdin", "--rules", "file"),
        ("scan", "stdin", "--rules", "empty"),
        ("scan", "stdin", "--verify", "--config", "."),
        ("scan", "git", "file"),
        ("scan", "diff", "."),
        ("report", "."),
        ("journal", "verify", "--journal", "."),
    ],
    ids=" ".join,
)
def test_a_folder_for_a_file_or_a_file_for_a_folder(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    (tmp_path / "file").write_bytes(b"x\n")
    (tmp_path / "empty").mkdir()
    refused(*arguments, cwd=tmp_path)


def test_a_closed_standard_input(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "scanner", "scan", "stdin"]
    done = subprocess.run(
        ["sh", "-c", 'exec "$@" <&-', "sh", *command],
        cwd=tmp_path,
        capture_output=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 2
    assert "standard input is closed" in one_line(done.stderr)


@pytest.mark.parametrize(
    "content, line",
    [
        (b"{", 1),
        (b"\0", 1),
        (b"# deadkey baseline 1 salt=xyz\n", 1),
        (b"# deadkey baseline 1 salt=00\n<<<<<<< HEAD\n", 2),
    ],
)
def test_a_baseline_that_is_none(tmp_path: Path, content: bytes, line: int) -> None:
    (tmp_path / "known").write_bytes(content)
    assert refused("scan", "stdin", "--baseline", "known", cwd=tmp_path).startswith(f"known:{line}: ")


@pytest.mark.parametrize(
    "content", [b"", b"{", b"\xff\xfe", b"[1, 2]", b'{"version": 7, "findings": []}', b"[" * 100_000]
)
def test_findings_that_are_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "found.json").write_bytes(content)
    done = deadkey("report", "found.json", cwd=tmp_path)
    if content:
        assert done.returncode == 2
        assert one_line(done.stderr).startswith("found.json: ")
    else:
        assert b"Traceback" not in done.stderr


# Rules and configuration ----------------------------------------------------------------------------------------------


def rules(folder: Path, text: str) -> Path:
    (folder / "rules").mkdir()
    (folder / "rules/acme.yaml").write_text(text)
    return folder


def test_rules_that_are_no_yaml(tmp_path: Path) -> None:
    said = refused("scan", "stdin", "--rules", "rules", cwd=rules(tmp_path, ACME.replace("provider: Acme", "a: [1, 2")))
    assert said.startswith("rules/acme.yaml:")
    assert "not valid YAML" in said


def test_an_unknown_key_names_file_line_rule_and_field(tmp_path: Path) -> None:
    text = ACME.replace("    severity: medium", "    severety: medium\n    severity: medium")
    line = text.splitlines().index("    severety: medium") + 1
    said = refused("scan", "stdin", "--rules", "rules", cwd=rules(tmp_path, text))
    assert said == f"rules/acme.yaml:{line}: rule acme-key: severety: unknown key"


@pytest.mark.parametrize(
    "old, new, told",
    [
        ("severity: medium", "severity: awful", "severity: "),
        ("pattern: '", "pattern: '(", "pattern"),
        ("confidence: low", "confidence: [low]", "confidence: "),
    ],
)
def test_a_wrong_value_names_its_rule_and_field(tmp_path: Path, old: str, new: str, told: str) -> None:
    text = ACME.replace(old, new)
    done = deadkey("scan", "stdin", "--rules", "rules", cwd=rules(tmp_path, text))
    assert done.returncode == 2
    first = done.stderr.decode().splitlines()[0]
    assert first.startswith("deadkey: rules/acme.yaml:")
    assert "rule acme-key" in first
    assert told in first
    assert b"Traceback" not in done.stderr


def test_every_fault_of_a_rule_file_is_told_at_once(tmp_path: Path) -> None:
    text = ACME.replace("severity: medium", "severity: awful").replace("confidence: low", "confidence: odd")
    done = deadkey("scan", "stdin", "--rules", "rules", cwd=rules(tmp_path, text))
    said = done.stderr.decode().splitlines()
    assert done.returncode == 2
    assert len(said) == 2
    assert all(line.startswith("deadkey: rules/acme.yaml:") for line in said)


@pytest.mark.parametrize(
    "text, told",
    [
        ("revoke: {mode: [", ":1: "),
        ("revoke:\n  mod: auto\n", ":2: revoke.mod: unknown; did you mean mode?"),
        ("revoke:\n  mode: maybe\n", ":2: revoke.mode: "),
        ("verify:\n  endpoints:\n    x: http://127.0.0.1:1\n", "verify.plain_http"),
        ("- a\n- b\n", ":1: the file: "),
        ("a: !!python/object/apply:os.system ['true']\n", ":1: "),
    ],
)
def test_a_configuration_that_is_wrong(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "config.yaml").write_text(text)
    said = refused("scan", "stdin", "--verify", "--config", "config.yaml", cwd=tmp_path, data=b"x")
    assert said.startswith(str(tmp_path / "config.yaml"))
    assert told in said


# Files ----------------------------------------------------------------------------------------------------------------


def test_a_broken_archive_is_named_and_the_rest_is_read(tmp_path: Path, token: Token) -> None:
    (tmp_path / "a.gz").write_bytes(b"\x1f\x8b\x08\0\0\0\0\0\0\x03 this is no deflate stream")
    (tmp_path / "b").write_bytes(token("b"))
    report = scan("files", ".", status=3, cwd=tmp_path)
    assert secrets(report) == [token("b")]
    assert [skip["path"] for skip in report["skipped"]] == ["./a.gz"]
    table = deadkey("scan", "files", ".", cwd=tmp_path)
    assert table.returncode == 3
    assert b"./a.gz: " in table.stdout
    assert b"1 file could not be read in full" in table.stdout


UNPRIVILEGED = """
import contextlib, io, os, sys
from scanner.__main__ import main
from scanner.ruleset import cache
rules = cache.get()
cache.get = lambda *_: rules
sys.argv = ["deadkey", "scan", "files", ".", "--format", "json"]
with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
    main()  # whatever it imports is read while that is allowed
if os.geteuid() == 0:
    os.setgroups([])
    os.setuid(65534)
main()
"""


def test_a_file_that_may_not_be_read_is_named_and_the_rest_is_read(tmp_path: Path, token: Token) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "open").write_bytes(token("open"))
    (tree / "secret").write_bytes(token("closed"))
    (tree / "secret").chmod(0)
    (tree / "folder").mkdir(mode=0)
    tree.chmod(0o755)
    driver = tmp_path / "driver.py"
    driver.write_text(UNPRIVILEGED)
    done = subprocess.run(
        [sys.executable, str(driver)], cwd=tree, capture_output=True, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    (tree / "folder").chmod(0o700)
    assert done.returncode == 3 and done.stdout, done.stderr.decode()
    report = json.loads(done.stdout)
    assert [f["locations"][0]["path"] for f in report["findings"]] == ["./open"]
    skipped = {skip["path"]: skip["reason"] for skip in report["skipped"]}
    assert set(skipped) == {"./secret", "./folder"}
    assert all("permission denied" in reason for reason in skipped.values())


@pytest.mark.parametrize("verb", ["files", "env", "logs"])
def test_fifos_and_loops_of_links_in_a_tree_hang_nothing(tmp_path: Path, token: Token, verb: str) -> None:
    (tmp_path / "a").mkdir()
    os.mkfifo(tmp_path / "a/pipe.env")
    os.symlink("loop.env", tmp_path / "a/loop.env")
    os.symlink("..", tmp_path / "a/up")
    (tmp_path / "a/z.env").write_bytes(b"T=" + token("z") + b"\n")
    assert places(scan(verb, "a", cwd=tmp_path), token("z")) == [("a/z.env", 1)]


@pytest.mark.parametrize("verb", ["files", "env", "logs"])
@pytest.mark.parametrize("name", ["pipe", "loop"])
def test_a_fifo_or_a_loop_by_name_is_reported_as_not_scanned(tmp_path: Path, verb: str, name: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    os.symlink("loop", tmp_path / "loop")
    report = scan(verb, name, status=3, cwd=tmp_path)
    assert [skip["path"] for skip in report["skipped"]] == [name]


def test_a_patch_without_a_diff(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_bytes(b"just words\n")
    assert refused("scan", "diff", "notes.txt", cwd=tmp_path) == "notes.txt holds no unified diff"


def test_a_repository_with_broken_objects_is_incomplete(repo: GitRepo, token: Token) -> None:
    repo.write("a", token("whole") + b"\n")
    repo.write("b", token("broken") + b"\n")
    repo.commit()
    oid = repo.git("rev-parse", "HEAD:b")
    broken = repo.path / ".git/objects" / oid[:2] / oid[2:]
    broken.chmod(0o644)
    broken.write_bytes(b"not an object")
    report = scan("git", str(repo.path), status=3)
    assert secrets(report) == [token("whole")]
    assert any(oid in skip["path"] + skip["reason"] for skip in report["skipped"])
