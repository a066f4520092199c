"""Entropy is that of the value's own characters, in bits a character."""

from __future__ import annotations

import math
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.detect.entropy import entropy


@pytest.mark.parametrize(
    ("value", "bits"),
    [(b"", 0), (b"a", 0), (b"aaaa", 0), (b"ab", 1), (b"aabb", 1), (b"abcd", 2), (bytes(range(256)), 8)],
)
def test_values_that_can_be_counted_by_hand(value: bytes, bits: float) -> None:
    assert entropy(value) == pytest.approx(bits)


@given(st.binary(min_size=1, max_size=300))
def test_it_is_shannons(value: bytes) -> None:
    shares = [n / len(value) for n in Counter(value).values()]
    assert entropy(value) == pytest.approx(sum(s * math.log2(1 / s) for s in shares))


@given(st.binary(min_size=1, max_size=60), st.randoms())
def test_order_does_not_matter_and_the_bounds_hold(value: bytes, chance) -> None:  # type: ignore[no-untyped-def]
    mixed = list(value)
    chance.shuffle(mixed)
    assert entropy(bytes(mixed)) == pytest.approx(entropy(value))
    assert -1e-9 <= entropy(value) <= math.log2(len(value)) + 1e-9
