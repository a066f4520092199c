"""The user's configuration: what may be asked, what may be revoked, and with whose credentials.

A repository's own `.deadkey.yaml` is read by `own`: it can allow, and nothing else.

The user's is read from `--config`, else `$DEADKEY_CONFIG`, else `$XDG_CONFIG_HOME/deadkey/config.yaml` (`~/.config`), and never
from the folder that is scanned: configuration can cause actions. Without a file neither YAML nor pydantic is imported.
"""

from __future__ import annotations

import functools
import os
import re
import stat
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from scanner.allow.settings import CONDITIONS
from scanner.allow.settings import Allowance as Entry
from scanner.detect.generic.settings import USUAL, Generic
from scanner.model import DeadkeyError
from scanner.revoke.settings import (
    HOOKS,
    TOLD,
    Allowance,
    DatabaseOwner,
    Notice,
    RevokeSettings,
    TwoPerson,
    Webhook,
)
from scanner.verify.credential import Source
from scanner.verify.settings import DATABASES, PASSWORDS, VerifySettings, database_place_of, place, place_of

if TYPE_CHECKING:
    from pydantic import BaseModel
    from yaml import Node

FINGERPRINT_KEY = "DEADKEY_FINGERPRINT_KEY"
PAGERDUTY = "https://events.pagerduty.com/v2/enqueue"
UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0}
"""Seconds of what a span of time is written in."""
OWN = ".deadkey.yaml"
"""The name of a repository's own configuration, at its top."""
OWN_LARGEST = 1 << 20
"""Bytes of one."""


@dataclass(frozen=True)
class Allow:
    """What is never reported: globs of paths, globs of rule ids, patterns of values, and allowances with a reason."""

    paths: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    values: tuple[str, ...] = ()
    entries: tuple[Entry, ...] = ()


@dataclass(frozen=True)
class Config:
    """Everything the user configured; `path` is None where there is no file."""

    path: Path | None
    verify: VerifySettings
    revoke: RevokeSettings
    allow: Allow = Allow()
    generic: Generic = USUAL
    notify: tuple[Notice, ...] = ()
    fingerprint_key: Callable[[], str] | None = None
    """Gives the user's own key for fingerprints, where there is one."""
    credentials: Mapping[str, Source] = field(default_factory=dict)


def load(path: str | None = None) -> Config:
    """The configuration at `path`, or where the user keeps it; defaults where there is none.

    DeadkeyError names file, line and field of what is wrong, and a named file that does not exist.
    """
    file = _find(path)
    settings, node = _read(file, _schema()) if file else (None, None)
    key = Source(FINGERPRINT_KEY, env=FINGERPRINT_KEY) if os.environ.get(FINGERPRINT_KEY) else None
    if settings is None:
        return Config(
            file, VerifySettings(), RevokeSettings(journal=state_folder() / "journal.jsonl"), fingerprint_key=key
        )
    return _built(
        settings, typing.cast(Path, file), key, _entries(settings.allowances, node, str(file), path is not None)
    )


def own(top: str) -> tuple[Entry, ...]:
    """What the `.deadkey.yaml` in the folder `top` allows, nothing where there is none. It is the scanned repository's, so
    no link is followed and no pipe waited for. DeadkeyError names file, line and field."""
    file = Path(top) / OWN
    try:
        handle = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as e:
        if not os.path.lexists(file):  # also where the folder may not be entered: then there is none for this user
            return ()
        raise DeadkeyError(f"{file}: {e.strerror}; --no-repo-config does without it") from None
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise DeadkeyError(f"{file}: not a file; --no-repo-config does without it")
    with open(handle, "rb") as opened:
        content = opened.read(OWN_LARGEST + 1)
    if len(content) > OWN_LARGEST:
        raise DeadkeyError(f"{file}: more than {OWN_LARGEST} bytes; --no-repo-config does without it")
    read, node = _read(file, _own_schema(), content)
    return _entries(read.allowances, node, OWN, True)


def _entries(given: Any, node: Node | None, name: str, is_own: bool) -> tuple[Entry, ...]:
    def entry(number: int, item: Any) -> Entry:
        where = f"{name}:{_line(node, ('allowances', number))}"
        conditions = {condition: getattr(item, condition) for condition in CONDITIONS}
        return Entry(item.reason, where, **conditions, until=item.until, own=is_own)

    return tuple(entry(number, item) for number, item in enumerate(given))


def config_folder() -> Path:
    """Where the user's configuration is kept; it need not exist."""
    return _base("XDG_CONFIG_HOME", ".config") / "deadkey"


def state_folder() -> Path:
    """Where the journal is kept; who writes there first makes it, with mode 0700."""
    return _base("XDG_STATE_HOME", ".local/state") / "deadkey"


def _base(variable: str, default: str) -> Path:
    # The specification has relative ones ignored, and here they would lead into the scanned folder.
    given = Path(os.environ.get(variable) or "")
    return given if given.is_absolute() else _home() / default


def _home() -> Path:
    try:
        home = Path.home()
    except RuntimeError:
        home = Path()
    if not home.is_absolute():
        raise DeadkeyError("no home folder is known: set HOME")
    return home


def _find(path: str | None) -> Path | None:
    if path is not None:
        file = Path(path).expanduser().absolute()
    elif given := os.environ.get("DEADKEY_CONFIG"):
        file = Path(given).expanduser()
        if not file.is_absolute():
            raise DeadkeyError("DEADKEY_CONFIG must be an absolute path, so that no scanned folder can provide it")
    else:
        file = config_folder() / "config.yaml"
        if not os.path.exists(file):  # also false where the folder may not be entered: then there is none for this user
            return None
    try:
        mode = file.stat().st_mode
    except OSError as e:
        raise DeadkeyError(f"{file}: {e.strerror}") from None
    if not stat.S_ISREG(mode):
        raise DeadkeyError(f"{file}: not a file")
    if mode & stat.S_IWOTH:
        raise DeadkeyError(f"{file}: everybody may write it, and it can cause actions (chmod o-w)")
    return file


@functools.cache
def _schema() -> type[BaseModel]:
    """The shape of the file. Built when there is one, since pydantic takes long to import."""
    from datetime import date
    from typing import Annotated, Literal

    from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

    Seconds = Annotated[float, Field(gt=0, le=3600)]
    Pause = Annotated[float, Field(ge=0, le=600)]
    Level = Literal["low", "medium", "high", "critical"]
    Span = Annotated[str, Field(pattern=r"^[1-9]\d{0,5}[smhdw]$")]

    class Strict(BaseModel):
        model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    class SourceModel(Strict):
        env: str | None = None
        file: str | None = None
        command: Annotated[tuple[str, ...], Field(min_length=1)] | None = None

        @model_validator(mode="after")
        def one(self) -> SourceModel:
            if sum(part is not None for part in (self.env, self.file, self.command)) != 1:
                raise ValueError("give one of env, file and command")
            return self

    class VerifyModel(Strict):
        timeout: Seconds = 10.0
        concurrency: Annotated[int, Field(ge=1, le=256)] = 32
        per_host: Annotated[int, Field(ge=1, le=256)] = 8
        per_host_rate: Annotated[float, Field(gt=0, le=1000)] = 20.0
        hosts: tuple[str, ...] = ()
        plain_http: tuple[str, ...] = ()
        endpoints: dict[str, str] = Field(default_factory=dict)
        ca_bundle: str | None = None
        retries: Annotated[int, Field(ge=0, le=10)] = 2

        @field_validator("hosts", "plain_http")
        @classmethod
        def no_address(cls, hosts: tuple[str, ...]) -> tuple[str, ...]:
            for host in hosts:
                if "/" in host or "*" in host or not host:
                    raise ValueError(f"{host!r}: write host or host:port")
            return hosts

        @field_validator("plain_http")
        @classmethod
        def with_port(cls, hosts: tuple[str, ...]) -> tuple[str, ...]:
            for host in hosts:
                if not host.rpartition(":")[2].isdigit():
                    raise ValueError(f"{host!r}: write host:port")
            return hosts

        @model_validator(mode="after")
        def addresses(self) -> VerifyModel:
            for name, address in self.endpoints.items():
                _check_address(f"endpoints.{name}", address, self.plain_http)
            return self

    class WebhookModel(Strict):
        url: str
        key: SourceModel
        include_secret: bool = False

    class DatabaseModel(Strict):
        url: str
        password: SourceModel | None = None

        @field_validator("url")
        @classmethod
        def names_an_owner(cls, url: str) -> str:
            _check_database(url)
            if not urlsplit(url).username:
                raise ValueError("write the owner's name into it: postgresql://owner@host:port/database")
            return url

    class AllowanceModel(Strict):
        rules: Annotated[tuple[str, ...], Field(min_length=1)] = ("*",)
        paths: Annotated[tuple[str, ...], Field(min_length=1)] = ("*",)
        min_severity: Level = "low"
        max_per_run: Annotated[int, Field(ge=1)] = 10
        identities: tuple[str, ...] = ()
        environments: tuple[str, ...] = ()
        older_than: Span | None = None
        newer_than: Span | None = None

    class TwoPersonModel(Strict):
        key: SourceModel | None = None
        signers: dict[str, str] = Field(default_factory=dict)
        required: bool = False
        valid: Span = "1d"

        @field_validator("signers")
        @classmethod
        def public_keys(cls, named: dict[str, str]) -> dict[str, str]:
            for name, key in named.items():
                if not re.match(r"ssh-ed25519 [A-Za-z0-9+/=]{60,}( |$)", key):
                    raise ValueError(f"{name}: write an Ed25519 public key as it stands in its .pub file")
            return named

    class NoticeModel(Strict):
        form: Literal["slack", "teams", "pagerduty", "json"]
        url: SourceModel | None = None
        key: SourceModel | None = None
        when: Annotated[
            tuple[Literal["live", "unknown", "dead", "revoked", "already-dead", "pending", "failed", "refused"], ...],
            Field(min_length=1),
        ] = TOLD
        min_severity: Level = "low"

        @model_validator(mode="after")
        def complete(self) -> NoticeModel:
            if self.url is None and self.form != "pagerduty":
                raise ValueError("url is missing: where the address is read from, as in url: {env: NAME}")
            if self.key is None and self.form == "pagerduty":
                raise ValueError("key is missing: where the routing key is read from, as in key: {env: NAME}")
            return self

    class RevokeModel(Strict):
        mode: Literal["plan", "ask", "auto"] = "plan"
        hooks: tuple[Literal["rule", "database", "command", "webhook", "plugin"], ...] = HOOKS
        command: Annotated[tuple[str, ...], Field(min_length=1)] | None = None
        command_timeout: Seconds = 60.0
        webhook: WebhookModel | None = None
        databases: tuple[DatabaseModel, ...] = ()
        auto: tuple[AllowanceModel, ...] = ()
        max_per_run: Annotated[int, Field(ge=1)] | None = None
        max_per_hour: Annotated[int, Field(ge=1)] | None = None
        environments: dict[str, Annotated[tuple[str, ...], Field(min_length=1)]] = Field(default_factory=dict)
        two_person: TwoPersonModel = TwoPersonModel()
        recheck: Annotated[tuple[Pause, ...], Field(min_length=1, max_length=20)] = RevokeSettings.recheck
        journal: str | None = None

        @model_validator(mode="after")
        def known_environments(self) -> RevokeModel:
            for number, line in enumerate(self.auto):
                if unknown := sorted(set(line.environments) - set(self.environments)):
                    raise ValueError(f"auto[{number + 1}]: revoke.environments names no {unknown[0]}")
            return self

    class AllowModel(Strict):
        paths: tuple[str, ...] = ()
        rules: tuple[str, ...] = ()
        values: tuple[str, ...] = ()

        @field_validator("values")
        @classmethod
        def patterns(cls, values: tuple[str, ...]) -> tuple[str, ...]:
            for value in values:
                try:
                    re.compile(value.encode())
                except re.error as e:
                    raise ValueError(f"not a pattern: {e}") from None
            return values

    Pattern = Annotated[str, Field(min_length=1, max_length=2000)]

    class EntryModel(Strict):
        reason: Annotated[str, Field(min_length=1)]
        until: date | None = None
        paths: tuple[Pattern, ...] = ()
        path_patterns: tuple[Pattern, ...] = ()
        rules: tuple[Pattern, ...] = ()
        values: tuple[Pattern, ...] = ()
        fingerprints: tuple[Annotated[str, Field(pattern="^[0-9a-f]{32}$")], ...] = ()
        commits: tuple[Annotated[str, Field(pattern="^[0-9a-fA-F]{7,64}$")], ...] = ()

        @field_validator("path_patterns", "values")
        @classmethod
        def patterns(cls, given: tuple[str, ...]) -> tuple[str, ...]:
            import regex

            for pattern in given:
                try:
                    regex.compile(pattern.encode())
                except regex.error as e:
                    raise ValueError(f"not a pattern: {e}") from None
            return given

        @field_validator("paths")
        @classmethod
        def ignorable(cls, given: tuple[str, ...]) -> tuple[str, ...]:
            from scanner.allow.allowances import ignore_patterns

            ignore_patterns(given)
            return given

        @model_validator(mode="after")
        def some(self) -> EntryModel:
            if not any(getattr(self, condition) for condition in CONDITIONS):
                raise ValueError(f"say what is allowed: give at least one of {', '.join(CONDITIONS)}")
            return self

    class GenericModel(Strict):
        enabled: bool = True
        placeholders: tuple[Annotated[str, Field(min_length=2)], ...] = ()
        keys: tuple[Annotated[str, Field(min_length=3, max_length=40, pattern=r"^[\w-]+$")], ...] = ()
        lower: tuple[str, ...] = ()

    class File(Strict):
        verify: VerifyModel = VerifyModel()
        revoke: RevokeModel = RevokeModel()
        allow: AllowModel = AllowModel()
        allowances: tuple[EntryModel, ...] = ()
        generic: GenericModel = GenericModel()
        notify: tuple[NoticeModel, ...] = ()
        credentials: dict[str, SourceModel] = Field(default_factory=dict)
        fingerprint_key: SourceModel | None = None

        @field_validator("credentials")
        @classmethod
        def qualified(cls, named: dict[str, SourceModel]) -> dict[str, SourceModel]:
            for name in named:
                if "." not in name:
                    raise ValueError(f"{name}: write <provider>.{name}, so that no other provider's rule can use it")
            return named

        @model_validator(mode="after")
        def webhook_address(self) -> File:
            if self.revoke.webhook:
                _check_address("revoke.webhook.url", self.revoke.webhook.url, self.verify.plain_http)
            return self

    return File


@functools.cache
def _own_schema() -> type[BaseModel]:
    """The shape of a repository's own file: allowances as in the user's, and nothing that could cause an action."""
    from pydantic import ConfigDict, create_model

    strict = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)
    shape: Any = _schema().model_fields["allowances"].annotation
    return create_model("Own", __config__=strict, allowances=(shape, ()))


def _check_database(url: str) -> None:
    try:
        database_place_of(url)
        password = urlsplit(url).password
    except ValueError:
        raise ValueError(
            "write an address like postgresql://host:port/database; mysql and redis are known, too"
        ) from None
    if password is not None:
        raise ValueError("no password may stand in it: name its source under password")


def _check_address(name: str, address: str, plain_http: tuple[str, ...]) -> None:
    if address.partition("://")[0] in DATABASES and name.startswith("endpoints."):
        try:
            _check_database(address)
        except ValueError as e:
            raise ValueError(f"{name}: {e}") from None
        return
    try:
        host = place(*place_of(address))
    except ValueError:
        raise ValueError(f"{name}: write an address like https://host/path") from None
    if "@" in address.split("//", 1)[1].split("/", 1)[0] or "#" in address:
        raise ValueError(f"{name}: no user and no fragment may stand in it")
    if address.startswith("http:") and host not in [item.lower() for item in plain_http]:
        raise ValueError(f"{name}: it is sent without TLS: list {host} under verify.plain_http if that is meant")


def _read(file: Path, shape: type[BaseModel], content: bytes | None = None) -> tuple[Any, Node | None]:
    """What stands in a file (or in its `content`, read already), of the given shape, and the nodes that know its lines."""
    import yaml
    from pydantic import ValidationError

    try:
        text = (file.read_bytes() if content is None else content).decode()
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        data = yaml.safe_load(text)
    except OSError as e:
        raise DeadkeyError(f"{file}: {e.strerror}") from None
    except UnicodeDecodeError:
        raise DeadkeyError(f"{file}: not UTF-8") from None
    except yaml.YAMLError as e:
        mark = getattr(e, "problem_mark", None)
        line = f"{mark.line + 1}: " if mark else " "
        raise DeadkeyError(f"{file}:{line}{getattr(e, 'problem', None) or 'not YAML'}") from None
    except RecursionError:
        raise DeadkeyError(f"{file}: nested too deep") from None
    if data is None:
        data = {}
    try:
        return shape.model_validate(data), node
    except ValidationError as e:
        errors = e.errors(include_url=False, include_input=False, include_context=False)
        # A misspelt key explains the one that is missing.
        error = next((error for error in errors if error["type"] == "extra_forbidden"), errors[0])
        where = tuple(part for part in error["loc"] if isinstance(part, str | int))
        name = ".".join(map(str, where)) or "the file"
        raise DeadkeyError(
            f"{file}:{_line(node, where)}: {name}: {_what(error['type'], error['msg'], where, shape)}"
        ) from None


def _what(kind: str, message: str, where: tuple[str | int, ...], shape: type[BaseModel]) -> str:
    if kind != "extra_forbidden":
        return message.removeprefix("Value error, ")
    if shape is not _schema() and len(where) == 1 and where[0] in _schema().model_fields:
        return "belongs in your own configuration; a repository's can only hold allowances"
    known = _known(where[:-1], shape)
    import difflib

    near = difflib.get_close_matches(str(where[-1]), known, 1, 0.5)
    return "unknown" + (f"; did you mean {near[0]}?" if near else f"; known are {', '.join(known)}")


def _known(where: tuple[str | int, ...], shape: Any) -> list[str]:
    """The keys that may stand at a place of the file."""
    for part in where:
        if part in shape.model_fields:  # not the number in a list or the name in a mapping
            shape = _model_in(shape.model_fields[part].annotation)
    return list(shape.model_fields)


def _model_in(annotation: Any) -> Any:
    """The model in `Model`, `Model | None`, `list[Model]` or `dict[str, Model]`."""
    if hasattr(annotation, "model_fields"):
        return annotation
    return next((found for inner in typing.get_args(annotation) if (found := _model_in(inner))), None)


def _line(node: Node | None, where: tuple[str | int, ...]) -> int:
    """The line, counted from 1, of the deepest part of `where` that stands in the file."""
    line = 1 if node is None else node.start_mark.line + 1
    for part in where:
        value: Any = getattr(node, "value", None)
        if isinstance(part, int) and isinstance(value, list) and part < len(value):
            node = value[part] if not isinstance(value[part], tuple) else None
        elif isinstance(value, list):
            pair = next((pair for pair in value if isinstance(pair, tuple) and pair[0].value == str(part)), None)
            if pair is None:
                break
            line, node = pair[0].start_mark.line + 1, pair[1]
            continue
        if node is None:
            break
        line = node.start_mark.line + 1
    return line


def _place_of(address: str) -> tuple[str, int]:
    return database_place_of(address) if address.partition("://")[0] in DATABASES else place_of(address)


def _span(text: str | None) -> float | None:
    """`7d` in seconds."""
    return None if text is None else int(text[:-1]) * UNITS[text[-1]]


def _built(file: Any, path: Path, key: Source | None, entries: tuple[Entry, ...]) -> Config:
    folder = path.parent

    def beside(name: str) -> Path:
        return folder / Path(name).expanduser()

    def program(command: tuple[str, ...] | None) -> tuple[str, ...]:
        if not command:
            return ()
        first = str(beside(command[0])) if "/" in command[0] else command[0]
        return (first, *command[1:])

    def source(name: str, given: Any) -> Source:
        return Source(
            name,
            given.env,
            beside(given.file) if given.file else None,
            program(given.command) if given.command else None,
        )

    verify, revoke = file.verify, file.revoke
    credentials = {name: source(name, given) for name, given in file.credentials.items()}
    endpoints = {name: address.rstrip("/") for name, address in verify.endpoints.items()}
    # Who configures an address names its host, which may be a private one.
    named = {place(*_place_of(address)) for address in endpoints.values()}
    named |= {place(*_place_of(line.url)) for line in revoke.databases}

    def database(number: int, given: Any) -> DatabaseOwner:
        name = f"revoke.databases.{number}.password"
        usual = Source(name, env=PASSWORDS[DATABASES[urlsplit(given.url).scheme][0]])
        return DatabaseOwner(given.url, source(name, given.password) if given.password else usual)

    def owner(name: str) -> str | None:
        return credentials[name]() if name in credentials else None

    return Config(
        path,
        VerifySettings(
            timeout=verify.timeout,
            concurrency=verify.concurrency,
            per_host=verify.per_host,
            per_host_rate=verify.per_host_rate,
            hosts=frozenset(map(str.lower, verify.hosts)) | named,
            plain_http=frozenset(map(str.lower, verify.plain_http)),
            endpoints=endpoints,
            owner=owner,
            ca_bundle=str(beside(verify.ca_bundle)) if verify.ca_bundle else None,
            retries=verify.retries,
        ),
        RevokeSettings(
            journal=beside(revoke.journal) if revoke.journal else state_folder() / "journal.jsonl",
            mode=revoke.mode,
            hooks=revoke.hooks,
            command=program(revoke.command),
            command_timeout=revoke.command_timeout,
            webhook=Webhook(
                revoke.webhook.url, source("revoke.webhook.key", revoke.webhook.key), revoke.webhook.include_secret
            )
            if revoke.webhook
            else None,
            databases=tuple(database(number, line) for number, line in enumerate(revoke.databases)),
            auto=tuple(
                Allowance(
                    line.rules,
                    line.paths,
                    line.min_severity,
                    line.max_per_run,
                    line.identities,
                    line.environments,
                    _span(line.older_than),
                    _span(line.newer_than),
                )
                for line in revoke.auto
            ),
            max_per_run=revoke.max_per_run,
            max_per_hour=revoke.max_per_hour,
            environments=dict(revoke.environments),
            two_person=TwoPerson(
                source("revoke.two_person.key", revoke.two_person.key) if revoke.two_person.key else None,
                dict(revoke.two_person.signers),
                revoke.two_person.required,
                _span(revoke.two_person.valid) or 0.0,
            ),
            recheck=revoke.recheck,
        ),
        Allow(file.allow.paths, file.allow.rules, file.allow.values, entries),
        Generic(file.generic.enabled, file.generic.placeholders, file.generic.keys, file.generic.lower),
        tuple(
            Notice(
                notice.form,
                source(f"notify[{number}].url", notice.url) if notice.url else lambda: PAGERDUTY,
                source(f"notify[{number}].key", notice.key) if notice.key else None,
                notice.when,
                notice.min_severity,
            )
            for number, notice in enumerate(file.notify, 1)
        ),
        key or (source("fingerprint_key", file.fingerprint_key) if file.fingerprint_key else None),
        credentials,
    )
