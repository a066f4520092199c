"""`scan git --since-last` reports what a full scan reports, reads only what is new, and keeps no secret."""

from __future__ import annotations

import base64
import os
import pickle
import random
import shutil
import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest
from click.testing import CliRunner

from scanner import pipeline
from scanner.cli.main import command
from scanner.detect.generic.settings import Generic
from scanner.model import Report
from scanner.pipeline import Options
from scanner.ruleset.ruleset import Ruleset
from scanner.sources.git.packed import PackedSource
from scanner.sources.git.run import open_repository
from scanner.sources.git.state import SinceSource
from scanner.sources.interface import Item, Source
from tests.cli.parts import scan as reported
from tests.conftest import GitRepo

Token = Callable[[str], bytes]
KEY = b"k" * 16
FILLER = b"".join(b"line %d of a file without anything in it\n" % n for n in range(4000))


class Again(NamedTuple):
    """What a scan since the last one said: its report, and the lines on standard error."""

    report: Report
    said: list[str]

    @property
    def bytes(self) -> int:
        count: int = self.report.statistics["bytes"]
        return count


class Watched:
    """A repository that is scanned time and again."""

    def __init__(self, repo: GitRepo, ruleset: Ruleset, folder: Path) -> None:
        self.repo = repo
        self.ruleset = ruleset
        self.folder = folder
        self.path = repo.path

    def since(self, options: Options | None = None, version: str = "1", file: Path | None = None) -> Again:
        said: list[str] = []
        source = SinceSource(open_repository(str(self.path)), self.folder, file, version, said.append)
        report, _ = pipeline.scan(source, self.ruleset, options or Options(jobs=1), KEY)
        return Again(report, said)

    def full(self, options: Options | None = None) -> Report:
        source = PackedSource.open(open_repository(str(self.path)))
        return pipeline.scan(source, self.ruleset, options or Options(jobs=1), KEY)[0]

    def check(self, options: Options | None = None) -> Again:
        """Scan since the last time, hold it against a full scan, and then once more with nothing new."""
        again = self.since(options)
        full = self.full(options)
        assert again.report.findings == full.findings
        assert set(again.report.skipped) == set(full.skipped)
        assert again.said == []
        at_once = self.since(options)
        assert at_once.report.findings == full.findings
        assert set(at_once.report.skipped) == set(full.skipped)
        return again

    def found(self, token: bytes) -> list[tuple[str | None, str | None, bool | None]]:
        """Path, commit, and whether it still stands, of a token that a scan since the last time finds."""
        return [
            (place.path, place.commit, place.at_head)
            for finding in self.check().report.findings
            if finding.secret.reveal() == token
            for place in finding.locations
        ]

    @property
    def state(self) -> Path:
        (file,) = self.folder.iterdir()
        return file


@pytest.fixture
def watched(repo: GitRepo, ruleset: Ruleset, tmp_path: Path, token: Token) -> Watched:
    """Scanned once: a leak that stands, one that was removed, one in a message, one in a tag, one stashed."""
    repo.write("filler", FILLER)
    repo.write("stays", b"a\n" + token("stays") + b"\n")
    repo.write("goes", b"a\nb\n" + token("goes") + b"\n")
    repo.commit("start")
    repo.write("goes", b"a\nb\n")
    repo.commit(f"remove\n\nit was {token('message').decode()}")
    repo.git("tag", "-a", "v1", "-m", f"with {token('tag').decode()}")
    repo.write("stays", token("stash"))
    repo.git("stash", "-q")
    all_of_it = Watched(repo, ruleset, tmp_path / "state")
    first = all_of_it.since()
    assert len(first.report.findings) == 5
    assert first.said == []
    assert first.bytes > len(FILLER)
    return all_of_it


def test_nothing_new_reads_only_what_has_findings(watched: Watched) -> None:
    before = watched.state.read_bytes()
    again = watched.check()
    assert len(again.report.findings) == 5
    assert again.bytes < len(FILLER) / 10
    assert watched.state.read_bytes() == before


def test_new_commits(watched: Watched, token: Token) -> None:
    watched.repo.write("new", b"\n" + token("new"))
    watched.repo.write("copy", b"other\na\n" + token("stays") + b"\n")
    commit = watched.repo.commit()
    again = watched.since()
    assert again.bytes < len(FILLER) / 10
    assert watched.found(token("new")) == [("new", commit, True)]
    assert ("copy", commit, True) in watched.found(token("stays"))


def test_an_amended_and_a_rebased_commit(watched: Watched, token: Token) -> None:
    repo = watched.repo
    repo.write("new", token("new"))
    old = repo.commit()
    watched.check()
    repo.write("more", token("more"))
    repo.git("add", "-A")
    repo.git("commit", "-q", "--amend", "-m", "amended")
    amended = repo.git("rev-parse", "HEAD")
    assert {c for _, c, _ in watched.found(token("new"))} == {old, amended}
    repo.git("checkout", "-q", "-b", "side", "HEAD~")
    repo.write("side", b"x")
    repo.commit()
    repo.git("rebase", "-q", "side", "main")
    rebased = repo.git("rev-parse", "HEAD")
    assert {c for _, c, _ in watched.found(token("more"))} == {amended, rebased}


def test_a_leak_that_was_pruned_is_gone(watched: Watched, token: Token) -> None:
    repo = watched.repo
    repo.write("new", token("new"))
    repo.commit()
    assert watched.found(token("new"))
    repo.git("reset", "-q", "--hard", "HEAD~")
    assert [at_head for _, _, at_head in watched.found(token("new"))] == [False]
    repo.git("reflog", "expire", "--expire=now", "--all")
    repo.git("gc", "-q", "--prune=now")
    assert watched.found(token("new")) == []
    assert watched.found(token("stays"))
    # and found again when it comes back
    repo.write("new", token("new"))
    assert watched.found(token("new")) == []
    commit = repo.commit()
    assert watched.found(token("new")) == [("new", commit, True)]


def test_a_repack_has_nothing_read_again(watched: Watched) -> None:
    for arguments in (("repack", "-adq"), ("gc", "-q", "--prune=now"), ("repack", "-adfq"), ("repack", "-Adq")):
        watched.repo.git(*arguments)
        again = watched.since()
        assert again.bytes < len(FILLER) / 10, arguments
        watched.check()


def test_a_commit_after_a_repack_and_a_repack_after_a_commit(watched: Watched, token: Token) -> None:
    repo = watched.repo
    repo.git("repack", "-adq")
    repo.write("filler", FILLER + token("end"))
    commit = repo.commit()
    assert watched.found(token("end")) == [("filler", commit, True)]
    repo.write("filler", FILLER[:100] + b"\n" + token("middle") + b"\n" + FILLER[100:] + token("end"))
    after = repo.commit()
    repo.git("repack", "-adq")
    assert watched.found(token("middle")) == [("filler", after, True)]
    assert watched.found(token("end")) == [("filler", commit, True)]


def test_branches_come_and_go_without_anything_new(watched: Watched, token: Token) -> None:
    repo = watched.repo
    assert {x[2] for x in watched.found(token("goes"))} == {False}
    repo.git("branch", "old", "main~")
    assert {x[2] for x in watched.found(token("goes"))} == {True}
    repo.git("branch", "-q", "-D", "old")
    assert {x[2] for x in watched.found(token("goes"))} == {False}


def test_a_new_stash(watched: Watched, token: Token) -> None:
    watched.repo.write("stays", token("second"))
    watched.repo.git("stash", "-q")
    assert watched.found(token("second")) == [("stays", watched.repo.git("rev-parse", "stash@{0}"), False)]


def test_a_secret_that_was_removed_comes_back(watched: Watched, token: Token) -> None:
    repo = watched.repo
    start = repo.git("rev-parse", "main~")
    repo.write("goes", b"a\nb\n" + token("goes") + b"\n")
    commit = repo.commit("the very same again")
    assert set(watched.found(token("goes"))) == {("goes", start, True), ("goes", commit, True)}
    repo.git("rm", "-q", "goes")
    repo.commit()
    assert {x[2] for x in watched.found(token("goes"))} == {False}


def test_a_file_that_was_staged_first_and_committed_later(watched: Watched, token: Token) -> None:
    watched.repo.write("staged", token("staged"))
    watched.repo.git("add", "staged")
    assert watched.found(token("staged")) == [("staged", None, False)]
    commit = watched.repo.commit()
    assert watched.found(token("staged")) == [("staged", commit, True)]


def test_a_merge(watched: Watched, token: Token) -> None:
    repo = watched.repo
    repo.git("checkout", "-q", "-b", "side")
    repo.write("side", token("side"))
    side = repo.commit()
    repo.git("checkout", "-q", "main")
    repo.write("other", b"x")
    repo.commit()
    watched.check()
    repo.git("merge", "-q", "--no-ff", "-m", "merge", "side")
    assert watched.found(token("side")) == [("side", side, True)]


def test_whatever_happens_in_whatever_order(watched: Watched, token: Token) -> None:
    repo, rng = watched.repo, random.Random(5)
    names = [token(str(n)) for n in range(6)]

    def edit() -> None:
        repo.write(f"f{rng.randrange(3)}", FILLER[: rng.randrange(200)] + b"\n".join(rng.sample(names, 2)))
        repo.commit(f"edit {rng.random()}")

    def revert() -> None:
        repo.git("checkout", "-q", rng.choice(repo.git("rev-list", "main").split()), "--", ".")
        repo.commit(f"back {rng.random()}")

    def amend() -> None:
        repo.git("commit", "-q", "--amend", "--allow-empty", "-m", f"amended {rng.random()}")

    steps: list[Callable[[], object]] = [
        *(edit, edit, revert, amend),
        lambda: repo.git("gc", "-q", "--prune=now"),
        lambda: repo.git("repack", "-dq"),
        lambda: repo.git("reflog", "expire", "--expire=now", "--all"),
        lambda: repo.git("reset", "-q", "--hard", rng.choice(repo.git("rev-list", "main").split())),
        lambda: repo.git("branch", "-f", "spare", rng.choice(repo.git("rev-list", "--all").split())),
    ]
    for _ in range(25):
        rng.choice(steps)()
        watched.check()


def test_options_of_one_run_do_not_bind_the_next(watched: Watched, token: Token) -> None:
    watched.repo.write("new", token("new") + b"\npassword = 'Zq8vW2xKp4Lr9TsB'\n")
    watched.repo.commit()
    few = watched.check(Options(jobs=1, only=("aws-*",))).report
    assert few.findings == ()
    assert watched.check(Options(jobs=1, skip=("github-*",))).bytes < len(FILLER) / 10
    assert watched.found(token("new"))


@pytest.mark.parametrize("what", ["rules", "version"])
def test_other_rules_or_another_version_read_everything_again(watched: Watched, what: str) -> None:
    if what == "rules":
        watched.ruleset = replace(watched.ruleset, digest="0" * 24)
    version = "2" if what == "version" else "1"
    again = watched.since(version=version)
    assert again.bytes > len(FILLER)
    (line,) = again.said
    assert ("other rules" if what == "rules" else "another version") in line and "everything is looked at" in line
    assert again.report.findings == watched.full().findings
    assert watched.since(version=version).bytes < len(FILLER) / 10


@pytest.mark.parametrize("damage", ["torn", "empty", "bit", "tail", "key"])
def test_a_damaged_state_is_not_believed(watched: Watched, damage: str) -> None:
    content = watched.state.read_bytes()
    changed = {
        "torn": content[: len(content) // 2],
        "empty": b"",
        "bit": content[:-5] + bytes([content[-5] ^ 1]) + content[-4:],
        "tail": content + b"more",
        "key": content[:18],
    }[damage]
    watched.state.write_bytes(changed)
    again = watched.since()
    assert again.bytes > len(FILLER)
    assert len(again.said) == 1 and "everything is looked at" in again.said[0]
    assert again.report.findings == watched.full().findings
    assert watched.since().said == []


def test_the_state_of_another_repository_is_not_believed(
    watched: Watched, new_repo: Callable[[str], GitRepo], token: Token, tmp_path: Path
) -> None:
    shared = tmp_path / "shared"
    watched.since(file=shared)
    other = new_repo("other")
    other.write("a", token("stays"))
    other.commit()
    beside = Watched(other, watched.ruleset, watched.folder)
    again = beside.since(file=shared)
    assert len(again.said) == 1 and "for another repository" in again.said[0]
    assert again.report.findings == beside.full().findings


def test_a_file_that_is_no_state_is_left_alone(watched: Watched, tmp_path: Path) -> None:
    mine = tmp_path / "README"
    mine.write_text("dear to me")
    again = watched.since(file=mine)
    assert len(again.said) == 1 and "is no state file" in again.said[0]
    assert again.report.findings == watched.full().findings
    assert mine.read_text() == "dear to me"


def test_the_state_holds_no_secret_in_any_form(watched: Watched, token: Token) -> None:
    watched.repo.write(os.fsencode("named-") + token("name"), token("content"))
    watched.repo.commit(f"about {token('content').decode()}")
    watched.check()
    content = watched.state.read_bytes()
    for name in ("stays", "goes", "message", "tag", "stash", "name", "content"):
        value = token(name)
        forms = [value, value.hex().encode(), value.hex().upper().encode(), value[::-1]]
        forms += [base64.b64encode(b"x" * n + value)[4:-4] for n in range(3)]
        assert not [form for form in forms if form in content], name
    assert b"Ada" not in content and b"stays" not in content


def test_the_state_is_for_its_owner_only(watched: Watched) -> None:
    assert stat.S_IMODE(watched.state.stat().st_mode) == 0o600
    assert stat.S_IMODE(watched.folder.stat().st_mode) == 0o700


def test_nothing_is_remembered_of_a_scan_that_was_interrupted(
    watched: Watched, token: Token, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched.repo.write("new", token("new"))
    watched.repo.commit()
    before = watched.state.read_bytes()

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(pipeline.Scanner, "item", stop)
        assert watched.since().report.exit_status == 3
    assert watched.state.read_bytes() == before
    assert watched.found(token("new"))


def test_a_broken_object_is_named_each_time_and_read_once_it_is_mended(watched: Watched, token: Token) -> None:
    repo = watched.repo
    repo.write("bad", token("bad"))
    repo.commit()
    oid = repo.git("rev-parse", "HEAD:bad")
    path = repo.path / ".git/objects" / oid[:2] / oid[2:]
    good = path.read_bytes()
    path.chmod(0o644)
    path.write_bytes(b"not zlib at all")
    for _ in range(2):
        report = watched.since().report
        assert [s.path for s in report.skipped if oid in s.path]
        assert report.exit_status == 3
        assert report.findings == watched.full().findings
    path.write_bytes(good)
    assert [path for path, _, _ in watched.found(token("bad"))] == ["bad"]


def test_a_shallow_clone_that_is_deepened(
    watched: Watched, token: Token, tmp_path: Path, new_repo: Callable[[str], GitRepo]
) -> None:
    repo = watched.repo
    repo.write("later", b"x")
    repo.commit()
    repo.git("clone", "-q", "--depth=1", f"file://{repo.path}", str(tmp_path / "shallow"))
    clone = Watched(new_repo("shallow"), watched.ruleset, tmp_path / "other")
    tip = repo.git("rev-parse", "main")
    assert [x[1] for x in clone.found(token("stays"))] == [tip]
    clone.repo.git("fetch", "-q", "--unshallow")
    assert [x[1] for x in clone.found(token("stays"))] == [repo.git("rev-list", "--max-parents=0", "main")]


def test_a_clone_that_is_made_shallow(
    watched: Watched, token: Token, tmp_path: Path, new_repo: Callable[[str], GitRepo]
) -> None:
    repo = watched.repo
    repo.write("later", token("later"))
    tip = repo.commit()
    repo.git("clone", "-q", f"file://{repo.path}", str(tmp_path / "clone"))
    clone = Watched(new_repo("clone"), watched.ruleset, tmp_path / "other")
    clone.check()
    clone.repo.git("fetch", "-q", "--depth=1")
    clone.check()
    clone.repo.git("tag", "-d", "v1")
    clone.repo.git("reflog", "expire", "--expire=now", "--all")
    clone.repo.git("gc", "-q", "--prune=now")
    assert [x[1] for x in clone.found(token("stays"))] == [tip]
    assert [x[1] for x in clone.found(token("later"))] == [tip]


def test_a_store_with_alternates_and_one_with_long_ids(
    watched: Watched, token: Token, tmp_path: Path, new_repo: Callable[[str], GitRepo]
) -> None:
    watched.repo.git("clone", "-q", "--shared", str(watched.path), str(tmp_path / "shared"))
    clone = Watched(new_repo("shared"), watched.ruleset, tmp_path / "other")
    clone.check()
    watched.repo.write("new", token("new"))
    commit = watched.repo.commit()
    assert clone.found(token("new")) == [("new", commit, False)]
    wide_path = tmp_path / "wide"
    watched.repo.git("init", "-q", "-b", "main", "--object-format=sha256", str(wide_path))
    wide = Watched(new_repo("wide"), watched.ruleset, tmp_path / "third")
    wide.repo.write("a", token("wide"))
    first = wide.repo.commit()
    assert wide.found(token("wide")) == [("a", first, True)]
    wide.repo.write("b", token("wider"))
    second = wide.repo.commit()
    wide.repo.git("gc", "-q")
    assert wide.found(token("wider")) == [("b", second, True)]


def test_an_alternate_that_went_away_is_told_each_time(
    watched: Watched, tmp_path: Path, new_repo: Callable[[str], GitRepo]
) -> None:
    watched.repo.git("clone", "-q", "--shared", str(watched.path), str(tmp_path / "shared"))
    clone = Watched(new_repo("shared"), watched.ruleset, tmp_path / "other")
    empty = tmp_path / "empty"
    empty.mkdir()
    with (clone.path / ".git/objects/info/alternates").open("a") as out:
        out.write(f"{empty}\n")
    clone.check()
    empty.rmdir()
    assert [s for s in clone.check().report.skipped if str(empty) in s.reason]


def test_a_damaged_pack_is_told_each_time_and_what_it_holds_is_found(watched: Watched, token: Token) -> None:
    repo = watched.repo
    repo.git("repack", "-adq")
    watched.check()
    repo.write("more", token("more"))
    repo.commit()
    repo.git("repack", "-adq")
    (pack,) = (repo.path / ".git/objects/pack").glob("*.pack")
    content = pack.read_bytes()
    pack.chmod(0o644)
    pack.write_bytes(content[:8] + bytes([content[8] ^ 1]) + content[9:])
    for _ in range(2):
        assert [s for s in watched.check().report.skipped if "damaged" in s.reason]
    pack.write_bytes(content)
    assert watched.check().report.skipped == ()
    assert watched.found(token("more"))


def test_an_empty_repository(repo: GitRepo, ruleset: Ruleset, tmp_path: Path, token: Token) -> None:
    empty = Watched(repo, ruleset, tmp_path / "state")
    assert empty.check().report.findings == ()
    repo.write("a", token("first"))
    commit = repo.commit()
    assert empty.found(token("first")) == [("a", commit, True)]


def test_a_repository_that_was_moved_is_looked_at_afresh(watched: Watched, tmp_path: Path) -> None:
    moved = tmp_path / "moved"
    shutil.move(watched.path, moved)
    watched.path = moved
    again = watched.since()
    assert again.bytes > len(FILLER) and again.said == []
    assert again.report.findings == watched.full().findings


def test_the_command_line(repo: GitRepo, token: Token, clean_user: Path, tmp_path: Path) -> None:
    repo.write("a", token("first"))
    repo.commit()
    full = reported("git", str(repo.path))["findings"]
    assert reported("git", ".", "--since-last", cwd=repo.path)["findings"] == full
    assert len(list((clean_user / ".local/state/deadkey/scans").iterdir())) == 1
    kept = tmp_path / "mine" / "state"
    assert reported("git", str(repo.path), "--since-last", "--state", str(kept))["findings"] == full
    assert kept.exists()


@pytest.mark.parametrize(
    "wrong",
    [
        ("--since-last", "--range", "a..b"),
        ("--since-last", "--branch", "main"),
        ("--since-last", "--since", "yesterday"),
        ("--since-last", "--explain"),
        ("--since-last", "--engine", "reference"),
        ("--state", "x"),
    ],
)
def test_options_that_do_not_go_together(repo: GitRepo, wrong: tuple[str, ...]) -> None:
    done = CliRunner().invoke(command, ["scan", "git", str(repo.path), *wrong])
    assert done.exit_code == 2
    assert "--since-last" in done.output


def test_workers_that_are_started_afresh_read_the_same(
    watched: Watched, monkeypatch: pytest.MonkeyPatch, token: Token
) -> None:
    """As where processes cannot be forked safely: sources and items travel to them."""
    watched.repo.git("repack", "-adq")
    watched.check()
    for number in range(40):
        watched.repo.write(f"f{number}", b"%d " % number + token(str(number)))
    watched.repo.commit()
    watched.repo.git("repack", "-dq")
    plain = pipeline.Scanner.item

    def travelled(self: pipeline.Scanner, source: Source, item: Item) -> pipeline.Found:
        return plain(self, pickle.loads(pickle.dumps(source)), pickle.loads(pickle.dumps(item)))

    with monkeypatch.context() as patch:
        patch.setattr(pipeline.Scanner, "item", travelled)
        again = watched.since()
    assert again.report.findings == watched.full().findings
    assert len(again.report.findings) == 45


def test_what_was_switched_off_is_found_when_it_is_switched_on(watched: Watched) -> None:
    """What is remembered is remembered for all rules, whatever a run was to report."""
    watched.repo.write("app.env", b"DB_PASSWORD=q7Zk2Wv9" + b"RtX4mB1cLp8s\n")
    watched.repo.commit("a password")
    off = Options(jobs=1, generic=Generic(enabled=False))
    assert "generic-secret" not in {f.rule for f in watched.check(off).report.findings}
    assert "generic-secret" in {f.rule for f in watched.check(Options(jobs=1)).report.findings}
