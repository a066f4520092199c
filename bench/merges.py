"""How often two branches that each add known secrets merge cleanly, and rightly, for four layouts of a baseline.

    python bench/merges.py [TRIALS]

Each trial (default 100) has a baseline of 30 secrets; one branch adds one to four random ones, the other as many, and in
every second trial also removes one. `git merge` brings them together in a work tree (`merged`), and `git merge-tree` in
a bare clone with attributes not asked for, which is what hosts do (`hosted`). Printed for each layout, in per cent: how
many merges were conflicts, and how many were clean but not the two changes together (`wrong`).
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

Layout = Callable[[Path, set[str]], None]
BUCKETS = [f"{number:02x}" for number in range(256)]


def line(name: str) -> str:
    return f"{name} github-pat\n"


def one_file(folder: Path, names: set[str]) -> None:
    """Sorted lines."""
    (folder / "known").write_text("".join(line(n) for n in sorted(names)))


def union(folder: Path, names: set[str]) -> None:
    """The same with `merge=union`."""
    one_file(folder, names)
    (folder / ".gitattributes").write_text("known merge=union\n")


def buckets(folder: Path, names: set[str]) -> None:
    """Sorted lines, 256 lines that stay between them."""
    (folder / "known").write_text("".join(line(n) for n in sorted(names | set(BUCKETS))))


def small_files(folder: Path, names: set[str]) -> None:
    """A file of one line for each."""
    (folder / "known").mkdir(exist_ok=True)
    for old in (folder / "known").iterdir():
        old.unlink()
    for name in names:
        (folder / "known" / name).write_text(line(name))


LAYOUTS: dict[str, Layout] = {
    "one sorted file": one_file,
    "one file, merge=union": union,
    "one file, 256 buckets": buckets,
    "a file for each": small_files,
}


def git(folder: Path, *arguments: str) -> tuple[int, str]:
    who = {f"GIT_{role}_{what}": "a@example.org" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    nothing = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    done = subprocess.run(
        ["git", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        env={**os.environ, **who, **nothing},
        check=False,
    )
    return done.returncode, done.stdout.strip()


def commit(folder: Path, layout: Layout, names: set[str]) -> None:
    layout(folder, names)
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "change")


def content(folder: Path, tree: str) -> list[str]:
    """The names in a tree's baseline."""
    _, blobs = git(folder, "ls-tree", "-r", "--format=%(objectname)", tree, "known")
    lines = "".join(git(folder, "cat-file", "blob", blob)[1] + "\n" for blob in blobs.split()).splitlines()
    return sorted(x.split()[0] for x in lines if x.split()[0] not in BUCKETS)


def trial(seed: int, layout: Layout, base: Path) -> tuple[str, str]:
    chance = random.Random(seed)

    def some(number: int) -> set[str]:
        return {f"{chance.getrandbits(128):032x}" for _ in range(number)}

    work, bare = base / "work", base / "bare.git"
    work.mkdir()
    git(work, "init", "-q", "-b", "main")
    before = some(30)
    ours, theirs = before | some(chance.randint(1, 4)), before | some(chance.randint(1, 4))
    if seed % 2:
        theirs -= {chance.choice(sorted(before))}
    commit(work, layout, before)
    git(work, "checkout", "-q", "-b", "theirs")
    commit(work, layout, theirs)
    git(work, "checkout", "-q", "main")
    commit(work, layout, ours)
    git(base, "clone", "-q", "--bare", str(work), str(bare))
    wanted = sorted((ours | theirs) - (before - theirs))
    status, tree = git(bare, "-c", "attr.tree=4b825dc642cb6eb9a060e54bf8d69288fbee4904", "merge-tree", "main", "theirs")
    hosted = "conflict" if status else "right" if content(bare, tree) == wanted else "wrong"
    status, _ = git(work, "merge", "-q", "--no-edit", "theirs")
    merged = "conflict" if status else "right" if content(work, "HEAD") == wanted else "wrong"
    return merged, hosted


def main() -> None:
    trials = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    print(f"{'':24}{'merged: conflict':>18}{'wrong':>8}{'hosted: conflict':>18}{'wrong':>8}")
    for name, layout in LAYOUTS.items():
        seen: Counter[tuple[str, str]] = Counter()
        for seed in range(trials):
            with tempfile.TemporaryDirectory() as folder:
                for where, how in zip(("merged", "hosted"), trial(seed, layout, Path(folder)), strict=True):
                    seen[where, how] += 1
        shares = [100 * seen[w, h] / trials for w in ("merged", "hosted") for h in ("conflict", "wrong")]
        print(f"{name:24}{shares[0]:17.0f}%{shares[1]:7.0f}%{shares[2]:17.0f}%{shares[3]:7.0f}%")


if __name__ == "__main__":
    main()
