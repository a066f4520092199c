"""What a person sees: colours, progress, completion, manual pages, and the nearest word for a wrong one."""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from scanner.report.color import wanted
from tests.cli.parts import ROOT, Token, one_line
from tests.conftest import deadkey

ESCAPE = b"\x1b["


class Terminal:
    """A real terminal, with a program's standard output and error in it."""

    def __init__(self) -> None:
        self.own, self.theirs = pty.openpty()
        self.said = b""

    def start(self, *command: str, **popen: object) -> subprocess.Popen[bytes]:
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm", "COLUMNS": "100"}
        environment |= popen.pop("env", {})  # type: ignore[arg-type]
        return subprocess.Popen(
            [sys.executable, *command], stderr=self.theirs, env=environment, **{"stdout": self.theirs, **popen}
        )  # type: ignore[call-overload, no-any-return]

    def read(self, seconds: float = 0) -> bytes:
        """What there is to read now, waiting for it so long."""
        while select.select([self.own], [], [], seconds)[0]:
            self.said += os.read(self.own, 1 << 16)
            seconds = 0
        return self.said

    def run(self, *arguments: str, **popen: object) -> bytes:
        """All that `deadkey ARGUMENTS` shows."""
        process = self.start("-m", "scanner", *arguments, **popen)
        while process.poll() is None:
            self.read(0.05)
        return self.read()


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    made = Terminal()
    yield made
    os.close(made.own)
    os.close(made.theirs)


@pytest.fixture
def leak(tmp_path: Path, token: Token) -> str:
    (tmp_path / "a.py").write_bytes(b"t = '" + token("a") + b"'\n")
    return str(tmp_path / "a.py")


@pytest.mark.parametrize(
    ("arguments", "environment", "colored"),
    [
        ((), {}, True),
        ((), {"NO_COLOR": "1"}, False),
        ((), {"TERM": "dumb"}, False),
        (("--color", "never"), {"FORCE_COLOR": "1"}, False),
        (("--color", "always"), {"NO_COLOR": "1"}, True),
    ],
)
def test_colours_at_a_terminal(
    terminal: Terminal, leak: str, arguments: tuple[str, ...], environment: dict[str, str], colored: bool
) -> None:
    said = terminal.run("scan", "files", leak, *arguments, env=environment)
    assert b"critical" in said
    assert (ESCAPE in said) == colored


@pytest.mark.parametrize(
    ("arguments", "environment", "colored"),
    [
        ((), {}, False),
        ((), {"FORCE_COLOR": "1"}, True),
        ((), {"CLICOLOR_FORCE": "1"}, True),
        ((), {"FORCE_COLOR": "0"}, False),
        ((), {"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
        (("--color", "always"), {}, True),
    ],
)
def test_colours_in_a_pipe(leak: str, arguments: tuple[str, ...], environment: dict[str, str], colored: bool) -> None:
    unset = {"NO_COLOR": "", "FORCE_COLOR": "", "CLICOLOR_FORCE": ""}
    done = deadkey("scan", "files", leak, *arguments, **{**unset, **environment})
    assert b"GitHub personal access token" in done.stdout
    assert (ESCAPE in done.stdout) == colored
    saved = deadkey("scan", "files", leak, "--format", "json", **{**unset, **environment})
    assert ESCAPE not in saved.stdout
    again = deadkey("report", "-", *arguments, data=saved.stdout, **{**unset, **environment})
    assert (ESCAPE in again.stdout) == colored


def test_other_tables_follow_the_same_variables() -> None:
    unset = {"NO_COLOR": "", "FORCE_COLOR": "", "CLICOLOR_FORCE": ""}
    assert ESCAPE in deadkey("rules", "list", **{**unset, "CLICOLOR_FORCE": "1"}).stdout
    assert ESCAPE not in deadkey("rules", "list", **unset).stdout


def test_an_unknown_stream_is_no_terminal() -> None:
    assert not wanted(None, environ={})  # type: ignore[arg-type]


BAR = """
import sys
from scanner.cli.progress import Bar
times = iter(range(1000))
now = [0.0]
with Bar(clock=lambda: now[0]) as bar:
    for done in range(0, 100_000_001, 10_000_000):
        now[0] += {step}
        bar.tell(done, {total})
    sys.stderr.flush()
print("over")
"""


def shown(terminal: Terminal, step: float, total: int) -> str:
    process = terminal.start("-c", BAR.format(step=step, total=total))
    while process.poll() is None:
        terminal.read(0.05)
    assert process.returncode == 0, terminal.said
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", terminal.read().decode())


def test_long_work_shows_bytes_rate_and_time_left(terminal: Terminal) -> None:
    said = shown(terminal, 0.5, 200_000_000)
    assert "100.0/200.0 MB" in said and re.search(r"\d+\.\d MB/s", said) and re.search(r"0:00:0\d", said), said
    assert said.rstrip().endswith("over")


def test_short_work_shows_nothing(terminal: Terminal) -> None:
    assert shown(terminal, 0.01, 200_000_000).strip() == "over"


def test_work_of_unknown_length_shows_bytes_and_rate(terminal: Terminal) -> None:
    said = shown(terminal, 0.5, 0)
    assert re.search(r"100\.0/\? MB", said) and re.search(r"\d+\.\d MB/s", said), said


def test_a_scan_at_a_terminal_shows_its_progress_and_one_in_a_pipe_does_not(terminal: Terminal) -> None:
    """As much goes into standard input as it takes for the bar to appear."""
    process = terminal.start("-m", "scanner", "scan", "stdin", stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    assert process.stdin
    fed = 0
    while b"MB/s" not in terminal.read() and fed < 4 << 30:
        process.stdin.write(b"nothing in here\n" * (1 << 16))
        fed += 1 << 20
    process.stdin.close()
    assert process.wait(60) == 0
    assert b"MB/s" in terminal.said
    quiet = deadkey("scan", "stdin", data=b"nothing in here\n" * (1 << 20))
    assert (quiet.returncode, quiet.stderr) == (0, b"")


def test_a_dumb_terminal_gets_no_bar(terminal: Terminal, tmp_path: Path) -> None:
    (tmp_path / "big").write_bytes(b"x\n" * (1 << 20))
    assert ESCAPE not in terminal.run("scan", "files", str(tmp_path / "big"), env={"TERM": "dumb"})


def completed(words: list[str]) -> list[str]:
    """What click answers the shell for the last of `words`."""
    done = deadkey(
        _DEADKEY_COMPLETE="fish_complete",
        COMP_WORDS=" ".join(words),
        COMP_CWORD=words[-1],  # type: ignore[arg-type]
    )
    return [line.split(",", 1)[-1].split("\t")[0] for line in done.stdout.decode().splitlines()]


def test_words_are_completed() -> None:
    assert completed(["deadkey", "re"]) == ["revoke", "report", "redact"]
    assert completed(["deadkey", "scan", "st"]) == ["staged", "stdin"]
    assert "github-pat" in completed(["deadkey", "scan", "files", "--only", "github-"])
    assert all(name.startswith("gitlab-") for name in completed(["deadkey", "rules", "show", "gitlab-"]))
    assert completed(["deadkey", "scan", "files", "--format", "js"]) == ["json", "jsonl"]
    assert "github-pat" in completed(["deadkey", "verify", "--rule", "github-p"])


def test_bash_completes(tmp_path: Path) -> None:
    (tmp_path / "deadkey").write_text(f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" -m scanner "$@"\n')
    (tmp_path / "deadkey").chmod(0o755)
    script = (
        'eval "$(deadkey completion bash)"\n'
        "function=$(complete -p deadkey | sed 's/.*-F \\([^ ]*\\).*/\\1/')\n"
        "COMP_WORDS=(deadkey rules show github-p) COMP_CWORD=3\n"
        'PATH_SAVED=$PATH; $function deadkey github-p show; echo "${COMPREPLY[@]}"'
    )
    environment = {**os.environ, "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(["bash", "-c", script], env=environment, capture_output=True, text=True)
    assert "github-pat" in done.stdout.split(), done.stderr


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_can_read_theirs(shell: str, tmp_path: Path) -> None:
    said = deadkey("completion", shell).stdout
    assert f"_DEADKEY_COMPLETE={shell}_complete".encode() in said
    if shutil.which(shell):
        (tmp_path / "script").write_bytes(said)
        assert subprocess.run([shell, "-n", str(tmp_path / "script")], capture_output=True).stderr == b""


@pytest.fixture
def pages(tmp_path: Path) -> Path:
    done = deadkey("man", "--output", str(tmp_path / "man"), SOURCE_DATE_EPOCH="0")
    assert done.returncode == 0, done.stderr
    return tmp_path / "man"


def test_every_verb_has_a_manual_page_with_its_options(pages: Path) -> None:
    names = {path.name for path in pages.iterdir()}
    assert {"deadkey.1", "deadkey-scan-git.1", "deadkey-redact.1", "deadkey-journal-verify.1"} <= names
    page = (pages / "deadkey-scan-git.1").read_text("ascii")
    assert page.startswith('.TH DEADKEY-SCAN-GIT 1 1970-01-01 "deadkey ')
    for option in (
        "\\-\\-since\\-last",
        "\\-f, \\-\\-format [table|json|jsonl|sarif|html|markdown|csv|gitlab|junit|github|azure]",
        "\\-h, \\-\\-help",
    ):
        assert f"\n.B {option}" in page, option
    assert ".B 3\nthe scan is incomplete\n" in (pages / "deadkey.1").read_text("ascii")
    for name in re.findall(r"^\.BR (\S+) \(1\)", (pages / "deadkey.1").read_text(), re.MULTILINE):
        assert name.replace("\\-", "-") + ".1" in names


def test_the_manual_pages_have_no_fault_that_a_checker_finds(pages: Path) -> None:
    files = sorted(map(str, pages.iterdir()))
    if shutil.which("mandoc"):
        done = subprocess.run(["mandoc", "-Tlint", *files], capture_output=True, text=True)
        assert done.stdout == ""
    if shutil.which("groff"):
        done = subprocess.run(["groff", "-man", "-Tutf8", "-ww", "-z", *files], capture_output=True, text=True)
        assert done.stderr == ""
    for file in files:
        lines = Path(file).read_text("ascii").splitlines()
        assert all(re.match(r"\.(TH|SH|TP|B|BR|PP|nf|fi)\b", line) for line in lines if line[:1] in (".", "'")), file


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = deadkey("man", "--output", str(tmp_path / "file"))
    assert done.returncode == 2
    assert "cannot write manual pages" in one_line(done.stderr)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("scna",), "Did you mean 'scan'"),
        (("scan", "files", "--onyl", "x", "."), "[Dd]id you mean .*--only"),
        (("rules", "show", "githb-pat"), "did you mean github-pat"),
        (("verify", "--rule", "githb-pat"), "did you mean github-pat?"),
    ],
)
def test_the_nearest_word_is_named(arguments: tuple[str, ...], said: str) -> None:
    done = deadkey(*arguments, data=b"x")
    assert done.returncode == 2
    assert re.search(said, done.stderr.decode())
