"""The whole report as one JSON document, for other programs.

`{"version": 1, "tool": {"name", "version"}, "findings": […], "skipped": [{"path", "reason", "count"}], "statistics":
{…}}`; what a finding looks like is said in `record`. Only ASCII is written: a path that is no UTF-8 keeps its bytes as
lone surrogates (`\\udcff`), which `json.loads` and `os.fsencode` turn back into the path.
"""

from __future__ import annotations

import json
from typing import TextIO

from scanner.model import Report
from scanner.report.interface import Options
from scanner.report.record import VERSION, finding_record, plain, skip_record
from scanner.report.scrub import scrubbed


def render(report: Report, options: Options, out: TextIO) -> None:
    """Write one document with a newline after it."""
    if not options.show_secrets:
        report = scrubbed(report)
    document = {
        "version": VERSION,
        "tool": {"name": options.tool, "version": options.version},
        "findings": [finding_record(finding, options.show_secrets) for finding in report.findings],
        "skipped": [skip_record(skip) for skip in report.skipped],
        "statistics": plain(report.statistics),
    }
    json.dump(document, out, indent=2, ensure_ascii=True, allow_nan=False)
    out.write("\n")
