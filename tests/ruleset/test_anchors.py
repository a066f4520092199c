"""Whatever a pattern matches, its anchor is hit inside, as near as the plan says; encoded copies are hit too."""

from __future__ import annotations

import base64
import random
import re

import hyperscan
import pytest
import regex
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from scanner.detect.engine import SLACK
from scanner.ruleset import anchors as anchoring
from scanner.ruleset.anchors import (
    MAX_WIDTH,
    Plan,
    Unbounded,
    base64_inside,
    encoded_anchors,
    explicit,
    plan,
    utf16_anchor,
)
from scanner.ruleset.generate import Ungeneratable, generate
from scanner.ruleset.ruleset import Anchor

CLASSES = (
    "[0-9]",
    "[a-f0-9]",
    "[A-Z]",
    "[xyz]",
    "[^a]",
    "[^0-9a-z]",
    r"\d",
    r"\w",
    r"\s",
    r"\S",
    ".",
    "[-_]",
    r"[\s=:]",
    r"[^\W_]",
    "[a-c]",
)
LITERALS = (
    "a",
    "b",
    "key",
    "tok_",
    "ghp_",
    "-----",
    r"\.",
    "x=",
    r"\$",
    "sk-",
    "AB",
    "é".encode().decode("latin-1").replace("\xc3", r"\xc3").replace("\xa9", r"\xa9"),
)
AROUND = (r"\b", r"(?<![a-z])", r"(?![0-9])", "(?=.)", r"(?<!x)", r"(?!\w)")


def repeats(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """An element with a bounded repeat behind it, lazy or possessive at times."""
    bounds = st.tuples(st.integers(0, 4), st.integers(0, 5)).map(lambda b: f"{{{b[0]},{b[0] + b[1] or 1}}}")
    return st.tuples(inner, st.one_of(st.sampled_from(("", "", "?", "{3}", "{1,2}", "{0,3}?")), bounds)).map("".join)


single = st.sampled_from(CLASSES)
literal = st.sampled_from(LITERALS)


def sequence(parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.lists(parts, min_size=1, max_size=4).map("".join)


def again(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """A group a few times: more would let the search that is compared with backtrack without end."""
    return st.tuples(inner, st.sampled_from(("?", "{2}", "{0,2}", "{1,2}?"))).map("".join)


def group(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    opening = st.sampled_from(("(?:", "(", "(?i:", "(?s:", "(?P<secret>"))
    return st.tuples(opening, st.lists(inner, min_size=1, max_size=3)).map(lambda g: f"{g[0]}{'|'.join(g[1])})")


element = st.one_of(literal, literal, repeats(single), st.sampled_from(AROUND))
nested = st.recursive(
    element, lambda inner: st.one_of(group(sequence(inner)), again(group(sequence(inner)))), max_leaves=6
)


@st.composite
def patterns(draw: st.DrawFn) -> str:
    pattern = draw(st.lists(nested, min_size=1, max_size=5).map("".join))
    assume(pattern.count("(?P<secret>") < 2)
    return draw(st.sampled_from(("", "", "", "(?i)", "(?s)"))) + pattern


def ends(expressions: tuple[str, ...], data: bytes, caseless: bool) -> set[int]:
    database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    database.compile(
        expressions=[e.encode() for e in expressions],
        ids=list(range(len(expressions))),
        elements=len(expressions),
        flags=[hyperscan.HS_FLAG_CASELESS if caseless else 0] * len(expressions),
    )
    found: set[int] = set()
    database.scan(data, lambda _id, _start, end, _flags, _context: found.add(end))
    return found


def announced(made: Plan, found: set[int], start: int, end: int) -> bool:
    """Whether one of the hits leads extraction to a match at [start, end)."""
    for hit in found:
        if made.starts:
            if hit - start in made.starts:
                return True
        elif hit - made.back <= start < hit <= end <= hit + made.forward:
            return True
    return False


@settings(deadline=None, max_examples=150)
@given(pattern=patterns(), seed=st.integers(0, 10**6), left=st.binary(max_size=6), right=st.binary(max_size=6))
def test_no_match_is_without_a_hit(pattern: str, seed: int, left: bytes, right: bytes) -> None:
    try:
        re.compile(pattern.encode("latin-1"))
        compiled = regex.compile(pattern.encode("latin-1"), regex.VERSION0)
    except (re.error, regex.error):
        assume(False)
    try:
        made = plan(pattern)
    except ValueError:
        return
    whole = pattern.replace("(?P<secret>", "(?:")
    texts = [left + right]
    for n in range(4):
        try:
            token = generate(whole, f"{seed} {n}")
        except Ungeneratable:
            continue
        if "(?i" in pattern:
            token = token.swapcase() if random.Random(seed + n).random() < 0.5 else token
        texts += [left + token + right, token + token, left + token[1:] + token + b" "]
    for text in texts:
        found = ends(made.expressions, text, made.caseless)
        for match in compiled.finditer(text, overlapped=True):
            assert announced(made, found, match.start(), match.end()), (pattern, made, text, match.span())


@settings(deadline=None, max_examples=80)
@given(pattern=patterns())
def test_a_plan_is_one_that_can_be_searched_for_and_bounded(pattern: str) -> None:
    try:
        made = plan(pattern)
    except ValueError as e:
        assert str(e)
        return
    assert made.expressions and all(made.expressions)
    assert made.back > 0
    assert made.back + made.forward <= 2 * MAX_WIDTH
    ends(made.expressions, b"text", made.caseless)


@pytest.mark.parametrize(
    "pattern",
    ["key_[a-z]+", "key_[a-z]*", "(?:key_[a-z]{5,})", "key_.{1,30000}", "(?:key_[a-z]{200}){101}", "(?:a|key_.*)"],
)
def test_unbounded_patterns_are_refused(pattern: str) -> None:
    with pytest.raises(Unbounded, match="upper bound"):
        plan(pattern)


@pytest.mark.parametrize("pattern", ["(?:key)?", "[a-z]{0,5}", "a?b?", r"\b", ""])
def test_patterns_that_may_match_nothing_are_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match="nothing at all"):
        plan(pattern)


@pytest.mark.parametrize("pattern", ["(?:ab[0-9]?|[a-z]{2}){1,3}x{0,9}", "(?i:[a-z]{4}|[0-9]{4})"])
def test_patterns_without_anything_to_search_for_are_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match=r"search for|anchor"):
        plan(pattern)


@pytest.mark.parametrize("pattern", [r"(?i:token)[0-9]{5}", r"(?i:token[0-9]{5})", r"(?:(?i:token)[0-9]{5})"])
def test_letters_whose_case_is_ignored_in_one_group_are_found_in_either(pattern: str) -> None:
    try:
        made = plan(pattern)
    except ValueError:
        return
    for text in (b"token12345", b"TOKEN12345", b"Token12345"):
        assert announced(made, ends(made.expressions, text, made.caseless), 0, 10)


def test_a_pattern_may_refer_back_to_a_group() -> None:
    made = plan(r"(?P<quote>['\"])abcd_[0-9]{5}(?P=quote)")
    for text in (b"'abcd_12345'", b'"abcd_12345"'):
        assert announced(made, ends(made.expressions, text, made.caseless), 0, len(text))


@pytest.mark.parametrize(
    ("pattern", "literals"),
    [
        (r"\bghp_[0-9A-Za-z]{36}\b", {b"ghp_"}),
        (r"(?:sk|rk)_live_[0-9a-z]{24}", {b"sk_live_", b"rk_live_"}),
        (r"[a-z]{3}-secret_v[12]_[0-9]{8}", {b"-secret_v1_", b"-secret_v2_"}),
        (r"foo_[0-9]{9}|barbar_[0-9]{9}", {b"foo_", b"barbar_"}),
    ],
)
def test_the_longest_literals_are_searched_for(pattern: str, literals: set[bytes]) -> None:
    assert set(plan(pattern).literals) == literals


def test_an_anchor_of_the_rules_own_reaches_as_far_as_the_pattern() -> None:
    pattern = r"(?i)(?:password|secret)[\w.]{0,10}=[0-9a-z]{8,20}"
    made = explicit(pattern, r"(?i)(?:password|secret)[\w.]{0,10}=")
    assert made.caseless
    for text in (b"Password=abcdef12", b"SECRET.of_acme=" + b"q1" * 10, b"x secretsecret=0123456789"):
        match = regex.search(pattern.encode(), text)
        assert announced(made, ends(made.expressions, text, True), match.start(), match.end())


@pytest.mark.parametrize("anchor", ["a{0,3}", "a{251}", "a*", ""])
def test_an_anchor_of_the_rules_own_must_be_short_and_something(anchor: str) -> None:
    with pytest.raises(ValueError, match="anchor"):
        explicit("a{0,300}b", anchor)


literal_bytes = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=4, max_size=24).map(str.encode)


def hit(anchor: Anchor, text: bytes) -> set[int]:
    return ends((anchor.expression,), text, anchor.caseless)


@settings(deadline=None, max_examples=80)
@given(literal_bytes, st.binary(max_size=7), st.binary(max_size=7))
def test_encoded_literals_are_hit_where_they_stand(literal: bytes, left: bytes, right: bytes) -> None:
    by_kind: dict[str, list[Anchor]] = {}
    for anchor in encoded_anchors(3, (literal,)):
        assert anchor.rules == (3,)
        by_kind.setdefault(anchor.kind, []).append(anchor)
    data = left + literal + right
    assert any(2 * (len(left) + len(literal)) in hit(a, data.hex().encode()) for a in by_kind["hex"])
    assert any(2 * (len(left) + len(literal)) in hit(a, data.hex().upper().encode()) for a in by_kind["hex"])
    for codec in ("utf-16-le", "utf-16-be"):
        text = data.decode("latin-1").encode(codec)
        own = 2 * (len(left) + len(literal)) - (codec == "utf-16-le")
        assert any(own in hit(a, text) for a in by_kind["utf16"])
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        places = {e - a.length: a for a in by_kind["base64"] for e in hit(a, encode(data))}
        near = [p for p in places if len(left) * 4 // 3 <= p <= len(left) * 4 // 3 + 3]
        assert any(p % 4 == places[p].phase for p in near), (encode.__name__, data)


@given(literal_bytes, st.integers(0, 2), st.binary(min_size=2, max_size=2), st.binary(min_size=3, max_size=3))
def test_what_surrounds_a_literal_does_not_change_its_base64(
    literal: bytes, phase: int, left: bytes, right: bytes
) -> None:
    first, text = base64_inside(literal, phase)
    around = base64.b64encode(left[:phase] + literal + right)
    assert around[first : first + len(text)] == text
    assert len(text) >= (len(literal) * 8 - 10) // 6


def test_short_literals_are_not_searched_for_encoded() -> None:
    assert encoded_anchors(0, (b"abc",)) == []
    assert {a.kind for a in encoded_anchors(0, (b"abcd",))} == {"base64", "hex", "utf16"}
    assert {a.kind for a in encoded_anchors(0, (b"ab:d",))} == {"base64", "hex", "utf16", "url"}


def test_words_in_utf16_ignore_case() -> None:
    anchor = utf16_anchor(0, b"password", caseless=True)
    assert hit(anchor, "PassWord".encode("utf-16-le")) == {15}


def test_the_slack_is_more_than_the_shipped_look_aheads_need() -> None:
    """Extraction cuts the text `SLACK` bytes behind the longest match."""
    from scanner.ruleset import cache
    from scanner.ruleset.load import load

    for file in load(cache.read_files((cache.shipped(),))):
        for spec in file.rules:
            tree = anchoring.parser.parse(spec.pattern.encode())
            assert _ahead(list(tree), tree.state) <= SLACK, spec.id


def _ahead(items: list, state: object) -> int:  # type: ignore[type-arg]
    """How far a look-ahead among `items`, or in what they hold, may look past the shortest match of what follows it."""
    widest = 0
    for number, (op, value) in enumerate(items):
        if op in (anchoring.sre.ASSERT, anchoring.sre.ASSERT_NOT):
            if value[0] > 0:
                following = anchoring.parser.SubPattern(state, items[number + 1 :])
                widest = max(widest, int(value[1].getwidth()[1]) - int(following.getwidth()[0]))
            continue
        for inner in value if isinstance(value, tuple | list) else (value,):
            for branch in inner if isinstance(inner, list) else (inner,):
                if isinstance(branch, anchoring.parser.SubPattern):
                    widest = max(widest, _ahead(list(branch), state))
    return widest


@pytest.mark.parametrize(
    "pattern",
    [
        "(?:[ab]{1,9}c?){1,9}d",
        "(?:a|aa){20,40}b",
        "(?:a|ab|b){30}c",
        "(?=(?:[ab]{1,30}){1,30}c)[abc]{9}",
        "[a-z]{1,99}[a-m]{1,99}[a-f]{1,99}!",
    ],
)
def test_patterns_that_may_backtrack_for_long_are_known(pattern: str) -> None:
    """They run with a time limit, and the others without, as asking for the time costs."""
    assert anchoring.may_be_slow(pattern)


@pytest.mark.parametrize(
    "pattern", [r"\bghp_[0-9A-Za-z]{36}\b", "(?:sk|rk)_live_[0-9a-z]{24,99}", "(?:a|b)?[0-9]{1,99}"]
)
def test_patterns_that_cannot_are_known_too(pattern: str) -> None:
    assert not anchoring.may_be_slow(pattern)
