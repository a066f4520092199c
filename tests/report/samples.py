"""Findings to write reports of: one made by hand, and any that hypothesis can think of."""

from __future__ import annotations

import os
from typing import Any

from hypothesis import strategies as st

from scanner.model import Finding, Location, Outcome, Report, Secret, Skip, Verdict

PLANTED = "zq7_" + "Made" * 5 + "Up+/="
"""Looks like a token and is none."""

HOSTILE = [
    "\x1b[2J\x1b[31mred\x1b]0;title\x07",
    "[bold]loud[/bold][link=https://example.org]here[/link] :bomb:",
    "\u202egnp.exe\u2066\u200b",
    "two\nlines\r\tand\x00nul\x7f\x9b",
    "</script><script>alert(1)</script>",
    "sp ace \"quote\" 'single' {0} %41 #a?b",
    "a:b//c/../..//d",
    "/etc/absolute",
    "//host/share",
    os.fsdecode(b"\xff\xfe latin \xe9"),
]


def location(**changes: Any) -> Location:
    known: dict[str, Any] = {
        "source": "git",
        "path": "app/config.py",
        "start_line": 12,
        "end_line": 12,
        "start_column": 8,
        "end_column": 48,
        "blob": "b" * 40,
        "commit": "c" * 40,
        "author": "Jo Doe",
        "date": "2024-05-06T07:08:09+02:00",
        "at_head": True,
    }
    return Location(**known | changes)


def finding(**changes: Any) -> Finding:
    known: dict[str, Any] = {
        "rule": "acme-token",
        "provider": "Acme",
        "name": "Acme token",
        "severity": "high",
        "confidence": "high",
        "secret": Secret(PLANTED.encode()),
        "fingerprint": "0" * 32,
        "locations": (location(),),
    }
    return Finding(**known | changes)


def planted(value: str) -> Report:
    """A report that has `value` in every string that comes from outside."""
    return Report(
        (
            finding(
                secret=Secret(value.encode()),
                companions=(("id", Secret(value.encode() + b"-companion")),),
                locations=(
                    location(path=f"dir/{value}.txt", author=value),
                    location(path=None, author=f"<{value}>", at_head=False),
                    location(path=None, commit=None, blob=None, source="stdin"),
                ),
                verdict=Verdict("live", f"GET /bot{value}/me", {value: [{"echo": f"x{value}x"}]}, "2024-05-06"),
                outcome=Outcome("failed", f"hook {value}", f"said {value}", f"ends {value}"),
            ),
            finding(secret=Secret(b"another-" + b"value" * 3), locations=(location(path=f"{value}/other"),)),
        ),
        (Skip(f"{value}.zip", f"cannot open {value}", 2),),
        {"note": value},
    )


names = st.one_of(st.text(max_size=12), st.sampled_from([text for text in HOSTILE if text.isascii()]))
paths = st.one_of(st.sampled_from(HOSTILE), st.binary(max_size=24).map(lambda b: os.fsdecode(b.replace(b"\0", b"?"))))
numbers = st.integers(1, 10**6)
hexes = st.none() | st.text("0123456789abcdef", min_size=40, max_size=40)
answers = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | names,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=6,
)
values = st.one_of(st.binary(max_size=40), st.text(max_size=20).map(str.encode), st.just(PLANTED.encode()))
secrets = values.map(Secret)

locations = st.builds(
    Location,
    source=st.sampled_from(["git", "staged", "files", "env", "stdin"]),
    path=st.none() | paths,
    start_line=numbers,
    end_line=numbers,
    start_column=numbers,
    end_column=numbers,
    blob=hexes,
    commit=hexes,
    author=st.none() | names | paths,
    date=st.none() | st.just("2024-05-06T07:08:09+02:00") | names,
    at_head=st.none() | st.booleans(),
)
verdicts = st.builds(
    Verdict,
    state=st.sampled_from(["live", "dead", "unknown", "uncheckable"]),
    reason=names,
    identity=st.dictionaries(names, answers, max_size=3),
    checked=st.none() | st.just("2024-05-06T07:08:09Z"),
)
outcomes = st.builds(
    Outcome,
    state=st.sampled_from(["planned", "revoked", "already-dead", "pending", "failed", "refused"]),
    hook=names,
    detail=names,
    effect=names,
)
findings = st.builds(
    Finding,
    rule=st.sampled_from(["acme-token", "acme-key", "other"]) | names,
    provider=names,
    name=names,
    severity=st.sampled_from(["low", "medium", "high", "critical"]),
    confidence=st.sampled_from(["low", "medium", "high"]),
    secret=secrets,
    fingerprint=st.text("0123456789abcdef", min_size=32, max_size=32),
    locations=st.lists(locations, max_size=3).map(tuple),
    encoding=st.lists(st.sampled_from(["base64", "hex", "url"]), max_size=2).map(tuple),
    companions=st.lists(st.tuples(names, secrets), max_size=2).map(tuple),
    rotate=st.none() | st.just("https://example.org/rotate") | names,
    verdict=st.none() | verdicts,
    outcome=st.none() | outcomes,
)
skips = st.builds(Skip, path=paths, reason=names, count=st.integers(1, 9))
reports = st.builds(
    Report,
    findings=st.lists(findings, max_size=3).map(tuple),
    skipped=st.lists(skips, max_size=2).map(tuple),
    statistics=st.dictionaries(names, answers, max_size=2),
)
