"""Holds each host's requests to so many at once and so many a second, and lets it have the rest it asks for."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from scanner.verify.interface import Clock


class Limiter:
    """One for a run, shared by its threads.

    `rate` is in requests a second; a host that was left alone takes `at_once` of them without a gap (a token bucket,
    kept as the time at which it would be full again).
    """

    def __init__(self, at_once: int, rate: float, clock: Clock) -> None:
        self._at_once, self._gap, self._clock = at_once, 1 / rate, clock
        self._lock = threading.Lock()
        self._gates: dict[str, threading.BoundedSemaphore] = {}
        self._full_at: dict[str, float] = {}
        self._closed_until: dict[str, float] = {}

    @contextmanager
    def turn(self, host: str) -> Iterator[None]:
        """Wait for this host's turn, and hold one of its places until the request is over."""
        with self._lock:
            gate = self._gates.setdefault(host, threading.BoundedSemaphore(self._at_once))
        with gate:
            while (wait := self._book(host)) > 0:
                self._clock.sleep(wait)
            yield

    def pause(self, host: str, seconds: float) -> None:
        """Send the host nothing for a while: it asked for that."""
        with self._lock:
            until = self._clock.monotonic() + seconds
            self._closed_until[host] = max(until, self._closed_until.get(host, until))

    def _book(self, host: str) -> float:
        """Take a token and give 0, or give the seconds to wait before trying again."""
        with self._lock:
            now = self._clock.monotonic()
            closed = self._closed_until.get(host, now) - now
            full_at = max(now, self._full_at.get(host, now))
            wait = max(closed, full_at - now - self._gap * (self._at_once - 1))
            if wait <= 1e-6:
                self._full_at[host] = full_at + self._gap
                return 0.0
            return wait
