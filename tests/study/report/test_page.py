"""The page as text: whole, self-contained, with every figure labelled and every name escaped."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from fpga_rt.study import break_even_search
from fpga_rt.study.report.page import page
from fpga_rt.study.report.source import read_source
from fpga_rt.study.sweep import MANIFEST
from tests.study.report.folders import ROWS, Json, row, run, write

_VOID = {"meta", "link"}
GPU: Json = {
    "command": "python -m benchmarks.gpu_baseline",
    "machine": {"kind": "cpu", "device": "EPYC", "torch": "2.13"},
    "measured": {
        "clock": "wall", "origin": "measured", "batch": 1,
        "results": [{"network": "ic", "precision": "float32", "mode": "eager", "task": "update",
                     "share": 0.27, "latency_us": {"p50": 812.5, "p90": 900, "p99": 1000}}],
    },
    "modelled": {
        "clock": "virtual", "origin": "modelled", "board": "pynq-z2",
        "results": [{"network": "ic", "warm_us": 388.7, "with_a_swap_us": 9459.4,
                     "static_design_us": None}],
    },
}  # fmt: skip


class _Checker(HTMLParser):
    """Notes elements that do not close in order, and every address that is asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.addresses: list[str] = []
        self.ids: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in _VOID:
            self.open.append(tag)
        found = dict(attrs)
        self.addresses += [value or "" for name, value in attrs if name in {"src", "href"}]
        self.ids += [found["id"] or ""] if "id" in found else []

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """An element without content closes itself."""

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture
def html(tmp_path: Path) -> str:
    rows = [*ROWS, row("lru", 4, error="it does <not> fit")]
    folder = write(tmp_path / "s", rows, [run(), run("look-ahead")], GPU)
    return page(read_source(folder), "fpga-rt study report s")


def test_it_is_whole_and_asks_for_nothing(html: str) -> None:
    checker = _Checker()
    checker.feed(html)
    assert checker.open == []
    assert len(set(checker.ids)) == len(checker.ids)
    anchors = [a for a in checker.addresses if a.startswith("#")]
    assert {a[1:] for a in anchors} <= set(checker.ids)
    assert [a for a in checker.addresses if not a.startswith("#")] == ["data:,"]
    assert not re.search(r"@import|url\(|fetch\(|XMLHttpRequest|https?://(?!www\.w3\.org)", html)
    assert "default-src 'none'" in html


def test_names_cannot_become_markup(html: str) -> None:
    assert "Three &lt;models&gt; &amp; more" in html
    assert "1 point: it does &lt;not&gt; fit" in html
    assert "<models>" not in html


def test_a_recording_cannot_close_its_script(tmp_path: Path) -> None:
    evil = run()
    evil["programs"][0]["network"] = "</script><b>"
    html = page(read_source(write(tmp_path / "s", runs=[evil])), "c")
    checker = _Checker()
    checker.feed(html)
    assert checker.open == []
    assert html.count("</script>") == 2


def test_every_plot_says_clock_origin_and_command(html: str) -> None:
    captions = re.findall(r"<figcaption>(.*?)</figcaption>", html)
    assert len(captions) == html.count("<figure") > 6
    assert all("virtual clock, modelled" in c for c in captions)
    assert all(re.search(r"fpga-rt study \w+ three\.toml", c) for c in captions)


def test_where_it_pays_is_said_in_sentences(tmp_path: Path) -> None:
    rows = [row("none", 4, static_ratio=0.5), row("none", 16)]
    told = "It pays from batch 16 on: static / reconfigured is 0.50 at 4, 2.00 at 16."
    folder = write(tmp_path / "s", rows)
    html = page(read_source(folder), "c")
    assert f"<li>{told}</li>" in html
    assert "Virtual clock, modelled; fpga-rt study run three.toml" in html
    break_even_search.write(
        ["It pays from batch 9 on <&>."], "fpga-rt study break-even three.toml", folder
    )
    html = page(read_source(folder), "c")
    assert "<li>It pays from batch 9 on &lt;&amp;&gt;.</li>" in html
    assert told not in html
    assert "Virtual clock, modelled; fpga-rt study break-even three.toml" in html


def test_a_study_without_recordings_has_its_assumptions(tmp_path: Path) -> None:
    folder = write(tmp_path / "s", [row("none", 4)])
    manifest = json.loads((folder / MANIFEST).read_text())
    (folder / MANIFEST).write_text(json.dumps({**manifest, "assumptions": ["Port <x>: 7 MB/s."]}))
    html = page(read_source(folder), "c")
    assert "<h3>Assumptions</h3><ul><li>Port &lt;x&gt;: 7 MB/s.</li></ul>" in html


def test_measured_and_modelled_stand_apart(html: str) -> None:
    measured = html.index("Measured: EPYC (processor, no GPU), wall clock")
    modelled = html.index("Modelled: pynq-z2, virtual clock, modelled")
    assert measured < html.index("812.5") < modelled < html.index("9,459.4")
    assert "does not fit" in html[modelled:]


def test_goals_that_are_met_and_missed_are_marked(tmp_path: Path) -> None:
    html = page(read_source(write(tmp_path / "s")), "c")
    assert '<span class="met">met</span>' in html
    rows = [row("exact", 4, hidden_ms=3, proven="yes"), row("look-ahead", 4)]
    html = page(read_source(write(tmp_path / "t", rows)), "c")
    assert '<span class="missed">missed</span>' in html


def test_a_study_without_a_single_figure_says_why(tmp_path: Path) -> None:
    folder = write(tmp_path / "s", [row("none", 4, error="no room")])
    html = page(read_source(folder), "c")
    assert "1 point: no room" in html
    assert 'id="plots"' not in html
