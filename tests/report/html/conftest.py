"""One Chromium for all tests of the page, and pages in it that note every complaint and every request."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from scanner.model import Report
from scanner.report import Options
from scanner.report.html import render

from .browser import chromium


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


Opened = Callable[..., Page]


@pytest.fixture
def opened(browser: Browser, tmp_path: Path) -> Iterator[Opened]:
    """Opens a report from disk. In the end no page may have complained of anything, or asked for anything but itself."""
    complaints: list[str] = []
    requests: list[str] = []
    contexts = []

    def open(report: Report | Path, options: Options | None = None, **context: object) -> Page:
        path = report if isinstance(report, Path) else tmp_path / "report.html"
        if isinstance(report, Report):
            out = io.StringIO()
            render(report, options or Options(), out)
            path.write_text(out.getvalue(), "ascii")
        here = browser.new_context(**context)  # type: ignore[arg-type]
        contexts.append(here)
        page = here.new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: complaints.append(f"dialog: {dialog.message}"))
        page.on("request", lambda request: requests.append(request.url))
        page.goto(path.as_uri())
        return page

    yield open
    for context in contexts:
        context.close()
    assert complaints == []
    assert [url for url in requests if not (url.startswith("file:") and url.endswith(".html"))] == []
