"""Marks in the scanned text say that a secret is meant to stand there."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.parts import Token, places, scan, secrets
from tests.conftest import GitRepo, deadkey


def found(folder: Path, line: bytes, before: bytes = b"", after: bytes = b"", status: int = 1) -> list[bytes]:
    (folder / "a.py").write_bytes(b"x = 1\n" + before + line + b"\n" + after)
    return secrets(scan("files", "a.py", status=status, cwd=folder))


MARKS = [
    b"# deadkey:allow",
    b"// DeadKey:Allow",
    b"/* deadkey:allow[github-pat] */",
    b"# deadkey:allow[aws-*, github-*]",
    b"# deadkey:allow[*]",
    b"# gitleaks:allow",
    b"# betterleaks:allow",
    b"# trufflehog:ignore",
    b"# pragma: allowlist secret",
    b"# pragma: whitelist secret",
    b"<!-- pragma: allowlist secret -->",
]


def test_a_mark_on_the_line(tmp_path: Path, token: Token) -> None:
    lines = [b"t = '" + token(str(n)) + b"'" for n in range(len(MARKS))]
    everything = sorted(token(str(n)) for n in range(len(MARKS)))
    assert found(tmp_path, b"\n".join(lines)) == everything
    assert found(tmp_path, b"\n".join(a + b"  " + b for a, b in zip(lines, MARKS, strict=True)), status=0) == []
    assert found(tmp_path, b"\n".join(b + b"  " + a for a, b in zip(lines, MARKS, strict=True)), status=0) == []


def test_a_mark_on_another_line_is_none(tmp_path: Path, token: Token) -> None:
    lines = [b + b"\nt = '" + token(str(n)) + b"'\n" + b for n, b in enumerate(MARKS)]
    assert found(tmp_path, b"\n".join(lines)) == sorted(token(str(n)) for n in range(len(MARKS)))


@pytest.mark.parametrize(
    "mark", [b"# deadkey:allow[aws-*]", b"# deadkey:allow[]", b"# deadkey: allow", b"# nosec", b"# allowlist"]
)
def test_what_is_no_mark_for_this_rule(tmp_path: Path, token: Token, mark: bytes) -> None:
    assert found(tmp_path, b"t = '" + token("a") + b"'  " + mark) == [token("a")]


def test_the_mark_for_the_next_line_is_for_that_line_alone(tmp_path: Path, token: Token) -> None:
    mark = b"# pragma: allowlist nextline secret\n"
    first, second = b"t = '" + token("a") + b"'", b"u = '" + token("b") + b"'\n"
    assert found(tmp_path, first, before=mark, status=0) == []
    assert found(tmp_path, first, before=mark, after=second) == [token("b")]
    assert found(tmp_path, first + b"  " + mark.strip()) == [token("a")]


def test_an_allowed_place_does_not_allow_another(tmp_path: Path, token: Token) -> None:
    (tmp_path / "a.py").write_bytes(b"t = '" + token("a") + b"'  # deadkey:allow\r\nu = '" + token("a") + b"'\r\n")
    report = scan("files", "a.py", cwd=tmp_path)
    assert places(report, token("a")) == [("a.py", 2)]
    assert report["statistics"]["allowed"] == 1


def test_two_tokens_on_one_marked_line(tmp_path: Path, token: Token) -> None:
    line = b"t = ['" + token("a") + b"', '" + token("b") + b"']"
    assert found(tmp_path, line) == sorted([token("a"), token("b")])
    assert found(tmp_path, line + b"  # deadkey:allow", status=0) == []


def test_a_mark_that_stands_in_the_context_of_a_diff(repo: GitRepo, token: Token) -> None:
    """The mark stands on a line that was there before, the token on the new one below it."""
    repo.write("a.py", b"x = 1\n# pragma: allowlist nextline secret\n\n")
    repo.commit()
    repo.write("a.py", b"x = 1\n# pragma: allowlist nextline secret\nt = '" + token("a") + b"'\n")
    repo.git("add", "-A")
    assert deadkey("scan", "staged", cwd=repo.path).returncode == 0


@pytest.mark.parametrize("verb", ["staged", "git", "env", "stdin", "logs", "diff"])
def test_marks_count_for_every_source(repo: GitRepo, token: Token, verb: str) -> None:
    repo.commit("start")
    text = b"T=" + token("a") + b" # deadkey:allow\n"
    repo.write(".env", text)
    arguments = {"env": [".env"], "logs": [".env"], "diff": ["HEAD~1.."]}.get(verb, [])
    repo.git("add", "-A")
    if verb != "staged":
        repo.commit()
    report = scan(verb, *arguments, status=0, cwd=repo.path, data=text)
    assert report["statistics"]["allowed"] == 1
