"""A warm start gives what a cold one gives, and nothing that lies in the cache folder can break or take over a run."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from scanner.detect.engine import Engine
from scanner.model import Chunk, Origin
from scanner.ruleset import cache
from scanner.ruleset.ruleset import Ruleset

RULES = """\
provider: Acme
home: https://acme.dev
rules:
  - id: acme-token
    name: Acme token
    severity: high
    confidence: high
    pattern: 'acme_(?P<secret>[0-9a-z]{20})'
    known: [aaaabbbbccccddddeeee]
    with: [{rule: acme-name, name: account, within: 90}]
    examples: ['ACME={token}']
    docs: https://docs.acme.dev/tokens
    rotate: https://acme.dev/tokens
  - id: acme-name
    name: Acme name
    severity: low
    confidence: low
    component: true
    pattern: 'name=(?P<secret>[a-z]{3,9})'
    examples: ['name={token}']
    docs: https://docs.acme.dev/tokens
  - id: acme-legacy
    name: Acme legacy key
    severity: high
    confidence: low
    pattern: '[0-9a-f]{32}'
    context: [acme]
    examples: ['ACME={token}']
    docs: https://docs.acme.dev/tokens
    rotate: https://acme.dev/tokens
"""
TEXT = b"name=ada acme_q7zk2wv9rtx4mb1clp8s\nacme: 9f3c1d7e5ab28046e1d39f7ac50b84d2"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Acme's rules in place of the shipped ones, and a cache folder of its own. Returns the latter."""
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "acme.yaml").write_text(RULES)
    monkeypatch.setattr(cache, "shipped", lambda: tmp_path / "rules")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "deadkey"


def found(ruleset: Ruleset) -> list[tuple[str, bytes]]:
    return [(m.rule, m.secret.reveal()) for m in Engine(ruleset).scan(Chunk(TEXT, Origin("test")))]


def same(first: Ruleset, second: Ruleset) -> bool:
    return (first.rules, first.anchors, first.digest, found(first)) == (
        second.rules,
        second.anchors,
        second.digest,
        found(second),
    ) and all(first.actions(rule.id) == second.actions(rule.id) for rule in first.rules)


def was_read(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether rules are compiled from here on: an entry a time."""
    times: list[bool] = []
    original = cache.compiled

    def counted(*arguments):  # type: ignore[no-untyped-def]
        times.append(True)
        return original(*arguments)

    monkeypatch.setattr(cache, "compiled", counted)
    return times


def test_cold_and_warm_are_the_same(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cold = cache.get()
    assert found(cold) == [
        ("acme-token", b"q7zk2wv9rtx4mb1clp8s"),
        ("acme-legacy", b"9f3c1d7e5ab28046e1d39f7ac50b84d2"),
    ]
    times = was_read(monkeypatch)
    warm = cache.get()
    assert times == []
    assert same(cold, warm)


def test_the_shipped_rules_come_back_the_same(ruleset: Ruleset, session_cache: Path) -> None:
    warm = cache.get()
    assert (warm.rules, warm.anchors, warm.digest) == (ruleset.rules, ruleset.anchors, ruleset.digest)
    assert all(warm.actions(rule.id) == ruleset.actions(rule.id) for rule in ruleset.rules)


def test_a_warm_start_imports_neither_yaml_nor_pydantic(ruleset: Ruleset) -> None:
    program = "import sys\nfrom scanner.ruleset import cache\nr = cache.get()\nr.loaded\nr.actions('github-pat')\nprint(*sys.modules)"
    root = Path(__file__).parent.parent.parent
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, check=True, env={**os.environ, "PYTHONPATH": str(root)}
    )
    loaded = {name.split(".")[0] for name in done.stdout.decode().split()}
    assert "hyperscan" in loaded
    assert not loaded & {"yaml", "pydantic", "pydantic_core", "regex", "requests", "jinja2"}


def test_a_torn_cache_is_made_anew(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cold = cache.get()
    (compiled,) = folder.glob("rules-*.bin")
    content = compiled.read_bytes()
    times = was_read(monkeypatch)
    for keep in (0, 5, 20, 40, len(content) // 2, len(content) - 1):
        compiled.write_bytes(content[:keep])
        assert same(cache.get(), cold)
        assert compiled.read_bytes() == content
    assert len(times) == 6


def test_a_changed_byte_is_noticed_or_changes_nothing(folder: Path) -> None:
    cold = cache.get()
    (compiled,) = folder.glob("rules-*.bin")
    content = compiled.read_bytes()
    chance = random.Random(7)
    places = [*range(0, 60, 3), *(chance.randrange(len(content)) for _ in range(60))]
    for place in places:
        compiled.write_bytes(content[:place] + bytes([content[place] ^ 0x41]) + content[place + 1 :])
        assert same(cache.get(), cold), place


@pytest.mark.parametrize(
    "content", [b"", b"x", b"[]", b"{}", b"null", b'{"acme-token": 3}', b"\x80\x04K\x01.", b'{"acme-tok']
)
def test_torn_or_foreign_actions_are_made_anew(folder: Path, content: bytes) -> None:
    cold = cache.get()
    (actions,) = folder.glob("rules-*.actions.json")
    actions.write_bytes(content)
    assert same(cache.get(), cold)


@pytest.mark.parametrize("header", [b"[]", b"3", b"[[], 3]", b'{"a": 1}', b"[[[1]], []]", b"[[], [[1]]]"])
def test_a_foreign_file_under_the_right_name_is_made_anew(folder: Path, header: bytes) -> None:
    import zlib

    cold = cache.get()
    (compiled,) = folder.glob("rules-*.bin")
    lead = cache.MAGIC + len(header).to_bytes(8, "little") + zlib.crc32(header).to_bytes(4, "little")
    compiled.write_bytes(lead + header + cold.database)
    assert same(cache.get(), cold)


def test_nothing_but_data_is_read(folder: Path, tmp_path: Path) -> None:
    """A pickle under the cache's name is not loaded, and the cache itself holds none."""
    import pickle

    class Trap:
        def __reduce__(self):  # type: ignore[no-untyped-def]
            return open, (str(tmp_path / "sprung"), "w")

    cold = cache.get()
    (compiled,) = folder.glob("rules-*.bin")
    content = compiled.read_bytes()
    start = len(cache.MAGIC) + 12
    header = json.loads(content[start : start + int.from_bytes(content[start - 12 : start - 4], "little")])
    assert [rule[0] for rule in header[0]] == [rule.id for rule in cold.rules]
    trap = pickle.dumps(Trap())
    for path in folder.iterdir():
        path.write_bytes(trap)
        assert same(cache.get(), cold)
        path.write_bytes(cache.MAGIC + trap)
        assert same(cache.get(), cold)
    assert not (tmp_path / "sprung").exists()


def test_a_cache_folder_that_cannot_be_made_costs_nothing_but_time(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    assert found(cache.get()) == found(cache.get())
    assert len(found(cache.get())) == 2
    assert (tmp_path / "cache").is_file()


def test_a_cache_folder_that_may_not_be_written_is_left_alone(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_arguments, **_more):  # type: ignore[no-untyped-def]
        raise PermissionError(13, "Permission denied")

    folder.mkdir(parents=True)
    monkeypatch.setattr("tempfile.mkstemp", refused)
    assert len(found(cache.get())) == 2
    assert list(folder.iterdir()) == []


def test_a_user_without_a_home_can_scan(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(Path, "home", homeless)
    assert len(found(cache.get())) == 2
    assert not folder.exists()


def test_a_changed_rule_file_is_seen(folder: Path, tmp_path: Path) -> None:
    before = cache.get()
    rules = tmp_path / "rules" / "acme.yaml"
    rules.write_text(RULES.replace("[0-9a-z]{20}", "[0-9a-z]{19}"))
    after = cache.get()
    assert before.digest != after.digest
    assert found(after)[0] == ("acme-token", b"q7zk2wv9rtx4mb1clp8")
    rules.write_text(RULES)
    assert same(cache.get(), before)


def test_the_digest_knows_names_contents_and_where_one_file_ends() -> None:
    files = [
        {"a/x.yaml": b"1"},
        {"a/y.yaml": b"1"},
        {"a/x.yaml": b"2"},
        {"a/x.yaml": b"1", "a/y.yaml": b""},
        {"a/x.yaml": b"1\0y.yaml\0"},
    ]
    assert len({cache.digest_of(f) for f in files}) == len(files)
    assert cache.digest_of({"here/x.yaml": b"1"}) == cache.digest_of({"there/x.yaml": b"1"})


def test_only_the_newest_rule_sets_stay(folder: Path, tmp_path: Path) -> None:
    for n in range(cache.KEEP + 2):
        (tmp_path / "rules" / "acme.yaml").write_text(RULES + f"# {n}\n")
        newest = cache.get()
    left = sorted(path.name for path in folder.iterdir())
    assert len(left) == 2 * cache.KEEP
    assert f"rules-{newest.digest}.bin" in left
    assert f"rules-{newest.digest}.actions.json" in left


def test_the_cache_is_for_its_owner_alone(folder: Path) -> None:
    cache.get()
    assert folder.stat().st_mode & 0o077 == 0
    assert all(path.stat().st_mode & 0o077 == 0 for path in folder.iterdir())
