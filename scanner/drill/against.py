"""The fire drill against a database server: a throw-away user is made, its password leaked, found, asked about, locked and
proved dead, while a session of it is open. Then the user is dropped.

The owner's password comes from the configuration (`revoke.databases`), else from where the system's own programs look.
"""

from __future__ import annotations

import secrets
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from scanner import pipeline
from scanner.config import Config
from scanner.drill.drill import LIFETIME, Drill, Leak
from scanner.model import DeadkeyError
from scanner.revoke import journal
from scanner.revoke.settings import Allowance, DatabaseOwner, RevokeSettings
from scanner.ruleset import cache
from scanner.verify.credential import Source
from scanner.verify.databases.check import session
from scanner.verify.databases.interface import Denied, Entered, Target, load
from scanner.verify.databases.target import target_of
from scanner.verify.interface import Unanswered, Unaskable
from scanner.verify.settings import PASSWORDS

PREFIX = "deadkey_drill_"
RULE = "database-url"


def run(url: str, config: Config, say: Callable[[str], None]) -> Drill:
    """Run the drill against the server and owner of `url`. DeadkeyError when the throw-away user cannot be made."""
    owner = _owner(url)
    given = _given(owner, url, config)
    settings = replace(config.verify, hosts=config.verify.hosts | {owner.place})
    started = time.monotonic()
    user, password = PREFIX + secrets.token_hex(6), _password()
    target = owner._replace(user=user)
    try:
        with _acting(owner, given, settings) as acting:
            _mint(owner.kind, acting, user, password)
    except _FAULTS as e:
        raise DeadkeyError(f"{owner.place}: {_why(e, owner)}") from None
    except DeadkeyError:
        raise
    except Exception as e:
        raise DeadkeyError(f"{owner.place}: {owner.user} could not make a user ({_name(owner, e)})") from None
    leaked = time.monotonic()
    say(f"{owner.kind}: {user} was made on {owner.place}")
    try:
        with tempfile.TemporaryDirectory(prefix="deadkey-drill-") as folder:
            revoke = RevokeSettings(
                journal=Path(folder) / "journal.jsonl",
                mode="auto",
                hooks=("database",),
                databases=(DatabaseOwner(url, given),),
                auto=(Allowance(rules=(RULE,)),),
                recheck=(0.0, 0.1, 0.5, 2.0),
            )
            acting_config = replace(config, verify=settings, revoke=revoke)
            leak, problems = _kill(Path(folder), target, password, acting_config, leaked, say)
            problems += [f"journal: line {fault.line}: {fault.what}" for fault in journal.verify(revoke.journal)]
    finally:
        dropped = _dropped(owner, given, settings, user)
    if not dropped:
        problems.append(f"{user} could not be dropped from {owner.place}: drop it by hand")
    say(f"{owner.kind}: {user} was {'' if dropped else 'not '}dropped")
    return Drill((leak,), time.monotonic() - started, tuple(problems))


_FAULTS = (Denied, Entered, Unanswered, Unaskable)


def _password() -> str:
    return secrets.token_hex(8) + secrets.token_urlsafe(12).replace("-", "x").replace("_", "y")


def _owner(url: str) -> Target:
    try:
        owner = target_of(url)
    except ValueError as e:
        raise DeadkeyError(f"--against: {e}: write postgresql://owner@host:port/database (mysql, redis)") from None
    if not owner.user:
        raise DeadkeyError("--against: the owner's name is missing: write postgresql://owner@host:port/database")
    return owner


def _given(owner: Target, url: str, config: Config) -> Callable[[], str]:
    for line in config.revoke.databases:
        if target_of(line.url)._replace(database="") == owner._replace(database=""):
            return line.password
    return Source("of the owner in --against", env=PASSWORDS[owner.kind])


@contextmanager
def _acting(owner: Target, given: Callable[[], str], settings: Any) -> Iterator[Any]:
    with session(owner, given().encode(), settings) as opened:
        yield opened


def _why(error: Exception, owner: Target) -> str:
    return f"refused the owner {owner.user}" if isinstance(error, Denied) else str(error)


def _name(owner: Target, error: Exception) -> str:
    return f"{type(error).__name__} {getattr(load(owner.kind), 'code', lambda _: '')(error)}".strip()


def _mint(kind: str, acting: Any, user: str, password: str) -> None:
    """A user that may do next to nothing. On PostgreSQL it ends by itself, should the drill be cut short."""
    if kind == "postgresql":
        made = acting.run(
            "SELECT format('CREATE ROLE %I LOGIN PASSWORD %L VALID UNTIL %L', :name::text, :word::text,"
            f" now() + interval '{LIFETIME:g} seconds')",
            name=user,
            word=password,
        )
        acting.run(made[0][0])
    elif kind == "mysql":
        from scanner.verify.databases.mysql import rows

        rows(acting, "CREATE USER %s@'%%' IDENTIFIED BY %s", (user, password))
    else:
        words = ("ACL", "SETUSER", user, "reset", "on", f">{password}", "+ping", "+acl|whoami", "+@connection")
        acting.ask(*(word.encode() for word in words))


def _dropped(owner: Target, given: Callable[[], str], settings: Any, user: str) -> bool:
    try:
        with _acting(owner, given, settings) as acting:
            if owner.kind == "postgresql":
                acting.run(acting.run("SELECT format('DROP ROLE IF EXISTS %I', :name::text)", name=user)[0][0])
            elif owner.kind == "mysql":
                from scanner.verify.databases.mysql import rows

                rows(acting, "DROP USER IF EXISTS %s@'%%'", (user,))
            else:
                acting.ask(b"ACL", b"DELUSER", user.encode())
        return True
    except Exception:  # whatever it was, the user is told to do it by hand
        return False


def _answers(kind: str, opened: Any) -> bool:
    try:
        if kind == "postgresql":
            opened.run("SELECT 1")
        elif kind == "mysql":
            opened.ping(reconnect=False)
        else:
            opened.ask(b"PING")
        return True
    except Exception:  # a driver's way to say that it is gone
        return False


def _kill(
    folder: Path, target: Target, password: str, config: Config, leaked: float, say: Callable[[str], None]
) -> tuple[Leak, list[str]]:
    """Leak the password into a history, and take it from there to dead."""
    from git import Actor, Repo

    from scanner.sources.git.history import HistorySource
    from scanner.sources.git.run import open_repository

    scheme = {"postgresql": "postgresql", "mysql": "mysql", "redis": "rediss" if target.tls else "redis"}[target.kind]
    database = f"/{target.database}" if target.database else ""
    repo = Repo.init(folder / "repository", mkdir=True)
    who = Actor("Drill", "drill@localhost")
    file = folder / "repository" / "settings.py"
    for text, message in (
        (f'DEBUG = False\nDATABASE_URL = "{scheme}://{target.user}:{password}@{target.place}{database}"\n', "wip"),
        ("DEBUG = False\n", "out"),
    ):
        file.write_text(text)
        repo.index.add([file.name])
        repo.index.commit(message, author=who, committer=who, skip_hooks=True)
    repo.close()
    leak = Leak(target.user, "git")
    ruleset = cache.get(())
    source = HistorySource.open(open_repository(str(folder / "repository")))
    report, _ = pipeline.scan(source, ruleset, pipeline.Options(only=(RULE,)), b"drill")
    found = [f for f in report.findings if f.secret.reveal() == password.encode()]
    if not found:
        return leak, [f"{target.user}: the leak was not found"]
    place = found[0].locations[0]
    leak = replace(leak, found=time.monotonic() - leaked, path=place.path, line=place.start_line, outcome="found")
    say(f"git: {len(found)} found")
    with suppress(*_FAULTS), session(target, password.encode(), config.verify) as opened:
        (asked,) = pipeline.act(found, ruleset, config, False, _never, say)
        verdict = asked.verdict
        if verdict is None or verdict.state != "live":
            reason = verdict.reason if verdict else "not asked"
            return replace(leak, outcome=verdict.state if verdict else ""), [f"{target.user}: {reason}"]
        identity = verdict.identity
        leak = replace(
            leak,
            live=time.monotonic() - leaked,
            account=str(identity.get("account")),
            scopes=str(identity.get("scopes", "")),
        )
        (after,) = pipeline.act([asked], ruleset, config, True, _never, say)
        outcome = after.outcome
        state = outcome.state if outcome else ""
        leak = replace(leak, outcome=state, dead=time.monotonic() - leaked if state == "revoked" else None)
        problems = [] if state == "revoked" else [f"{target.user}: {state}: {outcome.detail if outcome else ''}"]
        if _answers(target.kind, opened):
            problems.append(f"{target.user}: its open session goes on")
        return leak, problems
    return leak, [f"{target.user}: it could not log in"]


def _never(_finding: Any, _effect: str) -> bool:
    return False
