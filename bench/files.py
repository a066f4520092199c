"""Trees of files: deadkey, kingfisher and betterleaks over the same folder, one after the other on the same cores.

usage: bench/files.py [--rounds N] TREE…

Every program reads the tree once before anything is measured, so that all find it in the page cache.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

from measure import Cost, deadkey, find, measure


def programs() -> dict[str, list[str]]:
    out = {"deadkey": [*deadkey(), "scan", "files", "TREE", "--format", "json", "--output", "OUT", "--quiet"]}
    if kingfisher := find("kingfisher", "kingfisher"):
        out["kingfisher"] = [
            *(kingfisher, "scan", "TREE", "--no-validate", "--git-history", "none", "--format", "json"),
            *("--output", "OUT", "--quiet", "--no-update-check"),
        ]
    if betterleaks := find("betterleaks", "betterleaks"):
        out["betterleaks"] = [
            betterleaks,
            "dir",
            "TREE",
            "--no-banner",
            "--output",
            "OUT.json",
            "--exit-code",
            "1",
            "--silent",
        ]
    return out


def size(tree: str) -> tuple[int, int]:
    """Files and bytes below a folder; also brings them into the page cache."""
    count = total = 0
    for folder, _, names in os.walk(tree):
        for name in names:
            path = Path(folder, name)
            if path.is_file() and not path.is_symlink():
                count += 1
                total += len(path.read_bytes())
    return count, total


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("tree", nargs="+")
    parser.add_argument("--rounds", type=int, default=2)
    given = parser.parse_args()
    for tree in given.tree:
        count, total = size(tree)
        print(f"\n{tree}: {count} files, {total / 1e6:.0f} MB")
        print(f"  {'':16} {'wall s':>8} {'cpu s':>8} {'peak MB':>8} {'MB/s':>7} {'status':>6}")
        best: dict[str, Cost] = {}
        with tempfile.TemporaryDirectory() as folder:
            for number in range(given.rounds):
                for name, command in programs().items():
                    out = Path(folder, f"{name}-{number}")
                    cost = measure([part.replace("TREE", tree).replace("OUT", str(out)) for part in command])
                    if name not in best or cost.wall < best[name].wall:
                        best[name] = cost
        for name, cost in best.items():
            rate = total / 1e6 / cost.wall
            print(
                f"  {name:16} {cost.wall:8.2f} {cost.cpu:8.2f} {cost.peak / 1e6:8.0f} {rate:7.0f} {cost.status:6}",
                flush=True,
            )
        peers = [cost.wall for name, cost in best.items() if name != "deadkey"]
        if peers:
            print(f"  deadkey is {min(peers) / best['deadkey'].wall:.1f} times as fast as the faster peer")


if __name__ == "__main__":
    main()
