"""A leak of a database password and the real command line over it; the servers are driven past the package's own code."""

from __future__ import annotations

import json
import secrets
import subprocess
from pathlib import Path
from typing import Any

import pg8000.native
import pymysql

from tests.conftest import deadkey
from tests.databases.servers import OWNER, PASSWORD, Server


def word() -> str:
    """A made-up password that needs no escapes."""
    return "q" + secrets.token_hex(9) + "Z7"


def pg(server: Server, user: str = OWNER, password: str = PASSWORD) -> Any:
    return pg8000.native.Connection(user, "127.0.0.1", "postgres", server.port, password, ssl_context=False)


def my(server: Server, user: str = OWNER, password: str = PASSWORD) -> Any:
    return pymysql.connect(host="127.0.0.1", port=server.port, user=user, password=password, ssl_disabled=True)


def cli(server: Server, *words: str, user: str = OWNER, password: str = PASSWORD) -> str:
    """What redis-cli says."""
    done = subprocess.run(
        ["redis-cli", "-p", str(server.port), "--user", user, *words],
        env={"REDISCLI_AUTH": password, "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def execute(server: Server, *statements: str) -> None:
    if server.kind == "redis":
        for statement in statements:
            assert cli(server, *statement.split()) == "OK", statement
        return
    connection = pg(server) if server.kind == "postgresql" else my(server)
    for statement in statements:
        if server.kind == "postgresql":
            connection.run(statement)
        else:
            connection.cursor().execute(statement)
    connection.close()


MINT: dict[str, dict[str, tuple[str, ...]]] = {
    "postgresql": {
        "all": ("CREATE ROLE {user} LOGIN SUPERUSER PASSWORD '{word}'",),
        "some": ("CREATE ROLE {user} LOGIN CREATEDB PASSWORD '{word}' VALID UNTIL '2999-01-02 03:04:05+00'",),
        "read": ("CREATE ROLE {user} LOGIN PASSWORD '{word}'", "GRANT pg_read_all_data TO {user}"),
    },
    "mysql": {
        "all": ("CREATE USER {user}@'%' IDENTIFIED BY '{word}'", "GRANT ALL PRIVILEGES ON *.* TO {user}@'%'"),
        "some": (
            "CREATE DATABASE IF NOT EXISTS app",
            "CREATE USER {user}@'%' IDENTIFIED BY '{word}'",
            "GRANT ALL PRIVILEGES ON app.* TO {user}@'%'",
        ),
        "read": ("CREATE USER {user}@'%' IDENTIFIED BY '{word}'", "GRANT SELECT ON *.* TO {user}@'%'"),
    },
    "redis": {
        "all": ("ACL SETUSER {user} on >{word} ~* &* +@all",),
        "some": ("ACL SETUSER {user} on >{word} ~app:* +@read +@write +ping +acl|getuser +acl|whoami +@connection",),
        "read": ("ACL SETUSER {user} on >{word} ~* +@read +@transaction +@connection",),
    },
}
"""By kind and by how much it may do: how a user is made."""


class Bench:
    """Users on one server, leaks of their passwords, and deadkey over them."""

    def __init__(self, server: Server, folder: Path) -> None:
        self.server, self.folder = server, folder
        self.tree = folder / "tree"
        self.tree.mkdir()

    def mint(self, rights: str) -> tuple[str, str]:
        user, password = "u" + secrets.token_hex(4), word()
        execute(self.server, *(s.format(user=user, word=password) for s in MINT[self.server.kind][rights]))
        return user, password

    def leak(self, user: str, password: str, place: str = "", name: str = "app.py") -> None:
        database = "/postgres" if self.server.kind == "postgresql" else ""
        url = f"{self.server.scheme}://{user}:{password}@{place or self.server.place}{database}"
        (self.tree / name).write_text(f'DATABASE_URL = "{url}"\n')

    def config(self, *, listed: bool = True, owner: str | None = None, **verify: Any) -> Path:
        """A configuration that lists the server, with an owner's URL where one is given."""
        place = [self.server.place] if listed else []
        settings: dict[str, Any] = {
            "verify": {"hosts": place, "plain_http": place, "timeout": 20, **verify},
            "revoke": {
                "mode": "auto",
                "auto": [{}],
                "recheck": [0, 0.1],
                "journal": str(self.folder / "journal.jsonl"),
            },
        }
        if owner:
            settings["revoke"]["databases"] = [{"url": owner}]
        file = self.folder / "config.yaml"
        file.write_text(json.dumps(settings))
        return file

    def scan(self, config: Path, *options: str, **environment: str) -> list[dict[str, Any]]:
        """The findings of a scan of the leaks, asked about unless `options` say more."""
        done = deadkey(
            "scan", "files", str(self.tree), "--config", str(config), "--format", "json", "--quiet",
            *(options or ("--verify",)), **environment,
        )  # fmt: skip
        assert done.returncode == 1, done.stderr.decode()
        found: list[dict[str, Any]] = json.loads(done.stdout)["findings"]
        return found

    def verdict(self, config: Path | None = None, **environment: str) -> dict[str, Any]:
        """The verdict on the only leak."""
        (finding,) = self.scan(config or self.config(), **environment)
        told: dict[str, Any] = finding["verdict"]
        return told
