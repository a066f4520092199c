"""Makes docs/report.png anew: the page of a made-up repository, as Chromium shows it.

python -m bench.page_picture [PAGE.html PICTURE.png]
"""

from __future__ import annotations

import io
import sys
import tempfile
from pathlib import Path

from scanner.report import Options
from scanner.report.html import render
from scanner.ruleset import cache
from tests.conftest import GitRepo
from tests.report.html.browser import chromium
from tests.report.html.made import NOW, audited, repository


def main(page: str | None = None, picture: str = "docs/report.png") -> None:
    with tempfile.TemporaryDirectory() as folder, chromium() as browser:
        repo = GitRepo(Path(folder) / "acme")
        repository(repo, cache.get())
        out = io.StringIO()
        render(audited(repo), Options(verb="audit", now=NOW), out)
        path = Path(page or f"{folder}/report.html")
        path.write_text(out.getvalue(), "ascii")
        shown = browser.new_page(viewport={"width": 1160, "height": 1240}, color_scheme="light")
        shown.goto(path.absolute().as_uri())
        shown.screenshot(path=picture)


if __name__ == "__main__":
    main(*sys.argv[1:])
