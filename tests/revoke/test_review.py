"""Looking back: from a date on, as a table, over clocks that went back and journals of earlier versions."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from scanner.model import DeadkeyError
from scanner.revoke import journal
from scanner.revoke.journal import Journal, digest, read, verify
from scanner.revoke.review import COLUMNS, moment_of, revoked_since, since, write_csv
from tests.conftest import deadkey

from .parts import TOKEN, calls, run


class Hand:
    """A clock that stands where it was put."""

    def __init__(self, now: str) -> None:
        self.now = moment_of(now)

    def time(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float, /) -> None:
        self.now += seconds


def _on(path: Path, *moments: str) -> Path:
    for moment in moments:
        Journal(path, Hand(moment)).append("intent", fingerprint=moment, state="intended", detail="")
    return path


# Two entries as version 0.1 wrote them: no host, no digest, no identity, no reason.
OLD = {
    "kind": "intent",
    "time": "2024-05-06T07:08:09.000000Z",
    "actor": "ada@desk",
    "tool": "deadkey/0.1.0",
    "fingerprint": "0" * 32,
    "rule": "acme-token",
    "provider": "Acme",
    "places": ["a.env"],
    "detail": "The token stops working.",
    "hook": "rule",
    "state": "intended",
}


def _old(path: Path) -> Path:
    previous = "0" * 64
    lines = []
    for seq, more in enumerate(({}, {"kind": "outcome", "intent": 1, "state": "revoked"}), 1):
        entry = {**OLD, **more, "seq": seq, "prev": previous}
        entry["hash"] = previous = digest(entry)
        lines.append(journal.canonical(entry) + b"\n")
    path.write_bytes(b"".join(lines))
    return path


def test_journals_of_earlier_versions_are_read_checked_and_continued(tmp_path: Path) -> None:
    path = _old(tmp_path / "j")
    assert verify(path) == [] and journal.pending(path) == []
    Journal(path).append("note", state="", detail="")
    assert verify(path) == [] and len(read(path)) == 3
    out = io.StringIO()
    write_csv(read(path), out)
    rows = list(csv.DictReader(io.StringIO(out.getvalue())))
    assert [row["allowed"] for row in rows] == ["", "", ""] and rows[0]["places"] == "a.env"


def test_a_clock_that_goes_back_is_noted_and_forgets_nothing(tmp_path: Path) -> None:
    path = _on(tmp_path / "j", "2027-03-02", "2027-03-01", "2027-03-01T00:00:05")
    entries = read(path)
    assert [(e["kind"], e["state"]) for e in entries][1] == ("note", "clock-back")
    assert entries[1]["detail"] == "the clock went back by 86400 s: times below are not those above"
    assert verify(path) == [] and len(entries) == 4
    assert len(since(entries, moment_of("2027-03-02"))) == 4, "what was written after belongs to it, whatever it says"
    assert since(entries, moment_of("2027-03-03")) == []
    assert revoked_since(entries, moment_of("2027-03-01T12:00:00")) == 1


def test_a_clock_that_is_set_right_is_not_worth_a_word(tmp_path: Path) -> None:
    assert len(read(_on(tmp_path / "j", "2027-03-01T00:00:02", "2027-03-01T00:00:01"))) == 2


@pytest.mark.parametrize("text", ["yesterday", "", "2027-13-01", "03/01/2027"])
def test_what_is_no_date(text: str) -> None:
    with pytest.raises(DeadkeyError, match="write a date like 2024-05-06"):
        moment_of(text)


def test_show_and_export_from_a_date_on(tmp_path: Path) -> None:
    path = str(_on(tmp_path / "j", "2027-03-01", "2027-03-02T10:00:00", "2027-03-03"))
    shown = deadkey("journal", "show", "--journal", path, "--since", "2027-03-02", "-f", "json")
    assert [json.loads(line)["seq"] for line in shown.stdout.splitlines()] == [2, 3]
    later = deadkey("journal", "show", "--journal", path, "--since", "2027-03-02T12:00:00+01:00")
    assert len(later.stdout.splitlines()) == 1
    out = tmp_path / "out.csv"
    assert deadkey("journal", "export", "--journal", path, "--format", "csv", "-o", str(out)).returncode == 0
    rows = list(csv.DictReader(out.open(newline="")))
    assert [row["seq"] for row in rows] == ["1", "2", "3"] and tuple(rows[0]) == COLUMNS
    assert rows[2]["hash"] == read(Path(path))[2]["hash"]
    whole = deadkey("journal", "export", "--journal", path, "--format", "jsonl", "--since", "2027-03-03")
    assert [json.loads(line) for line in whole.stdout.splitlines()] == read(Path(path))[2:]
    bad = deadkey("journal", "show", "--journal", path, "--since", "soon")
    assert bad.returncode == 2 and bad.stderr.count(b"\n") == 1


@pytest.mark.parametrize("text", ['=HYPERLINK("http://evil.test")', "+1", "-1", "@SUM(A1)", "|calc", "\t=1"])
def test_no_cell_is_a_formula(text: str) -> None:
    out = io.StringIO()
    write_csv([{"seq": 1, "places": [text, "b"], "detail": text, "identity": {text: "x"}}], out)
    (row,) = csv.DictReader(io.StringIO(out.getvalue()))
    for name in ("places", "detail", "identity"):
        assert row[name][0] in "'?" and not set(row[name]) & set("\t\r\n\0")


def test_what_is_exported_holds_no_secret(issuer: int, tmp_path: Path) -> None:
    run(issuer, tmp_path / "j")
    out = io.StringIO()
    write_csv(read(tmp_path / "j"), out)
    assert TOKEN not in out.getvalue() and "account=bob" in out.getvalue() and "asked and confirmed" in out.getvalue()


RUNNER = """
import sys
from pathlib import Path
from scanner.model import DeadkeyError
from tests.revoke.parts import run
print("ready", flush=True)
sys.stdin.readline()
try:
    found = run(int(sys.argv[1]), Path(sys.argv[2]), hooks=("command",), command=tuple(sys.argv[3:]))
    print(found.verdict.state, found.outcome.state if found.outcome else "")
except DeadkeyError as e:
    print("refused" if "another run is revoking" in str(e) else e)
"""


def test_two_runs_at_once_revoke_once(issuer: int, tmp_path: Path) -> None:
    path, fifo = tmp_path / "state" / "j", tmp_path / "fifo"
    os.mkfifo(fifo)
    # The first holds the journal while its hook waits; the second comes in between.
    hook = (
        "import json,sys,urllib.request as u\nt=json.load(sys.stdin)['secret']\nopen(sys.argv[2]).read()\n"
        "u.urlopen('http://127.0.0.1:'+sys.argv[1]+'/revoke',json.dumps({'token':t}).encode())\n"
    )
    command = [sys.executable, "-c", RUNNER, str(issuer), str(path), sys.executable, "-c", hook, str(issuer), str(fifo)]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    runs = [
        subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    for each in runs:
        assert each.stdin and each.stdout and each.stdout.readline() == "ready\n"
    first, second = runs
    assert first.stdin
    first.stdin.write("\n")
    first.stdin.flush()
    writer = os.open(fifo, os.O_WRONLY)  # opens once the first one's hook reads
    told, _ = second.communicate("\n", timeout=60)
    assert told == "refused\n"
    os.close(writer)
    assert first.communicate(timeout=60)[0] == "dead revoked\n"
    assert calls(issuer) == [TOKEN]
    assert verify(path) == [] and [e["state"] for e in read(path)] == ["intended", "revoked"]


def test_a_verdict_of_a_time_to_come_is_asked_for_again(issuer: int, tmp_path: Path) -> None:
    from dataclasses import replace

    from scanner.model import Verdict
    from scanner.revoke.execute import revoke
    from scanner.revoke.settings import RevokeSettings

    from .parts import ACTION, finding, settings_for

    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3600))
    old = replace(finding("dead_" + TOKEN), verdict=Verdict("live", checked=stamp))
    found = revoke(
        [old],
        lambda _: ACTION,
        RevokeSettings(journal=tmp_path / "j", mode="ask"),
        settings_for(issuer),
        confirm=lambda *_: pytest.fail("asked about a dead token"),
        say=lambda _: None,
    )[0]
    assert found.verdict and found.verdict.state == "dead" and found.outcome is None
