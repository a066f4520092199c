"""`deadkey report`: saved findings in another format."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from scanner.cli.common import COLORS, FORMATS, opened, version, write
from scanner.model import DeadkeyError, Report


@click.command()
@click.argument("findings", type=click.Path())
@click.option("--format", "-f", "format", type=click.Choice(FORMATS), default="table")
@click.option("--output", "-o", type=click.Path())
@click.option("--compare", metavar="OLD", type=click.Path(), help="Say what is new and gone since this saved report.")
@click.option("--show-secrets", is_flag=True, help="Write secrets, where the file has them.")
@click.option("--color", type=click.Choice(COLORS), default="auto", help="Whether tables are coloured.")
def command(
    findings: str, format: str, output: str | None, compare: str | None, show_secrets: bool, color: str
) -> None:
    """Render a FINDINGS file (json or jsonl; - for standard input) in another format, or compare it with an OLD one.

    Exit status: 0 done; with --compare 0 nothing is new, 1 something is, 3 one of the two scans was incomplete.
    """
    if compare is None:
        write(read_report(findings), format, output, "report", show_secrets, color=color)
    elif show_secrets:
        raise click.UsageError("a comparison holds no secrets: --show-secrets cannot be given with --compare")
    else:
        sys.exit(_compared(compare, findings, format, output))


def _compared(old_path: str, new_path: str, format: str, output: str | None) -> int:
    """Write what changed from one saved report to the other; the exit status."""
    from scanner.report import Options
    from scanner.report import compare as comparing

    if format not in comparing.FORMATS:
        raise click.UsageError(f"--compare can write {', '.join(comparing.FORMATS)}, not {format}")
    if old_path == new_path == "-":
        raise click.UsageError("only one of the two reports can be standard input")
    old, new = read_report(old_path), read_report(new_path)
    try:
        comparison = comparing.compare(old, new)
    except DeadkeyError as e:
        raise DeadkeyError(f"{old_path}, {new_path}: {e}") from None
    if comparison.doubtful:
        click.echo(
            "deadkey: no secret is in both reports, though some stand in the same place; if they were not replaced, "
            "the reports have different fingerprint keys",
            err=True,
        )
    with opened(output) as out:
        comparing.render(comparison, old, new, format, Options(version=version(), verb="report --compare"), out)
    return comparison.exit_status


def read_report(path: str) -> Report:
    """A saved json or jsonl report. Raises DeadkeyError naming the file and what is wrong."""
    import json

    from scanner.report.jsonl import report_from as from_lines
    from scanner.report.record import report_from

    try:
        text = sys.stdin.read() if path == "-" else Path(path).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as e:
        raise DeadkeyError(
            f"{path}: cannot read findings: {e.strerror if isinstance(e, OSError) else 'not text'}"
        ) from e
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        document = None
    try:
        whole = isinstance(document, dict) and "findings" in document
        return report_from(document) if whole else from_lines(text)
    except DeadkeyError as e:
        raise DeadkeyError(f"{path}: {e}") from e
