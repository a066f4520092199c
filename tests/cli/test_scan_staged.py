"""`deadkey scan staged`: what the next commit would add, as the hook sees it."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable

import pytest

from tests.cli.parts import ROOT, Token, places, scan, secrets
from tests.conftest import GitRepo, deadkey


def staged(repo: GitRepo, status: int = 1, **given: object) -> dict:  # type: ignore[type-arg]
    return scan("staged", status=status, cwd=repo.path, **given)


@pytest.fixture
def hooked(repo: GitRepo) -> GitRepo:
    """A repository whose commits pass through `deadkey scan staged`."""
    hook = repo.path / ".git/hooks/pre-commit"
    hook.parent.mkdir(exist_ok=True)
    command = shlex.join([sys.executable, "-m", "scanner", "scan", "staged"])
    hook.write_text(f"#!/bin/sh\nPYTHONPATH={shlex.quote(str(ROOT))} exec {command}\n")
    hook.chmod(0o755)
    return repo


def test_the_first_commit_of_a_repository(repo: GitRepo, token: Token) -> None:
    repo.write("settings.py", b"DEBUG = 1\nTOKEN = '" + token("a") + b"'\n")
    repo.git("add", "-A")
    assert places(staged(repo), token("a")) == [("settings.py", 2)]


def test_only_the_lines_that_a_commit_adds_count(repo: GitRepo, token: Token) -> None:
    lines = [b"# line %d\n" % n for n in range(30)]
    lines[14] = b"OLD = '" + token("old") + b"'\n"
    repo.write("a.py", b"".join(lines))
    repo.commit()
    lines[13] = b"# beside the old one\n"
    lines[20] = b"NEW = '" + token("new") + b"'\n"
    repo.write("a.py", b"".join(lines))
    repo.git("add", "-A")
    report = staged(repo)
    assert secrets(report) == [token("new")]
    assert places(report, token("new")) == [("a.py", 21)]


def test_what_is_not_staged_and_what_is_taken_out_do_not_count(repo: GitRepo, token: Token) -> None:
    repo.write("a", token("gone") + b"\n")
    repo.write("b", b"clean\n")
    repo.commit()
    repo.write("a", b"nothing any more\n")
    repo.git("add", "a")
    repo.write("b", token("unstaged") + b"\n")
    repo.write("c", token("untracked") + b"\n")
    assert secrets(staged(repo, 0)) == []


def test_nothing_to_say_means_nothing_is_said(repo: GitRepo) -> None:
    repo.write("a", b"clean\n")
    repo.git("add", "-A")
    done = deadkey("scan", "staged", cwd=repo.path)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_the_refusal_names_place_and_ways_on_and_hides_the_token(repo: GitRepo, token: Token) -> None:
    repo.write("a.py", b"x = 1\ntoken = '" + token("a") + b"'\n")
    repo.git("add", "-A")
    done = deadkey("scan", "staged", cwd=repo.path)
    said = done.stdout.decode()
    assert done.returncode == 1
    assert "a.py:2:10" in said
    assert "GitHub personal access token" in said
    assert "rotate the token" in said
    assert "deadkey:allow" in said
    assert token("a") not in done.stdout + done.stderr


@pytest.mark.parametrize("how", [["-a"], ["--", "a.py"], ["--include", "a.py"]])
def test_commits_with_an_index_of_their_own(hooked: GitRepo, token: Token, how: list[str]) -> None:
    hooked.write("a.py", b"x = 1\n")
    hooked.git("add", "-A")
    hooked.git("commit", "-q", "-m", "start")
    before = hooked.git("rev-parse", "HEAD")
    hooked.write("a.py", b"x = '" + token("a") + b"'\n")
    hooked.git("commit", "-q", "-m", "leak", *how, check=False)
    assert hooked.git("rev-parse", "HEAD") == before
    hooked.write("a.py", b"x = 2\n")
    hooked.git("commit", "-q", "-m", "clean", *how)
    assert hooked.git("rev-parse", "HEAD~1") == before


def test_a_commit_in_a_subfolder_of_a_linked_worktree(hooked: GitRepo, token: Token) -> None:
    hooked.commit("start")
    hooked.git("worktree", "add", "-q", "../linked")
    linked = GitRepo.__new__(GitRepo)
    linked.path = hooked.path.parent / "linked"
    linked.write("sub/a.py", b"x = '" + token("a") + b"'\n")
    linked.git("add", "-A")
    linked.git("-C", "sub", "commit", "-q", "-m", "leak", check=False)
    assert linked.git("log", "--format=%s") == "start"
    linked.write("sub/a.py", b"x = 1\n")
    linked.git("add", "-A")
    linked.git("-C", "sub", "commit", "-q", "-m", "clean")
    assert linked.git("log", "--format=%s") == "clean\nstart"


def test_in_a_subfolder_paths_count_from_the_top(repo: GitRepo, token: Token) -> None:
    repo.write("sub/inner.py", token("in") + b"\n")
    repo.write("outer.py", token("out") + b"\n")
    repo.git("add", "-A")
    report = scan("staged", cwd=repo.path / "sub")
    assert places(report, token("in")) == [("sub/inner.py", 1)]
    assert places(report, token("out")) == [("outer.py", 1)]


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"\0\1\2\xff\n\0TOKEN=%s\0\n", id="binary"),
        pytest.param(b"first\r\nTOKEN=%s\r\n", id="CRLF"),
        pytest.param(b"first\nTOKEN=%s", id="no newline at the end"),
        pytest.param(b"\xef\xbb\xbffirst\nTOKEN=%s\n", id="byte order mark"),
    ],
)
def test_whatever_the_file_looks_like(repo: GitRepo, token: Token, content: bytes) -> None:
    repo.write("file", content % token("a"))
    repo.git("add", "-A")
    assert places(staged(repo), token("a")) == [("file", 2)]


@pytest.mark.parametrize(
    "attributes", [b"* -diff\n", b"* binary\n", b"* diff=odd -text\n", b"* text eol=crlf\n", b"* export-ignore\n"]
)
def test_attributes_hide_nothing(repo: GitRepo, token: Token, attributes: bytes) -> None:
    repo.write(".gitattributes", attributes)
    repo.write("a.txt", b"one\n" + token("a") + b"\n")
    repo.git("add", "-A")
    assert places(staged(repo), token("a")) == [("a.txt", 2)]


@pytest.mark.parametrize(
    "setting",
    [
        ("core.bigFileThreshold", "1"),
        ("diff.context", "0"),
        ("diff.noprefix", "true"),
        ("diff.mnemonicPrefix", "true"),
        ("diff.renames", "copies"),
        ("diff.suppressBlankEmpty", "true"),
        ("color.ui", "always"),
        ("color.diff.new", "red"),
        ("diff.wordRegex", "."),
        ("diff.colorMoved", "zebra"),
        ("diff.relative", "true"),
        ("core.quotePath", "false"),
    ],
    ids=lambda s: s[0],
)
def test_settings_of_the_repository_hide_nothing(repo: GitRepo, token: Token, setting: tuple[str, str]) -> None:
    repo.write("sub/a.txt", b"one\n\ntwo\n")
    repo.commit()
    repo.git("config", *setting)
    repo.write("sub/a.txt", b"one\n\ntwo\n" + token("a") + b"\n")
    repo.git("add", "-A")
    assert places(scan("staged", cwd=repo.path / "sub"), token("a")) == [("sub/a.txt", 4)]


def test_a_token_added_to_a_renamed_file(repo: GitRepo, token: Token) -> None:
    body = b"".join(b"line %d of a file\n" % n for n in range(40))
    repo.write("old.txt", body)
    repo.commit()
    repo.git("mv", "old.txt", "new.txt")
    repo.write("new.txt", body + b"T=" + token("a") + b"\n")
    repo.git("add", "-A")
    assert places(staged(repo), token("a")) == [("new.txt", 41)]


def test_a_submodule_beside_a_token(repo: GitRepo, new_repo: Callable[[str], GitRepo], token: Token) -> None:
    other = new_repo("other")
    other.write("inside", token("inside") + b"\n")
    other.commit()
    repo.commit("start")
    repo.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(other.path), "lib")
    assert secrets(staged(repo, 0)) == []
    repo.commit("submodule")
    other.write("inside", b"x\n")
    other.commit()
    repo.git("-C", "lib", "-c", "protocol.file.allow=always", "pull", "-q")
    repo.write("a", token("a") + b"\n")
    repo.git("add", "-A")
    assert repo.git("diff", "--cached", "--name-only").split() == ["a", "lib"]
    assert secrets(staged(repo)) == [token("a")]


NAMES = [
    b"with space.txt",
    b" leading and trailing ",
    b"new\nline.txt",
    b"tab\there",
    b'"quoted".txt',
    b"back\\slash",
    "grüße-日本.txt".encode(),
    b"a b/ b b/c b",
    b"-rf",
    b":(top)x",
    b"b/a",
]
if sys.platform == "linux":
    NAMES.append(b"caf\xe9.txt")  # elsewhere a name is text


@pytest.mark.parametrize("name", NAMES)
def test_names_of_files(repo: GitRepo, token: Token, name: bytes) -> None:
    repo.write(name, b"one\n" + token("a") + b"\n")
    repo.git("add", "-A")
    assert places(staged(repo), token("a")) == [(os.fsdecode(name), 2)]


def test_a_merge_with_conflicts_solved(repo: GitRepo, token: Token) -> None:
    repo.write("a", b"one\n")
    repo.commit("start")
    repo.git("checkout", "-q", "-b", "side")
    repo.write("a", b"side\n")
    repo.commit("side")
    repo.git("checkout", "-q", "main")
    repo.write("a", b"main\n")
    repo.commit("main")
    repo.git("merge", "side", check=False)
    repo.write("a", b"both " + token("merge") + b"\n")
    repo.git("add", "a")
    assert places(staged(repo), token("merge")) == [("a", 1)]


def test_a_repository_named_by_its_folder(repo: GitRepo, token: Token) -> None:
    repo.write("a", token("a") + b"\n")
    repo.git("add", "-A")
    assert places(scan("staged", str(repo.path)), token("a")) == [("a", 1)]
