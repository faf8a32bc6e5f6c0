"""Partials of Vivado through the model: every frame, no error, and a load in the end."""

from __future__ import annotations

from pathlib import Path

import pytest

from fpga_rt.arch.devices import device
from fpga_rt.arch.floorplan import Rectangle, place
from fpga_rt.bitstream.read import frames, parse
from sim.port.frames import write_frames
from tests.sim.port.harness import Port, build

ZYNQ = {
    "byuccl-PYNQ-PRIO/boards__Pynq-Z1__prio__partial__pr_0_uart.bit": [("Y1", 26, 27)],
    "yunqu-partial_reconfig_example/boards__Pynq-Z1__gpio_pr__led_0.bit": [
        ("Y2", 34, 35),
        ("Y2", 38, 43),
        ("Y1", 34, 43),
    ],
    "byuccl-BYU_PYNQ_PR_Video_Pipeline/video__sobel_l0.bit": [("Y2", 20, 31), ("Y2", 34, 37)],
}
ZCU104 = {
    "yunqu-partial_reconfig_example/boards__ZCU104__gpio_pr__led_5.bit": [("Y3", 129, 146)],
    "byuccl-PYNQ-PRIO/boards__ZCU104__prio__partial__pr_0_uart.bit": [("Y5", 171, 188)],
}
"""Files and where their regions lie: row, first and last column."""


@pytest.mark.parametrize(
    ("chip", "name", "areas"),
    [
        *(("xc7z020", name, areas) for name, areas in ZYNQ.items()),
        *(("xczu7ev", name, areas) for name, areas in ZCU104.items()),
    ],
)
def test_a_vendor_partial_loads(
    data_dir: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    chip: str,
    name: str,
    areas: list[tuple[str, int, int]],
) -> None:
    rectangles = [Rectangle((first, last), (row,)) for row, first, last in areas]
    region = place(device(chip), "region", 0, rectangles)
    monkeypatch.chdir(tmp_path)  # one library for all regions of a device
    given = write_frames(Path("frames.hex"), device(chip), [region])
    port = Port(build({**given, "FRAMES": "frames.hex"}))
    port.idle(125)
    stream = parse((data_dir / "bitstreams" / name).read_bytes())
    outputs = port.write(stream.words)
    written = {out.frame_address for out in outputs if out.frame_written}
    assert written == set(frames(stream, device(chip)).addresses.tolist())
    assert [(out.loaded_partition, out.loaded_id) for out in outputs if out.loaded] == [(0, 0)]
    assert not any(out.crc_error or out.id_error or out.far_error for out in outputs)
    assert outputs[-1].garbage == 0
