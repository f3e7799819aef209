"""The page of `bump report` in a real browser: what a person does with it, on a desk, on a phone and on paper, light and dark.

Without a Chromium (apt-get install chromium) these are left out, and say so; with BUMP_REQUIRE_BROWSER set they fail.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from report_pages import DEPLOYS, OTHERS, SITES, platform, report

from benchmarks.chromium import Browser, program

pytestmark = pytest.mark.slow

_ROWS = SITES + OTHERS
_SEEN = "[...document.querySelectorAll('.site')].filter(node => node.offsetParent).length"
# Texts that are wider than the window and can't be scrolled to, and texts whose colour is too near to what lies below them.
_CUT = """[...document.querySelectorAll('body *')].filter(node => node.offsetParent && !node.closest('.pan, dialog, nav ul, .skip')
  && !node.matches('h2') && node.getBoundingClientRect().right > innerWidth + 1).map(node => node.className || node.tagName)"""
# Whether the whole tab of what is shown is in sight.
_TAB = """(() => { const box = document.querySelector('nav [aria-current]').getBoundingClientRect();
  return box.left >= 0 && box.right <= innerWidth; })()"""
# Texts of one plot that lie on each other.
_OVERLAPS = """[...document.querySelectorAll('.plot svg')].flatMap(svg => { const texts = [...svg.querySelectorAll('text')]
    .map(node => [node.textContent, node.getBoundingClientRect()]).filter(([, box]) => box.width);
  return texts.flatMap(([one, a], at) => texts.slice(at + 1).filter(([, b]) => Math.min(a.right, b.right) > Math.max(a.left, b.left)
    && Math.min(a.bottom, b.bottom) > Math.max(a.top, b.top)).map(([other]) => `${one} on ${other}`)); })"""
_CONTRAST = """(() => {
  const light = color => { const [r, g, b] = color.match(/[\\d.]+/g).map(v => v / 255)
      .map(v => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4);
    return .2126 * r + .7152 * g + .0722 * b; };
  const below = node => { for (let at = node; at; at = at.parentElement) { const color = getComputedStyle(at).backgroundColor;
    if (!/, 0\\)$/.test(color) && color !== 'transparent') return color; } return 'rgb(255, 255, 255)'; };
  return [...document.querySelectorAll('.pill, .name, .cause, .quiet, .tile b, .tile span, .chip, .why, dt, dd')]
    .filter(node => node.offsetParent && node.textContent.trim() && !node.closest('.over')).filter(node => {
      const [a, b] = [light(getComputedStyle(node).color), light(below(node))];
      return (Math.max(a, b) + .05) / (Math.min(a, b) + .05) < 4.5; })
    .map(node => `${node.className}: ${node.textContent}`);
})()"""


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if program() is None:
        if os.environ.get("BUMP_REQUIRE_BROWSER"):
            pytest.fail("BUMP_REQUIRE_BROWSER is set, but there is no Chromium")
        pytest.skip("NOT TESTED the page of bump report: there is no Chromium (apt-get install chromium)")
    clone = platform(tmp_path_factory.mktemp("report") / "platform")
    code, _, stderr = report(clone, "page.html", "--offline")
    assert code == 0, stderr
    return clone / "page.html"


@pytest.fixture(scope="module")
def browser(page: Path) -> Iterator[Browser]:
    with Browser() as opened:
        opened.open(page)
        yield opened


def text(browser: Browser, selector: str) -> str:
    shown = browser.evaluate(f"document.querySelector({selector!r}).innerText")
    assert isinstance(shown, str)
    return shown


def focus(browser: Browser) -> str:
    label = browser.evaluate("document.activeElement.innerText || document.activeElement.id")
    assert isinstance(label, str)
    return label


def go(browser: Browser, fragment: str) -> None:
    browser.evaluate(f"location.hash = {fragment!r}")
    browser.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")


def test_it_can_be_used_by_hand_and_by_keys(browser: Browser, subtests: pytest.Subtests) -> None:
    with subtests.test("what fails is first, and opens with its cause"):
        assert browser.evaluate(_SEEN) == _ROWS
        browser.press("j")
        assert focus(browser).startswith("site-0000 (production)") or "site-0000" in focus(browser)
        browser.press("Enter")
        browser.wait("document.querySelector('dialog').open")
        assert "site-0000 (production)" in text(browser, "dialog h2")
        assert "it crashes" in text(browser, "dialog .why")
        assert "bump status --site site-0000" in text(browser, "dialog .next code")
    with subtests.test("from the site to its deploy, with its timeline"):
        browser.click("dialog a[href^='#deploy=']")
        browser.wait("document.querySelector('dialog .line')")
        line = text(browser, "dialog .line")
        moments = [line.index(word) for word in ("Committed by", "timed-out", "failed")]
        assert moments == sorted(moments)
        assert "followed for 1 min" in line
    with subtests.test("with the stages of each verdict, when each began and ended, and what it said"):
        assert "it crashes</script>" in text(browser, "dialog .why")
        stages = browser.evaluate(
            "[...document.querySelectorAll('dialog .stages li')].map(node => node.innerText.split(/\\s*\\n/))"
        )
        assert browser.evaluate("document.querySelectorAll('[class*=object], [class*=function]').length") == 0
        assert [(name.partition("<")[0], taken) for name, taken, _ in stages[3:]] == [
            ("image", "0.5 s"),
            ("commit", "2.5 s"),
            ("rolled out", "58.0 s"),
        ]
        times = [each.split(" to ") for *_, each in stages[3:]]
        assert [began for began, _ in times[1:]] == [ended for _, ended in times[:-1]]
        assert all(re.fullmatch(r"\d\d:\d\d:\d\d", each) for both in times for each in both)
    with subtests.test("Escape closes it, and the keys go on where they were"):
        browser.press("Escape")
        browser.wait("!document.querySelector('dialog').open")
        assert "site-0000" in focus(browser)
    with subtests.test("a search narrows sites and deploys, and says by how much"):
        browser.press("/")
        browser.write("site-0003 staging")
        browser.wait(f"{_SEEN} === 1")
        assert text(browser, "#site-count") == f"1 of {_ROWS}"
        browser.press("Escape")
        browser.wait(f"{_SEEN} === {_ROWS}")
        browser.press("2")
        browser.wait("document.querySelector('#view-deploys').offsetParent")
        assert text(browser, "#deploy-count") == str(DEPLOYS + 1)
        browser.press("j")
        browser.press("j")
        assert browser.evaluate("document.activeElement.at") == 1
    with subtests.test("a tile shows the sites of its state"):
        browser.press("1")
        browser.click(".tile.held")
        browser.wait(f"{_SEEN} === 2")
        browser.click(".tile.held")
        browser.wait(f"{_SEEN} === {_ROWS}")
    with subtests.test("an environment narrows them as well"):
        browser.evaluate(
            "(() => { const select = document.querySelector('#environment'); select.value = 'staging'; "
            "select.dispatchEvent(new Event('change')); })()"
        )
        browser.wait(f"{_SEEN} === {SITES // 2 + 3}")
        browser.evaluate(
            "(() => { const select = document.querySelector('#environment'); select.value = ''; "
            "select.dispatchEvent(new Event('change')); })()"
        )
        browser.evaluate("document.querySelector('#environment').focus()")
        browser.press("ArrowDown")
        assert focus(browser).startswith("all environments"), "the keys of a list are its own"
        browser.press("ArrowUp")
        assert browser.evaluate("document.querySelector('#environment').value") == ""
    with subtests.test(
        "an address is sent by name, since the next page has other numbers, and what it does not have is no other site"
    ):
        numbered = (
            "[...document.querySelectorAll('a')].filter(node => /[#?&]\\w+=[-\\d,]*$/.test(node.hash)).length"
        )
        assert browser.evaluate(numbered) == 0
        for fragment, sent in (
            ("#site=site-0001%20(staging)", "#site=site-0001%20(staging)"),
            ("#site=nobody", "#sites"),
            ("#site=0", "#sites"),
            ("#deploys?of=0", "#deploys?of=0"),
        ):
            go(browser, fragment)
            browser.wait(f"location.hash === {sent!r}")
            go(browser, "#sites")
        go(browser, "#deploys?of=site-0001%20(staging)")
        number = int(text(browser, "#deploy-count").split(" of ")[0])
        assert 0 < number < DEPLOYS
        go(browser, "#deploys?of=nobody")
        assert text(browser, "#deploy-count") == str(DEPLOYS + 1)
        browser.click(".deploy:not([hidden])")
        browser.wait("/^#deploy=[0-9a-f]{12}-site-0000/.test(location.hash)")
        browser.press("Escape")
        go(browser, "#site=site-0000%20(production)")
        browser.wait("document.querySelector('dialog h2')")
        # Opened anew before the browser tells that it was closed.
        browser.evaluate(
            "new Promise(done => { const dialog = document.querySelector('dialog');"
            " dialog.addEventListener('close', () => setTimeout(done), {once: true});"
            " dialog.close(); dialog.showModal(); })"
        )
        assert text(browser, "dialog h2")
        browser.press("Escape")
        browser.wait("!document.querySelector('dialog').open")
    with subtests.test("a cell of the graph opens its site"):
        browser.press("3")
        browser.wait("document.querySelector('#view-graph').offsetParent")
        browser.click("svg .cell")
        browser.wait("document.querySelector('dialog').open")
        assert "site-" in text(browser, "dialog h2")
        browser.press("Escape")
        assert browser.evaluate("document.querySelector('#view-graph').offsetParent !== null")
    with subtests.test("a box of several shows its sites, and so does its address on its own"):
        address = browser.evaluate("document.querySelector('a.box[href*=\"?box=\"]').getAttribute('href')")
        go(browser, "#sites")
        go(browser, address)
        shown = browser.evaluate(_SEEN)
        assert 3 <= shown < _ROWS
        assert text(browser, "#only span") == f"{shown} sites of one box"
        go(browser, "#sites?after=infra-configs%20(production)")
        assert browser.evaluate(_SEEN) == SITES // 2
        assert "those that wait for infra-configs (production)" in text(browser, "#only span")
        go(browser, "#sites?box=gone")
        assert browser.evaluate(_SEEN) == _ROWS
    with subtests.test("the trends of one environment"):
        browser.press("5")
        browser.wait("document.querySelector('#view-trends').offsetParent")
        browser.click(".tabs button[data-name=production]")
        assert browser.evaluate("document.querySelector('.trend:not([hidden])').dataset.name") == "production"


def _failed(browser: Browser) -> str:
    """The address of the deploy with stages."""
    address = browser.evaluate(
        "document.querySelector('.deploy .mark.bad').parentNode.getAttribute('href').slice(1)"
    )
    assert isinstance(address, str)
    return address


def test_all_of_a_long_list_is_reached(browser: Browser) -> None:
    go(browser, "#deploys")
    last = "[...document.querySelectorAll('.deploy')].filter(node => !node.hidden).map(node => node.at)"
    for _ in range(3):
        browser.evaluate("document.querySelector('.scroller').scrollTop = 1e9")
        browser.wait(f"Math.max(...{last}) === {DEPLOYS}")
        shown = browser.evaluate(last)
        assert len(set(shown)) == len(shown)
        browser.evaluate("document.querySelector('.scroller').scrollTop = 0")
        browser.wait(f"Math.min(...{last}) === 0")


@pytest.mark.parametrize("width", [390, 900, 1600])
def test_nothing_is_cut_off_and_all_of_it_can_be_read(
    browser: Browser, width: int, subtests: pytest.Subtests
) -> None:
    browser.resize(width, 900)
    for is_dark in (False, True):
        browser.emulate(is_dark=is_dark)
        for view in (
            "sites",
            "deploys",
            "graph",
            "calendar",
            "trends",
            "site=site-0000%20(production)",
            _failed(browser),
        ):
            with subtests.test(f"{view}, {'dark' if is_dark else 'light'}"):
                go(browser, f"#{view}")
                assert browser.evaluate("document.documentElement.scrollWidth") <= width
                assert browser.evaluate(_CUT) == []
                assert browser.evaluate(_OVERLAPS) == []
                assert browser.evaluate(_TAB) is True
                assert browser.evaluate(_CONTRAST) == []
                browser.press("Escape")
    browser.emulate()


def test_it_is_printed_whole(browser: Browser) -> None:
    assert re.search(rb"/Type\s*/Page\b", browser.pdf())
    browser.emulate(medium="print", is_dark=True)
    hidden = "[...document.querySelectorAll('.view')].filter(node => !node.offsetParent).length"
    assert browser.evaluate(hidden) == 0
    assert (
        browser.evaluate("getComputedStyle(document.querySelector('.list')).backgroundColor")
        == "rgb(255, 255, 255)"
    )
    assert browser.evaluate("document.querySelector('nav').offsetParent") is None
    browser.emulate()


def test_it_asks_nobody_and_takes_nobodys_orders(page: Path) -> None:
    with Browser() as opened:
        for fragment in (
            "",
            "#deploys",
            "#site=0",
            "#deploy=0-0",
            "#sites?box=x&after=x",
            "#site=%3Cimg src=x%3E",
            "#<img src=x>",
            "#%E0%A4%A",
        ):
            opened.evaluate("window.name = ''")
            opened.open(page, fragment)
            opened.evaluate("new Promise(done => setTimeout(done, 50))")
            assert opened.evaluate("document.title").endswith("sites and deploys")
        assert {url.partition("#")[0] for url in opened.requests} == {page.as_uri()}
        assert opened.complaints == []
        opened.ask("Emulation.setScriptExecutionDisabled", value=True)
        opened.ask("Page.navigate", url=page.as_uri())
        opened.wait("document.readyState === 'complete'")
        assert "Deploys, details and searches need JavaScript" in text(opened, "noscript")
