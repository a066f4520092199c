"""The hooks that .pre-commit-hooks.yaml offers, run by the pre-commit framework on real commits and pushes."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.cli.parts import ROOT, Token
from tests.conftest import GIT_AUTHOR, GitRepo


def hooks() -> list[dict]:  # type: ignore[type-arg]
    offered: list[dict] = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())  # type: ignore[type-arg]
    return offered


class Hooked:
    """A repository with both hooks installed by pre-commit, and a bare one to push to."""

    def __init__(self, repo: GitRepo, bare: GitRepo, home: Path) -> None:
        self.repo, self.bare = repo, bare
        self.environment = {**os.environ, **GIT_AUTHOR, "PYTHONPATH": str(ROOT), "PRE_COMMIT_HOME": str(home)}
        offered = []
        for hook in hooks():
            # As offered, but for where the command comes from: an installation of it needs a package index.
            program, _, rest = hook["entry"].partition(" ")
            assert program == "deadkey"
            entry = f"{shlex.quote(sys.executable)} -m scanner {rest}"
            offered.append({**hook, "language": "system", "entry": entry})
        document = {"repos": [{"repo": "local", "hooks": offered}]}
        repo.write(".pre-commit-config.yaml", yaml.safe_dump(document).encode())
        repo.commit("start")
        bare.git("config", "core.bare", "true")
        repo.git("remote", "add", "origin", str(bare.path / ".git"))
        kinds = [word for kind in ("pre-commit", "commit-msg", "pre-push") for word in ("--hook-type", kind)]
        self.run(sys.executable, "-m", "pre_commit", "install", *kinds)

    def run(self, *command: str, status: int | None = 0) -> str:
        done = subprocess.run(
            command,
            cwd=self.repo.path,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        said = done.stdout.decode()
        assert done.returncode == status, said
        return said

    def commit(self, name: str, content: bytes, status: int = 0) -> str:
        self.repo.write(name, content)
        self.repo.git("add", "-A")
        return self.run("git", "commit", "-m", name, status=status)

    def commit_unchecked(self, name: str, content: bytes) -> None:
        self.repo.write(name, content)
        self.repo.git("add", "-A")
        self.repo.git("commit", "-q", "--no-verify", "-m", name)

    def push(self, *what: str, status: int = 0) -> str:
        return self.run("git", "push", "origin", *what, status=status)

    def pushed(self) -> list[str]:
        return self.bare.git("for-each-ref", "--format=%(refname:short)").split()


@pytest.fixture
def hooked(repo: GitRepo, new_repo: Callable[[str], GitRepo], tmp_path: Path) -> Hooked:
    return Hooked(repo, new_repo("server"), tmp_path / "pre-commit")


def test_commits(hooked: Hooked, token: Token) -> None:
    line = b"t = '" + token("a") + b"'"
    said = hooked.commit("leak.py", b"x = 1\n" + line + b"\n", status=1)
    assert "deadkey (staged changes)" in said
    assert "leak.py:2:6" in said
    assert "take it out of the change, and rotate the token" in said
    assert "put deadkey:allow in a comment on that line" in said
    assert token("a").decode() not in said
    assert hooked.repo.git("log", "--format=%s") == "start"
    said = hooked.commit("leak.py", b"x = 1\n" + line + b"  # deadkey:allow\n")
    assert "Passed" in said
    assert "Passed" in hooked.commit("clean.py", b"y = 1\n")
    assert hooked.repo.git("log", "--format=%s") == "clean.py\nleak.py\nstart"


def test_messages(hooked: Hooked, token: Token) -> None:
    hooked.repo.write("a.py", b"x = 1\n")
    hooked.repo.git("add", "-A")
    said = hooked.run("git", "commit", "-m", f"with {token('m').decode()}", status=1)
    assert "deadkey (commit message)" in said
    assert "COMMIT_EDITMSG:1:6" in said
    assert token("m").decode() not in said
    assert "Passed" in hooked.run("git", "commit", "-m", "with nothing")


def test_a_commit_of_some_files_only(hooked: Hooked, token: Token) -> None:
    hooked.commit("a.py", b"x = 1\n")
    hooked.repo.write("a.py", b"x = 2\n")
    hooked.repo.write("b.py", b"t = '" + token("b") + b"'\n")
    hooked.repo.git("add", "b.py")
    hooked.run("git", "commit", "-m", "only a", "a.py")
    hooked.run("git", "commit", "-a", "-m", "all", status=1)
    assert hooked.repo.git("log", "-1", "--format=%s") == "only a"


def test_pushes(hooked: Hooked, token: Token) -> None:
    hooked.push("main")
    hooked.commit_unchecked("leak.py", b"t = '" + token("a") + b"'\n")
    leak = hooked.repo.git("rev-parse", "--short=8", "HEAD")
    hooked.commit_unchecked("leak.py", b"# gone\n")
    said = hooked.push("main", status=1)
    assert "deadkey (pushed commits)" in said
    assert "leak.py:1:6" in said
    assert "rotate the token" in said
    assert token("a").decode() not in said
    assert hooked.bare.git("log", "--format=%s", "main") == "start"
    assert leak
    hooked.repo.git("reset", "-q", "--hard", "origin/main")
    hooked.commit("clean.py", b"y = 1\n")
    hooked.push("main")
    assert hooked.bare.git("log", "--format=%s", "main") == "clean.py\nstart"
    hooked.repo.git("checkout", "-q", "-b", "topic")
    hooked.commit_unchecked("late.py", b"t = '" + token("late") + b"'\n")
    assert "late.py:1:6" in hooked.push("topic", status=1)
    assert hooked.pushed() == ["main"]


def test_the_first_push_of_a_whole_history(hooked: Hooked, token: Token) -> None:
    hooked.commit_unchecked("leak.py", b"t = '" + token("a") + b"'\n")
    hooked.commit_unchecked("leak.py", b"# gone\n")
    assert "leak.py:1:6" in hooked.push("main", status=1)
    assert hooked.pushed() == []


def test_the_first_push_of_a_branch_that_is_not_checked_out(hooked: Hooked, token: Token) -> None:
    hooked.repo.git("checkout", "-q", "-b", "leaky")
    hooked.commit_unchecked("leak.py", b"t = '" + token("a") + b"'\n")
    hooked.repo.git("checkout", "-q", "main")
    assert "leak.py:1:6" in hooked.push("leaky", status=1)
    assert hooked.pushed() == []


def test_every_hook_runs_whatever_the_change_is() -> None:
    for hook in hooks():
        assert hook["always_run"] is True
        # git names the message's file to a commit-msg hook; for the others, names would be of no use
        assert hook.get("pass_filenames", True) is (hook["stages"] == ["commit-msg"])
