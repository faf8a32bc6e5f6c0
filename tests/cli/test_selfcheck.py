"""`fpga-rt selfcheck`: its report in both forms, the way to a calibration, exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fpga_rt import api
from fpga_rt.arch.boards import board
from fpga_rt.device.diagnosis import Finding
from fpga_rt.device.emulator import Emulator
from fpga_rt.device.faults import WrongModule
from fpga_rt.device.interface import Device, Pending, Staged
from tests.cli.conftest import Cli
from tests.selfcheck.altered import AlteredBoard
from tests.selfcheck.test_selfcheck import MODULES, altered


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def use(monkeypatch: pytest.MonkeyPatch, device: Device) -> None:
    """Let a device be the one that is opened, whatever its name."""

    def opened(name: str, target: object, **options: object) -> Device:
        device.open()
        return device

    monkeypatch.setattr(api, "open_device", opened)


def test_a_board_without_a_fault(cli: Cli, here: Path) -> None:
    answer = cli("selfcheck", "--modules", "clamp_8,add_8,pooling_8")
    assert (answer.code, answer.err) == (0, "")
    lines = [" ".join(line.split()) for line in answer.out.splitlines()]
    assert lines[0] == "Self-check of emulator as pynq-z2 (TUL PYNQ-Z2), virtual clock, modelled"
    assert "passed load.icap 9 modules answered as they should; times below" in lines
    assert "passed load.pcap 3 modules answered as they should; times below" in lines
    assert any(
        line.startswith("passed port.pcap 128.5 MB/s after 39.00 us, a line") for line in lines
    )
    assert "passed dram.latency 30 clocks from an address to its beat, 210 ns" in lines
    assert any(line.startswith("rp2 clamp_8 pcap 741,388 ") for line in lines)
    assert lines[-1] == "written: pynq-z2.selfcheck.json and pynq-z2.selfcheck.txt beside it"
    report = json.loads((here / "pynq-z2.selfcheck.json").read_text())
    assert (report["format"], report["origin"]) == ("fpga-rt selfcheck", "modelled")
    assert report["loads"][0]["phases_us"]["transfer"] > 3000
    assert {check["result"] for check in report["checks"]} == {"passed", "skipped"}
    text = (here / "pynq-z2.selfcheck.txt").read_text()
    assert answer.out.startswith(text.rstrip())


def test_a_model_calibrates_no_model(cli: Cli) -> None:
    assert cli("selfcheck", "--modules", "clamp_8").code == 0
    answer = cli("calibrate", "pynq-z2.selfcheck.json")
    assert answer.code == 3
    assert "`origin` is 'modelled', expected 'measured' or 'rtl' or 'replayed'" in answer.err


def test_from_a_board_to_predictions(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    claimed = board("pynq-z2")
    use(monkeypatch, AlteredBoard(altered(claimed), claimed))
    arguments = ("--device", "pynq", "--bitstreams", "simulation", "--modules", "clamp_8,add_8")
    assert cli("selfcheck", *arguments, "--repeat", 2).code == 0
    report = json.loads(Path("pynq-z2.selfcheck.json").read_text())
    assert report["figures"][0]["command"] == (
        "fpga-rt selfcheck --device pynq --board pynq-z2 --bitstreams simulation --repeat 2"
        " --modules clamp_8,add_8"
    )
    answer = cli("calibrate", "pynq-z2.selfcheck.json")
    assert answer.code == 0
    lines = [" ".join(line.split()) for line in answer.out.splitlines()]
    assert lines[0].startswith("TUL PYNQ-Z2, measured 2")
    assert any("311.0 MB/s after 4.7 us" in line for line in lines)
    assert any(
        line.endswith("30 cycles, then 5/4 a beat assumed 47 cycles, then 8/5 a beat")
        for line in lines
    )
    assert any(line.endswith("assumed 187 us") for line in lines)
    devices = json.loads(cli("devices", "--json").out)["boards"]
    assert (
        next(b for b in devices if b["name"] == "pynq-z2")["ports"]["icap"]["origin"] == "measured"
    )


def test_the_exit_code_is_that_of_the_first_failure(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, Emulator("pynq-z2", faults=[WrongModule(2, 5)]))
    answer = cli("selfcheck", "--modules", "clamp_8")
    assert answer.code == 7
    assert "answered identity 0x0000000000000005 after the load of clamp_8" in answer.err
    lines = [" ".join(line.split()) for line in answer.out.splitlines()]
    assert any(
        line.startswith("failed load.icap.rp1.clamp_8 partition 1 answered") for line in lines
    )
    assert any(", 1 failed, " in line for line in lines)
    report = json.loads(Path("pynq-z2.selfcheck.json").read_text())
    (failed,) = (check for check in report["checks"] if check["result"] == "failed")
    assert (failed["error"], failed["exit_code"]) == ("ReconfigurationError", 7)
    assert any(figure["name"] == "dram.rate" for figure in report["figures"])


def test_a_device_that_cannot_be_opened_leaves_a_report(cli: Cli) -> None:
    answer = cli("selfcheck", "--device", "pynq", "--json")
    assert answer.code == 6
    report = json.loads(answer.out)
    assert [check["name"] for check in report["checks"]] == ["open"]
    assert "device pynq cannot be used here" in report["checks"][0]["detail"]
    assert report["figures"] == []
    assert not Path("pynq-z2.selfcheck.json").exists()


def test_a_report_has_what_the_device_needs_of_the_machine(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever gets the report has not the machine, so all that it lacks must be in there."""
    found = (
        Finding("kernel", "Linux version 5.15.19-xilinx"),
        Finding("interrupt of programs", "no UIO device", "add one", required=False),
        Finding("contiguous memory", "neither u-dma-buf nor PYNQ", "modprobe u-dma-buf"),
    )
    monkeypatch.setattr(Emulator, "diagnose", staticmethod(lambda board: found), raising=False)
    answer = cli("selfcheck", "--modules", "clamp_8")
    assert answer.code == 0
    lines = [" ".join(line.split()) for line in answer.out.splitlines()]
    at = lines.index("Found before it was opened")
    assert lines[at + 1] == "state what found what to do"
    assert lines[at + 3 : at + 6] == [
        "ok kernel Linux version 5.15.19-xilinx",
        "optional interrupt of programs no UIO device add one",
        "missing contiguous memory neither u-dma-buf nor PYNQ modprobe u-dma-buf",
    ]
    findings = json.loads(Path("pynq-z2.selfcheck.json").read_text())["findings"]
    assert findings[2] == {
        "subject": "contiguous memory", "found": "neither u-dma-buf nor PYNQ",
        "remedy": "modprobe u-dma-buf", "required": True, "state": "missing",
    }  # fmt: skip
    assert [one["state"] for one in findings] == ["ok", "optional", "missing"]


def test_an_interrupted_check_leaves_what_it_found(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Interrupted(Emulator):
        """The user loses patience at the third load."""

        loads = 0

        def begin_load(self, partition: int, staged: Staged, port: str) -> Pending:
            self.loads += 1
            if self.loads == 3:
                raise KeyboardInterrupt
            return super().begin_load(partition, staged, port)

    use(monkeypatch, Interrupted("pynq-z2"))
    assert cli("selfcheck", "--modules", "clamp_8").code == 130
    report = json.loads(Path("pynq-z2.selfcheck.json").read_text())
    assert [check["result"] for check in report["checks"]] == ["passed"] * 4
    assert len(report["loads"]) == 2


def test_a_board_is_given_built_bitstreams_only(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    claimed = board("pynq-z2")
    use(monkeypatch, AlteredBoard(claimed, claimed))
    answer = cli("selfcheck", "--device", "pynq")
    assert answer.code == 3
    assert "bitstreams has no bitstream of an installed module for board pynq-z2" in answer.err


def test_what_is_refused_before_anything_is_loaded(cli: Cli) -> None:
    answer = cli("selfcheck", "-o", "nowhere/report.json")
    assert answer.code == 3
    assert "nowhere/report.json: nowhere is no folder; make it first" in answer.err
    assert cli("selfcheck", "-o", "report.txt").code == 2
    answer = cli("selfcheck", "--modules", "nothing_8")
    assert answer.code == 5
    assert "unknown module 'nothing_8'" in answer.err
    answer = cli("selfcheck", "--base", "full.bit")
    assert answer.code == 6
    assert "device emulator has no option base" in answer.err


@pytest.mark.parametrize("name", ["kv260", "zcu104", "zybo-z7-10", "alveo-u200"])
def test_every_board_passes_as_it_is_modelled(cli: Cli, name: str) -> None:
    chosen = () if name == "zybo-z7-10" else ("--modules", ",".join(MODULES))
    answer = cli("selfcheck", "--board", name, *chosen, "--json")
    assert answer.code == 0
    report = json.loads(answer.out)
    found = {figure["name"]: figure["value"] for figure in report["figures"]}
    target = board(name)
    assert found["dram.latency"] == pytest.approx(
        target.dram.latency_cycles * target.clock_ps / 1e3
    )
    network = next(check for check in report["checks"] if check["name"] == "network")
    assert network["result"] == "passed"
    port = target.ports[target.default_port]
    if len({partition.bitstream_bytes for partition in target.partitions}) > 1:
        rate = found[f"port.{port.name}.rate"]
        assert rate == pytest.approx(port.bytes_per_second, rel=1e-6)
    else:
        check = next(c for c in report["checks"] if c["name"] == f"port.{port.name}")
        assert check["detail"].startswith("no figure: rate and set-up need loads of two sizes")
