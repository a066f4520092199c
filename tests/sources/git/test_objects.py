"""Objects as git hands them over, and what it does when they are not what they say."""

from __future__ import annotations

import subprocess
import zlib
from pathlib import Path

from scanner.model import Chunk, Skip
from scanner.sources.git.objects import Entry, contents
from scanner.sources.git.provenance import changes
from scanner.sources.git.run import Repository
from scanner.sources.git.store import open_store
from tests.sources.git import repositories


def test_a_loose_object_longer_than_it_says_does_not_keep_anybody_waiting(tmp_path: Path) -> None:
    """git writes all of it into its pipe, far more than the pipe holds."""
    path = repositories.bare(tmp_path / "repo")
    oid = "ab" * 20
    file = path / "objects" / oid[:2] / oid[2:]
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(zlib.compress(b"blob 5\0" + bytes(4 << 20), 1))
    pieces = list(contents(Repository(str(path)), [Entry(oid, "blob", 5)]))
    assert [type(piece) for piece in pieces] == [Chunk, Skip]
    assert oid in pieces[1].path


def git(path: Path, *arguments: str, data: str = "") -> str:
    done = subprocess.run(["git", "-C", str(path), *arguments], input=data, text=True, check=True, capture_output=True)
    return done.stdout.strip()


def commit(path: Path, tree: str, *parents: str) -> str:
    head = "".join(f"parent {parent}\n" for parent in parents)
    text = f"tree {tree}\n{head}author A <a@b> 1 +0000\ncommitter A <a@b> 1 +0000\n\nmessage\n"
    return git(path, "hash-object", "-t", "commit", "-w", "--stdin", "--literally", data=text)


def test_commits_that_break_git_are_named_wherever_they_stand(tmp_path: Path) -> None:
    """Each in turn at the beginning, in the middle, at the end, and two of them next to each other."""
    path = repositories.bare(tmp_path / "repo")
    blob = git(path, "hash-object", "-w", "--stdin", data="content")
    tree = git(path, "mktree", data=f"100644 blob {blob}\tname\n")
    good = [commit(path, tree)]
    good += [commit(path, tree, good[0])]
    gone = "ab" * 20
    bad = [commit(path, gone), commit(path, gone, good[0])]
    for order in ([*bad, *good], [good[0], *bad, good[1]], [*good, *bad], [bad[0], good[0], bad[1], good[1]]):
        said = list(changes(Repository(str(path)), order, frozenset({blob})))
        named = [piece.path.removeprefix("commit ") for piece in said if isinstance(piece, Skip)]
        assert sorted(named) == sorted(bad), order
        assert [piece.commit for piece in said if not isinstance(piece, Skip)] == [good[0]]


def test_an_alternate_that_holds_no_objects_is_named(tmp_path: Path) -> None:
    path = repositories.bare(tmp_path / "repo")
    (tmp_path / "empty").mkdir()
    (path / "objects/info").mkdir(exist_ok=True)
    (path / "objects/info/alternates").write_text(f"{tmp_path / 'empty'}\n")
    (reason,) = open_store(Repository(str(path))).unknown
    assert reason == f"alternate {tmp_path / 'empty'}: holds no objects"
