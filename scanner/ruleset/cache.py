"""Rules ready for use, from the user's cache folder when they were compiled before.

The key is a digest of the rule files' names and bytes, the compiler's version and the engine's. A cache that is missing,
torn or of another machine is made anew; one that cannot be written costs time and nothing else.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sys
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import hyperscan

from scanner.model import DeadkeyError
from scanner.ruleset.ruleset import Companion, Rule, Ruleset

COMPILER = 18
"""Raise when what is compiled from the same rules changes."""
MAGIC = b"deadkey-rules-1\n"
KEEP = 6
"""How many compiled rule sets stay in the cache folder."""


def shipped() -> Path:
    """The folder of the rules that come with the package."""
    installed = Path(__file__).parent.parent / "_rules"
    return installed if installed.is_dir() else Path(__file__).parent.parent.parent / "rules"


def cache_folder() -> Path:
    """`$XDG_CACHE_HOME/deadkey`, or `~/.cache/deadkey`."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base and Path(base).is_absolute() else Path.home() / ".cache") / "deadkey"


def read_files(folders: tuple[Path, ...]) -> dict[str, bytes]:
    """Rule files by name, folder by folder in the order of their names. Raises DeadkeyError."""
    files: dict[str, bytes] = {}
    for folder in folders:
        try:
            with os.scandir(folder) as entries:
                names = sorted(e.path for e in entries if e.name.endswith((".yaml", ".yml")))
            for name in names:
                files[name] = Path(name).read_bytes()
        except OSError as e:
            raise DeadkeyError(f"{e.filename or folder}: cannot read rules: {e.strerror}") from e
        if not names:
            raise DeadkeyError(f"{folder}: holds no rule files (*.yaml)")
    return files


def get(folders: tuple[Path, ...] = (), more: Mapping[str, bytes] | None = None) -> Ruleset:
    """The shipped rules, those of `folders` and of `more`, files by name, compiled. Raises DeadkeyError with every fault."""
    files = {**read_files((shipped(), *folders)), **(more or {})}
    digest = digest_of(files)
    try:
        stem = cache_folder() / f"rules-{digest}"
    except RuntimeError:  # no home folder
        return compiled(files, digest, None)
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError, IndexError, hyperscan.HyperscanError):
        return _read(stem, files, digest)
    return compiled(files, digest, stem)


def digest_of(files: dict[str, bytes]) -> str:
    state = hashlib.blake2b(digest_size=12)
    state.update(f"{COMPILER} {getattr(hyperscan, '__version__', '')} {sys.version_info[:2]}".encode())
    for name, content in files.items():
        state.update(f"\0{name.rpartition('/')[2]}\0{len(content)}\0".encode(errors="surrogateescape"))
        state.update(content)
    return state.hexdigest()


def compiled(files: dict[str, bytes], digest: str, stem: Path | None) -> Ruleset:
    """Compile rule files, and keep the result under `stem` if that can be written."""
    from scanner.ruleset import compile as compiler
    from scanner.ruleset.load import load

    loaded = load(files)
    rules, anchors = compiler.compile_rules(loaded)
    database = compiler.build(anchors)
    actions = compiler.actions(loaded)
    table = tuple((a.rules, a.kind, a.phase, a.length) for a in anchors)
    ruleset = Ruleset(rules, table, compiler.span(anchors), database, digest, lambda: actions)
    if stem is not None:
        with contextlib.suppress(OSError):
            _write(stem, ruleset, actions)
    return ruleset


def _write(stem: Path, ruleset: Ruleset, actions: dict[str, dict[str, Any]]) -> None:
    stem.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    acting = json.dumps(actions).encode()
    parts = [[_plain(r) for r in ruleset.rules], ruleset.anchors, ruleset.span, zlib.crc32(acting)]
    header = json.dumps(parts, separators=(",", ":")).encode()
    lead = MAGIC + len(header).to_bytes(8, "little") + zlib.crc32(header).to_bytes(4, "little")
    _replace(stem.with_suffix(".actions.json"), acting)
    _replace(stem.with_suffix(".bin"), lead + header + ruleset.database)
    old = sorted(stem.parent.glob("rules-*.bin"), key=lambda p: p.stat().st_mtime, reverse=True)[KEEP:]
    for path in old:
        path.unlink(missing_ok=True)
        path.with_suffix(".actions.json").unlink(missing_ok=True)


def _replace(path: Path, content: bytes) -> None:
    import tempfile

    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".new-")
    try:
        with open(handle, "wb") as out:
            out.write(content)
        Path(name).replace(path)
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise


def _read(stem: Path, files: dict[str, bytes], digest: str) -> Ruleset:
    content = stem.with_suffix(".bin").read_bytes()
    if not content.startswith(MAGIC):
        raise ValueError("not a compiled rule set")
    start = len(MAGIC) + 12
    length = int.from_bytes(content[start - 12 : start - 4], "little")
    header = content[start : start + length]
    if zlib.crc32(header) != int.from_bytes(content[start - 4 : start], "little"):
        raise ValueError("torn")
    rules, anchors, span, acting = json.loads(header)
    database = content[start + length :]

    def load_actions() -> dict[str, dict[str, Any]]:
        try:
            content = stem.with_suffix(".actions.json").read_bytes()
            if zlib.crc32(content) != acting:
                raise ValueError("torn")
            read: dict[str, dict[str, Any]] = json.loads(content)
        except (OSError, ValueError):
            read = compiled(files, digest, stem)._actions
        return read

    table = tuple((tuple(a[0]), a[1], a[2], a[3]) for a in anchors)
    ruleset = Ruleset(tuple(_rule(r) for r in rules), table, span, database, digest, load_actions)
    _ = ruleset.loaded  # raises where the database is torn or of another machine
    return ruleset


_FIELDS = Rule.__slots__


def _plain(rule: Rule) -> list[Any]:
    values = {f: getattr(rule, f) for f in _FIELDS}
    values["companions"] = [[c.rule, c.name, c.within, c.required] for c in rule.companions]
    return [values[f] for f in _FIELDS]


def _rule(values: list[Any]) -> Rule:
    kept = dict(zip(_FIELDS, values, strict=True))
    kept["context"] = tuple(kept["context"])
    kept["starts"] = tuple(kept["starts"])
    kept["openings"] = tuple(kept["openings"])
    kept["known"] = tuple(kept["known"])
    kept["given"] = tuple((name, value) for name, value in kept["given"])
    kept["companions"] = tuple(Companion(*c) for c in kept["companions"])
    return Rule(**kept)
