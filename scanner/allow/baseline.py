"""Known secrets: a folder that never holds a secret, and that branches can add to without a merge conflict.

The file `salt` carries the random salt that keys the fingerprints. Every known secret is a file of one line, named by its
fingerprint: `FINGERPRINT RULE`, and behind it what an audit said of the secret, if there was one. The fingerprint stands
in the line as well, so that git takes no two of these files for one that was renamed.

Git merges files, not lines: in one sorted file, secrets that two branches add beside each other are a conflict, and
`merge=union` is honoured by few hosts and brings back what was removed (`bench/merges.py` measures both). A single file,
the salt in its first line and the secrets in the others, is read and kept up as well.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from scanner.model import DeadkeyError

HEAD = "# deadkey baseline 1 salt="
SALT = "salt"
LABELS = ("true", "false", "test", "revoked")
"""What an audit may say: a real secret, none at all, one that was made for a test, one whose life was ended."""

LARGEST = 64 << 20
"""Bytes of a baseline in one file."""
ENTRY = re.compile(rf"(?P<fingerprint>[0-9a-f]{{32}}) (?P<rule>\S+)(?: (?P<label>{'|'.join(LABELS)}))?")
NAME = re.compile("[0-9a-f]{32}")


class Known(NamedTuple):
    """The rule that saw the secret, and what an audit said of it; empty while the question is open."""

    rule: str
    label: str = ""


@dataclass(frozen=True, slots=True)
class Baseline:
    """What is known, by fingerprint (32 hexadecimal digits) under `key`."""

    key: bytes
    known: dict[str, Known]


def read(path: str) -> Baseline:
    """Raises DeadkeyError naming file and line."""
    return _read_folder(Path(path)) if os.path.isdir(path) else _read_file(Path(path))


def create(path: str, key: bytes, known: Mapping[str, Known]) -> None:
    """A new folder. Raises DeadkeyError, also where something is there already."""
    if os.path.lexists(path):
        raise DeadkeyError(f"{path}: is there already; `deadkey baseline update` adds to it")
    try:
        Path(path).mkdir()
        _put(Path(path) / SALT, _salt(key))
    except OSError as e:
        raise DeadkeyError(f"{path}: cannot write the baseline: {e.strerror}") from e
    write(path, known)


def write(path: str, known: Mapping[str, Known]) -> None:
    """Add `known` to the baseline at `path`, or replace what it says of these. Raises DeadkeyError."""
    try:
        if os.path.isdir(path):
            for fingerprint, entry in known.items():
                _put(Path(path) / fingerprint, _line(fingerprint, entry))
        else:
            before = _read_file(Path(path))
            lines = (_line(f, k) for f, k in sorted({**before.known, **known}.items()))
            _put(Path(path), _salt(before.key) + "".join(lines))
    except OSError as e:
        raise DeadkeyError(f"{path}: cannot write the baseline: {e.strerror}") from e


def _salt(key: bytes) -> str:
    return f"{HEAD}{key.hex()}\n"


def _line(fingerprint: str, entry: Known) -> str:
    return " ".join((fingerprint, entry.rule, entry.label)).rstrip() + "\n"


def _put(target: Path, text: str) -> None:
    """The whole file or, after a crash, what was there before."""
    import tempfile

    handle, name = tempfile.mkstemp(dir=target.parent, prefix=".baseline-")
    with open(handle, "w", encoding="utf-8", newline="\n") as out:
        out.write(text)
    Path(name).chmod(0o644)
    Path(name).replace(target)


def _read_folder(folder: Path) -> Baseline:
    if not os.path.lexists(folder / SALT):
        raise DeadkeyError(
            f"{folder}: not a baseline: it has no file {SALT!r}; `deadkey baseline create` makes a folder of its own"
        )
    lines = _lines(folder / SALT)
    key = _key(folder / SALT, lines)
    if len(lines) > 1:
        raise DeadkeyError(
            f"{folder / SALT}:2: more than one salt; keep one line, and `deadkey baseline update` adds what it misses"
        )
    known = {}
    try:
        names = sorted(name for name in os.listdir(folder) if NAME.fullmatch(name))
    except OSError as e:
        raise DeadkeyError(f"{folder}: cannot read the baseline: {e.strerror}") from e
    for name in names:
        entries = dict(_entries(folder / name, _lines(folder / name), 1))
        if entries.keys() != {name}:
            raise DeadkeyError(
                f"{folder / name}:1: not the one secret of its name; resolve the merge, or remove the file"
            )
        known.update(entries)
    return Baseline(key, known)


def _read_file(path: Path) -> Baseline:
    lines = _lines(path)
    return Baseline(_key(path, lines), dict(_entries(path, lines[1:], 2)))


def _lines(path: Path) -> list[str]:
    """The lines of a file that may be anybody's: no link is followed out of a baseline, no pipe waited for."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            os.close(handle)
            raise DeadkeyError(f"{path}: cannot read the baseline: not a file")
        with open(handle, "rb") as file:
            content = file.read(LARGEST + 1)
    except OSError as e:
        raise DeadkeyError(
            f"{path}: cannot read the baseline: {e.strerror}; `deadkey baseline create` makes one"
        ) from e
    if len(content) > LARGEST:
        raise DeadkeyError(f"{path}: cannot read the baseline: more than {LARGEST} bytes")
    try:
        return content.decode().splitlines()
    except UnicodeDecodeError as e:
        raise DeadkeyError(f"{path}: cannot read the baseline: not text; `deadkey baseline create` makes one") from e


def _key(path: Path, lines: list[str]) -> bytes:
    if not lines or not lines[0].startswith(HEAD):
        raise DeadkeyError(f"{path}:1: not a baseline: the first line must begin with {HEAD!r}")
    try:
        key = bytes.fromhex(lines[0].removeprefix(HEAD))
    except ValueError as e:
        raise DeadkeyError(f"{path}:1: the salt is not hexadecimal") from e
    if not 0 < len(key) <= hashlib.blake2b.MAX_KEY_SIZE:
        raise DeadkeyError(f"{path}:1: a salt has 1 to {hashlib.blake2b.MAX_KEY_SIZE} bytes")
    return key


def _entries(path: Path, lines: list[str], first: int) -> Iterator[tuple[str, Known]]:
    for number, line in enumerate(lines, first):
        if not line.strip() or line.startswith("#"):
            continue
        found = ENTRY.fullmatch(line.rstrip())
        if not found:
            raise DeadkeyError(
                f"{path}:{number}: not `FINGERPRINT RULE`, and behind it nothing or {', '.join(LABELS[:-1])} or "
                f"{LABELS[-1]}; resolve the merge, or remove the line"
            )
        yield found["fingerprint"], Known(found["rule"], found["label"] or "")


def new_key() -> bytes:
    return os.urandom(16)


def own_key(folder: Path, configured: Callable[[], str] | None = None) -> bytes:
    """The key of fingerprints where no baseline gives one: the one the user configured (`DEADKEY_FINGERPRINT_KEY` first),
    or this user's own, made at first use in `folder`; a folder that cannot be written gives a key for this run alone."""
    if configured is not None:
        return hashlib.blake2b(configured().encode(errors="surrogateescape"), digest_size=32).digest()
    path = folder / "fingerprint.key"
    try:
        return bytes.fromhex(path.read_text("ascii").strip())
    except (OSError, ValueError):
        key = new_key()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(handle, "w", encoding="ascii") as out:
            out.write(key.hex() + "\n")
    except OSError:
        pass
    return key
