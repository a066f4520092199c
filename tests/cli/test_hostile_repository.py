"""Nothing that a scanned repository brings along runs, is obeyed, or reaches the terminal as more than text."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from scanner.drill.issuer import Issuer, Server
from tests.cli.parts import ROOT, Token, scan, secrets
from tests.conftest import GitRepo, deadkey

HOOKS = (
    *("applypatch-msg", "pre-applypatch", "post-applypatch", "pre-commit", "pre-merge-commit", "prepare-commit-msg"),
    *("commit-msg", "post-commit", "pre-rebase", "post-checkout", "post-merge", "pre-push", "post-rewrite"),
    *("pre-auto-gc", "post-index-change", "reference-transaction", "fsmonitor-watchman", "sendemail-validate"),
)

CONFIG = """
[core]
    fsmonitor = {traps}/fsmonitor
    hooksPath = {hooks}
    pager = {traps}/pager
    editor = {traps}/editor
    sshCommand = {traps}/ssh
    gitProxy = {traps}/proxy
    askPass = {traps}/askpass
    alternateRefsCommand = {traps}/alternates
    attributesFile = {folder}/attributes
    untrackedCache = true
[credential]
    helper = !{traps}/credential
[diff]
    external = {traps}/external
[diff "evil"]
    command = {traps}/diff-command
    textconv = {traps}/textconv
    cachetextconv = true
[filter "evil"]
    clean = {traps}/clean
    smudge = {traps}/smudge
[filter "long"]
    process = {traps}/process
    required = true
[merge "evil"]
    driver = {traps}/merge
[gpg]
    program = {traps}/gpg
[gpg "openpgp"]
    program = {traps}/openpgp
[gpg "ssh"]
    program = {traps}/gpg-ssh
    defaultKeyCommand = {traps}/ssh-key
[gpg "x509"]
    program = {traps}/x509
[log]
    showSignature = true
    diffMerges = remerge
[pager]
    log = {traps}/pager-log
    diff = {traps}/pager-diff
    show = {traps}/pager-show
[alias]
    log = !{traps}/alias
    cat-file = !{traps}/alias
[uploadpack]
    packObjectsHook = {traps}/pack-objects
[protocol]
    allow = always
[protocol "ext"]
    allow = always
[extensions]
    partialClone = origin
[remote "origin"]
    url = ext::{traps}/ext
    promisor = true
    partialclonefilter = blob:none
    uploadpack = {traps}/uploadpack
    vcs = evil
[submodule "sub"]
    url = ext::{traps}/submodule
    update = !{traps}/submodule-update
    active = true
[interactive]
    diffFilter = {traps}/diff-filter
[trailer "evil"]
    command = {traps}/trailer
    cmd = {traps}/trailer-cmd
"""


TRAPS = tuple(re.findall(r"\{traps\}/([a-z0-9-]+)", CONFIG))


@pytest.fixture
def traps(repo: GitRepo, token: Token, tmp_path: Path) -> Path:
    """The folder in which a trap leaves its name when it is run; `repo` is full of them, and of tokens."""
    sprung = tmp_path / "sprung"
    sprung.mkdir()
    folder = tmp_path / "traps"
    hooks = repo.path / "hooks"
    for name in TRAPS:
        _set(folder / name, sprung)
    repo.write(".gitattributes", b"*.py diff=evil filter=evil merge=evil\n*.long filter=long\n")
    repo.write("a.long", b"long\n")
    repo.write("old.py", b"OLD = '" + token("old") + b"'\n")
    repo.commit("start")
    _sign(repo)
    repo.git("checkout", "-q", "-b", "side", "HEAD~1")
    repo.write("old.py", b"SIDE = '" + token("side") + b"'\n")
    repo.commit("side")
    repo.git("merge", "-q", "-X", "theirs", "main")
    repo.git("checkout", "-q", "main")
    repo.write("new.py", b"NEW = '" + token("new") + b"'\n")
    repo.git("add", "-A")
    repo.write("lost.py", b"lost\n")
    lost = repo.git("hash-object", "-w", "lost.py")
    repo.git("update-index", "--add", "--cacheinfo", f"100644,{lost},lost.py")
    tree = repo.git("write-tree")
    repo.git("update-ref", "refs/heads/lost", repo.git("commit-tree", tree, "-p", "HEAD", "-m", "lost"))
    repo.git("rm", "-q", "--cached", "lost.py")
    (repo.path / ".git/objects" / lost[:2] / lost[2:]).unlink()
    for name in HOOKS:
        _set(hooks / name, sprung)
        _set(repo.path / ".git/hooks" / name, sprung)
    (tmp_path / "attributes").write_text("* diff=evil filter=evil\n")
    (repo.path / ".git/objects/info/alternates").write_text(str(tmp_path / "nowhere") + "\n")
    config = repo.path / ".git/config"
    text = config.read_text().replace("repositoryformatversion = 0", "repositoryformatversion = 1")
    config.write_text(text + CONFIG.format(traps=folder, hooks=hooks, folder=tmp_path))
    return sprung


def _set(trap: Path, sprung: Path) -> None:
    trap.parent.mkdir(parents=True, exist_ok=True)
    trap.write_text(f'#!/bin/sh\ntouch "{sprung}/{trap.name}"\nexit 1\n')
    trap.chmod(0o755)


def _sign(repo: GitRepo) -> None:
    """Give main one more commit that carries what looks like a signature."""
    commit = repo.git("cat-file", "commit", "HEAD")
    headers, _, message = commit.partition("\n\n")
    tree = headers.splitlines()[0]
    people = "\n".join(line for line in headers.splitlines() if line.startswith(("author", "committer")))
    signature = "gpgsig -----BEGIN PGP SIGNATURE-----\n \n iQEz\n -----END PGP SIGNATURE-----"
    text = f"{tree}\nparent {repo.git('rev-parse', 'HEAD')}\n{people}\n{signature}\n\n{message}\n"
    oid = repo.git("hash-object", "-w", "-t", "commit", "--stdin", data=text.encode())
    repo.git("reset", "-q", "--hard", oid)


def test_the_traps_are_live(repo: GitRepo, traps: Path) -> None:
    """A plain git runs them: what follows proves something."""
    commands = ("status", "diff", "diff --cached", "show HEAD~1", "verify-commit HEAD", "add a.long", "gc --auto")
    for command in (*commands, "cat-file -p lost:lost.py"):
        repo.git(*command.split(), check=False)
    wanted = {"fsmonitor", "diff-command", "textconv", "openpgp", "clean", "process", "ext"}
    assert wanted <= set(os.listdir(traps))


@pytest.mark.parametrize(
    "arguments, wanted, status",
    [
        (("scan", "staged"), ("new",), 1),
        (("scan", "git"), ("new", "old", "side"), 3),
        (("scan", "diff", "HEAD~1..side"), ("side",), 1),
        (("scan", "diff", "HEAD~1...HEAD"), (), 0),
        (("scan", "diff", "--push"), ("old",), 1),
        (("scan", "files", "."), ("new",), 1),
        (("scan", "env"), (), 0),
        (("scan", "logs", "."), ("new",), 1),
        (("audit", "--no-verify"), ("new", "old", "side"), 3),
    ],
    ids=lambda a: " ".join(a) if isinstance(a, tuple) else str(a),
)
def test_no_program_that_a_repository_names_runs(
    repo: GitRepo, traps: Path, token: Token, arguments: tuple[str, ...], wanted: tuple[str, ...], status: int
) -> None:
    report = scan(*arguments[1:], verb=arguments[0], status=status, cwd=repo.path)
    assert os.listdir(traps) == []
    assert {token(name) for name in wanted} <= set(secrets(report))


def test_configuration_that_a_repository_brings_along_is_not_obeyed(repo: GitRepo, tmp_path: Path) -> None:
    issuer = Issuer(str(tmp_path / "issuer.db"), ("client", "client-secret"))
    with closing(Server(issuer)) as server:
        token = issuer.mint("victim", "all", 600)
        trap = tmp_path / "trap"
        trap.write_text(f"#!/bin/sh\ntouch {tmp_path}/sprung\n")
        trap.chmod(0o755)
        host = server.address.removeprefix("http://")
        config = (
            f"verify:\n  plain_http: ['{host}']\n  endpoints: {{deadkey-drill: '{server.address}'}}\n"
            f"revoke:\n  mode: auto\n  hooks: [command, rule]\n  command: ['{trap}']\n  auto: [{{}}]\n"
            f"credentials:\n  deadkey-drill.client_id: {{command: ['{trap}']}}\n"
            f"  deadkey-drill.client_secret: {{command: ['{trap}']}}\n"
        ).encode()
        names = ("deadkey.yaml", ".deadkey.yaml", ".deadkey.yml", "config.yaml", ".git/deadkey.yaml")
        for name in (*names, ".deadkey/config.yaml", "deadkey/config.yaml", ".config/deadkey/config.yaml"):
            repo.write(name, config)
        repo.write("app.py", b"t = '" + token + b"'\n")
        repo.commit()
        drill = ("--rules", str(ROOT / "scanner/drill/rules"), "--only", "deadkey-drill", "--revoke", "auto")
        for relative in ({}, {"XDG_CONFIG_HOME": ".config"}, {"XDG_CONFIG_HOME": "."}):
            for verb in ("files", "git"):
                report = scan(verb, ".", *drill, cwd=repo.path, **relative)
                (finding,) = report["findings"]
                assert finding["verdict"]["state"] not in ("live", "dead")
                assert not (finding["outcome"] or {}).get("hook")
        assert (issuer.calls("introspect"), issuer.calls("revoke")) == (0, 0)
        assert not (tmp_path / "sprung").exists()
        assert issuer.introspect(token)["active"]
        done = deadkey("scan", "files", ".", *drill, cwd=repo.path, DEADKEY_CONFIG="deadkey.yaml")
        assert done.returncode == 2
        assert b"DEADKEY_CONFIG must be an absolute path" in done.stderr


# The terminal ---------------------------------------------------------------------------------------------------------

ODD = "\x1b]0;owned\x07\x1b[31mred\r\x9b2J\u202egnp.\x08"


def at_a_terminal(*arguments: str, cwd: Path) -> bytes:
    """Everything that `deadkey ARGUMENTS` writes to the terminal it runs at, but for the bar that slow work shows."""
    quiet = ["--quiet"] if arguments[0] == "scan" else []
    ours, theirs = pty.openpty()
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1", "TERM": "xterm", "PYTHONUTF8": "1"}
    process = subprocess.Popen(
        [sys.executable, "-m", "scanner", *arguments, *quiet],
        cwd=cwd,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=environment,
    )
    os.close(theirs)
    said = b""
    try:
        while select.select([ours], [], [], 60)[0]:
            part = os.read(ours, 65536)
            if not part:
                break
            said += part
    except OSError:  # Linux says EIO when the other side is closed
        pass
    finally:
        os.close(ours)
        process.wait(60)
    assert b"Traceback" not in said
    return said.replace(b"\r\n", b"\n")


def is_inert(said: bytes) -> bool:
    return all(c.isprintable() or c == "\n" for c in said.decode())


@pytest.fixture
def odd(repo: GitRepo, token: Token) -> GitRepo:
    repo.commit("start")
    line = ODD.encode() + b" key = '" + token("odd") + b"' " + ODD.encode() + b"\n"
    repo.write(ODD + "/" + ODD + ".py", b"#\n" + line)
    repo.write(ODD + "/" + ODD + ".gz", b"\x1f\x8b\x08\0\0\0\0\0\0\x03 broken")
    repo.write("password.py", b"database_url = 'postgres://" + b"us\x1b[31mer:s3c\x1b[31mr3t!Xq9@db.acme.dev/x'\n")
    repo.commit("odd \x1b[31m message", GIT_AUTHOR_NAME="Eve \x1b[31m\x1b]0;x\x07")
    return repo


@pytest.mark.parametrize(
    "arguments",
    [
        ("scan", "files", "."),
        ("scan", "files", ".", "--show-secrets"),
        ("scan", "git"),
        ("scan", "diff", "HEAD~1.."),
        ("scan", "files", ".", "--explain"),
        ("scan", "files", ".", "--format", "json"),
        ("scan", "files", ".", "--format", "jsonl"),
        ("scan", "files", ".", "--format", "sarif"),
        ("baseline", "create", "--files", "--output", "../known"),
    ],
    ids=" ".join,
)
def test_escapes_in_names_and_around_tokens_stay_inert(odd: GitRepo, arguments: tuple[str, ...]) -> None:
    said = at_a_terminal(*arguments, cwd=odd.path)
    assert said
    assert is_inert(said), said


def test_escapes_stay_inert_in_what_a_hook_says(odd: GitRepo) -> None:
    odd.git("reset", "-q", "--soft", "HEAD~1")
    said = at_a_terminal("scan", "staged", cwd=odd.path)
    assert b"rotate the token" in said
    assert is_inert(said), said


def test_escapes_stay_inert_in_an_error(odd: GitRepo) -> None:
    for arguments in (
        ("scan", "files", ODD + "/gone"),
        ("scan", "git", ODD + "/gone"),
        ("scan", "diff", f"{ODD}..{ODD}"),
    ):
        said = at_a_terminal(*arguments, cwd=odd.path)
        assert said.startswith(b"deadkey: ")
        assert is_inert(said), said


def test_a_folder_of_rules_with_an_odd_name_stays_inert(tmp_path: Path) -> None:
    folder = tmp_path / ODD.replace("/", "")
    folder.mkdir()
    (folder / "a.yaml").write_text("{")
    said = at_a_terminal("rules", "check", str(folder), cwd=tmp_path)
    assert is_inert(said), said
