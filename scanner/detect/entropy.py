"""Shannon entropy of short strings."""

from __future__ import annotations

from math import log2


def entropy(value: bytes) -> float:
    """Bits a character, from the value's own character counts; 0.0 for an empty value."""
    if not value:
        return 0.0
    size = len(value)
    counts = map(value.count, set(value))
    return log2(size) - sum([n * log2(n) for n in counts if n > 1]) / size
