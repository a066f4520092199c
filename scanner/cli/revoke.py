"""`deadkey revoke`: end what is live. `deadkey revoke plan`: sign what another person is to end."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import click

from scanner.cli.common import FORMATS, REVOKE, confirm, dry, load_config, opened, say, version, with_mode
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
@click.option("--rules", multiple=True, type=click.Path(), help="A folder of rules beside the shipped ones.")
@click.option("--config", type=click.Path(), help="Your configuration, instead of the one in your config folder.")
@click.option(
    "--output", "-o", type=click.Path(), required=True, help="Where the plan is written (- for standard output)."
)
@click.option("--quiet", "-q", is_flag=True, help="No running commentary.")
def plan(
    findings: str | None,
    rule: str | None,
    companions: tuple[str, ...],
    rules: tuple[str, ...],
    config: str | None,
    output: str,
    quiet: bool,
) -> None:
    """Write and sign a plan of what is to be revoked, which another person carries out with `deadkey revoke --plan`.

    It holds no secret. revoke.two_person.key in your configuration signs it.

    Exit status: 0 there is something to revoke in it, 1 there is not.
    """
    from scanner import pipeline
    from scanner.revoke import approval

    found, ruleset = _given(findings, rule, companions, rules, config)
    settings = with_mode(load_config(config), "plan")
    done = pipeline.act(found, ruleset, settings, True, confirm, say(quiet))
    digests = {f.rule: approval.rule_digest(ruleset.actions(f.rule)) for f in done}
    document = approval.document(done, digests, settings.revoke.two_person, time.time())
    with opened(output) as out:
        out.write(json.dumps(document, indent=2, sort_keys=True) + "\n")
    tell, planned = say(quiet), len(document["findings"])
    tell(f"a plan for {planned} of {len(done)}, until {document['expires']}")
    for finding in done:
        if finding.outcome and not finding.outcome.hook:
            tell(f"not in it: {finding.name} {finding.secret}: {finding.outcome.detail}")
    sys.exit(0 if planned else 1)


class _Revoke(click.Command):
    """Takes `plan` as its first word for a verb of its own; a file of that name is ./plan."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        if args[:1] == ["plan"]:
            return plan.make_context(f"{info_name} plan", args[1:], parent, **extra)
        return super().make_context(info_name, args, parent, **extra)


@click.command(cls=_Revoke)
@click.argument("findings", required=False, type=click.Path())
@click.option("--rule", metavar="ID", help="Read one token of this kind from standard input instead.")
@click.option("--with", "companions", multiple=True, metavar="NAME=VALUE", help="What belongs to the one token.")
@click.option(
    "--mode", type=click.Choice(REVOKE), help="plan: say what would be done (default); ask; auto: as the policy allows."
)
@click.option("--plan", "signed", type=click.Path(), help="Revoke what is in this plan, which another person signed.")
@click.option("--dry-run", is_flag=True, help="Decide everything, but revoke nothing and write no journal.")
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
    signed: str | None,
    dry_run: bool,
    rules: tuple[str, ...],
    config: str | None,
    format: str,
    output: str | None,
    quiet: bool,
) -> None:
    """Revoke live tokens: those of a FINDINGS file (json or jsonl, written with --show-secrets), or one from standard
    input with --rule. Each is asked about first; only what is live now is revoked, and then asked about until it is dead.

    `deadkey revoke plan` (see its --help) signs a plan that another person carries out with --plan.

    Exit status: 0 nothing is left alive, 1 something still is, 3 an issuer could not say.
    """
    from scanner import pipeline, report

    if signed and mode:
        raise click.UsageError("--plan says what is revoked: give no --mode with it")
    found, ruleset = _given(findings, rule, companions, rules, config)
    settings = dry(load_config(config), dry_run)
    approved = None
    if signed:
        from scanner.revoke import approval

        approved = approval.read(Path(signed), settings.revoke.two_person, time.time())
    if mode or signed:
        settings = with_mode(settings, mode or "auto")
    done = pipeline.act(found, ruleset, settings, True, confirm, say(quiet), approved)
    with opened(output) as out:
        report.load(format).render(Report(tuple(done)), report.Options(version=version(), verb="revoke"), out)
    sys.exit(status(done))


def status(findings: list[Finding]) -> int:
    """0 all dead, 1 something lives, 3 something is unknown."""
    ended = [f for f in findings if f.outcome and f.outcome.state in ("revoked", "already-dead")]
    rest = [f for f in findings if f not in ended]
    states = {f.verdict.state for f in rest if f.verdict}
    return 1 if "live" in states else 3 if states & {"unknown", "uncheckable"} else 0


def _given(
    findings: str | None, rule: str | None, companions: tuple[str, ...], rules: tuple[str, ...], config: str | None
) -> tuple[list[Finding], Ruleset]:
    """What is to be revoked: the findings of a file, or the one token on standard input."""
    if (findings is None) == (rule is None):
        raise click.UsageError("give either a findings file or --rule ID with the token on standard input")
    if rule is None:
        return _saved(str(findings), rules)
    finding, ruleset = single(rule, given_companions(companions), rules, config)
    return [finding], ruleset


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
