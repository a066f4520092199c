"""A stream gives out each line at once, and the same bytes however they come in."""

from __future__ import annotations

import random
import tracemalloc
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from scanner.redaction import Redactor
from scanner.redaction.stream import REACH, WINDOW, Stream
from tests.cli.parts import Token
from tests.conftest import github_token
from tests.redaction.parts import private_key

PLAIN = b"2024-05-06 07:08:09 INFO GET /items?page=3 200 12ms\n"


def text_with_all() -> bytes:
    key = private_key("stream").encode()
    lines = [PLAIN, b"token=" + github_token("one") + b"\r\n", key, PLAIN, b"\xff\x00\n", github_token("two") + b"\n"]
    return b"".join(lines) + PLAIN + b"no newline at the end"


def run(redactor: Redactor, pieces: list[bytes]) -> tuple[bytes, int]:
    """What comes out when the input pauses after each piece."""
    stream = Stream(redactor)
    out = b""
    for piece in pieces:
        stream.feed(piece)
        out += stream.lines()
    return out + stream.end(), stream.masked


@given(st.lists(st.integers(0, len(text_with_all())), max_size=12))
def test_it_does_not_matter_how_the_bytes_come_in(redactor: Redactor, cuts: list[int]) -> None:
    whole = text_with_all()
    edges = [0, *sorted(cuts), len(whole)]
    pieces = [whole[a:b] for a, b in pairwise(edges)]
    assert run(redactor, pieces) == (redactor.data(whole), 3)


def test_a_whole_line_comes_out_and_half_of_one_waits(redactor: Redactor) -> None:
    stream = Stream(redactor)
    stream.feed(b"one\ntw")
    assert stream.lines() == b"one\n"
    stream.feed(b"o\n")
    assert stream.lines() == b"two\n"
    assert stream.lines() == stream.end() == b""


def test_the_lines_of_a_key_wait_for_the_rest_of_it(redactor: Redactor) -> None:
    lines = private_key("wait").encode().splitlines(keepends=True)
    stream = Stream(redactor)
    out = b""
    for line in [PLAIN, *lines]:
        stream.feed(line)
        out += stream.lines()
        assert stream.waits == (out == PLAIN and line != PLAIN)
    assert out == PLAIN + b"[private-key]\n" * len(lines)
    assert stream.masked == 1


def test_a_pause_within_a_key_shows_none_of_it(redactor: Redactor) -> None:
    first, *body = private_key("pause").encode().splitlines(keepends=True)
    stream = Stream(redactor)
    stream.feed(first + body[0])
    assert stream.lines() == b""
    assert stream.pressed() == first + b"[private-key]\n"  # too short to be sure, and not to be shown
    out = b""
    for line in body[1:]:
        stream.feed(line)
        out += stream.lines() + stream.pressed()
    assert out == b"[private-key]\n" * (len(body) - 1)


def test_what_only_speaks_of_a_key_waits_no_longer_than_it_must(redactor: Redactor) -> None:
    stream = Stream(redactor)
    mention = b"expected -----BEGIN " + b"RSA PRIVATE KEY-----\n"
    stream.feed(mention)
    assert stream.pressed() == mention
    stream.feed(PLAIN)
    assert stream.lines() == PLAIN
    stream.feed(mention + PLAIN)
    assert stream.lines() == mention + PLAIN


def test_a_line_without_end_is_held_within_bounds(redactor: Redactor, token: Token) -> None:
    noise = random.Random(1)
    stream = Stream(redactor)
    out, fed, peak = [], [], 0
    tracemalloc.start()
    for number in range(200):
        piece = bytes(noise.choices(b"abcdefgh ,;", k=48 << 10))
        if number % 20 == 10:
            piece += b" " + token(str(number)) + b" "
        fed.append(piece)
        stream.feed(piece)
        out.append(stream.lines())
        assert sum(map(len, fed)) - sum(map(len, out)) < WINDOW + 2 * REACH + (64 << 10)
    peak = tracemalloc.get_traced_memory()[1] - 2 * sum(map(len, fed))
    tracemalloc.stop()
    out.append(stream.end())
    assert b"".join(out) == redactor.data(b"".join(fed))
    assert stream.masked == 10
    assert peak < 8 * WINDOW
