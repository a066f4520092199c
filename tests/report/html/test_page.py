"""The page in a real browser: what a person finds, by mouse and by keyboard, on a screen and on paper."""

from __future__ import annotations

import base64
import hashlib
import io
from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from scanner.model import Finding, Outcome, Report, Secret, Skip, Verdict
from scanner.report import Options
from scanner.report.html import render

from ..samples import finding, location
from .conftest import Opened

NOW = datetime(2024, 6, 1, tzinfo=UTC)


def one(number: int, **changes: object) -> Finding:
    known: dict[str, object] = {
        "name": f"Token {number}",
        "fingerprint": f"{number:032x}",
        "secret": Secret(b"made-up-value-%08d" % number),
        "locations": (location(path=f"dir/file{number}.py", at_head=number % 2 == 0),),
    }
    return finding(**known | changes)


LIVE = Verdict("live", "answered 200", {"account": "octo", "scopes": ["repo", "gist"]}, "2024-05-31T00:00:00Z")

SMALL = Report(
    (
        one(1, severity="low", verdict=Verdict("dead", "answered 401")),
        one(
            2, severity="critical", verdict=LIVE, outcome=Outcome("planned", "rule", effect="It ends."), rule="acme-key"
        ),
        one(3, severity="high", confidence="low", locations=(location(path="old.py", date="2019-01-01T00:00:00Z"),)),
        one(10, severity="medium", verdict=Verdict("unknown", "no answer"), rotate="https://acme.example/rotate"),
    ),
    (Skip("big.zip", "encrypted", 2),),
    {"bytes": 12_345_678, "rules": 900, "seconds": 2.0},
)


def names(page: Page) -> list[str]:
    """What the table shows, from top to bottom."""
    return page.locator("#secrets tbody.finding th button:visible").all_inner_texts()


def many(number: int) -> Report:
    levels = ("low", "medium", "high", "critical")
    return Report(tuple(one(n, severity=levels[n % 4], rule=f"rule-{n % 7}") for n in range(number)))


def test_the_worst_comes_first_with_numbers_on_top(opened: Opened) -> None:
    page = opened(SMALL, Options(now=NOW))
    assert names(page) == ["Token 2", "Token 3", "Token 10", "Token 1"]
    tiles = page.locator(".tiles li").all_inner_texts()
    assert [" ".join(tile.split()) for tile in tiles] == [
        "4 secrets",
        "1 live",
        "3 at a branch tip",
        "4 places",
        "2 not scanned in full",
    ]
    assert "big.zip" in page.locator("main").inner_text()
    assert "12.3 MB read" in page.locator("header").inner_text()


def test_a_row_opens_to_everything_that_is_known(opened: Opened) -> None:
    page = opened(SMALL, Options(now=NOW))
    details = page.locator("#s0 .detail")
    expect(details).to_be_hidden()
    page.get_by_role("button", name="Token 2").click()
    expect(details).to_be_visible()
    text = details.inner_text()
    for expected in (
        "Revoke it",
        "It ends.",
        "octo",
        "repo, gist",
        "live: answered 200",
        "dir/file2.py:12:8",
        "c" * 12,
    ):
        assert expected in text
    page.get_by_role("button", name="Token 2").click()
    expect(details).to_be_hidden()


def test_the_way_to_rotate_is_linked_only_where_it_is_an_https_address(opened: Opened) -> None:
    bad = [
        one(n, rotate=text) for n, text in enumerate(("javascript:alert(1)", "http://a.example", "https://a b", "//x"))
    ]
    page = opened(Report((*SMALL.findings, *bad)), Options(now=NOW))
    page.get_by_role("button", name="Show all details").click()
    links = [link.get_attribute("href") for link in page.locator("#secrets a").all()]
    assert links == ["https://acme.example/rotate"]


def test_filters_add_up_and_are_cleared(opened: Opened) -> None:
    page = opened(SMALL)
    page.get_by_label("Search").fill("DIR/FILE1")
    assert names(page) == ["Token 10", "Token 1"]
    assert page.get_by_role("status").inner_text() == "2 secrets that fit, of 4"
    page.get_by_role("checkbox", name="low").uncheck()
    assert names(page) == ["Token 10"]
    page.get_by_label("State").select_option(label="live (1)")
    expect(page.get_by_text("No secret fits these filters.")).to_be_visible()
    page.get_by_role("button", name="Clear filters").click()
    expect(page.get_by_role("status")).to_have_text("4 secrets")
    page.get_by_label("Kind").select_option("acme-key")
    assert names(page) == ["Token 2"]
    page.get_by_role("button", name="Clear filters").click()
    page.get_by_label("Confidence").select_option("high")
    assert names(page) == ["Token 2", "Token 10", "Token 1"]
    page.get_by_label("still at a branch tip").check()
    assert names(page) == ["Token 2", "Token 10"]
    page.get_by_label("Search").fill("octo gist")
    assert names(page) == ["Token 2"], "what an issuer said is searched as well, by all words"


def test_columns_sort_both_ways_and_say_so(opened: Opened) -> None:
    page = opened(SMALL)
    heading = page.locator("#secrets").get_by_role("columnheader", name="Secret")
    heading.get_by_role("button").click()
    assert names(page) == ["Token 1", "Token 2", "Token 3", "Token 10"]
    expect(heading).to_have_attribute("aria-sort", "ascending")
    heading.get_by_role("button").click()
    assert names(page) == ["Token 10", "Token 3", "Token 2", "Token 1"]
    expect(heading).to_have_attribute("aria-sort", "descending")
    page.get_by_role("columnheader", name="Severity").get_by_role("button").click()
    assert names(page) == ["Token 2", "Token 3", "Token 10", "Token 1"]
    assert page.locator("[aria-sort]").count() == 1
    introduced = page.get_by_role("columnheader", name="Introduced").get_by_role("button")
    introduced.click()
    assert names(page)[-1] == "Token 3"
    introduced.click()
    assert names(page)[0] == "Token 3"


def test_what_has_no_date_comes_last_either_way(opened: Opened) -> None:
    page = opened(Report((one(1, locations=(location(commit=None, date=None),)), *SMALL.findings[1:3])))
    introduced = page.get_by_role("columnheader", name="Introduced").get_by_role("button")
    for _ in range(2):
        introduced.click()
        assert names(page)[-1] == "Token 1"


def test_the_keyboard_alone_is_enough(opened: Opened) -> None:
    page = opened(SMALL)
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the secrets")).to_be_focused()
    expect(page.get_by_role("link", name="Skip to the secrets")).to_be_in_viewport()
    page.keyboard.press("Enter")
    expect(page.locator("#findings")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_label("Search")).to_be_focused()
    page.keyboard.type("file2")
    assert names(page) == ["Token 2"]
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent") == "Token 2":
            break
    page.keyboard.press("Enter")
    expect(page.locator("#s0 .detail")).to_be_visible()
    expect(page.get_by_role("button", name="Token 2")).to_have_attribute("aria-expanded", "true")


def test_the_theme_follows_the_system_until_it_is_chosen(opened: Opened) -> None:
    page = opened(SMALL, color_scheme="dark")
    background = "getComputedStyle(document.documentElement).backgroundColor"
    dark = page.evaluate(background)
    button = page.get_by_role("button", name="Theme")
    button.click()
    expect(button).to_have_text("Theme: light")
    light = page.evaluate(background)
    assert light != dark
    page.reload()
    expect(button).to_have_text("Theme: light")
    assert page.evaluate(background) == light
    button.click()
    assert page.evaluate(background) == dark
    button.click()
    expect(button).to_have_text("Theme: system")
    page.emulate_media(color_scheme="light")
    assert page.evaluate(background) == light


def test_thousands_are_shown_in_pages_and_searched_at_once(opened: Opened) -> None:
    page = opened(many(4000))
    assert len(names(page)) == 50
    assert page.get_by_role("status").inner_text() == "1 to 50 of 4000 secrets"
    page.get_by_role("button", name="Next").click()
    assert page.get_by_role("status").inner_text() == "51 to 100 of 4000 secrets"
    expect(page.locator("#findings")).to_be_focused()
    page.get_by_label("Search").fill("file3999.py")
    assert names(page) == ["Token 3999"]
    expect(page.get_by_role("navigation", name="Pages of secrets")).to_be_hidden()
    page.get_by_label("Search").fill("")
    page.locator("#secrets").get_by_role("columnheader", name="Secret").get_by_role("button").click()
    assert names(page)[:3] == ["Token 0", "Token 1", "Token 2"]


def test_paper_has_all_that_fits_the_filters(opened: Opened) -> None:
    page = opened(many(120))
    page.get_by_role("checkbox", name="low").uncheck()
    page.emulate_media(media="print")
    assert page.locator("tbody.finding:visible").count() == 90
    page.emulate_media(media="screen")
    page.get_by_role("button", name="Next").click()
    page.evaluate("window.print()")
    page.emulate_media(media="print")
    printed = page.locator("tbody.finding:visible .badge").all_inner_texts()
    assert printed == 30 * ["critical"] + 30 * ["high"] + 30 * ["medium"]
    expect(page.locator("#filters")).to_be_hidden()
    expect(page.get_by_role("button", name="Theme")).to_be_hidden()


def test_nothing_is_wider_than_a_phone(opened: Opened) -> None:
    path = "a/very/long/path/" * 12 + "x" * 200
    page = opened(
        Report((one(1, locations=(location(path=path, author="y" * 200),)),)), viewport={"width": 360, "height": 700}
    )
    page.get_by_role("button", name="Show all details").click()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    expect(page.get_by_role("columnheader", name="State")).to_be_visible()


def test_without_scripts_all_is_there_and_opens(opened: Opened) -> None:
    page = opened(many(60), java_script_enabled=False)
    assert page.locator("tbody.finding:visible").count() == 60
    expect(page.locator("#filters")).to_be_hidden()
    page.locator("#s0 summary").click()
    expect(page.locator("#s0 .detail")).to_be_visible()


def test_charts_count_what_the_table_holds(opened: Opened) -> None:
    page = opened(SMALL, Options(now=NOW))
    assert page.locator(".bars tbody tr", has_text="critical").inner_text().split() == ["critical", "1", "(1", "live)"]
    for age, number in (("under a month", "3"), ("3 to 10 years", "1"), ("under a week", "0")):
        assert page.locator(".bars tr", has_text=age).locator(".number").inner_text().split()[0] == number
    said = page.get_by_role("img").get_attribute("aria-label")
    assert said == "4 secrets by quarter of introduction, 2019 Q1 to 2024 Q2; most in 2024 Q2: 3."


def test_a_report_without_findings_says_so(opened: Opened) -> None:
    page = opened(Report(()))
    assert "No secrets found." in page.locator("main").inner_text()
    assert page.locator("table").count() == 0


def test_a_comparison_has_a_column_and_a_filter_more(opened: Opened) -> None:
    changes = {
        f.fingerprint: word for f, word in zip(SMALL.findings, ("new", "gone", "still there", "new"), strict=True)
    }
    page = opened(SMALL, Options(changes=changes))
    expect(page.get_by_role("columnheader", name="Change")).to_be_visible()
    page.get_by_label("Change").select_option(label="new (2)")
    assert names(page) == ["Token 10", "Token 1"]


def test_the_policy_allows_the_one_style_and_the_one_script(opened: Opened) -> None:
    page = opened(SMALL)
    policy = page.locator("meta[http-equiv=Content-Security-Policy]").get_attribute("content") or ""
    assert "unsafe" not in policy
    assert policy.startswith("default-src 'none'; ")
    inline = [(kind, page.locator(f"{kind}:not([type])").all()) for kind in ("style", "script")]
    for kind, found in inline:
        assert len(found) == 1
        digest = hashlib.sha256((found[0].text_content() or "").encode()).digest()
        assert f"{kind}-src 'sha256-{base64.b64encode(digest).decode()}'" in policy
    assert page.locator("[style], [onclick], [onload], img, iframe, link, object, embed").count() == 0


ATTEMPTS = """({
    script: () => { const s = document.createElement("script"); s.append("window.ran = 1"); document.body.append(s); },
    markup: () => { try { document.body.innerHTML += "<img src=x onerror='window.ran = 1'>"; } catch {} },
    style: () => { const s = document.createElement("style"); s.append("body { color: red }"); document.body.append(s); },
    request: () => { fetch("https://deadkey.invalid/").catch(() => {}); },
    picture: () => { new Image().src = "https://deadkey.invalid/x.png"; },
    attribute: made => { made.setAttribute("style", "color: red"); },
    frame: made => { document.body.append(Object.assign(document.createElement("iframe"), {src: "https://deadkey.invalid/"})); },
})"""


@pytest.mark.parametrize("attempt", ["script", "markup", "style", "request", "picture", "attribute", "frame"])
def test_the_browser_holds_the_page_to_it(browser: Browser, tmp_path: Path, attempt: str) -> None:
    """Whatever got into the page in spite of all could not act: the browser refuses."""
    out = io.StringIO()
    render(SMALL, Options(), out)
    (tmp_path / "report.html").write_text(out.getvalue())
    page = browser.new_page()
    page.goto((tmp_path / "report.html").as_uri())
    refused = page.evaluate(
        """attempt => new Promise(done => {
            document.addEventListener("securitypolicyviolation", event => done(event.effectiveDirective));
            const made = document.createElement("div");
            attempts[attempt](made);
        })""".replace("attempts", ATTEMPTS),
        attempt,
    )
    assert refused
    assert page.evaluate("window.ran") is None
    page.close()
