"""Learn the score of secrets without a format from labelled lines, and say how good it is on repositories it has not seen.

usage: bench/learn.py LINES.jsonl.gz [--tree DIR]… [--write]      (needs lightgbm and numpy)

LINES holds one JSON object a line: `repo`, `text` (a line, or all lines of a key), `truth` (T a secret; F or X none) and
`value` ([start, end) in characters, -1 unknown). Each DIR is source code without secrets: what is found there counts as
none. Candidates are what the scored rules read and no question refuses. Lines of one repository are never on both sides
of a fold. `--write` trains on everything and puts the model in place; its levels are where the held-out precision of
what is reported reaches LOW (at the best balance with recall), MEDIUM and HIGH.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import random
import zlib
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import lightgbm
import numpy as np
import regex

from scanner.detect.generic.features import NAMES, features
from scanner.detect.generic.place import Place, read
from scanner.detect.generic.refusal import refusal
from scanner.detect.generic.words import DATA
from scanner.ruleset import cache

FOLDS = 8
MEDIUM, HIGH = 0.92, 0.985
TREES = 160
SETTINGS = {
    "objective": "binary",
    "learning_rate": 0.08,
    "num_leaves": 12,
    "min_data_in_leaf": 20,
    "feature_fraction": 0.5,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    "lambda_l2": 8,
    "min_gain_to_split": 0.05,
    "verbose": -1,
    "seed": 1,
    "deterministic": True,
    "num_threads": 2,
}
FROM_TREES = 40_000
"""Candidates taken from source trees, at most."""
WEIGHT = 0.25
"""What a candidate from a source tree weighs against a labelled one: a few of them are secrets after all."""
FILE = 400_000
"""Bytes of one file that are read."""


class Candidate(NamedTuple):
    row: int
    repo: str
    place: Place
    secret: bool
    weight: float


def patterns() -> list[tuple[str, Any]]:
    return [(rule.id, regex.compile(rule.pattern.encode())) for rule in cache.get().rules if rule.scored]


def places(text: bytes, rules: list[tuple[str, Any]]) -> Iterator[tuple[tuple[int, int], Place]]:
    """What the scored rules read in a text and no question refuses."""
    seen = set()
    for form, pattern in rules:
        for match in pattern.finditer(text, overlapped=True):
            span = match.span("secret")
            if (form, span) not in seen:
                seen.add((form, span))
                place = read(form, text, match.start(), span)
                if not refusal(place):
                    yield span, place


def labelled(path: Path) -> list[Candidate]:
    with gzip.open(path, "rt") as lines:
        rows = [json.loads(line) for line in lines]
    spans: dict[tuple[str, str], list[tuple[int, int]]] = defaultdict(list)
    unknown = set()
    for row in rows:
        start, end = row["value"]
        if row["truth"] == "T" and start >= 0:
            before = len(row["text"][:start].encode())
            spans[row["repo"], row["text"]].append((before, before + len(row["text"][start:end].encode())))
        elif row["truth"] == "T":
            unknown.add((row["repo"], row["text"]))
    rules = patterns()
    out = []
    for number, row in enumerate(rows):
        key = row["repo"], row["text"]
        for (start, end), place in places(row["text"].encode() + b"\n", rules):
            secret = any(start < high and end > low for low, high in spans[key])
            if secret or key not in unknown:
                out.append(Candidate(number, row["repo"], place, secret, 1.0))
    return out


def unlabelled(trees: list[Path]) -> list[Candidate]:
    """Candidates from source trees, one repository a tree, drawn at random with a fixed seed."""
    rules = patterns()
    files = [(tree, Path(folder) / name) for tree in trees for folder, _, names in os.walk(tree) for name in names]
    random.Random(1).shuffle(files)
    out: list[Candidate] = []
    for tree, path in files:
        if path.is_symlink() or not path.is_file() or path.stat().st_size > FILE:
            continue
        content = path.read_bytes()
        if b"\0" in content[:1024]:
            continue
        seen = {}
        for _, place in places(content, rules):
            seen[place.key, place.value] = place
        out += [Candidate(-1, f"tree {tree.name}", place, False, WEIGHT) for place in list(seen.values())[:20]]
        if len(out) >= FROM_TREES:
            break
    return out


def train(x: Any, y: Any, weight: Any) -> Any:
    return lightgbm.train(SETTINGS, lightgbm.Dataset(x, y, weight=weight), TREES)


def held_out(candidates: list[Candidate], x: Any, y: Any, weight: Any) -> Any:
    """Scores by models that have seen no line of the same repository."""
    repos = sorted({c.repo for c in candidates})
    random.Random(0).shuffle(repos)
    fold = {repo: number % FOLDS for number, repo in enumerate(repos)}
    folds = np.array([fold[c.repo] for c in candidates])
    scores = np.zeros(len(candidates))
    for number in range(FOLDS):
        out = folds == number
        scores[out] = train(x[~out], y[~out], weight[~out]).predict(x[out])
    return scores


def curve(candidates: list[Candidate], scores: Any) -> list[tuple[float, float, float]]:
    """By threshold, from the highest: precision and recall over labelled lines, a line counting once."""
    best: dict[int, float] = defaultdict(float)
    truth: dict[int, bool] = defaultdict(bool)
    for candidate, score in zip(candidates, scores, strict=True):
        if candidate.row >= 0:
            best[candidate.row] = max(best[candidate.row], score)
            truth[candidate.row] |= candidate.secret
    wanted = sum(truth.values())
    right = wrong = 0
    out = []
    for row in sorted(best, key=lambda row: -best[row]):
        right += truth[row]
        wrong += not truth[row]
        out.append((float(best[row]), right / (right + wrong), right / wanted))
    return out


def levels(points: list[tuple[float, float, float]]) -> tuple[float, float, float]:
    low = max(points, key=lambda p: 2 * p[1] * p[2] / (p[1] + p[2]) if p[1] else 0)[0]
    return low, *(
        max(low, min((p[0] for p in points[50:] if p[1] >= wanted), default=1.0)) for wanted in (MEDIUM, HIGH)
    )


def exported(booster: Any) -> list[Any]:
    """The trees as `score.Tree` wants them."""
    trees = []
    for info in booster.dump_model()["tree_info"]:
        which: list[int] = []
        thresholds: list[float] = []
        left: list[int] = []
        right: list[int] = []
        leaves: list[float] = []

        def visit(
            node: dict[str, Any], which=which, thresholds=thresholds, left=left, right=right, leaves=leaves
        ) -> int:
            if "leaf_value" in node:
                leaves.append(round(node["leaf_value"], 5))
                return -len(leaves)
            number = len(which)
            which.append(node["split_feature"])
            thresholds.append(float(f"{node['threshold']:.6g}"))
            left.append(0)
            right.append(0)
            left[number] = visit(node["left_child"])
            right[number] = visit(node["right_child"])
            return number

        if visit(info["tree_structure"]) == 0:
            trees.append([which, thresholds + leaves[::-1], left, right])
    return trees


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("lines", type=Path)
    parser.add_argument("--tree", type=Path, action="append", default=[])
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    candidates = labelled(given.lines) + unlabelled(given.tree)
    x = np.array([features(c.place) for c in candidates])
    y = np.array([c.secret for c in candidates], dtype=float)
    weight = np.array([c.weight for c in candidates])
    print(f"{len(candidates)} candidates, {int(y.sum())} secrets, {sum(c.row < 0 for c in candidates)} from trees")
    scores = held_out(candidates, x, y, weight)
    points = curve(candidates, scores)
    chosen = levels(points)
    for name, level in zip(("low", "medium", "high"), chosen, strict=True):
        precision, recall = next((p, r) for s, p, r in reversed(points) if s >= level)
        others = sum(s >= level for c, s in zip(candidates, scores, strict=True) if c.row < 0)
        print(
            f"held out, {name:6} from {level:.3f}: precision {precision:.3f} recall {recall:.3f}, {others} from trees"
        )
    booster = train(x, y, weight)
    print("what decides:", ", ".join(NAMES[n] for n in np.argsort(-booster.feature_importance("gain"))[:20]))
    if given.write:
        trees = exported(booster)
        content = json.dumps({"features": NAMES, "levels": [round(level, 4) for level in chosen], "trees": trees})
        (DATA / "model.bin").write_bytes(zlib.compress(content.encode(), 9))
        print(f"{len(trees)} trees, {(DATA / 'model.bin').stat().st_size} bytes")


if __name__ == "__main__":
    main()
