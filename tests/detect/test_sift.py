"""What is sifted out leads to nothing, and both twins sift alike."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scanner.detect import sift
from scanner.detect.engine import Engine
from scanner.detect.generic import lead
from scanner.detect.generic.words import table
from scanner.detect.sift import Need, PlainSift, plain_run
from scanner.ruleset.ruleset import Ruleset
from tests.detect import plain

LOOKED = [[Need(bytes(256), 1, 0, (), bytes(256), look)] for look in lead.BY_LOOK]
PIECES = (
    b"= : \" ' ` ( ) { } [ ] . , ; < > - $ | @ \\ \n \t \xff & # %"
    b" password key token string new _id word hmxkrm Xk9 123456 aB3xK9q 4711 []byte{ $( ConvertTo-SecureString -String &quot;"
    b' value Content => -> <- </ "> <![CDATA[ 0x1f, 12, :// curl -u --user /p: [{ user'
).split(b" ") + [b" "]
relaxed = settings(deadline=None, max_examples=200)
HEX = bytes(chr(c) in "0123456789abcdef" for c in range(256))
TEXT = st.lists(st.sampled_from([b"0", b"a", b"f", b"g", b"\n", b"\xff", b"0123456789abcdef"]), max_size=60).map(
    b"".join
)
NEEDS: list[Any] = [
    *(None, [Need(HEX, 4, 6)], (), [Need(HEX, 1, 0)], [Need(HEX, 16, 20)], [Need(bytes(256), 1, 9)]),
    *([Need(HEX, 4, 0, (4,), HEX)], [Need(HEX, 3, 0, (9, 1, 0))], [Need(HEX, 16, 0, (2, 3), bytes([1]) * 256)]),
    [Need(HEX, 16, 20), Need(HEX, 3, 0, (9, 1, 0))],
]


@pytest.fixture(scope="module")
def engine(ruleset: Ruleset) -> Engine:
    return Engine(ruleset)


@relaxed
@given(data=plain.texts())
def test_what_is_sifted_out_leads_to_nothing(engine: Engine, data: bytes) -> None:
    hits = engine.hits(data)
    assert engine.pairs(data, engine.sift(data, hits)) == engine.pairs(data, hits)


@relaxed
@given(data=TEXT, places=st.lists(st.tuples(st.integers(0, 70), st.integers(0, len(NEEDS) - 1))))
def test_the_twins_sift_alike(data: bytes, places: list[tuple[int, int]]) -> None:
    places = [(min(end, len(data)), number) for end, number in places]
    kept = PlainSift(NEEDS, table())(data, places)
    assert sift.Sift(NEEDS, table())(data, places) == kept
    for end, number in places:
        there = NEEDS[number] is None or any(_has(data, end, need) for need in NEEDS[number])
        assert ((end, number) in kept) == there


def _has(data: bytes, end: int, need: Need) -> bool:
    if need.starts:
        starts = [end - start for start in need.starts if end >= start]
        return any(
            at + need.shortest <= len(data)
            and all(need.letters[c] for c in data[at : at + need.shortest])
            and not (at and need.barred[data[at - 1]])
            for at in starts
        )
    last = min(end + need.near, len(data) - need.shortest)
    return any(all(need.letters[c] for c in data[at : at + need.shortest]) for at in range(end, last + 1))


@relaxed
@given(data=TEXT, low=st.integers(0, 70), high=st.integers(-3, 90), shortest=st.integers(1, 20))
def test_the_twins_find_the_same_run(data: bytes, low: int, high: int, shortest: int) -> None:
    starts = [
        at for at in range(low, min(high, len(data)) - shortest + 1) if all(HEX[c] for c in data[at : at + shortest])
    ]
    expected = starts[0] if starts else -1
    assert sift.run(data, low, high, HEX, shortest) == plain_run(data, low, high, HEX, shortest) == expected


@pytest.mark.parametrize("hits", [[(3, len(NEEDS))], [(3, -1)]])
def test_an_anchor_that_is_none_is_refused(hits: list[tuple[int, int]]) -> None:
    with pytest.raises(IndexError):
        sift.Sift(NEEDS, table())(b"text", hits)


@settings(deadline=None, max_examples=1000)
@given(data=st.lists(st.sampled_from(PIECES), max_size=14).map(b"".join))
def test_the_twins_take_the_same_first_look(data: bytes) -> None:
    hits = [(end, number) for end in range(1, len(data) + 1) for number in range(len(LOOKED))]
    assert sift.Sift(LOOKED, table())(data, hits) == PlainSift(LOOKED, table())(data, hits)
