"""Findings are secrets, not lines: one each, with all its places, whoever reads them and in whatever order."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from scanner import pipeline
from scanner.model import Chunk, Finding, Location, Match, Origin, Secret, Sighting, Skip
from scanner.pipeline import Found, Options, findings, read, scan
from scanner.ruleset.ruleset import Ruleset
from scanner.sources.files import FilesSource
from scanner.sources.interface import Item
from tests.conftest import github_token

KEY = b"a key for fingerprints"
TOKEN, OTHER = github_token("pipeline"), github_token("another")


@dataclass(frozen=True)
class Texts:
    """A source of texts by name; None is one that cannot be read."""

    texts: tuple[tuple[str, bytes | None], ...]
    claimed: int = 0
    """The size each item says it has, where that is not its own."""
    kind: str = "texts"

    def items(self) -> Iterator[Item | Skip]:
        yield Skip("left out", "not wanted")
        for name, data in self.texts:
            yield Item(name, self.claimed or len(data or b""), data)

    def read(self, item: Item) -> Iterator[Chunk | Skip]:
        if item.payload is None:
            yield Skip(item.path, "cannot be read")
        else:
            yield Chunk(item.payload, Origin("texts", item.path))


def texts(**named: bytes) -> Texts:
    return Texts(tuple(named.items()))


def report(source: object, ruleset: Ruleset, **options: object) -> tuple[Finding, ...]:
    return scan(source, ruleset, Options(jobs=1, **options), KEY)[0].findings  # type: ignore[arg-type]


def places(finding: Finding) -> list[tuple[str | None, int, int]]:
    return [(x.path, x.start_line, x.start_column) for x in finding.locations]


def test_one_finding_a_secret_with_every_place(ruleset: Ruleset) -> None:
    source = texts(b=b"x\ny " + TOKEN + b" " + OTHER, a=TOKEN + b"\n" + TOKEN, c=b"nothing")
    found = {f.secret.reveal(): f for f in report(source, ruleset)}
    assert found.keys() == {TOKEN, OTHER}
    assert places(found[TOKEN]) == [("a", 1, 1), ("a", 2, 1), ("b", 2, 3)]
    assert places(found[OTHER]) == [("b", 2, 44)]


def test_a_finding_carries_its_rule(ruleset: Ruleset) -> None:
    (finding,) = report(texts(a=TOKEN), ruleset)
    rule = ruleset.by_id["github-pat"]
    assert (finding.rule, finding.provider, finding.name) == (rule.id, rule.provider, rule.name)
    assert (finding.severity, finding.confidence, finding.rotate) == (rule.severity, rule.confidence, rule.rotate)
    assert finding.fingerprint == Secret(TOKEN).fingerprint(KEY) != Secret(TOKEN).fingerprint(b"another key")
    assert (finding.verdict, finding.outcome, finding.encoding) == (None, None, ())


def test_encoded_and_plain_copies_are_one_secret(ruleset: Ruleset) -> None:
    encoded = base64.b64encode(TOKEN)
    (finding,) = report(texts(a=b"data: " + encoded, b=TOKEN), ruleset)
    assert places(finding) == [("a", 1, 7), ("b", 1, 1)]
    assert finding.encoding == ()
    (finding,) = report(texts(a=b"data: " + encoded), ruleset)
    assert finding.encoding == ("base64",)


def sighting(rule: str, path: str, *companions: str, encoding: tuple[str, ...] = (), line: int = 1) -> Sighting:
    match = Match(rule, (0, 9), Secret(b"the value"), encoding, tuple((c, Secret(b"near")) for c in companions))
    return Sighting(match, Location("files", path, line, line, 1, 10))


def test_the_most_specific_rule_wins_wherever_it_stands(ruleset: Ruleset) -> None:
    generic, token = sighting("generic-secret", "a"), sighting("github-pat", "z")
    for order in ([generic, token], [token, generic]):
        (finding,) = findings(order, ruleset, KEY)
        assert finding.rule == "github-pat"
        assert [x.path for x in finding.locations] == ["a", "z"]


def test_a_value_seen_by_two_rules_in_two_files_is_of_the_more_specific(ruleset: Ruleset) -> None:
    value = b"3f9c1d7e5ab28046" + b"e1d39f7ac50b84d2"
    found = report(texts(a=b'api_key = "' + value + b'"', b=b"DD_API_KEY=" + value), ruleset)
    assert [(f.rule, [x.path for x in f.locations]) for f in found] == [("datadog-api-key", ["a", "b"])]


def test_the_sighting_with_companions_speaks_for_the_secret(ruleset: Ruleset) -> None:
    alone, paired = sighting("aws-secret-access-key", "a"), sighting("aws-secret-access-key", "b", "key_id")
    for order in ([alone, paired], [paired, alone]):
        (finding,) = findings(order, ruleset, KEY)
        assert [name for name, _ in finding.companions] == ["key_id"]


def test_a_place_that_was_seen_twice_is_told_once(ruleset: Ruleset) -> None:
    (finding,) = findings([sighting("github-pat", "a"), sighting("generic-secret", "a")], ruleset, KEY)
    assert len(finding.locations) == 1


def test_places_come_in_order(ruleset: Ruleset) -> None:
    seen = [sighting("github-pat", path, line=line) for path, line in (("b", 10), ("b", 9), ("a", 11))]
    (finding,) = findings(seen, ruleset, KEY)
    assert places(finding) == [("a", 11, 1), ("b", 9, 1), ("b", 10, 1)]


def test_what_was_not_read_makes_the_scan_incomplete(ruleset: Ruleset) -> None:
    source = Texts((("a", None), ("b", TOKEN)))
    done, _ = scan(source, ruleset, Options(jobs=1), KEY)
    assert [(s.path, s.reason) for s in done.skipped] == [("left out", "not wanted"), ("a", "cannot be read")]
    assert len(done.findings) == 1
    assert done.exit_status == 3


def test_allowed_places_are_counted_and_left_out(ruleset: Ruleset) -> None:
    source = texts(a=TOKEN + b"  # deadkey:allow\n" + OTHER + b"\n")
    done, _ = scan(source, ruleset, Options(jobs=1), KEY)
    assert [f.secret.reveal() for f in done.findings] == [OTHER]
    assert done.statistics["allowed"] == 1


def test_rules_are_chosen_by_name_and_confidence(ruleset: Ruleset) -> None:
    source = texts(a=TOKEN + b"\nDB_PASSWORD=" + b"q7Zk2Wv9RtX4" + b"mB1cLp8s\n")

    def rules(**options: object) -> list[str]:
        return sorted(f.rule for f in report(source, ruleset, **options))

    assert rules() == ["generic-secret", "github-pat"]
    assert rules(only=("github-*",)) == ["github-pat"]
    assert rules(skip=("github-*",)) == ["generic-secret"]
    assert rules(min_confidence="high") == ["generic-secret", "github-pat"]


def test_what_explain_says_holds_no_secret(ruleset: Ruleset) -> None:
    wrong = TOKEN[:-1] + (b"A" if TOKEN[-1:] != b"A" else b"B")
    _, explained = scan(texts(a=TOKEN + b" " + wrong), ruleset, Options(jobs=1, explain=True), KEY)
    assert len(explained) == 2
    assert "kept" in explained[0] and "checksum github does not match" in explained[1]
    assert all(line.startswith("a: bytes ") for line in explained)
    assert not any(TOKEN[4:-4].decode() in line for line in explained)


def shape(found: Found) -> tuple[object, ...]:
    return found.sightings, found.skips, found.explained, found.bytes, found.chunks


def test_workers_and_one_process_find_the_same(ruleset: Ruleset) -> None:
    named = [(f"file {n}", b"x" * n + b" " + github_token(f"{n % 90}") + b"\n") for n in range(600)]
    named[7] = ("file 7", None)
    source = Texts(tuple(named), claimed=pipeline.POOLED // 100)
    done: list[tuple[int, int]] = []
    pooled = read(source, ruleset, Options(jobs=2), lambda now, total: done.append((now, total)))
    alone = read(source, ruleset, Options(jobs=1))
    assert shape(pooled) == shape(alone)
    assert len(findings(pooled.sightings, ruleset, KEY)) == 90
    assert findings(pooled.sightings, ruleset, KEY) == findings(alone.sightings, ruleset, KEY)
    assert len(done) > 2
    assert done[-1] == (600 * source.claimed, 600 * source.claimed)
    assert [now for now, _ in done] == sorted(now for now, _ in done)


def test_workers_read_files_as_one_process_does(
    ruleset: Ruleset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline, "POOLED", 1)
    monkeypatch.setattr(pipeline, "BATCH", 100)
    for n in range(20):
        (tmp_path / f"{n}.txt").write_bytes(github_token(f"{n % 15}") + b"\n")
    source = FilesSource([str(tmp_path)])
    reports = [scan(source, ruleset, Options(jobs=jobs), KEY)[0] for jobs in (1, 2)]
    assert reports[0].findings == reports[1].findings
    assert len(reports[0].findings) == 15
    assert reports[0].skipped == reports[1].skipped == ()


def test_an_interrupted_scan_gives_what_it_has(ruleset: Ruleset) -> None:
    def stop(done: int, _total: int) -> None:
        if done >= len(TOKEN):
            raise KeyboardInterrupt

    source = texts(a=TOKEN, b=OTHER)
    done, _ = scan(source, ruleset, Options(jobs=1), KEY, stop)
    assert [f.secret.reveal() for f in done.findings] == [TOKEN]
    assert done.skipped[-1].reason == "interrupted after 40 of 80 bytes"
    assert done.exit_status == 3


def test_the_confidence_is_that_of_the_rule_that_is_told(ruleset: Ruleset) -> None:
    """A secret that a generic rule is sure of elsewhere is no surer as what its own rule calls it."""
    own, generic = sighting("jwt", "a"), replace(sighting("generic-secret", "z"), confidence="high")
    (finding,) = findings([own, generic], ruleset, KEY)
    assert (finding.rule, finding.confidence) == ("jwt", ruleset.by_id["jwt"].confidence)
