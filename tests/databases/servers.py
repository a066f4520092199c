"""A PostgreSQL, a MariaDB and a Redis server, each in a folder of its own on a free port of loopback.

The packages `postgresql`, `mariadb-server` and `redis-server` must be there; without them the tests fail.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

OWNER = "owner"
PASSWORD = "zk4vN9tq2LxWb7Rd"
PATIENCE = 120.0
"""Seconds for a server to come up."""


@dataclass(frozen=True)
class Server:
    """`url` has the owner's name and no password; `scheme` is that of leaked URLs."""

    kind: str
    scheme: str
    port: int

    @property
    def place(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        database = "/postgres" if self.kind == "postgresql" else ""
        return f"{self.scheme}://{OWNER}@{self.place}{database}"

    @property
    def variable(self) -> str:
        return {"postgresql": "PGPASSWORD", "mysql": "MYSQL_PWD", "redis": "REDISCLI_AUTH"}[self.kind]


def program(name: str, package: str) -> str:
    """Where a server's program lies; the newest PostgreSQL, which Debian keeps off the PATH."""
    newest = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda p: int(p.parts[4]))
    found = str(newest[-1]) if newest else shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/bin")
    assert found, f"{name} is missing: apt-get install {package}"
    return found


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def unprivileged(*names: str) -> str | None:
    """One of these users when this is root, whom the servers refuse; None: ourselves."""
    if os.geteuid():
        return None
    for name in (*names, "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name).pw_name
    raise AssertionError("no user to run a server as")


def run(command: Sequence[str], user: str | None, folder: Path) -> None:
    done = subprocess.run(
        command,
        cwd=folder,
        user=user,
        group=_group(user),
        capture_output=True,
        timeout=PATIENCE,
        env=_environment(folder),
    )
    assert done.returncode == 0, (done.stdout + done.stderr).decode(errors="replace")


def _group(user: str | None) -> int | None:
    return None if user is None else pwd.getpwnam(user).pw_gid


def _environment(folder: Path) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PG", "MYSQL", "REDIS"))}
    return {**kept, "HOME": str(folder), "LC_ALL": "C", "TMPDIR": str(folder)}


@contextlib.contextmanager
def workplace(user: str | None) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="deadkey-test-", dir="/tmp", ignore_cleanup_errors=True) as name:
        if user is not None:
            shutil.chown(name, user)
        yield Path(name)


@contextlib.contextmanager
def serving(command: Sequence[str], ready: str, user: str | None, folder: Path) -> Iterator[None]:
    """A server's process, from its word that it is ready until the end; its output is read all the while."""
    process = subprocess.Popen(
        command,
        cwd=folder,
        user=user,
        group=_group(user),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=_environment(folder),
    )
    said: list[str] = []
    up = threading.Event()

    def listen() -> None:
        assert process.stdout
        for line in process.stdout:
            said.append(line.decode(errors="replace"))
            if re.search(ready, said[-1]):
                up.set()
        up.set()

    thread = threading.Thread(target=listen, daemon=True)
    thread.start()
    try:
        assert up.wait(PATIENCE) and process.poll() is None and thread.is_alive(), "".join(said[-20:])
        yield
    finally:
        process.send_signal(signal.SIGINT if "postgres" in command[0] else signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        thread.join(5)


@contextlib.contextmanager
def postgresql(*options: str, hba: str = "") -> Iterator[Server]:
    """`hba` are lines before the one that asks everybody for a password."""
    user, port = unprivileged("postgres"), free_port()
    initdb, postgres = program("initdb", "postgresql"), program("postgres", "postgresql")
    with workplace(user) as folder:
        word, data = folder / "word", folder / "data"
        word.write_text(PASSWORD)
        word.chmod(0o644)
        run(
            [
                initdb,
                "-D",
                str(data),
                "-U",
                OWNER,
                f"--pwfile={word}",
                "-A",
                "scram-sha-256",
                "-E",
                "UTF8",
                "--no-sync",
            ],
            user,
            folder,
        )
        (data / "pg_hba.conf").write_text(hba + "host all all 127.0.0.1/32 scram-sha-256\n")
        settings = {"port": port, "listen_addresses": "127.0.0.1", "unix_socket_directories": "", "fsync": "off"}
        given = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        with serving([postgres, "-D", str(data), *given, *options], "ready to accept connections", user, folder):
            yield Server("postgresql", "postgresql", port)


@contextlib.contextmanager
def mariadb(*options: str) -> Iterator[Server]:
    user, port = unprivileged("mysql"), free_port()
    install, daemon = program("mariadb-install-db", "mariadb-server"), program("mariadbd", "mariadb-server")
    with workplace(user) as folder:
        data = folder / "data"
        run(
            [
                install,
                "--no-defaults",
                f"--datadir={data}",
                "--auth-root-authentication-method=normal",
                "--skip-test-db",
            ],
            user,
            folder,
        )
        start = folder / "start.sql"
        start.write_text(
            f"CREATE USER {OWNER}@'%' IDENTIFIED BY '{PASSWORD}';\nGRANT ALL ON *.* TO {OWNER}@'%' WITH GRANT OPTION;\n"
        )
        start.chmod(0o644)
        command = [daemon, "--no-defaults", f"--datadir={data}", f"--port={port}", "--bind-address=127.0.0.1"]
        command += [f"--socket={folder}/s", f"--pid-file={folder}/pid", f"--init-file={start}", "--skip-name-resolve"]
        command += ["--innodb-buffer-pool-size=16M", "--innodb-flush-log-at-trx-commit=0", *options]
        with serving(command, "ready for connections", user, folder):
            yield Server("mysql", "mysql", port)


@contextlib.contextmanager
def redis(*options: str) -> Iterator[Server]:
    user, port = unprivileged("redis"), free_port()
    daemon = program("redis-server", "redis-server")
    with workplace(user) as folder:
        users = folder / "users.acl"
        users.write_text(f"user {OWNER} on >{PASSWORD} ~* &* +@all\nuser default on >{PASSWORD}2 ~* &* +@all\n")
        if user is not None:
            shutil.chown(users, user)
        command = [daemon, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
        command += ["--aclfile", str(users), *options]
        with serving(command, "Ready to accept connections", user, folder):
            yield Server("redis", "redis", port)


KINDS = {"postgresql": postgresql, "mysql": mariadb, "redis": redis}
