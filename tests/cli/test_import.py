"""`deadkey import`: what another scanner had allowed is not reported afterwards, and what could not be carried over is said."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from scanner.adopt.go import translated
from tests.cli.parts import Token, one_line, scan, secrets
from tests.conftest import GitRepo, deadkey


@pytest.fixture
def leaky(repo: GitRepo, token: Token) -> GitRepo:
    """A token in the source, which nobody allowed, and one in each of a few other places."""
    repo.write("src/a.py", b"t = '" + token("source") + b"'\n")
    repo.write("tests/data/b.py", b"# data\nt = '" + token("data") + b"'\n")
    repo.write("old.py", b"\nt = '" + token("old") + b"'\n")
    repo.commit()
    return repo


def adopted(repo: GitRepo, *arguments: str) -> str:
    done = deadkey("import", *arguments, cwd=repo.path)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


def rescanned(repo: GitRepo, *arguments: str, verb: tuple[str, ...] = ("git",), status: int = 1) -> list[bytes]:
    extra = ("--baseline", ".deadkey-baseline") if (repo.path / ".deadkey-baseline").exists() else ()
    return secrets(scan(*verb, *extra, *arguments, status=status, cwd=repo.path))


GITLEAKS = r"""
title = "ours"
[extend]
useDefault = true
disabledRules = ["slack-bot-token", "never-heard-of"]

[[rules]]
id = "acme-token"
description = "Acme token"
regex = '''(?i)acme[_-]token\s*[:=]\s*['"]?(acme_[[:alnum:]]{32})['"]?(?:\s|$)'''
secretGroup = 1
entropy = 3.0
keywords = ["acme"]
    [[rules.allowlists]]
    paths = ['''^samples/''']

[[rules]]
id = "pem-file"
path = '''\.pem$'''

[[rules]]
id = "greek"
regex = '''\p{Greek}{20}'''

[[allowlists]]
description = "made-up data"
paths = ['''^tests/data/''', '''(?-i)\.lock\z''']

[[allowlists]]
description = "stopword"
stopwords = ["STOPME"]

[[allowlists]]
condition = "AND"
regexes = ['''^ghp_''']
paths = ['''^both/''']

[[allowlists]]
description = "lines"
regexTarget = "line"
regexes = ['''not[ ]a[ ]secret''']
"""


@pytest.mark.parametrize("name", [".gitleaks.toml", ".betterleaks.toml"])
def test_a_configuration_with_rules_and_allowlists(leaky: GitRepo, token: Token, name: str) -> None:
    acme = [b"acme_" + token(seed)[4:36] for seed in "xy"]
    leaky.write(name, GITLEAKS.encode())
    leaky.write("both/c.py", b"t = '" + token("both") + b"'\n")
    leaky.write("d.py", b"t = '" + token("line") + b"'  # not a secret\n")
    leaky.write("samples/e.py", b"acme_token = '" + acme[0] + b"'\n")
    leaky.write("src/f.py", b"acme_token = '" + acme[1] + b"'\n")
    leaky.write("old.py", b"gone = 1\n")
    said = adopted(leaky, name)
    leaky.commit("more")
    assert "deadkey-rules/imported.yaml: 1 rule; scan with --rules deadkey-rules\n" in said
    assert f"{name}: rule pem-file: not carried over: it looks at paths alone" in said
    assert f"{name}: rule greek: not carried over: \\p is not known" in said
    assert f"{name}: allowlist 4: patterns of lines are no allowances" in said
    assert "never-heard-of; its allowance is for generic-* alone" in said
    for verb in (("git",), ("files", ".")):
        found = rescanned(leaky, "--rules", "deadkey-rules", verb=verb)
        assert found == sorted([token("source"), acme[1], *([token("old")] if verb == ("git",) else [])])


def test_a_stopword_and_and(leaky: GitRepo, token: Token) -> None:
    leaky.write(".gitleaks.toml", GITLEAKS.replace("STOPME", token("source").decode()[6:14].upper()).encode())
    leaky.write("elsewhere/c.py", b"t = '" + token("both") + b"'\n")
    adopted(leaky, ".gitleaks.toml")
    leaky.commit("more")
    assert rescanned(leaky) == sorted([token("both"), token("old")])


def test_the_old_form_of_allowlists_and_commits(leaky: GitRepo, token: Token) -> None:
    first = leaky.git("rev-parse", "HEAD")
    leaky.write("new.py", b"t = '" + token("new") + b"'\n")
    leaky.write(".gitleaks.toml", f"[allowlist]\ncommits = ['{first}', 'main']\n".encode())
    said = adopted(leaky, ".gitleaks.toml")
    leaky.commit("more")
    assert "allowlist 1: not carried over: main is no commit's id" in said
    assert "it does without the default rules" in said
    assert rescanned(leaky) == [token("new")]


@pytest.mark.parametrize("name", [".gitleaksignore", ".betterleaksignore"])
def test_an_ignore_file(leaky: GitRepo, token: Token, name: str) -> None:
    commit = leaky.git("rev-parse", "HEAD")
    leaky.git("rm", "-q", "old.py")
    leaky.write(
        name,
        f"# known\n{commit}:old.py:github-pat:2\ntests/data/b.py:github-pat:2\nsrc/a.py:x:7\ngone.py:x:1\n{'0' * 40}:a:b:1\n?\n".encode(),
    )
    said = adopted(leaky, name)
    leaky.commit("more")
    assert ".deadkey-baseline: 2 known secrets" in said
    assert f"{name}:4: nothing to carry over: deadkey finds no secret there" in said
    assert f"{name}:5: not carried over: there is no such file\n" in said
    assert f"{name}:6: not carried over: there is no such file in that commit" in said
    assert f"{name}:7: not carried over: not COMMIT:PATH:RULE:LINE" in said
    assert rescanned(leaky) == [token("source")]


def test_a_baseline_that_detect_secrets_made(leaky: GitRepo, token: Token) -> None:
    leaky.write("conf/app.py", b'password = "' + token("pw")[4:24] + b'"\n')
    leaky.write("conf/key.py", b'aws = "AKIA' + b"QYLPMN5HHHFPZAM2" + b'"\n')
    leaky.git("add", "-A")
    made = subprocess.run(
        [sys.executable, "-m", "detect_secrets", "scan", "--exclude-files", "^src/", "--exclude-lines", "magic"],
        cwd=leaky.path,
        capture_output=True,
        check=True,
    )
    baseline = json.loads(made.stdout)
    assert {"conf/app.py", "old.py", "tests/data/b.py"} <= set(baseline["results"])
    baseline["results"]["old.py"][0]["is_secret"] = True
    baseline["results"]["old.py"][0]["line_number"] = 99  # it moves; the hash stays
    leaky.write(".secrets.baseline", json.dumps(baseline, indent=2).encode())
    said = adopted(leaky, ".secrets.baseline")
    assert "known secret" in said
    leaky.write("late.py", b"t = '" + token("late") + b"'\n")
    leaky.commit("more")
    for verb in (("git",), ("files", ".")):
        assert rescanned(leaky, verb=verb) == [token("late")]
    labels = [p.read_text().split()[2:] for p in (leaky.path / ".deadkey-baseline").iterdir() if p.name != "salt"]
    assert ["true"] in labels


def test_a_baseline_of_an_early_version(leaky: GitRepo, token: Token) -> None:
    old = {"version": "0.13.1", "exclude": {"files": "^src/|^tests/", "lines": None}, "results": {}}
    leaky.write("known.json", json.dumps(old).encode())
    adopted(leaky, "known.json")
    assert rescanned(leaky) == [token("old")]


def test_excluded_paths_of_trufflehog(leaky: GitRepo, token: Token) -> None:
    leaky.write("trufflehog-exclude.txt", b"# ours\n^tests/\n\\.py[0-9]$\n(((\n")
    said = adopted(leaky, "trufflehog-exclude.txt")
    assert "not carried over: the pattern (((" in said
    assert rescanned(leaky) == sorted([token("source"), token("old")])


def test_a_filter_of_betterleaks(leaky: GitRepo, token: Token) -> None:
    text = """
prefilter = '''filter.matchesAny(attributes[?"path"].orValue(""), [r\"\"\"^tests/\"\"\", r\"\"\"\\.lock$\"\"\"])'''
filter = '''
filter.containsAny(finding["secret"], ["%s"]) || filter.entropy(finding["secret"]) <= 2.5
'''
"""
    leaky.write("ours.toml", (text % token("source").decode()[8:16]).encode())
    said = adopted(leaky, "ours.toml")
    assert 'filter: not carried over: filter.entropy(finding["secret"]) <= 2.5' in said
    assert rescanned(leaky) == [token("old")]


def test_several_files_become_one_configuration(leaky: GitRepo, token: Token) -> None:
    leaky.write(".gitleaks.toml", b"[[allowlists]]\npaths = ['^tests/']\n")
    leaky.write(".gitleaksignore", b"old.py:github-pat:2\n")
    adopted(leaky, ".gitleaks.toml", ".gitleaksignore")
    assert rescanned(leaky) == [token("source")]
    assert scan("staged", status=0, cwd=leaky.path)["findings"] == []


def test_nothing_is_overwritten(leaky: GitRepo) -> None:
    leaky.write(".gitleaks.toml", b"[[allowlists]]\npaths = ['^tests/']\n")
    adopted(leaky, ".gitleaks.toml")
    done = deadkey("import", ".gitleaks.toml", cwd=leaky.path)
    assert done.returncode == 2
    assert ".deadkey.yaml: is there already; write elsewhere with --allowances" in one_line(done.stderr)


def test_no_secret_is_written(leaky: GitRepo, token: Token) -> None:
    leaky.write(".gitleaksignore", b"old.py:github-pat:2\n")
    said = adopted(leaky, ".gitleaksignore")
    written = [p.read_text() for p in (leaky.path / ".deadkey-baseline").iterdir()]
    assert token("old").decode()[4:] not in said + "".join(written)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.toml", b"[[", "a.toml: not TOML: "),
        ("a.baseline", b"{", "a.baseline: not a detect-secrets baseline"),
        ("a.baseline", b'{"results": []}', "a.baseline: not a detect-secrets baseline"),
        ("what", b"hello\n", "what: what is it? say so with --as"),
        ("what", b"\0", "what: not text"),
    ],
)
def test_what_cannot_be_read_is_named(leaky: GitRepo, name: str, content: bytes, said: str) -> None:
    leaky.write(name, content)
    done = deadkey("import", name, cwd=leaky.path)
    assert done.returncode == 2
    assert said in one_line(done.stderr)
    assert not (leaky.path / ".deadkey.yaml").exists()


def test_a_baseline_reads_nothing_outside_of_the_repository(leaky: GitRepo, token: Token) -> None:
    (leaky.path.parent / "outside.py").write_bytes(b"t = '" + token("out") + b"'\n")
    leaky.write(".gitleaksignore", b"../outside.py:x:1\n" + str(leaky.path.parent).encode() + b"/outside.py:x:1\n")
    assert adopted(leaky, ".gitleaksignore").count("there is no such file") == 2
    assert not (leaky.path / ".deadkey-baseline").exists()


@pytest.mark.parametrize(
    ("go", "text", "finds"),
    [
        (r"a(?i)b", "aB", True),
        (r"(?:a(?i)b)c", "aBC", False),
        (r"[[:alpha:]_]+$", "ab_", True),
        (r"[^[:digit:]]\z", "1", False),
        (r"\Qa.b\E", "axb", False),
        (r"^x", "y\nx", True),
        (r"[]a]b", "]b", True),
        (r"[^]a]b", "]b", False),
        (r"[a[]b", "[b", True),
        (r"(?P<n>a)\x{41}", "aA", True),
        (r"a{2,}", "aa", True),
        (r"[{2,}*+]", "+", True),
    ],
)
def test_patterns_of_go_mean_the_same(go: str, text: str, finds: bool) -> None:
    import re

    assert bool(re.search(translated(go), text)) == finds
    assert bool(re.search(translated(go, bounded=True), text)) == finds
