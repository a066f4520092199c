"""A value in a secret's place, told from references, code, paths, hashes and words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.detect.place import BEFORE, not_a_literal

SECRET = b"q7Zk2Wv9" + b"RtX4mB1cLp8s"
DIGEST = b"3f9c1d7e5ab28046e1d39f7ac50b84d26e1fa973"


def reason(left: bytes, value: bytes, right: bytes) -> str:
    return not_a_literal(left[-BEFORE:], value, right[:1])


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (b'password = "', b'"'),
        (b"password='", b"'"),
        (b"PASSWORD=", b"\n"),
        (b"password: ", b"\r\n"),
        (b'"password": "', b'",'),
        (b"password=", b""),
        (b"", b""),
        (b"<password>", b"</password>"),
        (b"--password ", b" --host"),
        (b"password := `", b"`"),
    ],
)
@pytest.mark.parametrize("value", [SECRET, b"Tr0ub4dor&3xK!", b"9f8e7d6c5b4a39281706", b"p@ss:w0rd#Q8z"])
def test_a_literal_is_kept_in_every_setting(left: bytes, right: bytes, value: bytes) -> None:
    assert reason(left, value, right) == ""


@pytest.mark.parametrize(
    ("left", "value", "right", "why"),
    [
        (b"token: ", b"${{ secrets.TOKEN1 }}", b"\n", "reference"),
        (b'token = "', b"${TOKEN_1}", b'"', "reference"),
        (b'token = "${', b"TOKEN_1x", b'}"', "reference"),
        (b"token = ", b"%TOKEN_1%", b"\n", "reference"),
        (b"token = ", b"{{ vault_token1 }}", b"\n", "reference"),
        (b"token = ", b'os.environ["T1"]', b"\n", "reference"),
        (b"token = ", b"process.env.T1", b"\n", "reference"),
        (b'token = "', b"arn:aws:ssm:eu-1:123:x", b'"', "reference"),
        (b'token = "', b"op://vault/item/field1", b'"', "reference"),
        (b"token = ", b"get_token1(user)", b"\n", "code"),
        (b"token = ", b"tokens1", b"[0]", "code"),
        (b"token = ", b"getToken1", b"()", "code"),
        (b"token = ", b"req->token1", b";", "code"),
        (b"token = ", b"Foo::Token1", b";", "code"),
        (b'token_file = "', b"/run/secrets/token1", b'"', "path"),
        (b'token_file = "', b"./certs/server1.pem", b'"', "path"),
        (b'token_url = "', b"https://acme.dev/oauth2/token", b'"', "path"),
        (b'token_file = "', b"token1.json", b'"', "path"),
        (b'token = "', b"123e4567-e89b-12d3-a456-426614174000", b'"', "UUID"),
        (b'token_sha1 = "', DIGEST, b'"', "hash"),
        (b'checksum: "', DIGEST, b'"', "hash"),
        (b"token = ", b"self_token", b"\n", "identifier"),
        (b"token = ", b"user.token", b"\n", "identifier"),
        (b'secret = "', b"correct horse battery", b'"', "words"),
        (b'secret = "', b"keep-this-to-yourself", b'"', "words"),
        (b'secret = "', b"myVeryOwnSecret", b'"', "words"),
        (b'secret = "', b"Qz#kWvRtXmBcLps", b'"', "no digit"),
        (b'public_key = "', SECRET, b'"', "public key"),
        (b'secret = "', b"\xff\xfe1234abcd", b'"', "binary"),
    ],
)
def test_what_is_none_is_named(left: bytes, value: bytes, right: bytes, why: str) -> None:
    assert why in reason(left, value, right)


def test_a_digest_in_a_secrets_own_place_is_kept() -> None:
    assert reason(b'api_key = "', DIGEST, b'"') == ""


def test_a_bracket_after_a_quoted_value_is_no_call() -> None:
    assert reason(b'f("', SECRET, b'")(x)') == ""
    assert "code" in reason(b"f = ", SECRET, b"(x)")


@given(st.binary(max_size=60), st.binary(min_size=1, max_size=60), st.binary(max_size=20))
def test_any_bytes_are_judged_by_what_stands_near(left: bytes, value: bytes, right: bytes) -> None:
    assert reason(b"\n" * 50 + left, value, right) == reason(b"x = 1; " * 9 + b"\n" * 50 + left, value, right)


LONG = {
    b"a": "no digit in it",
    b"a.": "no digit in it",
    b"a-": "no digit in it",
    b"aB": "no digit in it",
    b"a/": "no digit in it",
    b"../": "no digit in it",
    b" ": "no digit in it",
    b"1": "",
    b"a_1": "",
}


@pytest.mark.parametrize("piece", LONG)
def test_long_values_that_end_unlike_they_begin_are_judged(piece: bytes) -> None:
    """No expression backtracks without end: these are answered at once, or not within a lifetime."""
    assert reason(b"secret = ", piece * (4_000 // len(piece)) + b"\x01", b"\n") == LONG[piece]
