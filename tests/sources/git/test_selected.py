"""`scan git --range`, `--branch` and `--since` report what the selected commits brought in, placed as a full scan does."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from scanner import pipeline
from scanner.model import DeadkeyError, Location, Report
from scanner.pipeline import Options
from scanner.ruleset.ruleset import Ruleset
from scanner.sources.git.packed import PackedSource
from scanner.sources.git.run import open_repository
from scanner.sources.git.selected import SelectedSource
from tests.cli.parts import one_line, places, secrets
from tests.cli.parts import scan as reported
from tests.conftest import GitRepo, deadkey, github_token

Token = Callable[[str], bytes]
Places = set[tuple[str, bytes, Location]]
KEY = b"k" * 16


def day(number: int) -> dict[str, str]:
    date = f"2024-05-{number:02}T12:00:00+00:00"
    return {"GIT_AUTHOR_DATE": date, "GIT_COMMITTER_DATE": date}


class Scans:
    """Scans of one repository, in this process."""

    def __init__(self, repo: GitRepo, ruleset: Ruleset) -> None:
        self.repo = repo
        self.ruleset = ruleset

    def _report(self, source: Any, options: Options | None) -> Report:
        return pipeline.scan(source, self.ruleset, options or Options(jobs=1), KEY)[0]

    def some(
        self,
        *ranges: str,
        branches: Sequence[str] = (),
        since: str | None = None,
        options: Options | None = None,
        skipped: int = 0,
        many: int = 20_000,
    ) -> Places:
        source = SelectedSource.open(open_repository(str(self.repo.path)), ranges, branches, since, many)
        report = self._report(source, options)
        assert len(report.skipped) == skipped
        return _places(report)

    def of(self, *commits: str, options: Options | None = None) -> Places:
        """What a full scan finds that these commits brought in."""
        report = self._report(PackedSource.open(open_repository(str(self.repo.path))), options)
        return {place for place in _places(report) if place[2].commit in commits}

    def listed(self, *arguments: str) -> list[str]:
        return self.repo.git("rev-list", *arguments).split()


def _places(report: Report) -> Places:
    return {(f.rule, f.secret.reveal(), place) for f in report.findings for place in f.locations}


def values(found: Places) -> set[bytes]:
    return {value for _, value, _ in found}


@pytest.fixture
def scans(repo: GitRepo, ruleset: Ruleset) -> Scans:
    return Scans(repo, ruleset)


@pytest.fixture
def line(repo: GitRepo, token: Token) -> list[str]:
    """Six commits, one a day, each with a leak of its own beside those there were."""
    commits = []
    for number in range(6):
        repo.write("one", b"\n".join(token(f"one {n}") for n in range(number + 1)))
        repo.write(f"own{number}", b"# x\n" + token(f"own {number}"))
        message = f"change {number}\n\n{token(f'message {number}').decode()}"
        commits.append(repo.commit(message, **day(number + 1)))
    return commits


def test_a_range_reports_what_its_commits_brought_in(scans: Scans, line: list[str], token: Token) -> None:
    found = scans.some(f"{line[1]}..{line[3]}")
    assert found == scans.of(line[2], line[3])
    assert values(found) == {token(f"{kind} {n}") for kind in ("one", "own", "message") for n in (2, 3)}
    ((_, _, place),) = [x for x in found if x[1] == token("one 2")]
    assert (place.path, place.start_line, place.commit, place.at_head) == ("one", 3, line[2], True)
    assert place.author == "Ada Author <ada@acme.dev>"
    assert place.date == "2024-05-03T12:00:00+00:00"


def test_three_dots_names_and_an_open_end_mean_the_same(scans: Scans, line: list[str]) -> None:
    wanted = scans.some(f"{line[3]}..{line[5]}")
    assert wanted
    for text in (f"{line[3]}...{line[5]}", f"{line[3]}..", "main~2..main", "HEAD~2..HEAD", f"{line[3][:12]}..main^0"):
        assert scans.some(text) == wanted


def test_ranges_and_branches_add_up(scans: Scans, line: list[str]) -> None:
    scans.repo.git("branch", "old", line[1])
    assert scans.some(f"{line[1]}..{line[2]}", f"{line[2]}..{line[3]}") == scans.of(*line[2:4])
    assert scans.some(f"{line[3]}..{line[4]}", branches=["old"]) == scans.of(*line[:2], line[4])
    assert scans.some(branches=["old", "main"]) == scans.of(*line)


def test_a_date_narrows_what_is_selected(scans: Scans, line: list[str], token: Token) -> None:
    scans.repo.git("branch", "old", line[4])
    found = scans.some(since="2024-05-04T00:00:00Z")
    assert found == scans.of(*line[3:])
    assert token("own 2") not in values(found)
    assert scans.some(since="2024-05-04T00:00:00Z", branches=["old"]) == scans.of(*line[3:5])
    assert scans.some(f"{line[0]}..{line[4]}", since="2024-05-04T00:00:00Z") == scans.of(*line[3:5])


def test_a_leak_from_before_that_a_selected_commit_edits_around_is_not_reported(
    scans: Scans, repo: GitRepo, token: Token
) -> None:
    repo.write("conf", token("old"))
    repo.commit(**day(1))
    repo.write("conf", b"first\n" + token("old"))
    repo.commit(**day(2))
    assert scans.some("HEAD~..HEAD") == set()
    assert scans.some(since="2024-05-02T00:00:00Z") == set()


def test_a_leak_that_comes_back_was_brought_in_by_who_brought_it_back(
    scans: Scans, repo: GitRepo, token: Token
) -> None:
    repo.write("conf", token("old"))
    repo.commit(**day(1))
    repo.write("conf", b"clean")
    repo.commit(**day(2))
    repo.write("conf", token("old"))
    back = repo.commit(**day(3))
    ((_, value, place),) = scans.some("HEAD~..HEAD")
    assert (value, place.commit, place.at_head) == (token("old"), back, True)
    assert scans.some(since="2024-05-03T00:00:00Z") == scans.of(back)
    assert scans.some("HEAD~2..HEAD~") == set()


def test_whether_it_still_stands_is_told_by_the_tips_though_these_are_not_selected(
    scans: Scans, repo: GitRepo, token: Token
) -> None:
    repo.write("a", b"x")
    start = repo.commit()
    repo.write("a", token("stays"))
    repo.write("b", token("goes"))
    leak = repo.commit()
    repo.write("a", b"more\n" + token("stays"))
    repo.git("rm", "-q", "b")
    repo.commit()
    found = {value: place.at_head for _, value, place in scans.some(f"{start}..{leak}")}
    assert found == {token("stays"): True, token("goes"): False}


def test_merges(scans: Scans, repo: GitRepo, token: Token) -> None:
    repo.write("conf", b"base\n")
    base = repo.commit()
    repo.git("checkout", "-q", "-b", "side")
    repo.write("conf", b"side\n" + token("side"))
    side = repo.commit()
    repo.git("checkout", "-q", "main")
    repo.write("conf", b"main\n")
    main = repo.commit()
    repo.git("merge", "-q", "side", check=False)
    repo.write("conf", b"merged\n" + token("side") + b"\n" + token("merge") + b"\n")
    merge = repo.commit("merge")
    assert scans.some(f"{base}..{merge}") == scans.of(side, main, merge)
    only_main = scans.some(f"{side}..{merge}")
    assert only_main == scans.of(main, merge)
    assert values(only_main) == {token("merge")}


def test_tags_of_selected_commits(scans: Scans, line: list[str], token: Token) -> None:
    for number in (2, 4):
        scans.repo.git("tag", "-a", f"v{number}", line[number], "-m", f"{token(f'tag {number}').decode()}")
    found = scans.some(f"{line[1]}..{line[3]}")
    assert token("tag 2") in values(found)
    assert token("tag 4") not in values(found)
    tag = scans.repo.git("rev-parse", "v2")
    assert found == scans.of(line[2], line[3], tag)
    assert scans.some("v2..v4") == scans.of(line[3], line[4], scans.repo.git("rev-parse", "v4"))


def test_a_remote_branch(scans: Scans, repo: GitRepo, line: list[str]) -> None:
    repo.git("update-ref", "refs/remotes/origin/theirs", line[2])
    assert scans.some(branches=["origin/theirs"]) == scans.of(*line[:3])


def test_any_part_of_a_tangled_history_equals_that_part_of_a_full_scan(
    scans: Scans, repo: GitRepo, token: Token
) -> None:
    rng = random.Random(3)
    names = [token(str(n)) for n in range(8)]
    repo.write("start", b"x")
    commits = [repo.commit(**day(1))]
    for number in range(24):
        if number % 5 == 4:
            repo.git("checkout", "-q", "-B", f"b{number}", rng.choice(commits))
        if number % 7 == 6:
            repo.git("merge", "-q", "-X", "ours", "-m", "merge", rng.choice(commits), check=False)
        # a byte of its own keeps any two versions of a file from being the same blob
        body = b"\n".join([b"%d" % number, *rng.sample(names, rng.randrange(3))])
        repo.write(f"f{rng.randrange(3)}", body)
        commits.append(repo.commit(f"number {number}", **day(2 + number)))
    sizes = []
    for _ in range(12):
        old, new = rng.sample(commits, 2)
        found = scans.some(f"{old}..{new}")
        assert found == scans.of(*scans.listed(new, f"^{old}")), (old, new)
        assert scans.some(f"{old}..{new}", many=0) == found
        sizes.append(len(found))
    assert len(set(sizes)) > 3
    for number in (3, 9, 20):
        date = f"2024-05-{number:02}T00:00:00Z"
        assert scans.some(since=date) == scans.of(*scans.listed("--all", f"--since={date}"))


def test_rules_that_are_not_wanted_stay_out(scans: Scans, line: list[str]) -> None:
    assert scans.some(f"{line[1]}..{line[3]}", options=Options(jobs=1, only=("aws-*",))) == set()
    few = Options(jobs=1, only=("github-*",))
    assert scans.some(f"{line[1]}..{line[3]}", options=few) == scans.of(*line[2:4], options=few) != set()


def test_an_empty_selection_finds_nothing(scans: Scans, line: list[str]) -> None:
    assert scans.some(f"{line[3]}..{line[3]}") == set()
    assert scans.some(f"{line[3]}..{line[1]}") == set()
    scans.repo.git("tag", "-a", "v1", "-m", github_token("tag").decode())
    assert scans.some(since="2031-01-01") == set()


def test_an_empty_repository_holds_nothing(scans: Scans) -> None:
    assert scans.some(since="2001-01-01") == set()


@pytest.mark.parametrize(
    ("ranges", "branches", "says"),
    [
        (["main..nowhere"], [], "no such revision: nowhere"),
        (["nowhere..main"], [], "no such revision: nowhere"),
        (["main"], [], "write A..B"),
        (["--output=x..main"], [], "no such revision: --output=x"),
        (["main..--all"], [], "no such revision: --all"),
        ([], ["nowhere"], "no such branch"),
        ([], ["--all"], "no such branch"),
        ([], ["main:one"], "no such branch"),
    ],
)
def test_what_is_not_known_is_one_clear_error(
    scans: Scans, line: list[str], ranges: list[str], branches: list[str], says: str
) -> None:
    with pytest.raises(DeadkeyError, match=says):
        scans.some(*ranges, branches=branches)


def test_a_partial_clone_is_scanned_without_fetching_and_said_to_be_incomplete(
    repo: GitRepo, line: list[str], tmp_path: Path, ruleset: Ruleset, new_repo: Callable[[str], GitRepo], token: Token
) -> None:
    repo.git("config", "uploadpack.allowFilter", "true")
    repo.git("clone", "-q", "--no-checkout", "--filter=blob:none", f"file://{repo.path}", str(tmp_path / "partial"))
    clone = Scans(new_repo("partial"), ruleset)
    before = sorted(p.name for p in (tmp_path / "partial/.git/objects").rglob("*"))
    assert values(clone.some(f"{line[1]}..{line[3]}", skipped=1)) == {token("message 2"), token("message 3")}
    assert sorted(p.name for p in (tmp_path / "partial/.git/objects").rglob("*")) == before


def test_the_command_line(repo: GitRepo, line: list[str], token: Token) -> None:
    report = reported("git", str(repo.path), "--range", "main~2..main~1", "--branch", "main", "--since", "2024-05-05")
    assert secrets(report) == sorted(token(f"{kind} {n}") for kind in ("one", "own", "message") for n in (4, 5))
    assert places(report, token("own 4")) == [("own4", 2)]
    done = deadkey("scan", "git", str(repo.path), "--range", "main..nowhere")
    assert done.returncode == 2
    assert "nowhere" in one_line(done.stderr)
