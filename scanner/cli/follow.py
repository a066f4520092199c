"""`deadkey scan logs --follow`: findings as lines are written, until interrupted."""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from typing import TYPE_CHECKING, NoReturn, TextIO

import click

from scanner.cli.common import Common, acted, allowing, check_names, fingerprints, load_config, opened, version
from scanner.model import Report, Secret, Skip

if TYPE_CHECKING:
    from scanner.report import Options


def follow_logs(paths: tuple[str, ...], shared: Common) -> NoReturn:
    """Print each new secret once, as it appears. Exits 1 when there were any, 3 when something could not be read."""
    from scanner import pipeline, report
    from scanner.allow.listed import unlisted
    from scanner.report.text import inert
    from scanner.sources.logs import LogsSource, follow

    if shared.format not in ("table", "json", "jsonl"):
        raise click.UsageError(f"--follow writes table, json or jsonl lines; {shared.format} is one document")
    settings = load_config(shared.config)
    options = replace(shared.options(), generic=settings.generic)
    ruleset = pipeline.load_rules(options)
    check_names(shared, ruleset)
    allow = settings.allow
    key, known = fingerprints(shared, settings)
    used = allowing(LogsSource(paths), settings, key, own=not shared.no_repo_config)
    scanner = pipeline.Scanner(ruleset, options)
    how = report.Options(show_secrets=shared.show_secrets, version=version(), verb="scan logs")
    seen: set[Secret] = set()
    skips: list[Skip] = []
    with opened(shared.output, shared.show_secrets) as out:
        try:
            for piece in follow(paths, lambda: False, time.sleep):
                found = scanner.read([piece])
                skips += found.skips
                kept = [s for s in found.sightings if s.allowed is None and s.match.secret not in seen]
                kept = used.shown(unlisted(kept, allow.paths, allow.rules, allow.values))
                kept = pipeline.placed(kept, ruleset, options)
                seen.update(s.match.secret for s in kept)
                fresh = tuple(f for f in pipeline.findings(kept, ruleset, key) if f.fingerprint not in known)
                for skip in found.skips:
                    click.echo(inert(f"deadkey: {skip.path}: {skip.reason}"), err=True)
                if fresh:
                    _show(acted(Report(fresh), ruleset, shared, settings), shared, how, out)
        except KeyboardInterrupt:
            pass
    sys.exit(3 if skips else 1 if seen else 0)


def _show(found: Report, shared: Common, how: Options, out: TextIO) -> None:
    from scanner.report.jsonl import line
    from scanner.report.text import inert

    for finding in found.findings:
        if shared.format == "table":
            place = finding.locations[0]
            state = f" {finding.verdict.state}" if finding.verdict else ""
            outcome = f" {finding.outcome.state}" if finding.outcome else ""
            shown = (
                inert(finding.secret.reveal().decode(errors="replace"))
                if shared.show_secrets
                else finding.secret.redacted
            )
            out.write(
                f"{inert(place.path or '-')}:{place.start_line}: {finding.severity} {finding.name} {shown}{state}{outcome}\n"
            )
        else:
            out.write(line(finding, how) + "\n")
    out.flush()
