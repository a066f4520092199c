"""A made-up forge: a server with a pull request, checkouts as build systems make them, and an action's steps run by bash."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from tests.cli.parts import ROOT
from tests.conftest import GIT_AUTHOR, GitRepo, github_token


def leak(seed: str) -> bytes:
    return b"t = '" + github_token(seed) + b"'\n"


class Forge(NamedTuple):
    """A bare repository with `main` and `topic`, the commits of both, and the merge that a pull request is built as.

    `old.py` leaks on main. On topic, one commit leaks in `app.py`, and the next takes that out and leaks in `late.py`.
    """

    path: Path
    base: str
    head: str
    first: str
    merge: str

    def checkout(self, folder: Path, ref: str, *options: str) -> Path:
        """A folder with one commit fetched and checked out, as actions/checkout and GitLab's runner do."""
        git(folder.parent, "init", "-q", str(folder))
        git(folder, "remote", "add", "origin", f"file://{self.path}")
        git(folder, "fetch", "-q", "--no-tags", *options, "origin", f"+{ref}:refs/remotes/pull/7/merge")
        git(folder, "checkout", "-q", "--force", "refs/remotes/pull/7/merge")
        return folder


def git(folder: Path, *arguments: str) -> str:
    return subprocess.run(
        ["git", *arguments], cwd=folder, check=True, capture_output=True, env=os.environ | GIT_AUTHOR, text=True
    ).stdout.strip()


def forge(new_repo: Callable[[str], GitRepo]) -> Forge:
    repo = new_repo("forge")
    repo.write("old.py", leak("old"))
    repo.commit("start")
    repo.git("checkout", "-q", "-b", "topic")
    repo.write("app.py", b"x = 1\n" + leak("app"))
    first = repo.commit("call the service")
    repo.write("app.py", b"x = 1\n")
    repo.write("late.py", leak("late"))
    head = repo.commit("call it from elsewhere")
    repo.git("checkout", "-q", "main")
    repo.write("README", b"main goes on\n")
    base = repo.commit("go on")
    repo.git("checkout", "-q", "--detach")
    repo.git("merge", "-q", "--no-ff", "-m", "merge", "topic")
    merge = repo.git("rev-parse", "HEAD")
    repo.git("update-ref", "refs/pull/7/merge", merge)
    repo.git("update-ref", "refs/pull/7/head", head)
    repo.git("config", "uploadpack.allowAnySHA1InWant", "true")
    return Forge(repo.path / ".git", base, head, first, merge)


def pull_request(forge: Forge, folder: Path, **more: Any) -> dict[str, str]:
    """The variables of GitHub Actions for the pull request, with its event file in `folder`."""
    event = {
        "action": "synchronize",
        "number": 7,
        "pull_request": {"number": 7, "title": "::error::", "head": {"sha": forge.head}, "base": {"sha": forge.base}},
        "repository": {"default_branch": "main"},
    }
    return actions(folder, "pull_request", event, GITHUB_SHA=forge.merge, GITHUB_REF="refs/pull/7/merge", **more)


def actions(folder: Path, name: str, event: dict[str, Any], **more: str) -> dict[str, str]:
    folder.mkdir(exist_ok=True)
    (folder / "event.json").write_text(json.dumps(event))
    for file in ("output", "summary"):
        (folder / file).touch()
    return {
        "GITHUB_ACTIONS": "true",
        "GITHUB_EVENT_NAME": name,
        "GITHUB_EVENT_PATH": str(folder / "event.json"),
        "GITHUB_OUTPUT": str(folder / "output"),
        "GITHUB_STEP_SUMMARY": str(folder / "summary"),
        "RUNNER_TEMP": str(folder),
        **more,
    }


_EXPRESSION = re.compile(r"\$\{\{ ([\w.-]+) \}\}")


def run_action(workspace: Path, environment: dict[str, str], source: Path, **inputs: str) -> list[tuple[str, int, str]]:
    """Name, exit status and log of each step that action.yml runs in bash, in the way the runner does.

    A step that fails ends the job. Packages come from where this test's come from, and not from an index.
    """
    action = yaml.safe_load((source / "action.yml").read_text())
    given = {name: inputs.get(name, spec.get("default", "")) for name, spec in action["inputs"].items()}
    known = {f"inputs.{name}": value for name, value in given.items()} | {"github.action_path": str(source)}
    known["inputs.python"] = sys.executable
    offline = {
        "PIP_NO_INDEX": "1",
        "PIP_NO_DEPS": "1",
        "PIP_NO_BUILD_ISOLATION": "0",  # pip reads it as the value of --build-isolation
        "CC": "false",  # the compiled parts are optional, and this is not about them
        "PYTHONPATH": sysconfig.get_path("purelib"),
    }
    ran: list[tuple[str, int, str]] = []
    for step in action["runs"]["steps"]:
        if "run" not in step:
            continue
        output = Path(environment["GITHUB_OUTPUT"])
        for line in output.read_text().splitlines():
            name, _, value = line.partition("=")
            known[f"steps.scan.outputs.{name}"] = value
        own = {name: _EXPRESSION.sub(lambda m: known[m[1]], value) for name, value in step.get("env", {}).items()}
        assert "${{" not in step["run"], "an expression in a script is code from outside"
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "-c", step["run"]],
            cwd=workspace,
            env={**os.environ, **environment, **offline, **own},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        ran.append((step["name"], done.returncode, done.stdout))
        if done.returncode:
            break
    return ran


def copied(folder: Path) -> Path:
    """What git tracks of this project, so that building it leaves nothing behind here."""
    folder.mkdir()
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True).stdout
    archive = subprocess.run(["tar", "-c", "--null", "-T", "-"], cwd=ROOT, input=names, check=True, capture_output=True)
    subprocess.run(["tar", "-x"], cwd=folder, input=archive.stdout, check=True)
    return folder
