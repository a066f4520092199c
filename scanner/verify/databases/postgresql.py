"""PostgreSQL: what a login says of a role. Error codes: https://www.postgresql.org/docs/current/errcodes-appendix.html,
fields of an error: https://www.postgresql.org/docs/current/protocol-error-fields.html"""

from __future__ import annotations

import ssl
from typing import Any

from scanner.verify.databases.interface import LIST, Denied, Entered, Facts, Target
from scanner.verify.databases.line import untrusted
from scanner.verify.interface import Unanswered, Unaskable

WRONG = "28P01"
NOT_LET_IN = "28000"
"""Said of a role that may not log in, and of a client that pg_hba.conf does not know: the routine tells them apart."""
PAST_THE_PASSWORD = ("3D000", "42501", "55000")
"""No such database, no right to connect to it, it takes no connections: said once the password was right."""
READS_ONLY = """
    SELECT NOT r.rolcreaterole AND NOT r.rolcreatedb AND NOT r.rolreplication
       AND NOT has_database_privilege(current_database(), 'CREATE')
       AND NOT EXISTS (SELECT FROM pg_namespace n WHERE n.nspname !~ '^pg_' AND has_schema_privilege(n.oid, 'CREATE'))
       AND NOT EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                       WHERE c.relkind IN ('r', 'p', 'v', 'f') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
                         AND has_table_privilege(c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE'))
    FROM pg_roles r WHERE r.rolname = current_user"""
POWERFUL = ("pg_execute_server_program", "pg_write_server_files", "pg_read_server_files")


def databases(target: Target) -> list[str]:
    # libpq's own default is a database of the user's name; these two are there after every initdb.
    return list(dict.fromkeys(name for name in (target.database or target.user, "postgres", "template1") if name))


def open(target: Target, password: bytes, line: Any, trust: ssl.SSLContext | None) -> Any:
    try:
        from pg8000 import native
    except ImportError:
        raise Unaskable("needs a driver: install deadkey[databases]") from None

    class Connection(native.Connection):  # type: ignore[misc] # the driver has no types
        """Knows whether it was asked for a password: a server that trusts everybody proves nothing."""

        asked = False

        def handle_AUTHENTICATION_REQUEST(self, data: bytes, context: Any) -> None:
            self.asked = self.asked or data[:4] != bytes(4)
            super().handle_AUTHENTICATION_REQUEST(data, context)

    try:
        session = Connection(
            target.user,
            host=target.host,
            database=target.database,
            password=password,
            sock=line,
            ssl_context=trust,
            application_name="deadkey",
        )
    except native.DatabaseError as e:
        raise _read(e, target) from None
    except ssl.SSLError:
        raise untrusted(target) from None
    except native.InterfaceError as e:
        if "SSL" in str(e):
            raise untrusted(target) from None
        raise Unanswered(f"{target.place} broke off, or asked for a way to log in that is not known") from None
    except Exception as e:
        raise Unanswered(f"{target.place} broke off ({type(e).__name__})") from None
    if not session.asked:
        session.close()
        raise Unanswered(f"{target.place} lets {target.user} in without a password, so it says nothing of this one")
    # Whatever the role's own settings are, names mean the server's own functions.
    session.run("SET search_path TO pg_catalog")
    return session


def code(error: Exception) -> str:
    """The SQLSTATE of an error, "" where it has none."""
    fields = error.args[0] if error.args and isinstance(error.args[0], dict) else {}
    return str(fields.get("C", ""))


def _read(error: Exception, target: Target) -> Exception:
    fields = error.args[0] if error.args and isinstance(error.args[0], dict) else {}
    state = code(error)
    if state == WRONG:
        return Denied(f"{target.place} refused the password ({state})")
    if state == NOT_LET_IN and fields.get("R") == "InitializeSessionUserId":
        return Denied(f"{target.place} does not let this role log in ({state})")
    if state in PAST_THE_PASSWORD:
        return Entered(f"{target.place} took the password, but not for this database ({state})")
    named = state if len(state) == 5 and state.isalnum() else "an error"
    return Unanswered(f"{target.place} answered {named}, which says nothing of the password")


def account(session: Any, target: Target) -> str:
    return str(session.run("SELECT session_user::text")[0][0])


def facts(session: Any) -> Facts:
    session.run("START TRANSACTION READ ONLY")
    ((name, version, superuser, flags, expires),) = session.run(
        """SELECT current_user::text, current_setting('server_version'), rolsuper,
                  concat_ws(', ', CASE WHEN rolsuper THEN 'superuser' END, CASE WHEN rolcreaterole THEN 'createrole' END,
                            CASE WHEN rolcreatedb THEN 'createdb' END, CASE WHEN rolreplication THEN 'replication' END,
                            CASE WHEN rolbypassrls THEN 'bypassrls' END),
                  CASE WHEN isfinite(rolvaliduntil)
                       THEN to_char(rolvaliduntil AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') END
           FROM pg_roles WHERE rolname = current_user"""
    )
    reachable = session.run(
        "SELECT datname::text FROM pg_database WHERE datallowconn AND has_database_privilege(oid, 'CONNECT')"
        f" ORDER BY datname LIMIT {LIST}"
    )
    roles = session.run(
        "SELECT rolname::text FROM pg_roles WHERE pg_has_role(current_user, oid, 'MEMBER') AND rolname <> current_user"
        f" ORDER BY rolname LIMIT {LIST}"
    )
    (reads_only,) = session.run(READS_ONLY)[0]
    held = [role for (role,) in roles]
    told = {
        "account": name,
        "version": version,
        "scopes": flags or ("reads only" if reads_only else "reads and writes"),
        "roles": None if superuser else held,
        "databases": [database for (database,) in reachable],
        "expires": expires,
    }
    if superuser or set(held) & set(POWERFUL):
        return Facts(told, "critical")
    return Facts(told, "medium" if reads_only else "high")
