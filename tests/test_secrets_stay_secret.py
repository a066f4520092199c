"""Whatever a run writes, shows or hands to other programs, the secrets it works with are not in it."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote

import psutil
import pytest

from scanner.report import FORMATS
from tests.cli.parts import started
from tests.conftest import GitRepo, github_token
from tests.drill.parts import CLIENT, DRILL, ROOT, IssuerProcess, configuration, issuer_process

WEBHOOK_KEY = "wh00k-signing-key-nobody-may-see"

HOOK = """
import base64, json, os, sys, urllib.parse, urllib.request
told = json.load(sys.stdin)
with open(sys.argv[2], "ab") as out:
    out.write(open("/proc/self/cmdline", "rb").read() if os.path.exists("/proc/self/cmdline") else repr(sys.argv).encode())
    out.write(repr(sorted(os.environ.items())).encode())
print("on standard output:", told["secret"])
print("could not revoke", told["secret"], "at first", file=sys.stderr)
form = urllib.parse.urlencode({"token": told["secret"]}).encode()
basic = base64.b64encode(b"%s:%s").decode()
urllib.request.urlopen(urllib.request.Request(sys.argv[1] + "/revoke", form, {"Authorization": "Basic " + basic})).read()
sys.exit(int(sys.argv[3]))
"""


def forms(value: bytes) -> Iterator[bytes]:
    """`value`, and the ways in which it could be written down without being seen at once."""
    inner = value[6:-6]
    yield value
    yield inner
    yield quote(value, safe="").encode()
    yield "".join(f"%{c:02X}" for c in inner).encode()
    yield "".join(f"%{c:02x}" for c in inner).encode()
    yield inner.hex().encode()
    yield inner.hex().upper().encode()
    yield inner.decode().encode("utf-16-le")
    yield inner[::-1]
    for shift in range(3):
        # The characters that hang on nothing but the value, at each alignment.
        cut = inner[shift:]
        cut = cut[: len(cut) // 3 * 3]
        yield base64.b64encode(cut)
        yield base64.urlsafe_b64encode(cut)
        yield base64.b32encode(inner[shift:][:15])


def assert_without(written: bytes, values: list[bytes], where: str) -> None:
    for value in values:
        for form in forms(value):
            assert form not in written, f"{where} holds a secret"


class Receiver:
    """A webhook's other side: keeps what it is told, and says that it was not for it."""

    def __init__(self) -> None:
        self.told: list[bytes] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.told += [body, str(self.headers).encode(), self.path.encode()]
                answer = b'{"state": "later", "detail": "noted"}'
                self.send_response(200)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, format: str, *args: object) -> None:
                """Nothing."""

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()
        self.address = f"http://127.0.0.1:{self._http.server_address[1]}"

    def close(self) -> None:
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()


class Bench:
    """Folders for everything a run may write to, and what the runs wrote so far."""

    def __init__(self, base: Path, issuer: IssuerProcess) -> None:
        self.base, self.issuer = base, issuer
        self.written = b""
        self.seen = b""
        self.values = [CLIENT[1].encode(), WEBHOOK_KEY.encode()]
        for name in ("own", "tree", "temporary", "cache", "state", "out"):
            (base / name).mkdir()
        self.environment = {
            "TMPDIR": str(base / "temporary"),
            "XDG_CACHE_HOME": str(base / "cache"),
            "XDG_STATE_HOME": str(base / "state"),
            "PYTHONFAULTHANDLER": "1",
        }

    def leak(self, name: str) -> Path:
        """A folder with a live token in plain and in base64."""
        token = self.issuer.mint(name)
        self.values.append(token)
        folder = self.base / "tree" / name
        folder.mkdir()
        (folder / "app.py").write_bytes(b"t = '" + token + b"'\ndata: " + base64.b64encode(b"u:" + token) + b"\n")
        return folder

    def run(self, *arguments: str, status: int = 1, data: bytes = b"", cwd: Path | None = None) -> bytes:
        """Run `deadkey ARGUMENTS` and watch the command lines and environments of all it starts."""
        process = started(
            *arguments,
            cwd=cwd or self.base / "out",
            env=self.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        over = threading.Event()
        watcher = threading.Thread(target=self._watch, args=(process.pid, over))
        watcher.start()
        try:
            out, err = process.communicate(data, timeout=120)
        finally:
            over.set()
            watcher.join()
        assert process.returncode == status, err.decode()
        self.written += out + err
        return out

    def _watch(self, pid: int, over: threading.Event) -> None:
        while not over.wait(0.03):
            try:
                root = psutil.Process(pid)
                for process in (root, *root.children(recursive=True)):
                    self.seen += repr((process.cmdline(), process.environ(), process.name())).encode()
            except (psutil.Error, OSError):
                continue

    def files(self) -> Iterator[Path]:
        for folder in ("temporary", "cache", "state", "out"):
            yield from (path for path in (self.base / folder).rglob("*") if path.is_file())


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with issuer_process(tmp_path) as issuer:
        yield Bench(tmp_path, issuer)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.close()


def test_from_scan_to_revoked(bench: Bench, receiver: Receiver, repo: GitRepo) -> None:
    own = bench.base / "own"
    (own / "hook.py").write_text(HOOK % CLIENT)
    (own / "hook-key").write_text(WEBHOOK_KEY)
    seen_by_hook = bench.base / "out/seen-by-hook"

    def revoke(folder: Path, format: str, *hooks: str, hook_status: int = 0, outcome: str = "revoked") -> None:
        config = configuration(
            own,
            bench.issuer.address,
            hooks=list(hooks),
            command=[sys.executable, str(own / "hook.py"), bench.issuer.address, str(seen_by_hook), str(hook_status)],
            webhook={"url": f"{receiver.address}/revoke", "key": {"file": str(own / "hook-key")}},
            journal=str(bench.base / "state/journal.jsonl"),
            recheck=[0],
        )
        before = config.read_bytes()
        arguments = ("--revoke", "auto", "--config", str(config), *DRILL, "--explain", "--format", format)
        out = bench.run("scan", "files", str(folder), *arguments)
        assert outcome in out.decode()
        assert config.read_bytes() == before

    revoke(bench.leak("by-rule"), "table", "rule")
    revoke(bench.leak("by-command"), "json", "command")
    revoke(bench.leak("by-failing-command"), "jsonl", "command", hook_status=1)
    revoke(bench.leak("by-webhook"), "sarif", "webhook", outcome="pending")
    assert bench.issuer.calls("revoke") == 3
    assert len(receiver.told) == 3
    assert b"could not revoke" in bench.written

    config = str(own / "config.yaml")
    for arguments in (("show",), ("show", "--format", "json"), ("verify",)):
        bench.run("journal", *arguments, "--config", config, status=0)
    single = bench.issuer.mint("single")
    bench.values.append(single)
    rule = ("--rule", "deadkey-drill", *DRILL[:2], "--config", config)
    bench.run("verify", *rule, data=single + b"\n")
    bench.run("revoke", *rule, "--mode", "plan", data=single, status=1)
    for format in FORMATS:
        verified = ("--verify", "--config", config, *DRILL, "--format", format, "--output", f"report.{format}")
        bench.run("scan", "files", str(bench.base / "tree"), *verified)
    bench.run("report", "report.json", status=0)
    bench.run("report", "report.json", "--format", "sarif", status=0)
    for format in ("table", "json", "html", "markdown", "csv"):
        bench.run("report", "report.jsonl", "--compare", "report.json", "--format", format, status=0)

    leaked = github_token("in history")
    bench.values.append(leaked)
    repo.write("a.py", b"t = '" + leaked + b"'\n")
    repo.write(leaked.decode() + ".txt", leaked)
    repo.git("add", "-A")
    bench.run("scan", "staged", cwd=repo.path)
    repo.commit(f"message with {leaked.decode()}", GIT_AUTHOR_NAME=leaked.decode())
    for format in ("table", "sarif", "html", "markdown", "csv"):
        bench.run("audit", "--no-verify", "--format", format, "--explain", cwd=repo.path)
    bench.run("baseline", "create", str(repo.path), "--output", "known", status=0)
    bench.run("scan", "git", str(repo.path), "--baseline", "known", status=0)

    assert_without(bench.written, bench.values, "what was printed")
    assert_without(bench.seen, bench.values, "a command line or an environment")
    assert_without(b"".join(receiver.told), bench.values, "what the webhook was told")
    names = [path.name for path in bench.files()]
    assert {"seen-by-hook", "journal.jsonl", "salt", "fingerprint.key", "report.json"} <= set(names)
    for path in bench.files():
        assert_without(os.fsencode(path) + path.read_bytes(), bench.values, path.name)
    assert list((bench.base / "temporary").iterdir()) == []
    assert b"hook.py" in bench.seen or b"hook.py" in seen_by_hook.read_bytes()


def test_the_search_would_notice(bench: Bench) -> None:
    """The same run with `--show-secrets` does hold the value."""
    folder = bench.leak("shown")
    out = bench.run("scan", "files", str(folder), *DRILL, "--show-secrets", "--format", "json")
    for value in bench.values[2:]:
        assert value in out
        for form in forms(value):
            with pytest.raises(AssertionError):
                assert_without(b"x" + form + b"y", [value], "this")


# Internal errors ------------------------------------------------------------------------------------------------------

DRIVER = """
import faulthandler, sys
sys.argv[0] = "deadkey"
point = sys.argv.pop(1)

def broken(function):
    def call(*arguments, **named):
        result = function(*arguments, **named)
        faulthandler.dump_traceback()
        raise RuntimeError(f"broken at {point}: {result} {[a for a in arguments if 'scanner.model' in type(a).__module__]}")
    return call

from scanner.__main__ import main
if point == "findings":
    from scanner import pipeline
    pipeline.findings = broken(pipeline.findings)
elif point == "engine":
    from scanner.detect.engine import Engine
    scan = Engine.scan
    def failing(self, chunk):
        matches = scan(self, chunk)
        if matches:
            raise RuntimeError(f"broken at engine: {matches}")
        return matches
    Engine.scan = failing
elif point == "report":
    from scanner.report import json, record
    record.finding_record = json.finding_record = broken(record.finding_record)
elif point == "finish":
    from scanner.cli import common
    def finish(report, *arguments, **named):
        raise RuntimeError(report)
    common.finish = finish
main()
"""


@pytest.mark.parametrize("point", ["engine", "findings", "finish"])
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_the_traceback_of_an_internal_error(tmp_path: Path, point: str, jobs: str) -> None:
    driver = tmp_path / "driver.py"
    driver.write_text(DRIVER)
    token = github_token("crash")
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree/a.py").write_bytes(b"t = '" + token + b"'\n")
    (tmp_path / "tree/large").write_bytes(b"x = 1\n" * 3_000_000)
    done = subprocess.run(
        [sys.executable, "-X", "dev", str(driver), point, "scan", "files", str(tmp_path / "tree"), "--jobs", jobs],
        capture_output=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONFAULTHANDLER": "1", "DEADKEY_DEBUG": "1"},
    )
    assert done.returncode != 0
    assert b"RuntimeError" in done.stderr
    assert b"ghp_\xe2\x80\xa6" in done.stderr
    assert_without(done.stdout + done.stderr, [token], "the traceback")


def test_an_internal_error_is_one_line_and_no_finding(tmp_path: Path) -> None:
    driver = tmp_path / "driver.py"
    driver.write_text(DRIVER)
    (tmp_path / "a.py").write_bytes(b"t = '" + github_token("crash") + b"'\n")
    done = subprocess.run(
        [sys.executable, str(driver), "engine", "scan", "files", str(tmp_path / "a.py")],
        capture_output=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 3
    assert done.stderr.count(b"\n") == 1
    assert b"internal error: RuntimeError at driver.py" in done.stderr
