"""The page in a browser: no error, nothing fetched, every picture there; on a phone and a wide screen, light and dark, by keyboard."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import Result

from tests.emollm.report.browser import PROGRAM, Browser

pytestmark = pytest.mark.skipif(PROGRAM is None, reason="no Chromium here: apt-get install chromium")
SMALLEST_PX = 8
CONTRAST = """(() => {
  const parts = colour => colour.match(/[\\d.]+/g).slice(0, 3).map(Number);
  const linear = v => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4;
  const light = colour => parts(colour).map(v => linear(v / 255)).reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
  const ground = e => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor;
    if (c !== 'rgba(0, 0, 0, 0)') return c; } return 'rgb(255, 255, 255)'; };
  const texts = [...document.querySelectorAll('h1, h2, h3, p, dt, dd, td, th, a, li, summary, figcaption, span')];
  return Math.min(...texts.map(e => {
    const [a, b] = [light(getComputedStyle(e).color), light(ground(e))].sort((x, y) => y - x);
    return (a + .05) / (b + .05);
  }));
})()"""  # https://www.w3.org/TR/WCAG21/#dfn-contrast-ratio
SMALLEST = """Math.min(...[...document.querySelectorAll('svg text')].map(t => {
  const drawing = t.ownerSVGElement;
  return parseFloat(getComputedStyle(t).fontSize) * drawing.clientWidth / drawing.viewBox.baseVal.width;
}))"""


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    found = Browser(tmp_path / "browser")
    yield found
    found.close()


@pytest.mark.slow
def test_the_page_in_a_browser(browser: Browser, call: Callable[..., Result], evaluated: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    assert call("report", evaluated, "--with-media", "--clips", 6, "-o", page).exit_code == 0
    grounds = {}
    for width in (400, 1600):
        for scheme in ("light", "dark"):
            browser.open(page, width, scheme)
            assert browser.ask("document.documentElement.scrollWidth") <= width, (
                "the page itself never scrolls sideways"
            )
            assert browser.ask("[...document.images].map(i => i.decode()).length") == 12
            assert browser.ask("[...document.images].every(i => i.complete && i.naturalWidth > 0 && i.alt)")
            assert browser.ask(CONTRAST) >= 4.5, (width, scheme)
            assert browser.ask(SMALLEST) >= SMALLEST_PX, width
            inside = "[...document.querySelectorAll('.card')].every(c => c.getBoundingClientRect().right <= innerWidth)"
            assert browser.ask(inside)
            grounds[scheme] = browser.ask("getComputedStyle(document.body).backgroundColor")
            browser.picture(tmp_path / f"{width}-{scheme}.png")
            assert (tmp_path / f"{width}-{scheme}.png").stat().st_size > 20_000
    assert grounds["light"] != grounds["dark"]
    columns = "getComputedStyle(document.querySelector('.cards')).gridTemplateColumns.split(' ').length"
    assert browser.ask(columns) > 1
    assert browser.errors == []


@pytest.mark.slow
def test_by_keyboard(browser: Browser, evaluated: Path) -> None:
    browser.open(evaluated / "report.html", 400, "light")
    browser.press("Tab")
    assert browser.ask("document.activeElement.textContent") == "Skip to the report"
    assert browser.ask("document.activeElement.getBoundingClientRect().left") >= 0, "shown once it is reached"
    browser.press("Enter")
    assert browser.ask("location.hash") == "#main"
    browser.press("Tab")
    focused = "document.activeElement"
    for _ in range(40):
        if browser.ask(f"{focused}.tagName") == "SUMMARY":
            break
        browser.press("Tab")
    assert browser.ask(f"getComputedStyle({focused}).outlineStyle") == "solid"
    browser.press("Space")
    assert browser.ask(f"{focused}.parentElement.open"), "what is folded away opens"
    wide = "[...document.querySelectorAll('.table')].filter(t => t.scrollWidth > t.clientWidth)"
    assert browser.ask(f"{wide}.length > 0 && {wide}.every(t => t.tabIndex === 0)"), "what scrolls can be reached"
    browser.ask("document.querySelector('.cues a').focus()")
    browser.press("Enter")
    assert browser.ask("document.querySelector(':target').tagName") == "g", "a cue leads to its seconds"
    assert browser.ask("document.querySelector(':target').getBoundingClientRect().top") < 1000
    assert browser.errors == []
