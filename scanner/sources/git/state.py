"""Scanning what is new since the last time: what a state file remembers of a repository, and what is read because of it.

It remembers ids alone: the objects that were looked at, those in which something was found, and the commits that brought
these in. Values, paths and names are read again from the repository, so that none of them ever stands in the file, and by
the same detection, so that the findings equal those of a full scan.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from scanner.model import DeadkeyError, Skip
from scanner.sources.git.run import Repository
from scanner.sources.git.selected import SomeObjects, Survey, entries_of
from scanner.sources.interface import Item, Share, Source, alone

MAGIC = b"deadkey-state-1\n"


class Listing(NamedTuple):
    """What lies in an object store: packs with their sizes and indexes, and loose objects."""

    folders: tuple[Path, ...]
    oid_size: int
    packs: dict[str, int]
    indexes: dict[str, Path]
    loose: dict[str, Path]
    whole: bool
    """Whether every alternate is there."""
    cut: bool
    """Whether commits have other parents than they say, as in a shallow clone."""

    @property
    def name(self) -> str:
        """Which store it is, whatever way leads to it."""
        return hashlib.blake2b(os.fsencode(os.path.realpath(self.folders[0])), digest_size=16).hexdigest()


class Memory(NamedTuple):
    """What a state file holds. `found` are the objects with something in them, `commits` those that changed them."""

    packs: dict[str, int]
    loose: frozenset[str]
    found: list[str]
    commits: list[str]
    skipped: bool
    """Whether anything could not be read: it is tried again."""
    seen: bytes
    """Ids of all objects that were looked at, sorted."""

    def same(self, now: Listing) -> bool:
        """Whether nothing has come to the store, and nothing gone."""
        return self.packs == now.packs and self.loose == frozenset(now.loose)


def listing(repository: Repository) -> Listing:
    """Raises DeadkeyError where git cannot tell where the store is."""
    from scanner.sources.git.store import _folders, loose

    answer = os.fsdecode(repository.ask("rev-parse", "--show-object-format", "--git-path", "objects"))
    algorithm, _, path = answer.rstrip("\n").partition("\n")
    unknown: list[str] = []
    folders = tuple(_folders(Path(repository.path, path), unknown))
    if not folders:
        raise DeadkeyError(f"{repository.path}: it has no object store")
    indexes = {index.name: index for folder in folders for index in sorted((folder / "pack").glob("*.idx"))}
    packs: dict[str, int] = {}
    for name, index in indexes.items():
        try:
            packs[name] = index.with_suffix(".pack").stat().st_size
        except OSError:
            packs[name] = -1
    single = {oid: place for folder in folders for oid, place in loose(folder)}
    cut = any((folders[0].parent / name).exists() for name in ("shallow", "info/grafts"))
    return Listing(folders, 32 if algorithm == "sha256" else 20, packs, indexes, single, not unknown, cut)


@dataclass(frozen=True)
class SinceSource:
    """A repository's history, of which only what the state file does not know is read with care.

    `file` None means one below `folder`; `version` is the tool's. `say` gets one line when a state file cannot be used.
    """

    repository: Repository
    folder: Path
    file: Path | None
    version: str
    say: Callable[[str], None]
    plain: bool = False
    kind: str = "git"

    def items(self) -> Iterable[Item | Skip]:
        raise NotImplementedError("this source is revisited")

    def read(self, item: Item) -> Any:
        raise NotImplementedError("this source is revisited")

    def revisit(self, rules: str, survey: Survey, share: Share = alone) -> Source:
        """What is to be read for the report, after what is new was looked at and remembered."""
        now = listing(self.repository)
        file = self.file or self.folder / f"{now.name}.state"
        key = f"{self.version} {rules} {now.name}"
        memory, trouble = read(file, key, now.oid_size)
        if trouble:
            self.say(f"{file}: {trouble}; everything is looked at")
        if memory and not memory.skipped and now.whole and memory.same(now):
            return self._objects(now, memory.found, memory.commits)
        from scanner.sources.git import fresh
        from scanner.sources.git.packed import PackedSource

        news = fresh.look(self.repository, now, memory, survey, share, self.plain)
        if news is None:
            return PackedSource.open(self.repository, self.plain)
        if news.memory and not (trouble == FOREIGN and self.file):
            try:
                write(file, key, now.oid_size, news.memory)
            except OSError as e:
                self.say(f"{file}: cannot be written: {e.strerror}; the next scan looks at everything again")
        return self._objects(now, news.found, news.commits, news.skips)

    def _objects(self, now: Listing, found: list[str], commits: list[str], skips: tuple[Skip, ...] = ()) -> Source:
        entries, absent = entries_of(self.repository, found)
        gone = tuple(Skip(f"object {oid}", "is missing from the repository") for oid in absent)
        return SomeObjects(self.repository, tuple(entries), None if now.cut else tuple(commits), (*skips, *gone))


FOREIGN = "is no state file of deadkey"


def read(file: Path, key: str, oid_size: int) -> tuple[Memory | None, str]:
    """What a state file holds, and if it cannot be used, why; neither where there is none."""
    try:
        content = file.read_bytes()
    except FileNotFoundError:
        return None, ""
    except OSError as e:
        return None, f"cannot be read: {e.strerror}"
    if not content.startswith(MAGIC):
        return None, FOREIGN if content else "is empty"
    lead = len(MAGIC) + 12
    body = memoryview(content)[lead:]
    try:
        check, size = int.from_bytes(content[lead - 12 : lead - 8]), int.from_bytes(content[lead - 8 : lead])
        if zlib.crc32(body) != check:
            return None, "is damaged"
        head = json.loads(bytes(body[:size]))
        if head["key"] != key:
            known = head["key"].split(" ")
            mine = key.split(" ")
            what = next(w for w, a, b in zip(_KEY, known, mine, strict=True) if a != b)
            return None, f"was written {what}"
        loose_at = size + oid_size * head["seen"]
        loose = bytes(body[loose_at:]).hex()
        width = 2 * oid_size
        return (
            Memory(
                head["packs"],
                frozenset(loose[at : at + width] for at in range(0, len(loose), width)),
                head["found"],
                head["commits"],
                head["skipped"],
                bytes(body[size:loose_at]),
            ),
            "",
        )
    except (ValueError, KeyError, TypeError, StopIteration):
        return None, "is damaged"


_KEY = ("by another version", "with other rules", "for another repository")


def write(file: Path, key: str, oid_size: int, memory: Memory) -> None:
    """Put a state file in place, whole or not at all, for its owner's eyes only. Raises OSError."""
    head = {
        "key": key,
        "packs": memory.packs,
        "found": memory.found,
        "commits": memory.commits,
        "skipped": memory.skipped,
        "seen": len(memory.seen) // oid_size,
    }
    text = json.dumps(head, separators=(",", ":")).encode()
    body = text + memory.seen + bytes.fromhex("".join(sorted(memory.loose)))
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=".new-")  # mode 0600
    try:
        with open(handle, "wb") as out:
            out.write(MAGIC + zlib.crc32(body).to_bytes(4) + len(text).to_bytes(8) + body)
            out.flush()
            os.fsync(out.fileno())
        Path(name).replace(file)
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise
