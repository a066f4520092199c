"""The documents keep what they promise: commands run and print what is shown, and every option, key and link is there."""

from __future__ import annotations

import dataclasses
import functools
import gzip
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import click
import pytest
import yaml
from click.testing import CliRunner

from scanner import config
from scanner.cli.ci import FILES
from scanner.cli.main import command as deadkey
from scanner.model import Finding, Location, Outcome, Secret, Verdict
from scanner.revoke.hooks import webhook
from scanner.revoke.hooks.interface import HookResult, payload
from scanner.ruleset import schema
from tests.conftest import GIT_AUTHOR, GitRepo, github_token

ROOT = Path(__file__).parent.parent
USAGE, RULES, WRITING = "docs/usage.md", "docs/rules.md", "docs/writing-rules.md"
ALLOWING, HOOKS, BUILDS = "docs/allowing.md", "docs/hooks.md", "docs/ci.md"
WALKED = (
    *("README.md", USAGE, RULES, WRITING, "docs/reports.md", "docs/library.md", "docs/terminal.md"),
    *(ALLOWING, HOOKS, BUILDS),
)
DOCUMENTS = sorted(str(p.relative_to(ROOT)) for p in (*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")))
UNRUN = ("network", "until-interrupted")
VERBS = ("scan", "audit", "verify", "revoke", "drill", "journal", "rules", "baseline", "report")
VERBS += ("import", "redact", "completion", "man", "install-hook", "ci")


def text(document: str) -> str:
    return (ROOT / document).read_text("utf-8")


def prose(document: str) -> str:
    """Its text without what stands between fences."""
    return re.sub(r"^```.*?^```$", "", text(document), flags=re.DOTALL | re.MULTILINE)


class Block(NamedTuple):
    """What stands between two fences: the words after the first, and the lines."""

    info: tuple[str, ...]
    lines: tuple[str, ...]
    line: int


def blocks(document: str) -> Iterator[Block]:
    info: tuple[str, ...] | None = None
    held: list[str] = []
    for number, line in enumerate(text(document).splitlines(), 1):
        if not line.startswith("```"):
            held.append(line)
        elif info is None:
            info, held = tuple(line[3:].split()), []
        else:
            yield Block(info, tuple(held), number - len(held))
            info = None
    assert info is None, f"{document}: a fence is not closed"


def files(document: str) -> dict[str, str]:
    """The blocks that are files, by the name in their first line; one may be continued in later blocks."""
    found: dict[str, str] = {}
    for block in blocks(document):
        if block.lines and (name := re.fullmatch(r"# ([\w./-]+\.(?:yaml|py))(, continued)?", block.lines[0])):
            assert bool(name[2]) == (name[1] in found), f"{document}:{block.line}"
            found[name[1]] = found.get(name[1], "") + "\n".join(block.lines) + "\n"
    return found


class Shown(NamedTuple):
    """A command, and the lines shown after it."""

    command: str
    output: tuple[str, ...]


def commands(block: Block) -> list[Shown]:
    out: list[Shown] = []
    for line in block.lines:
        if line.startswith("$ "):
            out.append(Shown(line[2:], ()))
        elif line.strip():
            assert out, f"line {block.line}: output without a command"
            out[-1] = Shown(out[-1].command, (*out[-1].output, line))
    return out


CONSOLES = [
    pytest.param(document, block, id=f"{document}:{block.line}")
    for document in WALKED
    for block in blocks(document)
    if block.info[:1] == ("console",)
]
RUN = [c for c in CONSOLES if not set(c.values[1].info) & set(UNRUN)]  # type: ignore[union-attr]
NOT_RUN = [c for c in CONSOLES if c not in RUN]


@functools.cache
def built(folder: Path) -> Path:
    """The repository that the documents speak of, made in `folder`."""
    repo = GitRepo(folder / "repository")
    repo.git("config", "user.name", "Ada")
    repo.git("config", "user.email", "ada@example.org")
    who = {"GIT_AUTHOR_NAME": "Ada", "GIT_AUTHOR_EMAIL": "ada@example.org"}
    repo.write("README.md", b"A service.\n")
    repo.commit("start", **who)
    repo.git("init", "-q", "--bare", "-b", "main", str(folder / "origin.git"))
    repo.git("remote", "add", "origin", str(folder / "origin.git"))
    repo.git("push", "-q", "origin", "main")
    repo.write("settings.py", b'TOKEN = "%s"\n' % github_token("history"))
    repo.commit("call the service", **who)
    repo.write("settings.py", b"DEBUG = False\n")
    repo.commit("take the token out", **who)
    repo.write("client.py", b'call("%s")\n' % github_token("staged"))
    repo.git("add", "client.py")
    repo.write(".env", b"API_TOKEN=%s\n" % github_token("env"))
    repo.write("logs/app.log", b"POST /login token=%s 302\n" % github_token("env"))
    repo.write("logs/app.log.1.gz", gzip.compress(b"retry with %s\n" % github_token("old"), mtime=0))
    return repo.path


@pytest.fixture
def scratch(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, clean_user: Path
) -> Path:
    """A copy of that repository, with `deadkey` on the PATH."""
    bin = tmp_path / "bin"
    bin.mkdir()
    script = bin / "deadkey"
    script.write_text(f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" -m scanner "$@"\n')
    script.chmod(0o755)
    python = bin / "python3"
    python.write_text(f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    monkeypatch.setenv("PATH", f"{bin}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))  # for the hooks, which call the program and not the script
    for name in ("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM"):
        monkeypatch.setenv(name, GIT_AUTHOR[name])
    return Path(shutil.copytree(built(tmp_path_factory.getbasetemp() / "documents"), tmp_path / "repository"))


def allowed() -> dict[str, set[int]]:
    """By verb: the exit statuses that the usage document gives a meaning."""
    table = re.findall(r"^\| (`.*?) \|(.*)\|$", text(USAGE).partition("\n## Exit status\n")[2], re.MULTILINE)
    return {
        verb: {status for status, meaning in enumerate(row.split("|")) if meaning.strip()}
        for verbs, row in table
        for verb in re.findall(r"`(.+?)`", verbs)
    }


def statuses(command: str) -> set[int]:
    """Those with which a shown command may end; bad usage is never shown."""
    last = re.split(r"\|\||&&|\|", command.split(" # ")[0])[-1].split()
    if last[:1] != ["deadkey"]:
        return {0}
    table = allowed()
    known = table.get(" ".join(last[1:3])) or table[last[1]]
    return known - {2, 3}


def squeezed(output: str) -> list[str]:
    return [" ".join(line.split()) for line in output.splitlines() if line.strip()]


def pattern(shown: tuple[str, ...]) -> str:
    """`…` stands for anything in its line, or for any lines where it stands alone."""
    out = ""
    for line in squeezed("\n".join(shown)):
        out += r"(?:.*\n)*" if line == "…" else ".*".join(map(re.escape, line.split("…"))) + r"\n"
    return out


@pytest.mark.parametrize(("document", "block"), RUN)
def test_commands_run_and_print_what_is_shown(document: str, block: Block, scratch: Path) -> None:
    for name, content in files(document).items():
        (scratch / name).parent.mkdir(parents=True, exist_ok=True)
        (scratch / name).write_text(content)
        (scratch / name).chmod(0o600)
    shown = commands(block)
    assert shown, "a block of commands holds none"
    for command, output in shown:
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=scratch,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=120,
            check=False,
        )
        said = done.stdout.decode()
        assert "Traceback" not in said or any("Traceback" in line for line in output), said
        assert done.returncode in statuses(command), f"{command}: {done.returncode}\n{said}"
        if output:
            actual = "".join(f"{line}\n" for line in squeezed(said))
            assert re.fullmatch(pattern(output), actual), f"{command}\n{said}"


def verb_of(words: list[str]) -> tuple[str, click.Command]:
    """The command that `deadkey WORDS` names."""
    found: click.Command = deadkey
    names: list[str] = []
    for word in words:
        if not isinstance(found, click.Group):
            break
        inner = found.get_command(click.Context(found), word)
        assert inner, f"deadkey {' '.join([*names, word])}: no such verb"
        found, names = inner, [*names, word]
    return " ".join(names), found


def options_of(found: click.Command) -> set[str]:
    return {o for p in found.params if isinstance(p, click.Option) for o in (*p.opts, *p.secondary_opts)}


@pytest.mark.parametrize(("document", "block"), NOT_RUN)
def test_commands_that_cannot_be_run_name_what_exists(document: str, block: Block) -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    shown = commands(block)
    assert shown
    for command, _ in shown:
        words = command.split(" # ")[0].split()
        if words[0] == "make":
            assert re.search(rf"^{words[1]}:", makefile, re.MULTILINE), command
        elif words[0] == "deadkey":
            name, found = verb_of(words[1:])
            given = {w for w in words if w.startswith("-")}
            assert given <= options_of(found), f"{name}: {given - options_of(found)}"
            for option in found.params:
                if isinstance(option, click.Option) and isinstance(option.type, click.Choice):
                    values = [b for a, b in pairwise(words) if a in option.opts]
                    assert set(values) <= set(option.type.choices), command
        else:
            assert words[:3] == ["python3", "-m", "pip"], f"{command}: not looked at"


def leaves(found: click.Command = deadkey, names: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every verb that does something, by its words."""
    if not isinstance(found, click.Group):
        yield names
        return
    context = click.Context(found)
    for name in found.list_commands(context):
        inner = found.get_command(context, name)
        assert inner
        yield from leaves(inner, (*names, name))


def section(document: str, heading: str) -> str:
    """The prose below a heading, up to the next of its level or above."""
    level = len(heading) - len(heading.lstrip("#"))
    found = re.search(
        rf"^{re.escape(heading)}\n(.*?)(?=^#{{1,{level}}} |\Z)", prose(document), re.DOTALL | re.MULTILINE
    )
    assert found, f"{document} has no heading {heading!r}"
    return found[1]


def test_every_verb_and_option_is_explained() -> None:
    missing = []
    shared = section(USAGE, "## Common options")
    for words in leaves():
        help = CliRunner().invoke(deadkey, [*words, "--help"])
        assert help.exit_code == 0, help.output
        options = re.findall(r"^  (?:(-\w), )?(--[\w-]+)", help.output, re.MULTILINE)
        assert ("-h", "--help") in options
        where = section(USAGE, f"### `deadkey {' '.join(words)}`")
        if words[0] in ("scan", "audit", "ci"):
            where += shared
        for name in (name for pair in options for name in pair if name and name not in ("-h", "--help")):
            if not re.search(rf"`{name}\b", where):
                missing.append(f"{' '.join(words)}: {name}")
    assert not missing


def test_the_lists_of_verbs_are_whole() -> None:
    documented = re.findall(r"^### `deadkey ([\w -]+)`$", text(USAGE), re.MULTILINE)
    assert sorted(documented) == sorted(" ".join(words) for words in leaves())
    table = allowed()
    assert all(" ".join(words) in table or words[0] in table for words in leaves()), table
    assert set(VERBS) == {words[0] for words in leaves()}


def keys(model: Any, before: str = "") -> Iterator[str]:
    """The dotted names of a configuration's leaves; a source and a mapping count as one."""
    for name, field in model.model_fields.items():
        inner = None if "dict" in str(field.annotation) else config._model_in(field.annotation)
        if inner is None or {"env", "file", "command"} <= set(inner.model_fields):
            yield before + name
        else:
            yield from keys(inner, f"{before}{name}.")


def test_every_key_of_the_configuration_is_explained() -> None:
    table = re.findall(r"^\| `([a-z_.\[\]]+)` \|", section(USAGE, "## Configuration"), re.MULTILINE)
    assert sorted(name.replace("[]", "") for name in table) == sorted(keys(config._schema()))


@pytest.mark.parametrize("name", ["config.yaml", "auto.yaml"])
def test_configurations_that_are_shown_are_right(name: str, tmp_path: Path) -> None:
    file = tmp_path / name
    file.write_text(files(USAGE)[name])
    loaded = config.load(str(file))
    assert loaded.revoke.auto and "acme-token" in loaded.revoke.auto[-1].rules


def test_what_the_configuration_allows_is_not_reported(scratch: Path) -> None:
    (scratch / "own.yaml").write_text("allow: {paths: ['logs/*', client.py]}\n")
    done = subprocess.run(
        ["deadkey", "scan", "files", ".", "--config", "own.yaml", "--format", "json"],
        cwd=scratch,
        capture_output=True,
        check=False,
    )
    places = [place["path"] for finding in json.loads(done.stdout)["findings"] for place in finding["locations"]]
    assert [os.path.normpath(place) for place in places] == [".env"]


def test_fingerprints_are_those_of_the_configured_key(scratch: Path) -> None:
    (scratch / "own.yaml").write_text("fingerprint_key: {env: OUR_SALT}\n")

    def fingerprint(*arguments: str, **environment: str) -> str:
        done = subprocess.run(
            ["deadkey", "scan", "files", "client.py", "--format", "json", *arguments],
            cwd=scratch,
            env={**os.environ, **environment},
            capture_output=True,
            check=False,
        )
        (finding,) = json.loads(done.stdout)["findings"]
        return str(finding["fingerprint"])

    configured = fingerprint("--config", "own.yaml", OUR_SALT="pepper")
    assert configured == fingerprint(DEADKEY_FINGERPRINT_KEY="pepper")
    assert configured != fingerprint(DEADKEY_FINGERPRINT_KEY="another")


def test_every_field_of_a_rule_is_explained() -> None:
    tables = set(re.findall(r"`([a-z_]+)`", "\n".join(re.findall(r"^\|(.*?)\|", text(RULES), re.MULTILINE))))
    tables |= set(re.findall(r"`([a-z_]+)`", section(RULES, "## A rule")))
    tables |= set(re.findall(r"`([a-z_]+)`", section(RULES, "## Asking")))
    for model in (schema.RuleFile, schema.RuleSpec, schema.Verify, schema.Revoke, schema.Step, schema.Request):
        names = {field.alias or name for name, field in model.model_fields.items()}
        assert names <= tables, f"{model.__name__}: {names - tables}"


def test_the_rules_that_are_built_step_by_step_are_right(tmp_path: Path, clean_user: Path) -> None:
    ((name, content),) = files(WRITING).items()
    (tmp_path / name).parent.mkdir()
    (tmp_path / name).write_text(content)
    done = CliRunner().invoke(deadkey, ["rules", "check", str(tmp_path / name.partition("/")[0])])
    assert done.exit_code == 0, done.output
    rules = yaml.safe_load(content)["rules"]
    shown = {field for rule in rules for field in rule}
    assert {"checksum", "min_entropy", "known", "with", "component", "context", "near", "rotate"} <= shown
    assert {rule["revoke"]["by"] for rule in rules if "revoke" in rule} == {"token", "owner"}


def test_the_table_of_providers_is_what_make_docs_writes(clean_user: Path) -> None:
    done = CliRunner().invoke(deadkey, ["rules", "list", "--format", "markdown"])
    assert done.exit_code == 0, done.output
    assert done.output == text("docs/providers.md"), "run `make docs`"


def test_every_field_of_the_json_is_explained() -> None:
    contract = set(re.findall(r"`([a-z_]+)`", section(USAGE, "### The JSON contract")))
    for record in (Finding, Location, Verdict, Outcome):
        names = {field.name for field in dataclasses.fields(record)} - {"rivals"}  # for verifying only
        assert names <= contract, f"{record.__name__}: {names - contract}"


FINDING = Finding(
    "acme-token",
    "Acme",
    "Acme service token",
    "high",
    "high",
    Secret(b"a made-up value"),
    "0" * 32,
    (Location("git", "settings.py", 1, 1, 1, 9),),
    verdict=Verdict("live", identity={"account": "ada", "scopes": "all"}),
)


def test_the_command_hook_that_is_shown_works(tmp_path: Path) -> None:
    hook = tmp_path / "revoke_hook.py"
    hook.write_text(files(USAGE)["revoke_hook.py"])

    def run(finding: Finding) -> int:
        told = json.dumps(payload(finding, bytes.decode)).encode()
        return subprocess.run([sys.executable, str(hook)], input=told, capture_output=True, check=False).returncode

    assert run(FINDING) == 0
    assert run(dataclasses.replace(FINDING, rule="github-pat")) == 1
    (shown,) = (json.loads("\n".join(b.lines)) for b in blocks(USAGE) if b.info == ("json",))
    sent = payload(FINDING, bytes.decode)
    assert shown.keys() == sent.keys() and shown["locations"][0].keys() == sent["locations"][0].keys()


def imported(name: str, folder: Path) -> Any:
    """A module that the usage document shows."""
    path = folder / name
    path.write_text(files(USAGE)[name])
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_webhooks_check_that_is_shown_works(tmp_path: Path) -> None:
    genuine = imported("webhook.py", tmp_path).genuine
    now, body = str(int(time.time())), b'{"version": 1}'
    signed = {"X-Deadkey-Timestamp": now, "X-Deadkey-Signature": webhook.sign(b"key", now, body)}
    assert genuine(signed, body, b"key")
    assert not genuine(signed, body + b" ", b"key")
    assert not genuine(signed, body, b"another")
    old = {"X-Deadkey-Timestamp": "1000", "X-Deadkey-Signature": webhook.sign(b"key", "1000", body)}
    assert not genuine(old, body, b"key")


def test_the_plugin_that_is_shown_works(tmp_path: Path) -> None:
    plugin = imported("acme_revoker.py", tmp_path)
    result = plugin.revoke(FINDING, {})
    assert isinstance(result, HookResult) and result.state == "done"
    assert plugin.revoke(dataclasses.replace(FINDING, provider="Other"), {}) is None
    (entry,) = (tomllib.loads("\n".join(b.lines)) for b in blocks(USAGE) if b.info == ("toml",))
    module, _, function = entry["project"]["entry-points"]["deadkey.revokers"]["acme"].partition(":")
    assert module == plugin.__name__ and getattr(plugin, function) is plugin.revoke


def test_the_hooks_for_pre_commit_exist() -> None:
    offered = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text("utf-8"))
    for document in ("README.md", HOOKS):
        shown = next(yaml.safe_load("\n".join(b.lines)) for b in blocks(document) if b.info == ("yaml",))
        ids = [hook["id"] for hook in shown["repos"][0]["hooks"]]
        assert ids and set(ids) <= {hook["id"] for hook in offered}


def test_the_builds_that_are_shown_name_what_there_is() -> None:
    shown = {b.lines[0].strip("# "): "\n".join(b.lines) for b in blocks(BUILDS) if b.info == ("yaml",)}
    action = yaml.safe_load((ROOT / "action.yml").read_text("utf-8"))
    (step,) = (
        s
        for s in yaml.safe_load(shown[".github/workflows/deadkey.yml"])["jobs"]["secrets"]["steps"]
        if "deadkey/deadkey" in s["uses"]
    )
    assert set(step["with"]) <= set(action["inputs"])
    inputs = re.findall(r"^\| `([a-z-]+)` \|", section(BUILDS, "## GitHub Actions"), re.MULTILINE)
    assert sorted(inputs) == sorted(action["inputs"])
    assert set(re.findall(r"`(\w+)`", text(BUILDS).partition("The outputs are")[2].partition(".\n")[0])) == set(
        action["outputs"]
    )
    template = re.search(r"/v[\d.]+/(templates/\S+)", shown[".gitlab-ci.yml"])
    assert template and "deadkey" in yaml.safe_load((ROOT / template[1]).read_text("utf-8"))
    assert set(yaml.safe_load(shown[".gitlab-ci.yml"])["variables"]) <= set(
        yaml.safe_load((ROOT / template[1]).read_text("utf-8"))["deadkey"]["variables"]
    )
    azure = yaml.safe_load(shown["azure-pipelines.yml"])["steps"]
    jenkins = next("\n".join(b.lines) for b in blocks(BUILDS) if b.info == ("groovy",))
    files = {name for names in FILES.values() for name in names.values()}
    for where in (
        azure[3]["inputs"]["testResultsFiles"],
        azure[4]["publish"],
        *re.findall(r"build/deadkey/\S+'", jenkins),
    ):
        assert where.strip("'").rpartition("/")[2] in files, where
    for command in re.findall(r"deadkey/?\S* ci (.*?)'", "\n".join(shown.values()) + jenkins):
        assert set(re.findall(r"--[\w-]+", command)) <= options_of(verb_of(["ci"])[1]), command


def test_every_make_target_is_explained() -> None:
    targets = re.findall(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)[0].split()
    assert sorted(re.findall(r"^\| `make (\w+)` \|", text("CONTRIBUTING.md"), re.MULTILINE)) == sorted(targets)


def slugs(document: str) -> set[str]:
    """The names that headings are linked by."""
    headings = re.findall(r"^#+ (.*)$", prose(document), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_lead_somewhere(document: str) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(document)):
        if target.startswith(("https://", "mailto:")):
            continue
        name, _, anchor = target.partition("#")
        path = (ROOT / document).parent / name if name else ROOT / document
        assert path.exists(), f"{document}: {target}"
        if anchor:
            assert anchor in slugs(os.path.relpath(path, ROOT)), f"{document}: {target}"


@pytest.mark.parametrize("document", DOCUMENTS)
def test_paths_that_are_named_exist(document: str) -> None:
    for name in re.findall(r"`((?:scanner|tests|rules|docs|bench)/[\w./-]*)`", text(document)):
        assert (ROOT / name).exists(), f"{document}: {name}"


def test_no_document_holds_what_looks_like_a_secret(scratch: Path) -> None:
    names = [str(ROOT / document) for document in DOCUMENTS]
    done = subprocess.run(
        ["deadkey", "scan", "files", "--skip", "generic-*", *names], cwd=scratch, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stdout.decode()


def test_the_wildcards_of_shown_output_are_no_wider_than_they_look() -> None:
    assert re.fullmatch(pattern(("a … b", "…", "z")), "a 1 b\nx\ny\nz\n")
    assert not re.fullmatch(pattern(("a … b",)), "a 1\nb\n")
    assert not re.fullmatch(pattern(("a", "b")), "a\nx\nb\n")
