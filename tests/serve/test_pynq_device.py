"""The simulated board in process, as PYNQ's own classes use it."""

from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path

import pytest

import fpga_rt
from benchmarks.pynq_environment import ROOT
from fpga_rt.arch.boards import board
from fpga_rt.bitstream.build import bit_file, simulation_bitstream
from fpga_rt.device.emulator import Emulator
from fpga_rt.errors import ToolchainError
from fpga_rt.serve import pynq_device
from tests.serve.client import run
from tests.serve.streams import ADD, TARGET, foreign_design, loopback_design

NOTEBOOK = ROOT / "examples" / "pynq_remote" / "pynq_without_a_board.ipynb"


_IN_PROCESS = """
import gc, json, sys
import numpy as np
from fpga_rt.device.emulator import Emulator
from fpga_rt.errors import FpgaRtError
from fpga_rt.serve.pynq_device import attach

folder, loopback, full, region, old, module = sys.argv[1:]
sys.path.insert(0, folder)
import pynq_program

pynq_program.upload = lambda partial: None  # in process, PYNQ's own download is complete
board = attach(Emulator("pynq-z2", memory_bytes=1 << 20), [loopback, full, region])
import pynq
try:
    pynq.Overlay(old)
except FpgaRtError as error:
    found = {"old": str(error)}
found |= pynq_program.with_dma(loopback)
found |= pynq_program.with_static_region(board.overlay, module)
found |= pynq_program.with_foreign_design(full, region)

for _ in range(20):  # 10 MB through 1 MB of memory: what is collected is free
    pynq.allocate((1 << 17,), np.uint32)[:] = 1
    gc.collect()
twice = pynq.allocate((1 << 17,), np.uint32)
for _ in range(2):  # freed by hand, and again when it is collected
    twice.freebuffer()
try:
    pynq.MMIO(0x5000_0000, 16).read()
except FpgaRtError as error:
    found["nothing"] = str(error)
board.detach()
board.detach()
found["active"] = "_active_device" in vars(pynq.Device)
print(json.dumps(found))
"""
"""A program on the simulated board; its arguments are the folder of `pynq_program`, and files."""


def test_without_pynq_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynq.pl_server.device", None)
    monkeypatch.setitem(sys.modules, "pynq", None)
    pynq_device._device_class.cache_clear()
    device = Emulator(TARGET, memory_bytes=1 << 20)
    with pytest.raises(ToolchainError, match=r"run: pip install 'fpga-rt\[pynq\]'"):
        pynq_device.attach(device)


def test_the_program_for_pynq_remote_runs_in_process(tmp_path: Path, data_dir: Path) -> None:
    full, region = foreign_design(data_dir, tmp_path)
    loopback = loopback_design(TARGET, tmp_path)
    old = tmp_path / "old.bit"
    old.write_bytes(full.read_bytes())
    text = full.with_suffix(".hwh").read_text(encoding="utf-8")
    old_text = text.replace('BDTYPE="BLOCK_CONTAINER"', 'BDTYPE="RBD"')
    old.with_suffix(".hwh").write_text(old_text, encoding="utf-8")
    module = tmp_path / "add_8.bit"
    stream = simulation_bitstream(TARGET.device, TARGET.partitions[0], ADD.module_id)
    module.write_bytes(bit_file(stream, "add_8", "7z020clg400", partial=True))
    places = (Path(__file__).parent, loopback, full, region, old, module)
    found = json.loads(run("3.1.2", "", "-c", _IN_PROCESS, *places))
    assert found.pop("clock_mhz") == pytest.approx(1000 / 7, abs=1e-3)
    assert "old.hwh calls its regions (gpio_0) RBD, as Vivado 2018.3 did" in found.pop("old")
    assert found.pop("nothing").startswith("nothing answers at 0x50000000: design gpio_pr")
    assert found == {
        "loaded": True,
        "driver": "DMA",
        "received": True,
        "transferred": 12_000,
        "leds": 5,
        "before": 0,
        "identity": ADD.module_id,
        "refused": "",
        "ip": [
            *(f"gpio_0/{name}_gpio" for name in ("btns", "leds", "rgbleds", "switches")),
            "ps7_0",
            "system_interrupts",
        ],
        "region": {"gpio_0": "led_0.bit"},
        "region_leds": 6,
        "active": False,
    }


@pytest.mark.slow
@pytest.mark.parametrize("version", ["3.1.2", "4.0.0"])
def test_zynq_ultrascale_boards_run_in_process(version: str, tmp_path: Path) -> None:
    loopback = loopback_design(board("zcu104"), tmp_path)
    script = f"""
import json, sys
from fpga_rt.device.emulator import Emulator
from fpga_rt.serve.pynq_device import attach

sys.path.insert(0, {str(Path(__file__).parent)!r})
import pynq_program

simulated = attach(Emulator("zcu104", memory_bytes=1 << 20), [{str(loopback)!r}])
print(json.dumps(pynq_program.with_dma({str(loopback)!r}) | {{"arch": simulated.arch}}))
"""
    found = json.loads(run(version, "", "-c", script))
    assert (found["arch"], found["received"], found["leds"]) == ("aarch64", True, 5)
    assert found["clock_mhz"] == pytest.approx(250, rel=1e-4)  # 33.333 MHz by 60 / 2 / 4


def test_the_notebook_runs(tmp_path: Path) -> None:
    """Its code, cell by cell, in a folder as it lies in, with the archive that it asks for."""
    pytest.importorskip("onnx")
    shutil.copytree(NOTEBOOK.parent, tmp_path / "pynq_remote")
    digits = ROOT / "examples" / "digits"
    (tmp_path / "digits").mkdir()
    shutil.copy(digits / "digits.npz", tmp_path / "digits")
    deployment = fpga_rt.compile(digits / "digits.onnx", board=TARGET.name, partitions=2)
    fpga_rt.save(deployment, tmp_path / "pynq_remote" / "digits.frt")
    cells = json.loads(NOTEBOOK.read_text())["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    place = f"import os; os.chdir({str(tmp_path / 'pynq_remote')!r})"
    printed = run("3.1.2", "", "-c", "\n".join([place, *code]))
    assert "register map 0x" in printed
    assert f"rp0 holds {ADD.module_id:#018x}" in printed
    assert "refused: " in printed
    assert "is for no partition of pynq-z2" in printed
    assert "21 of 21 equal" in printed
    assert re.search(r"^10 digits, [1-9]\d* swaps; golden execution: equal$", printed, re.MULTILINE)
