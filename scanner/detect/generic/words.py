"""How much a string looks like words: the share of it that a word list covers, and how surprising its letters are."""

from __future__ import annotations

import re
import zlib
from functools import cache, lru_cache
from pathlib import Path

DATA = Path(__file__).parent
LETTERS = re.compile(rb"[a-z]+")
LONGEST = 14
"""No longer word is looked for."""
UNIT = 16
"""The table holds bits of surprise in sixteenths."""
LEET = bytes.maketrans(b"013457@$!", b"oleastasi")


@cache
def _words() -> frozenset[bytes]:
    """Words of code and documentation, three letters and more, in lower case."""
    return frozenset(zlib.decompress((DATA / "words.bin").read_bytes()).split())


@cache
def table() -> bytes:
    """By two letters before (27 values each, 0 for none) and the letter: how surprising it is there, in sixteenths of a bit."""
    return zlib.decompress((DATA / "letters.bin").read_bytes())


@lru_cache(20_000)
def covered(run: bytes) -> int:
    """How many letters of a run of lower-case letters words can cover without overlap; each must have three or more."""
    words = _words()
    size = len(run)
    best = [0] * (size + 1)
    for end in range(1, size + 1):
        top = best[end - 1]
        for start in range(max(0, end - LONGEST), end - 2):
            if best[start] + end - start > top and run[start:end] in words:
                top = best[start] + end - start
        best[end] = top
    return best[size]


def share(text: bytes) -> float:
    """The share of the letters in `text` (lower case) that words cover; 0.0 where there are none."""
    runs = LETTERS.findall(text[:80])
    total = sum(map(len, runs))
    return sum(map(covered, runs)) / total if total else 0.0


def surprise(text: bytes) -> tuple[float, float]:
    """Bits a letter, on average and in the worst run, that the letters of `text` (lower case) surprise by; 0.0 without any."""
    surprises = table()
    total = count = 0
    worst = 0.0
    for run in LETTERS.findall(text[:80]):
        a = b = 0
        own = 0
        for c in run:
            c -= 96
            own += surprises[(a * 27 + b) * 27 + c]
            a, b = b, c
        total += own
        count += len(run)
        if len(run) > 2:
            worst = max(worst, own / len(run))
    return (total / count / UNIT if count else 0.0), worst / UNIT
