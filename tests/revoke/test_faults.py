"""What can go wrong, at every step of a revocation: nothing is revoked twice, nothing called dead that is live, nothing
lost, and the next run finishes. `pytest -s` prints the table.
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trustme

from scanner.model import DeadkeyError, Finding
from scanner.revoke import journal
from scanner.revoke.execute import revoke
from scanner.revoke.settings import RevokeSettings
from scanner.verify import guard
from scanner.verify.live import verify
from scanner.verify.settings import VerifySettings

from .faulty import FAULTS, POINTS, counted
from .parts import ACTION, TOKEN, finding, settings_for

ROOT = Path(__file__).parents[2]
FAULTY = Path(__file__).with_name("faulty.py")
STEPS = ("ask", "revoke", "again")


class Clock:
    """Real time, in which sleeping takes none."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def time(self) -> float:
        return time.time() + self.ahead

    def monotonic(self) -> float:
        return time.monotonic() + self.ahead

    def sleep(self, seconds: float, /) -> None:
        self.ahead += seconds


class Bench:
    """Issuers in processes of their own, a journal, and the table."""

    def __init__(self, folder: Path, table: list[tuple[str, ...]]) -> None:
        self.path, self.table = folder / "state" / "journal.jsonl", table
        self.running: list[subprocess.Popen[str]] = []

    def issuer(self, *options: str) -> int:
        process = subprocess.Popen([sys.executable, str(FAULTY), "issue", *options], stdout=subprocess.PIPE, text=True)
        self.running.append(process)
        assert process.stdout
        return int(process.stdout.readline())

    def stop(self) -> None:
        """Every issuer is gone, and its port closed."""
        for process in self.running:
            process.kill()
            process.communicate()
        self.running.clear()

    def well(self, port: int) -> None:
        import urllib.request

        urllib.request.urlopen(f"http://127.0.0.1:{port}/well").read()

    def run(self, settings: VerifySettings, **changes: Any) -> Finding:
        given: dict[str, Any] = {"confirm": lambda *_: True, "say": lambda _: None}
        given |= {name: changes.pop(name) for name in ("confirm", "say") if name in changes}
        clock = Clock()
        asked = verify([finding()], lambda rule: ACTION, settings, clock=clock)
        how = RevokeSettings(journal=self.path, mode="ask", recheck=(0.0,) * 3, **changes)
        return revoke(asked, lambda rule: ACTION, how, settings, clock=clock, **given)[0]

    def finish(self, row: tuple[str, str], first: Finding | None, settings: VerifySettings, port: int) -> None:
        """What holds after any fault, and after the run that follows it."""
        before = counted(port)
        told = _told(first)
        if {"dead", "revoked", "already-dead"} & set(told):
            assert before["dead"] == 1, "called dead, and is live"
        if before["revoke"]:
            assert [e["kind"] for e in journal.read(self.path)][:1] == ["intent"], "done, and not in the journal"
        second = self.run(settings)
        after = counted(port)
        assert after["dead"] == 1 and second.verdict and second.verdict.state == "dead", "the next run did not finish"
        assert after["twice"] == 0, "revoked twice"
        assert after["elsewhere"] == 0
        assert journal.verify(self.path) == [] and journal.pending(self.path) == []
        for file in self.path.parent.iterdir():
            assert TOKEN.encode() not in file.read_bytes()
        left = {file.name.removeprefix(self.path.name) for file in self.path.parent.iterdir()}
        assert left <= {"", ".head", ".key", ".lock"}
        self.table.append((*row, "/".join(told) or "cut off", "/".join(_told(second)), str(after["revoke"])))


def _told(found: Finding | None) -> list[str]:
    if found is None:
        return []
    return [*([found.verdict.state] if found.verdict else []), *([found.outcome.state] if found.outcome else [])]


@pytest.fixture(scope="module")
def table() -> Iterator[list[tuple[str, ...]]]:
    rows: list[tuple[str, ...]] = []
    yield rows
    heads = ("fault", "at", "this run said", "the next one", "calls")
    widths = [max(len(row[n]) for row in [heads, *rows]) for n in range(len(heads))]
    print()
    for row in [heads, *rows]:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)))


@pytest.fixture
def bench(tmp_path: Path, table: list[tuple[str, ...]]) -> Iterator[Bench]:
    made = Bench(tmp_path, table)
    yield made
    made.stop()


@pytest.mark.parametrize("point", POINTS)
def test_a_process_that_is_killed(point: str, bench: Bench) -> None:
    port = bench.issuer("", "")
    command = [sys.executable, str(FAULTY), "run", str(port), str(bench.path), point]
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, timeout=60)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    assert len(journal.pending(bench.path)) == (point != "before the intent")
    bench.finish(("killed", point), None, settings_for(port), port)
    assert counted(port)["revoke"] == 1


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("fault", FAULTS)
def test_an_issuer_that_misbehaves(fault: str, step: str, bench: Bench) -> None:
    port = bench.issuer(fault, step)
    settings = settings_for(port, 0.3 if fault == "slow" else 5)
    first = bench.run(settings)
    if step == "ask" and fault != "10 MB":
        assert _told(first) == ["unknown"], "nobody said that it lives"
        assert counted(port)["revoke"] == 0
    if step == "again" or (fault, step) == ("10 MB", "ask"):
        assert counted(port)["revoke"] == 1
    bench.well(port)
    bench.finish((fault, step), first, settings_for(port), port)


@pytest.mark.parametrize("step", STEPS)
def test_a_connection_that_is_refused(step: str, bench: Bench) -> None:
    port = bench.issuer("", "")
    settings = settings_for(port)

    def gone(*_: Any) -> bool:
        bench.stop()
        return True

    if step == "ask":
        bench.stop()
    if step == "again":
        # A hook that does it, and takes the issuer down.
        settled = "import urllib.request as u,json,sys,os,signal\nt=json.load(sys.stdin)['secret']\n"
        settled += f"u.urlopen('http://127.0.0.1:{port}/revoke',json.dumps({{'token':t}}).encode())\n"
        settled += f"os.kill({bench.running[0].pid},signal.SIGKILL)\n"
        first = bench.run(settings, hooks=("command",), command=(sys.executable, "-c", settled))
        bench.stop()
        assert first.outcome and first.outcome.state == "pending"
    else:
        first = bench.run(settings, confirm=gone)
        assert _told(first) == (["unknown"] if step == "ask" else ["unknown", "failed"])
    back = bench.issuer("", "", "127.0.0.1", str(port), "", *([TOKEN] if step == "again" else []))
    assert back == port
    bench.finish(("refused", step), first, settings, port)


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("fault", ["DNS to a private address", "TLS for another name"])
def test_a_name_that_leads_elsewhere(
    fault: str, step: str, bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority, bundle = trustme.CA(), tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(bundle))
    for name in ("issuer", "other"):
        issued = authority.issue_cert(f"{name}.example")
        issued.private_key_and_cert_chain_pem.write_to_path(str(tmp_path / f"{name}.pem"))
    port = bench.issuer("", "", "127.0.0.1", "0", str(tmp_path / "issuer.pem"))
    # What the name leads to at one step: the same port elsewhere, with the wrong certificate or the right one.
    wrong = "other" if fault.startswith("TLS") else "issuer"
    bench.issuer("", "", "127.0.0.2", str(port), str(tmp_path / f"{wrong}.pem"))
    asked: list[str] = []
    astray = [True]

    def resolve(host: str, at: int) -> list[Any]:
        asked.append(host)
        now = STEPS[min(len(asked), 3) - 1]
        address = "127.0.0.2" if astray[0] and now == step else "127.0.0.1"
        return [(2, 1, 6, "", (address, at))]

    monkeypatch.setattr(guard, "resolve", resolve)
    settings = VerifySettings(
        timeout=5,
        hosts=frozenset({"issuer.example"}),
        endpoints={"acme": f"https://issuer.example:{port}"},
        ca_bundle=str(bundle),
        retries=0,
    )
    if fault.startswith("DNS"):
        judged = guard.problem
        monkeypatch.setattr(guard, "problem", lambda text: None if text == "127.0.0.1" else judged(text))
        settings = replace(settings, hosts=frozenset())
    monkeypatch.setattr(sys.modules[__name__], "counted", lambda _: _counted_over_tls(port, bundle))
    first = bench.run(settings)
    assert set(asked) == {"issuer.example"} and len(asked) >= (1 if step == "ask" else 3)
    assert _told(first) == {"ask": ["unknown"], "revoke": ["live", "failed"], "again": ["unknown", "pending"]}[step]
    astray[0] = False
    bench.finish((fault, step), first, settings, port)
    assert _counted_over_tls(port, bundle, "127.0.0.2", f"{wrong}.example") == NOTHING


NOTHING = {"ask": 0, "revoke": 0, "twice": 0, "elsewhere": 0, "dead": 0}


def _counted_over_tls(port: int, bundle: Path, at: str = "127.0.0.1", name: str = "issuer.example") -> dict[str, int]:
    import http.client
    import json
    import socket
    import ssl

    context = ssl.create_default_context(cafile=str(bundle))
    with context.wrap_socket(socket.create_connection((at, port)), server_hostname=name) as sock:
        connection = http.client.HTTPConnection(name)
        connection.sock = sock
        connection.request("GET", "/count")
        told: dict[str, int] = json.load(connection.getresponse())
    return told


@pytest.mark.parametrize("nth", range(1, 8))
def test_a_disk_that_is_full_from_the_nth_write_on(nth: int, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    port = bench.issuer("", "")
    real, writes = os.write, [0]

    def write(fd: int, data: bytes) -> int:
        writes[0] += 1
        if writes[0] >= nth:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(fd, data)

    monkeypatch.setattr(journal.os, "write", write)
    first = _run_or_not(bench, port)
    monkeypatch.setattr(journal.os, "write", real)
    # The key, the intent and its head come before the call; the outcome and its head after it.
    assert counted(port)["revoke"] == (nth > 3) and (first is None) == (nth <= 3)
    bench.finish(("disk full", f"write {nth}"), first, settings_for(port), port)


def _run_or_not(bench: Bench, port: int, **changes: Any) -> Finding | None:
    try:
        return bench.run(settings_for(port), **changes)
    except DeadkeyError as e:
        assert "the journal cannot be used" in str(e)
        return None


@contextlib.contextmanager
def _mounted(folder: Path, options: str) -> Iterator[Callable[[str], None]]:
    folder.mkdir(exist_ok=True)
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], capture_output=True)
    if done.returncode:
        pytest.skip("nothing may be mounted here")
    try:
        yield lambda more: subprocess.run(["mount", "-o", f"remount,{more}", str(folder)], check=True) and None
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.parametrize("pages", range(1, 6))
def test_a_small_disk(pages: int, bench: Bench, tmp_path: Path) -> None:
    size = os.sysconf("SC_PAGE_SIZE")
    with _mounted(tmp_path / "state", f"size={pages * size}") as remount:
        port = bench.issuer("", "")
        first = _run_or_not(bench, port)
        remount("size=1m")
        bench.finish(("small disk", f"{pages} pages"), first, settings_for(port), port)


@pytest.mark.parametrize("when", ["at the start", "before the intent", "after the intent"])
def test_a_folder_that_may_not_be_written(when: str, bench: Bench, tmp_path: Path) -> None:
    port = bench.issuer("", "")
    bench.path.parent.mkdir()
    with contextlib.ExitStack() as stack:

        def close(now: bool) -> None:
            if now:
                stack.enter_context(_mounted(bench.path.parent, "ro"))

        def confirm(*_: Any) -> bool:
            close(when == "before the intent")
            return True

        close(when == "at the start")
        first = _run_or_not(
            bench, port, confirm=confirm, say=lambda line: close(when == "after the intent" and "revoking" in line)
        )
        assert counted(port)["revoke"] == (when == "after the intent")
        assert (first is None) == (when != "after the intent")
    bench.finish(("unwritable folder", when), first, settings_for(port), port)
