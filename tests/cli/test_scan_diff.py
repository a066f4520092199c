"""`deadkey scan diff`: what a range of commits, a patch or a push adds."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.parts import ROOT, Token, locations, one_line, places, scan, secrets
from tests.conftest import GitRepo, deadkey

NONE = "0" * 40


@pytest.fixture
def history(repo: GitRepo, token: Token) -> GitRepo:
    """Tags v0 to v3: a token before the range, one added in v1 and taken out in v2, and one added in v3."""
    repo.write("old.py", b"OLD = '" + token("old") + b"'\n")
    repo.commit("start")
    repo.git("tag", "v0")
    repo.write("a.py", b"# a\nA = '" + token("brief") + b"'\n")
    repo.commit(
        "leak", GIT_AUTHOR_NAME="Lee Leaker", GIT_AUTHOR_EMAIL="lee@acme.dev", GIT_AUTHOR_DATE="2024-07-01T10:00:00Z"
    )
    repo.git("tag", "v1")
    repo.write("a.py", b"# a\n")
    repo.write("old.py", b"# one more line\nOLD = '" + token("old") + b"'\n")
    repo.commit("remove")
    repo.git("tag", "v2")
    repo.write("b.py", b"B = '" + token("late") + b"'\n")
    repo.commit("late")
    repo.git("tag", "v3")
    return repo


@pytest.mark.parametrize("dots", ["..", "..."])
def test_a_token_that_came_and_went_within_the_range(history: GitRepo, token: Token, dots: str) -> None:
    report = scan("diff", f"v0{dots}v3", cwd=history.path)
    assert secrets(report) == sorted([token("brief"), token("late")])
    (place,) = locations(report, token("brief"))
    assert (place["path"], place["start_line"]) == ("a.py", 2)
    assert place["commit"] == history.git("rev-parse", "v1")
    assert place["author"] == "Lee Leaker <lee@acme.dev>"
    assert place["date"].startswith("2024-07-01T10:00:00")


@pytest.mark.parametrize(
    "named, wanted",
    [("v0..v1", ["brief"]), ("v1..v2", []), ("v2..v3", ["late"]), ("v2..", ["late"]), ("v3..v3", []), ("v3..v0", [])],
)
def test_only_what_the_range_adds(history: GitRepo, token: Token, named: str, wanted: list[str]) -> None:
    report = scan("diff", named, status=1 if wanted else 0, cwd=history.path)
    assert secrets(report) == [token(name) for name in wanted]


def test_three_dots_mean_what_the_second_side_has_alone(history: GitRepo, token: Token) -> None:
    history.git("checkout", "-q", "-b", "side", "v0")
    history.write("side.py", token("side") + b"\n")
    history.commit("side")
    assert secrets(scan("diff", "main...side", cwd=history.path)) == [token("side")]


def test_a_merge_counts_for_what_no_parent_had(history: GitRepo, token: Token) -> None:
    history.git("checkout", "-q", "-b", "side", "v0")
    history.write("side.py", b"clean\n")
    history.commit("side")
    history.git("merge", "-q", "--no-commit", "main")
    history.write("b.py", b"B = '" + token("late") + b"'\nEVIL = '" + token("evil") + b"'\n")
    merge = history.commit("merge")
    report = scan("diff", "main..side", cwd=history.path)
    assert secrets(report) == [token("evil")]
    (place,) = locations(report, token("evil"))
    assert (place["path"], place["start_line"], place["commit"]) == ("b.py", 2, merge)


def test_a_repository_elsewhere(history: GitRepo, token: Token, tmp_path: Path) -> None:
    report = scan("diff", "v2..v3", "--repo", str(history.path), cwd=tmp_path)
    assert places(report, token("late")) == [("b.py", 1)]


@pytest.mark.parametrize("how", ["file", "stdin"])
@pytest.mark.parametrize("made", [("diff", "v0", "v3"), ("format-patch", "--stdout", "v0..v3")])
def test_a_patch(history: GitRepo, token: Token, tmp_path: Path, how: str, made: tuple[str, ...]) -> None:
    patch = history.git(*made).encode() + b"\n"
    (tmp_path / "some.patch").write_bytes(patch)
    arguments, data = (["some.patch"], b"") if how == "file" else (["-"], patch)
    report = scan("diff", *arguments, cwd=tmp_path, data=data)
    brief = [token("brief")] if made[0] == "format-patch" else []
    assert secrets(report) == sorted([token("late"), *brief])
    assert places(report, token("late")) == [("b.py", 1)]


def test_a_patch_that_takes_a_token_out(history: GitRepo) -> None:
    assert secrets(scan("diff", "-", status=0, data=history.git("diff", "v1", "v2").encode() + b"\n")) == []


def test_a_patch_that_breaks_off_is_incomplete(history: GitRepo, token: Token) -> None:
    patch = history.git("diff", "v2", "v3").replace("@@ -0,0 +1 @@", "@@ -0,0 +1,9 @@").encode()
    report = scan("diff", "-", status=3, data=patch + b"\n")
    assert secrets(report) == [token("late")]
    assert [skip["path"] for skip in report["skipped"]] == ["b.py"]


@pytest.mark.parametrize("named", ["nowhere..v1", "v0..nowhere", "..--all", "--output=made..v1", "--no-index..v1"])
def test_a_revision_that_is_not_known(history: GitRepo, named: str) -> None:
    done = deadkey("scan", "diff", "--", named, cwd=history.path)
    assert done.returncode == 2
    assert "rev-list" in one_line(done.stderr)
    assert not (history.path / "made..v1").exists()


def test_neither_a_range_nor_a_file(history: GitRepo) -> None:
    done = deadkey("scan", "diff", "missing.patch", cwd=history.path)
    assert done.returncode == 2
    assert "missing.patch" in one_line(done.stderr)


# Pushes ---------------------------------------------------------------------------------------------------------------


def push_line(repo: GitRepo, local: str, remote: str | None, ref: str = "refs/heads/main") -> bytes:
    """A line of a pre-push hook's standard input (githooks(5))."""
    old = repo.git("rev-parse", remote) if remote else NONE
    return f"{ref} {repo.git('rev-parse', local)} {ref} {old}\n".encode()


def push(repo: GitRepo, *lines: bytes, status: int = 1) -> dict:  # type: ignore[type-arg]
    return scan("diff", "--push", status=status, cwd=repo.path, data=b"".join(lines))


def test_a_push_as_pre_commit_tells_it(history: GitRepo, token: Token) -> None:
    def pushed(old: str, new: str, status: int) -> dict:  # type: ignore[type-arg]
        refs = {
            "PRE_COMMIT_FROM_REF": history.git("rev-parse", old),
            "PRE_COMMIT_TO_REF": history.git("rev-parse", new),
        }
        return scan("diff", "--push", status=status, cwd=history.path, **refs)

    report = pushed("v0", "v2", 1)
    assert secrets(report) == [token("brief")]
    assert locations(report, token("brief"))[0]["commit"] == history.git("rev-parse", "v1")
    assert secrets(pushed("v1", "v2", 0)) == []


def test_a_push_to_a_branch_as_git_tells_it(history: GitRepo, token: Token) -> None:
    assert secrets(push(history, push_line(history, "v2", "v0"))) == [token("brief")]
    assert secrets(push(history, push_line(history, "v2", "v1"), status=0)) == []


def test_a_push_of_a_new_branch_counts_what_no_remote_has(history: GitRepo, token: Token) -> None:
    history.git("update-ref", "refs/remotes/origin/main", "v2")
    line = push_line(history, "v3", None, "refs/heads/new")
    assert secrets(push(history, line)) == [token("late")]
    history.git("update-ref", "-d", "refs/remotes/origin/main")
    assert secrets(push(history, line)) == sorted(token(x) for x in ("old", "brief", "late"))


def test_a_push_of_several_refs(history: GitRepo, token: Token) -> None:
    history.git("checkout", "-q", "-b", "side", "v0")
    history.write("side.py", token("side") + b"\n")
    history.commit("side")
    clean = push_line(history, "v2", "v1")
    side = push_line(history, "side", "v0", "refs/heads/side")
    late = push_line(history, "v3", "v2", "refs/heads/late")
    assert secrets(push(history, clean, side)) == [token("side")]
    assert secrets(push(history, side, late)) == sorted([token("side"), token("late")])


def test_a_branch_that_is_only_deleted(history: GitRepo) -> None:
    line = f"(delete) {NONE} refs/heads/side {history.git('rev-parse', 'v0')}\n".encode()
    done = deadkey("scan", "diff", "--push", cwd=history.path, data=line)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_a_push_over_commits_that_are_not_here_falls_back_to_what_the_remotes_have(
    history: GitRepo, token: Token
) -> None:
    history.git("update-ref", "refs/remotes/origin/main", "v2")
    line = f"refs/heads/main {history.git('rev-parse', 'v3')} refs/heads/main {'1' * 40}\n".encode()
    assert secrets(push(history, line)) == [token("late")]


def test_a_real_push_through_git_s_own_hook(history: GitRepo, new_repo: Callable[[str], GitRepo], token: Token) -> None:
    hook = history.path / ".git/hooks/pre-push"
    hook.parent.mkdir(exist_ok=True)
    command = shlex.join([sys.executable, "-m", "scanner", "scan", "diff", "--push"])
    hook.write_text(f"#!/bin/sh\nPYTHONPATH={shlex.quote(str(ROOT))} exec {command}\n")
    hook.chmod(0o755)
    bare = new_repo("server")
    bare.git("config", "core.bare", "true")
    history.git("remote", "add", "origin", str(bare.path / ".git"))

    def branches() -> list[str]:
        return bare.git("for-each-ref", "--format=%(refname:short)").split()

    history.git("push", "-q", "origin", "v3:refs/heads/main", check=False)
    assert branches() == []
    history.git("push", "-q", "--no-verify", "origin", "v2:refs/heads/main")
    history.git("push", "-q", "origin", "v3:refs/heads/main", check=False)
    assert bare.git("rev-parse", "main") == history.git("rev-parse", "v2")
    history.git("checkout", "-q", "-b", "clean", "v2")
    history.write("c.py", b"clean\n")
    history.commit("clean")
    history.git("push", "-q", "origin", "clean")
    assert branches() == ["clean", "main"]
    history.git("push", "-q", "origin", "clean", "v3:refs/heads/late", "v2:refs/heads/two", check=False)
    assert branches() == ["clean", "main"]
