"""Who brought a blob in: the commits and paths where it appears, and whether it still stands at a branch tip.

A commit introduces a secret at a path when its version holds it and no parent's version of that path does. Only blobs
with findings are looked up, with one raw diff of every commit in the store, reachable or not.
"""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import IO, NamedTuple

from scanner.model import Sighting, Skip
from scanner.sources.git.objects import PATIENCE, Errors
from scanner.sources.git.run import Repository


class Change(NamedTuple):
    """A commit gave `path` the content `new`; `old` is what its parents had there."""

    commit: str
    path: str
    new: str
    old: tuple[str, ...]


class Commit(NamedTuple):
    """Who wrote a commit, and when (ISO 8601 with the author's offset)."""

    author: str
    date: str


def changes(repository: Repository, commits: list[str], blobs: frozenset[str]) -> Iterator[Change | Skip]:
    """Every change that brought one of `blobs` to a path, over `commits` and their parents (merges: against each)."""
    done = 0
    broken = 0
    suspect = said = ""
    while done < len(commits):
        with tempfile.TemporaryFile() as wanted:
            wanted.writelines(f"{c}\n".encode() for c in commits[done:])
            wanted.seek(0)
            process = repository.start(
                *(
                    "diff-tree",
                    "--stdin",
                    "--raw",
                    "-r",
                    "-c",
                    "--root",
                    "-z",
                    "--no-renames",
                    "--no-abbrev",
                    "--always",
                ),
                *("--no-ext-diff", "--no-textconv"),
                stdin=wanted,
            )
        assert process.stdout
        with contextlib.closing(Errors(process)) as errors:
            commit = ""
            seen = 0
            fields = _fields(process.stdout)
            for field in fields:
                if not field.startswith(b":"):
                    commit = field.strip().decode()
                    seen += 1
                    continue
                path = next(fields, b"")
                words = field.split(b" ")
                parents = len(words[0]) - len(words[0].lstrip(b":"))
                new = words[2 * parents + 1].decode()
                if new in blobs:
                    old = tuple(w.decode() for w in words[parents + 1 : 2 * parents + 1])
                    yield Change(commit, os.fsdecode(path), new, old)
            failed = process.wait() != 0
            if suspect and seen:  # git goes on behind the last it named: that one was broken
                yield Skip(f"commit {suspect}", said)
                broken += 1
            if not failed:
                return
            done += seen
            said = f"its changes cannot be read: {errors.text()}"
            suspect = commit if seen else ""
            if seen and done < len(commits):
                continue  # the last that was named broke, or the next did: the next alone will tell
            yield Skip(f"commit {suspect or commits[done]}", said)
            done += 1
            broken += 1
            if broken >= PATIENCE and done < len(commits):
                rest = len(commits) - done
                yield Skip(
                    repository.path,
                    f"the changes of {rest} more commits were left out after {broken} broken ones",
                    rest,
                )
                return


def _fields(stream: IO[bytes]) -> Iterator[bytes]:
    """The NUL-terminated fields of `stream`."""
    rest = b""
    while block := stream.read(1 << 20):
        parts = (rest + block).split(b"\0")
        rest = parts.pop()
        yield from parts
    if rest:
        yield rest


_PERSON = re.compile(rb"^author (.*) (-?\d+) ([+-])(\d\d)(\d\d)$", re.MULTILINE)


def commit_details(repository: Repository, commits: Iterable[str]) -> dict[str, Commit]:
    """Author and date of each commit that can be read; a tag's tagger stands in for its author."""
    wanted = list(dict.fromkeys(commits))
    out: dict[str, Commit] = {}
    if not wanted:
        return out
    _, data, _ = repository.run("cat-file", "--batch", stdin=wanted)
    at = 0
    while at < len(data):
        end = data.index(b"\n", at)
        header = data[at:end].split()
        at = end + 1
        if len(header) != 3:
            continue
        size = int(header[2])
        body = data[at : at + size]
        at += size + 1
        head = (
            body.partition(b"\n\n")[0].replace(b"tagger ", b"author ", 1)
            if header[1] == b"tag"
            else body.partition(b"\n\n")[0]
        )
        if found := _PERSON.search(head):
            out[header[0].decode()] = Commit(found[1].decode("utf-8", "backslashreplace"), _date(found))
    return out


def _date(found: re.Match[bytes]) -> str:
    offset = timedelta(hours=int(found[4]), minutes=int(found[5])) * (-1 if found[3] == b"-" else 1)
    try:
        return datetime.fromtimestamp(int(found[2]), timezone(offset)).isoformat()
    except (ValueError, OverflowError, OSError):
        return datetime.fromtimestamp(0, UTC).isoformat()


def tips(repository: Repository) -> list[str]:
    """The commits that HEAD and the local and remote branches point at, each once."""
    _, out, _ = repository.run("for-each-ref", "--format=%(objectname)", "refs/heads", "refs/remotes")
    found = out.decode().split()
    status, head, _ = repository.run("rev-parse", "--verify", "--quiet", "HEAD^{commit}")
    return list(dict.fromkeys([*([head.decode().strip()] if not status else []), *found]))


def at_tips(repository: Repository, paths: Iterable[str]) -> dict[str, set[str]]:
    """By path: the blobs that stand there at any branch tip."""
    wanted = set(paths)
    found: dict[str, set[str]] = defaultdict(set)
    for tip in tips(repository) if wanted else []:
        _, out, _ = repository.run("ls-tree", "-r", "-z", "--full-tree", tip)
        for record in out.split(b"\0"):
            meta, _, name = record.partition(b"\t")
            if meta and (path := os.fsdecode(name)) in wanted:
                found[path].add(meta.split()[2].decode())
    return found


def in_index(repository: Repository) -> dict[str, str]:
    """By blob: the path under which the index holds it."""
    status, out, _ = repository.run("ls-files", "-z", "--stage", "--full-name")
    found: dict[str, str] = {}
    for record in out.split(b"\0") if not status else []:
        meta, _, path = record.partition(b"\t")
        if meta:
            found.setdefault(meta.split()[1].decode(), os.fsdecode(path))
    return found


def dated(sighting: Sighting, details: dict[str, Commit]) -> Sighting:
    """The sighting with its commit's author and date, where they are known."""
    known = details.get(sighting.location.commit or "")
    if known is None:
        return sighting
    return replace(sighting, location=replace(sighting.location, author=known.author, date=known.date))
