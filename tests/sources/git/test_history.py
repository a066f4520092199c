"""`scan git` finds what stands anywhere in a repository, with the commit, path and line that brought it in."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from scanner import pipeline
from scanner.ruleset.check import examples
from tests.conftest import GitRepo, deadkey

Token = Callable[[str], bytes]


def scan(path: Path, *arguments: str, status: int = 1) -> dict[str, Any]:
    done = deadkey("scan", "git", str(path), "--format", "json", "--show-secrets", *arguments)
    assert done.returncode == status, done.stderr.decode()
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def places(report: dict[str, Any], token: bytes) -> list[dict[str, Any]]:
    found = [f for f in report["findings"] if f["secret"] == token.decode()]
    assert len(found) == 1, [f["secret"] for f in report["findings"]]
    locations: list[dict[str, Any]] = found[0]["locations"]
    return locations


def place(report: dict[str, Any], token: bytes) -> dict[str, Any]:
    (one,) = places(report, token)
    return one


def test_a_token_of_every_rule_on_a_side_branch_deleted_later(repo: GitRepo) -> None:
    _, bench = pipeline.rule_bench()
    repo.write("README", b"hello\n")
    repo.commit("start")
    repo.git("checkout", "-q", "-b", "side")
    wanted = {}
    for rule in bench.rules.values():
        if rule.component or rule.half:  # a half completes the pair of another file of the folder
            continue
        example = next(iter(examples(rule, bench)))
        body = b"# first\n# second\n" + example.text + b"\n# last\n"
        line = body[: body.index(example.secret)].count(b"\n") + 1
        repo.write(f"leaks/{rule.id}.txt", body)
        wanted[rule.id] = (f"leaks/{rule.id}.txt", line)
    commit = repo.commit("leak")
    repo.git("rm", "-rq", "leaks")
    repo.commit("clean up")
    repo.git("checkout", "-q", "main")
    found = {
        (f["rule"], x["path"], x["start_line"], x["commit"], x["author"], x["date"], x["at_head"])
        for f in scan(repo.path)["findings"]
        for x in f["locations"]
    }
    who, when = "Ada Author <ada@acme.dev>", "2024-05-06T07:08:09+02:00"
    assert not {(rule, path, line, commit, who, when, False) for rule, (path, line) in wanted.items()} - found


def test_a_stash(repo: GitRepo, token: Token) -> None:
    repo.write("a", b"clean\n")
    repo.commit()
    repo.write("a", b"clean\nKEY=" + token("stash") + b"\n")
    repo.git("stash", "-q")
    found = place(scan(repo.path), token("stash"))
    assert (found["path"], found["start_line"], found["start_column"]) == ("a", 2, 5)
    assert found["commit"] == repo.git("rev-parse", "stash@{0}")
    assert found["at_head"] is False


def test_an_older_stash_and_what_only_the_index_of_a_stash_holds(repo: GitRepo, token: Token) -> None:
    repo.write("a", b"clean\n")
    repo.commit()
    repo.write("a", token("older") + b"\n")
    repo.git("stash", "-q")
    repo.write("a", token("staged") + b"\n")
    repo.git("add", "a")
    repo.write("a", b"other\n")
    repo.git("stash", "-q")
    report = scan(repo.path)
    assert place(report, token("older"))["commit"] == repo.git("rev-parse", "stash@{1}")
    assert place(report, token("staged"))["commit"] == repo.git("rev-parse", "stash@{0}^2")


def test_a_commit_message_and_a_tag_message(repo: GitRepo, token: Token) -> None:
    repo.write("a", b"x")
    commit = repo.commit(f"Fix the thing\n\nfound {token('message').decode()} in the log")
    repo.git("tag", "-a", "v1", "-m", f"release\n{token('tag').decode()}")
    report = scan(repo.path)
    found = place(report, token("message"))
    assert (found["source"], found["commit"], found["path"]) == ("git-commit", commit, None)
    assert (found["start_line"], found["start_column"]) == (3, 7)
    assert found["author"] == "Ada Author <ada@acme.dev>"
    found = place(report, token("tag"))
    assert (found["source"], found["commit"], found["start_line"]) == ("git-tag", repo.git("rev-parse", "v1"), 2)


def test_a_merge_resolution(repo: GitRepo, token: Token) -> None:
    repo.write("conf", b"base\n")
    repo.commit()
    repo.git("checkout", "-q", "-b", "side")
    repo.write("conf", b"side\n")
    repo.commit()
    repo.git("checkout", "-q", "main")
    repo.write("conf", b"main\n")
    repo.commit()
    repo.git("merge", "-q", "side", check=False)
    repo.write("conf", b"merged\n" + token("merge") + b"\n")
    commit = repo.commit("merge")
    found = place(scan(repo.path), token("merge"))
    assert (found["path"], found["start_line"], found["commit"], found["at_head"]) == ("conf", 2, commit, True)


def test_a_merge_that_only_carries_a_secret_over_does_not_introduce_it(repo: GitRepo, token: Token) -> None:
    repo.write("a", b"1\n")
    repo.commit()
    repo.git("checkout", "-q", "-b", "side")
    repo.write("a", b"1\n" + token("carried") + b"\n")
    leak = repo.commit("leak")
    repo.git("checkout", "-q", "main")
    repo.write("b", b"1\n")
    repo.commit()
    repo.git("merge", "-q", "--no-ff", "-m", "merge", "side")
    repo.write("a", b"0\n1\n" + token("carried") + b"\n")
    repo.commit("edit above")
    assert place(scan(repo.path), token("carried"))["commit"] == leak


def test_a_dangling_commit_and_a_dangling_blob(repo: GitRepo, token: Token) -> None:
    repo.write("a", b"x\n")
    repo.commit()
    repo.write("gone", b"\n\n" + token("dangling"))
    commit = repo.commit("to be dropped")
    repo.git("reset", "-q", "--hard", "HEAD~")
    repo.git("reflog", "expire", "--expire=now", "--all")
    blob = repo.git("hash-object", "-w", "--stdin", data=token("blob"))
    report = scan(repo.path)
    found = place(report, token("dangling"))
    assert (found["path"], found["start_line"], found["commit"], found["at_head"]) == ("gone", 3, commit, False)
    found = place(report, token("blob"))
    assert (found["path"], found["commit"], found["blob"]) == (None, None, blob)


def test_crlf_and_utf16(repo: GitRepo, token: Token) -> None:
    repo.write(".gitattributes", b"* -text\n")
    repo.write("dos.txt", b"one\r\ntwo\r\nkey=" + token("crlf") + b"\r\nfour\r\n")
    text = f"eins\r\nzwei\r\nkey={token('wide').decode()}\r\n"
    repo.write("wide-le.txt", b"\xff\xfe" + text.encode("utf-16-le"))
    repo.write(
        "wide-be.txt", b"\xfe\xff" + text.replace(token("wide").decode(), token("big").decode()).encode("utf-16-be")
    )
    commit = repo.commit()
    report = scan(repo.path)
    found = place(report, token("crlf"))
    assert (found["path"], found["start_line"], found["start_column"], found["end_column"]) == ("dos.txt", 3, 5, 45)
    for name, seed in (("wide-le.txt", "wide"), ("wide-be.txt", "big")):
        found = place(report, token(seed))
        assert (found["path"], found["start_line"], found["start_column"], found["end_column"]) == (name, 3, 5, 45)
        assert found["commit"] == commit


def test_names_with_spaces_quotes_newlines_and_bytes_that_are_no_utf8(repo: GitRepo, token: Token) -> None:
    names = [
        b"with space",
        b"with \"quotes\" 'both'",
        b"new\nline",
        b"tab\there",
        b"caf\xe9 \xff",
        "naïve/ünï".encode(),
        b"-dash",
        b":(top)x",
    ]
    for number, name in enumerate(names):
        repo.write(name, b"\n" * number + token(f"name {number}"))
    commit = repo.commit()
    report = scan(repo.path)
    for number, name in enumerate(names):
        found = place(report, token(f"name {number}"))
        assert os.fsencode(found["path"]) == name
        assert (found["start_line"], found["commit"], found["at_head"]) == (number + 1, commit, True)


def test_every_introduction_is_a_place(repo: GitRepo, token: Token) -> None:
    repo.write("a", token("twice"))
    first = repo.commit("in")
    repo.write("a", b"out")
    repo.commit("out")
    repo.write("a", b"\n" + token("twice"))
    second = repo.commit("in again", GIT_AUTHOR_DATE="2024-06-01T00:00:00Z")
    repo.git("mv", "a", "moved")
    third = repo.commit("move", GIT_AUTHOR_DATE="2024-07-01T00:00:00Z")
    found = [(x["path"], x["start_line"], x["commit"], x["at_head"]) for x in places(scan(repo.path), token("twice"))]
    assert found == [("a", 1, first, False), ("a", 2, second, False), ("moved", 2, third, True)]


def test_a_copy_of_every_encoding_is_one_finding_with_many_places(repo: GitRepo, token: Token) -> None:
    import base64

    secret = token("encoded")
    repo.write("plain", secret)
    repo.write("b64", b"auth: " + base64.b64encode(b"user:" + secret))
    repo.write("hex", b"0x" + secret.hex().encode())
    repo.commit()
    assert {x["path"] for x in places(scan(repo.path), secret)} == {"plain", "b64", "hex"}


def test_sha256_and_bare_and_shallow(tmp_path: Path, new_repo: Callable[[str], GitRepo], token: Token) -> None:
    source = new_repo("source")
    source.write("a", token("old"))
    source.commit("one")
    source.write("a", token("new"))
    tip = source.commit("two")
    source.git("clone", "-q", "--bare", str(source.path), str(tmp_path / "bare"))
    assert place(scan(tmp_path / "bare"), token("old"))["path"] == "a"
    source.git("clone", "-q", "--depth", "1", f"file://{source.path}", str(tmp_path / "shallow"))
    report = scan(tmp_path / "shallow")
    assert place(report, token("new"))["commit"] == tip
    assert len(report["findings"]) == 1
    wide = tmp_path / "wide"
    wide.mkdir()
    source.git("init", "-q", "--object-format=sha256", str(wide))
    repo = GitRepo(wide)
    repo.write("a", token("wide"))
    commit = repo.commit()
    assert len(commit) == 64
    assert place(scan(wide), token("wide"))["commit"] == commit


def test_a_linked_worktree_and_a_folder_below(repo: GitRepo, tmp_path: Path, token: Token) -> None:
    repo.write("deep/down/a", token("deep"))
    repo.commit()
    repo.git("worktree", "add", "-q", str(tmp_path / "linked"))
    assert place(scan(tmp_path / "linked"), token("deep"))["path"] == "deep/down/a"
    assert place(scan(repo.path / "deep"), token("deep"))["path"] == "deep/down/a"


@pytest.mark.parametrize("filter", ["blob:none", "tree:0"])
def test_a_partial_clone_is_scanned_without_fetching_and_said_to_be_incomplete(
    filter: str, tmp_path: Path, repo: GitRepo, token: Token
) -> None:
    repo.write("a", token("first"))
    repo.commit()
    repo.write("b", token("second"))
    repo.commit()
    repo.git("config", "uploadpack.allowFilter", "true")
    partial = tmp_path / "partial"
    repo.git("clone", "-q", "--no-checkout", f"--filter={filter}", f"file://{repo.path}", str(partial))
    blob = repo.git("rev-parse", "HEAD:a")
    before = sorted(p.name for p in (partial / ".git/objects").rglob("*"))
    report = scan(partial, status=3)
    assert sorted(p.name for p in (partial / ".git/objects").rglob("*")) == before
    assert report["findings"] == []
    skipped = [s for s in report["skipped"] if "missing" in s["reason"]]
    assert skipped and skipped[0]["count"] == (2 if filter == "blob:none" else 1) + (filter == "tree:0")
    if filter == "blob:none":
        assert blob in skipped[0]["reason"]


def test_a_broken_object_is_named_and_the_rest_is_scanned(repo: GitRepo, token: Token) -> None:
    repo.write("good", token("good"))
    repo.write("bad", token("bad"))
    repo.commit()
    blob = repo.git("rev-parse", "HEAD:bad")
    path = repo.path / ".git/objects" / blob[:2] / blob[2:]
    path.chmod(0o644)
    path.write_bytes(b"not zlib at all")
    report = scan(repo.path, status=3)
    assert place(report, token("good"))["path"] == "good"
    assert any(blob in s["path"] for s in report["skipped"])


def test_a_blob_beyond_the_window_is_read_in_parts(repo: GitRepo, token: Token) -> None:
    filler = b"0123456789abcde\n" * (20 << 16)
    repo.write("big", filler + b"x " + token("deep in") + b"\n" + filler[:100])
    repo.commit()
    found = place(scan(repo.path), token("deep in"))
    assert (found["path"], found["start_line"], found["start_column"]) == ("big", (20 << 16) + 1, 3)


def test_not_a_repository_is_one_clear_line(tmp_path: Path) -> None:
    done = deadkey("scan", "git", str(tmp_path))
    assert done.returncode == 2
    assert done.stderr.decode().count("\n") == 1
    assert "not a git repository" in done.stderr.decode()
    done = deadkey("scan", "git", str(tmp_path / "nowhere"))
    assert done.returncode == 2 and "no such folder" in done.stderr.decode()
