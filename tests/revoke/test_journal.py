"""The journal keeps what was written to it, and notices what was done to it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scanner.model import Secret
from scanner.revoke import journal
from scanner.revoke.journal import Journal, JournalError, pending, read, verify


def _filled(path: Path, entries: int = 4) -> Path:
    for n in range(entries):
        Journal(path).append("intent" if n % 2 == 0 else "outcome", intent=n, state="done", detail=f"entry {n} ä\n")
    return path


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _filled(tmp_path_factory.mktemp("journal") / "journal.jsonl")


def test_entries_are_chained_and_hold_what_was_given(whole: Path) -> None:
    entries = read(whole)
    assert [entry["seq"] for entry in entries] == [1, 2, 3, 4]
    assert [entry["prev"] for entry in entries] == ["0" * 64, *(entry["hash"] for entry in entries[:-1])]
    assert entries[2]["detail"] == "entry 2 ä\n"
    assert all(entry["actor"] and entry["tool"].startswith("deadkey/") for entry in entries)
    assert verify(whole) == []


@settings(deadline=None)
@given(st.data())
def test_any_changed_byte_is_noticed(whole: Path, data: st.DataObject) -> None:
    original = whole.read_bytes()
    at = data.draw(st.integers(0, len(original) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda value: value != original[at]))
    copy = whole.with_name("changed.jsonl")
    copy.write_bytes(original[:at] + bytes([byte]) + original[at + 1 :])
    assert verify(copy) != []


def test_another_spelling_of_the_same_entry_is_noticed(whole: Path) -> None:
    copy = whole.with_name("spelt.jsonl")
    copy.write_bytes(whole.read_bytes().replace(b"\\u00e4", b"\\u00E4", 1))
    assert copy.read_bytes() != whole.read_bytes()
    assert [problem.what for problem in verify(copy)] == ["was changed: its hash is another"]


@settings(deadline=None)
@given(st.data())
def test_any_missing_or_moved_entry_is_noticed(whole: Path, data: st.DataObject) -> None:
    lines = whole.read_bytes().splitlines(keepends=True)
    order = data.draw(st.lists(st.integers(0, 3), max_size=5).filter(lambda order: order != [0, 1, 2, 3]))
    copy = whole.with_name("moved.jsonl")
    copy.write_bytes(b"".join(lines[n] for n in order))
    whole.with_name("moved.jsonl.head").write_bytes(whole.with_name("journal.jsonl.head").read_bytes())
    assert verify(copy) != []


def test_a_whole_new_chain_is_noticed_by_the_head(tmp_path: Path) -> None:
    path, other = _filled(tmp_path / "a", 2), _filled(tmp_path / "b", 2)
    path.write_bytes(other.read_bytes())
    assert [problem.what for problem in verify(path)] == ["is not the entry that was written last"]


def test_a_torn_line_is_told_apart_and_mended(tmp_path: Path) -> None:
    path = _filled(tmp_path / "journal.jsonl", 2)
    with path.open("ab") as file:
        file.write(b'{"seq":3,"kind":"intent","deta')
    assert [(problem.line, problem.torn) for problem in verify(path)] == [(3, True)]
    assert len(read(path)) == 2
    Journal(path).append("note", state="", detail="after")
    assert [(entry["kind"], entry["state"]) for entry in read(path)[2:]] == [("note", "repaired"), ("note", "")]
    assert '{"seq":3,"kind":"intent","deta' in read(path)[2]["detail"]
    assert verify(path) == []


def test_a_cut_tail_stays_noticed(tmp_path: Path) -> None:
    path = _filled(tmp_path / "journal.jsonl", 4)
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:2]))
    assert [problem.what for problem in verify(path)] == ["entries 3 to 4 are missing at the end"]
    Journal(path).append("note", state="", detail="after")
    assert [problem.what for problem in verify(path)] == ["notes that entries 3 to 4 were missing at the end"]
    path.unlink()
    assert verify(path) != []


def test_a_last_entry_that_cannot_be_read_stops_writing(tmp_path: Path) -> None:
    path = _filled(tmp_path / "journal.jsonl", 2)
    path.write_bytes(path.read_bytes()[:-20] + b"xxxxxxxxxxxxxxxxxxx\n")
    with pytest.raises(JournalError, match="cannot be read"):
        Journal(path).append("note")


def test_fingerprints_are_this_journals_own(tmp_path: Path) -> None:
    secret = Secret(b"tok_abcdefghijkl")
    one, again, other = Journal(tmp_path / "a"), Journal(tmp_path / "a"), Journal(tmp_path / "b")
    assert one.fingerprint(secret) == again.fingerprint(secret) != other.fingerprint(secret)
    assert (tmp_path / "a.key").stat().st_mode & 0o777 == 0o600


def test_pending_is_what_has_no_outcome(tmp_path: Path) -> None:
    own = Journal(tmp_path / "j")
    first, second = own.append("intent", state="intended"), own.append("intent", state="intended")
    own.append("outcome", intent=first["seq"], state="revoked")
    assert [entry["seq"] for entry in pending(tmp_path / "j")] == [second["seq"]]
    assert pending(tmp_path / "none") == [] and verify(tmp_path / "none") == []


def test_writers_in_many_processes_keep_one_chain(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    code = (
        "import sys; from pathlib import Path; from scanner.revoke.journal import Journal\n"
        "for n in range(20): Journal(Path(sys.argv[1])).append('note', state='', detail=str(n))"
    )
    root = str(Path(__file__).parents[2])
    writers = [
        subprocess.Popen([sys.executable, "-c", code, str(path)], env={**os.environ, "PYTHONPATH": root})
        for _ in range(4)
    ]
    assert [writer.wait(60) for writer in writers] == [0] * 4
    assert verify(path) == [] and len(read(path)) == 80


def test_a_disk_that_fills_leaves_no_half_entry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = _filled(tmp_path / "journal.jsonl", 2)
    before, real = path.read_bytes(), os.write
    monkeypatch.setattr(journal.os, "write", lambda fd, data: real(fd, data[:10]))
    with pytest.raises(JournalError, match="No space left on device"):
        Journal(path).append("intent", state="intended")
    monkeypatch.undo()
    assert path.read_bytes() == before and verify(path) == []
