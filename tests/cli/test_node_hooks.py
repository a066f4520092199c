"""husky and lefthook, installed by npm and set up as docs/hooks.md has it, stop real commits and pushes.

Both come from the npm registry. Where that cannot be reached this fails, and says what to do.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.parts import ROOT, Token
from tests.conftest import GIT_AUTHOR, GitRepo

TOOLS = {"husky": "9.1.7", "lefthook": "2.2.2"}


@pytest.fixture(scope="module")
def modules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A `node_modules` folder with both tools."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.fail("npm is not installed; `apt-get install nodejs npm`, then run this again")
    folder = tmp_path_factory.mktemp("npm")
    (folder / "package.json").write_text(json.dumps({"private": True, "devDependencies": TOOLS}))
    done = subprocess.run(
        [npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", "--fetch-retries=1"],
        cwd=folder,
        env=os.environ | {"HOME": str(folder)},
        capture_output=True,
        check=False,
    )
    if done.returncode:
        pytest.fail(
            "npm could not install husky and lefthook. Is its registry reachable (`npm ping`)? Behind a mirror, set "
            f"npm_config_registry. It said:\n{done.stderr.decode(errors='replace')}"
        )
    return folder / "node_modules"


def snippet(heading: str) -> str:
    """What stands between the fences below a heading of the document."""
    below = (ROOT / "docs/hooks.md").read_text("utf-8").partition(f"\n## {heading}\n")[2]
    found = re.search(r"^```\w+\n(.*?)^```$", below, re.DOTALL | re.MULTILINE)
    assert found
    return found[1]


class Project:
    """A repository with a remote, whose hooks one of the tools runs."""

    def __init__(self, repo: GitRepo, bare: GitRepo, modules: Path, bin: Path) -> None:
        self.repo, self.bare = repo, bare
        bin.mkdir()
        (bin / "deadkey").write_text(f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" -m scanner "$@"\n')
        (bin / "deadkey").chmod(0o755)
        path = os.pathsep.join([str(bin), str(modules / ".bin"), os.environ["PATH"]])
        self.environment = {**os.environ, **GIT_AUTHOR, "PATH": path, "NO_COLOR": "1"}
        bare.git("config", "core.bare", "true")
        repo.git("remote", "add", "origin", str(bare.path / ".git"))
        repo.write(".gitignore", b"node_modules\n")
        repo.write("package.json", b'{"private": true}\n')
        os.symlink(modules, repo.path / "node_modules")
        repo.commit("start")
        repo.git("push", "-q", "origin", "main")

    def run(self, *command: str, status: int = 0) -> str:
        done = subprocess.run(
            command,
            cwd=self.repo.path,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        said = done.stdout.decode(errors="replace")
        assert done.returncode == status, said
        return said


@pytest.fixture
def project(repo: GitRepo, new_repo: Callable[[str], GitRepo], modules: Path, tmp_path: Path) -> Project:
    return Project(repo, new_repo("origin"), modules, tmp_path / "bin")


@pytest.mark.parametrize("tool", TOOLS)
def test_commits_messages_and_pushes(project: Project, token: Token, tool: str) -> None:
    repo = project.repo
    if tool == "husky":
        project.run("husky")
        (repo.path / ".husky").mkdir(exist_ok=True)
        project.run("sh", "-c", snippet("husky"))
    else:
        repo.write("lefthook.yml", snippet("lefthook").encode())
        project.run("lefthook", "install")
    repo.write("leak.py", b"t = '" + token("a") + b"'\n")
    repo.git("add", "leak.py")
    said = project.run("git", "commit", "-m", "leak", status=1)
    assert "leak.py:1:6" in said and token("a").decode() not in said
    repo.git("rm", "-q", "-f", "leak.py")

    repo.write("clean.py", b"x = 1\n")
    repo.git("add", "clean.py")
    said = project.run("git", "commit", "-m", f"with {token('m').decode()}", status=1)
    assert "COMMIT_EDITMSG:1:6" in said and token("m").decode() not in said
    project.run("git", "commit", "-m", "clean")
    project.run("git", "push", "origin", "main")
    assert project.bare.git("log", "--format=%s", "main") == "clean\nstart"

    repo.write("leak.py", b"t = '" + token("p") + b"'\n")
    repo.git("add", "leak.py")
    repo.git("commit", "-q", "--no-verify", "-m", "leak")
    said = project.run("git", "push", "origin", "main", status=1)
    assert "leak.py:1:6" in said and token("p").decode() not in said
    assert project.bare.git("log", "--format=%s", "main") == "clean\nstart"

    said = project.run("deadkey", "install-hook", status=2)
    assert tool in said
