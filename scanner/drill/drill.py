"""The fire drill: leak throw-away tokens in every kind of place, run the real path, and prove each one dead.

Nothing leaves the machine: the issuer is our own, on loopback, and everything lies in a temporary folder.
"""

from __future__ import annotations

import gzip
import secrets
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from scanner import pipeline
from scanner.config import Config
from scanner.drill.issuer import Issuer, Server
from scanner.model import Finding
from scanner.revoke import journal
from scanner.revoke.settings import Allowance, RevokeSettings
from scanner.ruleset import cache
from scanner.ruleset.ruleset import Ruleset
from scanner.sources.interface import Source
from scanner.verify.settings import VerifySettings

RULES = Path(__file__).parent / "rules"
LIFETIME = 900.0
"""Seconds after which a drill's token dies by itself, should the drill be cut short."""


@dataclass(frozen=True, slots=True)
class Leak:
    """One token's way, in seconds after it was leaked; None is a step that it did not reach."""

    name: str
    place: str
    found: float | None = None
    path: str | None = None
    line: int | None = None
    live: float | None = None
    account: str | None = None
    scopes: str | None = None
    dead: float | None = None
    outcome: str = "not found"

    @property
    def killed(self) -> bool:
        return self.found is not None and self.dead is not None


@dataclass(frozen=True, slots=True)
class Drill:
    """What a drill showed. `problems` is empty when everything went as it should."""

    leaks: tuple[Leak, ...]
    seconds: float
    problems: tuple[str, ...]

    def record(self) -> dict[str, Any]:
        return {
            "version": 1,
            "passed": not self.problems,
            "seconds": round(self.seconds, 3),
            "leaks": [
                {k: round(v, 3) if isinstance(v, float) else v for k, v in asdict(x).items()} for x in self.leaks
            ],
            "problems": list(self.problems),
        }


@dataclass(frozen=True, slots=True)
class Planted:
    token: bytes
    name: str
    place: str
    at: float


def run(say: Callable[[str], None]) -> Drill:
    """Run the drill; `say` is told of each step. Raises DeadkeyError when it cannot be set up."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="deadkey-drill-") as folder:
        base = Path(folder)
        client = ("drill", secrets.token_urlsafe(24))
        issuer = Issuer(str(base / "issuer.db"), client)
        with closing(Server(issuer)) as server:
            say(f"issuer listens at {server.address}")
            config = _config(server.address, client, base / "journal.jsonl")
            ruleset = cache.get((RULES,))
            spent = issuer.mint("retired", "read", LIFETIME)
            issuer.revoke(spent)
            planted, sources = _leak(base / "leaks", issuer, spent)
            leaks = []
            for source in sources:
                leaks += _kill(source, ruleset, config, [p for p in planted if p.place == source.kind], say)
            problems = _problems(leaks, planted, issuer, config)
            problems += [f"journal: line {fault.line}: {fault.what}" for fault in journal.verify(config.revoke.journal)]
        return Drill(tuple(leaks), time.monotonic() - started, tuple(problems))


def _config(address: str, client: tuple[str, str], path: Path) -> Config:
    host = address.removeprefix("http://")
    verify = VerifySettings(
        hosts=frozenset((host,)),
        plain_http=frozenset((host,)),
        endpoints={"deadkey-drill": address},
        owner={"client_id": client[0], "client_secret": client[1]},
    )
    allowance = Allowance(rules=("deadkey-drill",), max_per_run=100)
    revoke = RevokeSettings(journal=path, mode="auto", auto=(allowance,), recheck=(0.0, 0.1, 0.5, 2.0))
    return Config(path=None, verify=verify, revoke=revoke)


def _leak(folder: Path, issuer: Issuer, spent: bytes) -> tuple[list[Planted], list[Source]]:
    """Leak a token of each kind of place, and an already dead one beside the first."""
    from git import Actor, Repo

    from scanner.sources.env import EnvSource
    from scanner.sources.git.changes import StagedSource
    from scanner.sources.git.history import HistorySource
    from scanner.sources.git.run import open_repository
    from scanner.sources.logs import LogsSource

    planted: list[Planted] = []

    def mint(name: str, scope: str, place: str) -> str:
        token = issuer.mint(name, scope, LIFETIME)
        planted.append(Planted(token, name, place, time.monotonic()))
        return token.decode()

    root = folder / "repository"
    repo = Repo.init(root, mkdir=True)
    who = Actor("Drill", "drill@localhost")

    def commit(name: str, text: str, message: str) -> None:
        (root / name).write_text(text)
        repo.index.add([name])
        repo.index.commit(message, author=who, committer=who, skip_hooks=True)

    commit("README", "A service.\n", "start")
    commit(
        "settings.py",
        f'DEBUG = False\nOLD = "{spent.decode()}"\nTOKEN = "{mint("deploy-bot", "repo write", "git")}"\n',
        "wip",
    )
    commit("settings.py", "DEBUG = False\n", "remove the token")
    (root / "client.py").write_text(f'headers = {{"Authorization": "Bearer {mint("ci-runner", "build", "staged")}"}}\n')
    repo.index.add(["client.py"])
    repo.index.write()
    repo.close()

    service = folder / "service"
    service.mkdir()
    (service / ".env").write_text(
        f"# production\nPORT=8080\nexport API_TOKEN='{mint('billing', 'invoices:read', 'env')}'\n"
    )
    logs = folder / "logs"
    logs.mkdir()
    (logs / "app.log").write_text(
        "GET /health 200\n" + f"POST /login token={mint('web-session', 'user', 'logs')} 302\n"
    )
    with gzip.open(logs / "app.log.1.gz", "wt") as out:
        out.write(f"retrying with {mint('web-session-old', 'user', 'logs')}\n")

    return planted, [
        StagedSource(open_repository(str(root))),  # first: what is staged lies in the object store too
        HistorySource.open(open_repository(str(root))),
        EnvSource((str(service),)),
        LogsSource((str(logs),)),
    ]


def _kill(
    source: Source, ruleset: Ruleset, config: Config, planted: list[Planted], say: Callable[[str], None]
) -> list[Leak]:
    """Scan one place, ask, revoke; what became of each token that was leaked there."""
    report, _ = pipeline.scan(source, ruleset, pipeline.Options(only=("deadkey-drill",)), b"drill")
    found_at = time.monotonic()
    say(f"{source.kind}: {len(report.findings)} found")
    asked = pipeline.act(
        report.findings, ruleset, replace(config, revoke=replace(config.revoke, mode="plan")), False, _never, say
    )
    live_at = time.monotonic()
    done: list[tuple[Finding, Finding, float]] = []
    for finding in asked:
        (after,) = pipeline.act([finding], ruleset, config, True, _never, say)
        done.append((finding, after, time.monotonic()))
    leaks = []
    for plant in planted:
        leak = Leak(plant.name, plant.place)
        for before, after, dead_at in done:
            if after.secret.reveal() != plant.token:
                continue
            verdict = before.verdict
            live = verdict is not None and verdict.state == "live"
            outcome = after.outcome.state if after.outcome else (verdict.state if verdict else "")
            first = after.locations[0]
            leak = Leak(
                name=plant.name,
                place=plant.place,
                found=found_at - plant.at,
                path=first.path and Path(first.path).name,
                line=first.start_line,
                live=live_at - plant.at if live else None,
                account=str(verdict.identity.get("account")) if verdict and live else None,
                scopes=str(verdict.identity.get("scopes")) if verdict and live else None,
                dead=dead_at - plant.at if outcome == "revoked" else None,
                outcome=outcome,
            )
        leaks.append(leak)
    return leaks


def _never(_finding: Finding, _effect: str) -> bool:
    return False


def _problems(leaks: list[Leak], planted: list[Planted], issuer: Issuer, config: Config) -> list[str]:
    """What did not go as it should; the issuer has the last word on each token."""
    problems = [f"{leak.name} ({leak.place}): {leak.outcome}" for leak in leaks if not leak.killed]
    problems += [f"{p.name}: the issuer still calls it active" for p in planted if issuer.introspect(p.token)["active"]]
    if issuer.calls("revoke") != len(planted) + 1:
        problems.append(
            f"the issuer was asked to revoke {issuer.calls('revoke')} times for {len(planted)} leaked tokens and one spent"
        )
    return problems
