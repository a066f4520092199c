"""Two saved reports: what is new, what is gone, what is still there, and when that cannot be said."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from scanner.model import Finding, Report, Skip, Verdict
from scanner.report import Options, load
from tests.cli.parts import Token, one_line
from tests.conftest import GitRepo, deadkey

from .samples import finding, location


def one(key: str, **changes: object) -> Finding:
    known: dict[str, object] = {"name": f"Token {key}", "locations": (location(path=f"{key}.py", blob=key * 40),)}
    return finding(fingerprint=key * 32, **known | changes)


def saved(path: Path, *findings: Finding, skipped: tuple[Skip, ...] = (), format: str = "json") -> None:
    with path.open("w") as out:
        load(format).render(Report(findings, skipped, {"bytes": 1}), Options(), out)


def compared(folder: Path, *options: str, status: int = 0) -> str:
    done = deadkey("report", "new.json", "--compare", "old.json", *options, cwd=folder)
    assert done.returncode == status, done.stderr.decode()
    assert done.stderr == b""
    return done.stdout.decode()


def test_new_gone_and_still_there(tmp_path: Path) -> None:
    saved(tmp_path / "old.json", one("a"), one("b", verdict=Verdict("live")))
    moved = one("b", verdict=Verdict("dead"), locations=(location(path="elsewhere.py", blob="9" * 40),))
    saved(tmp_path / "new.json", moved, one("c"))
    lines = compared(tmp_path, status=1).splitlines()
    assert [" ".join(line.split()) for line in lines] == [
        "New (1)",
        f"high Token c #{'c' * 8} c.py:12 not verified",
        "Gone (1)",
        f"high Token a #{'a' * 8} a.py:12 not verified",
        "Still there (1)",
        f"high Token b #{'b' * 8} elsewhere.py:12 dead (was live)",
        "1 new, 1 gone, 1 still there.",
    ]


def test_nothing_new_is_status_0(tmp_path: Path) -> None:
    saved(tmp_path / "old.json", one("a"), one("b"))
    saved(tmp_path / "new.json", one("b"))
    assert compared(tmp_path).endswith("0 new, 1 gone, 1 still there.\n")


@pytest.mark.parametrize("side", ["old.json", "new.json"])
def test_an_incomplete_scan_is_status_3_and_named(tmp_path: Path, side: str) -> None:
    for name in ("old.json", "new.json"):
        saved(tmp_path / name, one("a"), skipped=(Skip("big.zip", "encrypted"),) if name == side else ())
    text = compared(tmp_path, status=3)
    assert "big.zip" in text and "incomplete" in text
    assert ("in the earlier scan" in text) == (side == "old.json")


def test_as_json(tmp_path: Path) -> None:
    saved(tmp_path / "old.json", one("a"), one("b", verdict=Verdict("live")))
    saved(tmp_path / "new.json", one("b", verdict=Verdict("dead")), one("c"))
    told = json.loads(compared(tmp_path, "--format", "json", status=1))
    assert [f["fingerprint"] for f in told["new"]] == ["c" * 32]
    assert [f["fingerprint"] for f in told["gone"]] == ["a" * 32]
    assert told["still"] == [{"fingerprint": "b" * 32, "rule": "acme-token", "was": "live", "now": "dead"}]
    assert told["incomplete"] is False


@pytest.mark.parametrize("format", ["csv", "markdown", "html"])
def test_other_formats_have_a_column_more(tmp_path: Path, format: str) -> None:
    saved(tmp_path / "old.json", one("a"), one("b"))
    saved(tmp_path / "new.json", one("b"), one("c"))
    text = compared(tmp_path, "--format", format, status=1)
    if format == "csv":
        told = {row["name"]: row["change"] for row in csv.DictReader(io.StringIO(text))}
        assert told == {"Token a": "gone", "Token b": "still there", "Token c": "new"}
    elif format == "markdown":
        ends = {
            line.split(" | ")[1].split(" `")[0]: line.split(" | ")[-1] for line in text.splitlines() if "Token" in line
        }
        assert ends == {"Token a": "gone |", "Token b": "still there |", "Token c": "new |"}
    else:
        assert text.count('class="state c-new"') == text.count('class="state c-gone"') == 1


def test_other_keys_are_an_error_where_it_is_certain(tmp_path: Path) -> None:
    place = (location(),)
    saved(tmp_path / "old.json", one("a", locations=place))
    saved(tmp_path / "new.json", one("b", locations=place))
    done = deadkey("report", "new.json", "--compare", "old.json", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, b"")
    assert "different fingerprint keys" in one_line(done.stderr)
    assert one_line(done.stderr).startswith("old.json, new.json: ")


def test_other_keys_are_a_note_where_it_may_have_been_replaced(tmp_path: Path) -> None:
    place = (location(blob=None, commit=None, source="files"),)
    saved(tmp_path / "old.json", one("a", locations=place))
    saved(tmp_path / "new.json", one("b", locations=place))
    done = deadkey("report", "new.json", "--compare", "old.json", cwd=tmp_path)
    assert done.returncode == 1
    assert "fingerprint keys" in one_line(done.stderr)


@pytest.mark.parametrize("options", [("--format", "sarif"), ("--show-secrets",)])
def test_what_a_comparison_cannot_do_is_said(tmp_path: Path, options: tuple[str, ...]) -> None:
    saved(tmp_path / "old.json", one("a"))
    saved(tmp_path / "new.json", one("a"))
    done = deadkey("report", "new.json", "--compare", "old.json", *options, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"--compare" in done.stderr


def test_the_earlier_report_that_is_missing_is_named(tmp_path: Path) -> None:
    saved(tmp_path / "new.json")
    done = deadkey("report", "new.json", "--compare", "gone.json", cwd=tmp_path)
    assert done.returncode == 2
    assert one_line(done.stderr).startswith("gone.json: ")


def test_two_scans_of_a_repository(repo: GitRepo, token: Token) -> None:
    repo.write("a.py", b"t = '" + token("a") + b"'\n")
    repo.commit()
    deadkey("scan", "files", ".", "--format", "json", "--output", "old.json", "--show-secrets", cwd=repo.path)
    repo.write("b.py", b"t = '" + token("b") + b"'\n")
    (repo.path / "a.py").rename(repo.path / "moved.py")
    deadkey("scan", "files", "b.py", "moved.py", "--format", "jsonl", "--output", "new.json", cwd=repo.path)
    text = compared(repo.path, status=1)
    assert text.endswith("1 new, 0 gone, 1 still there.\n")
    assert token("a").decode() not in text
