"""What is about to be committed, and what a range of commits adds: git's own diff, read as a patch."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO, cast

from scanner.model import Chunk, DeadkeyError, Sighting, Skip
from scanner.sources.diff import added_chunks
from scanner.sources.git.objects import Errors
from scanner.sources.git.run import Repository
from scanner.sources.interface import Item, Share, alone

DIFF = (
    *("--no-color", "--no-ext-diff", "--no-textconv", "--no-renames", "--text", "--patch", "-U10"),
    *("--src-prefix=a/", "--dst-prefix=b/", "--ignore-submodules=all"),
)


@dataclass(frozen=True, slots=True)
class StagedSource:
    """The lines that the index adds to HEAD: what the next commit would bring in."""

    repository: Repository
    kind: str = "staged"

    def items(self) -> Iterator[Item | Skip]:
        yield Item(self.repository.path)

    def read(self, item: Item) -> Iterator[Chunk | Skip]:
        """Raises DeadkeyError when git cannot tell."""
        return _patch(self.repository, ("diff", "--cached", *DIFF, "--"), self.kind)


@dataclass(frozen=True, slots=True)
class RangeSource:
    """The lines added by each commit that `revisions` (as of git-log(1)) name; of a merge, what no parent had."""

    repository: Repository
    revisions: tuple[str, ...]
    kind: str = "diff"

    def items(self) -> Iterator[Item | Skip]:
        """Raises DeadkeyError when a revision is not known."""
        self.repository.ask("rev-list", "--max-count=1", *self._named())
        yield Item(" ".join(self.revisions))

    def read(self, item: Item) -> Iterator[Chunk | Skip]:
        return _patch(self.repository, ("log", "--format=commit %H", "--cc", *DIFF, *self._named()), self.kind)

    def _named(self) -> tuple[str, ...]:
        options = [r for r in self.revisions if r in ("--not", "--remotes", "--all")]
        if options:
            return (*self.revisions, "--")
        return ("--end-of-options", *self.revisions, "--")

    def resolve(
        self, sightings: Sequence[Sighting], _share: Share = alone, _aside: Sequence[object] = ()
    ) -> tuple[list[Sighting], list[Skip]]:
        """Adds author and date of each commit."""
        from scanner.sources.git import provenance

        details = provenance.commit_details(
            self.repository, (s.location.commit for s in sightings if s.location.commit)
        )
        return [provenance.dated(s, details) for s in sightings], []


def _patch(repository: Repository, command: tuple[str, ...], kind: str) -> Iterator[Chunk | Skip]:
    process = repository.start(*command)
    assert process.stdout
    with contextlib.closing(Errors(process)) as errors:
        with contextlib.suppress(DeadkeyError):  # commits that change nothing print their ids alone
            yield from added_chunks(cast(BinaryIO, process.stdout), kind, name="git's answer")
        if process.wait():
            raise DeadkeyError(f"{repository.path}: git {command[0]}: {errors.text()}")


def range_of(text: str) -> tuple[str, ...] | None:
    """The revisions of `A..B` (or `A...B`, read the same: what B has and A has not), or None when it is no range."""
    old, dots, new = text.partition("..")
    if not dots:
        return None
    return (f"{old or 'HEAD'}..{new.removeprefix('.') or 'HEAD'}",)


def pushed(repository: Repository, environment: dict[str, str], lines: Sequence[str]) -> tuple[str, ...] | None:
    """The revisions being pushed, None when nothing but deletions is: as pre-commit tells in PRE_COMMIT_FROM_REF and
    PRE_COMMIT_TO_REF, or git on a pre-push hook's standard input (githooks(5)); with neither, what HEAD has and no remote
    branch. What the remote has is left out as far as it is known here."""
    tips: list[str] = []
    olds: list[str] = []
    new = environment.get("PRE_COMMIT_TO_REF")
    old = environment.get("PRE_COMMIT_FROM_REF")
    if new and old:
        tips, olds = [new], [old]
    elif not lines:
        tips = [environment.get("PRE_COMMIT_LOCAL_BRANCH") or "HEAD"]
    for line in lines if not tips else ():
        words = line.split()
        if len(words) == 4 and words[1].strip("0"):
            tips.append(words[1])
            olds.append(words[3])
    if not tips:
        return None
    known = [o for o in olds if o.strip("0") and not repository.run("cat-file", "-e", f"{o}^{{commit}}")[0]]
    return (*tips, "--not", *known, *(("--remotes",) if len(known) < len(tips) else ()))
