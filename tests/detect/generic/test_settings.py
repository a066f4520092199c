"""What a user says about secrets without a format is heeded, and a path tells how sure one is there."""

from __future__ import annotations

from pathlib import Path

import pytest

from scanner.detect.generic.profile import lowered, refused
from scanner.detect.generic.settings import Generic
from scanner.model import Finding
from scanner.pipeline import Options, load_rules, scan
from scanner.sources.files import FilesSource

SECRET = "q7Zk2Wv9" + "RtX4mB1cLp8s"


def found(folder: Path, options: Options) -> list[Finding]:
    report, _ = scan(FilesSource((str(folder),)), load_rules(options), options, b"k" * 32)
    assert not report.skipped
    return list(report.findings)


def put(folder: Path, name: str, text: str) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_it_can_be_switched_off(tmp_path: Path) -> None:
    put(tmp_path, "app.env", f"DB_PASSWORD={SECRET}\n")
    assert [f.rule for f in found(tmp_path, Options(jobs=1))] == ["generic-secret"]
    assert found(tmp_path, Options(jobs=1, generic=Generic(enabled=False))) == []


def test_words_of_ones_own_are_placeholders(tmp_path: Path) -> None:
    put(tmp_path, "app.env", f"DB_PASSWORD={SECRET}-Acmesandbox\n")
    assert len(found(tmp_path, Options(jobs=1))) == 1
    assert found(tmp_path, Options(jobs=1, generic=Generic(placeholders=("AcmeSandbox",)))) == []


def test_words_of_ones_own_announce_a_secret(tmp_path: Path) -> None:
    put(tmp_path, "app.env", f"ZUGANGSWORT={SECRET}\n")
    assert found(tmp_path, Options(jobs=1)) == []
    (finding,) = found(tmp_path, Options(jobs=1, generic=Generic(keys=("zugangswort", "kenn-satz"))))
    assert (finding.rule, finding.secret.reveal()) == ("generic-own-key", SECRET.encode())


def test_where_it_stands_says_how_sure_it_is(tmp_path: Path) -> None:
    put(tmp_path, "src/app.env", f"DB_PASSWORD={SECRET}\n")
    put(tmp_path, "tests/fixtures/app.env", f"DB_PASSWORD={SECRET[::-1]}\n")
    put(tmp_path, "legacy/app.env", f"DB_PASSWORD={SECRET[4:]}Q3\n")
    options = Options(jobs=1, generic=Generic(lower=("*/legacy/*",)))
    sure = {
        str(f.locations[0].path).rpartition("/")[0].removeprefix(str(tmp_path)): f.confidence
        for f in found(tmp_path, options)
    }
    assert sure == {"/src": "high", "/tests/fixtures": "medium", "/legacy": "medium"}
    assert len(found(tmp_path, Options(jobs=1, min_confidence="high", generic=options.generic))) == 1


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("web/package-lock.json", "a lock file"),
        ("go.sum", "a lock file"),
        ("crypto/testvectors/aes.txt", "a test vector"),
        ("third_party/wycheproof/rsa.json", "a test vector"),
        ("locale/de/messages.po", "a translation"),
        ("static/i18n/hu.json", "a translation"),
        ("static/app.min.js", "minified code or a style sheet"),
        ("app/settings.py", ""),
        ("lang/parser.go", ""),
    ],
)
def test_a_files_name_may_speak_against_it(tmp_path: Path, path: str, reason: str) -> None:
    assert refused(path) == reason
    put(tmp_path, path, f'password = "{SECRET}"\n')
    options = Options(jobs=1, explain=True)
    report, explained = scan(FilesSource((str(tmp_path),)), load_rules(options), options, b"k" * 32)
    assert bool(report.findings) == (not reason)
    assert any(reason in line for line in explained)
    assert SECRET not in "".join(explained)


@pytest.mark.parametrize(
    "path", ["a/test/b.py", "README.md", "src/app_test.go", "FooTest.java", "x.env.example", "docs/a.yaml"]
)
def test_tests_and_documents_are_told_by_their_path(path: str) -> None:
    assert lowered(path)
    assert not lowered("src/main/config.yaml")


@pytest.mark.parametrize(
    "name", [".env", "prod.env", ".env.production", "Dockerfile", "application.properties", "db.conf"]
)
@pytest.mark.parametrize(
    "line", ["DB_PASSWORD=Welcome1\n", 'export APP_SECRET="SuperPlum2024!"\n', "keystore.password=welcome123\n"]
)
def test_a_password_made_of_words_counts_where_settings_are(tmp_path: Path, name: str, line: str) -> None:
    put(tmp_path, name, line)
    assert [f.confidence for f in found(tmp_path, Options(jobs=1))] in (["low"], ["medium"])


@pytest.mark.parametrize("name", ["tests/.env", ".env.example", "main.py", "README.md", "docs/app.conf"])
def test_and_not_elsewhere(tmp_path: Path, name: str) -> None:
    put(tmp_path, name, "DB_PASSWORD=Welcome1\n")
    assert found(tmp_path, Options(jobs=1)) == []


@pytest.mark.parametrize(
    "value",
    ["changeme", "password", "${PASSWORD}", "your_password", "<password>", "secret", "/run/secrets/db", "db_password"],
)
def test_what_is_none_is_none_there_either(tmp_path: Path, value: str) -> None:
    put(tmp_path, ".env", f"DB_PASSWORD={value}\n")
    assert found(tmp_path, Options(jobs=1)) == []
