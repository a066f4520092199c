"""What a rule's matches begin with."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scanner.ruleset.prefix import prefixes

CASES = {
    r"\bghp_[0-9A-Za-z]{36}\b": ["ghp_"],
    r"\b(?:sk|rk)_live_[0-9a-z]{24}": ["sk_live_", "rk_live_"],
    r"(?<![0-9])dd[ps]at_\w{30}": ["ddpat_", "ddsat_"],
    r"xoxa-(?:2-)?[0-9]{10}": ["xoxa-"],
    r"https?://hooks\.acme\.dev/(?P<secret>\w{9})": ["http://hooks.acme.dev/", "https://hooks.acme.dev/"],
    r"(?:ab[0-9]{4}|cd)ef": ["ab", "cd"],
    r"[0-9a-f]{32}": [],
    r"(?:key_)?[0-9a-f]{32}": [],
    r"a{3}b": ["a"],
    r"x(?:a|b|c|d|e|f|g)y": ["x"],
}


@pytest.mark.parametrize("pattern", CASES)
def test_by_hand(pattern: str) -> None:
    assert [text.decode() for text in prefixes(pattern)] == CASES[pattern]


@settings(deadline=None, max_examples=300)
@given(
    st.sampled_from([p for p in CASES if "<!" not in p]).flatmap(
        lambda p: st.tuples(st.just(p), st.from_regex(p.encode(), fullmatch=True))
    )
)
def test_every_match_begins_with_one_of_them(drawn: tuple[str, bytes]) -> None:
    pattern, value = drawn
    assert re.match(pattern.encode(), value)
    assert not prefixes(pattern) or value.startswith(prefixes(pattern))
