"""The journal: what was about to be done and what came of it, one JSON object a line, only ever added to.

Each entry carries the hash of the one before and its own: BLAKE2b-256 over its canonical JSON (keys sorted, no blanks,
ASCII) without `hash`. Beside the journal stand its key (`.key`, for fingerprints that match within this journal only),
its head (`.head`: the last entry's number and hash, so that a cut tail is noticed) and its lock. No secret is in any of
them. Whoever may write the folder can write all of it anew: keep the last hash elsewhere to notice that, too.
"""

from __future__ import annotations

import contextlib
import errno
import getpass
import hashlib
import json
import os
import secrets
import socket
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from scanner.model import DeadkeyError, Secret
from scanner.verify.interface import Clock
from scanner.verify.settings import agent

FIRST = "0" * 64
"""What the first entry has for the hash of the one before."""

MISSING = "missing"
"""State of the note that is written where entries were cut off."""

CLOCK_BACK = "clock-back"
"""State of the note that is written before an entry whose time is before that of the last one."""

STEP = 2.0
"""Seconds by which a clock may go back without a word: that much it is set right now and then."""

TAIL = 128 * 1024
"""Bytes from the end in which the last entry must start: no entry is nearly as long."""


class JournalError(DeadkeyError):
    """The journal cannot be written or read: nothing may be done that it would not know of."""


@dataclass(frozen=True)
class Problem:
    """Something wrong with a journal. `line` counts from 1; a torn last line is what a crash leaves behind."""

    line: int
    what: str
    torn: bool = False


def canonical(entry: Mapping[str, Any]) -> bytes:
    """The bytes that are hashed and written."""
    return json.dumps(entry, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()


def digest(entry: Mapping[str, Any]) -> str:
    """An entry's own hash, 64 hexadecimal digits."""
    bare = {name: value for name, value in entry.items() if name != "hash"}
    return hashlib.blake2b(canonical(bare), digest_size=32).hexdigest()


def beside(path: Path, suffix: str) -> Path:
    """A file that belongs to the journal at `path`."""
    return path.with_name(path.name + suffix)


class Journal:
    """The journal at a path. Nothing is made there before it is written to. Every method may raise JournalError."""

    def __init__(self, path: Path, clock: Clock = time) -> None:
        self.path, self._clock = path, clock

    def fingerprint(self, secret: Secret) -> str:
        """The secret's name in this journal; makes the journal's key when there is none."""
        return secret.fingerprint(self._key)

    @cached_property
    def _key(self) -> bytes:
        path = beside(self.path, ".key")
        with _told(self.path):
            if not path.exists():
                with self._locked():
                    if not path.exists():
                        _replace(path, secrets.token_hex(32).encode())
                        _sync_folder(path.parent)
            return bytes.fromhex(path.read_text("ascii").strip())

    def append(self, kind: str, **fields: Any) -> dict[str, Any]:
        """Add an entry (`kind`: intent, outcome or note) and give it back once it is on the disk.

        A torn line that a crash left behind is cut off first, and a note says so; so it is with entries that the head
        knows and the journal does not.
        """
        with _told(self.path), self._locked() as fd:
            last, torn = _tail(fd)
            head = _head(self.path)
            if torn:
                os.ftruncate(fd, os.fstat(fd).st_size - len(torn))
                last = self._write(fd, last, _repair(torn))
            if head and head["seq"] > last["seq"]:
                detail = f"entries {last['seq'] + 1} to {head['seq']} were missing at the end"
                last = self._write(fd, last, {"kind": "note", "state": MISSING, "detail": detail})
            if (back := moment(last) - self._clock.time()) > STEP:
                detail = f"the clock went back by {back:.0f} s: times below are not those above"
                last = self._write(fd, last, {"kind": "note", "state": CLOCK_BACK, "detail": detail})
            return self._write(fd, last, {"kind": kind, **fields})

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Hold the journal for a whole run, so that no other run acts on what this one has only begun."""
        with _told(self.path):
            _folder(self.path.parent)
            fd = os.open(beside(self.path, ".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                _lock(fd, wait=False)
            except BlockingIOError:
                os.close(fd)
                raise JournalError(f"{self.path}: another run is revoking; wait for it to end") from None
        try:
            yield
        finally:
            os.close(fd)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[int]:
        _folder(self.path.parent)
        new = not self.path.exists()
        fd = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            _lock(fd, wait=True)
            if new:
                _sync_folder(self.path.parent)
            yield fd
        finally:
            os.close(fd)

    def _write(self, fd: int, last: Mapping[str, Any], fields: Mapping[str, Any]) -> dict[str, Any]:
        entry = {
            "seq": last["seq"] + 1,
            "time": datetime.fromtimestamp(self._clock.time(), UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "actor": actor(),
            "host": socket.gethostname(),
            "tool": agent(),
            **fields,
            "prev": last["hash"],
        }
        entry["hash"] = digest(entry)
        line = canonical(entry) + b"\n"
        before = os.fstat(fd).st_size
        try:
            if os.write(fd, line) != len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(fd)
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(fd, before)
            raise
        _replace(beside(self.path, ".head"), canonical({"seq": entry["seq"], "hash": entry["hash"]}))
        return entry


def read(path: Path) -> list[dict[str, Any]]:
    """The entries that can be read, in their order; a torn last line is left out. No journal: no entries."""
    with _told(path):
        lines = _data(path).split(b"\n")[:-1]
    return [entry for entry in map(_parsed, lines) if entry is not None]


def pending(path: Path) -> list[dict[str, Any]]:
    """Intents without an outcome, oldest first: a run was killed in between."""
    entries = read(path)
    settled = {entry.get("intent") for entry in entries if entry["kind"] == "outcome"}
    return [entry for entry in entries if entry["kind"] == "intent" and entry["seq"] not in settled]


def verify(path: Path) -> list[Problem]:
    """What is wrong with the journal: changed, missing or reordered entries, a cut tail, a torn last line."""
    with _told(path):
        data = _data(path)
        head = _head(path)
    *lines, torn = data.split(b"\n")
    problems = []
    seq, previous = 0, FIRST
    for number, line in enumerate(lines, 1):
        entry = _parsed(line)
        if entry is None:
            problems.append(Problem(number, "is no entry"))
            continue
        if canonical(entry) != line or digest(entry) != entry["hash"]:
            problems.append(Problem(number, "was changed: its hash is another"))
        if entry["seq"] != seq + 1:
            problems.append(Problem(number, f"has number {entry['seq']} where {seq + 1} must stand"))
        elif entry["prev"] != previous:
            problems.append(Problem(number, "does not follow the entry before it"))
        if entry["kind"] == "note" and entry.get("state") == MISSING:
            problems.append(Problem(number, f"notes that {entry.get('detail')}"))
        if head and entry["seq"] == head["seq"] and entry["hash"] != head["hash"]:
            problems.append(Problem(number, "is not the entry that was written last"))
        seq, previous = entry["seq"], entry["hash"]
    if torn:
        problems.append(Problem(len(lines) + 1, f"is torn: a run was cut off while writing {len(torn)} bytes", True))
    if head and head["seq"] > seq:
        problems.append(Problem(len(lines) + 1, f"entries {seq + 1} to {head['seq']} are missing at the end"))
    return problems


def _data(path: Path) -> bytes:
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "not a file")
    return path.read_bytes() if path.exists() else b""


def _head(path: Path) -> dict[str, Any] | None:
    file = beside(path, ".head")
    return _parsed(file.read_bytes().strip()) if file.exists() else None


def _parsed(line: bytes) -> dict[str, Any] | None:
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(entry, dict) or not isinstance(entry.get("seq"), int) or not isinstance(entry.get("hash"), str):
        return None
    return {"kind": "", "prev": "", **entry}


def _tail(fd: int) -> tuple[Mapping[str, Any], bytes]:
    """The last entry, and what stands behind it without an end of line."""
    size = os.fstat(fd).st_size
    start = max(0, size - TAIL)
    whole, newline, torn = os.pread(fd, size - start, start).rpartition(b"\n")
    last = _parsed(whole.rpartition(b"\n")[2]) if newline else None if start else {"seq": 0, "hash": FIRST}
    if last is None:
        raise JournalError("the journal's last entry cannot be read (deadkey journal verify says more)")
    return last, torn


def _repair(torn: bytes) -> dict[str, Any]:
    text = "".join(chr(byte) if 32 <= byte < 127 else "?" for byte in torn[:512])
    return {"kind": "note", "state": "repaired", "detail": f"cut off a torn line of {len(torn)} bytes: {text}"}


def _replace(path: Path, data: bytes) -> None:
    temporary = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        try:
            if os.write(fd, data) != len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(fd)
        finally:
            os.close(fd)
        temporary.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


def _folder(path: Path) -> None:
    path.mkdir(mode=0o700, parents=True, exist_ok=True)


def _sync_folder(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _lock(fd: int, wait: bool) -> None:
    try:
        import fcntl
    except ImportError:
        raise JournalError("the journal needs file locks, which this system does not have") from None
    fcntl.flock(fd, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)


@contextlib.contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError) as e:
        why = e.strerror if isinstance(e, OSError) else "it is damaged"
        raise JournalError(f"{path}: the journal cannot be used: {why}") from e


def moment(entry: Mapping[str, Any]) -> float:
    """When it was written, in seconds since 1970; 0 where it does not say."""
    try:
        return datetime.fromisoformat(str(entry.get("time"))).timestamp()
    except ValueError:
        return 0.0


def actor() -> str:
    """Who runs this: `user@host`, as the system knows them."""
    try:
        name = getpass.getuser()
    except (OSError, KeyError):
        name = str(os.getuid())
    return f"{name}@{socket.gethostname()}"
