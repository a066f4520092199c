"""How each kind of database server locks a user and ends its sessions. Names are quoted by the server or its driver.

https://www.postgresql.org/docs/current/sql-alterrole.html, https://mariadb.com/kb/en/alter-user/,
https://redis.io/docs/latest/commands/acl-setuser/
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple


class Kept(Exception):
    """Why a user cannot be locked. Never holds a secret."""


class Lock(NamedTuple):
    """`effect` for the person who decides, with `{user}` and `{place}`; `lock(owner's session, account)` says in words
    what was done. It raises Kept, and what the driver raises."""

    effect: str
    lock: Callable[[Any, str], str]


def postgresql(session: Any, account: str) -> str:
    statement = session.run("SELECT format('ALTER ROLE %I NOLOGIN PASSWORD NULL', :name::text)", name=account)[0][0]
    session.run(statement)
    from pg8000.native import DatabaseError

    try:
        ended = session.run(
            "SELECT count(*) FILTER (WHERE pg_terminate_backend(pid)) FROM pg_stat_activity"
            " WHERE usename = :name::text AND pid <> pg_backend_pid()",
            name=account,
        )[0][0]
    except DatabaseError:
        return f"{account} may not log in any more, but the owner may not end its sessions (pg_signal_backend)"
    return f"{account} may not log in any more, {_sessions(ended)}"


def mysql(session: Any, account: str) -> str:
    import pymysql

    from scanner.verify.databases.mysql import rows

    user, _, host = account.rpartition("@")
    rows(session, "ALTER USER %s@%s ACCOUNT LOCK", (user, host))
    ended = 0
    for (number,) in rows(session, "SELECT ID FROM information_schema.PROCESSLIST WHERE USER = %s", (user,)):
        try:
            rows(session, "KILL CONNECTION %s", (int(number),))
            ended += 1
        except pymysql.MySQLError as e:
            if e.args[0] != 1094:  # it ended by itself
                return f"{account} is locked, but the owner may not end its sessions ({e.args[0]})"
    said = f"{account} is locked, {_sessions(ended)}"
    try:
        others = rows(session, "SELECT Host FROM mysql.user WHERE User = %s AND Host <> %s", (user, host))
    except pymysql.MySQLError:
        return said
    return said + (f"; {len(others)} more of that name for other hosts are not" if others else "")


def redis(session: Any, account: str) -> str:
    from scanner.verify.databases.redis import Fault

    name = account.encode()
    try:
        session.ask(b"ACL", b"SETUSER", name, b"off", b"resetpass")
    except Fault as e:
        raise Kept(f"the owner may not change users ({e.word})") from None
    try:
        said = f"{account} is off, {_sessions(session.ask(b'CLIENT', b'KILL', b'USER', name))}"
    except Fault as e:
        said = f"{account} is off, but the owner may not end its connections ({e.word})"
    for words in ((b"ACL", b"SAVE"), (b"CONFIG", b"REWRITE")):
        try:
            session.ask(*words)
            return said
        except Fault:
            continue
    return f"{said}; it could not be written down, so a restart brings it back"


def _sessions(count: int) -> str:
    return f"{count} open session{'' if count == 1 else 's'} of it ended"


LOCKS = {
    "postgresql": Lock(
        "Takes the login and the password away from role {user} on {place} and ends its sessions: all that logs in as"
        " {user} stops. ALTER ROLE … LOGIN with a new password undoes it.",
        postgresql,
    ),
    "mysql": Lock(
        "Locks the account {user} on {place} and ends its sessions: all that logs in as {user} stops."
        " ALTER USER … ACCOUNT UNLOCK undoes it; give it a new password with that.",
        mysql,
    ),
    "redis": Lock(
        "Turns user {user} on {place} off, takes its passwords away and ends its connections: all that logs in as {user}"
        " stops. ACL SETUSER … on with a new password undoes it.",
        redis,
    ),
}
