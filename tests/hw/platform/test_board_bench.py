"""The logic of a board comes up: clocks, resets, registers, identity, and its way to memory.

The Verilog is that of the project, simulated by Icarus in four values between models of the
primitives (`board_bench.v`).
"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from fpga_rt.contract.static_region import STATIC_REGION, partition_register
from tests.hw.platform.conftest import Made

FOLDER = Path(__file__).parent
BASE, USR_ACCESS, SOURCE = 0x4000_0000, 0x1234ABCD, 0x1000_0040


@pytest.fixture(scope="module")
def printed(zynq: Made, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Return what the bench prints."""
    if shutil.which("iverilog") is None:
        pytest.skip("no iverilog: install Debian's package iverilog")
    folder = tmp_path_factory.mktemp("bench")
    registers = {
        "MAP_ID": "map_id",
        "STATIC_ID": "static_id",
        "IDCODE": "idcode",
        "SOURCE": "configuration_source",
        "WORDS": "configuration_words",
        "CONTROL": "configuration_control",
        "LOAD": partition_register(0, "load"),
    }
    values = {name: STATIC_REGION[register].offset for name, register in registers.items()}
    values |= {"BASE": BASE, "USR_ACCESS": USR_ACCESS}
    values["BEGIN_LOAD"] = STATIC_REGION[registers["LOAD"]].pack(begin=1)
    values["START_LOAD"] = STATIC_REGION[registers["CONTROL"]].pack(start=1)
    defines = [f"-D{name}=32'h{value:08x}" for name, value in values.items()]
    sources = [zynq.folder / f"rtl/{name}.v" for name in ("board_logic", "top")]
    built = folder / "bench.vvp"
    compile_it: list[str | Path] = ["iverilog", "-g2005-sv", "-o", built, "-s", "bench", *defines]
    compile_it += [FOLDER / "board_memory.vh", FOLDER / "board_bench.v", *sources]
    subprocess.run(compile_it, check=True)
    ran = subprocess.run(["vvp", "-n", built], check=True, capture_output=True, text=True)
    return ran.stdout.splitlines()


def test_registers_and_identity(printed: list[str], zynq: Made) -> None:
    found = {}
    for line in printed:
        if one := re.fullmatch(r"read (\w+) (\w+) (\w+)", line):
            found[int(one[1], 16) - BASE] = (one[2], one[3])
    offset = {name: STATIC_REGION[name].offset for name in ("map_id", "static_id", "idcode")}
    source = STATIC_REGION["configuration_source"].offset
    assert found == {
        offset["map_id"]: (f"{STATIC_REGION.map_id & 0xFFFFFFFF:08x}", "0"),
        offset["static_id"]: (f"{USR_ACCESS:08x}", "0"),
        offset["static_id"] + 4: (f"{zynq.project.source_id:08x}", "0"),
        offset["idcode"]: (f"{zynq.board.device.idcode:08x}", "0"),
        0x100000: ("00000000", "3"),
        source: (f"{SOURCE:08x}", "0"),
    }


def test_the_controller_reads_through_port_0(printed: list[str]) -> None:
    """64 words are 32 beats of 8 bytes, from byte 64 of a block of 128 on: 8, 16 and 8 of them."""
    found = [line for line in printed if line.startswith(("memory", "write"))]
    assert found == [
        "memory 0 10000040 7 11 01 01",
        "memory 0 10000080 15 11 01 01",
        "memory 0 10000100 7 11 01 01",
    ]


def test_clocks_have_the_planned_ratio(printed: list[str], zynq: Made) -> None:
    (line,) = (line for line in printed if line.startswith("clocks"))
    compute, configuration = map(int, line.split()[1:])
    assert compute / configuration == pytest.approx(10 / 7, rel=0.02)


def test_the_port_is_left_alone_before_a_load(printed: list[str]) -> None:
    assert "quiet 0" in printed


def test_nothing_else_happens(printed: list[str]) -> None:
    kinds = {line.split()[0] for line in printed}
    assert kinds == {"read", "memory", "clocks", "quiet"}
