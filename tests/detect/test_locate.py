"""Lines and columns are what an editor shows, whatever the encoding and wherever the chunk begins."""

from __future__ import annotations

import codecs

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scanner.detect.engine import Engine
from scanner.detect.locate import LINE, locate
from scanner.model import Chunk, Location, Match, Origin, Secret, Span
from scanner.ruleset.ruleset import Ruleset
from tests.conftest import github_token

ORIGIN = Origin("files", "a/b.txt", "blob", "commit")


def nothing(_line: bytes, _before: bytes, _rule: str) -> None:
    return None


def at(data: bytes, span: Span, encoding: tuple[str, ...] = (), **more: int) -> Location:
    match = Match("rule", span, Secret(data[slice(*span)]), encoding)
    (sighting,) = locate(Chunk(data, ORIGIN, **more), [match], nothing)
    return sighting.location


def place(location: Location) -> tuple[int, int, int, int]:
    return location.start_line, location.start_column, location.end_line, location.end_column


def find(data: bytes, part: bytes) -> Span:
    start = data.index(part)
    return start, start + len(part)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"KEY", (1, 1, 1, 4)),
        (b"a KEY b", (1, 3, 1, 6)),
        (b"\nKEY", (2, 1, 2, 4)),
        (b"one\r\ntwo KEY\r\n", (2, 5, 2, 8)),
        (b"\r\n\r\n\r\nKEY", (4, 1, 4, 4)),
        ("é = KEY".encode(), (1, 5, 1, 8)),
        ("# 日本語\nключ KEY".encode(), (2, 6, 2, 9)),
        (b"\xff\xfe\xfd\nbytes \x80 KEY", (2, 9, 2, 12)),
        (b"\tKEY", (1, 2, 1, 5)),
    ],
)
def test_lines_and_columns(data: bytes, expected: tuple[int, int, int, int]) -> None:
    assert place(at(data, find(data, b"KEY"))) == expected


def test_a_secret_over_several_lines_ends_behind_its_last_character() -> None:
    data = b"x\nkey: BEGIN\nmiddle\nEND\n"
    assert place(at(data, (data.index(b"BEGIN"), data.index(b"END") + 3))) == (2, 6, 4, 4)


def test_a_window_says_where_it_begins() -> None:
    data = b"rest KEY\nnext KEY"
    first, second = (data.index(b"KEY"), data.rindex(b"KEY"))
    assert place(at(data, (first, first + 3), first_line=7, first_column=11)) == (7, 16, 7, 19)
    assert place(at(data, (second, second + 3), first_line=7, first_column=11)) == (8, 6, 8, 9)


def test_the_origin_goes_along() -> None:
    location = at(b"KEY", (0, 3))
    assert (location.source, location.path, location.blob, location.commit) == ("files", "a/b.txt", "blob", "commit")


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize(
    ("before", "line", "column"),
    [("", 1, 1), ("x = ", 1, 5), ("é日 ", 1, 4), ("a\r\n", 2, 1), ("a\r\nbc\nd = ", 3, 5)],
)
def test_utf16_counts_characters(ruleset: Ruleset, codec: str, mark: str, before: str, line: int, column: int) -> None:
    """As an editor does: a byte order mark is no character of the first line."""
    token = github_token("utf16").decode()
    data = Chunk(f"{mark}{before}{token}\r\n".encode(codec), ORIGIN)
    (sighting,) = locate(data, Engine(ruleset).scan(data), nothing)
    assert place(sighting.location) == (line, column, line, column + len(token))


def test_a_byte_order_mark_is_no_character_in_utf8() -> None:
    data = codecs.BOM_UTF8 + b"KEY\nKEY"
    assert place(at(data, (3, 6))) == (1, 1, 1, 4)
    assert place(at(data, (7, 10))) == (2, 1, 2, 4)


pieces = st.sampled_from([b"a", b" ", b"\n", b"\r\n", "é".encode(), "日".encode(), "🔑".encode(), b"\t"])


@settings(deadline=None)
@given(st.lists(pieces, max_size=40), st.data())
def test_any_spans_of_text_stand_where_counting_says(parts: list[bytes], data: st.DataObject) -> None:
    """Several at once, apart from each other, as detection hands them over."""
    edges = sorted(data.draw(st.lists(st.integers(0, len(parts)), max_size=8)))
    offsets = [len(b"".join(parts[:n])) for n in edges]
    text = b"".join(parts)
    spans = list(zip(offsets[::2], offsets[1::2], strict=False))
    matches = [Match("rule", span, Secret(b"x")) for span in spans]

    def counted(offset: int) -> tuple[int, int]:
        lines = text[:offset].decode().split("\n")
        return len(lines), len(lines[-1]) + 1

    found = locate(Chunk(text, ORIGIN), matches, nothing)
    assert [place(s.location) for s in found] == [(*counted(a), *counted(b)) for a, b in sorted(spans)]


def test_marks_are_looked_for_on_the_own_line_and_the_one_before() -> None:
    asked: list[tuple[bytes, bytes, str]] = []

    def allowed(line: bytes, before: bytes, rule: str) -> str | None:
        asked.append((line, before, rule))
        return "a mark"

    data = b"zero\nbefore\nhere KEY # mark\nafter"
    match = Match("rule", find(data, b"KEY"), Secret(b"KEY"))
    (sighting,) = locate(Chunk(data, ORIGIN), [match], allowed)
    assert asked == [(b"here KEY # mark", b"before", "rule")]
    assert (sighting.allowed, sighting.match) == ("a mark", match)


@pytest.mark.parametrize("size", [LINE * 3, LINE * 40])
def test_of_a_long_line_only_what_is_near_is_looked_at_for_marks(size: int) -> None:
    asked: list[bytes] = []

    def allowed(line: bytes, before: bytes, _rule: str) -> str | None:
        asked.extend((line, before))
        return None

    data = b"x" * size + b" KEY " + b"y" * size
    locate(Chunk(data, ORIGIN), [Match("rule", find(data, b"KEY"), Secret(b"KEY"))], allowed)
    assert max(map(len, asked)) <= 2 * LINE + 3
    assert b"KEY" in asked[0]


class Counted(bytes):
    """Counts how many of its bytes are searched for line ends, or copied out."""

    touched = 0

    def __getitem__(self, key):  # type: ignore[no-untyped-def]
        out = super().__getitem__(key)
        Counted.touched += len(out) if isinstance(key, slice) else 1
        return out

    def rfind(self, part, start=0, end=None):  # type: ignore[no-untyped-def]
        out = super().rfind(part, start, len(self) if end is None else end)
        Counted.touched += (len(self) if end is None else end) - max(out, start)
        return out


def test_many_secrets_on_one_long_line_are_placed_without_counting_it_again() -> None:
    """A bundle or a JSON dump is one line of megabytes, and may hold thousands of secrets."""
    step, count = 20_000, 100
    data = Counted((b"KEY" + b"x" * (step - 3)) * count)
    Counted.touched = 0
    matches = [Match("rule", (step * n, step * n + 3), Secret(b"KEY")) for n in range(count)]
    found = locate(Chunk(data, ORIGIN), matches, nothing)
    assert [s.location.start_column for s in found] == [step * n + 1 for n in range(count)]
    assert Counted.touched < 8 * len(data)
