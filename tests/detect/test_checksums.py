"""Checksums accept what the issuer's algorithm yields and nothing one character away from it."""

from __future__ import annotations

import string
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.detect.checksums import BASE62, CHECKSUMS, base36, base62

LETTERS = string.ascii_letters + string.digits
body = st.text(LETTERS, min_size=36, max_size=36).map(str.encode)
payload = st.text(LETTERS + "_-", min_size=27, max_size=300).map(str.encode)


def number(digits: bytes, alphabet: bytes) -> int:
    value = 0
    for digit in digits:
        value = value * len(alphabet) + alphabet.index(digit)
    return value


@given(st.integers(0, 2**32 - 1))
def test_numbers_keep_their_value_and_width(crc: int) -> None:
    assert number(base62(crc, 6), BASE62) == crc
    assert len(base62(crc, 6)) == 6
    assert int(base36(crc, 7), 36) == crc
    assert len(base36(crc, 7)) == 7


def test_digits_come_in_the_issuers_order() -> None:
    assert base62(0, 6) == b"000000"
    assert base62(61, 2) == b"0z"
    assert base62(62 + 10, 2) == b"1A"
    assert base36(36 + 10, 2) == b"1a"


@pytest.mark.parametrize(("name", "prefix"), [("github", b"ghp_"), ("github", b"gho_"), ("npm", b"npm_")])
@given(body)
def test_the_last_six_characters_are_the_crc_of_the_thirty_before(name: str, prefix: bytes, body: bytes) -> None:
    token = CHECKSUMS[name].seal(prefix + body)
    assert len(token) == 40
    assert token[:-6] == prefix + body[:30]
    assert number(token[-6:], BASE62) == zlib.crc32(body[:30])
    assert CHECKSUMS[name].check(token)


@pytest.mark.parametrize("name", ["github", "npm"])
@given(body, st.integers(4, 39), st.sampled_from(LETTERS))
def test_one_changed_character_is_noticed(name: str, body: bytes, at: int, other: str) -> None:
    token = CHECKSUMS[name].seal(b"ghp_" + body)
    changed = token[:at] + other.encode() + token[at + 1 :]
    assert CHECKSUMS[name].check(changed) == (changed == token)


def test_the_example_in_githubs_documentation_is_no_token() -> None:
    assert not CHECKSUMS["github"].check(b"ghu_" + b"16C7e42F292c6912E7" + b"710c838347Ae178B4a")


@given(payload, st.sampled_from([b"glpat-", b"glrt-", b"gldt-"]))
def test_routable_gitlab_tokens_carry_length_and_crc(payload: bytes, prefix: bytes) -> None:
    drawn = prefix + payload + b".01." + b"0" * 9
    token = CHECKSUMS["gitlab-routable"].seal(drawn)
    assert len(token) == len(drawn)
    head, version, tail = token.split(b".")
    assert (head, version) == (prefix + payload, b"01")
    assert int(tail[:2], 36) == len(payload)
    assert int(tail[2:], 36) == zlib.crc32(token[:-7])
    assert CHECKSUMS["gitlab-routable"].check(token)


@given(payload, st.data())
def test_a_changed_routable_gitlab_token_is_noticed(payload: bytes, data: st.DataObject) -> None:
    token = CHECKSUMS["gitlab-routable"].seal(b"glpat-" + payload + b".01." + b"0" * 9)
    at = data.draw(st.integers(len(b"glpat-"), len(b"glpat-") + len(payload) - 1))
    other = data.draw(st.sampled_from(LETTERS)).encode()
    changed = token[:at] + other + token[at + 1 :]
    assert CHECKSUMS["gitlab-routable"].check(changed) == (changed == token)


@given(st.text(LETTERS + "_-", min_size=20, max_size=20).map(str.encode))
def test_older_gitlab_tokens_do_not_pass_for_routable_ones(random: bytes) -> None:
    assert not CHECKSUMS["gitlab-routable"].check(b"glpat-" + random)
    assert CHECKSUMS["gitlab-routable"].seal(b"glpat-" + random) == b"glpat-" + random


letters32 = st.text(LETTERS, min_size=32, max_size=32).map(str.encode)
letters37 = st.text(LETTERS, min_size=37, max_size=37).map(str.encode)


@given(letters32, st.integers(0, 36), st.sampled_from(LETTERS))
def test_grafanas_last_eight_are_the_crc_of_all_before_them_lowest_byte_first(
    random: bytes, at: int, other: str
) -> None:
    body = b"glsa_" + random
    token = CHECKSUMS["grafana"].seal(body + b"_00000000")
    assert int.from_bytes(bytes.fromhex(token[-8:].decode()), "little") == zlib.crc32(body)
    assert CHECKSUMS["grafana"].check(token)
    changed = token[:at] + other.encode() + token[at + 1 :]
    assert CHECKSUMS["grafana"].check(changed) == (changed == token)


@given(letters37, st.integers(0, 36), st.sampled_from(LETTERS))
def test_polars_last_six_are_the_crc_of_the_random_ones_before_them(random: bytes, at: int, other: str) -> None:
    token = CHECKSUMS["polar"].seal(b"polar_oat_" + random + b"000000")
    assert token[:-6] == b"polar_oat_" + random and CHECKSUMS["polar"].check(token)
    assert token[-6:] == base62(zlib.crc32(random), 6)
    changed = token[: 10 + at] + other.encode() + token[11 + at :]
    assert CHECKSUMS["polar"].check(changed) == (changed == token)
