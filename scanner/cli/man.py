"""`deadkey man`: the manual pages, made from the same help that `--help` shows.

The macros are those of man(7), as groff and mandoc understand them.
"""

from __future__ import annotations

import inspect
import os
import re
import textwrap
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import click

from scanner.model import DeadkeyError

PAGES = "https://github.com/deadkey/deadkey/tree/main/docs"


@click.command()
@click.option("--output", "-o", required=True, type=click.Path(), help="The folder to write them to.")
def command(output: str) -> None:
    """Write the manual pages, one for each verb. SOURCE_DATE_EPOCH gives their date."""
    from scanner.cli.common import version
    from scanner.cli.main import command as deadkey

    context = click.Context(deadkey, info_name="deadkey", help_option_names=["-h", "--help"])
    written = 0
    try:
        Path(output).mkdir(parents=True, exist_ok=True)
        for inner in contexts(context):
            name = inner.command_path.replace(" ", "-")
            (Path(output) / f"{name}.1").write_text(page(inner, version()), "ascii")
            written += 1
    except OSError as e:
        raise DeadkeyError(f"{e.filename or output}: cannot write manual pages: {e.strerror}") from e
    click.echo(f"{output}: {written} pages")


def contexts(context: click.Context) -> Iterator[click.Context]:
    """A command and all below it."""
    yield context
    if isinstance(context.command, click.Group):
        for name in context.command.list_commands(context):
            inner = context.command.get_command(context, name)
            assert inner is not None
            yield from contexts(click.Context(inner, info_name=name, parent=context))


def page(context: click.Context, version: str) -> str:
    """One command's page."""
    name = context.command_path.replace(" ", "-")
    title, *rest = paragraphs(context.command.help or "")
    lines = [
        f".TH {name.upper()} 1 {_date()} {quoted(f'deadkey {version}')} {quoted('deadkey')}",
        ".SH NAME",
        *folded(f"{name} \0 {_first(title)}"),
        ".SH SYNOPSIS",
        f".B {escaped(context.command_path)}",
        escaped(" ".join(context.command.collect_usage_pieces(context))),
        ".SH DESCRIPTION",
        *_joined([title, *(p for p in rest if not p.startswith("Exit status:"))]),
    ]
    if isinstance(context.command, click.Group):
        lines += [".SH COMMANDS"]
        for inner in list(contexts(context))[1:]:
            if inner.parent is context:
                help = _first(paragraphs(inner.command.help or "")[0])
                lines += [".TP", f".BR {escaped(inner.command_path.replace(' ', '-'))} (1)", *folded(help)]
    lines += [".SH OPTIONS"]
    for parameter in context.command.get_params(context):
        record = parameter.get_help_record(context) if isinstance(parameter, click.Option) else None
        if record:
            lines += [".TP", f".B {escaped(record[0])}", *folded(record[1] or "See the description.")]
    for paragraph in rest:
        if paragraph.startswith("Exit status:"):
            lines += [".SH EXIT STATUS", *_statuses(paragraph.removeprefix("Exit status:"))]
    lines += [".SH SEE ALSO"]
    if context.parent is not None:
        lines += [f".BR {escaped(context.parent.command_path.replace(' ', '-'))} (1),"]
    lines += [escaped(PAGES)]
    return "\n".join(lines) + "\n"


def paragraphs(help: str) -> list[str]:
    r"""The paragraphs of a help text, each on one line but those that begin with `\b`."""
    found = re.split(r"\n\s*\n", inspect.cleandoc(help.partition("\f")[0]))
    return [p if p.startswith("\b") else " ".join(p.split()) for p in found]


def escaped(text: str) -> str:
    """Text as roff prints it: no macro, no escape, hyphens that can be copied, anything else by its code point."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    text = "".join(c if c.isascii() else f"\\[u{ord(c):04X}]" for c in text)
    return f"\\&{text}" if text[:1] in (".", "'") else text


def folded(text: str) -> list[str]:
    """Text as lines that a reader of the source need not scroll. A NUL is the dash between a page's name and what it is for."""
    lines = textwrap.wrap(text, 72, break_long_words=False, break_on_hyphens=False)
    return [escaped(line).replace("\0", "\\-") for line in lines]


def quoted(text: str) -> str:
    return f'"{escaped(text)}"'


def _joined(found: list[str]) -> list[str]:
    lines: list[str] = []
    for number, paragraph in enumerate(found):
        if number:
            lines.append(".PP")
        if paragraph.startswith("\b"):
            lines += [".nf", *(escaped(line.strip()) for line in paragraph.splitlines()[1:]), ".fi"]
        else:
            lines += folded(paragraph)
    return lines


def _statuses(text: str) -> list[str]:
    lines: list[str] = []
    for status, meaning in re.findall(r"(\d) (.*?)(?=, \d |\.?$)", " ".join(text.split())):
        lines += [".TP", f".B {status}", *folded(meaning)]
    return lines


def _first(paragraph: str) -> str:
    """The first sentence without its full stop."""
    return re.split(r"\.(?:\s|$)", paragraph, maxsplit=1)[0]


def _date() -> str:
    epoch = os.environ.get("SOURCE_DATE_EPOCH", "")
    when = datetime.fromtimestamp(int(epoch), UTC) if epoch.isdigit() else datetime.now(UTC)
    return when.strftime("%Y-%m-%d")
