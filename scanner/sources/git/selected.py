"""Part of a history: what some commits brought in, and nothing that was there before them.

It is read twice. First what is new with the selected commits; then, where something was found, what else must be known to
say whether a selected commit brought it in, and whether it still stands: the versions it replaced, and those at the tips.
"""

from __future__ import annotations

import contextlib
import re
import tempfile
from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass
from typing import Protocol

from scanner.model import Chunk, DeadkeyError, Location, Sighting, Skip
from scanner.sources.git import provenance
from scanner.sources.git.beside import beside
from scanner.sources.git.changes import range_of
from scanner.sources.git.history import SLICE, resolve
from scanner.sources.git.objects import Entry, Errors, contents
from scanner.sources.git.run import Repository
from scanner.sources.interface import Item, Share, Source, alone


class Survey(Protocol):
    """Reads a source and tells what was found and what was left out; with `every`, by every rule, wanted or not."""

    def __call__(self, source: Source, *, every: bool = False) -> tuple[list[Sighting], list[Skip]]: ...


_DAY = re.compile(r"\d{4}[-./]\d{1,2}[-./]\d{1,2}")
"""A date alone."""


@dataclass(frozen=True, slots=True)
class SomeObjects:
    """A few objects of a repository, by asking git for each, and the commits that places are looked for in.

    With `only`, a sighting counts if it is in one of these objects and one of the commits brought it in.
    """

    repository: Repository
    entries: tuple[Entry, ...]
    commits: tuple[str, ...] | None
    """None: all."""
    skips: tuple[Skip, ...] = ()
    only: frozenset[str] | None = None
    kind: str = "git"

    def items(self) -> Iterator[Item | Skip]:
        yield from self.skips
        yield from slices(self.entries)

    def read(self, item: Item) -> Iterator[Chunk | Skip]:
        return contents(self.repository, list(item.payload))

    def beside(self, places: Sequence[Location]) -> Iterator[tuple[int, bytes]]:
        """For each place, by its number, the contents of the small files in its folder, its own included."""
        return beside(self.repository, places)

    def resolve(
        self, sightings: Sequence[Sighting], share: Share = alone, _aside: Sequence[object] = ()
    ) -> tuple[list[Sighting], list[Skip]]:
        """Sightings by object to sightings by commit and path."""
        if self.commits is None:
            from scanner.sources.git.packed import PackedSource

            return PackedSource.open(self.repository).resolve(sightings, share)
        wanted = {s.location.blob for s in sightings if s.location.blob}
        if self.only is not None:
            wanted &= self.only
        found, skips = resolve(self.repository, sightings, list(self.commits))
        if self.only is None:
            return found, skips
        return [s for s in found if s.location.commit and (s.location.blob is None or s.location.blob in wanted)], skips


@dataclass(frozen=True, slots=True)
class SelectedSource:
    """What the commits of `ranges` and `branches` brought in, `since` some date: blobs, commits and tags."""

    repository: Repository
    commits: tuple[str, ...]
    entries: tuple[Entry, ...]
    skips: tuple[Skip, ...] = ()
    many: int = 20_000
    """From this many objects on, all packs are walked, which is faster, and what was not selected is left out then."""
    kind: str = "git"

    @classmethod
    def open(
        cls,
        repository: Repository,
        ranges: Sequence[str] = (),
        branches: Sequence[str] = (),
        since: str | None = None,
        many: int = 20_000,
    ) -> SelectedSource:
        """Ranges and branches add up, all history where neither is given; `since` narrows them.

        Raises DeadkeyError where a revision is not known.
        """
        if since is not None and _DAY.fullmatch(since.strip()):
            since = f"{since.strip()} 00:00:00"  # git would add the time that it is now
        limit = (f"--since={since}",) if since is not None else ()
        parts = [_range(repository, text) for text in ranges] + [[_branch(repository, name)] for name in branches]
        commits: dict[str, None] = {}
        objects: dict[str, None] = {}
        for part in parts or [["--all"]]:
            commits.update(dict.fromkeys(_listed(repository, *limit, *part)))
            objects.update(
                dict.fromkeys(_listed(repository, *limit, "--objects", "--no-object-names", "--missing=print", *part))
            )
        gone = [oid[1:] for oid in objects if oid.startswith("?")]
        chosen = list(commits)
        tags = set(_tags(repository, commits.keys()))
        objects.update(dict.fromkeys(tags))
        entries, absent = entries_of(repository, [oid for oid in objects if not oid.startswith("?")])
        entries = [e for e in entries if e.kind != "tag" or e.oid in tags]
        if since is not None:
            # git lists whole trees of the first commits after a date
            brought = _brought(repository, chosen)
            entries = [e for e in entries if e.kind != "blob" or e.oid in brought]
        skips = []
        if gone or absent:
            shown = ", ".join([*gone, *absent][:5])
            skips.append(
                Skip(repository.path, f"objects are missing, as in a partial clone ({shown})", len(gone + absent))
            )
        return cls(repository, tuple(chosen), tuple(entries), tuple(skips), many)

    def items(self) -> Iterator[Item | Skip]:
        yield from self.skips
        yield from slices(self.entries)

    def read(self, item: Item) -> Iterator[Chunk | Skip]:
        return contents(self.repository, list(item.payload))

    def revisit(self, _rules: str, survey: Survey, _share: Share = alone) -> Source:
        """What is to be read for the report, after a first look."""
        sightings, skips = self._surveyed(survey)
        found = {s.location.blob or s.location.commit for s in sightings}
        blobs = frozenset(s.location.blob for s in sightings if s.location.blob)
        beside: set[str] = set()
        paths: set[str] = set()
        touched: dict[str, None] = {}
        for change in provenance.changes(self.repository, list(self.commits), blobs) if blobs else ():
            if isinstance(change, provenance.Change):
                beside.update(change.old)
                paths.add(change.path)
                touched[change.commit] = None
            elif oid := named(change):
                touched[oid] = None  # so that the report will name it
            else:
                skips.append(change)
        for standing in provenance.at_tips(self.repository, paths).values():
            beside.update(standing)
        more, _ = entries_of(self.repository, sorted(b for b in beside - found if b.strip("0")))
        entries = [e for e in self.entries if e.oid in found] + [e for e in more if e.kind == "blob"]
        return SomeObjects(self.repository, tuple(entries), tuple(touched), tuple(skips), blobs)

    def _surveyed(self, survey: Survey) -> tuple[list[Sighting], list[Skip]]:
        if len(self.entries) < self.many:
            return survey(self)
        from scanner.sources.git.packed import PackedSource

        chosen = {e.oid for e in self.entries}
        sightings, skips = survey(PackedSource.open(self.repository))
        return (
            [s for s in sightings if (s.location.blob or s.location.commit) in chosen],
            [*self.skips, *(skip for skip in skips if (oid := named(skip)) is None or oid in chosen)],
        )


_OID = re.compile(r"\b(?:[0-9a-f]{64}|[0-9a-f]{40})\b")


def named(skip: Skip) -> str | None:
    """The id of the object that was skipped, if it was one."""
    found = None if skip.path.endswith(".pack") else _OID.search(skip.path)
    return found[0] if found else None


def slices(entries: Iterable[Entry]) -> Iterator[Item]:
    """Objects that git is asked for, as units of work."""
    part: list[Entry] = []
    size = 0
    for entry in entries:
        part.append(entry)
        size += entry.size
        if size >= SLICE // 8:
            yield Item("objects", size, tuple(part))
            part, size = [], 0
    if part:
        yield Item("objects", size, tuple(part))


def entries_of(repository: Repository, oids: Sequence[str]) -> tuple[list[Entry], list[str]]:
    """Kind and size of each object but trees, and the ids of those that are not there."""
    if not oids:
        return [], []
    entries: list[Entry] = []
    absent: list[str] = []
    out = repository.ask("cat-file", "--batch-check=%(objectname) %(objecttype) %(objectsize)", "--buffer", stdin=oids)
    for line in out.decode().splitlines():
        words = line.split()
        if len(words) == 3 and words[1] != "tree":
            entries.append(Entry(words[0], words[1], int(words[2])))
        elif len(words) != 3:
            absent.append(words[0])
    return entries, absent


def _range(repository: Repository, text: str) -> list[str]:
    revisions = range_of(text)
    if revisions is None:
        raise DeadkeyError(f"--range {text}: no range; write A..B")
    old, _, new = revisions[0].partition("..")
    return [f"^{_commit(repository, old, f'--range {text}')}", _commit(repository, new, f"--range {text}")]


def _branch(repository: Repository, name: str) -> str:
    for place in ("refs/heads/", "refs/remotes/"):
        with contextlib.suppress(DeadkeyError):
            return _commit(repository, place + name, "")
    raise DeadkeyError(f"--branch {name}: no such branch; `git branch --all` lists them")


def _commit(repository: Repository, name: str, option: str) -> str:
    status, out, _ = repository.run("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
    if status:
        raise DeadkeyError(f"{option}: no such revision: {name}")
    return out.decode().strip()


def _listed(repository: Repository, *arguments: str) -> list[str]:
    """What `git rev-list` lists; the revisions among `arguments` are ids already."""
    return repository.ask("rev-list", *arguments, "--").decode().split()


def _tags(repository: Repository, commits: Set[str]) -> Iterator[str]:
    """The annotated tags of some commits."""
    out = repository.ask("for-each-ref", "--format=%(objecttype) %(objectname) %(*objectname)", "refs/tags")
    for line in out.decode().splitlines():
        words = line.split()
        if words[0] == "tag" and words[-1] in commits:
            yield words[1]


def _brought(repository: Repository, commits: Sequence[str]) -> set[str]:
    """The blobs that some commits hold at a path where none of their parents does."""
    found: set[str] = set()
    with tempfile.TemporaryFile() as wanted:
        wanted.writelines(f"{c}\n".encode() for c in commits)
        wanted.seek(0)
        process = repository.start(
            *("diff-tree", "--stdin", "--raw", "-r", "-c", "--root", "-z", "--no-renames", "--no-abbrev", "--always"),
            *("--no-ext-diff", "--no-textconv"),
            stdin=wanted,
        )
    assert process.stdout
    with contextlib.closing(Errors(process)) as errors:
        for field in provenance._fields(process.stdout):
            if field.startswith(b":"):
                parents = len(field) - len(field.lstrip(b":"))
                found.add(field.split(b" ")[2 * parents + 1].decode())
        if process.wait():
            raise DeadkeyError(f"{repository.path}: what commits changed cannot be read: {errors.text()}")
    return found
