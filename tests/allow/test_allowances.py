"""Allowances: each condition by itself and together, a repository's own and the user's, and when they are stale."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from scanner.allow.allowances import counted
from tests.cli.parts import Token, one_line, scan, secrets
from tests.conftest import GitRepo, deadkey


@pytest.fixture
def leaky(repo: GitRepo, token: Token) -> GitRepo:
    """A token in the source, another in a fixture."""
    repo.write("src/a.py", b"t = '" + token("source") + b"'\n")
    repo.write("tests/fixtures/b.py", b"t = '" + token("fixture") + b"'\n")
    repo.commit()
    return repo


def allow(repo: GitRepo, text: str, name: str = ".deadkey.yaml") -> None:
    repo.write(name, b"allowances:\n  - " + text.replace("\n", "\n    ").encode() + b"\n    reason: made up\n")


def found(repo: GitRepo, *arguments: str, cwd: Path | None = None, status: int = 1) -> list[bytes]:
    return secrets(scan(*(arguments or ("git",)), status=status, cwd=cwd or repo.path))


@pytest.mark.parametrize(
    "text",
    [
        "paths: [fixtures/]",
        "paths: [/tests/**/b.py]",
        "paths: ['*.py', '!src/*.py']",
        "path_patterns: ['^tests/.*b\\.py$']",
        "{rules: ['github-*'], paths: [tests/]}".strip("{}").replace("], ", "]\n"),
    ],
)
@pytest.mark.parametrize("verb", [("git",), ("files", "."), ("audit",)])
def test_a_path_counts_from_the_top(leaky: GitRepo, token: Token, text: str, verb: tuple[str, ...]) -> None:
    allow(leaky, text)
    given: dict[str, Any] = {"verb": "audit"} if verb == ("audit",) else {}
    arguments = ("--no-verify",) if given else verb
    assert secrets(scan(*arguments, cwd=leaky.path, **given)) == [token("source")]


@pytest.mark.parametrize("where", ["absolute", "from a folder below", "from outside"])
def test_wherever_the_scan_is_started(leaky: GitRepo, token: Token, tmp_path: Path, where: str) -> None:
    allow(leaky, "paths: [/tests/fixtures/]")
    path, cwd = {
        "absolute": (str(leaky.path), tmp_path),
        "from a folder below": ("../tests", leaky.path / "src"),
        "from outside": (leaky.path.name, tmp_path),
    }[where]
    wanted = [] if where == "from a folder below" else [token("source")]
    assert found(leaky, "files", path, cwd=cwd, status=1 if wanted else 0) == wanted


def test_a_value_a_commit_and_a_fingerprint(leaky: GitRepo, token: Token) -> None:
    report = scan("git", cwd=leaky.path)
    fixture = next(f for f in report["findings"] if f["secret"].encode() == token("fixture"))
    commit = fixture["locations"][0]["commit"]
    for text in (
        f"values: ['^{token('fixture').decode()[:12]}']",
        f"fingerprints: [{fixture['fingerprint']}]",
        f"commits: [{commit[:12].upper()}]\nrules: [github-pat]\npaths: [tests/]",
    ):
        allow(leaky, text)
        assert found(leaky) == [token("source")], text
    allow(leaky, f"commits: [{commit}]")
    assert found(leaky, status=0) == []


def test_every_condition_must_hold(leaky: GitRepo, token: Token) -> None:
    allow(leaky, "paths: [tests/]\nrules: [aws-*]")
    assert len(found(leaky)) == 2


def test_what_is_staged_is_allowed_as_well(leaky: GitRepo, token: Token) -> None:
    allow(leaky, "paths: [tests/]")
    leaky.write("tests/c.py", b"t = '" + token("c") + b"'\n")
    leaky.git("add", "-A")
    assert found(leaky, "staged", status=0) == []


def test_the_users_own_configuration_allows_too(leaky: GitRepo, token: Token, clean_user: Path) -> None:
    folder = clean_user / ".config/deadkey"
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text("allowances:\n  - {paths: [tests/], reason: never real}\n")
    assert found(leaky) == [token("source")]
    (folder / "config.yaml").write_text("allowances:\n  - {paths: [elsewhere/], reason: never real}\n")
    assert deadkey("scan", "git", cwd=leaky.path).stderr == b"", (
        "what covers nothing here may cover something elsewhere"
    )


def told(repo: GitRepo, *arguments: str) -> str:
    return deadkey("scan", *(arguments or ("git",)), cwd=repo.path).stderr.decode()


def test_what_covers_nothing_is_told_by_a_whole_scan(leaky: GitRepo) -> None:
    allow(leaky, "paths: [gone/]")
    warning = "deadkey: .deadkey.yaml:2: this allowance covers nothing any more: remove it (made up)\n"
    assert told(leaky) == told(leaky, "files", ".") == warning
    for partly in (("staged",), ("files", "src"), ("git", "--only", "aws-*"), ("git", "--branch", "main")):
        assert told(leaky, *partly) == "", partly


def test_what_has_expired_is_told_and_reported(leaky: GitRepo, token: Token) -> None:
    allow(leaky, "paths: [tests/]\nuntil: 2001-02-03")
    assert len(found(leaky)) == 2
    assert "expired on 2001-02-03: what it covered is reported again (made up)\n" in told(leaky)
    assert "expired on 2001-02-03" in told(leaky, "staged")
    allow(leaky, "paths: [tests/]\nuntil: 9999-12-31")
    assert found(leaky) == [token("source")]


@pytest.mark.parametrize(
    "text",
    [
        "revoke: {mode: auto}",
        "verify: {hosts: [evil.example]}",
        "credentials: {a.b: {command: [touch, pwned]}}",
        "fingerprint_key: {command: [touch, pwned]}",
    ],
)
def test_a_repository_causes_no_action(leaky: GitRepo, text: str) -> None:
    leaky.write(".deadkey.yaml", text.encode() + b"\n")
    done = deadkey("scan", "git", cwd=leaky.path)
    assert done.returncode == 1
    line = one_line(done.stderr)
    assert f"/.deadkey.yaml:1: {text.partition(':')[0]}: belongs in your own configuration" in line
    assert not (leaky.path / "pwned").exists()
    assert len(found(leaky, "git", "--no-repo-config")) == 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("- paths: [a]", ":2: allowances.0.reason: Field required"),
        ("- reason: x", ":2: allowances.0: say what is allowed"),
        ("- {reason: x, paths: [a], path: b}", ":2: allowances.0.path: unknown; did you mean paths?"),
        ("- {reason: x, values: ['(']}", ":2: allowances.0.values: not a pattern"),
        ("- {reason: x, paths: ['']}", ":2: allowances.0.paths.0: "),
        ("- {reason: x, paths: ['# a']}", "not a pattern of paths"),
        ("- {reason: x, commits: [abc]}", ":2: allowances.0.commits.0: "),
        ("- {reason: x, paths: [a], until: soon}", ":2: allowances.0.until: "),
        ("[" * 100_000, "nested too deep"),
    ],
)
def test_mistakes_are_named(leaky: GitRepo, text: str, said: str) -> None:
    leaky.write(".deadkey.yaml", f"allowances:\n  {text}\n".encode())
    done = deadkey("scan", "git", cwd=leaky.path)
    assert done.returncode == 1
    assert said in one_line(done.stderr)


def test_a_pipe_a_link_or_a_folder_is_not_read(leaky: GitRepo) -> None:
    file = leaky.path / ".deadkey.yaml"
    for make in (os.mkfifo, Path.mkdir, lambda path: path.symlink_to("/dev/zero")):
        make(file)
        done = deadkey("scan", "git", cwd=leaky.path)
        assert done.returncode == 1
        assert "--no-repo-config does without it" in one_line(done.stderr)
        file.rmdir() if file.is_dir() else file.unlink()


@pytest.mark.parametrize("condition", [r"values: ['^(\w|\w\w|.)*[#!]$']", r"path_patterns: ['^(\w|\w\w|.)*[#!]$']"])
def test_a_pattern_that_takes_too_long_allows_nothing(repo: GitRepo, token: Token, condition: str) -> None:
    name = "a" * 200
    repo.write(name, b"".join(b"t = '" + token(str(n)) + b"'\n" for n in range(20)))
    repo.commit()
    allow(repo, condition)
    done = deadkey("scan", "git", "--format", "json", cwd=repo.path)
    assert done.returncode == 1
    assert done.stdout.count(b'"fingerprint"') == 20
    assert b".deadkey.yaml:2: this allowance is not used: its patterns take too long" in done.stderr


@pytest.mark.parametrize(
    ("path", "base", "counts"),
    [
        ("a/b", "/r", "a/b"),
        ("./b", "/r/a", "a/b"),
        ("../b", "/r/a", "b"),
        ("/r/a/b", "/x", "a/b"),
        ("/x/b", "/r", "/x/b"),
        ("", "/r", ""),
    ],
)
def test_what_a_path_counts_from(path: str, base: str, counts: str) -> None:
    assert counted(path, base, "/r") == counts
