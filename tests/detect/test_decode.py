"""Secrets are found in every encoding that is claimed, their places map back, and no encoded text costs too much."""

from __future__ import annotations

import base64
from itertools import pairwise, product
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scanner.detect import decode
from scanner.detect.engine import DEPTH, Engine
from scanner.model import Match, Span
from scanner.ruleset.ruleset import Ruleset
from tests.conftest import github_token

from . import plain
from .plain import chunk

TOKEN = github_token("decode")
alignment = pytest.mark.parametrize("lead", [b"", b"k", b"k=", b"key"])
NEIGHBOURS = [(b"", b""), (b'"', b'"'), (b"data: ", b"\n"), (b"x=", b"&y=1"), (b"(", b")"), (b"\n", b"\r\n")]
neighbours = pytest.mark.parametrize(("left", "right"), NEIGHBOURS)


@pytest.fixture(scope="module")
def engine(ruleset: Ruleset) -> Engine:
    return Engine(ruleset)


def only(engine: Engine, data: bytes, encoding: tuple[str, ...], secret: bytes = TOKEN) -> Span:
    """The span of the one secret in `data`, which must be this one, encoded like this."""
    (match,) = engine.scan(chunk(data))
    assert (match.secret.reveal(), match.encoding) == (secret, encoding)
    return match.span


@alignment
@neighbours
@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
@pytest.mark.parametrize("padded", [True, False])
def test_base64(engine: Engine, lead: bytes, left: bytes, right: bytes, encode: Any, padded: bool) -> None:
    # the bytes around the token use the characters in which the two alphabets differ
    text = encode(lead + b"\xfb\xff?" + TOKEN + b"?\xff\xfb" + lead)
    data = left + (text if padded else text.rstrip(b"=")) + right
    start, end = only(engine, data, ("base64",))
    offset = (start - len(left)) % 4
    decoded = base64.b64decode(
        b"A" * offset + data[start:end] + b"=" * (-(offset + end - start) % 4),
        b"-_" if encode is base64.urlsafe_b64encode else None,
    )
    assert TOKEN[1:] in decoded
    assert len(decoded) <= len(TOKEN) + 4


@pytest.mark.parametrize("lead", [57, 58, 100, 1000])
@pytest.mark.parametrize("trail", [0, 1, 2, 500])
@pytest.mark.parametrize("newline", [b"\n", b"\r\n", b"\n    ", b"\r\n\t"])
@pytest.mark.parametrize("width", [64, 76])
def test_wrapped_base64(engine: Engine, lead: int, trail: int, newline: bytes, width: int) -> None:
    data = b"data: |" + newline + plain.wrapped(b"\n" * lead + TOKEN + b"\n" * trail, width, newline) + b"\nend: 1\n"
    start, end = only(engine, data, ("base64",))
    text = base64.b64encode(b"\n" * lead + TOKEN + b"\n" * trail)
    inside = b"".join(data[start:end].split())
    first = text.index(inside)
    decoded = base64.b64decode(text[: (first + len(inside)) // 4 * 4])[first // 4 * 3 :]
    assert TOKEN[:-2] in decoded
    assert len(inside) <= (len(TOKEN) + 3) * 4 // 3


@pytest.mark.parametrize("separator", [b"-", b"_", b"/", b"+", b"--", b"---", b":", b" ", b"."])
def test_neighbours_in_base64_of_their_own_are_all_found(engine: Engine, separator: bytes) -> None:
    """The separator may be of the alphabet itself, so that the second one stands at another alignment."""
    secrets = [github_token(f"neighbour {n}") for n in range(5)]
    data = separator.join(base64.b64encode(s).rstrip(b"=") for s in secrets)
    assert [m.secret.reveal() for m in engine.scan(chunk(data))] == secrets


@pytest.mark.parametrize("upper", [True, False])
@neighbours
@pytest.mark.parametrize("odd", [b"", b"a"])
def test_hex(engine: Engine, upper: bool, left: bytes, right: bytes, odd: bytes) -> None:
    text = (b"\x01" + TOKEN + b"\x02").hex()
    data = left + odd + (text.upper() if upper else text).encode() + right
    start, end = only(engine, data, ("hex",))
    assert bytes.fromhex(data[start:end].decode()) == TOKEN


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("mark", [True, False])
@pytest.mark.parametrize("before", [b"", b"\x7f", b"ab", b"\x01\x02\x03"])
def test_utf16(engine: Engine, codec: str, mark: bool, before: bytes) -> None:
    text = ("\ufeff" if mark else "") + f"café\r\ntoken = '{TOKEN.decode()}'\r\n# 日本\r\n"
    data = before + text.encode(codec)
    start, end = only(engine, data, ("utf16",))
    assert data[start:end].replace(b"\0", b"") == TOKEN
    own = TOKEN.decode().encode(codec)
    assert data[start - 1 : end + 1].count(own) == 1


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be"])
def test_utf16_is_read_for_rules_without_a_format_too(engine: Engine, codec: str) -> None:
    value = "q7Zk2Wv9" + "RtX4mB1c"
    (match,) = engine.scan(chunk(f'DB_PASSWORD = "{value}"\r\n'.encode(codec)))
    assert (match.rule, match.secret.reveal(), match.encoding) == ("generic-secret", value.encode(), ("utf16",))


@pytest.mark.parametrize("case", [str.lower, str.upper])
@neighbours
def test_url_escapes(engine: Engine, case: Any, left: bytes, right: bytes) -> None:
    hook = "https://discord.com/api/webhooks/" + "8203947561029384" + "756/" + ("aZ4_kP9-" + "wQ7rT2mX") * 4 + "b3Nd5"
    escaped = "".join(case(c) if c.startswith("%") else c for c in _split(quote(hook, safe="")))
    data = left + escaped.encode() + right
    matches = engine.scan(chunk(data))
    assert [(m.rule, m.encoding) for m in matches] == [("discord-webhook", ("url",))]
    start, end = matches[0].span
    assert data[start:end].decode().replace("%2F", "/").replace("%2f", "/") == matches[0].secret.reveal().decode()
    assert hook.endswith(matches[0].secret.reveal().decode())


def _split(text: str) -> list[str]:
    out: list[str] = []
    while text:
        step = 3 if text[0] == "%" else 1
        out.append(text[:step])
        text = text[step:]
    return out


LAYERS = {
    "base64": base64.b64encode,
    "hex": lambda data: data.hex().encode(),
    "utf16": lambda data: data.decode("latin-1").encode("utf-16-le"),
}


@pytest.mark.parametrize("layers", [x for x in product(LAYERS, repeat=3) if ("utf16", "utf16") not in pairwise(x)])
def test_encodings_within_encodings(engine: Engine, layers: tuple[str, ...]) -> None:
    """A configuration with a secret, and with an encoded one that holds another: as Kubernetes keeps registry logins."""
    secrets = [github_token(f"layer {n}") for n in range(DEPTH)]
    data = b""
    for name, secret in zip(layers[::-1], secrets[::-1], strict=True):
        data = LAYERS[name](b"first=" + secret + b" then=" + data + b" ")
    found = {m.secret.reveal(): m for m in engine.scan(chunk(b"top: " + data + b"\n"))}
    assert {s: found[s].encoding if s in found else None for s in secrets} == {
        secret: layers[: depth + 1] for depth, secret in enumerate(secrets)
    }
    assert all(5 <= m.span[0] < m.span[1] <= 5 + len(data) for m in found.values())


def test_a_secret_deeper_than_the_limit_stays_closed(engine: Engine) -> None:
    data = b""
    for n in range(DEPTH + 2):
        data = base64.b64encode(b"first=" + github_token(f"deep {n}") + b" then=" + data)
    assert len(engine.scan(chunk(data))) == DEPTH


@settings(deadline=None, max_examples=150)
@given(data=plain.texts())
def test_spans_map_back_to_the_encoded_text(engine: Engine, data: bytes) -> None:
    for match in engine.scan(chunk(data)):
        start, end = match.span
        assert 0 <= start < end <= len(data)
        if not match.encoding:
            assert data[start:end] == match.secret.reveal()
        elif match.encoding == ("hex",):
            assert bytes.fromhex(data[start:end].decode()) == match.secret.reveal()
        elif match.encoding == ("utf16",):
            assert data[start:end:2] == match.secret.reveal()
        elif match.encoding == ("base64",):
            assert _opens(b"".join(data[start:end].split()), match)


def _opens(text: bytes, match: Match) -> bool:
    """Whether base64 cut out of its run decodes, at one of the alignments, to all but the ends of the secret."""
    text = text.translate(bytes.maketrans(b"-_", b"+/"))
    decoded = (base64.b64decode((b"A" * n + text)[: (n + len(text)) // 4 * 4]) for n in range(4))
    return any(match.secret.reveal()[1:-2] in opened for opened in decoded)


@settings(deadline=None, max_examples=150)
@given(
    kind=st.sampled_from(["base64", "hex", "url", "utf16"]),
    pieces=st.lists(
        st.one_of(
            st.binary(max_size=30),
            st.sampled_from([b"%2", b"%41", b"\n", b"\r\n  ", b"=", b"==", b"A" * 77, b"a\0", b"\0b", b"Zm9v" * 19]),
        ),
        min_size=1,
        max_size=12,
    ),
    at=st.floats(0, 1),
    phase=st.integers(0, 3),
    length=st.integers(1, 9),
)
def test_a_run_around_any_place_stays_inside_and_maps_back(
    kind: str, pieces: list[bytes], at: float, phase: int, length: int
) -> None:
    """The hit itself is always of the kind's own characters; what stands around it may be anything."""
    own = {"base64": b"Z2hwX2docF", "hex": b"6768705f67", "url": b"gh%70_ghp%5f", "utf16": b"g\0h\0p\0_\0g\0h\0"}[kind]
    length = len(own[:length]) if kind not in ("utf16", "hex") else length // 2 * 2 + (kind == "utf16")
    length = max(length, 2 if kind == "hex" else 1)
    place = round(at * len(pieces))
    before = b"".join(pieces[:place])
    data = before + own[:length] + b"".join(pieces[place:])
    end = len(before) + length
    run = decode.run(kind, data, end, phase if kind == "base64" else 0, length)
    if run is None:
        assert kind == "url"
        return
    assert 0 <= run.start <= run.stop <= len(data)
    last = 0
    for n in range(len(run.data)):
        start, stop = run.outer((n, n + 1))
        assert run.start <= start < stop <= run.stop
        assert start >= last - 1
        last = stop


class Counted(Engine):
    """Counts the bytes that anchors are searched in and the hits that are followed, decoded text included."""

    searched = 0
    followed = 0

    def hits(self, data, fresh=None):  # type: ignore[no-untyped-def]
        out = super().hits(data, fresh)
        self.searched += len(data)
        self.followed += len(out)
        return out


MEGABYTE = 1 << 20
HOSTILE = {
    "one letter": b"A",
    "half an escape": b"%2",
    "escapes": b"%41",
    "escaped anchors": b"https%3a%2f%2fdiscord.com%2fapi%2fwebhooks%2f",
    "anchors": b"ghp_",
    "anchors in base64": base64.b64encode(b"ghp_ghp_ghp_"),
    "anchors in base64, an odd step": base64.b64encode(b"ghp_ghp_g"),
    "anchors in base64 twice": base64.b64encode(base64.b64encode(b"ghp_ghp_ghp_ghp_ghp_ghp_")),
    "anchors in hex": b"ghp_".hex().encode(),
    "anchors in UTF-16": "ghp_".encode("utf-16-le"),
    "words in UTF-16": "password = ".encode("utf-16-le"),
    "wrapped anchors": plain.wrapped(b"ghp_" * 57) + b"\n",
    "zeros": b"\0",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_the_work_grows_with_the_text_and_not_faster(ruleset: Ruleset, name: str) -> None:
    """Whatever is repeated: no byte is decoded and searched more than a few times at each of the levels."""
    piece = HOSTILE[name]
    work = []
    for size in (MEGABYTE // 16, MEGABYTE // 8):
        engine = Counted(ruleset)
        data = piece * (size // len(piece))
        engine.pairs(data, engine.hits(data)[:400])
        assert engine.searched < 40 * size, "a byte is searched too often"
        work.append(engine.searched)
    assert work[1] < 3 * work[0] + size


@pytest.mark.parametrize("name", ["one letter", "half an escape", "escapes", "zeros", "anchors", "anchors in base64"])
def test_a_megabyte_of_one_thing_is_read(ruleset: Ruleset, name: str) -> None:
    engine = Counted(ruleset)
    data = HOSTILE[name] * (MEGABYTE // len(HOSTILE[name]))
    hits = engine.hits(data)
    step = max(1, len(hits) // 200)
    engine.read(data, hits[::step])
    assert engine.searched <= 12 * len(data)
    assert engine.gave_up == []
