"""Hook: a program of the user's. It reads JSON on its standard input; the secret stands nowhere else.

Exit status: 0 done, 10 already dead, 75 try later (EX_TEMPFAIL), anything else failed. The first line of its standard
error is kept as the reason.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import threading
from pathlib import Path
from typing import IO

from scanner.model import Finding
from scanner.revoke.hooks.interface import HookResult, State, Tools, as_text, payload
from scanner.verify.interface import Action

EXITS: dict[int, State] = {0: "done", 10: "already-dead", 75: "later"}
KEPT = 64 * 1024
"""Bytes of standard error that are looked at; the rest is read and dropped."""


def effect(finding: Finding, action: Action, tools: Tools) -> str | None:
    command = tools.revoke.command
    return f"Runs {Path(command[0]).name}, which is to revoke it." if command else None


def run(finding: Finding, action: Action, tools: Tools) -> HookResult:
    command = tools.revoke.command
    if not command:
        return HookResult("not-applicable", "no command is configured")
    environment = {name: value for name, value in os.environ.items() if name != "DEADKEY_FINGERPRINT_KEY"}
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            cwd=os.sep,
            env=environment,
            start_new_session=True,
        )
    except OSError as e:
        return HookResult("failed", f"the command cannot be started: {e.strerror}")
    assert process.stdin and process.stderr
    said: list[bytes] = []
    threads = [
        threading.Thread(
            target=_feed, args=(process.stdin, json.dumps(payload(finding, as_text)).encode()), daemon=True
        ),
        threading.Thread(target=_drain, args=(process.stderr, said), daemon=True),
    ]
    for thread in threads:
        thread.start()
    try:
        status = process.wait(tools.revoke.command_timeout)
    except subprocess.TimeoutExpired:
        return HookResult("failed", f"the command took longer than {tools.revoke.command_timeout:g} s")
    finally:
        # Its children too: they may hold the pipe, and the secret.
        with contextlib.suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for thread in threads:
            thread.join(1.0)
    lines = b"".join(said).decode("utf-8", "replace").strip().splitlines()
    state = EXITS.get(status, "failed")
    detail = lines[0] if lines else "" if state == "done" else f"the command ended with status {status}"
    return HookResult(state, detail)


def _feed(pipe: IO[bytes], data: bytes) -> None:
    with contextlib.suppress(OSError), pipe:
        pipe.write(data)


def _drain(pipe: IO[bytes], said: list[bytes]) -> None:
    room = KEPT
    with contextlib.suppress(OSError, ValueError), pipe:
        while part := os.read(pipe.fileno(), 8192):
            if room > 0:
                said.append(part[:room])
                room -= len(part)
