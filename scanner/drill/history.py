"""The drill's history: a line of JSON for each drill against a server, and how it looks over time.

`{"version": 1, "at": ISO 8601, "server": "kind host:port", "passed", "found", "live", "dead"}`: seconds after the leak, null
for a step that was not reached. No name of a user and no secret is in it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

from scanner.drill.drill import Drill
from scanner.model import DeadkeyError

NAME = "drills.jsonl"
WIDE = 40
"""Columns of the longest bar."""
SHOWN = 30
"""Drills that are drawn, the last ones."""


class Run(NamedTuple):
    """One drill; seconds after the leak."""

    at: str
    server: str
    passed: bool
    found: float | None
    live: float | None
    dead: float | None


def keep(folder: Path, at: str, server: str, drill: Drill) -> None:
    """Add a drill. DeadkeyError names the file that cannot be written."""
    leak = drill.leaks[0]
    steps = {name: None if step is None else round(step, 3) for name, step in
             (("found", leak.found), ("live", leak.live), ("dead", leak.dead))}  # fmt: skip
    line = json.dumps({"version": 1, "at": at, "server": server, "passed": not drill.problems, **steps})
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(folder / NAME, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        with open(handle, "a", encoding="utf-8") as out:
            out.write(line + "\n")
    except OSError as e:
        raise DeadkeyError(f"{folder / NAME}: {e.strerror}") from None


def read(folder: Path) -> list[Run]:
    """All drills, the oldest first. DeadkeyError names the line that is none."""
    path = folder / NAME
    try:
        lines = path.read_text("utf-8").splitlines()
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as e:
        raise DeadkeyError(f"{path}: {e.strerror if isinstance(e, OSError) else 'not UTF-8'}") from None
    return [_run(path, number, line) for number, line in enumerate(lines, 1)]


def _run(path: Path, number: int, line: str) -> Run:
    try:
        entry = json.loads(line)
        steps = [None if entry[name] is None else float(entry[name]) for name in ("found", "live", "dead")]
        return Run(str(entry["at"]), str(entry["server"]), entry["passed"] is True, *steps)
    except (ValueError, KeyError, TypeError):
        raise DeadkeyError(f"{path}:{number}: not a drill; take the line out to go on") from None


def plot(runs: Sequence[Run]) -> str:
    """A bar a drill: dots until it was found, dashes until it was live, blocks until it was dead."""
    shown = runs[-SHOWN:]
    longest = max((run.dead for run in shown if run.dead is not None), default=0.0) or 1.0
    wide = max((len(run.server) for run in shown), default=0)
    lines = []
    for run in shown:
        if run.dead is None:
            bar, said = "", "not dead"
        else:
            ends = [round(WIDE * (step or 0.0) / longest) for step in (run.found, run.live, run.dead)]
            bar = "·" * ends[0] + "-" * (ends[1] - ends[0]) + "█" * max(1, ends[2] - ends[1])
            said = f"{run.dead:.2f} s" + ("" if run.passed else ", with problems")
        lines.append(f"{run.at}  {run.server:<{wide}}  {bar:<{WIDE}}  {said}")
    return "\n".join([*lines, "", "from leak to dead: · until found, - until live, █ until dead"])


def svg(runs: Sequence[Run]) -> str:
    """The same as a drawing: time from leak to dead, drill by drill, a ring where it did not get there."""
    width, height, left, bottom, top = 720, 280, 56, 40, 24
    longest = max((run.dead for run in runs if run.dead is not None), default=0.0) or 1.0
    step = (width - left - 24) / max(1, len(runs) - 1)
    root = ElementTree.Element(
        "svg", xmlns="http://www.w3.org/2000/svg", viewBox=f"0 0 {width} {height}", role="img", fill="none"
    )
    root.set("font-family", "sans-serif")
    root.set("font-size", "12")
    ElementTree.SubElement(root, "title").text = "Seconds from leak to dead"
    ElementTree.SubElement(root, "rect", width=str(width), height=str(height), fill="#ffffff")

    def high(seconds: float) -> float:
        return height - bottom - (height - bottom - top) * seconds / longest

    for part in (0.0, 0.5, 1.0):
        y = f"{high(longest * part):.1f}"
        ElementTree.SubElement(root, "line", x1=str(left), x2=str(width - 12), y1=y, y2=y, stroke="#d0d7de")
        label = ElementTree.SubElement(root, "text", x=str(left - 8), y=y, fill="#57606a")
        label.set("text-anchor", "end")
        label.text = f"{longest * part:.2f} s"
    points = []
    for number, run in enumerate(runs):
        x = left + 12 + number * step if len(runs) > 1 else (left + width) / 2
        dead = run.dead is not None
        y_at = high(run.dead or 0.0)
        if dead:
            points.append(f"{x:.1f},{y_at:.1f}")
        color = "#1a7f37" if run.passed else "#cf222e"
        dot = ElementTree.SubElement(
            root,
            "circle",
            {"cx": f"{x:.1f}", "cy": f"{y_at:.1f}", "r": "4", "stroke": color, "fill": color if dead else "#ffffff"},
        )
        said = f"{run.dead:.2f} s" if run.dead is not None else "not dead"
        ElementTree.SubElement(dot, "title").text = f"{run.at}  {run.server}  {said}"
    if len(points) > 1:
        line = ElementTree.Element("polyline", points=" ".join(points), stroke="#8c959f")
        root.insert(5 if len(root) > 5 else len(root), line)
    if runs:
        for run, x_at, anchor in ((runs[0], left, "start"), (runs[-1], width - 12, "end"))[: min(2, len(runs))]:
            day = ElementTree.SubElement(root, "text", x=str(x_at), y=str(height - 14), fill="#57606a")
            day.set("text-anchor", anchor)
            day.text = run.at[:10]
    ElementTree.indent(root)
    return ElementTree.tostring(root, "unicode", xml_declaration=False) + "\n"
