"""`deadkey redact` between real pipes."""

from __future__ import annotations

import os
import select
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.parts import Token, one_line, started
from tests.conftest import deadkey
from tests.redaction.parts import private_key


def answered(process: subprocess.Popen[bytes], wanted: bytes, seconds: float = 30) -> bytes:
    """What the process writes until `wanted` is in it."""
    assert process.stdout
    said = b""
    while wanted not in said:
        assert select.select([process.stdout], [], [], seconds)[0], said
        piece = os.read(process.stdout.fileno(), 1 << 16)
        assert piece, said
        said += piece
    return said


def test_a_file_through_the_pipe(tmp_path: Path, token: Token) -> None:
    log = b"one\r\n\xff\x00 two\ntoken=" + token("a") + b"\n" + private_key("p").encode() + b"end without newline"
    done = deadkey("redact", "--verbose", data=log)
    key = b"[private-key]\n" * private_key("p").count("\n")
    assert done.stdout == b"one\r\n\xff\x00 two\ntoken=[github-pat]\n" + key + b"end without newline"
    assert (done.returncode, done.stderr) == (0, b"deadkey: 2 masked\n")
    assert deadkey("redact", data=b"").stdout == b""


def test_a_large_file_is_what_it_was_but_for_its_secrets(tmp_path: Path, token: Token) -> None:
    """Longer than what is held at a time, with secrets wherever it is cut."""
    lines = [b"%d GET /items?page=3 200 12ms user=ada\n" % number for number in range(120_000)]
    for number in range(0, len(lines), 1777):
        lines[number] = b"%d token=" % number + token(str(number)) + b" refused\n"
    (tmp_path / "app.log").write_bytes(b"".join(lines))
    with (tmp_path / "app.log").open("rb") as source, (tmp_path / "clean.log").open("wb") as target:
        process = started("redact", stdin=source, stdout=target)
        assert process.wait(60) == 0
    clean = (tmp_path / "clean.log").read_bytes().splitlines(keepends=True)
    assert len(clean) == len(lines)
    for number, (before, after) in enumerate(zip(lines, clean, strict=True)):
        assert after == (before if number % 1777 else b"%d token=[github-pat] refused\n" % number)


def test_a_line_comes_out_while_the_writer_goes_on(token: Token) -> None:
    process = started("redact", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin
    try:
        for number in range(3):
            process.stdin.write(b"%d " % number + token("a") + b"\nhalf")
            process.stdin.flush()
            assert answered(process, b"\n") == (b"half" if number else b"") + b"%d [github-pat]\n" % number
        process.stdin.write(b"-----BEGIN " + b"PRIVATE KEY-----\nMIIabcdefghijklmnopqrstuvwxyz01\n")
        process.stdin.flush()
        assert answered(process, b"]\n") == b"half-----BEGIN " + b"PRIVATE KEY-----\n[private-key]\n"
        process.stdin.close()
        assert process.stdout and process.stdout.read() == b""
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()


def test_a_reader_that_goes_away_is_no_fault(token: Token) -> None:
    command = f"yes '{token('a').decode()} and more' | {sys.executable} -m scanner redact | head -n 2; echo ${{PIPESTATUS[1]}}"
    root = str(Path(__file__).parent.parent.parent)
    done = subprocess.run(
        ["bash", "-c", command], capture_output=True, env={**os.environ, "PYTHONPATH": root}, timeout=60
    )
    assert done.stdout == b"[github-pat] and more\n" * 2 + b"0\n"
    assert done.stderr == b""


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no full device")
def test_what_cannot_be_written_is_told() -> None:
    with open("/dev/full", "wb") as full:
        process = started("redact", stdin=subprocess.PIPE, stdout=full, stderr=subprocess.PIPE)
        _, err = process.communicate(b"line\n", timeout=60)
    assert process.returncode == 3
    assert "standard output cannot be written" in one_line(err)


def test_bad_use_is_told() -> None:
    done = deadkey("redact", "--only", "githb-pat", data=b"x\n")
    assert (done.returncode, done.stdout) == (2, b"")
    assert one_line(done.stderr) == "--only githb-pat: no such rule; did you mean github-pat?"
    process = started("redact", stdin=None, stderr=subprocess.PIPE, preexec_fn=lambda: os.close(0))
    _, err = process.communicate(timeout=60)
    assert process.returncode == 2 and "standard input is closed" in one_line(err)
