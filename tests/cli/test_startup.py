"""A commit does not wait for what its check does not need."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.cli.parts import ROOT, Token
from tests.conftest import GitRepo, deadkey

HEAVY = ("yaml", "pydantic", "requests", "jinja2", "numpy", "rich", "git")


def imported(repo: GitRepo, *arguments: str, status: int) -> set[str]:
    """The top-level modules that `deadkey ARGUMENTS` imports."""
    deadkey(*arguments, cwd=repo.path)  # the second start finds its rules compiled
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "scanner", *arguments],
        cwd=repo.path,
        capture_output=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == status, done.stderr.decode()
    lines = [line for line in done.stderr.decode().splitlines() if line.startswith("import time:")]
    return {line.rpartition("|")[2].strip().split(".")[0] for line in lines}


@pytest.mark.parametrize("leaks", [False, True])
def test_the_hook_imports_nothing_heavy(repo: GitRepo, token: Token, leaks: bool) -> None:
    repo.write("a.py", b"t = '" + token("a") + b"'\n" if leaks else b"x = 1\n")
    repo.git("add", "-A")
    modules = imported(repo, "scan", "staged", status=1 if leaks else 0)
    assert "hyperscan" in modules
    assert not modules & set(HEAVY)


def test_help_imports_no_verb(repo: GitRepo) -> None:
    modules = imported(repo, "--help", status=0)
    assert "click" in modules
    assert not modules & {*HEAVY, "hyperscan", "regex"}


def test_a_cold_start_finds_the_same(repo: GitRepo, token: Token, tmp_path: os.PathLike[str]) -> None:
    repo.write("a.py", b"t = '" + token("a") + b"'\n")
    repo.git("add", "-A")
    cache = os.fspath(tmp_path) + "/cache"
    cold, warm = (deadkey("scan", "staged", cwd=repo.path, XDG_CACHE_HOME=cache) for _ in range(2))
    assert cold.returncode == warm.returncode == 1
    assert cold.stdout == warm.stdout


def test_a_torn_cache_is_made_anew(repo: GitRepo, token: Token, tmp_path: os.PathLike[str]) -> None:
    repo.write("a.py", b"t = '" + token("a") + b"'\n")
    repo.git("add", "-A")
    cache = os.fspath(tmp_path) + "/cache"
    first = deadkey("scan", "staged", cwd=repo.path, XDG_CACHE_HOME=cache)
    for name in os.listdir(f"{cache}/deadkey"):
        path = f"{cache}/deadkey/{name}"
        os.truncate(path, os.path.getsize(path) // 2)
    again = deadkey("scan", "staged", cwd=repo.path, XDG_CACHE_HOME=cache)
    assert (again.returncode, again.stdout, again.stderr) == (1, first.stdout, b"")
