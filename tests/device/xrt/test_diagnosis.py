"""What `fpga-rt doctor` says of XRT, from a file system that is made up."""

from __future__ import annotations

from pathlib import Path

import pytest

from fpga_rt.arch.boards import board
from fpga_rt.device.diagnosis import Finding
from fpga_rt.device.xrt.diagnosis import diagnose


def found(root: Path, name: str = "alveo-u200-xrt") -> dict[str, Finding]:
    return {f.subject: f for f in diagnose(board(name), root)}


def test_a_machine_with_a_card_and_its_drivers(tmp_path: Path) -> None:
    files = {
        "sys/bus/pci/devices/0000:03:00.0/vendor": "0x8086\n",
        "sys/bus/pci/devices/0000:03:00.0/class": "0x120000\n",
        "sys/bus/pci/devices/0000:65:00.1/vendor": "0x10ee\n",
        "sys/bus/pci/devices/0000:65:00.1/class": "0x120000\n",
        "sys/module/xocl/version": "2.16.204\n",
        "dev/dri/renderD128": "",
    }
    for name, content in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    findings = found(tmp_path)
    assert findings["cards"].found == "0000:65:00.1"
    assert findings["driver xocl"].found == "2.16.204"
    assert findings["driver xclmgmt"].state == "optional"
    assert "device files" not in findings


def test_a_machine_without(tmp_path: Path) -> None:
    findings = found(tmp_path)
    assert findings["cards"].remedy == "plug in AMD Alveo U200 under XRT (estimate)"
    assert findings["driver xocl"].remedy == "modprobe xocl"
    assert findings["pyxrt"].remedy.startswith("install XRT for the card")


@pytest.mark.parametrize("name", ["pynq-z2", "alveo-u200"])
def test_a_board_that_xrt_does_not_swap(tmp_path: Path, name: str) -> None:
    assert found(tmp_path, name)["cards"].remedy == (
        "plug in an Alveo card; name it with --board alveo-u200-xrt"
    )
