"""A baseline knows what it was told, and branches that add to it merge."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from scanner.allow import baseline
from scanner.allow.baseline import Known
from scanner.model import DeadkeyError
from tests.conftest import GitRepo

KEY = bytes(range(16))
RULE = Known("github-pat")


def name(number: int) -> str:
    return f"{number:032x}"


@pytest.fixture
def kept(repo: GitRepo) -> str:
    """A baseline with two known secrets, committed."""
    path = str(repo.path / "known")
    baseline.create(path, KEY, {name(10): RULE, name(20): RULE})
    repo.commit("known")
    return path


def branches(repo: GitRepo, ours: Callable[[], None], theirs: Callable[[], None]) -> str:
    """What git says when a branch with `theirs` is merged into one with `ours`; empty for a clean merge."""
    repo.git("checkout", "-q", "-b", "theirs")
    theirs()
    repo.commit("theirs")
    repo.git("checkout", "-q", "main")
    ours()
    repo.commit("ours")
    return repo.git("merge", "-q", "--no-edit", "theirs", check=False)


def test_it_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = str(tmp_path / "known")
    baseline.create(path, KEY, {name(1): RULE, name(2): Known("aws-secret-key", "test")})
    baseline.write(path, {name(3): Known("x", "true"), name(1): Known("github-pat", "false")})
    read = baseline.read(path)
    assert read.key == KEY
    assert read.known == {
        name(1): Known("github-pat", "false"),
        name(2): Known("aws-secret-key", "test"),
        name(3): Known("x", "true"),
    }


def test_a_single_file_is_read_and_kept_up(tmp_path: Path) -> None:
    file = tmp_path / "known"
    file.write_text(f"{baseline.HEAD}{KEY.hex()}\n{name(2)} github-pat\n\n# a note\n")
    baseline.write(str(file), {name(1): Known("x", "true")})
    assert file.read_text().splitlines() == [
        f"{baseline.HEAD}{KEY.hex()}",
        f"{name(1)} x true",
        f"{name(2)} github-pat",
    ]
    assert baseline.read(str(file)).known == {name(1): Known("x", "true"), name(2): RULE}


def test_both_add_next_to_each_other(repo: GitRepo, kept: str) -> None:
    conflict = branches(
        repo,
        lambda: baseline.write(kept, {name(11): RULE, name(13): RULE}),
        lambda: baseline.write(kept, {name(12): RULE, name(14): RULE}),
    )
    assert conflict == ""
    assert sorted(baseline.read(kept).known) == [name(n) for n in (10, 11, 12, 13, 14, 20)]


def test_both_add_the_same(repo: GitRepo, kept: str) -> None:
    assert branches(repo, *[lambda: baseline.write(kept, {name(15): RULE})] * 2) == ""
    assert name(15) in baseline.read(kept).known


def test_one_removes_and_adds_while_the_other_judges_another(repo: GitRepo, kept: str) -> None:
    """Git must not take the new file for the removed one under another name."""

    def ours() -> None:
        os.unlink(os.path.join(kept, name(10)))
        baseline.write(kept, {name(11): RULE})

    assert branches(repo, ours, lambda: baseline.write(kept, {name(20): Known("github-pat", "true")})) == ""
    assert baseline.read(kept).known == {name(11): RULE, name(20): Known("github-pat", "true")}


def test_what_one_removes_does_not_become_the_others_judgement_of_a_new_one(repo: GitRepo, kept: str) -> None:
    def ours() -> None:
        os.unlink(os.path.join(kept, name(10)))
        baseline.write(kept, {name(11): RULE})

    conflict = branches(repo, ours, lambda: baseline.write(kept, {name(10): Known("github-pat", "true")}))
    assert "CONFLICT (modify/delete)" in conflict
    assert baseline.read(kept).known[name(11)] == RULE


def test_two_judgements_are_a_conflict_that_is_named(repo: GitRepo, kept: str) -> None:
    conflict = branches(
        repo,
        lambda: baseline.write(kept, {name(10): Known("github-pat", "true")}),
        lambda: baseline.write(kept, {name(10): Known("github-pat", "test")}),
    )
    assert "CONFLICT" in conflict
    with pytest.raises(DeadkeyError, match=rf"known/{name(10)}:1: .*resolve the merge"):
        baseline.read(kept)


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        (name(1), f"{name(2)} github-pat\n", f"/{name(1)}:1: not the one secret of its name"),
        (name(1), "", f"/{name(1)}:1: not the one secret of its name"),
        (name(1), f"{name(1)} github-pat maybe\n", f"/{name(1)}:1: not `FINGERPRINT RULE`"),
        ("salt", f"{baseline.HEAD}00\n{baseline.HEAD}01\n", "/salt:2: more than one salt"),
        ("salt", f"{baseline.HEAD}{'00' * 65}\n", "/salt:1: a salt has 1 to 64 bytes"),
        ("salt", f"{baseline.HEAD}\n", "/salt:1: a salt has 1 to 64 bytes"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, file: str, content: str, said: str) -> None:
    path = tmp_path / "known"
    baseline.create(str(path), KEY, {})
    (path / file).write_text(content)
    with pytest.raises(DeadkeyError) as caught:
        baseline.read(str(path))
    assert f"{path}{said}" in str(caught.value)


def test_a_pipe_in_it_is_not_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "known"
    baseline.create(str(path), KEY, {})
    os.mkfifo(path / name(1))
    with pytest.raises(DeadkeyError, match="not a file"):
        baseline.read(str(path))
