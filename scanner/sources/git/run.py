"""Running git on a repository that may be hostile: nothing in its configuration or ours can make git run a program,
touch the network, or show other bytes than the object store holds."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from scanner.model import DeadkeyError

HARDENED = (
    ("core.fsmonitor", "false"),
    ("core.hooksPath", os.devnull),
    ("core.attributesFile", os.devnull),
    ("core.pager", "cat"),
    ("core.sshCommand", "false"),
    ("core.alternateRefsCommand", "false"),
    ("core.quotePath", "true"),
    ("core.untrackedCache", "false"),
    ("credential.helper", ""),
    ("protocol.allow", "never"),
    ("uploadpack.packObjectsHook", ""),
    ("log.showSignature", "false"),
    ("log.showRoot", "true"),
    ("diff.relative", "false"),
    ("gpg.program", "false"),
    ("gpg.ssh.program", "false"),
    ("gpg.x509.program", "false"),
    ("diff.noprefix", "false"),
    ("diff.mnemonicPrefix", "false"),
    ("diff.submodule", "short"),
    ("diff.ignoreSubmodules", "all"),
    ("diff.orderFile", os.devnull),
    ("diff.interHunkContext", "0"),
    ("diff.algorithm", "myers"),
    ("gc.auto", "0"),
    ("maintenance.auto", "false"),
    # git's own guard against other people's repositories protects from what is switched off above
    ("safe.directory", "*"),
)
INDEX = ("GIT_INDEX_FILE",)
"""What git tells a commit hook about the index in use (`git commit -a` and `git commit PATH` use another one)."""


def environment(keep: Sequence[str] = ()) -> dict[str, str]:
    """The process's environment without `GIT_*` (but for `keep`), with git hardened and speaking plain English."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith("GIT_") or k in keep}
    clean.update(
        LC_ALL="C",
        GIT_TERMINAL_PROMPT="0",
        GIT_OPTIONAL_LOCKS="0",
        GIT_NO_LAZY_FETCH="1",
        GIT_NO_REPLACE_OBJECTS="1",
        GIT_LITERAL_PATHSPECS="1",
        GIT_ALLOW_PROTOCOL="none",
        GIT_ATTR_NOSYSTEM="1",
        GIT_CONFIG_COUNT=str(len(HARDENED)),
    )
    for number, (key, value) in enumerate(HARDENED):
        clean[f"GIT_CONFIG_KEY_{number}"] = key
        clean[f"GIT_CONFIG_VALUE_{number}"] = value
    return clean


@dataclass(frozen=True, slots=True)
class Repository:
    """A git repository by the folder it was opened at. `keep` names `GIT_*` variables that git shall still see."""

    path: str
    keep: tuple[str, ...] = ()

    def start(self, *arguments: str, stdin: IO[bytes] | int = subprocess.DEVNULL) -> subprocess.Popen[bytes]:
        """git running with its output in a pipe; standard error goes to a pipe as well, to be read at the end."""
        try:
            return subprocess.Popen(
                ["git", "-C", self.path, *arguments],
                stdin=stdin,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=environment(self.keep),
                bufsize=1 << 20,
            )
        except FileNotFoundError as e:
            raise DeadkeyError("git is not installed, or not on the PATH") from e

    def run(self, *arguments: str, stdin: Iterable[str] = ()) -> tuple[int, bytes, str]:
        """Exit status, output and the last line of what git complained of."""
        lines = "".join(f"{line}\n" for line in stdin).encode(errors="surrogateescape")
        process = self.start(*arguments, stdin=subprocess.PIPE if lines else subprocess.DEVNULL)
        out, err = process.communicate(lines or None)
        return process.returncode, out, complaint(err)

    def ask(self, *arguments: str, stdin: Iterable[str] = ()) -> bytes:
        """git's output. Raises DeadkeyError with git's complaint when it fails."""
        status, out, said = self.run(*arguments, stdin=stdin)
        if status:
            raise DeadkeyError(f"{self.path}: git {arguments[0]}: {said or f'exit status {status}'}")
        return out


def fetch(repository: Repository, *arguments: str) -> None:
    """`git fetch`, as the user asked for in so many words: the only git that may use the network, and the credentials that
    the checkout was set up with. It runs no hook and starts no housekeeping. Raises DeadkeyError with git's complaint.
    """
    quiet = ("core.hooksPath", os.devnull), ("core.fsmonitor", "false"), ("gc.auto", "0"), ("maintenance.auto", "false")
    options = [word for key, value in (*quiet, ("protocol.ext.allow", "never")) for word in ("-c", f"{key}={value}")]
    done = subprocess.run(
        [
            "git",
            "-C",
            repository.path,
            *options,
            "fetch",
            "--quiet",
            "--no-tags",
            "--no-recurse-submodules",
            *arguments,
        ],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        env=os.environ | {"GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"},
        check=False,
    )
    if done.returncode:
        said = re.sub(r"//[^/@\s]*@", "//", complaint(done.stderr))  # a remote's address may hold a password
        raise DeadkeyError(f"{repository.path}: git fetch: {said or f'exit status {done.returncode}'}")


def complaint(stderr: bytes) -> str:
    """The line of git's standard error that says what went wrong."""
    lines = [x for x in stderr.decode("utf-8", "replace").splitlines() if x.strip()]
    fatal = [x for x in lines if x.startswith("fatal: ")]
    line = (fatal or lines or [""])[0]
    return "".join(c if c.isprintable() else "?" for c in line.removeprefix("fatal: ").removeprefix("error: "))


def open_repository(path: str, keep: tuple[str, ...] = ()) -> Repository:
    """The repository at or above `path`. Raises DeadkeyError when there is none."""
    if not Path(path).is_dir():
        raise DeadkeyError(f"{path}: no such folder")
    repository = Repository(path, keep)
    status, _, said = repository.run("rev-parse", "--git-dir")
    if status:
        reason = "not a git repository" if "not a git repository" in said else said
        raise DeadkeyError(f"{path}: {reason}; name a folder that holds one, or scan it with `deadkey scan files`")
    return repository
