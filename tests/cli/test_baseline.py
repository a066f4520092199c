"""`deadkey baseline`: what is known stays known, and an audit asks about each secret once."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from scanner.allow import baseline
from tests.cli.parts import ROOT, Token, scan, secrets
from tests.conftest import GitRepo, deadkey
from tests.drill.parts import DRILL, IssuerProcess, configuration, issuer_process

BASELINE = ("--baseline", ".deadkey-baseline")


@pytest.fixture
def leaky(repo: GitRepo, token: Token) -> GitRepo:
    """Two tokens beside each other, both known."""
    repo.write("a.py", b"first = '" + token("a") + b"'; again = '" + token("b") + b"'\n")
    repo.commit()
    assert deadkey("baseline", "create", cwd=repo.path).returncode == 0
    return repo


def labels(repo: GitRepo) -> list[str]:
    return sorted(known.label for known in baseline.read(str(repo.path / ".deadkey-baseline")).known.values())


def audit(repo: GitRepo, keys: str, *arguments: str) -> str:
    done = deadkey("baseline", "audit", *arguments, cwd=repo.path, data=keys.encode())
    assert done.returncode == 0, done.stderr.decode()
    assert done.stderr == b""
    return done.stdout.decode()


def test_moved_and_reformatted_lines_stay_known(leaky: GitRepo, token: Token) -> None:
    leaky.git("mv", "a.py", "b.py")
    leaky.write("b.py", b"# a note\n\n" + token("b") + b"\n\n{\n\t'token':\n    \"" + token("a") + b'"\n}\n')
    leaky.write("c.py", b"c = '" + token("new") + b"'\n")
    leaky.commit("move")
    for verb, where in (("git", ()), ("files", (".",))):
        assert secrets(scan(verb, *where, *BASELINE, cwd=leaky.path)) == [token("new")]


def test_no_secret_no_line_and_no_time_is_in_it(leaky: GitRepo, token: Token) -> None:
    folder = leaky.path / ".deadkey-baseline"
    salt, *entries = sorted(p.read_text() for p in folder.iterdir())
    assert [p.name for p in sorted(folder.iterdir())][-1] == "salt"
    assert salt.startswith("# deadkey baseline 1 salt=")
    assert [entry.split()[1:] for entry in entries] == [["github-pat"]] * 2
    again = leaky.path / "again"
    assert deadkey("baseline", "create", "--output", "again", cwd=leaky.path).returncode == 0
    assert not {p.name for p in again.iterdir()} & {p.name for p in folder.iterdir()} - {"salt"}, "the salt is not used"


def test_its_own_files_are_no_findings(leaky: GitRepo) -> None:
    leaky.commit("baseline")
    assert scan("git", *BASELINE, status=0, cwd=leaky.path)["findings"] == []
    assert scan("files", ".deadkey-baseline", status=0, cwd=leaky.path)["findings"] == []


def test_an_audit_shows_where_it_stands_and_hides_every_secret_there(leaky: GitRepo, token: Token) -> None:
    leaky.write("a.py", b"gone = 1\n")
    leaky.commit("take them out")
    said = audit(leaky, "q")
    assert "1 of 2\n" in said
    assert "> 1  first = 'ghp_…" in said
    assert "'; again = 'ghp_…" in said
    for seed in "ab":
        assert token(seed).decode()[8:20] not in said
    assert "nothing answered; 2 still open" in said


def test_an_audit_goes_on_where_it_stopped(leaky: GitRepo) -> None:
    assert "1 true; 1 still open" in audit(leaky, "x\nt\n")
    assert labels(leaky) == ["", "true"]
    assert "1 of 1\n" in audit(leaky, "s")
    assert "1 test; 0 still open" in audit(leaky, "e")
    assert labels(leaky) == ["test", "true"]
    assert "1 of" not in audit(leaky, "f")
    assert labels(leaky) == ["test", "true"]
    assert scan("git", *BASELINE, status=0, cwd=leaky.path)["findings"] == []


def test_an_audit_says_what_it_did_not_meet(leaky: GitRepo, token: Token) -> None:
    leaky.write("a.py", b"t = '" + token("new") + b"'\n")
    said = audit(leaky, "", "--files")
    assert "2 still open\n2 open ones of these not found" in said
    assert "1 secret not in the baseline" in said


@pytest.fixture
def issuer(tmp_path: Path) -> Iterator[IssuerProcess]:
    with issuer_process(tmp_path) as issuer:
        yield issuer


@pytest.fixture
def live(repo: GitRepo, issuer: IssuerProcess, tmp_path: Path) -> tuple[str, ...]:
    """A live token in `repo` that a baseline knows; what `baseline audit` has to be told."""
    repo.write("a.py", b"t = '" + issuer.mint("ci") + b"'\n")
    repo.commit()
    arguments = ("--config", str(configuration(tmp_path, issuer.address)), *DRILL[:2])
    assert deadkey("baseline", "create", *arguments, cwd=repo.path).returncode == 0
    return arguments


def test_the_issuer_is_asked_when_it_is_wanted(repo: GitRepo, live: tuple[str, ...], issuer: IssuerProcess) -> None:
    audit(repo, "s", *live)
    assert issuer.calls("introspect") == 0
    assert "verdict: live (" in audit(repo, "vs", *live)
    assert "verdict: live (" in audit(repo, "s", "--verify", *live)
    assert issuer.calls("introspect") == 2


def test_a_pipe_cannot_revoke(repo: GitRepo, live: tuple[str, ...], issuer: IssuerProcess) -> None:
    assert "revoke: refused" in audit(repo, "ryyq", *live)
    assert issuer.calls("revoke") == 0
    assert labels(repo) == [""]


class Terminal:
    """`deadkey ARGUMENTS` at a terminal of its own."""

    def __init__(self, *arguments: str, cwd: Path) -> None:
        self.said = ""
        self.ours, theirs = pty.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "scanner", *arguments],
            cwd=cwd,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env={**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm", "PYTHONUTF8": "1"},
            start_new_session=True,
        )
        os.close(theirs)

    def until(self, words: str) -> str:
        """What is written from where the last call ended, up to and with `words`."""
        while words not in self.said:
            assert select.select([self.ours], [], [], 60)[0], self.said
            try:
                self.said += os.read(self.ours, 65536).decode(errors="replace")
            except OSError:  # Linux says EIO when the other side is closed
                raise AssertionError(self.said) from None
        before, _, self.said = self.said.partition(words)
        return before + words

    def press(self, keys: str) -> None:
        os.write(self.ours, keys.encode())

    def ended(self) -> int:
        status = self.process.wait(60)
        os.close(self.ours)
        return status


def test_at_a_terminal_a_key_is_enough_and_ctrl_c_stops(leaky: GitRepo) -> None:
    terminal = Terminal("baseline", "audit", cwd=leaky.path)
    terminal.until("[q]uit ")
    terminal.press("f")
    terminal.until("2 of 2")
    terminal.until("[q]uit ")
    terminal.process.send_signal(signal.SIGINT)
    said = terminal.until("still open")
    assert "1 false; 1 still open" in said
    assert terminal.ended() == 0
    assert labels(leaky) == ["", "false"]


def test_a_person_revokes(repo: GitRepo, live: tuple[str, ...], issuer: IssuerProcess) -> None:
    terminal = Terminal("baseline", "audit", *live, cwd=repo.path)
    terminal.until("[q]uit ")
    terminal.press("r")
    terminal.until("Revoke it now?")
    terminal.press("n\n")
    terminal.until("revoke: refused")
    terminal.until("[q]uit ")
    terminal.press("r")
    terminal.until("Revoke it now?")
    terminal.press("y\n")
    terminal.until("revoke: revoked")
    terminal.until("1 revoked; 0 still open")
    assert terminal.ended() == 0
    assert issuer.calls("revoke") == 1
    assert labels(repo) == ["revoked"]
