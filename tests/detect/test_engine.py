"""The fast path finds what plain ones find, wherever a text is cut and whatever stands far away."""

from __future__ import annotations

import base64
from itertools import pairwise
from pathlib import Path

import pytest
import regex
from hypothesis import given, settings
from hypothesis import strategies as st

from scanner.detect.candidates import Candidate, settle
from scanner.detect.engine import REACH, Engine
from scanner.model import Span
from scanner.ruleset import cache, check
from scanner.ruleset.ruleset import Ruleset
from tests.conftest import github_token

from . import plain
from .plain import chunk, shown

relaxed = settings(deadline=None, max_examples=60)


@pytest.fixture(scope="module")
def engine(ruleset: Ruleset) -> Engine:
    return Engine(ruleset)


@relaxed
@given(data=plain.texts())
def test_anchors_are_hit_exactly_where_their_expressions_end(engine: Engine, data: bytes) -> None:
    assert sorted(set(engine.hits(data))) == plain.hits(data)


@relaxed
@given(data=plain.texts())
def test_what_the_plain_path_finds_is_found(engine: Engine, data: bytes) -> None:
    expected = [engine.match(c) for c in settle(engine.rules, engine.read(data, plain.hits(data)))]
    assert shown(engine.scan(chunk(data))) == shown(expected)


@settings(deadline=None, max_examples=200)
@given(data=plain.texts())
def test_no_match_of_a_whole_pattern_is_missed(ruleset: Ruleset, data: bytes) -> None:
    looked_at: set[tuple[str, Span]] = set()
    engine = Engine(ruleset, explain=lambda rule, span, _value, _reason: looked_at.add((rule.id, span)))
    engine.read(data, engine.hits(data))
    assert plain.whole(engine, data) <= looked_at


@pytest.mark.parametrize("seed", ["a", "b"])
def test_every_rules_token_is_looked_at_between_others(ruleset: Ruleset, seed: str) -> None:
    """Rules that need no context words, their tokens end to end with a space between."""
    looked_at: set[tuple[str, bytes]] = set()
    engine = Engine(ruleset, explain=lambda rule, _span, value, _reason: looked_at.add((rule.id, value)))
    made = {}
    for spec in plain.bench().rules.values():
        rule = ruleset.by_id[spec.id]
        if not (rule.context or rule.component or rule.multiline or "(?P<secret>" in rule.pattern):
            made[spec.id] = plain.check.token_of(spec, plain.bench(), f"{spec.id} {seed}")
    data = b" ".join(made.values())
    engine.read(data, engine.hits(data))
    assert len(made) > 100
    assert {(name, token) for name, token in made.items() if (name, token) not in looked_at} == set()


@relaxed
@given(data=plain.texts(), cuts=st.lists(st.integers(0, 2000), max_size=6))
def test_a_text_read_in_fresh_ranges_gives_what_the_whole_gives(engine: Engine, data: bytes, cuts: list[int]) -> None:
    edges = sorted({0, len(data), *(c for c in cuts if c < len(data))})
    ranges = list(pairwise(edges))
    everything = shown(engine.scan(chunk(data)))
    assert shown(engine.scan(chunk(data, fresh=tuple(ranges)))) == everything
    apart = {found for span in ranges for found in shown(engine.scan(chunk(data, fresh=(span,))))}
    assert apart == set(everything)


FAR = (b"\n", b"A", b"6162", b"x y ", b"a\0", b"Z2hwX2docF9naHBfZ2hwX2docF9naHBfZ2hwX2docF9n\n", b"%67")


@settings(deadline=None, max_examples=40)
@given(
    data=plain.texts(),
    near=st.sampled_from(FAR),
    more=st.integers(0, 3),
    far=st.tuples(plain.texts(), plain.texts()),
    other=st.tuples(plain.texts(), plain.texts()),
)
def test_a_hit_is_read_by_the_bytes_in_its_reach_alone(
    engine: Engine, data: bytes, near: bytes, more: int, far: tuple[bytes, bytes], other: tuple[bytes, bytes]
) -> None:
    """The reach around a text stays; what stands beyond it is another text, of the same length or of none."""
    filler = near * (REACH // len(near) + more)

    def read(left: bytes, right: bytes) -> set[tuple[int, Span, bytes, tuple[str, ...]]]:
        around = left + filler + data + filler + right
        start = len(left) + len(filler)
        found = engine.read(around, engine.hits(around, [(start, start + len(data))]))
        return {(c.rule, (c.span[0] - len(left), c.span[1] - len(left)), c.value, c.encoding) for c in found}

    assert read(*far) == read(*other) == read(b"", b"")


LINES = st.lists(
    st.one_of(
        st.sampled_from(plain.settings()),
        st.sampled_from(
            [b"\n", b"\n", b" ", b'"', b"password", b"value: ", b"  - name: DB_PASSWORD\n", b"key=", b"\r\n", b"x" * 90]
        ),
    ),
    max_size=8,
).map(b"".join)


@settings(deadline=None, max_examples=300)
@given(data=LINES, left=LINES, right=LINES)
def test_what_ends_with_a_line_is_read_by_its_lines_alone(
    engine: Engine, data: bytes, left: bytes, right: bytes
) -> None:
    """What stands before and after what a hit's reading is said to look at may be anything."""

    def read(text: bytes, hit: tuple[int, int], by: int) -> list[object]:
        engine._lines.clear()
        return [pair.moved(by) for pair in engine.pairs(text, [hit])]

    for end, anchor in engine.hits(data):
        reach = engine.reach[anchor]
        if reach.lines:
            back, forward = reach.around(data, end)
            before = left if end > back else b""
            after = right if end + forward < len(data) else b""
            kept = before + data[max(0, end - back) : end + forward] + after
            there = len(before) + min(end, back)
            assert read(kept, (there, anchor), end - there) == read(data, (end, anchor), 0)


@pytest.mark.parametrize("width", [24_400, 30_600])
def test_a_run_of_encoded_lines_is_not_followed_beyond_reach(engine: Engine, width: int) -> None:
    """Whether the line that crosses the limit is one of the run's is not decided by how it ends far away."""
    lines = [base64.b64encode(github_token(f"line {n}") + b"\n\n") for n in range(2)]
    results = set()
    for last in (b"'", b"\x01"):
        data = lines[0].ljust(width, b"A") + b"\n" + lines[1].ljust(24_000, b"A") + last
        found = engine.read(data, [h for h in engine.hits(data) if h[0] < 200])
        results.add(tuple((c.span, c.value) for c in found))
    assert len(results) == 1


def test_a_seam_anywhere_in_an_assignment_gives_the_tokens_own_match(engine: Engine) -> None:
    """Where one window ends after the word and the next begins before the token, the generic rule must not speak."""
    data = b'api_token = "' + github_token("seam") + b'"\n'
    whole = shown(engine.scan(chunk(data)))
    assert [rule for rule, *_ in whole] == ["github-pat"]
    for seam in range(1, len(data)):
        first, second = (shown(engine.scan(chunk(data, fresh=(span,)))) for span in ((0, seam), (seam, len(data))))
        assert {*first, *second} == set(whole), seam


def test_only_anchors_that_end_in_a_fresh_range_count(engine: Engine) -> None:
    first, second = github_token("one"), github_token("two")
    data = first + b"\n" + second
    end = data.index(second) + 1
    assert [m.secret.reveal() for m in engine.scan(chunk(data, fresh=((0, end - 1),)))] == [first]
    assert [m.secret.reveal() for m in engine.scan(chunk(data, fresh=((len(first), len(data)),)))] == [second]
    assert engine.scan(chunk(data, fresh=())) == []


def test_only_secrets_that_touch_a_touched_range_count(engine: Engine) -> None:
    first, second = github_token("one"), github_token("two")
    data = first + b"\n" + second
    assert [m.secret.reveal() for m in engine.scan(chunk(data, touch=((0, 1),)))] == [first]
    assert [m.secret.reveal() for m in engine.scan(chunk(data, touch=((39, 42),)))] == [first, second]
    assert engine.scan(chunk(data, touch=((40, 41),))) == []
    assert engine.scan(chunk(data, touch=())) == []


def test_nothing_is_found_in_nothing(engine: Engine) -> None:
    assert engine.scan(chunk(b"")) == []
    assert engine.scan(chunk(b"", fresh=((0, 0),))) == []


def test_the_more_specific_rule_takes_the_place(engine: Engine) -> None:
    token = github_token("place")
    (match,) = engine.scan(chunk(b'api_token = "' + token + b'"'))
    assert (match.rule, match.secret.reveal()) == ("github-pat", token)


def test_the_nearest_context_word_decides_between_rules(engine: Engine) -> None:
    """Forty hexadecimal digits are a key of the service that is named right before them, wherever else it is named."""
    value = b"3f9c1d7e5a" + b"b28046e1d39f7ac5" + b"0b84d26e1fa973"
    for near, rule in (
        (b"DD_APP_KEY", "datadog-legacy-app-key"),
        (b"NEW_RELIC_LICENSE_KEY", "newrelic-legacy-license-key"),
    ):
        other = {b"DD_APP_KEY": b"NEW_RELIC_LICENSE_KEY", b"NEW_RELIC_LICENSE_KEY": b"DD_APP_KEY"}[near]
        found = engine.scan(chunk(near + b", " + other + b", " + near + b"=" + value))
        assert [(m.rule, m.secret.reveal()) for m in found] == [(rule, value)]


def test_a_companion_comes_with_its_secret_and_the_nearest_one_does(engine: Engine) -> None:
    bench = plain.bench()
    key = plain.check.token_of(bench.rules["aws-secret-access-key"], bench, "aws")
    ids = [plain.check.token_of(bench.rules["aws-access-key-id"], bench, f"id {n}") for n in range(3)]
    data = b"%s\n%s\naws_access_key_id = %s\naws_secret_access_key = %s\n" % (ids[0], b"#" * 80, ids[1], key)
    (match,) = [m for m in engine.scan(chunk(data + b"#" * 80 + ids[2])) if m.rule == "aws-secret-access-key"]
    assert match.secret.reveal() == key
    assert ids[1] in [secret.reveal() for _, secret in match.companions]
    assert match.rivals == ("access_key_id",)
    pair = chunk(b"aws_access_key_id = %s\naws_secret_access_key = %s\n" % (ids[1], key))
    (alone,) = [m for m in engine.scan(pair) if m.rule == "aws-secret-access-key"]
    assert alone.rivals == ()


def test_rules_that_are_not_wanted_find_nothing(ruleset: Ruleset) -> None:
    token = github_token("wanted")
    assert Engine(ruleset, lambda rule: rule.id != "github-pat").scan(chunk(token)) == []
    assert len(Engine(ruleset, lambda rule: rule.id == "github-pat").scan(chunk(token))) == 1


def test_what_was_dropped_is_explained(ruleset: Ruleset) -> None:
    told: list[tuple[str, bytes, str]] = []
    engine = Engine(ruleset, explain=lambda rule, _span, value, reason: told.append((rule.id, value, reason)))
    token = github_token("explained")
    wrong = token[:-1] + (b"A" if token[-1:] != b"A" else b"B")
    engine.scan(chunk(token + b" " + wrong))
    assert told == [("github-pat", token, ""), ("github-pat", wrong, "checksum github does not match")]


class Counting(int):
    """An offset that counts how often it is compared."""

    compared = 0

    def __lt__(self, other: int) -> bool:
        Counting.compared += 1
        return int(self) < int(other)

    def __gt__(self, other: int) -> bool:
        Counting.compared += 1
        return int(self) > int(other)

    def __le__(self, other: int) -> bool:
        Counting.compared += 1
        return int(self) <= int(other)

    def __ge__(self, other: int) -> bool:
        Counting.compared += 1
        return int(self) >= int(other)


def test_many_secrets_are_settled_without_comparing_each_with_each(engine: Engine) -> None:
    """A log may hold a token a line, tens of thousands of them."""
    rule = next(n for n, r in enumerate(engine.rules) if r.id == "github-pat")

    def comparisons(count: int) -> int:
        made = [Candidate(rule, (Counting(50 * n), Counting(50 * n + 40)), b"", 0) for n in range(count)]
        Counting.compared = 0
        assert settle(engine.rules, made) == made
        return Counting.compared

    assert comparisons(2000) < 20 * comparisons(200)


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(1, 12), st.integers(0, 200)), max_size=30))
def test_of_overlapping_candidates_the_strongest_stays(engine: Engine, drawn: list[tuple[int, int, int]]) -> None:
    rules = [n for n, r in enumerate(engine.rules) if not r.component]
    made = [Candidate(rules[r % len(rules)], (s, s + length), b"", r % 7) for s, length, r in drawn]
    kept = settle(engine.rules, made)
    assert kept == sorted(kept, key=lambda c: c.span)
    assert all(a.span[1] <= b.span[0] for a, b in pairwise(kept))
    for c in made:
        rivals = [k for k in kept if k.span[0] < c.span[1] and c.span[0] < k.span[1]]
        assert any((engine.rules[k.rule].rank, k.gap) <= (engine.rules[c.rule].rank, c.gap) for k in rivals)


def test_what_only_a_word_near_by_makes_an_identifier_may_be_a_secret_elsewhere(
    tmp_path: Path, session_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "acme.yaml").write_text(
        "provider: Acme\nhome: https://acme.example\nrules:\n"
        "  - id: acme-client-id\n    name: Acme client id\n    severity: low\n    confidence: low\n    component: true\n"
        "    pattern: '\\b[0-9a-z]{18}\\b'\n    context: [acme_client]\n    docs: https://acme.example/ids\n"
        "    examples:\n      - 'ACME_CLIENT={token}'\n"
    )
    monkeypatch.setenv("XDG_CACHE_HOME", str(session_cache))
    engine = Engine(cache.get((tmp_path,)))
    text = b'DATABASE_PASSWORD="q7m2x9w4k1z8b5n3v6"\n'
    assert [m.rule for m in engine.scan(chunk(text))] == ["generic-secret"]


def test_public_identifiers_are_known_one_by_one_and_together(engine: Engine) -> None:
    patterns = [regex.compile(engine.rules[number].pattern.encode()) for number in engine._components]
    specs = plain.bench().rules
    made = [check.token_of(specs[engine.rules[n].id], plain.bench(), "one") for n in engine._components]
    for value in [*made, *(v.swapcase() for v in made), b"q7Zt0Vn3Yk9Lb2Xc"]:
        assert engine._is_component(value) == any(p.fullmatch(value) for p in patterns)
