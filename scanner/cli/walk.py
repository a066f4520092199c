"""The questions of `deadkey baseline audit`: one known secret after the other, and what a person says of it."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from scanner.allow import baseline
from scanner.allow.baseline import Baseline, Known
from scanner.cli.common import confirm, say, with_mode
from scanner.model import Finding
from scanner.report.excerpt import excerpt
from scanner.report.scrub import scrubber
from scanner.report.text import count, inert, place

if TYPE_CHECKING:
    from scanner.config import Config
    from scanner.ruleset.ruleset import Ruleset

ANSWERS = {"t": "true", "f": "false", "e": "test"}
SKIP, VERIFY, REVOKE, QUIT = "s", "v", "r", "q"
KEYS = "[t]rue [f]alse t[e]st [s]kip [v]erify [r]evoke [q]uit"
PLACES = 5
"""How many places of a secret are listed."""


@dataclass(frozen=True)
class Bench:
    """What the questions need: where the secrets were found, and the means to ask about one and to end it."""

    repo: str
    files: bool
    ruleset: Ruleset
    settings: Config
    verify: bool


def walk(findings: Sequence[Finding], before: Baseline, path: str, bench: Bench) -> None:
    """Ask about each of `findings` that the baseline at `path` knows and that is still open; each answer is written at
    once. Ends early at `q`, at the end of the input and on Ctrl-C. Raises DeadkeyError."""
    todo = [f for f in findings if (known := before.known.get(f.fingerprint)) and not known.label]
    said: Counter[str] = Counter()
    for number, finding in enumerate(todo, 1):
        click.echo(f"\n{number} of {len(todo)}")
        answer = _asked(finding, findings, bench)
        if answer == QUIT:
            break
        if answer != SKIP:
            baseline.write(path, {finding.fingerprint: Known(before.known[finding.fingerprint].rule, answer)})
            said[answer] += 1
    _summary(path, before, {f.fingerprint for f in findings}, said)


def _summary(path: str, before: Baseline, found: set[str], said: Counter[str]) -> None:
    was_open = {fingerprint for fingerprint, known in before.known.items() if not known.label}
    told = ", ".join(f"{number} {label}" for label, number in sorted(said.items()))
    click.echo(f"\n{path}: {told or 'nothing answered'}; {len(was_open) - said.total()} still open")
    if gone := len(was_open - found):
        click.echo(f"{count(gone, 'open one')} of these not found in what was scanned")
    if fresh := len(found - before.known.keys()):
        click.echo(f"{count(fresh, 'secret')} not in the baseline; `deadkey baseline update` adds what is new")


def _asked(finding: Finding, findings: Sequence[Finding], bench: Bench) -> str:
    """A label, SKIP or QUIT."""
    click.echo(_shown(finding, findings, bench))
    if bench.verify:
        click.echo(_verdict(finding, bench))
    while True:
        key = _pressed() if sys.stdin and sys.stdin.isatty() else _key()
        click.echo(key)
        if key in ANSWERS:
            return ANSWERS[key]
        if key in (SKIP, QUIT):
            return key
        if key == VERIFY:
            click.echo(_verdict(finding, bench))
        elif key == REVOKE and _revoked(finding, bench):
            return "revoked"


def _key() -> str:
    """The next key, in lower case: as it is pressed at a terminal, else the next letter of standard input. QUIT at its end."""
    click.echo(f"{KEYS} ", nl=False)
    if sys.stdin is None:
        return QUIT
    while letter := sys.stdin.read(1):
        if not letter.isspace():
            return inert(letter.lower())
    return QUIT


def _pressed() -> str:
    """The same at a terminal. It takes single keys before it shows that it waits for one, so that none is lost."""
    import os
    import termios
    import tty

    handle = sys.stdin.fileno()
    before = termios.tcgetattr(handle)
    try:
        tty.setcbreak(handle, termios.TCSADRAIN)
        click.echo(f"{KEYS} ", nl=False)
        key = os.read(handle, 1)
        return QUIT if key in (b"", b"\x04") else inert(key.decode("utf-8", "surrogateescape").lower())
    except KeyboardInterrupt:
        return QUIT
    finally:
        termios.tcsetattr(handle, termios.TCSADRAIN, before)


def _shown(finding: Finding, findings: Sequence[Finding], bench: Bench) -> str:
    """Kind, redaction, places, and the lines around the first place that can be read again."""
    scrub = scrubber(secret for f in findings for secret in (f.secret, *(s for _, s in f.companions)))
    out = [f"{finding.name}  {finding.secret}  {finding.severity}, confidence {finding.confidence}"]
    for location in finding.locations[:PLACES]:
        brought = f"  commit {location.commit[:12]}" if location.commit else ""
        out.append(f"  {scrub(place(location))}:{location.start_line}{brought}")
    if more := len(finding.locations) - PLACES:
        out += [f"  and {count(more, 'more place')}"] * (more > 0)
    return "\n".join([*out, *_context(finding, findings, bench)])


def _context(finding: Finding, findings: Sequence[Finding], bench: Bench) -> list[str]:
    from scanner.sources.around import around
    from scanner.sources.git.run import Repository

    repository = None if bench.files else Repository(bench.repo)
    scrub = scrubber(secret for f in findings for secret in (f.secret, *(s for _, s in f.companions)))
    for location in finding.locations[:PLACES]:
        content = around(location, "", repository)
        if content is not None and (lines := excerpt(content, location, findings, scrub)):
            return ["", *lines, ""]
    return []


def _verdict(finding: Finding, bench: Bench) -> str:
    from scanner import pipeline

    (asked,) = pipeline.act([finding], bench.ruleset, bench.settings, False, confirm, say(False))
    verdict = asked.verdict
    if verdict is None:
        return "verdict: nobody was asked"
    facts = [verdict.reason, *(f"{name} {value}" for name, value in verdict.identity.items() if value)]
    told = ", ".join(inert(scrubber([finding.secret])(str(fact))) for fact in facts if fact)
    return f"verdict: {verdict.state}" + (f" ({told})" if told else "")


def _revoked(finding: Finding, bench: Bench) -> bool:
    """Whether the issuer calls it dead after all was done that the person agreed to."""
    from scanner import pipeline

    settings = with_mode(bench.settings, "ask")
    (done,) = pipeline.act([finding], bench.ruleset, settings, True, confirm, say(False))
    outcome, verdict = done.outcome, done.verdict
    state = outcome.state if outcome else "nothing was done"
    reason = (outcome and outcome.detail) or (verdict and f"{verdict.state} {verdict.reason}".strip()) or ""
    scrub = scrubber([finding.secret])
    click.echo(f"revoke: {state}" + (f" ({inert(scrub(reason))})" if reason else ""))
    dead = outcome is None and verdict is not None and verdict.state == "dead"
    return dead or (outcome is not None and outcome.state in ("revoked", "already-dead"))
