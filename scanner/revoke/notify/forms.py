"""The bodies that Slack, Teams, PagerDuty and a plain receiver accept.

No secret is in them: one in a path or in an answer stands as its redaction.

What comes from scanned files or issuers is text to these tools and never markup: it cannot mention a channel, show a
link or hide a line.

- Slack: docs.slack.dev, "Sending messages using incoming webhooks" and "Formatting message text" (what is escaped),
  "Blocks" (50 blocks, 3000 characters a section, 150 a header)
- Teams: learn.microsoft.com, "Create incoming webhooks with Workflows for Microsoft Teams"; adaptivecards.io, RichTextBlock
  and TextRun (1.2; no Markdown, unlike TextBlock)
- PagerDuty: developer.pagerduty.com, "Events API v2", "Send an alert event" (summary 1024 characters, dedup_key 255)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from scanner.model import LEVELS, Finding, Secret
from scanner.verify.clean import scrub, secrets_of
from scanner.verify.settings import agent

LISTED = 20
"""Findings that one message names; the rest is counted."""
LINE = 400
"""Characters on one finding."""
PLACES = 3

OVER = frozenset({"revoked", "already-dead", "dead"})
URGENCY = {"critical": "critical", "high": "error", "medium": "warning", "low": "info"}
"""PagerDuty's word for a severity."""


def state(finding: Finding) -> str:
    """The one word on it: what was done, or else what its issuer said."""
    if finding.outcome and finding.outcome.state != "planned":
        return finding.outcome.state
    return finding.verdict.state if finding.verdict else "unknown"


def slack(findings: Sequence[Finding], hidden: Sequence[Secret]) -> dict[str, Any]:
    told = _summary(findings)
    blocks: list[dict[str, Any]] = [{"type": "header", "text": _plain(told[:150])}]
    blocks += [{"type": "section", "text": _plain(line)} for line in _lines(findings, hidden)]
    return {"text": told.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"), "blocks": blocks}


def _plain(text: str) -> dict[str, Any]:
    return {"type": "plain_text", "text": text, "emoji": False}


def teams(findings: Sequence[Finding], hidden: Sequence[Secret]) -> dict[str, Any]:
    runs = [{"type": "TextRun", "text": _summary(findings), "weight": "bolder"}]
    body = [{"type": "RichTextBlock", "inlines": runs}]
    body += [
        {"type": "RichTextBlock", "inlines": [{"type": "TextRun", "text": line}]} for line in _lines(findings, hidden)
    ]
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": body,
    }
    kind = "application/vnd.microsoft.card.adaptive"
    return {"type": "message", "attachments": [{"contentType": kind, "contentUrl": None, "content": card}]}


def pagerduty(finding: Finding, hidden: Sequence[Secret], routing_key: str) -> dict[str, Any]:
    """One alert a secret, which ends when it is dead: both carry the fingerprint."""
    now = state(finding)
    event: dict[str, Any] = {"routing_key": routing_key, "dedup_key": f"deadkey-{finding.fingerprint}"}
    if now in OVER:
        return event | {"event_action": "resolve"}
    paths = _paths(finding, hidden)
    payload = {
        "summary": _line(finding, hidden),
        "source": paths[0] if paths else "deadkey",
        "severity": URGENCY[finding.severity],
        "component": finding.provider,
        "class": finding.rule,
        "custom_details": record(finding, hidden),
    }
    return event | {"event_action": "trigger", "client": agent(), "payload": payload}


def plain(findings: Sequence[Finding], hidden: Sequence[Secret]) -> dict[str, Any]:
    return {"version": 1, "tool": agent(), "findings": [record(finding, hidden) for finding in findings]}


def record(finding: Finding, hidden: Sequence[Secret]) -> dict[str, Any]:
    """One finding for programs."""
    verdict, outcome = finding.verdict, finding.outcome
    return {
        "state": state(finding),
        "rule": finding.rule,
        "provider": finding.provider,
        "name": finding.name,
        "severity": finding.severity,
        "fingerprint": finding.fingerprint,
        "identity": {name: scrub(str(value), hidden) for name, value in verdict.identity.items()} if verdict else {},
        "reason": scrub((outcome and outcome.detail) or (verdict.reason if verdict else ""), hidden),
        "locations": [
            {
                "source": place.source,
                "path": None if place.path is None else scrub(place.path, hidden),
                "line": place.start_line,
                "commit": place.commit,
            }
            for place in finding.locations[:LISTED]
        ],
        "rotate": finding.rotate,
    }


def hidden_in(findings: Sequence[Finding]) -> tuple[Secret, ...]:
    """The secrets of all findings, the longest first: one may be part of another."""
    every = {secret for finding in findings for secret in secrets_of(finding)}
    return tuple(sorted(every, key=lambda secret: -len(secret.reveal())))


def _summary(findings: Sequence[Finding]) -> str:
    counted = Counter(state(finding) for finding in findings)
    return "deadkey: " + ", ".join(f"{count} {word}" for word, count in sorted(counted.items()))


def _lines(findings: Sequence[Finding], hidden: Sequence[Secret]) -> list[str]:
    first = sorted(findings, key=lambda finding: (state(finding) in OVER, -LEVELS[finding.severity]))
    lines = [_line(finding, hidden) for finding in first[:LISTED]]
    return lines + ([f"and {len(first) - LISTED} more"] if len(first) > LISTED else [])


def _line(finding: Finding, hidden: Sequence[Secret]) -> str:
    account = finding.verdict.identity.get("account") if finding.verdict else None
    whose = f" of {account}" if account else ""
    paths = _paths(finding, hidden)
    more = f" and {len(paths) - PLACES} more" if len(paths) > PLACES else ""
    where = f", in {', '.join(paths[:PLACES])}{more}" if paths else ""
    return scrub(f"{state(finding)}: {finding.name}{whose} ({finding.severity}){where}", hidden, LINE)


def _paths(finding: Finding, hidden: Sequence[Secret]) -> list[str]:
    return list(dict.fromkeys(scrub(place.path, hidden) for place in finding.locations if place.path))
