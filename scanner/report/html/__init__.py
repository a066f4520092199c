"""The report as one page that opens from disk: nothing is fetched, and nothing in it can act but its own script.

Three guards stand between scanned content and the page. Every string is made inert and then escaped by the template;
what the script reads is JSON in which no `<` is left; and the page's own content security policy allows just the one
style and the one script whose hashes it names (https://www.w3.org/TR/CSP3/#match-element-to-source-list), no request
and no markup made from strings. A page is made to be passed on, so no secret is ever in it.

Only ASCII is written, so that the hashes hold whatever the encoding of the file.
"""

from __future__ import annotations

import base64
import hashlib
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, TextIO

from scanner.model import Report
from scanner.report.html import charts, view
from scanner.report.interface import Options
from scanner.report.scrub import scrubbed
from scanner.report.table import summary

if TYPE_CHECKING:
    from jinja2 import Environment


def render(report: Report, options: Options, out: TextIO) -> None:
    """Write the page and a newline after it."""
    report = scrubbed(report)
    now = options.now or datetime.now(UTC)
    style, script = _part("style.css"), _part("page.js")
    rows = view.rows(report, options.changes)
    page = (
        _environment()
        .get_template("page.html.j2")
        .render(
            policy=policy(style, script),
            style=style,
            script=script,
            options=options,
            made=f"{now.astimezone(UTC):%Y-%m-%d %H:%M} UTC",
            summary=summary(report),
            tiles=view.tiles(report, options.changes),
            facts=view.facts(report),
            skipped=view.skipped(report),
            severity=charts.by_severity(report.findings),
            age=charts.by_age(report.findings, now),
            steps=charts.by_step(report.findings),
            timeline=charts.timeline(report.findings),
            rows=rows,
            choices=view.choices(rows),
            island={"rows": [row.keys for row in rows], "page": view.PAGE},
        )
    )
    out.write(page.encode("ascii", "xmlcharrefreplace").decode("ascii") + "\n")


def policy(style: str, script: str) -> str:
    """The content security policy of a page with just this style and this script."""
    return "; ".join(
        (
            "default-src 'none'",
            f"style-src {_hash(style)}",
            f"script-src {_hash(script)}",
            "base-uri 'none'",
            "form-action 'none'",
            "require-trusted-types-for 'script'",
            "trusted-types 'none'",
        )
    )


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode('ascii')).digest()).decode()}'"


@cache
def _part(name: str) -> str:
    return (files(__package__) / name).read_text("ascii")


@cache
def _environment() -> Environment:
    """Escapes always, and knows no variable that it was not given."""
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    return Environment(
        loader=FunctionLoader(_part), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
