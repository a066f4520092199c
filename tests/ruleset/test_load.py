"""A fault in a rule file is named with its file, line, rule and field, in words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from scanner.model import DeadkeyError
from scanner.ruleset import cache
from scanner.ruleset.load import RuleError, load
from scanner.ruleset.schema import RuleFile, host_problem

GOOD = """\
provider: Acme
home: https://acme.dev
rules:
  - id: acme-token
    name: Acme token
    severity: high
    confidence: high
    pattern: 'acme_[0-9a-z]{20}'
    examples: ['ACME={token}']
    docs: https://docs.acme.dev/tokens
    rotate: https://acme.dev/tokens
    verify:
      request:
        url: 'https://api.acme.dev/me'
        headers: {Authorization: 'Bearer {{ secret }}'}
      live: {status: [200]}
      dead: {status: [401]}
"""


def fault(*files: str) -> str:
    with pytest.raises(RuleError) as caught:
        load({f"{'abc'[n]}.yaml": text.encode() for n, text in enumerate(files)})
    return str(caught.value)


def test_a_good_file_is_read() -> None:
    (file,) = load({"a.yaml": GOOD.encode()})
    assert (file.provider, [rule.id for rule in file.rules]) == ("Acme", ["acme-token"])
    assert file.allowed_domains() == ["acme.dev"]


REPLACED = [
    ("unknown key", "severity: high", "severity: high\n    colour: red", 7, "colour", "unknown key"),
    (
        "unknown key inside",
        "live: {status: [200]}",
        "live: {status: [200], state: 1}",
        16,
        "verify.live",
        "unknown key",
    ),
    ("bad pattern", "acme_[0-9a-z]{20}", "acme_[0-9a-z", 8, "pattern", "not a pattern"),
    ("pattern beyond ASCII", "acme_[0-9a-z]{20}", "acmé_[0-9a-z]{20}", 8, "pattern", "\\x escapes"),
    ("severity", "severity: high", "severity: huge", 6, "severity", "'critical'"),
    ("bad id", "id: acme-token", "id: Acme_Token", 4, "id", "pattern"),
    ("no examples", "['ACME={token}']", "[]", 9, "examples", "at least 1"),
    ("missing docs", "    docs: https://docs.acme.dev/tokens\n", "", 4, "docs", "required"),
    ("missing rotate", "    rotate: https://acme.dev/tokens\n", "", 4, "", "give revoke or rotate"),
    ("no status", "live: {status: [200]}", "live: {}", 16, "verify.live", "give status, match or both"),
    ("no dead", "      dead: {status: [401]}\n", "", 12, "verify", "live and dead"),
    ("both ways", "      request:", "      checker: jwt\n      request:", 12, "verify", "either request or checker"),
    ("wrong type", "severity: high", "near: soon\n    severity: high", 6, "near", "integer"),
    ("too much entropy", "severity: high", "min_entropy: 9\n    severity: high", 6, "min_entropy", "8"),
    ("docs that are no address", "https://docs.acme.dev/tokens", "see the wiki", 10, "docs", "pattern"),
]


@pytest.mark.parametrize(
    ("old", "new", "line", "field", "what"), [c[1:] for c in REPLACED], ids=[c[0] for c in REPLACED]
)
def test_file_line_rule_and_field_are_named(old: str, new: str, line: int, field: str, what: str) -> None:
    assert GOOD.count(old) == 1
    message = fault(GOOD.replace(old, new))
    rule = "acme-token" if "id: acme-token" in GOOD.replace(old, new) else "Acme_Token"
    assert message.startswith(f"a.yaml:{line}: rule {rule}: {field}"), message
    assert what in message
    assert "\n" not in message


HOSTS = [
    ("http", "http://api.acme.dev/me", "must be https"),
    ("another domain", "https://api.evil.example/me", "not of the provider's domains (acme.dev)"),
    ("a longer domain", "https://api.notacme.dev/me", "not of the provider's domains"),
    ("a domain in front", "https://acme.dev.evil.example/me", "not of the provider's domains"),
    ("user information", "https://acme.dev@evil.example/me", "no user information"),
    ("a template at the end", "https://acme.{{ secret }}/me", "template in the host"),
    ("a template for all", "https://{{ secret }}/me", "template in the host"),
    ("a template for the scheme", "{{ secret }}://api.acme.dev/me", "must be https"),
]


@pytest.mark.parametrize(("url", "what"), [c[1:] for c in HOSTS], ids=[c[0] for c in HOSTS])
def test_an_address_that_leaves_the_provider_is_refused_where_it_stands(url: str, what: str) -> None:
    message = fault(GOOD.replace("https://api.acme.dev/me", url))
    assert what in message
    assert "rule acme-token: " in message
    assert url in message
    assert message.startswith("a.yaml:14: "), "the line of the address"


@pytest.mark.parametrize(
    "url",
    [
        "https://acme.dev/",
        "https://api.acme.dev:8443/x",
        "https://{{ tenant }}.acme.dev/x",
        "{{ endpoint }}/x",
        "https://API.ACME.DEV/{{ a.b/c }}",
    ],
)
def test_an_address_of_the_provider_is_accepted(url: str) -> None:
    assert host_problem(url, ["acme.dev"]) is None
    assert load({"a.yaml": GOOD.replace("https://api.acme.dev/me", url).encode()})


def test_an_id_that_is_taken_is_named_with_both_files() -> None:
    message = fault(GOOD, GOOD.replace("provider: Acme", "provider: Other"))
    assert message.startswith("b.yaml")
    assert "rule acme-token: the id is taken in a.yaml" in message


@pytest.mark.parametrize(
    ("extra", "field"),
    [("with: [{rule: acme-name, name: name}]", "with"), ("overlaps: [acme-name]", "overlaps")],
)
def test_a_rule_that_is_not_there_is_named(extra: str, field: str) -> None:
    message = fault(GOOD.replace("severity: high", f"{extra}\n    severity: high"))
    assert message.startswith("a.yaml")
    assert f"rule acme-token: {field}: there is no rule acme-name" in message


@pytest.mark.parametrize("content", ["rules: [", "a: b: c", "- !!python/object:os.system x", "\t- x", "\x00"])
def test_what_is_no_yaml_is_refused_with_its_line(content: str) -> None:
    message = fault(GOOD + content)
    assert message.startswith("a.yaml:")


@pytest.mark.parametrize("content", ["", "[]", "text", "42", "null"])
def test_what_is_no_mapping_is_refused(content: str) -> None:
    assert fault(content) == "a.yaml: a rule file is a mapping with provider, home and rules"


@pytest.mark.parametrize(
    "content", ["{}", "provider: A", "rules: 3", "rules: [3]", "rules: [{}]", "rules: {a: b}", "1: 2", "[a]: b"]
)
def test_half_a_file_is_refused_in_words(content: str) -> None:
    assert all(line.startswith("a.yaml:") for line in fault(content).splitlines())


def test_bytes_that_are_no_text_are_refused() -> None:
    with pytest.raises(RuleError, match=r"^a\.yaml: not valid YAML"):
        load({"a.yaml": b"provider: \xff\xfe"})


def test_every_fault_of_every_file_is_told_at_once() -> None:
    first = GOOD.replace("severity: high", "severity: huge").replace("confidence: high", "confidence: sure")
    second = GOOD.replace("docs:", "dogs:")
    lines = fault(first, GOOD.replace("acme-token", "acme-other"), second).splitlines()
    assert [line.split(":")[0] for line in lines] == ["a.yaml", "a.yaml", "c.yaml", "c.yaml"]


def compiled(text: str) -> Any:
    return cache.compiled({"a.yaml": text.encode()}, "", None)


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("acme_[0-9a-z]{20}", "acme_[0-9a-z]+", "upper bound"),
        ("acme_[0-9a-z]{20}", "(?:acme_)?", "nothing at all"),
        ("severity: high", "anchor: 'a{300}'\n    severity: high", "anchor"),
    ],
)
def test_a_pattern_that_cannot_be_searched_for_names_its_rule(old: str, new: str, what: str) -> None:
    with pytest.raises(DeadkeyError, match=f"rule acme-token: pattern: .*{what}"):
        compiled(GOOD.replace(old, new))


def test_a_pattern_that_refers_back_is_compiled() -> None:
    assert compiled(GOOD.replace("acme_[0-9a-z]{20}", "(?P<q>[_-])acme_[0-9a-z]{20}(?P=q)")).rules[0].id == "acme-token"


def test_folders_without_rules_and_folders_that_are_none_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DeadkeyError, match="holds no rule files"):
        cache.read_files((tmp_path,))
    with pytest.raises(DeadkeyError, match="cannot read rules"):
        cache.read_files((tmp_path / "nowhere",))


def test_the_schema_for_editors_knows_every_key_of_a_file() -> None:
    schema = RuleFile.model_json_schema(by_alias=True)
    keys = set(schema["$defs"]["RuleSpec"]["properties"])
    assert set(yaml.safe_load(GOOD)["rules"][0]) <= keys
    assert {"with", "checksum", "known", "context"} <= keys
