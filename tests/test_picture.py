"""The picture in the documents is what the drill shows."""

from __future__ import annotations

import html
import importlib.util
import re
from pathlib import Path

ROOT = Path(__file__).parent.parent


def words(svg: str) -> list[str]:
    """The text of a picture, line by line."""
    body = svg.partition("</style>")[2]
    return html.unescape(re.sub(r"<[^>]*>", "", body)).replace("\xa0", " ").split()


def test_the_picture_is_of_this_drill() -> None:
    spec = importlib.util.spec_from_file_location("picture", ROOT / "bench/drill_picture.py")
    assert spec and spec.loader
    picture = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(picture)
    kept = (ROOT / "docs/drill.svg").read_text("utf-8")
    assert words(kept) == words(picture.picture(picture.drill())), "run `python bench/drill_picture.py`"
    assert "@font-face" not in kept
