"""The way to a database server: one connected socket, to an address that was looked up once, with a deadline.

Like `guard.py` for HTTP, with one difference: a server's name comes from scanned text, so only what the user's own
configuration names is asked at all.
"""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

from scanner.verify.databases.interface import Target
from scanner.verify.interface import Unanswered, Unaskable
from scanner.verify.settings import VerifySettings


@contextlib.contextmanager
def connected(target: Target, settings: VerifySettings) -> Iterator[socket.socket]:
    """A socket to the target, shut down after twice `settings.timeout` whatever happens. Unaskable when the user has not
    named the server; Unanswered when it cannot be reached, and when it took too long."""
    if not settings.allows(target.host, target.port):
        raise Unaskable(f"{target.place} stands in scanned text, and is asked only when verify.hosts lists it")
    sock = _connect(target, settings.timeout)
    twin = sock.dup()  # TLS takes the first one away
    over = threading.Event()

    def end() -> None:
        over.set()
        with contextlib.suppress(OSError):
            twin.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(2 * settings.timeout, end)
    timer.daemon = True
    timer.start()
    try:
        yield sock
    except Unanswered:
        if over.is_set():
            raise Unanswered(f"{target.place} did not answer in full within {2 * settings.timeout:g} s") from None
        raise
    finally:
        timer.cancel()
        with contextlib.suppress(OSError):
            twin.shutdown(socket.SHUT_RDWR)
        twin.close()
        sock.close()


def _connect(target: Target, timeout: float) -> socket.socket:
    from scanner.verify.guard import resolve

    try:
        found = resolve(target.host, target.port)
    except (socket.gaierror, UnicodeError):
        raise Unanswered(f"{target.place} could not be reached: it has no address") from None
    late = False
    for family, kind, protocol, _, address in found:
        sock = socket.socket(family, kind, protocol)
        try:
            sock.settimeout(timeout)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.connect(address)
            return sock
        except OSError as e:
            late = late or isinstance(e, TimeoutError)
            sock.close()
    why = f"did not answer within {timeout:g} s" if late else "could not be reached"
    raise Unanswered(f"{target.place} {why}")


def trust(target: Target, settings: VerifySettings) -> ssl.SSLContext | None:
    """How its certificate is checked; None where the user allows that it has none (`verify.plain_http`)."""
    if target.place in settings.plain_http and not target.tls:
        return None
    given = settings.ca_bundle or os.environ.get("REQUESTS_CA_BUNDLE")
    if not given:
        return ssl.create_default_context()
    folder = Path(given).is_dir()
    try:
        return ssl.create_default_context(cafile=None if folder else given, capath=given if folder else None)
    except OSError:
        raise Unaskable("the certificate authorities of verify.ca_bundle cannot be read") from None


def untrusted(target: Target) -> Unanswered:
    """What to say when TLS is not to be had."""
    return Unanswered(
        f"{target.place} showed no certificate that can be trusted (verify.ca_bundle; verify.plain_http allows to do without)"
    )
