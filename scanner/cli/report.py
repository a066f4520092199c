"""`deadkey report`: saved findings in another format."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from scanner.cli.common import COLORS, FORMATS, write
from scanner.model import DeadkeyError, Report


@click.command()
@click.argument("findings", type=click.Path())
@click.option("--format", "-f", "format", type=click.Choice(FORMATS), default="table")
@click.option("--output", "-o", type=click.Path())
@click.option("--show-secrets", is_flag=True, help="Write secrets, where the file has them.")
@click.option("--color", type=click.Choice(COLORS), default="auto", help="Whether tables are coloured.")
def command(findings: str, format: str, output: str | None, show_secrets: bool, color: str) -> None:
    """Render a FINDINGS file (json or jsonl; - for standard input) in another format."""
    write(read_report(findings), format, output, "report", show_secrets, color=color)


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
