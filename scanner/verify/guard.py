"""The one way out to the network: a requests adapter that decides whom a secret may be sent to.

It resolves a name itself, refuses addresses that are not public (see `addresses`) unless the user named the host, and
connects to the very address that was judged, so a name cannot change its mind in between. TLS is checked against the
name. Redirects, cookies and netrc do not exist here, because no requests session does. Behind a proxy from the
environment the proxy is connected to as it is, and resolving is its business.
"""

from __future__ import annotations

import contextlib
import ipaddress
import json
import logging
import os
import socket
import threading
import zlib
from collections.abc import Callable
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from requests.utils import get_environ_proxies, select_proxy
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError

from scanner.verify.addresses import problem
from scanner.verify.interface import Answer, Call, Unanswered
from scanner.verify.settings import VerifySettings, agent, place

BODY = 256 * 1024
"""Bytes read of an answer, before and after decompression."""

# Its debug lines and some warnings quote paths, and a path may hold a secret.
logging.getLogger("urllib3").setLevel(logging.CRITICAL)

_turn = threading.local()


class Refused(Exception):
    """The host's address is none that a secret may be sent to."""


def resolve(host: str, port: int) -> list[tuple[Any, ...]]:
    """What `socket.getaddrinfo` says, for streams. socket.gaierror when it says nothing."""
    return list(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))


class _Guarded(HTTPConnection):
    """Opens the socket to an address that was judged, and can be cut off by the deadline of its turn."""

    allows: Callable[[str, int], bool]

    def _new_conn(self) -> socket.socket:
        if self.proxy is not None:
            return super()._new_conn()
        port = self.port or self.default_port
        try:
            found = resolve(self.host, port)
        except (socket.gaierror, UnicodeError) as e:
            raise NewConnectionError(self, "no address") from e
        if not type(self).allows(self.host, port):
            good = [info for info in found if problem(str(info[4][0])) is None]
            if not good:
                kinds = sorted({problem(str(info[4][0])) or "" for info in found})
                raise Refused(f"its address is {' and '.join(kinds)}, which verify.hosts does not allow")
            found = good
        return self._open(found)

    def _open(self, found: list[tuple[Any, ...]]) -> socket.socket:
        late = False
        for family, kind, protocol, _, address in found:
            sock = socket.socket(family, kind, protocol)
            try:
                sock.settimeout(self.timeout)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                sock.connect(address)
                return sock
            except OSError as e:
                late = late or isinstance(e, TimeoutError)
                sock.close()
        raise ConnectTimeoutError(self, "late") if late else NewConnectionError(self, "refused")

    def request(self, *args: Any, **kwargs: Any) -> None:
        if deadline := getattr(_turn, "deadline", None):
            deadline.connection = self
        super().request(*args, **kwargs)


class _GuardedTLS(_Guarded, HTTPSConnection):
    pass


class GuardedAdapter(HTTPAdapter):
    """Keeps connections open between requests, at most `at_once` a host."""

    def __init__(self, allows: Callable[[str, int], bool], at_once: int) -> None:
        own = {"allows": staticmethod(allows)}
        self._pools = {
            "http": type("_Pool", (HTTPConnectionPool,), {"ConnectionCls": type("_Plain", (_Guarded,), own)}),
            "https": type("_PoolTLS", (HTTPSConnectionPool,), {"ConnectionCls": type("_TLS", (_GuardedTLS,), own)}),
        }
        super().__init__(pool_connections=64, pool_maxsize=at_once, max_retries=0)

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **kwargs: Any) -> None:
        self.poolmanager = PoolManager(num_pools=connections, maxsize=maxsize, block=block, **kwargs)
        self.poolmanager.pool_classes_by_scheme = self._pools

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(proxy, **kwargs)
        if not proxy.lower().startswith("socks"):
            manager.pool_classes_by_scheme = self._pools
        return manager


class _Deadline:
    """Shuts the connection of the running request down when its time is over, however slowly bytes trickle in."""

    def __init__(self, seconds: float) -> None:
        self.connection: HTTPConnection | None = None
        self.over = False
        self._timer = threading.Timer(seconds, self._end)
        self._timer.daemon = True

    def __enter__(self) -> _Deadline:
        _turn.deadline = self
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        _turn.deadline = None

    def _end(self) -> None:
        self.over = True
        if self.connection is not None and self.connection.sock is not None:
            with contextlib.suppress(OSError):
                # The plain method: that of a TLS socket takes the TLS state away under the reading thread.
                socket.socket.shutdown(self.connection.sock, socket.SHUT_RDWR)


class Guard:
    """Sends calls under the user's settings; shared by the threads of a run."""

    def __init__(self, settings: VerifySettings) -> None:
        self._settings = settings
        self._adapter = GuardedAdapter(settings.allows, settings.per_host)
        self._trust = settings.ca_bundle or os.environ.get("REQUESTS_CA_BUNDLE") or True
        self._agent = agent()

    def close(self) -> None:
        self._adapter.close()

    def send(self, call: Call) -> Answer:
        """One request, one answer. Unanswered, naming the host and the cause, when there is none in time."""
        name, timeout = place(call.host, call.port), self._settings.timeout
        name = name.removesuffix(":443")
        if call.url.startswith("http:") and place(call.host, call.port) not in self._settings.plain_http:
            raise Unanswered(f"{name} may not be asked without TLS (verify.plain_http)")
        with _Deadline(2 * timeout) as deadline:
            try:
                response, data = self._exchange(call)
            except Refused as e:
                raise Unanswered(f"{name} was not asked: {e}") from None
            except (requests.Timeout, TimeoutError):
                raise Unanswered(f"{name} did not answer within {timeout:g} s") from None
            except requests.exceptions.SSLError:
                raise Unanswered(f"{name} showed no certificate that can be trusted") from None
            except requests.exceptions.ProxyError:
                raise Unanswered(f"{name} could not be reached through the proxy") from None
            except (requests.RequestException, HTTPError, OSError, ValueError) as e:
                if deadline.over:
                    raise Unanswered(f"{name} did not answer in full within {2 * timeout:g} s") from None
                if isinstance(e, ValueError) and not isinstance(e, HTTPError):
                    raise Unanswered(f"the request to {name} cannot be put into HTTP") from None
                raise Unanswered(f"{name} could not be reached or broke off", broken=True) from None
            if deadline.over:
                raise Unanswered(f"{name} did not answer in full within {2 * timeout:g} s")
        headers = {key.lower(): value for key, value in response.headers.items()}
        plain = _decoded(data, headers.get("content-encoding", ""))
        text, cut = plain.decode("utf-8", "replace"), max(len(data), len(plain)) >= BODY
        return Answer(name, response.status_code, headers, _parsed(text), text, cut)

    def _exchange(self, call: Call) -> tuple[requests.Response, bytes]:
        headers = {"User-Agent": self._agent, "Accept": "application/json", "Accept-Encoding": "identity"}
        request = requests.Request(
            call.method,
            call.url,
            headers=headers | dict(call.headers),
            params=dict(call.params),
            json=call.json,
            data=call.body if call.body is not None else None if call.form is None else dict(call.form),
        ).prepare()
        proxies = get_environ_proxies(request.url or "", no_proxy=None)
        if select_proxy(request.url or "", proxies) and not self._settings.allows(call.host, call.port):
            _judge_literal(call.host)
        timeout = self._settings.timeout
        response = self._adapter.send(
            request, stream=True, timeout=(timeout, timeout), verify=self._trust, proxies=proxies
        )
        data = bytearray()
        try:
            while len(data) < BODY and (part := response.raw.read(BODY - len(data), decode_content=False)):
                data += part
        finally:
            response.raw.close() if len(data) >= BODY else response.raw.release_conn()
        return response, bytes(data)


def _judge_literal(host: str) -> None:
    """A proxy resolves names, but an address written out can be judged here."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        if host == "localhost" or host.endswith(".localhost"):
            raise Refused("its address is loopback, which verify.hosts does not allow") from None
    else:
        if why := problem(host):
            raise Refused(f"its address is {why}, which verify.hosts does not allow")


def _decoded(data: bytes, coding: str) -> bytes:
    if coding in ("gzip", "deflate", "x-gzip"):
        # 47: zlib or gzip, whichever its header says.
        with contextlib.suppress(zlib.error):
            return zlib.decompressobj(47).decompress(data, BODY)
    return data


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
