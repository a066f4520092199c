"""Whether to colour: the word on the command line first, then the variables that programs share, then the terminal."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TextIO


def wanted(out: TextIO, choice: str = "auto", environ: Mapping[str, str] | None = None) -> bool:
    """Whether what goes to `out` is coloured. `choice` is auto, always or never.

    NO_COLOR (no-color.org), then FORCE_COLOR or CLICOLOR_FORCE (bixense.com/clicolors), each when it is neither empty nor, for
    the latter two, 0. A terminal that calls itself dumb gets none.
    """
    environ = os.environ if environ is None else environ
    if choice != "auto":
        return choice == "always"
    if environ.get("NO_COLOR"):
        return False
    if any(environ.get(name, "") not in ("", "0") for name in ("FORCE_COLOR", "CLICOLOR_FORCE")):
        return True
    return environ.get("TERM") != "dumb" and bool(getattr(out, "isatty", lambda: False)())
