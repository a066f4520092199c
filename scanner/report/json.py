"""The whole report as one JSON document, for other programs.

`{"version": 1, "tool": {"name", "version"}, "findings": […], "skipped": [{"path", "reason", "count"}], "statistics":
{…}}`; what a finding looks like is said in `record`. Only ASCII is written: a path that is no UTF-8 keeps its bytes as
lone surrogates (`\\udcff`), which `json.loads` and `os.fsencode` turn back into the path.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, TextIO

from scanner.model import Report
from scanner.report.interface import Options
from scanner.report.record import VERSION, finding_record, plain, skip_record
from scanner.report.scrub import scrubbed


def render(report: Report, options: Options, out: TextIO) -> None:
    """Write one document with a newline after it."""
    if not options.show_secrets:
        report = scrubbed(report)
    tool = {"name": options.tool, "version": options.version}
    out.write(f'{{"version": {VERSION}, "tool": {_dump(tool)},\n "findings": [')
    _rows((finding_record(finding, options.show_secrets) for finding in report.findings), out)
    out.write('],\n "skipped": [')
    _rows(map(skip_record, report.skipped), out)
    out.write(f'],\n "statistics": {_dump(plain(report.statistics))}}}\n')


def _rows(records: Iterable[Any], out: TextIO) -> None:
    """A line each: as easy to compare as an indented document, and written many times as fast."""
    for number, record in enumerate(records):
        out.write((",\n  " if number else "\n  ") + _dump(record))


def _dump(value: Any) -> str:
    return json.dumps(value, ensure_ascii=True, allow_nan=False)
