"""`deadkey redact`: a pipe that masks secrets, and gives on each line as soon as it is there."""

from __future__ import annotations

import os
import select
import sys

import click

from scanner.cli.complete import rule_names
from scanner.model import DeadkeyError, Incomplete
from scanner.redaction.stream import Stream

BLOCK = 1 << 20
PATIENCE = 0.2
"""Seconds that the lines of an unfinished private key wait for the rest of it."""


@click.command()
@click.option("--config", type=click.Path(), help="Your configuration, instead of the one in your config folder.")
@click.option("--rules", multiple=True, type=click.Path(), help="A folder of rules beside the shipped ones.")
@click.option(
    "--only",
    multiple=True,
    metavar="RULE",
    shell_complete=rule_names,
    help="Only these rules (globs; may be repeated).",
)
@click.option(
    "--skip", multiple=True, metavar="RULE", shell_complete=rule_names, help="Not these rules (globs; may be repeated)."
)
@click.option("--min-confidence", type=click.Choice(("low", "medium", "high")), default="low", show_default=True)
@click.option("--verbose", "-v", is_flag=True, help="Say on standard error how many secrets were masked.")
def command(
    config: str | None,
    rules: tuple[str, ...],
    only: tuple[str, ...],
    skip: tuple[str, ...],
    min_confidence: str,
    verbose: bool,
) -> None:
    """Write standard input to standard output with every secret in it replaced by the name of its rule, as in
    `[github-pat]`. Each line comes out at once; of a private key each line is replaced. All else stays as it is, byte
    for byte. Marks such as deadkey:allow count for nothing here.

    Exit status: 0 all was written, 2 bad usage or configuration, 3 something could not be read or written.
    """
    from scanner.config import load
    from scanner.redaction.mask import Redactor

    if sys.stdin is None or sys.stdin.closed:
        raise DeadkeyError("standard input is closed: pipe something in")
    if sys.stdin.isatty():
        raise DeadkeyError("standard input is a terminal; pipe something in, as in `app 2>&1 | deadkey redact`")
    redactor = Redactor(rules=rules, only=only, skip=skip, min_confidence=min_confidence, config=load(config))
    stream = Stream(redactor)
    try:
        pump(sys.stdin.fileno(), sys.stdout.fileno(), stream)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nobody reads on: that is no fault
    if verbose:
        click.echo(f"deadkey: {stream.masked} masked", err=True)


def pump(source: int, target: int, stream: Stream) -> None:
    """Everything from one file descriptor to the other, masked. Raises Incomplete, and BrokenPipeError."""
    try:
        while data := _read(source, target, stream):
            stream.feed(data)
            more = bool(select.select([source], [], [], 0)[0])
            _write(target, stream.full() if more else stream.lines())
    except KeyboardInterrupt:
        _write(target, stream.end())
        raise
    _write(target, stream.end())


def _read(source: int, target: int, stream: Stream) -> bytes:
    """What comes next, empty at the end. Lines that are held back do not wait for it longer than `PATIENCE`."""
    if stream.waits and not select.select([source], [], [], PATIENCE)[0]:
        _write(target, stream.pressed())
    try:
        return os.read(source, BLOCK)
    except OSError as e:
        _write(target, stream.end())
        raise Incomplete(f"standard input cannot be read: {(e.strerror or 'input error').lower()}") from e


def _write(target: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        try:
            rest = rest[os.write(target, rest) :]
        except BlockingIOError:
            select.select([], [target], [])
        except BrokenPipeError:
            raise
        except OSError as e:
            raise Incomplete(f"standard output cannot be written: {(e.strerror or 'output error').lower()}") from e
