"""Puts a request to its host: within the limits, through the guard, and again when the host asks for patience."""

from __future__ import annotations

import time
from email.utils import parsedate_to_datetime

from scanner.verify.guard import Guard
from scanner.verify.interface import Answer, Call, Clock, Unanswered
from scanner.verify.limits import Limiter
from scanner.verify.settings import VerifySettings, place

LONGEST_WAIT = 30.0
"""Seconds; a host that asks for more is not waited for."""

PASSING = (429, 502, 503, 504)


class Transport:
    """An `Asker`; shared by the threads of a run. Close it when the run is over."""

    def __init__(self, settings: VerifySettings, clock: Clock = time) -> None:
        self._guard = Guard(settings)
        self._limiter = Limiter(settings.per_host, settings.per_host_rate, clock)
        self._retries, self._clock = settings.retries, clock

    def close(self) -> None:
        self._guard.close()

    def __call__(self, call: Call, *, again: bool = True) -> Answer:
        """The answer, whatever its status below 500 is, 429 excepted. Unanswered otherwise."""
        host = place(call.host, call.port)
        for left in range(self._retries, -1, -1):
            pause = 2.0 ** (self._retries - left)
            try:
                with self._limiter.turn(host):
                    answer = self._guard.send(call)
            except Unanswered as e:
                if not (e.broken and again and left):
                    raise
                self._clock.sleep(pause)
                continue
            if answer.status < 500 and answer.status != 429:
                return answer
            wait = self._asked_wait(answer)
            if left and answer.status in PASSING and (again or answer.status == 429) and (wait or 0) <= LONGEST_WAIT:
                self._limiter.pause(host, pause if wait is None else wait)
                continue
            break
        after = f" and asks for a pause of {wait:.0f} s" if wait else ""
        raise Unanswered(f"{answer.host} answered {answer.status}{after}", busy=answer.status in PASSING)

    def _asked_wait(self, answer: Answer) -> float | None:
        """Seconds in the Retry-After header, which is a number or a date (RFC 9110, 10.2.3)."""
        text = answer.headers.get("retry-after", "").strip()
        if text.isascii() and text.isdigit():
            return float(text[:9])
        try:
            return max(0.0, parsedate_to_datetime(text).timestamp() - self._clock.time())
        except (ValueError, OverflowError):
            return None
