"""Redis and what speaks as it does: AUTH, and what the ACL says of the user. The protocol's second version (RESP) in the
few lines that it takes: https://redis.io/docs/latest/develop/reference/protocol-spec/, commands:
https://redis.io/docs/latest/commands/"""

from __future__ import annotations

import re
import secrets
import ssl
from typing import Any

from scanner.verify.databases.interface import Denied, Facts, Target
from scanner.verify.databases.line import untrusted
from scanner.verify.interface import Unanswered

LONGEST = 1 << 20
"""Bytes of an answer, and pieces of a list."""
DEEPEST = 8
WRITES = (
    (b"SET", b"k", b"v"),
    (b"DEL", b"k"),
    (b"HSET", b"k", b"f", b"v"),
    (b"LPUSH", b"k", b"v"),
    (b"EVAL", b"0", b"0"),
)
"""Queued in a transaction that is then discarded, so that the server judges them and none is run."""


class Fault(Exception):
    """The server's answer was an error; `word` is its first word. Never holds what was sent."""

    def __init__(self, word: str, text: str) -> None:
        super().__init__(word)
        self.word, self.text = word, text


class Session:
    """One connection, a question at a time."""

    def __init__(self, line: Any, user: str) -> None:
        self.user = user
        self._line = line
        self._file = line.makefile("rb")

    def close(self) -> None:
        self._file.close()
        self._line.close()

    def ask(self, *words: bytes) -> Any:
        """The answer to a command: bytes, int, None or a list of these. Raises Fault, OSError and ValueError."""
        self._line.sendall(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%b\r\n" % (len(w), w) for w in words))
        return self._read(0)

    def _read(self, depth: int) -> Any:
        line = self._file.readline(LONGEST)
        if not line.endswith(b"\r\n") or depth > DEEPEST:
            raise ValueError("not the protocol")
        mark, rest = line[:1], line[1:-2]
        if mark == b"+":
            return rest
        if mark == b"-":
            text = rest.decode("utf-8", "replace")
            word = text.split(" ", 1)[0]
            raise Fault(word if re.fullmatch(r"[A-Z]{2,20}", word) else "an error", text)
        number = int(rest)
        if mark == b":":
            return number
        if number > LONGEST or mark not in (b"$", b"*"):
            raise ValueError("not the protocol")
        if number < 0:
            return None
        if mark == b"*":
            return [self._read(depth + 1) for _ in range(number)]
        data = self._file.read(number + 2)
        if len(data) != number + 2:
            raise ValueError("cut short")
        return data[:-2]


def databases(target: Target) -> list[str]:
    return [""]


def open(target: Target, password: bytes, line: Any, trust: ssl.SSLContext | None) -> Any:
    try:
        if trust is not None:
            line = trust.wrap_socket(line, server_hostname=target.host)
        session = Session(line, target.user or "default")
        _log_in(session, target, password)
        return session
    except (ssl.SSLError, ssl.CertificateError):
        raise untrusted(target) from None
    except (OSError, ValueError) as e:
        if trust is not None and not isinstance(line, ssl.SSLSocket):
            # One without TLS waits for the rest of what it takes for a command.
            raise untrusted(target) from None
        if isinstance(e, TimeoutError):
            raise Unanswered(f"{target.place} did not answer in time") from None
        raise Unanswered(f"{target.place} broke off, or is no Redis server") from None


def _log_in(session: Session, target: Target, password: bytes) -> None:
    named = (target.user.encode(),) if target.user else ()
    e = _refusal(session, *named, password)
    if e is not None and named and e.text.startswith("ERR wrong number of arguments"):
        named = ()  # before version 6 there was one user
        e = _refusal(session, password)
    if e is not None:
        if e.word == "WRONGPASS" or e.text.startswith("ERR invalid password"):
            raise Denied(f"{target.place} refused the password ({e.word})") from None
        if "without any password" in e.text or "no password is set" in e.text:
            raise Unanswered(f"{target.place} wants no password at all, so it says nothing of this one") from None
        raise Unanswered(f"{target.place} answered {e.word}, which says nothing of the password") from None
    if _refusal(session, *named, secrets.token_hex(16).encode()) is None:
        raise Unanswered(f"{target.place} takes any password for this user, so it says nothing of this one")


def _refusal(session: Session, *words: bytes) -> Fault | None:
    try:
        session.ask(b"AUTH", *words)
    except Fault as e:
        return e
    return None


def account(session: Session, target: Target) -> str:
    return _who(session)[0] or session.user


def _maybe(session: Session, *words: bytes) -> Any:
    try:
        return session.ask(*words)
    except Fault:
        return None


def _pairs(answer: Any) -> dict[str, Any]:
    """A flat list of names and values as a mapping."""
    if not isinstance(answer, list):
        return {}
    texts = [item.decode("utf-8", "replace") if isinstance(item, bytes) else item for item in answer]
    return {str(name): value for name, value in zip(texts[::2], texts[1::2], strict=False)}


def facts(session: Session) -> Facts:
    hello = _pairs(_maybe(session, b"HELLO", b"2"))
    who, lists = _who(session)
    user = who or session.user
    told = {"account": user, "version": hello.get("version"), "role": hello.get("role")}
    rights = _pairs(_maybe(session, b"ACL", b"GETUSER", user.encode())) if who else {}
    keyspace = _maybe(session, b"INFO", b"keyspace")
    if isinstance(keyspace, bytes):
        told["databases"] = ", ".join(re.findall(r"^(db\d+):", keyspace.decode("utf-8", "replace"), re.MULTILINE))
    if rights:
        keys = rights.get("keys")
        told["scopes"] = f"{rights.get('commands')} on {keys if isinstance(keys, str) else 'its keys'}"
    if rights.get("commands") == "+@all" or not lists:
        return Facts(told, "critical")
    if _reads_only(session):
        return Facts({"scopes": "reads only"} | told, "medium")
    return Facts(told, "high" if rights else None)


def _who(session: Session) -> tuple[str, bool]:
    """The user's name, "" where it may not be asked; and whether the server has users at all (version 6 and later)."""
    try:
        return session.ask(b"ACL", b"WHOAMI").decode("utf-8", "replace"), True
    except Fault as e:
        return "", "unknown command" not in e.text


def _reads_only(session: Session) -> bool:
    """Whether the server would run none of the usual writes. Nothing is run to find out."""
    try:
        session.ask(b"MULTI")
    except Fault:
        return False  # it cannot be told
    refused = 0
    for words in WRITES:
        try:
            session.ask(*words)
        except Fault as e:
            refused += e.word == "NOPERM" and "permissions to run" in e.text
    _maybe(session, b"DISCARD")
    return refused == len(WRITES)
