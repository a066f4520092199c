"""Made-up tokens match the pattern they come from, differ by seed, and are nobody's."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scanner.detect.checksums import CHECKSUMS
from scanner.ruleset.generate import Ungeneratable, generate

PATTERNS = [
    r"\bghp_[0-9A-Za-z]{36}\b",
    r"(?<![0-9a-f])[0-9a-f]{8}-[0-9a-f]{4}(?![0-9a-f])",
    r"(?:sk|rk)_(?:live|test)_[^\W_]{10,99}",
    r"(?P<a>[ab])x{2,4}?(?P=a)\d{3}",
    r"(?P<q>')?[a-z]{8}(?(q)'|;)",
    r"[^a-z\s]{12}\s\S\D\W",
    r"(?s).{5}\.[^x]{3}",
    r"(?i)key[a-f]{5}",
    r"(?=[a-z]*[0-9])[a-z0-9]{20}",
    r"(?>ab|a)c[0-9]++",
    r"\x00\xff[\x80-\x9f]{4}",
    r"-----BEGIN [A-Z]{3}-----\n(?:[A-Za-z0-9+/]{64}\n){2,5}-----END",
]


@pytest.mark.parametrize("pattern", PATTERNS)
@settings(deadline=None, max_examples=25)
@given(seed=st.text(max_size=8))
def test_what_is_generated_matches(pattern: str, seed: str) -> None:
    assert re.compile(pattern.encode()).fullmatch(generate(pattern, seed))


@pytest.mark.parametrize("pattern", PATTERNS[:3])
def test_a_seed_gives_one_token_and_another_seed_another(pattern: str) -> None:
    made = [generate(pattern, f"seed {n}") for n in range(50)]
    assert made == [generate(pattern, f"seed {n}") for n in range(50)]
    assert len(set(made)) == 50


def test_of_a_named_group_only_the_secret_is_made() -> None:
    value = generate(r"(?:password|pw)=(?P<quote>[\"'])(?P<secret>[0-9a-f]{12})(?P=quote)", "x")
    assert re.fullmatch(rb"[0-9a-f]{12}", value)
    assert re.fullmatch(rb"[0-9]{4}", generate(r"(?:x(?:(?P<secret>[0-9]{4})|y)){1,2}", "x"))


def test_the_checksum_is_made_right() -> None:
    for n in range(20):
        token = generate(r"\bghp_[0-9A-Za-z]{36}\b", f"{n}", CHECKSUMS["github"].seal)
        assert CHECKSUMS["github"].check(token)


def test_values_that_judgement_would_drop_are_not_offered() -> None:
    assert set(generate("[ab]{2}", "x", good=lambda value: value == b"ba")) == set(b"ab")
    asked: list[bytes] = []

    def never(value: bytes) -> bool:
        asked.append(value)
        return False

    with pytest.raises(Ungeneratable):
        generate("[a-z]{12}", "x", good=never)
    assert len(set(asked)) > 100


@pytest.mark.parametrize("pattern", ["a(?!b)b", r"(?<=x)ab", r"a\bb", "a^b"])
def test_a_pattern_that_nothing_matches_alone_is_said_to_be_so(pattern: str) -> None:
    with pytest.raises(Ungeneratable, match="no example"):
        generate(pattern, "x")
