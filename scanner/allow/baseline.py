"""Known secrets: a sorted text file, one line each, that never holds a secret and merges without conflicts.

The first line carries the random salt that keys the fingerprints; every other is `FINGERPRINT RULE`.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from scanner.model import DeadkeyError, Finding

HEAD = "# deadkey baseline 1 salt="


@dataclass(frozen=True, slots=True)
class Baseline:
    """Fingerprints (32 hexadecimal digits) by `key`, each with the rule that saw the secret."""

    key: bytes
    known: dict[str, str]


def read(path: str) -> Baseline:
    """Raises DeadkeyError naming file and line."""
    try:
        lines = Path(path).read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as e:
        reason = e.strerror if isinstance(e, OSError) else "not text"
        raise DeadkeyError(f"{path}: cannot read the baseline: {reason}; `deadkey baseline create` makes one") from e
    if not lines or not lines[0].startswith(HEAD):
        raise DeadkeyError(f"{path}:1: not a baseline: the first line must begin with {HEAD!r}")
    try:
        key = bytes.fromhex(lines[0].removeprefix(HEAD))
    except ValueError as e:
        raise DeadkeyError(f"{path}:1: the salt is not hexadecimal") from e
    known = {}
    for number, line in enumerate(lines[1:], 2):
        words = line.split()
        if not words or line.startswith("#"):
            continue
        if len(words) != 2 or len(words[0]) != 32 or words[0].strip("0123456789abcdef"):
            raise DeadkeyError(f"{path}:{number}: not `FINGERPRINT RULE`; resolve the merge, or remove the line")
        known[words[0]] = words[1]
    return Baseline(key, known)


def write(path: str, key: bytes, findings: Iterable[Finding], known: dict[str, str]) -> None:
    """Write `findings` and what was `known` before. Raises DeadkeyError."""
    lines = dict(known) | {f.fingerprint: f.rule for f in findings}
    text = f"{HEAD}{key.hex()}\n" + "".join(f"{f} {r}\n" for f, r in sorted(lines.items()))
    import tempfile

    target = Path(path)
    try:
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=".baseline-")
        with open(handle, "w", encoding="utf-8", newline="\n") as out:
            out.write(text)
        Path(name).chmod(0o644)
        Path(name).replace(target)
    except OSError as e:
        raise DeadkeyError(f"{path}: cannot write the baseline: {e.strerror}") from e


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
