"""How likely a candidate is a secret: boosted trees over its features, learned offline by `bench/learn.py`.

The trees ship as numbers and are read without a machine-learning runtime.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Sequence
from functools import cache, lru_cache
from importlib import import_module
from math import exp
from typing import Any, NamedTuple

from scanner.detect.generic.features import NAMES, features
from scanner.detect.generic.place import Place, setting
from scanner.detect.generic.refusal import refusal
from scanner.detect.generic.words import DATA
from scanner.model import Confidence

REMEMBERED = 20_000
"""Answers that are kept, so that the versions of a file do not ask again."""

Tree = tuple[list[int], list[float], list[int], list[int]]
"""Of each inner node: the feature, the threshold (at most goes left), and the nodes to the left and right. A child below
zero is a leaf: `thresholds[child]`, counted from the end, is what it adds."""


class PlainForest:
    """Boosted trees over `wide` features: called with a candidate's, they give the logarithm of its odds."""

    def __init__(self, trees: Sequence[Tree], wide: int) -> None:
        self._trees, self._wide = trees, wide

    def __call__(self, numbers: list[float]) -> float:
        total = 0.0
        for which, thresholds, left, right in self._trees:
            node = 0
            while node >= 0:
                node = left[node] if numbers[which[node]] <= thresholds[node] else right[node]
            total += thresholds[node]
        return total


Forest: Any
try:
    Forest = import_module("scanner.detect._sift").Forest
except ImportError:
    Forest = PlainForest


class Model(NamedTuple):
    """`levels` are the scores from which on a candidate is reported with low, medium and high confidence."""

    forest: Callable[[list[float]], float]
    levels: tuple[float, float, float]


def shipped() -> dict[str, Any]:
    """The model that comes with the package, as it was learned: `features` by name, `trees` and `levels`."""
    read: dict[str, Any] = json.loads(zlib.decompress((DATA / "model.bin").read_bytes()))
    return read


@cache
def model() -> Model:
    """The same, ready for use."""
    read = shipped()
    low, medium, high = read["levels"]
    return Model(Forest(read["trees"], len(NAMES)), (low, medium, high))


def probability(numbers: list[float]) -> float:
    """What the trees make of features in the order of `features.NAMES`: from 0 to 1."""
    return 1 / (1 + exp(-model().forest(numbers)))


@lru_cache(REMEMBERED)
def verdict(place: Place) -> tuple[str, float]:
    """Why a candidate is no secret ("" when it may be one), and its score."""
    if reason := refusal(place):
        return reason, 0.0
    score = probability(features(place))
    low = model().levels[0]
    if score >= low or setting(place):  # whether a setting's file is one of settings is asked where its path is known
        return "", score
    return f"score {score:.2f} is below {low:.2f}", score


def confidence(score: float) -> Confidence:
    """high, medium or low."""
    _, medium, high = model().levels
    return "high" if score >= high else "medium" if score >= medium else "low"
