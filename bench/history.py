"""Whole histories: deadkey, kingfisher and betterleaks over the same clones, one after the other on the same cores.

usage: bench/history.py [--plain] [--rounds N] REPO…

Prints wall and processor seconds, peak memory of all processes together, exit status and findings, and how often as fast
deadkey is as the faster peer. Provenance (commit, author, path) is part of what each does. `--plain` adds deadkey
with its plain-Python kernel. The programs take turns, and of several rounds the best of each counts.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

from measure import Cost, deadkey, find, measure


def programs(plain: bool) -> dict[str, list[str]]:
    """Name to command line; REPO and OUT are filled in."""
    own = [*deadkey(), "scan", "git", "REPO", "--format", "json", "--output", "OUT", "--quiet"]
    out = {"deadkey": own}
    if plain:
        out["deadkey (plain kernel)"] = [*own, "--engine", "plain"]
    if kingfisher := find("kingfisher", "kingfisher"):
        out["kingfisher"] = [
            *(
                kingfisher,
                "scan",
                "REPO",
                "--no-validate",
                "--format",
                "json",
                "--output",
                "OUT",
                "--quiet",
                "--no-update-check",
            ),
        ]
    if betterleaks := find("betterleaks", "betterleaks"):
        out["betterleaks"] = [
            betterleaks,
            "git",
            "REPO",
            "--no-banner",
            "--output",
            "OUT.json",
            "--exit-code",
            "1",
            "--silent",
        ]
    return out


def count(path: Path) -> str:
    """How many findings a report holds."""
    for name in (path, path.with_name(path.name + ".json")):
        try:
            text = name.read_text(errors="replace")
        except OSError:
            continue
        try:
            document = json.loads(text)
        except ValueError:
            return str(sum(1 for line in text.splitlines() if line.startswith("{")))
        found = document.get("findings", document) if isinstance(document, dict) else document
        return str(len(found)) if found is not None else "0"
    return "-"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("repo", nargs="+")
    parser.add_argument("--plain", action="store_true")
    parser.add_argument("--rounds", type=int, default=1)
    given = parser.parse_args()
    for repo in given.repo:
        print(f"\n{Path(repo).name}")
        print(f"  {'':24} {'wall s':>8} {'cpu s':>8} {'peak MB':>8} {'status':>6} {'findings':>8}")
        best: dict[str, Cost] = {}
        found: dict[str, str] = {}
        with tempfile.TemporaryDirectory() as folder:
            for number in range(given.rounds):
                for name, command in programs(given.plain).items():
                    out = Path(folder, f"{number}-{name.split()[0]}-{len(name)}")
                    line = [part.replace("REPO", repo).replace("OUT", str(out)) for part in command]
                    cost = measure(line)
                    if name not in best or cost.wall < best[name].wall:
                        best[name] = cost
                    found[name] = count(out)
        for name, cost in best.items():
            print(
                f"  {name:24} {cost.wall:8.2f} {cost.cpu:8.2f} {cost.peak / 1e6:8.0f} {cost.status:6} {found[name]:>8}",
                flush=True,
            )
        peers = [cost.wall for name, cost in best.items() if not name.startswith("deadkey")]
        for name in (n for n in best if n.startswith("deadkey")):
            if peers:
                print(f"  {name} is {min(peers) / best[name].wall:.1f} times as fast as the faster peer")


if __name__ == "__main__":
    main()
