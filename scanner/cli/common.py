"""What the scanning verbs share: their options, and the way from a source to a written report and an exit status."""

from __future__ import annotations

import contextlib
import functools
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, cast

import click

from scanner.cli.complete import rule_names
from scanner.model import DeadkeyError, Finding, Report

if TYPE_CHECKING:
    from scanner.allow.allowances import Allowances
    from scanner.config import Config
    from scanner.pipeline import Options, Progress
    from scanner.report import Options as ReportOptions
    from scanner.report.table import Occasion
    from scanner.revoke.settings import Mode
    from scanner.ruleset.ruleset import Ruleset
    from scanner.sources.interface import Source

FORMATS = (
    *("table", "json", "jsonl", "sarif", "html", "markdown", "csv"),
    *("gitlab", "junit", "github", "azure"),
)
REVOKE = ("plan", "ask", "auto")
COLORS = ("auto", "always", "never")


def version() -> str:
    from importlib import metadata

    try:
        return metadata.version("deadkey")
    except metadata.PackageNotFoundError:
        return "0"


@dataclass(frozen=True, slots=True)
class Common:
    """The options of every scanning verb, as given."""

    format: str
    output: str | None
    verify: bool
    revoke: str | None
    dry_run: bool
    baseline: str | None
    config: str | None
    no_repo_config: bool
    rules: tuple[str, ...]
    only: tuple[str, ...]
    skip: tuple[str, ...]
    min_confidence: str
    show_secrets: bool
    explain: bool
    jobs: int
    quiet: bool
    color: str

    def options(self) -> Options:
        from scanner.pipeline import Options

        return Options(self.rules, self.only, self.skip, self.min_confidence, self.jobs, self.explain)


_OPTIONS = (
    click.option(
        "--format", "-f", "format", type=click.Choice(FORMATS), default="table", help="How to write the findings."
    ),
    click.option("--output", "-o", type=click.Path(), help="Write to this file instead of standard output."),
    click.option("--verify", is_flag=True, help="Ask the issuers which of the secrets are live."),
    click.option("--revoke", type=click.Choice(REVOKE), help="Verify, then plan, ask or act on the live ones."),
    click.option("--dry-run", is_flag=True, help="With --revoke: decide everything, but revoke nothing."),
    click.option("--baseline", type=click.Path(), help="Leave out the secrets that this baseline knows."),
    click.option("--config", type=click.Path(), help="Your configuration, instead of the one in your config folder."),
    click.option("--no-repo-config", is_flag=True, help="Do not read the repository's own .deadkey.yaml."),
    click.option("--rules", multiple=True, type=click.Path(), help="A folder of rules beside the shipped ones."),
    click.option(
        "--only",
        multiple=True,
        metavar="RULE",
        shell_complete=rule_names,
        help="Only these rules (globs; may be repeated).",
    ),
    click.option(
        "--skip",
        multiple=True,
        metavar="RULE",
        shell_complete=rule_names,
        help="Not these rules (globs; may be repeated).",
    ),
    click.option("--min-confidence", type=click.Choice(("low", "medium", "high")), default="low", show_default=True),
    click.option("--show-secrets", is_flag=True, help="Write the secrets themselves, not a redaction."),
    click.option("--explain", is_flag=True, help="Say on standard error why each candidate was kept or dropped."),
    click.option("--jobs", "-j", type=click.IntRange(0, 256), default=0, help="Processes to use; 0 means one a core."),
    click.option("--quiet", "-q", is_flag=True, help="No progress, and nothing when nothing is found."),
    click.option("--color", type=click.Choice(COLORS), default="auto", help="Whether tables are coloured."),
)


def common(function: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the common options; the verb gets them together as `shared`."""

    @functools.wraps(function)
    def verb(**given: Any) -> Any:
        shared = Common(**{name: given.pop(name) for name in Common.__slots__})
        if shared.dry_run and shared.revoke is None:
            raise click.UsageError("--dry-run belongs to --revoke ask or --revoke auto")
        return function(shared=shared, **given)

    for option in reversed(_OPTIONS):
        verb = option(verb)
    return verb


def run(source: Source, shared: Common, verb: str, *, hook: Occasion | None = None) -> None:
    """Scan `source`, act as asked, write the report and exit with its status."""
    finish(scanned(source, shared), shared, verb, hook=hook)


def scanned(source: Source, shared: Common) -> Report:
    """The report on `source` without what the baseline knows, acted upon as asked."""
    from scanner import pipeline

    settings = load_config(shared.config)
    options = replace(shared.options(), generic=settings.generic)
    ruleset = pipeline.load_rules(options)
    check_names(shared, ruleset)
    key, known = fingerprints(shared, settings)
    used = allowing(source, settings, key, own=not shared.no_repo_config)
    with progress(shared) as tell:
        report, explained = pipeline.scan(source, ruleset, options, key, tell, settings.allow, used)
    warn(used, source, every=not (shared.only or shared.skip or shared.min_confidence != "low"))
    if explained:
        from scanner.report.scrub import scrubber
        from scanner.report.text import inert
        from scanner.report.workflow import defused

        scrub = scrubber(finding.secret for finding in report.findings)
        for line in explained:
            click.echo(defused(inert(scrub(line))), err=True)
    if known:
        fresh = tuple(f for f in report.findings if f.fingerprint not in known)
        report = replace(
            report, findings=fresh, statistics={**report.statistics, "known": len(report.findings) - len(fresh)}
        )
    return acted(report, ruleset, shared, settings)


def check_names(shared: Common, ruleset: Ruleset) -> None:
    """Raises DeadkeyError for an --only or --skip that names no rule."""
    from scanner import pipeline

    pipeline.check_names(ruleset, shared.options())


def state_folder() -> Path:
    from scanner.config import state_folder as folder

    return folder()


def fingerprints(shared: Common, settings: Config) -> tuple[bytes, Mapping[str, object]]:
    """The key of this run's fingerprints, and those the baseline knows."""
    from scanner.allow import baseline

    if shared.baseline:
        read = baseline.read(shared.baseline)
        return read.key, read.known
    return baseline.own_key(state_folder(), settings.fingerprint_key), {}


def allowing(source: Source, settings: Config, key: bytes, own: bool = True) -> Allowances:
    """The user's allowances and, with `own`, those of the repository that `source` reads. A repository's file with anything
    wrong in it allows nothing, and that is said; it must not keep anybody from scanning. Raises DeadkeyError."""
    from datetime import date

    from scanner import config
    from scanner.allow.allowances import allowances
    from scanner.cli.site import site
    from scanner.report.text import inert

    top, base, _ = site(source)
    entries = settings.allow.entries
    if own:
        try:
            entries += config.own(top)
        except DeadkeyError as e:
            click.echo(inert(f"deadkey: {e}; nothing in this file is followed"), err=True)
    return allowances(entries, top, base, key, date.today())


def warn(used: Allowances, source: Source, every: bool = True) -> None:
    """Tell on standard error which allowances have expired and, when `every` rule looked at all of a repository, which
    cover nothing."""
    from scanner.cli.site import site
    from scanner.report.text import inert

    for line in used.warnings(every and site(source).whole):
        click.echo(inert(f"deadkey: {line}"), err=True)


def acted(report: Report, ruleset: Ruleset, shared: Common, settings: Config) -> Report:
    """With verdicts and outcomes, where they are asked for."""
    if not (shared.verify or shared.revoke):
        return report
    from scanner import pipeline

    if shared.revoke:
        settings = dry(with_mode(settings, shared.revoke), shared.dry_run)
    findings = pipeline.act(report.findings, ruleset, settings, bool(shared.revoke), confirm, say(shared.quiet))
    return replace(report, findings=tuple(findings))


def with_mode(settings: Config, mode: str) -> Config:
    """The configuration with another way to revoke: plan, ask or auto."""
    return replace(settings, revoke=replace(settings.revoke, mode=cast("Mode", mode)))


def dry(settings: Config, wanted: bool) -> Config:
    """The configuration for a run that goes the whole way and touches nothing, if that is `wanted`."""
    return replace(settings, revoke=replace(settings.revoke, dry_run=True)) if wanted else settings


def load_config(path: str | None) -> Config:
    from scanner import config

    return config.load(path)


def confirm(finding: Finding, effect: str) -> bool:
    """Ask the person at the terminal; without one the answer is no."""
    from scanner.report.text import inert

    if not sys.stdin.isatty():
        return False
    account = finding.verdict.identity.get("account") if finding.verdict else None
    whose = f" of {inert(str(account))}" if account else ""
    click.echo(f"{finding.name} {finding.secret}{whose}: {effect}", err=True)
    return click.confirm("Revoke it now?", default=False, err=True)


def say(quiet: bool) -> Callable[[str], None]:
    from scanner.report.text import inert

    return lambda line: None if quiet else click.echo(f"deadkey: {inert(line)}", err=True)


@contextlib.contextmanager
def progress(shared: Common) -> Iterator[Progress | None]:
    """A bar on standard error for long work at a terminal; None otherwise."""
    if shared.quiet or not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
        yield None
        return
    from scanner.cli.progress import Bar

    with Bar() as bar:
        yield bar.tell


@contextlib.contextmanager
def opened(path: str | None, private: bool = False) -> Iterator[TextIO]:
    """Standard output, or the file at `path`, readable by its owner alone when `private`. Raises DeadkeyError when it cannot be written."""
    if path is None or path == "-":
        yield sys.stdout
        return
    try:
        with open(path, "w", encoding="utf-8", errors="backslashreplace", opener=_private if private else None) as out:
            yield out
    except OSError as e:
        raise DeadkeyError(f"{path}: cannot write the report: {e.strerror}") from e


def _private(path: str, flags: int) -> int:
    handle = os.open(path, flags, 0o600)
    with contextlib.suppress(OSError):  # a pipe, or a file of somebody else's
        os.fchmod(handle, 0o600)
    return handle


def finish(report: Report, shared: Common, verb: str, *, hook: Occasion | None = None) -> None:
    """Write the report and exit with its status."""
    write(
        *(report, shared.format, shared.output, verb, shared.show_secrets),
        hook=hook,
        quiet=shared.quiet,
        color=shared.color,
    )
    sys.exit(report.exit_status)


def write(
    report: Report,
    format: str,
    output: str | None,
    verb: str,
    show_secrets: bool,
    *,
    hook: Occasion | None = None,
    quiet: bool = False,
    color: str = "auto",
) -> None:
    if format == "table" and (quiet or hook) and not report.findings and not report.skipped:
        return
    from scanner import report as reports

    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")
    colored = None if color == "auto" else color == "always"
    options = reports.Options(show_secrets=show_secrets, version=version(), verb=verb, color=colored)
    if show_secrets and format in reports.NEVER_SECRETS:
        click.echo(f"deadkey: {format} never holds secrets; json, jsonl and table do", err=True)
    with opened(output, show_secrets) as out:
        if hook and format == "table":
            from scanner.report.table import refusal

            refusal(report, out, hook)
        else:
            reports.load(format).render(report, options, out)
        out.flush()
    if format == "github":
        add_step_summary(report, options)


def add_step_summary(report: Report, options: ReportOptions) -> None:
    """Append to the file that GitHub Actions shows as the step's summary, where there is one. Raises DeadkeyError."""
    path = os.environ.get("GITHUB_STEP_SUMMARY")
    if not path:
        return
    from scanner.report import step

    try:
        with open(path, "a", encoding="utf-8", errors="backslashreplace") as out:
            step.render(report, options, out)
    except OSError as e:
        raise DeadkeyError(f"{path}: cannot write the step's summary (GITHUB_STEP_SUMMARY): {e.strerror}") from e
