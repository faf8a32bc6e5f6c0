"""Published designs: what is read, what is wrong, and sums by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from fpga_rt.errors import ArtifactError
from fpga_rt.study.change import read

ROOT = Path(__file__).resolve().parents[2]
HEAD = """\
[change]
fixed_ms = 80
fixed_source = "a paper"
port = "zynq7-pcap"
"""
GOOD = f"""\
{HEAD}
[design.a]
part = "xc7z020"
inferences_per_s = 500
regions = "pynq-z2"

[design.b]
part = "xc7z045"
full_bytes = 12850000
inferences_per_s = 100
"""


def _file(folder: Path, text: str) -> Path:
    path = folder / "designs.toml"
    path.write_text(text)
    return path


def test_loads_and_first_images_are_sums(tmp_path: Path) -> None:
    found = read(_file(tmp_path, GOOD))
    assert (found.title, found.fixed_ms) == ("designs", 80)
    a, b = found.designs
    assert (a.full_bytes, a.inference_ms) == (4_045_564, 2.0)
    assert a.full_ms == pytest.approx(0.039 + 4_045_564 / 128.5e3)
    assert a.first_ms(80) == 82
    assert a.images_to_halve(80) == 40
    regions = (1_390_340 + 1_330_548 + 741_388) / 382e3
    assert a.regions_ms == pytest.approx(regions)
    assert b.full_ms == pytest.approx(100.039)
    assert b.regions_ms is None


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("fixed_ms = 80", "fixed_ms = 0", r":2: fixed_ms is 0, expected a number above 0"),
        ("fixed_ms = 80", "fixed = 80", r":2: unknown key 'fixed', expected one of title, fixed_m"),
        (
            "zynq7-pcap",
            "pcap",
            r":4: unknown configuration port 'pcap': known are zynq7-icap, zynq7-pcap",
        ),
        ("full_bytes = 12850000\n", "", r":11: full_bytes is missing"),
        ("pynq-z2", "pynq", r":9: regions is 'pynq', expected one of alveo-u200, "),
        ("[change]", "[changes]", r":1: unknown key 'changes', expected one of change, design"),
        ("[design.b]", "[design.b", r"study files are TOML"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    with pytest.raises(ArtifactError, match=message):
        read(_file(tmp_path, GOOD.replace(old, new)))


def test_a_file_without_designs_says_what_it_lacks(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"no table \[design\]; a file of published designs"):
        read(_file(tmp_path, HEAD))


def test_the_published_designs_are_the_submissions(data_dir: Path) -> None:
    """Median throughputs as the logs of MLPerf Tiny v1.1 say them."""
    found = {d.name: d for d in read(ROOT / "examples" / "studies" / "fixed-load.toml").designs}
    logs = sorted((data_dir / "fpga-peer-results").glob("v1.1_fpgaconvnet_*_performance.txt"))
    assert len(logs) == len(found)
    for log in logs:
        *_, line = (x for x in log.read_text().splitlines() if "Median throughput is" in x)
        name = "-".join(log.stem.split("_")[2:-1])
        assert 1e3 / found[name].inference_ms == pytest.approx(float(line.split()[-2]))
