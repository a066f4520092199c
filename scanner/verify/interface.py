"""What travels between the parts of this room: a rendered request, its answer, and the two ways to get none."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

Action = Mapping[str, Any]
"""What a rule lets one do: `verify`, `revoke`, `rotate`, `domains`, `with` and `docs`, as its file has them."""

Actions = Callable[[str], Action]
"""Gives the actions of a rule by its id."""


class Clock(Protocol):
    """The part of the `time` module that is used: seconds everywhere."""

    def time(self) -> float: ...
    def monotonic(self) -> float: ...
    def sleep(self, seconds: float, /) -> None: ...


class Unaskable(Exception):
    """The question cannot be put: something that it needs is missing or not allowed. Never holds a secret."""


class Unanswered(Exception):
    """The question was put, or tried, and the answer decides nothing. Never holds a secret.

    `broken` is true when the connection failed, so that asking again may help; `busy` when the host said so.
    """

    def __init__(self, reason: str, *, broken: bool = False, busy: bool = False) -> None:
        super().__init__(reason)
        self.broken = broken
        self.busy = busy


@dataclass(frozen=True)
class Call:
    """One HTTP request, rendered. Its parts hold secrets, so none of them is ever printed."""

    method: str
    url: str = field(repr=False)
    host: str
    port: int
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    params: Mapping[str, str] = field(default_factory=dict, repr=False)
    json: Any = field(default=None, repr=False)
    form: Mapping[str, str] | None = field(default=None, repr=False)
    body: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Answer:
    """What came back: header names in lower case, `body` the parsed JSON or None, `text` at most 256 KiB of it.

    `cut` is true when there was more.
    """

    host: str
    status: int
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: Any = field(default=None, repr=False)
    text: str = field(default="", repr=False)
    cut: bool = False

    def document(self) -> dict[str, Any]:
        """What a rule's JMESPath expressions see."""
        return {"status": self.status, "headers": dict(self.headers), "body": self.body, "text": self.text}


class Asker(Protocol):
    """Puts a request to its host within the limits, and raises Unanswered where no answer can be had.

    `again` says that the request may be repeated although the first one could have reached the host.
    """

    def __call__(self, call: Call, *, again: bool = True) -> Answer: ...
