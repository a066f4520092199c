"""MariaDB and MySQL: what a login says of an account. Error codes: https://mariadb.com/kb/en/mariadb-error-code-reference/,
https://dev.mysql.com/doc/mysql-errors/8.4/en/server-error-reference.html"""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterable
from typing import Any

from scanner.verify.databases.interface import LIST, Denied, Entered, Facts, Target
from scanner.verify.databases.line import untrusted
from scanner.verify.interface import Unanswered, Unaskable

WRONG = 1045
LOCKED = (4151, 3118)
"""ER_ACCOUNT_HAS_BEEN_LOCKED of MariaDB and of MySQL."""
EXPIRED = 1820
"""Said to every question until the password is changed, which the session may do."""
SEE = {
    "USAGE",
    "SELECT",
    "SHOW VIEW",
    "SHOW DATABASES",
    "PROCESS",
    "BINLOG MONITOR",
    "REPLICATION CLIENT",
    "SHOW ROUTINE",
}
EVERYTHING = {
    "ALL PRIVILEGES",
    "SUPER",
    "GRANT OPTION",
    "CREATE USER",
    "FILE",
    "SYSTEM_USER",
    "SET USER",
    "SYSTEM_VARIABLES_ADMIN",
}
"""On *.*: each of them leads to everything else."""


def databases(target: Target) -> list[str]:
    return [""]  # a session needs none, and so none can be in the way


def open(target: Target, password: bytes, line: Any, trust: ssl.SSLContext | None) -> Any:
    try:
        import pymysql
    except ImportError:
        raise Unaskable("needs a driver: install deadkey[databases]") from None
    timeout = line.gettimeout()
    session: Any = pymysql.connect(
        host=target.host,
        port=target.port,
        user=target.user,
        password=password,  # bytes are taken as they are, a string would become Latin-1
        defer_connect=True,
        read_timeout=timeout,
        write_timeout=timeout,
        local_infile=False,
        program_name="deadkey",
        ssl=trust,
    )
    # The driver's own meaning of this: no falling back to a connection without TLS.
    if trust is not None and not getattr(session, "_ssl_required", False):
        raise Unaskable("its driver is too old to insist on TLS: install deadkey[databases]")
    try:
        session.connect(line)
    except pymysql.MySQLError as e:
        raise _read(e, target, trust) from None
    except ssl.SSLError:
        raise untrusted(target) from None
    except RuntimeError:
        raise Unaskable("its way to log in needs a library: install deadkey[databases]") from None
    except Exception as e:
        raise Unanswered(f"{target.place} broke off ({type(e).__name__})") from None
    return session


def code(error: Exception) -> int:
    """The server's number of an error, 0 where it has none."""
    return error.args[0] if error.args and isinstance(error.args[0], int) else 0


def _read(error: Exception, target: Target, trust: ssl.SSLContext | None) -> Exception:
    number = code(error)
    inner = getattr(error, "original_exception", None)
    if isinstance(inner, ssl.SSLError) or (trust is not None and number == 2026):
        return untrusted(target)
    if isinstance(inner, TimeoutError):
        return Unanswered(f"{target.place} did not answer in time")
    if number == WRONG:
        return Denied(f"{target.place} refused the password ({number})")
    if number in LOCKED:
        return Denied(f"{target.place} says that the account is locked ({number})")
    if number == EXPIRED:
        return Entered(f"{target.place} took the password, which must be changed first ({number})")
    if not number or 2000 <= number < 3000:  # the driver's own
        return Unanswered(f"{target.place} broke off")
    return Unanswered(f"{target.place} answered {number}, which says nothing of the password")


def rows(session: Any, statement: str, values: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """What a statement gives; `values` are quoted by the driver."""
    with session.cursor() as cursor:
        cursor.execute(statement, values or None)
        return list(cursor.fetchall())


def account(session: Any, target: Target) -> str:
    return str(rows(session, "SELECT CURRENT_USER()")[0][0])


def granted(lines: Iterable[str]) -> list[tuple[frozenset[str], str]]:
    """Privileges and on what, of the lines of SHOW GRANTS. What comes after TO is left: a hash may stand there."""
    out = []
    for line in lines:
        found = re.match(r"GRANT (.+?) ON (.+?) TO ", line)
        if found:
            names = re.sub(r"\([^)]*\)", "", found[1]).split(",")
            held = {name.strip().upper() for name in names}
            if line.endswith("WITH GRANT OPTION"):
                held.add("GRANT OPTION")
            out.append((frozenset(held), found[2]))
    return out


def facts(session: Any) -> Facts:
    ((name, version),) = rows(session, "SELECT CURRENT_USER(), VERSION()")
    told: dict[str, Any] = {"account": name, "version": version}
    if str(name).startswith("skip-grants "):
        raise Unanswered("the server lets everybody in (skip-grant-tables), so it says nothing of this password")
    grants = granted(str(line) for (line,) in rows(session, "SHOW GRANTS")[:LIST])
    told["databases"] = [database for (database,) in rows(session, "SHOW DATABASES")[:LIST]]
    told["scopes"] = "; ".join(f"{', '.join(sorted(held))} ON {where}" for held, where in grants)
    if any(held & EVERYTHING for held, where in grants if where == "*.*"):
        return Facts(told, "critical")
    return Facts(told, "medium" if all(held <= SEE for held, _ in grants) else "high")
