"""`logging` with its secrets masked: a filter for records, a formatter for what becomes of them.

Put the filter on handlers, not on loggers: a logger's filter does not see what comes from the loggers below it. It changes
the record itself, so what comes after it sees no secret either. The formatter masks the finished text, with whatever the
one it wraps has made of it.

Neither ever raises into the application. A record that cannot be looked at is written without anything that could hold a
secret, and says so.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Mapping
from typing import Any

from scanner.redaction.mask import Redactor

DEPTH = 8
"""Containers within containers that are looked into; what lies deeper is left out."""
DEEPER = "[too-deep]"
WITHHELD = "[not-redacted]"
CONTAINERS = (Mapping, list, tuple, set, frozenset, bytes, bytearray)
PLAIN = (int, float, complex, bool, type(None))

STANDARD = frozenset({*vars(logging.makeLogRecord({})), "message", "asctime", "taskName"})
"""What every record has; anything else is the application's own."""


class Filter(logging.Filter):
    """Masks the message with its arguments, the exception, the stack and all extra fields of every record; lets all pass.

    The message keeps its template and arguments where nothing is found in them. A text under a name is looked at together
    with that name, as a password tells by nothing else. What is no text or container is looked at as `str` gives it.
    """

    def __init__(self, redactor: Redactor | None = None) -> None:
        """Raises DeadkeyError when rules cannot be loaded, now and never later."""
        super().__init__()
        self.redactor = redactor or Redactor()

    def filter(self, record: logging.LogRecord) -> bool:
        try:
            self._message(record)
            self._exception(record)
            if record.stack_info:
                record.stack_info = self.redactor.text(str(record.stack_info))
            for name in record.__dict__.keys() - STANDARD:
                record.__dict__[name] = self._clean(record.__dict__[name], name, 0)
        except Exception as e:
            _withhold(record, e)
        return True

    def _message(self, record: logging.LogRecord) -> None:
        args = record.args
        if not args and isinstance(record.msg, str):
            record.msg = self.redactor.text(record.msg)
            return
        try:
            said = record.getMessage()
        except Exception as e:  # logging would print the arguments to standard error
            record.msg = self.redactor.text(f"[{type(e).__name__} in the message] {record.msg} {args}")
            record.args = ()
            return
        text = self.redactor.text(said)
        if text != said or not isinstance(record.msg, str):
            record.msg, record.args = text, ()
            return
        if isinstance(args, Mapping):
            record.args = {k: self._argument(v, str(k), said) for k, v in args.items()}
        elif args:
            record.args = tuple(self._argument(a, "", said) for a in args)

    def _argument(self, value: Any, name: str, said: str) -> Any:
        """An argument of a message in which nothing was found, masked where the message does not show all of it."""
        if isinstance(value, str):
            return value if value in said else self._named(value, name)
        return self._clean(value, name, 0) if isinstance(value, CONTAINERS) else value

    def _exception(self, record: logging.LogRecord) -> None:
        if record.exc_text:
            record.exc_text = self.redactor.text(record.exc_text)
        if not record.exc_info:
            return
        kind, error, trace = record.exc_info if isinstance(record.exc_info, tuple) else (None, None, None)
        if kind is None:
            return
        said = "".join(traceback.format_exception(kind, error, trace)).rstrip("\n")
        text = self.redactor.text(said)
        if text != said:  # a formatter then has the text alone
            record.exc_text, record.exc_info = text, None

    def _clean(self, value: Any, name: str, depth: int) -> Any:
        if isinstance(value, PLAIN):
            return value
        if isinstance(value, str):
            return self._named(value, name)
        if isinstance(value, (bytes, bytearray)):
            data = bytes(value)
            clean = self.redactor.data(data)
            return value if clean == data else clean
        if depth >= DEPTH and isinstance(value, CONTAINERS):
            return DEEPER
        if isinstance(value, Mapping):
            pairs = {self._clean(k, "", depth + 1): self._clean(v, str(k), depth + 1) for k, v in value.items()}
            return value if pairs == value else pairs
        if isinstance(value, (list, tuple, set, frozenset)):
            items = [self._clean(item, name, depth + 1) for item in value]
            if items == list(value):
                return value
            kind = type(value) if type(value) in (list, tuple, set, frozenset) else list
            return kind(items)
        said = str(value)
        text = self._named(said, name)
        return value if text == said else text

    def _named(self, value: str, name: str) -> str:
        """A text masked as the value of a setting called `name`."""
        if not name:
            return self.redactor.text(value)
        head, tail = f'{name} = "', '"'
        text = self.redactor.text(head + value + tail)
        if len(text) == len(value) + len(head) + 1 and text.endswith(value + tail):
            return value
        if text.startswith(head) and text.endswith(tail):
            return text[len(head) : -1]
        return WITHHELD


class Formatter(logging.Formatter):
    """Masks what another formatter makes of a record, its exception and stack included."""

    def __init__(self, inner: logging.Formatter | None = None, redactor: Redactor | None = None) -> None:
        """Raises DeadkeyError when rules cannot be loaded, now and never later."""
        super().__init__()
        self.inner = inner or logging.Formatter()
        self.redactor = redactor or Redactor()

    def format(self, record: logging.LogRecord) -> str:
        try:
            return self.redactor.text(self._said(record))
        except Exception as e:
            return f"{WITHHELD} {type(e).__name__}: {record.levelname} {record.name}"

    def _said(self, record: logging.LogRecord) -> str:
        try:
            return self.inner.format(record)
        except Exception as e:  # logging would print the arguments to standard error
            what = f"{record.levelname} {record.name}: {record.msg!r} {record.args!r}"
            return f"[{type(e).__name__} in the message] {what}"


def _withhold(record: logging.LogRecord, error: Exception) -> None:
    """Leave nothing in a record that could hold a secret."""
    record.msg = f"{WITHHELD} {type(error).__name__}"
    record.args, record.exc_info, record.exc_text, record.stack_info = (), None, None, None
    for name in [n for n in record.__dict__ if n not in STANDARD]:
        record.__dict__[name] = WITHHELD
