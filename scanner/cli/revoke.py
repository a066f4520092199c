"""`deadkey revoke`: end what is live."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from scanner.cli.common import FORMATS, REVOKE, confirm, load_config, opened, say, version, with_mode
from scanner.cli.complete import rule_names
from scanner.cli.single import given_companions, single
from scanner.model import DeadkeyError, Finding, Report
from scanner.ruleset.ruleset import Ruleset


@click.command()
@click.argument("findings", required=False, type=click.Path())
@click.option(
    "--rule", metavar="ID", shell_complete=rule_names, help="Read one token of this kind from standard input instead."
)
@click.option("--with", "companions", multiple=True, metavar="NAME=VALUE", help="What belongs to the one token.")
@click.option(
    "--mode", type=click.Choice(REVOKE), help="plan: say what would be done (default); ask; auto: as the policy allows."
)
@click.option("--rules", multiple=True, type=click.Path(), help="A folder of rules beside the shipped ones.")
@click.option("--config", type=click.Path(), help="Your configuration, instead of the one in your config folder.")
@click.option("--format", "-f", "format", type=click.Choice(FORMATS), default="table")
@click.option("--output", "-o", type=click.Path())
@click.option("--quiet", "-q", is_flag=True, help="No running commentary.")
def command(
    findings: str | None,
    rule: str | None,
    companions: tuple[str, ...],
    mode: str | None,
    rules: tuple[str, ...],
    config: str | None,
    format: str,
    output: str | None,
    quiet: bool,
) -> None:
    """Revoke live tokens: those of a FINDINGS file (json or jsonl, written with --show-secrets), or one from standard
    input with --rule. Each is asked about first; only what is live now is revoked, and then asked about until it is dead.

    Exit status: 0 nothing is left alive, 1 something still is, 3 an issuer could not say.
    """
    from scanner import pipeline, report

    if (findings is None) == (rule is None):
        raise click.UsageError("give either a findings file or --rule ID with the token on standard input")
    if rule is not None:
        finding, ruleset = single(rule, given_companions(companions), rules, config)
        found = [finding]
    else:
        assert findings is not None
        found, ruleset = _saved(findings, rules)
    settings = load_config(config)
    if mode:
        settings = with_mode(settings, mode)
    done = pipeline.act(found, ruleset, settings, True, confirm, say(quiet))
    with opened(output) as out:
        report.load(format).render(Report(tuple(done)), report.Options(version=version(), verb="revoke"), out)
    sys.exit(status(done))


def status(findings: list[Finding]) -> int:
    """0 all dead, 1 something lives, 3 something is unknown."""
    ended = [f for f in findings if f.outcome and f.outcome.state in ("revoked", "already-dead")]
    rest = [f for f in findings if f not in ended]
    states = {f.verdict.state for f in rest if f.verdict}
    return 1 if "live" in states else 3 if states & {"unknown", "uncheckable"} else 0


def _saved(path: str, rules: tuple[str, ...]) -> tuple[list[Finding], Ruleset]:
    from scanner.cli.report import read_report
    from scanner.ruleset import cache

    ruleset = cache.get(tuple(Path(r) for r in rules))
    found = list(read_report(path).findings)
    for finding in found:
        if finding.rule not in ruleset.by_id:
            raise DeadkeyError(f"{path}: there is no rule {finding.rule}; name its folder with --rules")
        if not finding.secret.reveal():
            raise DeadkeyError(
                f"{path}: holds redacted secrets, which cannot be revoked: scan again with --revoke, or save with --show-secrets"
            )
    return found, ruleset
