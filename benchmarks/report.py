"""`bump report` over 1,000 sites and 50,000 deploys: how big the page is, and how it feels in headless Chromium.

Told are the first paint, when it takes orders, the time of a frame while the lists are scrolled, and how long a search takes from the
key to the painted answer: medians of several, and the worst, beside the processor time of the page's own thread, which a busy machine
leaves as it is. Drawn by the processor alone.
"""

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from benchmarks.chromium import Browser, program
from benchmarks.ours import bump
from benchmarks.platform import Platform

SITES, DEPLOYS = 1_000, 50_000
OPENED, SEARCHES = 3, ("site-0042", "carla", "crashloop", "000c3", "production ready", "nothing is called so")

_FRAMES = """new Promise(done => {
  const node = %s, times = []; let last = performance.now(), left = 90;
  const frame = now => {
    times.push(now - last); last = now; node.scrollTop += %d;
    if (left--) requestAnimationFrame(frame); else done(times.slice(2));
  };
  requestAnimationFrame(frame);
})"""
_SEARCH = """new Promise(done => {
  const input = document.querySelector('#search'), began = performance.now();
  input.value = %r; input.dispatchEvent(new Event('input'));
  requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(() => done(performance.now() - began))));
})"""


def main() -> None:
    if program() is None:
        print("bump report: not measured, there is no Chromium", file=sys.stderr)
        return
    with tempfile.TemporaryDirectory() as folder:
        clone = Path(folder) / "platform"
        print(f"making a platform of {SITES:,} sites and {DEPLOYS:,} deploys", file=sys.stderr)
        Platform(SITES, DEPLOYS).write(clone)
        page = Path(folder) / "report.html"
        subprocess.run(
            [bump(), "report", "--offline", "--html", str(page)], cwd=clone, check=True, capture_output=True
        )
        show(page)


def show(page: Path) -> None:
    """Measures one page, and prints what was measured."""
    print(f"bump report, {SITES:,} sites and {DEPLOYS:,} deploys   ({OPENED} times opened)")
    _row("size of the page", f"{page.stat().st_size / 1e6:.1f} MB")
    paints, ready, used = [], [], []
    for _ in range(OPENED):
        with Browser(1600, 1000) as browser:
            began = browser.processor_s()
            browser.open(page)
            used.append((browser.processor_s() - began) * 1000)
            paints.append(
                browser.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
            )
            ready.append(browser.evaluate("performance.getEntriesByName('ready')[0].startTime"))
    _row("first paint", _spread(paints))
    _row("all details unpacked", _spread(ready), f"{median(used):.0f} ms of the processor")
    with Browser(1600, 1000) as browser:
        browser.open(page)
        _scroll(browser, "a frame, sites scrolled", "document.documentElement", 180)
        browser.evaluate("location.hash = '#deploys'")
        browser.wait("document.querySelector('.deploy')")
        _scroll(browser, "a frame, deploys scrolled", "document.querySelector('.scroller')", 900)
        _search(browser, "the first search", ["site-0001"])
        _search(browser, "a search after that", SEARCHES)


def _scroll(browser: Browser, name: str, node: str, pixels: int) -> None:
    began = browser.processor_s()
    frames = browser.evaluate(_FRAMES % (node, pixels))
    used = (browser.processor_s() - began) * 1000 / len(frames)
    _row(name, _spread(frames), f"{used:.1f} ms of the processor")


def _search(browser: Browser, name: str, texts: Sequence[str]) -> None:
    began = browser.processor_s()
    taken = [browser.evaluate(_SEARCH % text) for text in texts]
    used = (browser.processor_s() - began) * 1000 / len(texts)
    _row(name, _spread(taken), f"{used:.0f} ms of the processor")


def _row(name: str, text: str, used: str = "") -> None:
    print(f"  {name:<28}{text:<30}{used}".rstrip())


def _spread(milliseconds: Sequence[float]) -> str:
    return f"{median(milliseconds):.0f} ms, at most {max(milliseconds):.0f} ms"
