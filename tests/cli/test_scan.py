"""`deadkey scan files`, `env` and `stdin`, and `deadkey audit`: what is found, where, and with which exit status."""

from __future__ import annotations

import base64
import gzip
import io
import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.cli.parts import Token, locations, one_line, places, scan, secrets
from tests.conftest import GitRepo, deadkey

# Files ----------------------------------------------------------------------------------------------------------------


def test_files_and_folders(tmp_path: Path, token: Token) -> None:
    (tmp_path / "tree/deep").mkdir(parents=True)
    (tmp_path / "tree/deep/a.py").write_bytes(b"\n\nkey = '" + token("deep") + b"'\n")
    (tmp_path / "tree/clean").write_bytes(b"x\n")
    (tmp_path / "alone").write_bytes(token("alone") + b"\n")
    (tmp_path / "not named").write_bytes(token("other") + b"\n")
    report = scan("files", "tree", "alone", cwd=tmp_path)
    assert secrets(report) == sorted([token("deep"), token("alone")])
    (place,) = locations(report, token("deep"))
    assert (place["source"], place["path"], place["start_line"], place["start_column"], place["end_column"]) == (
        *("files", "tree/deep/a.py", 3, 8),
        48,
    )
    assert places(report, token("alone")) == [("alone", 1)]


def test_a_clean_folder(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"nothing\n")
    done = deadkey("scan", "files", ".", cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"No secrets found.\n", b"")


def test_one_secret_in_many_places_is_one_finding(tmp_path: Path, token: Token) -> None:
    for name in "abc":
        (tmp_path / name).write_bytes(b"x\n" + token("same") + b"\n")
    assert places(scan("files", ".", cwd=tmp_path), token("same")) == [("./a", 2), ("./b", 2), ("./c", 2)]


def test_archives_are_opened(tmp_path: Path, token: Token) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("in/zip.txt", b"one\n" + token("zip"))
    inner = io.BytesIO()
    with tarfile.open(fileobj=inner, mode="w:gz") as archive:
        content = b"one\ntwo\n" + token("tar")
        entry = tarfile.TarInfo("deep.txt")
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content))
    with gzip.open(tmp_path / "b.gz", "wb") as out:
        out.write(inner.getvalue())
    report = scan("files", ".", cwd=tmp_path)
    assert secrets(report) == sorted([token("zip"), token("tar")])
    ((path, line),) = places(report, token("zip"))
    assert (Path(path or "").name, line) == ("zip.txt", 2)
    ((path, line),) = places(report, token("tar"))
    assert (path or "").startswith("./b.gz")
    assert ((path or "").rsplit("!", 1)[-1].strip("/"), line) == ("deep.txt", 3)


def test_an_encoded_copy(tmp_path: Path, token: Token) -> None:
    (tmp_path / "a").write_bytes(b"data: " + base64.b64encode(b"user:" + token("a") + b":end") + b"\n")
    report = scan("files", ".", cwd=tmp_path)
    assert secrets(report) == [token("a")]
    assert report["findings"][0]["encoding"] == ["base64"]


def test_many_files_over_several_processes_come_to_the_same(tmp_path: Path, token: Token) -> None:
    for n in range(40):
        text = b"x = %d\n" % n * 70_000
        (tmp_path / f"{n:02}.py").write_bytes(text + b"key = '" + token(str(n)) + b"'\n")
    one, two = (scan("files", ".", "--jobs", jobs, cwd=tmp_path)["findings"] for jobs in ("1", "2"))
    assert len(one) == 40
    assert one == two


# Env ------------------------------------------------------------------------------------------------------------------


def test_env_reads_what_looks_like_env(tmp_path: Path, token: Token) -> None:
    (tmp_path / "app").mkdir()
    (tmp_path / "app/.env").write_bytes(b"A=1\nexport GITHUB_TOKEN='" + token("dotenv") + b"'\n")
    (tmp_path / "compose.yaml").write_bytes(
        b"services:\n  web:\n    environment:\n      - GH=" + token("compose") + b"\n"
    )
    encoded = base64.b64encode(token("k8s")).decode()
    (tmp_path / "secret.yaml").write_text(f"apiVersion: v1\nkind: Secret\ndata:\n  gh: {encoded}\n")
    (tmp_path / "main.py").write_bytes(token("code"))
    report = scan("env", cwd=tmp_path)
    assert secrets(report) == sorted(token(x) for x in ("dotenv", "compose", "k8s"))
    assert places(report, token("dotenv")) == [("./app/.env", 2)]
    assert places(report, token("compose")) == [("./compose.yaml", 4)]
    assert places(report, token("k8s")) == [("./secret.yaml", 4)]
    assert secrets(scan("env", "main.py", cwd=tmp_path)) == [token("code")]


def test_the_environment_of_a_running_process(token: Token) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", "import sys; print('up', flush=True); sys.stdin.read()"],
        env={**os.environ, "DEPLOY_TOKEN": token("running").decode(), "OTHER": "x"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as child:
        assert child.stdin and child.stdout
        assert child.stdout.readline() == b"up\n"
        report = scan("env", "--process", str(child.pid))
        child.stdin.close()
    assert secrets(report) == [token("running")]
    assert [x["path"] for x in locations(report, token("running"))] == [f"<process {child.pid}>/DEPLOY_TOKEN"]


def test_a_process_that_is_gone() -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    done = deadkey("scan", "env", "--process", str(child.pid))
    assert done.returncode == 2
    assert one_line(done.stderr) == f"process {child.pid}: no such process"


def test_paths_and_a_process_do_not_go_together(tmp_path: Path) -> None:
    done = deadkey("scan", "env", str(tmp_path), "--process", "1")
    assert done.returncode == 2
    assert b"either paths or --process" in done.stderr


# Standard input -------------------------------------------------------------------------------------------------------


def test_standard_input(token: Token) -> None:
    report = scan("stdin", data=b"one\n\0\xff\nAuthorization: token " + token("piped"))
    assert places(report, token("piped")) == [("<stdin>", 3)]
    assert secrets(scan("stdin", status=0, data=b"")) == []


def test_a_secret_across_the_blocks_that_are_read(token: Token) -> None:
    data = b"".join(b"#" * (n - 20) + b" " + token(str(n)) + b"\n" for n in (1 << 16, 1 << 20, 1 << 22, 16 << 20))
    assert secrets(scan("stdin", data=data)) == sorted(token(str(n)) for n in (1 << 16, 1 << 20, 1 << 22, 16 << 20))


# Audit ----------------------------------------------------------------------------------------------------------------


def test_an_audit_joins_history_and_work_tree(repo: GitRepo, token: Token) -> None:
    repo.write("sub/a.py", b"x = '" + token("both") + b"'\n")
    commit = repo.commit("leak")
    repo.write("gone.py", token("gone") + b"\n")
    repo.commit("second leak")
    repo.git("rm", "-q", "gone.py")
    repo.commit("remove")
    repo.write(".env", b"T=" + token("untracked") + b"\n")
    report = scan(str(repo.path / "sub"), "--no-verify", verb="audit")
    assert secrets(report) == sorted(token(x) for x in ("both", "gone", "untracked"))
    both = {(x["source"], x["path"], x["commit"], x["at_head"]) for x in locations(report, token("both"))}
    assert both == {("git", "sub/a.py", commit, True), ("files", "sub/a.py", None, None)}
    assert {(x["source"], x["at_head"]) for x in locations(report, token("gone"))} == {("git", False)}
    assert [(x["source"], x["path"]) for x in locations(report, token("untracked"))] == [("files", ".env")]
    assert {f["verdict"] for f in report["findings"]} == {None}


def test_an_audit_of_a_bare_repository(repo: GitRepo, token: Token, tmp_path: Path) -> None:
    repo.write("a", token("a") + b"\n")
    repo.commit()
    repo.git("clone", "-q", "--bare", ".", str(tmp_path / "bare.git"))
    report = scan(str(tmp_path / "bare.git"), "--no-verify", verb="audit")
    assert [x["source"] for x in locations(report, token("a"))] == ["git"]


def test_an_audit_that_finds_nothing(repo: GitRepo) -> None:
    repo.write("a", b"x\n")
    repo.commit()
    assert secrets(scan(str(repo.path), verb="audit", status=0)) == []


# The command itself ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [
        ("scan", "nothing"),
        ("scan", "files"),
        ("scan", "stdin", "--format", "yaml"),
        ("scan", "stdin", "--jobs", "-1"),
        ("scan", "stdin", "--min-confidence", "some"),
        ("scan", "diff"),
        ("scan", "logs", "--follow", "--format", "sarif", "x"),
        ("nothing",),
        ("revoke",),
    ],
)
def test_bad_usage(arguments: tuple[str, ...]) -> None:
    done = deadkey(*arguments)
    assert done.returncode == 2
    assert b"Usage: deadkey" in done.stderr
    assert b"Traceback" not in done.stderr
    assert done.stdout == b""


def test_help_names_every_verb_and_the_exit_statuses() -> None:
    done = deadkey("--help")
    text = done.stdout.decode()
    assert done.returncode == 0
    for verb in ("scan", "audit", "verify", "revoke", "drill", "journal", "rules", "baseline", "import", "report"):
        assert f"\n  {verb} " in text
        assert deadkey(verb, "--help").returncode == 0
    statuses = "0 nothing found, 1 findings, 2 bad usage or configuration, 3 the scan is incomplete"
    assert statuses in " ".join(text.split())


def test_the_version() -> None:
    done = deadkey("--version")
    assert (done.returncode, done.stdout.split()[0]) == (0, b"deadkey")


def test_a_reader_that_goes_away_is_no_traceback(tmp_path: Path, token: Token) -> None:
    for n in range(300):
        (tmp_path / str(n)).write_bytes(token(str(n)))
    command = [sys.executable, "-m", "scanner", "scan", "files", str(tmp_path), "--format", "json"]
    root = str(Path(__file__).parent.parent.parent)
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, "PYTHONPATH": root}
    ) as process:
        assert process.stdout and process.stderr
        process.stdout.close()
        said = process.stderr.read()
    assert said == b""
    assert process.returncode != 0
