"""`fpga-rt calibrate`, and what `--calibration` changes in every prediction."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.arch.selfcheck import text
from tests.cli.conftest import Cli

SOURCE = "calibrated from {} (measured 2026-11-20 on pynq)"


@pytest.fixture
def calibration(cli: Cli, tmp_path: Path) -> Path:
    """Return a calibration of a PYNQ-Z2 in which the DRAM behind all ports stays assumed."""
    report, output = tmp_path / "report.json", tmp_path / "z2.json"
    names = ("port.icap.rate", "port.icap.setup", "dram.latency", "dram.rate", "swap.software")
    report.write_text(text(*names))
    assert cli("calibrate", report, "-o", output).code == 0
    return output


def test_says_what_is_replaced_and_what_stays(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("report.json").write_text(text("dram.latency", "dram.rate"))
    answer = cli("calibrate", "report.json")
    assert (answer.code, answer.err) == (0, "")
    lines = [" ".join(line.split()) for line in answer.out.splitlines()]
    assert lines[0] == "TUL PYNQ-Z2, measured 2026-11-20 on pynq"
    assert "DRAM port 30 cycles, then 5/4 a beat assumed 33 cycles, then 10/7 a beat" in lines
    assert "software time of a swap 0 us assumed not measured: it stays" in lines
    assert lines[-1].startswith("written: pynq-z2.calibration.json; give it to inspect, compile")
    assert json.loads(Path("pynq-z2.calibration.json").read_text())["version"] == 1


def test_inspect_says_where_its_figures_come_from(
    cli: Cli, archive: Path, calibration: Path
) -> None:
    before, after = (
        json.loads(cli("inspect", archive, *more, "--json").out)
        for more in ((), ("--calibration", calibration))
    )
    source = SOURCE.format(calibration)
    assert (before["origin"], before["calibration"]) == ("modelled", None)
    assert (after["origin"], after["calibration"]) == ("calibrated", source)
    assert after["modules"][0]["load_origins"] == {"icap": "calibrated", "pcap": "modelled"}
    size = after["modules"][0]["bitstream_bytes"]
    load_us = after["modules"][0]["load_us"]["icap"]
    assert load_us == pytest.approx(3.5 + size / 390.5, rel=1e-6)
    said = "\n".join(after["assumptions"])
    assert f"Port icap: 390.5 MB/s, {source}; contention: none assumed" in said
    assert "The DRAM port (30 cycles" not in said
    assert f"Host software takes 212.0 us a swap, {source}; else no time." in said
    assert "80 % are assumed usable" in said
    text = cli("inspect", archive, "--calibration", calibration).out
    assert f"Predicted (virtual, {source})" in text
    assert "load (* calibrated, else modelled)" in text
    assert "icap* " in text
    assert "pcap* " not in text


@pytest.mark.parametrize("prefetch", ["none", "aggressive"])
def test_calibrated_predictions_come_true_on_the_emulator(
    cli: Cli, archive: Path, data: Path, calibration: Path, prefetch: str
) -> None:
    arguments = ("run", archive, "--input", data, "--prefetch", prefetch, "--batch", 2)
    before = json.loads(cli(*arguments, "--json").out)
    after = json.loads(cli(*arguments, "--calibration", calibration, "--json").out)
    assert after["predicted"]["total_us"] == after["total_us"]
    assert (after["origin"], after["predicted"]["origin"]) == ("calibrated", "calibrated")
    assert after["predicted"]["calibration"] == SOURCE.format(calibration)
    assert before["predicted"]["calibration"] is None
    load_us = [run["swaps"]["phases"]["load"] for run in (before, after)]
    assert load_us[1] != load_us[0]
    text = cli(*arguments, "--calibration", calibration).out
    assert f"that is what it took, {SOURCE.format(calibration)}" in text


def test_compile_plans_by_it(cli: Cli, calibration: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    model = Path(__file__).parents[2] / "examples" / "digits" / "digits.onnx"
    arguments = ("compile", model, "-o", tmp_path / "digits.frt", "--calibration", calibration)
    assert f"  planned by times {SOURCE.format(calibration)}" in cli(*arguments).out.splitlines()


def test_files_that_are_refused(cli: Cli, archive: Path, calibration: Path, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    answer = cli("inspect", archive, "--calibration", report)
    assert answer.code == 3
    assert "make one with `fpga-rt calibrate REPORT.json`" in answer.err
    answer = cli("calibrate", calibration)
    assert answer.code == 3
    assert "expected 'fpga-rt selfcheck'; give the report" in answer.err
    answer = cli("calibrate", tmp_path / "none.json")
    assert answer.code == 3
    assert "none.json cannot be read (No such file or directory); check the path" in answer.err
    assert cli("calibrate", report, "-o", report).code == 2
    model = Path(__file__).parents[2] / "examples" / "digits" / "digits.onnx"
    answer = cli("inspect", model, "--board", "kv260", "--calibration", calibration)
    assert answer.code == 3
    assert "was measured on board pynq-z2, expected kv260" in answer.err
