"""What axe-core finds wrong for people who do not see the page, or see it otherwise."""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files

import pytest
from playwright.sync_api import Browser, Page

from scanner.model import Report
from scanner.report import Options
from scanner.ruleset.ruleset import Ruleset
from tests.conftest import GitRepo

from .conftest import Opened
from .made import NOW, audited, repository

AXE = (files("axe_playwright_python") / "axe.min.js").read_text("utf-8")

WANTED = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


def violations(page: Page) -> list[str]:
    """Every rule that is broken, with the elements that break it."""
    page.evaluate(AXE)
    found = page.evaluate("tags => axe.run({runOnly: tags})", WANTED)
    assert len(found["passes"]) > 20, "axe looked at nothing"
    return [f"{v['impact']} {v['id']}: {[node['html'] for node in v['nodes']][:3]}" for v in found["violations"]]


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory, ruleset: Ruleset) -> Callable[[], Report]:
    made: list[Report] = []

    def once() -> Report:
        if not made:
            repo = GitRepo(tmp_path_factory.mktemp("acme") / "repo")
            repository(repo, ruleset)
            made.append(audited(repo))
        return made[0]

    return once


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 375])
def test_no_violation(opened: Opened, report: Callable[[], Report], scheme: str, width: int) -> None:
    page = opened(
        report(), Options(now=NOW), color_scheme=scheme, viewport={"width": width, "height": 900}, bypass_csp=True
    )
    page.get_by_role("button", name="Show all details").click()
    page.get_by_text("The same as a table").click()
    page.get_by_role("columnheader", name="State").get_by_role("button").click()
    assert violations(page) == []


def test_none_without_scripts_of_its_own_or_findings(opened: Opened) -> None:
    assert violations(opened(Report(()), bypass_csp=True)) == []


def test_axe_would_notice(browser: Browser) -> None:
    page = browser.new_page()
    page.set_content("<html lang=en><title>t</title><main><h1>x</h1><img src=x><input>" + "<p>y</p>" * 3)
    page.evaluate(AXE)
    found = page.evaluate("tags => axe.run({runOnly: tags})", WANTED)
    assert {"image-alt", "label"} <= {v["id"] for v in found["violations"]}
    page.close()
