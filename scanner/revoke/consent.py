"""Whether one secret may be revoked now, and by whose word: a person's, the policy's, or a plan's that another signed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from scanner.model import Finding, Outcome
from scanner.revoke.approval import Approved
from scanner.revoke.policy import Limits, capped, decide
from scanner.revoke.settings import RevokeSettings

Confirm = Callable[[Finding, str], bool]
"""Asks a person: the finding, and the effect of revoking it."""


class Consent(NamedTuple):
    """`why` is whose word allows it, or what stands against it."""

    given: bool
    why: str


@dataclass
class Consents:
    """Gives consent for one run, and counts what it gave. `hour` is what the journal's last hour held before it."""

    settings: RevokeSettings
    confirm: Confirm
    approved: Approved | None = None
    hour: int = 0
    run: int = 0
    used: Counter[int] = field(default_factory=Counter)

    def ask(self, finding: Finding, plan: Outcome, digest: str, now: float) -> Consent:
        """For one finding with what would be done; `digest` is that of its rule, `now` in seconds since 1970."""
        if self.approved is not None:
            refusal = self.approved.refusal(finding, plan, digest)
            return self._within(Consent(refusal is None, refusal or self.approved.by))
        if self.settings.two_person.required:
            return Consent(
                False, "revoke.two_person.required: only a plan that another person signed may be carried out"
            )
        if self.settings.mode == "ask":
            confirmed = self.confirm(finding, plan.effect)
            return Consent(confirmed, "asked and confirmed" if confirmed else "not confirmed")
        decision = decide(finding, self.settings.auto, self.used, self.settings.environments, now)
        consent = self._within(Consent(decision.line is not None, decision.reason))
        if consent.given and decision.line is not None:
            self.used[decision.line] += 1
        return consent

    def _within(self, consent: Consent) -> Consent:
        """The same, unless a cap on what happens without a question is reached."""
        if not consent.given:
            return consent
        if full := capped(self.settings, Limits(self.run, self.hour)):
            return Consent(False, full)
        self.run += 1
        return consent
