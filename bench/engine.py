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
from scanner.ruleset.ruleset import Anchor

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


def anchoring(anchors: Iterable[Anchor], text: bytes) -> tuple[float, int]:
    """Seconds to search `text`, and how many hits there are."""
    database = hyperscan.loadb(build(tuple(anchors)), hyperscan.HS_MODE_BLOCK)
    database.scratch = hyperscan.Scratch(database)
    hits = 0

    def count(*_: Any) -> None:
        nonlocal hits
        hits += 1

    database.scan(text, count)
    rounds = 3
    return seconds(lambda: database.scan(text, count), rounds), hits // (rounds + 1)


def reading(engine: Engine, text: bytes) -> float:
    """Seconds to scan `text` in pieces of a file's size."""
    chunks = [Chunk(text[at : at + PIECE], Origin("bench")) for at in range(0, len(text), PIECE)]

    def scan() -> None:
        for chunk in chunks:
            engine.scan(chunk)

    scan()  # patterns are compiled when they are first needed
    return seconds(scan)


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
    base, hits = anchoring(anchors, text)
    speed = len(text) / base / 1e6
    print(
        f"anchors            {speed:8.0f} MB/s over {len(text) / 1e6:.0f} MB, {len(anchors)} expressions, {hits} hits"
    )
    plain = tuple(replace(a, rules=kept) for a in anchors if (kept := tuple(n for n in a.rules if not rules[n].scored)))
    table = tuple((a.rules, a.kind, a.phase, a.length) for a in plain)
    ruleset = cache.get()
    off = replace(ruleset, anchors=table, database=build(plain))
    whole, without = reading(Engine(ruleset), text), reading(Engine(off), text)
    alone = anchoring(plain, text)[0]
    print(
        f"without a format   anchors at {alone / base:.0%} of the speed without these rules, scans at {without / whole:.0%}"
    )
    print(f"                   ({len(text) / whole / 1e6:.0f} MB/s, {len(text) / without / 1e6:.0f} MB/s without)")
    by_rule: dict[int, list[Anchor]] = defaultdict(list)
    for anchor in anchors:
        for number in anchor.rules:
            by_rule[number].append(anchor)
    small = text[: 4 << 20]
    suspects = sorted(by_rule, key=lambda n: -anchoring(by_rule[n], small)[0])[:60]
    costs = []
    for number in suspects:
        without, fewer = anchoring((a for a in anchors if a.rules != (number,)), text)
        costs.append((base / without - 1, hits - fewer, rules[number].id))
    print("costliest          anchoring is so much faster without it, and its hits")
    for gain, count, name in sorted(costs, reverse=True)[:10]:
        print(f"  {gain:7.1%} {count:8} {name}")


if __name__ == "__main__":
    main()
