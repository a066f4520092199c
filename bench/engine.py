"""The rule set as a program: how long it takes to compile and to load, how fast it anchors, and which rules cost most.

usage: bench/engine.py [--megabytes N] TREE…

Reads source files under each TREE, at most N megabytes of them, and prints seconds to compile (cold) and to load (warm),
megabytes a second over that text on one core, and for the ten costliest rules how much faster anchoring is without each.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import hyperscan

from scanner.detect.engine import Engine
from scanner.model import Chunk, Origin
from scanner.ruleset import cache
from scanner.ruleset.compile import build, compile_rules
from scanner.ruleset.load import load
from scanner.ruleset.ruleset import RANKS, Anchor

PIECE = 16 << 10
"""Bytes of a file of the usual size."""
LIMIT = 1 << 20
"""Bytes of one file that are read."""


def sample(trees: list[Path], size: int) -> bytes:
    """Files of all trees, drawn at random with a fixed seed."""
    paths = [Path(folder) / name for tree in trees for folder, _, names in os.walk(tree) for name in names]
    random.Random(1).shuffle(paths)
    parts: list[bytes] = []
    for path in paths:
        if path.is_file() and not path.is_symlink():
            parts.append(path.read_bytes()[:LIMIT])
            size -= len(parts[-1])
            if size <= 0:
                break
    return b"\n".join(parts)


def seconds(function: Callable[[], object], rounds: int = 3) -> float:
    """The median of several."""
    taken = []
    for _ in range(rounds):
        started = time.perf_counter()
        function()
        taken.append(time.perf_counter() - started)
    return statistics.median(taken)


def turns(*functions: Callable[[], object], rounds: int = 5) -> list[float]:
    """The least seconds of each; they take turns, so that a machine that slows down slows all of them."""
    least = [float("inf")] * len(functions)
    for _ in range(rounds):
        for number, function in enumerate(functions):
            least[number] = min(least[number], seconds(function, 1))
    return least


def anchoring(anchors: Iterable[Anchor], text: bytes) -> Callable[[], int]:
    """What searches `text` and says how many hits there are."""
    database = hyperscan.loadb(build(tuple(anchors)), hyperscan.HS_MODE_BLOCK)
    database.scratch = hyperscan.Scratch(database)

    def search() -> int:
        hits = 0

        def count(*_: Any) -> None:
            nonlocal hits
            hits += 1

        database.scan(text, count)
        return hits

    return search


def reading(engine: Engine, text: bytes) -> Callable[[], None]:
    """What scans `text` in pieces of a file's size."""
    chunks = [Chunk(text[at : at + PIECE], Origin("bench")) for at in range(0, len(text), PIECE)]

    def scan() -> None:
        for chunk in chunks:
            engine.scan(chunk)

    scan()  # patterns are compiled when they are first needed
    return scan


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tree", nargs="+", type=Path)
    parser.add_argument("--megabytes", type=int, default=32)
    given = parser.parse_args()
    files = cache.read_files((cache.shipped(),))
    print(f"compile, cold      {seconds(lambda: cache.compiled(files, '', None), 1):8.2f} s")
    cache.get()
    print(f"load, warm         {seconds(cache.get) * 1e3:8.1f} ms")
    text = sample(given.tree, given.megabytes << 20)
    rules, anchors = compile_rules(load(files))
    plain = tuple(
        replace(anchor, rules=kept)
        for anchor in anchors
        if (kept := tuple(n for n in anchor.rules if not rules[n].scored and rules[n].rank != RANKS["generic"]))
    )
    table = tuple((a.rules, a.kind, a.phase, a.length) for a in plain)
    ruleset = cache.get()
    off = replace(ruleset, anchors=table, database=build(plain))
    search = anchoring(anchors, text)
    base, alone = turns(search, anchoring(plain, text))
    whole, without = turns(reading(Engine(ruleset), text), reading(Engine(off), text))
    hits = search()
    megabytes = len(text) / 1e6
    print(
        f"anchors            {megabytes / base:8.0f} MB/s over {megabytes:.0f} MB, {len(anchors)} expressions, {hits} hits"
    )
    print(
        f"without a format   anchors at {alone / base:.0%} of the speed without these rules, scans at {without / whole:.0%}"
    )
    print(f"                   ({megabytes / whole:.0f} MB/s, {megabytes / without:.0f} MB/s without)")
    by_rules: dict[tuple[int, ...], list[Anchor]] = defaultdict(list)
    for anchor in anchors:
        by_rules[anchor.rules].append(anchor)
    small = text[: 4 << 20]
    suspects = sorted(by_rules, key=lambda numbers: -turns(anchoring(by_rules[numbers], small), rounds=1)[0])[:60]
    costs = []
    for numbers in suspects:
        fewer = anchoring((a for a in anchors if a.rules != numbers), text)
        base, without = turns(search, fewer, rounds=3)
        costs.append((base / without - 1, hits - fewer(), ", ".join(rules[n].id for n in numbers)))
    print("costliest          anchoring is so much faster without it, and its hits")
    for gain, count, name in sorted(costs, reverse=True)[:10]:
        print(f"  {gain:7.1%} {count:8} {name}")


if __name__ == "__main__":
    main()
