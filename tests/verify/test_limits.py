"""A host gets so many requests at once and a second, and the pauses it asks for."""

from __future__ import annotations

import threading
import time
from typing import Any

from scanner.verify.limits import Limiter


def test_a_burst_and_then_the_rate(clock: Any) -> None:
    limiter, start, times = Limiter(4, 10, clock), clock.now, []
    for _ in range(14):
        with limiter.turn("a"):
            times.append(round(clock.now - start, 3))
    assert times[:4] == [0, 0, 0, 0]
    assert times[4:] == [round(0.1 * n, 3) for n in range(1, 11)]


def test_hosts_do_not_wait_for_each_other(clock: Any) -> None:
    limiter = Limiter(1, 1, clock)
    for host in ("a", "b", "c"):
        with limiter.turn(host):
            pass
    assert clock.slept == []


def test_a_pause_holds_the_whole_host(clock: Any) -> None:
    limiter, start = Limiter(8, 100, clock), clock.now
    limiter.pause("a", 30)
    limiter.pause("a", 5)
    with limiter.turn("a"):
        assert clock.now - start >= 30


def test_never_more_at_once_than_allowed() -> None:
    limiter, lock, inside, most = Limiter(3, 1e6, time), threading.Lock(), [0], [0]
    full = threading.Barrier(3, timeout=10)

    def work() -> None:
        with limiter.turn("a"):
            with lock:
                inside[0] += 1
                most[0] = max(most[0], inside[0])
            full.wait()
            with lock:
                inside[0] -= 1
            full.wait()

    threads = [threading.Thread(target=work) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert most[0] == 3
