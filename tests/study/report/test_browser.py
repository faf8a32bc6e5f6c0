"""The page in a real Chromium: it renders, zooms, logs nothing and asks the network for nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fpga_rt.study.report.page import page
from fpga_rt.study.report.source import read_source
from tests.study.report.browser import PROGRAM, Page, browser
from tests.study.report.folders import ROWS, run, write
from tests.study.report.test_page import GPU

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(PROGRAM is None, reason="no chromium here: apt-get install chromium"),
]

_BLOCKS = "document.querySelectorAll('.timeline')[0].querySelectorAll('.block').length"
_VIEW = "document.querySelector('.timeline svg').dataset.view.split(' ').map(Number)"


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write(tmp_path_factory.mktemp("study") / "s", ROWS, [run(), run("exact")], GPU)
    path = folder / "report.html"
    path.write_text(page(read_source(folder), "fpga-rt study report s"))
    return path


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with browser(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.fixture(autouse=True)
def _quiet(tab: Page, report: Path) -> Iterator[None]:
    """Whatever a test does: no errors, no warnings, and no request but for the page itself."""
    tab.errors.clear()
    tab.requests.clear()
    yield
    tab.run("1")  # what the page logged before this answer has been read
    assert tab.errors == []
    assert set(tab.requests) == {report.as_uri()}


def test_plots_and_timelines_are_drawn(tab: Page, report: Path) -> None:
    tab.open(report)
    drawn = tab.run(
        "[...document.querySelectorAll('.plot, .timeline > svg')].map((e) => {"
        " const box = e.getBoundingClientRect(); return [box.width, box.height]; })"
    )
    assert len(drawn) == 2 + 4
    assert all(width > 200 and height > 100 for width, height in drawn)
    assert tab.run(_BLOCKS) == 2 + 2 + 2  # requests, a load in two lanes, programs
    bars = tab.run(
        "[...document.querySelectorAll('#hidden .bar div')].map((e) =>"
        " [...e.children].map((c) => c.getBoundingClientRect().width / e.clientWidth))"
    )
    assert bars[0] == [pytest.approx(1.0, abs=0.01)]
    assert bars[1] == [pytest.approx(0.25, abs=0.01), pytest.approx(0.75, abs=0.01)]


def test_a_timeline_zooms_pans_and_comes_back(tab: Page, report: Path) -> None:
    tab.open(report)
    assert tab.run(_VIEW) == [0, 6000]
    press = "document.querySelector('.timeline [data-act=\"{}\"]').click(), " + _VIEW
    assert tab.run(press.format("in")) == [1500, 4500]
    assert tab.run(press.format("in")) == [2250, 3750]
    assert tab.run(_BLOCKS) == 2  # the second request and its program
    assert tab.run(press.format("left")) == [1875, 3375]
    assert tab.run(press.format("right")) == [2250, 3750]
    assert tab.run(press.format("all")) == [0, 6000]
    assert tab.run(press.format("out")) == [0, 6000]


def test_a_timeline_follows_the_wheel_the_mouse_and_the_keys(tab: Page, report: Path) -> None:
    tab.open(report)
    box = tab.run("(() => { const svg = document.querySelector('.timeline svg');"
                  "svg.scrollIntoView({block: 'center'}); const b = svg.getBoundingClientRect();"
                  "return [b.left, b.top, b.width, b.height] })()")  # fmt: skip
    middle = {"x": box[0] + 66 + (box[2] - 66) / 2, "y": box[1] + 35}
    tab.call("Input.dispatchMouseEvent", type="mouseMoved", **middle)
    assert "requests: 1: kws, 4.000 ms from 2.000 ms" in tab.run(
        "document.querySelector('.timeline output').textContent"
    )
    tab.call(
        "Input.dispatchMouseEvent", type="mouseWheel", **middle, deltaX=0, deltaY=-300, modifiers=2
    )
    start, end = tab.run(_VIEW)
    assert end - start == pytest.approx(6000 / 2.71828, rel=0.01)
    assert (start + end) / 2 == pytest.approx(3000, rel=0.02)
    for kind, moved in (("mousePressed", 0), ("mouseMoved", 100), ("mouseReleased", 100)):
        tab.call(
            "Input.dispatchMouseEvent", type=kind, button="left", buttons=1, clickCount=1,
            x=middle["x"] - moved, y=middle["y"],
        )  # fmt: skip
    assert tab.run(_VIEW)[0] > start
    tab.run("document.querySelector('.timeline svg').focus()")
    tab.call("Input.dispatchKeyEvent", type="keyDown", key="0")
    assert tab.run(_VIEW) == [0, 6000]


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_a_phone_never_scrolls_sideways(tab: Page, report: Path, dark: bool) -> None:
    tab.open(report, 390, 844, dark)
    assert tab.run("document.documentElement.scrollWidth") == 390
    wide = tab.run(
        "[...document.querySelectorAll('body *')].filter((e) => !e.closest('.scroll > *, svg')"
        " && e.getBoundingClientRect().right > 391).map((e) => e.outerHTML.slice(0, 80))"
    )
    assert wide == []
    sizes = tab.run("[...document.querySelectorAll('p, td, li, figcaption, .bar span')].map("
                    "e => parseFloat(getComputedStyle(e).fontSize))")  # fmt: skip
    assert min(sizes) >= 11


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_text_stands_out_in_light_and_dark(tab: Page, report: Path, dark: bool) -> None:
    """Contrast of all text by WCAG 2.2: 4.5 to 1."""
    tab.open(report, dark=dark)
    found = tab.run(_CONTRASTS)
    assert found["background"] == ("rgb(20, 23, 28)" if dark else "rgb(255, 255, 255)")
    assert found["lowest"][0] >= 4.5, found["lowest"]


_CONTRASTS = """(() => {
  const light = (colour) => {
    const [r, g, b] = colour.match(/[\\d.]+/g).map(Number).map((c) => c / 255)
      .map((c) => c <= 0.04045 ? c / 12.92 : Math.pow((c + 0.055) / 1.055, 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (e) => {
    for (; e; e = e.parentElement) {
      const colour = getComputedStyle(e).backgroundColor;
      if (!colour.startsWith("rgba(0, 0, 0, 0")) return colour;
    }
    return "rgb(255, 255, 255)";
  };
  const contrast = (a, b) => { const [x, y] = [light(a), light(b)].sort((m, n) => n - m);
    return (x + 0.05) / (y + 0.05); };
  const own = (e) => [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
  const texts = [...document.querySelectorAll("body *")].filter((e) => own(e)
    && !e.closest("svg, script, noscript, title"));
  const values = texts.map((e) =>
    [contrast(getComputedStyle(e).color, behind(e)), e.outerHTML.slice(0, 90)]);
  return {background: getComputedStyle(document.body).backgroundColor,
          lowest: values.sort((a, b) => a[0] - b[0])[0]};
})()"""
