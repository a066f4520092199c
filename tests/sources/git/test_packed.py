"""The fast path through packs finds what asking git for every object finds: the same secrets at the same places.

`DEADKEY_EXAMPLES` says how many repositories are made up for it; then they differ from run to run. `-s` shows the counts.
"""

from __future__ import annotations

import os
import shutil
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from scanner import pipeline
from scanner.model import Chunk, Report, Sighting, Skip
from scanner.pipeline import Options, Scanner
from scanner.ruleset.ruleset import Ruleset
from scanner.sources.git import chains, kernel_py, objects, packed, walk
from scanner.sources.git.history import HistorySource
from scanner.sources.git.packed import PackedSource
from scanner.sources.git.run import Repository
from scanner.sources.interface import Item, Source
from tests.sources.git import repositories
from tests.sources.git.repositories import BLOB, EDITS, LAYOUTS, Step

EXAMPLES = int(os.environ.get("DEADKEY_EXAMPLES", "200"))
KEY = b"of these tests"

STEPS = st.lists(
    st.builds(Step, st.sampled_from(list(EDITS)), st.sampled_from((0, 0, 0, 1, 2, 5)), st.integers(0, 2**32 - 1)),
    min_size=3,
    max_size=16,
)
BY_HAND = tuple(layout for layout in LAYOUTS if layout[0] == "by hand")
BY_GIT = tuple(layout for layout in LAYOUTS if layout[0] != "by hand")


@pytest.fixture(scope="module")
def scanner(ruleset: Ruleset) -> Scanner:
    return Scanner(ruleset, Options(jobs=1))


@pytest.fixture
def counts(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often the walk came by the places that matter; with both kernels together."""
    seen: Counter[str] = Counter()
    carry, tree, leave_out, look = walk.carry, walk.Walk.tree, walk.Walk._leave_out, walk.Walk._look

    def carrying(*arguments: Any) -> Any:
        kept, again = carry(*arguments)
        seen["carried"] += len(kept)
        seen["read again"] += len(again)
        return kept, again

    def walking(self: walk.Walk, root: int) -> None:
        before = self._chains.made_again
        tree(self, root)
        seen["bases made again"] += self._chains.made_again - before

    def looking(self: walk.Walk, data: bytes, found: Any, places: Any, *more: Any) -> Any:
        name = "gathered plainly" if self._kernel is kernel_py else "gathered"
        seen[name] += places != [(0, 0, len(data))]
        return look(self, data, found, places, *more)

    def leaving_out(self: walk.Walk, number: int) -> None:
        seen["left to git"] += 1
        leave_out(self, number)

    monkeypatch.setattr(walk, "carry", carrying)
    monkeypatch.setattr(walk.Walk, "tree", walking)
    monkeypatch.setattr(walk.Walk, "_leave_out", leaving_out)
    monkeypatch.setattr(walk.Walk, "_look", looking)
    return seen


def sightings(scanner: Scanner, source: Source) -> tuple[set[Sighting], set[Skip]]:
    found = pipeline.Found()
    for item in source.items():
        if isinstance(item, Skip):
            found.skips.append(item)
        else:
            found.add(scanner.item(source, item))
    return set(found.sightings), set(found.skips)


def report(ruleset: Ruleset, source: Source) -> dict[str, Any]:
    """What a user reads, by fingerprint."""
    made: Report = pipeline.scan(source, ruleset, Options(jobs=1), KEY)[0]
    shown: dict[str, Any] = {f.fingerprint: (f, f.companions) for f in made.findings}
    return {**shown, "skipped": set(made.skipped)}


def sources(path: Path) -> dict[str, Source]:
    repository = Repository(str(path))
    return {
        "compiled": PackedSource.open(repository),
        "plain": PackedSource.open(repository, plain=True),
        "reference": HistorySource.open(repository),
    }


def agree(ruleset: Ruleset, scanner: Scanner, path: Path, with_provenance: bool) -> int:
    """Fails unless all three find the same in the repository at `path`. Returns how many places that is."""
    read = {
        name: report(ruleset, source) if with_provenance else sightings(scanner, source)
        for name, source in sources(path).items()
    }
    assert read["compiled"] == read["reference"]
    assert read["plain"] == read["reference"]
    if with_provenance:
        return sum(len(f[0].locations) for name, f in read["reference"].items() if name != "skipped")
    return len(read["reference"][0])


def examples(
    ruleset: Ruleset,
    scanner: Scanner,
    counts: Counter[str],
    folder: Path,
    layouts: tuple[tuple[str, ...], ...],
    most: int,
) -> None:
    """Makes up repositories and holds the paths against each other; says at the end how many."""
    started = time.perf_counter()

    @settings(
        max_examples=max(4, most),
        deadline=None,
        database=None,
        derandomize="DEADKEY_EXAMPLES" not in os.environ,
        phases=(Phase.explicit, Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    @given(st.sampled_from(layouts), STEPS, st.integers(0, 2**32 - 1))
    def check(layout: tuple[str, ...], steps: list[Step], seed: int) -> None:
        counts["examples"] += 1
        path = folder / str(counts["examples"])
        try:
            repositories.repository(path, layout, steps, seed)
            counts["places"] += agree(ruleset, scanner, path, with_provenance=seed % 5 == 0)
        finally:
            shutil.rmtree(path)

    check()
    print(f"\n{dict(counts)} in {time.perf_counter() - started:.1f} s")


ALWAYS = ("places", "carried", "read again", "gathered", "gathered plainly")


@pytest.mark.parametrize("layouts", [BY_HAND, BY_GIT], ids=["by hand", "by git"])
def test_all_paths_find_the_same(
    ruleset: Ruleset, scanner: Scanner, counts: Counter[str], tmp_path: Path, layouts: tuple[tuple[str, ...], ...]
) -> None:
    examples(ruleset, scanner, counts, tmp_path, layouts, EXAMPLES * 3 // 8)
    assert [name for name in ALWAYS if not counts[name]] == []


def test_all_paths_find_the_same_where_bases_do_not_stay_in_memory(
    ruleset: Ruleset, scanner: Scanner, counts: Counter[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chains, "BUDGET", 3000)
    examples(ruleset, scanner, counts, tmp_path, (*BY_HAND, ("imported", "repacked")), EXAMPLES // 4)
    assert counts["places"] and counts["carried"] and counts["bases made again"]


def limit(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    """What counts as huge."""
    for module in (chains, packed):
        monkeypatch.setattr(module, "HUGE", size)


def test_all_paths_find_the_same_where_much_is_too_large_for_the_fast_one(
    ruleset: Ruleset, scanner: Scanner, counts: Counter[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit(monkeypatch, 8000)
    examples(ruleset, scanner, counts, tmp_path, LAYOUTS, EXAMPLES // 4)
    assert counts["places"] and counts["carried"] and counts["left to git"]


@pytest.mark.parametrize("loose", [True, False], ids=["loose", "packed"])
def test_a_huge_object_is_read_in_windows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, loose: bool) -> None:
    limit(monkeypatch, 50_000)
    monkeypatch.setattr(objects, "WINDOW", 100_000)
    path = repositories.bare(tmp_path / "repo")
    data = b"a line of text\n" * 30_000
    if loose:
        repositories.put_loose(path, BLOB, data)
    else:
        pack = repositories.PackWriter()
        pack.put(repositories.oid_of(BLOB, data), BLOB, data)
        pack.write(path / "objects/pack", "0" * 40)
    source = PackedSource.open(Repository(str(path)))
    pieces = [len(c.data) for i in source.items() if isinstance(i, Item) for c in _chunks(source, i)]
    assert pieces and max(pieces) <= 100_000
    assert sum(pieces) >= len(data)


def _chunks(source: PackedSource, item: Item) -> list[Chunk]:
    class Blind:
        span = 100
        reaches = b""

        def hits(self, data: bytes) -> list[tuple[int, int]]:
            return []

        def sift(self, data: bytes, hits: list[tuple[int, int]]) -> list[tuple[int, int]]:
            return hits

        def pairs(self, data: bytes, hits: list[tuple[int, int]]) -> list[Any]:
            return []

    return [piece for piece in source.walk(item, Blind()) if isinstance(piece, Chunk)]
