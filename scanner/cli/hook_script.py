"""What stands in a git hook of ours, and the rules by which it takes its place in a hooks folder."""

from __future__ import annotations

import os
import shlex
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from scanner.model import DeadkeyError
from scanner.sources.git.run import Repository

VERBS = {
    "pre-commit": ("scan", "staged"),
    "commit-msg": ("scan", "message"),
    "pre-push": ("scan", "diff", "--push"),
    "pre-receive": ("scan", "receive"),
}
"""By hook: the verb that it runs."""
FED = frozenset({"pre-push", "pre-receive"})
"""Hooks that git tells their business on standard input (githooks(5))."""
MARK = "# deadkey hook:"
BEFORE = ".before-deadkey"
"""Appended to the name of a hook that was there first. It is run first."""

MANAGED = (
    ("pre-commit.com", "add deadkey's hooks to .pre-commit-config.yaml"),
    ("lefthook", "add deadkey's command to lefthook.yml"),
    ("husky", "add deadkey's command to the file of this name in .husky"),
)
"""Words in hooks that other tools write and would write again, and what to do there."""


def script(hook: str, options: Sequence[str]) -> str:
    """The hook's text, for a POSIX shell."""
    program = _program()
    words = " ".join(shlex.quote(word) for word in (*VERBS[hook], *options))
    argument = ' "$1"' if hook == "commit-msg" else ""
    run = f'"$@" {words}{argument}'
    first = f'"$(dirname -- "$0")/{hook}{BEFORE}"'
    lines = ["#!/bin/sh", f"{MARK} {hook}. `deadkey install-hook --hook {hook} --uninstall` takes it out."]
    if hook in FED:
        lines += ["told=$(cat)", 'tell() { [ -z "$told" ] || printf \'%s\\n\' "$told"; }']
        lines += [f'if [ -x {first} ]; then tell | {first} "$@" || exit; fi']
    else:
        lines += [f'if [ -x {first} ]; then {first} "$@" || exit; fi']
    if hook == "commit-msg":
        lines += ["message=$1"]
        run = f'"$@" {words} "$message"'
    lines += [
        f"set -- {shlex.join(program)}",
        '[ -x "$1" ] || set -- deadkey',
        'if ! command -v -- "$1" >/dev/null; then',
        f'  echo "deadkey: not found, so nothing was scanned; install it, or take this hook out: $0 ({hook})" >&2',
        "  exit 1",
        "fi",
        f"tell | {run}" if hook in FED else f"exec {run}",
    ]
    return "\n".join(lines) + "\n"


def _program() -> list[str]:
    """How this very program was started: a hook's PATH may be another."""
    started = Path(sys.argv[0])
    if started.name == "__main__.py" or not os.access(started, os.X_OK):
        return [sys.executable, "-P", "-m", "scanner"]  # -P: a hook runs where a folder called `scanner` could lie
    return [str(started.absolute())]


def folder(repository: Repository, shared: bool) -> Path:
    """Where git looks for the repository's hooks: `core.hooksPath`, or `hooks` in its git folder.

    Raises DeadkeyError where hooks are switched off, another tool's, or not this repository's alone and not to be `shared`.
    """
    asked = repository.ask("rev-parse", "--git-common-dir", "--is-bare-repository").decode(errors="surrogateescape")
    common, bare = asked.splitlines()[:2]
    own = Path(os.path.realpath(os.path.join(repository.path, common)))
    # the last one is what keeps git from running hooks of what is scanned
    _, out, _ = repository.run("config", "--null", "--get-all", "--type=path", "core.hooksPath")
    set_ = os.fsdecode(out).split("\0")[:-2]
    if not set_ or not set_[-1]:
        return own / "hooks"
    root = own if bare == "true" else Path(os.fsdecode(repository.ask("rev-parse", "--show-toplevel")).rstrip("\n"))
    named = set_[-1]
    path = Path(os.path.realpath(root / named))
    if path == Path(os.devnull):
        raise DeadkeyError(f"core.hooksPath is {named}: hooks are switched off; `git config --unset core.hooksPath`")
    if ".husky" in path.parts:
        raise DeadkeyError(f"core.hooksPath is {named}: husky's; {MANAGED[2][1]}")
    inside = path.is_relative_to(own) or path.is_relative_to(os.path.realpath(root))
    if not inside and not shared:
        raise DeadkeyError(f"core.hooksPath is {named}, for other repositories too; --shared installs it there")
    return path


def put(hooks: Path, hook: str, text: str) -> str:
    """Put a hook in place, one that was there first beside it, and say what was done. Raises DeadkeyError."""
    path, before = hooks / hook, hooks / f"{hook}{BEFORE}"
    try:
        there = _text(path)
        if there == text and os.access(path, os.X_OK):
            return f"{path}: is there already"
        said = "written"
        if there is not None and MARK not in there:
            for word, remedy in MANAGED:
                if word in there:
                    raise DeadkeyError(f"{path}: {word} writes this hook; {remedy}")
            if before.exists() or before.is_symlink():
                raise DeadkeyError(f"{path}: both it and {before.name} are there; put one into the other first")
            path.rename(before)
            said = f"written; runs {before.name}, which was there, first"
        elif there is not None:
            said = "written anew"
        hooks.mkdir(parents=True, exist_ok=True)
        _replace(path, text)
    except OSError as e:
        raise DeadkeyError(f"{path}: cannot be written: {e.strerror}") from e
    return f"{path}: {said}"


def take_out(hooks: Path, hook: str) -> str:
    """Take a hook of ours out, put back what was there before, and say what was done. Raises DeadkeyError."""
    path, before = hooks / hook, hooks / f"{hook}{BEFORE}"
    try:
        there = _text(path)
        if there is None or MARK not in there:
            return f"{path}: {'not there' if there is None else 'not of deadkey, and left alone'}"
        if before.exists() or before.is_symlink():
            before.replace(path)
            return f"{path}: taken out; what was there before is back"
        path.unlink()
    except OSError as e:
        raise DeadkeyError(f"{path}: cannot be taken out: {e.strerror}") from e
    return f"{path}: taken out"


def _text(path: Path) -> str | None:
    """What a hook holds; None where there is none. A link that leads nowhere is a hook as well."""
    if path.is_symlink() and not path.exists():
        return ""
    return path.read_text("utf-8", "replace") if path.exists() else None


def _replace(path: Path, text: str) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".new-")
    try:
        with open(handle, "w", encoding="utf-8", errors="surrogateescape", newline="\n") as out:
            out.write(text)
        Path(name).chmod(0o755)
        Path(name).replace(path)
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise
