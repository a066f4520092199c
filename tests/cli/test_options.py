"""The options that every scanning verb shares, and the exit statuses."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from tests.cli.parts import Token, one_line, scan, secrets
from tests.conftest import deadkey

ACME = """
provider: Acme
home: https://acme.dev
rules:
  - id: acme-key
    name: Acme key
    severity: medium
    confidence: low
    pattern: '\\bacme_[0-9a-z]{24}\\b'
    examples: ['KEY={token}']
    rejects: ['acme_1']
    docs: https://acme.dev/docs
    rotate: https://acme.dev/keys
"""


@pytest.fixture
def tree(tmp_path: Path, token: Token) -> Path:
    """A folder with a GitHub token and an npm token of the same making, and the rules of Acme beside it."""
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree/a.py").write_bytes(b"# a\ngh = '" + token("a") + b"'\n")
    (tmp_path / "tree/b.py").write_bytes(b"acme = '" + acme(token) + b"'\n")
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules/acme.yaml").write_text(ACME)
    return tmp_path


def acme(token: Token) -> bytes:
    return b"acme_" + token("acme")[4:28].lower()


def files(tree: Path, *arguments: str, status: int = 1) -> list[bytes]:
    return secrets(scan("files", "tree", "--rules", "rules", *arguments, status=status, cwd=tree))


def test_a_folder_of_own_rules_beside_the_shipped_ones(tree: Path, token: Token) -> None:
    assert files(tree) == sorted([token("a"), acme(token)])
    assert secrets(scan("files", "tree", "--only", "github-*", cwd=tree)) == [token("a")]


def test_only_and_skip(tree: Path, token: Token) -> None:
    assert files(tree, "--only", "github-*") == [token("a")]
    assert files(tree, "--only", "github-pat", "--only", "acme-*") == sorted([token("a"), acme(token)])
    assert files(tree, "--only", "acme-key", "--skip", "acme-*", status=0) == []
    assert files(tree, "--skip", "github-*") == [acme(token)]


def test_a_name_that_is_no_rule_is_told_with_the_nearest_one(tree: Path) -> None:
    done = deadkey("scan", "files", "tree", "--only", "github-pta", cwd=tree)
    assert done.returncode == 2
    assert one_line(done.stderr) == "--only github-pta: no such rule; did you mean github-pat?"


def test_min_confidence(tree: Path, token: Token) -> None:
    assert files(tree, "--min-confidence", "low") == sorted([token("a"), acme(token)])
    assert files(tree, "--min-confidence", "medium") == [token("a")]
    assert files(tree, "--min-confidence", "high") == [token("a")]


def test_a_baseline_leaves_out_what_is_known(tree: Path, token: Token) -> None:
    made = deadkey("baseline", "create", "tree", "--files", "--output", "known", cwd=tree)
    assert made.returncode == 0, made.stderr
    assert b"1 known secrets" in made.stdout
    assert token("a") not in b"".join(file.read_bytes() for file in (tree / "known").iterdir())
    assert secrets(scan("files", "tree", "--baseline", "known", status=0, cwd=tree)) == []
    (tree / "tree/moved.py").write_bytes(b"gh = '" + token("a") + b"'\ngh = '" + token("new") + b"'\n")
    report = scan("files", "tree", "--baseline", "known", cwd=tree)
    assert secrets(report) == [token("new")]
    assert report["statistics"]["known"] == 1
    updated = deadkey("baseline", "update", "tree", "--files", "--output", "known", cwd=tree)
    assert b"1 more, 2 known secrets" in updated.stdout
    assert secrets(scan("files", "tree", "--baseline", "known", status=0, cwd=tree)) == []


def test_the_table_shows_where_and_hides_what(tree: Path, token: Token) -> None:
    done = deadkey("scan", "files", "tree", cwd=tree)
    text = done.stdout.decode()
    assert done.returncode == 1
    assert "tree/a.py:2" in text
    assert "critical" in text
    assert text.endswith("1 secret in 1 place.\n")
    assert token("a").decode() not in text
    assert "\x1b" not in text
    shown = deadkey("scan", "files", "tree", "--show-secrets", cwd=tree)
    assert token("a") in shown.stdout


@pytest.mark.parametrize("format", ["table", "json", "jsonl", "sarif"])
def test_no_format_shows_a_secret_unasked(tree: Path, token: Token, format: str) -> None:
    done = deadkey("scan", "files", "tree", "--rules", "rules", "--format", format, cwd=tree)
    assert done.returncode == 1
    assert b"a.py" in done.stdout
    assert token("a") not in done.stdout
    assert acme(token) not in done.stdout


def test_json_lines_and_sarif_say_the_same_as_json(tree: Path) -> None:
    def out(format: str) -> str:
        return deadkey("scan", "files", "tree", "--rules", "rules", "--format", format, cwd=tree).stdout.decode()

    fingerprints = sorted(f["fingerprint"] for f in json.loads(out("json"))["findings"])
    assert len(fingerprints) == 2
    lines = [json.loads(line) for line in out("jsonl").splitlines()]
    assert sorted(x["fingerprint"] for x in lines if "fingerprint" in x) == fingerprints
    sarif = json.loads(out("sarif"))
    schema = Path(__file__).parent.parent / "report/sarif-schema-2.1.0-rtm.5.json"
    jsonschema.validate(sarif, json.loads(schema.read_text()))
    results = sarif["runs"][0]["results"]
    assert sorted(r["ruleId"] for r in results) == ["acme-key", "github-pat"]
    regions = [r["locations"][0]["physicalLocation"] for r in results if r["ruleId"] == "github-pat"]
    assert [(x["artifactLocation"]["uri"], x["region"]["startLine"]) for x in regions] == [("tree/a.py", 2)]


def test_a_report_goes_to_a_file(tree: Path, token: Token) -> None:
    done = deadkey("scan", "files", "tree", "--format", "json", "--output", "report.json", cwd=tree)
    assert (done.returncode, done.stdout) == (1, b"")
    assert [f["rule"] for f in json.loads((tree / "report.json").read_text())["findings"]] == ["github-pat"]
    again = deadkey("report", "report.json", cwd=tree)
    assert again.returncode == 0
    assert b"tree/a.py:2" in again.stdout


def test_quiet_says_nothing_about_nothing(tree: Path) -> None:
    done = deadkey("scan", "files", "tree", "--only", "npm-*", "--quiet", cwd=tree)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    done = deadkey("scan", "files", "tree", "--quiet", cwd=tree)
    assert (done.returncode, done.stderr) == (1, b"")
    assert b"tree/a.py:2" in done.stdout


def test_explain_says_why_each_candidate_was_kept_or_dropped(tree: Path, token: Token) -> None:
    wrong = token("a")[:-1] + (b"A" if token("a")[-1:] != b"A" else b"B")
    (tree / "tree/c.py").write_bytes(b"gh = '" + wrong + b"'\n")
    done = deadkey("scan", "files", "tree", "--explain", cwd=tree)
    assert done.returncode == 1
    said = done.stderr.decode().splitlines()
    assert [line for line in said if line.startswith("tree/a.py: ") and "github-pat" in line and line.endswith("kept")]
    assert [line for line in said if line.startswith("tree/c.py: ") and "github-pat" in line and "checksum" in line]
    assert token("a") not in done.stderr
    assert wrong not in done.stderr


def test_explain_over_several_processes_says_the_same(tree: Path) -> None:
    (tree / "tree/large").write_bytes(b"x = 1\n" * 3_000_000)
    one, two = (deadkey("scan", "files", "tree", "--explain", "--jobs", n, cwd=tree) for n in ("1", "2"))
    assert one.returncode == two.returncode == 1
    assert one.stderr == two.stderr
    assert one.stdout == two.stdout


def test_the_options_stand_before_or_behind_the_paths(tree: Path) -> None:
    before = deadkey("scan", "files", "--only", "github-*", "-f", "jsonl", "tree", cwd=tree)
    behind = deadkey("scan", "files", "tree", "-f", "jsonl", "--only", "github-*", cwd=tree)
    assert before.returncode == behind.returncode == 1
    assert before.stdout.splitlines()[0] == behind.stdout.splitlines()[0]


# Exit statuses --------------------------------------------------------------------------------------------------------


def test_exit_statuses(tree: Path) -> None:
    def status(*arguments: str) -> int:
        return deadkey("scan", "files", *arguments, cwd=tree).returncode

    (tree / "tree/broken.gz").write_bytes(b"\x1f\x8b\x08\0\0\0\0\0\0\x03cut off")
    assert status("rules") == 0
    assert status("tree/a.py") == 1
    assert status("nowhere") == 2
    assert status("tree/broken.gz") == 3
    assert status("tree") == 3, "findings and something unread: the scan is incomplete"


def test_a_token_in_a_file_s_name_stays_out_of_the_report(tree: Path, token: Token) -> None:
    (tree / "tree" / f"{token('a').decode()}.txt").write_bytes(token("a"))
    for format in ("table", "json", "jsonl", "sarif"):
        done = deadkey("scan", "files", "tree", "--format", format, cwd=tree)
        assert done.returncode == 1
        assert token("a") not in done.stdout
