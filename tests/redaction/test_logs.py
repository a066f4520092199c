"""What an application logs is written without its secrets, whatever it logs, and never fails for it."""

from __future__ import annotations

import io
import json
import logging
import logging.handlers
import queue
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from scanner.redaction import Filter, Formatter, Redactor
from tests.cli.parts import Token

Logger = Callable[..., tuple[logging.Logger, io.StringIO]]


@pytest.fixture
def logger(redactor: Redactor) -> Iterator[Logger]:
    made: list[logging.Logger] = []

    def make(form: str = "%(message)s", inner: logging.Formatter | None = None) -> tuple[logging.Logger, io.StringIO]:
        out = io.StringIO()
        handler = logging.StreamHandler(out)
        handler.addFilter(Filter(redactor))
        handler.setFormatter(inner or logging.Formatter(form))
        log = logging.getLogger(f"tests.redaction.{len(made)}")
        log.propagate = False
        log.setLevel(logging.DEBUG)
        log.handlers = [handler]
        made.append(log)
        return log, out

    yield make
    for log in made:
        log.handlers = []


def test_message_and_arguments(logger: Logger, token: Token) -> None:
    log, out = logger()
    value = token("a").decode()
    log.info("token=%s", value)
    log.info("%(token)s of %(who)s", {"token": value, "who": "ada"})
    log.info(f"100% of {value}")
    log.info({"authorization": value})
    log.info("password = '%s'", "Kd83hd7Hhs82KDj")
    assert out.getvalue().splitlines() == [
        "token=[github-pat]",
        "[github-pat] of ada",
        "100% of [github-pat]",
        "{'authorization': '[github-pat]'}",
        "password = '[generic-secret]'",
    ]


def test_a_record_without_secrets_keeps_its_template_and_arguments(redactor: Redactor) -> None:
    record = logging.makeLogRecord({"msg": "%s of %d", "args": ("one", 2), "user": {"id": 7}, "tags": ("a", "b")})
    before = dict(record.__dict__)
    assert Filter(redactor).filter(record)
    assert record.__dict__ == before


def test_arguments_that_the_message_shows_cut_short(redactor: Redactor, token: Token) -> None:
    record = logging.makeLogRecord({"msg": "%.4s", "args": (token("a").decode(),)})
    Filter(redactor).filter(record)
    assert record.getMessage() == "[git"
    assert token("a").decode() not in repr(record.__dict__)


def test_exceptions_and_stacks(logger: Logger, token: Token) -> None:
    log, out = logger()
    value = token("a").decode()
    try:
        try:
            raise KeyError(value)
        except KeyError as e:
            raise ValueError("no such token") from e
    except ValueError:
        log.exception("failed", stack_info=True)
    said = out.getvalue()
    assert value not in said
    assert "KeyError: '[github-pat]'" in said and "ValueError: no such token" in said and "Stack (most recent" in said


def test_extra_fields_however_deep(logger: Logger, token: Token) -> None:
    class Json(logging.Formatter):
        def format(self, record: logging.LogRecord) -> str:
            return json.dumps({"message": record.getMessage(), "request": record.__dict__["request"]}, default=str)

    log, out = logger(inner=Json())
    value = token("a").decode()

    class Header:
        def __str__(self) -> str:
            return f"Bearer {value}"

    deep: Any = value
    for _ in range(30):
        deep = [deep]
    request = {"headers": [Header(), ("x", value)], "body": value.encode(), value: 1, "deep": deep, "length": 12}
    log.info("request", extra={"request": request})
    log.info("settings", extra={"request": {"db_password": "Kd83hd7Hhs82KDj", "page": "3"}})
    first, second = map(json.loads, out.getvalue().splitlines())
    assert value not in out.getvalue()
    assert first["request"]["headers"] == ["Bearer [github-pat]", ["x", "[github-pat]"]]
    assert first["request"]["length"] == 12 and first["request"]["[github-pat]"] == 1
    assert second["request"] == {"db_password": "[generic-secret]", "page": "3"}
    assert request["body"] == value.encode(), "the application's own object was changed"


def test_a_message_that_cannot_be_made_shows_no_secret_anywhere(
    logger: Logger, token: Token, capsys: pytest.CaptureFixture[str]
) -> None:
    log, out = logger()
    log.info("%d", token("a").decode())
    assert out.getvalue() == "[TypeError in the message] %d ('[github-pat]',)\n"
    assert capsys.readouterr().err == ""


class Broken:
    def __str__(self) -> str:
        raise RuntimeError("no words for it")

    __repr__ = __str__


def test_what_cannot_be_looked_at_is_withheld_and_never_raises(
    logger: Logger, token: Token, capsys: pytest.CaptureFixture[str]
) -> None:
    log, out = logger("%(message)s %(other)s")
    log.info("token=%s", token("a").decode(), extra={"thing": Broken(), "other": token("b").decode()})
    log.info("x %s", Broken(), extra={"other": 1})
    circle: list[Any] = []
    circle.append(circle)
    log.info("round", extra={"other": circle})
    assert token("a").decode() not in out.getvalue() and token("b").decode() not in out.getvalue()
    assert out.getvalue().startswith("[not-redacted] RuntimeError [not-redacted]\n")
    assert out.getvalue().count("\n") == 3
    assert capsys.readouterr().err == ""


def test_the_formatter_masks_what_another_made(redactor: Redactor, token: Token) -> None:
    class Loud(logging.Formatter):
        def format(self, record: logging.LogRecord) -> str:
            return f"{record.getMessage().upper()} {token('b').decode()}"

    formatter = Formatter(Loud(), redactor)
    assert formatter.format(logging.makeLogRecord({"msg": "hello"})) == "HELLO [github-pat]"
    broken = logging.makeLogRecord({"msg": "%d", "args": (token("a").decode(),)})
    assert "[TypeError in the message]" in formatter.format(broken)
    assert token("a").decode() not in formatter.format(broken)
    hopeless = logging.makeLogRecord({"msg": Broken(), "name": "app", "levelname": "INFO"})
    assert formatter.format(hopeless) == "[not-redacted] RuntimeError: INFO app"


def test_a_queue_between_threads(redactor: Redactor, token: Token) -> None:
    """The filter on the handler that puts records into the queue: none is in there with a secret."""
    held: queue.SimpleQueue[logging.LogRecord] = queue.SimpleQueue()
    handler = logging.handlers.QueueHandler(held)
    handler.addFilter(Filter(redactor))
    log = logging.getLogger("tests.redaction.queue")
    log.propagate, log.handlers = False, [handler]
    log.setLevel(logging.INFO)
    threads = [
        threading.Thread(target=lambda n=n: [log.info("%s %d", token(str(n)).decode(), i) for i in range(50)])
        for n in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    said = [held.get_nowait().getMessage() for _ in range(400)]
    assert sorted(said) == sorted(f"[github-pat] {i}" for i in range(50) for _ in range(8))


def test_a_signal_handler_may_log_while_a_record_is_masked(logger: Logger, token: Token) -> None:
    log, out = logger()
    value = token("a").decode()
    rounds = []

    def alarm(_number: int, _frame: object) -> None:
        rounds.append(1)
        log.info("in between %s", value)

    before = signal.signal(signal.SIGALRM, alarm)
    signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
    try:
        while len(rounds) < 40:
            log.info("%s and %s", value, "x" * 500)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert value not in out.getvalue()
    assert out.getvalue().count("in between [github-pat]") >= 40
