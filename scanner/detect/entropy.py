"""Shannon entropy of short strings."""

from __future__ import annotations

from math import log2


def entropy(value: bytes) -> float:
    """Bits a character, from the value's own character counts; 0.0 for an empty value."""
    if not value:
        return 0.0
    size = len(value)
    counts = [0] * 256
    for c in value:
        counts[c] += 1
    return -sum(n / size * log2(n / size) for n in counts if n)
