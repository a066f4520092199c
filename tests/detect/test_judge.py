"""What looks like a secret and is none is dropped for the reason a person would give."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.detect.judge import FORMAT, judge, monotonous
from scanner.ruleset.ruleset import RANKS, Rule
from tests.conftest import github_token

RULE = Rule(
    id="acme-key",
    provider="Acme",
    name="Acme key",
    severity="high",
    confidence="high",
    pattern="[0-9A-Za-z]{16,40}",
    rank=RANKS["token"],
    back=0,
    forward=40,
)
GOOD = b"q7Zk2Wv9" + b"RtX4mB1cLp8s"


def verdict(rule: Rule, value: bytes, left: bytes = b'key = "', right: bytes = b'"') -> str:
    return judge(rule, left + value + right, 0, (len(left), len(left) + len(value)), value)


@pytest.mark.parametrize("rank", RANKS.values())
def test_a_random_value_is_kept(rank: int) -> None:
    assert verdict(replace(RULE, rank=rank), GOOD) == ""


def test_an_example_from_the_documentation_is_dropped_and_a_longer_value_is_not() -> None:
    rule = replace(RULE, known=(GOOD.decode(),))
    assert verdict(rule, GOOD) == "a published example"
    assert verdict(rule, GOOD + b"9") == ""


def test_a_checksum_decides_alone() -> None:
    rule = replace(RULE, checksum="github", min_entropy=8.0)
    token = github_token("judge")
    assert verdict(rule, token) == ""
    assert verdict(rule, token[:-1] + b"-") == "checksum github does not match"


def test_entropy_is_asked_for_at_the_rules_own_limit() -> None:
    assert verdict(replace(RULE, min_entropy=1.0), b"abababababxbabab") == ""
    assert "below 3.0" in verdict(replace(RULE, min_entropy=3.0), b"abababababxbabab")
    assert verdict(replace(RULE, min_entropy=2.0), b"acbdbadccabdbcad") == ""


@pytest.mark.parametrize(
    "inside",
    [b"EXAMPLE", b"sample", b"changeme", b"change_me", b"your-api", b"YOUR_TOKEN", b"redacted", b"xxxxxx", b"******"]
    + [b"<my token>", b"0123456789", b"placeholder", b"000000000000", b"notareal", b"fake_key", b"......"],
)
@pytest.mark.parametrize("rank", RANKS.values())
def test_placeholders_are_dropped_by_every_rule(inside: bytes, rank: int) -> None:
    assert verdict(replace(RULE, rank=rank), b"Qz7" + inside + b"k2W") == "a placeholder"


def test_words_inside_a_private_key_are_chance() -> None:
    assert verdict(replace(RULE, multiline=True), b"MIIEexampleQz7") == ""


@pytest.mark.parametrize(
    "value", [b"a" * 20, b"abcdefghijklmnop"[5:] * 2, b"98765432109876543210", b"a1" * 10, b"a1b2" * 5]
)
def test_repeating_and_counting_values_are_dropped(value: bytes) -> None:
    assert verdict(RULE, value) == "repeats or counts"


@given(st.binary(min_size=1, max_size=4), st.integers(12, 40))
def test_one_short_piece_repeated_is_monotonous_wherever_it_is_cut(piece: bytes, length: int) -> None:
    assert monotonous((piece * length)[:length])


@given(st.integers(0, 200), st.integers(12, 40), st.sampled_from([-1, 0, 1]))
def test_runs_in_either_direction_are_monotonous(start: int, length: int, step: int) -> None:
    assert monotonous(bytes(start % 100 + 60 + step * n for n in range(length)))


def test_random_values_are_not_monotonous() -> None:
    assert not [n for n in range(300) if monotonous(github_token(f"dull {n}"))]


@pytest.mark.parametrize(
    "value",
    [b"${DB_PASSWORD}", b"{{ password }}", b"$(cat secret)", b"process.env.SECRET_A1", b"password", b"Postgres"],
)
def test_a_format_that_others_fill_in_is_no_secret(value: bytes) -> None:
    assert verdict(replace(RULE, rank=FORMAT), value) == "a reference or a default"


def test_a_value_without_a_format_is_judged_by_its_place() -> None:
    rule = replace(RULE, scored=True)
    assert verdict(rule, b"correct-horse-battery").startswith("score ")
    assert verdict(RULE, b"correct-horse-battery") == ""
