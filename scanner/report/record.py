"""The one place that knows how a finding looks as JSON, in both directions.

A finding is `{"rule", "provider", "name", "severity", "confidence", "secret", "fingerprint", "encoding", "companions",
"locations": [{"source", "path", "start_line", "end_line", "start_column", "end_column", "blob", "commit", "author",
"date", "at_head"}], "verdict": {"state", "reason", "identity", "checked"} or null, "outcome": {"state", "hook",
"detail", "effect"} or null, "rotate", "around"}`; companions are `{"name", "secret"}`, and `around` is a list of objects
with texts.

`secret` is a redaction, and a companion's is null, unless secrets are shown: then it is the value as UTF-8, with
`\\xff` for a byte that is none. A redaction cannot be read back, and neither can a value that could be taken for one or
for an escaped byte: it comes back as `Secret(b"")`, never as another value; to verify or revoke it, scan anew.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any, cast, get_args

from scanner.model import (
    Confidence,
    DeadkeyError,
    Finding,
    Location,
    Outcome,
    Report,
    Secret,
    Severity,
    Skip,
    Verdict,
)

VERSION = 1
"""Of the contract; a change that breaks a reader raises it."""

DEPTH = 16
"""How deep an issuer's answer may be nested; what lies deeper is cut."""

AMBIGUOUS = re.compile(r"…|\\x[89a-f][0-9a-f]")
"""What a redaction or an escaped byte looks like."""


def finding_record(finding: Finding, show_secrets: bool = False) -> dict[str, Any]:
    """`finding` as the contract's dict, JSON types only. What is to show no secrets is scrubbed before."""
    verdict, outcome = finding.verdict, finding.outcome
    return {
        "rule": finding.rule,
        "provider": finding.provider,
        "name": finding.name,
        "severity": finding.severity,
        "confidence": finding.confidence,
        "secret": secret_text(finding.secret, show_secrets),
        "fingerprint": finding.fingerprint,
        "encoding": list(finding.encoding),
        "companions": [
            {"name": name, "secret": secret_text(secret, True) if show_secrets else None}
            for name, secret in finding.companions
        ],
        "locations": [{name: getattr(location, name) for name in LOCATION} for location in finding.locations],
        "verdict": verdict
        and {
            "state": verdict.state,
            "reason": verdict.reason,
            "identity": plain(verdict.identity),
            "checked": verdict.checked,
        },
        "outcome": outcome
        and {"state": outcome.state, "hook": outcome.hook, "detail": outcome.detail, "effect": outcome.effect},
        "rotate": finding.rotate,
        "around": [dict(parts) for parts in finding.around],
    }


def skip_record(skip: Skip) -> dict[str, Any]:
    return {"path": skip.path, "reason": skip.reason, "count": skip.count}


def secret_text(secret: Secret, show: bool) -> str:
    """The value if it is to be shown and known, else its redaction."""
    return (secret.reveal().decode("utf-8", "backslashreplace") if show else "") or secret.redacted


def plain(value: Any, text: Callable[[str], str] = str, depth: int = DEPTH) -> Any:
    """`value` made of JSON types only, every string passed through `text`."""
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, (dict, list, tuple, set, frozenset)) and depth == 0:
        return "…"
    if isinstance(value, dict):
        return {text(str(k)): plain(v, text, depth - 1) for k, v in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(v, text, depth - 1) for v in value]
    return text(value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value))


LOCATION = tuple(field.name for field in fields(Location))


def finding_from(record: Any) -> Finding:
    """The finding that `record` was made of, but for a secret that is not in it (see above).

    Raises DeadkeyError, naming the field and no value, when it is no finding.
    """
    record = _object(record, "a finding")
    verdict, outcome = record.get("verdict"), record.get("outcome")
    return Finding(
        rule=_text(record, "rule"),
        provider=_text(record, "provider"),
        name=_text(record, "name"),
        severity=cast(Severity, _one_of(record, "severity", get_args(Severity))),
        confidence=cast(Confidence, _one_of(record, "confidence", get_args(Confidence))),
        secret=_secret(_text(record, "secret")),
        fingerprint=_text(record, "fingerprint"),
        locations=tuple(_location(item) for item in _list(record, "locations")),
        encoding=tuple(_as_text(item, "encoding") for item in _list(record, "encoding")),
        companions=tuple(
            (_text(item, "name"), _secret(_maybe_text(item, "secret") or ""))
            for item in (_object(item, "a companion") for item in _list(record, "companions"))
        ),
        rotate=_maybe_text(record, "rotate"),
        around=tuple(
            tuple((name, _as_text(value, "around")) for name, value in _object(parts, "around").items())
            for parts in _list(record, "around")
        ),
        verdict=None if verdict is None else _verdict(_object(verdict, "verdict")),
        outcome=None if outcome is None else _outcome(_object(outcome, "outcome")),
    )


def report_from(document: Any) -> Report:
    """The report that a document of the `json` format holds. Raises DeadkeyError when it is none."""
    document = _object(document, "the report")
    if document.get("version") != VERSION:
        raise DeadkeyError(f"not a report of version {VERSION}")
    return Report(
        tuple(finding_from(item) for item in _list(document, "findings")),
        tuple(skip_from(item) for item in _list(document, "skipped")),
        dict(_object(document.get("statistics") or {}, "statistics")),
    )


def skip_from(record: Any) -> Skip:
    record = _object(record, "a skip")
    return Skip(_text(record, "path"), _text(record, "reason"), _whole(record, "count"))


def _secret(text: str) -> Secret:
    """Nothing where it cannot be told what the value was. A lone surrogate stands in no value that was written."""
    try:
        return Secret(b"" if AMBIGUOUS.search(text) else text.encode())
    except UnicodeEncodeError:
        return Secret(b"")


def _location(item: Any) -> Location:
    record = _object(item, "a location")
    at_head = record.get("at_head")
    if at_head is not None and not isinstance(at_head, bool):
        raise _wrong("at_head")
    numbers = {name: _whole(record, name) for name in ("start_line", "end_line", "start_column", "end_column")}
    texts = {name: _maybe_text(record, name) for name in ("path", "blob", "commit", "author", "date")}
    return Location(source=_text(record, "source"), **numbers, **texts, at_head=at_head)  # type: ignore[arg-type]


def _verdict(record: Mapping[str, Any]) -> Verdict:
    state = _one_of(record, "state", ("live", "dead", "unknown", "uncheckable"))
    identity = dict(_object(record.get("identity") or {}, "identity"))
    return Verdict(cast(Any, state), _maybe_text(record, "reason") or "", identity, _maybe_text(record, "checked"))


def _outcome(record: Mapping[str, Any]) -> Outcome:
    state = _one_of(record, "state", ("planned", "revoked", "already-dead", "pending", "failed", "refused"))
    return Outcome(cast(Any, state), *(_maybe_text(record, name) or "" for name in ("hook", "detail", "effect")))


def _wrong(field: str) -> DeadkeyError:
    return DeadkeyError(f"not a deadkey report: {field} is missing or not what it should be")


def _object(value: Any, what: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise _wrong(what)
    return value


def _list(record: Mapping[str, Any], field: str) -> list[Any]:
    value = record.get(field, [])
    if not isinstance(value, list):
        raise _wrong(field)
    return value


def _as_text(value: Any, field: str) -> str:
    if not isinstance(value, str):
        raise _wrong(field)
    return value


def _text(record: Mapping[str, Any], field: str) -> str:
    return _as_text(record.get(field), field)


def _maybe_text(record: Mapping[str, Any], field: str) -> str | None:
    return None if record.get(field) is None else _text(record, field)


def _whole(record: Mapping[str, Any], field: str) -> int:
    value = record.get(field)
    if not isinstance(value, int) or isinstance(value, bool):
        raise _wrong(field)
    return value


def _one_of(record: Mapping[str, Any], field: str, values: tuple[str, ...]) -> str:
    if (value := _text(record, field)) not in values:
        raise _wrong(field)
    return value
