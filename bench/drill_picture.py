"""Draws the drill as a terminal shows it, as docs/drill.svg.

    python bench/drill_picture.py [FILE]

What is drawn is a real run; what differs from run to run (times, port, tokens) is left out.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

ROOT = Path(__file__).parent.parent
WIDTH = 112


def steady(said: str) -> str:
    """What a drill printed, without what is another each time: columns keep their widths."""
    said = re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:…", said)
    said = re.sub(r"(\w+_…)\w{4}", r"\1", said)
    said = re.sub(r"\+\d+\.\d\d s", lambda found: "yes".rjust(len(found[0])), said)
    said = re.sub(r"; from leak to dead in at most [\d.]+ s; [\d.]+ s in all\.", ".", said)
    return "\n".join(line.rstrip() for line in said.split("\n"))


def drill() -> str:
    """The output of `deadkey drill`, standard error before standard output, with colours. Fails when the drill does."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "FORCE_COLOR": "1", "COLUMNS": str(WIDTH)}
    for name in ("NO_COLOR", "TERM"):
        environment.pop(name, None)
    done = subprocess.run(
        [sys.executable, "-m", "scanner", "drill"], env=environment, capture_output=True, text=True, check=True
    )
    return steady(done.stderr + done.stdout)


def picture(said: str) -> str:
    """An SVG of `deadkey drill` and what it said."""
    console = Console(record=True, width=WIDTH, file=open(os.devnull, "w"), force_terminal=True)  # noqa: SIM115
    console.print(Text("$ deadkey drill", style="bold"))
    console.print(Text.from_ansi(said.rstrip("\n")), soft_wrap=True)
    drawn = console.export_svg(title="deadkey drill", theme=MONOKAI, unique_id="drill")
    return re.sub(r"@font-face \{.*?\}\s*", "", drawn, flags=re.DOTALL)  # whoever looks at it fetches nothing


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs/drill.svg"
    target.write_text(picture(drill()), "utf-8")
    print(target)
