"""The shipped rules prove themselves, and the list of them says what each can do."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from scanner.cli.main import command
from scanner.detect.checksums import CHECKSUMS
from scanner.model import LEVELS
from scanner.ruleset.ruleset import Ruleset
from tests.conftest import deadkey


def test_the_shipped_rules_have_no_fault() -> None:
    done = CliRunner().invoke(command, ["rules", "check"])
    assert done.stderr == ""
    assert done.exit_code == 0
    count, faults = done.stdout.removesuffix("\n").split(", ")
    assert (int(count.removesuffix(" rules")) > 150, faults) == (True, "0 faults")


FIELDS = ["id", "provider", "name", "severity", "confidence", "verifies", "identifies", "revokes"]


def test_the_list_says_what_each_rule_can_do() -> None:
    done = deadkey("rules", "list", "--format", "json")
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)
    assert all(list(row) == FIELDS for row in rows)
    assert len({row["id"] for row in rows}) == len(rows) > 150
    by_id = {row["id"]: row for row in rows}
    assert by_id["github-pat"] == {
        "id": "github-pat",
        "provider": "GitHub",
        "name": "GitHub personal access token (classic)",
        "severity": "critical",
        "confidence": "high",
        "verifies": True,
        "identifies": True,
        "revokes": True,
    }
    assert not by_id["generic-secret"]["verifies"] and not by_id["generic-secret"]["revokes"]
    assert all(row["severity"] in LEVELS and row["confidence"] in LEVELS for row in rows)
    assert all(row["verifies"] for row in rows if row["identifies"])


def test_the_table_lists_the_same_rules() -> None:
    rows = json.loads(CliRunner().invoke(command, ["rules", "list", "--format", "json"]).stdout)
    table = CliRunner().invoke(command, ["rules", "list"]).stdout
    words = table.split()
    assert [row["id"] for row in rows if row["id"] not in words] == []
    assert f"{len(rows)} rules of {len({row['provider'] for row in rows})} providers" in table


def test_a_rule_is_shown_as_it_is_written() -> None:
    done = CliRunner().invoke(command, ["rules", "show", "github-pat"])
    assert done.exit_code == 0
    assert "pattern: \\bghp_[0-9A-Za-z]{36}\\b" in done.stdout
    assert "provider: GitHub" in done.stdout
    done = deadkey("rules", "show", "github-pad")
    assert done.returncode == 2
    assert b"github-pad: no such rule" in done.stderr


def test_the_schema_is_one() -> None:
    schema = json.loads(CliRunner().invoke(command, ["rules", "schema"]).stdout)
    assert schema["properties"].keys() == {"provider", "home", "domains", "rules"}
    assert schema["additionalProperties"] is False


def test_what_the_rules_name_is_there(ruleset: Ruleset) -> None:
    assert {rule.checksum for rule in ruleset.rules if rule.checksum} <= CHECKSUMS.keys()
    assert {c.rule for rule in ruleset.rules for c in rule.companions} <= ruleset.by_id.keys()


@pytest.mark.parametrize("field", ["url"])
def test_every_request_goes_to_the_provider_over_tls(ruleset: Ruleset, field: str) -> None:
    asked = 0
    for rule in ruleset.rules:
        actions = ruleset.actions(rule.id)
        for part in (actions["verify"], actions["revoke"]):
            for request in [s["request"] for s in (part or {}).get("steps", [])] + [(part or {}).get("request")]:
                if request:
                    asked += 1
                    assert request[field].startswith(("https://", "{{ endpoint")), rule.id
    assert asked > 100
