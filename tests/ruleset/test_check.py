"""`rules check` names each fault that a rule of good form can still have, and the command says so with its status."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from scanner.cli.main import command
from scanner.pipeline import rule_bench
from scanner.ruleset import cache
from scanner.ruleset.check import check
from scanner.ruleset.load import read

GOOD: dict[str, Any] = {
    "id": "acme-token",
    "name": "Acme token",
    "severity": "high",
    "confidence": "high",
    "pattern": r"\bacme_[0-9A-Za-z]{24}\b",
    "examples": ["ACME={token}", "token: {token}", '"acme": "{token}"', "curl -H 'X-Acme: {token}'"],
    "rejects": ["acme_short", "acme_" + "x" * 24],
    "docs": "https://docs.acme.dev/tokens",
    "rotate": "https://acme.dev/tokens",
}
ACCOUNT: dict[str, Any] = {
    **GOOD,
    "id": "acme-account",
    "component": True,
    "pattern": r"\bacct-[0-9]{9}\b",
    "examples": ["{token}"],
    "rejects": [],
}
VERIFY: dict[str, Any] = {
    "request": {"url": "https://api.acme.dev/me", "headers": {"Authorization": "Bearer {{ secret }}"}},
    "live": {"status": [200]},
    "dead": {"status": [401]},
}


@pytest.fixture
def only_acme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Acme's folder in place of the shipped rules."""
    folder = tmp_path / "rules"
    folder.mkdir()
    monkeypatch.setattr(cache, "shipped", lambda: folder)
    return folder


def faults(folder: Path, *rules: dict[str, Any]) -> list[str]:
    content = {"provider": "Acme", "home": "https://acme.dev", "rules": list(rules)}
    (folder / "acme.yaml").write_text(json.dumps(content))
    files, bench = rule_bench()
    return [fault for file in files.values() for fault in check(file, bench)]


def test_a_good_rule_has_no_fault(only_acme: Path) -> None:
    companion = {"rule": "acme-account", "name": "account"}
    asking = {**VERIFY, "request": {**VERIFY["request"], "params": {"of": "{{ account }}"}}}
    assert faults(only_acme, {**GOOD, "with": [companion], "verify": asking}, ACCOUNT) == []


CASES: dict[str, tuple[dict[str, Any], str]] = {
    "an example that is not found": (
        {"examples": [*GOOD["examples"], "x{token}"]},
        "examples: number 5 is not found (but nothing)",
    ),
    "a literal example that is not found": (
        {"examples": [*GOOD["examples"], "nothing at all"]},
        "examples: number 5 is not found",
    ),
    "another secret in an example": (
        {"examples": [*GOOD["examples"], "acme_" + "Qz7kW2vR9tXm4B1cLp8s" + "D3fG {token}0"]},
        "examples: number 5 is not found with another secret",
    ),
    "too few examples": ({"examples": ["{token}"]}, "examples: show at least 4 settings, not 1"),
    "too few rejects": ({"rejects": ["acme_short"]}, "rejects: show at least two lines"),
    "a reject that is found": (
        {"rejects": ["fine", "acme_" + "Qz7kW2vR9tXm4B1cLp8s" + "D3fG"]},
        "rejects: number 2 is found: acme_",
    ),
    "a pattern that nothing matches": ({"pattern": "acme_(?!a)a[0-9]{20}"}, "examples: no example could be generated"),
    "a limit that nothing reaches": ({"min_entropy": 7.5}, "examples: no example could be generated"),
    "a variable that is not there": (
        {"verify": {**VERIFY, "request": {"url": "https://api.acme.dev/{{ tenant }}"}}},
        "template: tenant is not defined (there are endpoint, secret)",
    ),
    "an owner's name that is not there": (
        {
            "revoke": {
                "by": "owner",
                "owner": {"admin_key": "a key of an administrator"},
                "request": {"url": "https://api.acme.dev/x", "headers": {"X": "{{ owner.admin }}"}},
                "done": {"status": [204]},
                "effect": "It ends.",
                "docs": "https://docs.acme.dev/",
            }
        },
        "template: owner.admin is not defined",
    ),
    "a template that does not parse": (
        {"verify": {**VERIFY, "request": {"url": "https://api.acme.dev/", "body": "{{ secret"}}},
        "template: {{ secret: ",
    ),
    "a filter that is not there": (
        {"verify": {**VERIFY, "request": {"url": "https://api.acme.dev/", "form": {"a": "{{ secret | frobnicate }}"}}}},
        "template: {{ secret | frobnicate }}: ",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_each_kind_of_fault_is_named(only_acme: Path, name: str) -> None:
    change, expected = CASES[name]
    found = faults(only_acme, {**GOOD, **change})
    assert any(fault.startswith(f"rule acme-token: {expected}") for fault in found), found
    assert all(fault.startswith("rule acme-token: ") for fault in found)


def test_a_saved_value_may_be_used_by_what_follows(only_acme: Path) -> None:
    step = {"request": {"url": "https://api.acme.dev/id"}, "save": {"key_id": "body.id"}}
    asking = {**VERIFY, "steps": [step], "request": {"url": "https://api.acme.dev/{{ key_id }}/{{ secret }}"}}
    assert faults(only_acme, {**GOOD, "verify": asking}) == []


def test_two_rules_that_claim_one_secret_must_know_of_each_other(only_acme: Path) -> None:
    other = {**GOOD, "id": "acme-other", "pattern": r"\bacme_[0-9A-Za-z]{24}(?![0-9A-Za-z])"}
    found = faults(only_acme, GOOD, other)
    assert found[0].startswith("rule acme-other: examples: number 1 is not found (but acme-token): ACME=acme_")


def test_a_checksum_that_is_not_there_is_named(only_acme: Path) -> None:
    (only_acme / "acme.yaml").write_text(json.dumps({"provider": "Acme", "home": "https://acme.dev", "rules": [GOOD]}))
    _, bench = rule_bench()
    file = read(
        "a.yaml",
        json.dumps({"provider": "A", "home": "https://acme.dev", "rules": [{**GOOD, "checksum": "md4"}]}).encode(),
    )
    assert list(check(file, bench)) == ["rule acme-token: checksum: there is no checksum 'md4'"]


def test_components_are_not_asked_for_what_only_findings_need(only_acme: Path) -> None:
    assert faults(only_acme, GOOD, ACCOUNT) == []
    assert faults(only_acme, GOOD, {**ACCOUNT, "component": False}) != []


def test_examples_are_made_with_their_companions(only_acme: Path) -> None:
    shown = []

    def find(text: bytes) -> list[tuple[str, bytes]]:
        shown.append(text)
        return []

    content = {
        **GOOD,
        "with": [{"rule": "acme-account", "name": "account"}],
        "examples": ["{account}:{token}"],
    }
    faults(only_acme, content, ACCOUNT)
    files, bench = rule_bench()
    (file,) = files.values()
    list(check(file, bench._replace(find=find)))
    account, token = shown[0].split(b":")
    assert account.startswith(b"acct-") and token.startswith(b"acme_")


def run(*arguments: str) -> Result:
    return CliRunner().invoke(command, ["rules", *arguments])


def test_the_command_counts_faults_and_fails(only_acme: Path, tmp_path: Path) -> None:
    assert faults(only_acme, GOOD) == []
    done = run("check")
    assert (done.exit_code, done.stdout) == (0, "1 rules, 0 faults\n")
    more = tmp_path / "more"
    more.mkdir()
    content = {**GOOD, "id": "own-token", "pattern": r"\bown_[0-9a-f]{24}\b", "rejects": []}
    (more / "own.yaml").write_text(json.dumps({"provider": "Own", "home": "https://own.dev", "rules": [content]}))
    done = run("check", str(more))
    assert (done.exit_code, done.stdout) == (2, "2 rules, 1 faults\n")
    assert (
        done.stderr == f"{more / 'own.yaml'}: rule own-token: rejects: show at least two lines that must not be found\n"
    )


@pytest.mark.parametrize("pattern", [r"\bacme_(?:[0-9a-f]{1,8}){8,400}!", r"\bacme_(?:[a-z0-9]+[0-9a-f]{0,9}){20,90}#"])
def test_a_pattern_that_goes_on_for_ever_is_named(only_acme: Path, pattern: str) -> None:
    bounded = pattern.replace("+", "{1,60}")
    (fault,) = faults(only_acme, {**GOOD, "pattern": bounded})
    assert "pattern: takes too long on text that almost matches" in fault
