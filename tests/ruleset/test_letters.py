"""What a pattern's secret is made of."""

from __future__ import annotations

import re
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scanner.ruleset.letters import EVERY, MANY, newlines, secret_letters

DIGITS = frozenset(string.digits.encode())
CASES = {
    r"[0-9]{4,8}": (DIGITS, 4),
    r"\bkey=(?P<secret>[0-9]{4})(?![a-z])": (DIGITS, 4),
    r"(?:a|bc)\d{2}(?:-x)?": (DIGITS | frozenset(b"abc-x"), 3),
    r"(?i)[ab]c": (frozenset(b"abcABC"), 2),
    r"[^0-9]{3}": (EVERY - DIGITS, 3),
    r"(?:(?P<secret>[0-9]{9})|x)": (DIGITS, 9),
    r"x(?P<secret>(?i:a)b)": (EVERY, 2),
    r".{3}": (EVERY, 3),
    r"(a)\1": (EVERY, 2),
    r"[\da]": (DIGITS | frozenset(b"a"), 1),
    r"(?<=abc)\d(?=x)": (DIGITS, 1),
}


@pytest.mark.parametrize("pattern", CASES)
def test_by_hand(pattern: str) -> None:
    assert secret_letters(pattern) == CASES[pattern]


@settings(deadline=None, max_examples=300)
@given(
    st.sampled_from([p for p in CASES if "<=" not in p]).flatmap(
        lambda p: st.tuples(st.just(p), st.from_regex(p.encode()))
    )
)
def test_whatever_matches_is_made_of_them(drawn: tuple[str, bytes]) -> None:
    pattern, text = drawn
    letters, shortest = secret_letters(pattern)
    for found in re.finditer(pattern.encode(), text):
        secret = found["secret"] if "secret" in found.re.groupindex else found[0]
        if secret is not None:
            assert len(secret) >= shortest
            assert set(secret) <= letters


NEWLINES = {
    r"a\nb": 1,
    r"[^x]{3}": 3,
    r"(?:\r?\n[ ]{0,4}){2,5}x": 5,
    r"(?P<quote>[\"'])[^\r\n]{1,9}(?P=quote)": 0,
    r"(?P<end>\n)x(?P=end)": 2,
    r"(?:a|b\n|\n\n)": 2,
    r"x(?=[\s,]|$)": 0,
    r"x(?!\s{0,2}y)": 2,
    r"\s{0,40}": 40,
    r"(?s:.)x": MANY,
    r"(?s).{2}": 2,
}


@pytest.mark.parametrize("pattern", NEWLINES)
def test_newlines_by_hand(pattern: str) -> None:
    assert newlines(pattern) == NEWLINES[pattern]


@settings(deadline=None, max_examples=300)
@given(
    st.sampled_from([p for p in NEWLINES if "(?=" not in p and "(?!" not in p]).flatmap(
        lambda p: st.tuples(st.just(p), st.from_regex(p.encode()))
    )
)
def test_a_match_holds_no_more_newlines(drawn: tuple[str, bytes]) -> None:
    pattern, text = drawn
    assert all(found[0].count(b"\n") <= newlines(pattern) for found in re.finditer(pattern.encode(), text))
