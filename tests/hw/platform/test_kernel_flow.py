# amaranth: UnusedElaboratable=no
"""Kernels for a card: the packaging script and the linker's files, run by models of the tools."""

from __future__ import annotations

import os
import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import pytest

from fpga_rt.arch.boards import Board, board
from fpga_rt.builder.choice import choose
from fpga_rt.builder.folder import write
from fpga_rt.builder.kernels import keep_kernels
from fpga_rt.builder.project import Project
from fpga_rt.contract.kernel import KERNEL, KERNEL_NAME, RANGE_BYTES
from fpga_rt.device.xrt.files import XclbinFolder
from fpga_rt.device.xrt.xclbin import card_of
from fpga_rt.modules.registry import named
from hw.platform import kernel_project
from hw.platform.card import CARDS
from hw.platform.kernel_logic import KernelLogic
from tests.hw.platform.lint import lint
from tests.hw.platform.model import FOLDER, Model
from tests.hw.platform.vivado_model import linker
from tests.standin import xrt
from tests.standin.xrt_rtl import kernel_files

pytestmark = pytest.mark.skipif(
    shutil.which("tclsh") is None, reason="no tclsh: install Debian's package tcl"
)
BOARD, MODULES = "alveo-u200-xrt", ("scale_2", "add_2")
_LINKER = """#!/bin/sh
exec {python} {script} {board} "$@"
"""


@dataclass(frozen=True)
class Kernels:
    """A project of kernels in a folder, and the models of both tools."""

    project: Project
    folder: Path
    model: Model


@pytest.fixture
def kernels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kernels:
    """Return a small project; its Verilog comes from what the tests keep of each module."""
    kept = kernel_files(BOARD, *MODULES)

    def logic(target: Board) -> KernelLogic:
        return KernelLogic(target)  # here, so that nobody minds that it is not elaborated

    monkeypatch.setattr(kernel_project, "KernelLogic", logic)
    monkeypatch.setattr(kernel_project, "to_verilog", lambda *_: kept["rtl/kernel_logic.v"])
    monkeypatch.setattr(
        kernel_project, "module_verilog", lambda module: kept[f"rtl/modules/{module.name}.v"]
    )
    target = board(BOARD)
    heard: list[str] = []
    project = kernel_project.kernel_project(target, choose(target, MODULES), heard.append)
    assert heard == ["making Verilog of the static region and 2 modules: minutes"]
    folder = tmp_path / "project"
    write(project, folder)
    (folder / "netlist.tcl").write_text("cells {}")
    tools = tmp_path / "tools"
    tools.mkdir()
    program = tools / "v++"
    program.write_text(_LINKER.format(python=sys.executable, script=linker.__file__, board=BOARD))
    program.chmod(0o755)
    return Kernels(project, folder, Model(folder, BOARD, {"PATH": f"{tools}:{os.defpath}"}))


def edit(path: Path, old: str, new: str) -> None:
    """Replace text that has to be there."""
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_every_module_becomes_an_xclbin_that_the_device_takes(kernels: Kernels) -> None:
    ran = kernels.model.run()
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.splitlines()[-1] == "fpga_rt: done"
    kept = keep_kernels(kernels.project, kernels.folder, board(BOARD))
    assert [kernel.path.name for kernel in kept] == ["scale_2.xclbin", "add_2.xclbin"]
    assert [kernel.data_clock_mhz for kernel in kept] == [250, 250]
    for module in named(MODULES):
        found = XclbinFolder(kernels.folder / "xclbins").of(module.module_id)
        assert found.content.card == card_of(xrt.CARD_NAME)
        assert found.content.bitstream
    assert not list(kernels.folder.rglob("*.part.*"))
    assert not list(kernels.folder.rglob("*-project"))


@pytest.mark.parametrize("module", MODULES)
def test_verilator_reads_it(kernels: Kernels, tmp_path: Path, module: str) -> None:
    names = ("rtl/kernel_logic.v", "rtl/fpga_rt.v", f"rtl/modules/{module}.v")
    assert lint([kernels.folder / name for name in names], KERNEL_NAME, tmp_path) == ""


def test_a_port_that_does_not_fit_is_noticed(kernels: Kernels, tmp_path: Path) -> None:
    edit(kernels.folder / "rtl/fpga_rt.v", ".m_axi_rid(m_axi_rid)", ".m_axi_rids(m_axi_rid)")
    names = ("rtl/kernel_logic.v", "rtl/fpga_rt.v", "rtl/modules/add_2.v")
    complaints = lint([kernels.folder / name for name in names], KERNEL_NAME, tmp_path)
    assert "Pin not found: 'm_axi_rids'" in complaints


def test_what_is_there_is_kept(kernels: Kernels) -> None:
    assert kernels.model.run("package").returncode == 0
    again = kernels.model.run()
    assert re.findall(r"(kept|made): \S+\.(\w+)", again.stdout) == [
        ("kept", "xo"), ("kept", "xo"), ("made", "xclbin"), ("made", "xclbin"),
    ]  # fmt: skip


def test_no_row_of_the_table_is_dead(kernels: Kernels) -> None:
    kernels.model.run()
    table = (FOLDER / "kernel_commands.tcl").read_text()
    rows = {f"command {name}" for name in re.findall(r"^vendor (\S+)", table, re.MULTILINE)}
    rows |= {f"property {name}" for name in re.findall(r"^property (\S+)", table, re.MULTILINE)}
    assert len(rows) > 25
    assert rows - kernels.model.used() == set()


def test_every_row_of_the_table_has_its_reference() -> None:
    table = (FOLDER / "kernel_commands.tcl").read_text()
    rows = re.split(r"^(?=vendor |property )", table, flags=re.MULTILINE)[1:]
    assert [
        row for row in rows if not re.search(r'"UG(835|1118|1393)[^"]+"\s*\Z', row.strip())
    ] == []
    references = [
        *linker.OPTIONS.values(),
        *(reference for _, reference in linker.SETTINGS.values()),
    ]
    assert all(reference.startswith("UG1393, ") for reference in references)


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("flow.tcl", "ipx::save_core", "ipx::store_core", 'invalid command name "ipx::store_core"'),
        ("flow.tcl", "-kernel_xml", "-kernel_doc", "package_xo has no option -kernel_doc:"),
        ("flow.tcl", "sdx_kernel true", "sdx_kernels true", "sdx_kernels is in no table"),
        ("flow.tcl", "set_property sdx_kernel true $core", "", "the core is no kernel"),
        ("flow.tcl", "set_property sdx_kernel_type rtl $core", "", "sdx_kernel_type is not rtl"),
        ("flow.tcl", "sdx_kernel_type rtl", "sdx_kernel_type hls", "sdx_kernel_type is not rtl"),
        ("flow.tcl", "set_property supported_families {} $core", "", "supported_families is not"),
        (
            "flow.tcl", "set_property auto_family_support_level level_2 $core", "",
            "auto_family_support_level is not set",
        ),
        (
            "flow.tcl", "set_property value [of frequency_hz] $frequency", "",
            "FREQ_HZ of ap_clk is missing or no number",
        ),
        ("plan.tcl", "frequency_hz 250000000", "frequency_hz 250MHz", "FREQ_HZ of ap_clk is"),
        ("flow.tcl", "    ipx::update_checksums $core\n", "", "the core has changed since"),
        ("flow.tcl", "    describe_clock $core\n", "", "interface s_axi_control has no clock"),
        ("flow.tcl", "    describe_registers $core\n", "", "s_axi_control has no memory map"),
        ("flow.tcl", "-reset ap_rst_n", "-reset ap_rst", "the core has no interface ap_rst"),
        ("flow.tcl", "--temp_dir", "--temporary", "unrecognised option --temporary"),
        ("flow.tcl", "--target hw", "--target sw_emu", "and target sw_emu"),
        ("rtl/fpga_rt.v", "[63:0] m_axi_araddr", "[31:0] m_axi_araddr", "no 64-bit addresses"),
        ("rtl/fpga_rt.v", "module fpga_rt", "module kernel", "no source has the top module"),
        ("rtl/fpga_rt.v", "input ap_clk", "input clk", "port clk is part of no interface"),
        ("rtl/modules/add_2.v", "module reconfigurable_module", "module other", "no source has"),
        ("kernel.xml", 'name="fpga_rt"', 'name="kernel"', "kernel.xml has another name"),
        ("kernel.xml", 'vlnv="fpga_rt:kernel', 'vlnv="fpga_rt:ip', "kernel.xml has another vlnv"),
        ("link.cfg", "m_axi:DDR[1]", "m_axi:DDR", "ERROR: connectivity.sp"),
        ("link.cfg", "sp=fpga_rt_1", "sp=fpga_rt_2", "units ['fpga_rt_1', 'fpga_rt_2']"),
        ("link.cfg", "freqHz", "frequency", "settings [('clock', 'frequency')"),
        ("link.cfg", "freqHz", "freqhz", "settings [('clock', 'freqhz')"),
        ("kernel.xml", 'range="0x2000"', 'range="0x1000"', "another range than the IP, 8192"),
        ("kernel.xml", 'offset="0x010"', 'offset="0x018"', "another offset than the IP, 16"),
        ("kernel.xml", 'size="0x8"', 'size="0x4"', "another size than the IP, 8"),
        ("plan.tcl", "memory_base 0x010", "memory_base 0x020", "another offset than the IP, 32"),
        ("plan.tcl", "IP_ISR 0x00c", "IP_ISR 0x010", "register IP_ISR is not at 12"),
        ("plan.tcl", "0x018 32}", "0x2000 32}", "register kernel_id ends beyond the range"),
        ("plan.tcl", "range 0x2000", "range 0x4000", "is beyond the addresses of s_axi_control"),
        ("plan.tcl", "64 m_axi}", "64}", "no register is the pointer of m_axi"),
        ("plan.tcl", "xcu200-fsgd", "xcu250-fsgd", "does not know the part xcu250-fsgd2104-2-e"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_noticed(
    kernels: Kernels, file: str, old: str, new: str, message: str
) -> None:
    edit(kernels.folder / file, old, new)
    ran = kernels.model.run()
    assert ran.returncode == 1
    assert message in ran.stderr
    assert "fpga_rt: error: " in ran.stderr
    assert len(list((kernels.folder / "work").rglob("*.xclbin"))) == 0


def test_a_platform_that_is_not_installed(kernels: Kernels) -> None:
    kernels.model.environment = {**kernels.model.environment, "FPGA_RT_PLATFORM": "another"}
    ran = kernels.model.run()
    assert ran.returncode == 1
    assert re.search(
        r"v\+\+ has failed for scale_2 \(.*\); another platform than"
        r" xilinx_u200_gen3x16_xdma_2_202110_1 may be installed: `platforminfo --list` says which,"
        r" `fpga-rt build --platform` takes it",
        ran.stderr,
    )


def test_no_linker(kernels: Kernels) -> None:
    """It is missed before anything is packaged; packaging alone needs none."""
    (kernels.folder.parent / "tools" / "v++").unlink()
    ran = kernels.model.run()
    assert ran.returncode == 1
    assert not (kernels.folder / "work").exists()
    assert ran.stderr == (
        "fpga_rt: error: v++ is not on PATH: source settings64.sh of Vitis, which has this tool"
        " too\n"
    )
    assert kernels.model.run("package").returncode == 0


def test_names_are_digests_of_sources(kernels: Kernels) -> None:
    assert all(
        re.fullmatch(rf"work/{run.module}-\w{{12}}\.xclbin", run.file)
        for run in kernels.project.runs
    )
    assert f"64'h{kernels.project.source_id:08x}" in kernels.project.files["rtl/fpga_rt.v"]
    target = board(BOARD)
    other = choose(target, MODULES, platform="xilinx_u200_gen3x16_xdma_1_202110_1")
    again = kernel_project.kernel_project(target, other)
    assert {run.file for run in again.runs}.isdisjoint(run.file for run in kernels.project.runs)
    assert "platform xilinx_u200_gen3x16_xdma_1_202110_1\n" in again.files["plan.tcl"]


def test_metadata_is_the_contract(kernels: Kernels) -> None:
    """An independent reader of the XML finds what the host and the Verilog have.

    Arguments begin at 0x10 (UG1393, Control Requirements for XRT-Managed Kernels).
    """
    kernel = ElementTree.fromstring(kernels.project.files["kernel.xml"]).find("kernel")
    assert kernel is not None
    assert kernel.attrib["name"] == KERNEL_NAME
    assert kernel.attrib["hwControlProtocol"] == "ap_ctrl_hs"
    ports = {port.attrib["name"]: port.attrib for port in kernel.iter("port")}
    found = re.findall(r"put \[(\d+):0\] (\w+),?$", kernels.project.files["rtl/fpga_rt.v"], re.M)
    bits = {name: int(high) + 1 for high, name in found}
    for name, port in ports.items():
        assert {int(port["dataWidth"])} == {bits[f"{name}_wdata"], bits[f"{name}_rdata"]}
    range_bytes = int(ports["s_axi_control"]["range"], 16)
    assert range_bytes == RANGE_BYTES
    assert range_bytes == 1 << bits["s_axi_control_awaddr"] == 1 << bits["s_axi_control_araddr"]
    (argument,) = kernel.iter("arg")
    assert int(argument.attrib["offset"], 16) == KERNEL[argument.attrib["name"]].offset == 0x10
    assert argument.attrib["port"] == "m_axi"
    assert 8 * int(argument.attrib["size"], 16) == bits["m_axi_awaddr"] == bits["m_axi_araddr"]


def test_the_read_me_names_the_command(kernels: Kernels) -> None:
    text = kernels.project.files["README.md"]
    assert "vivado -mode batch -nojournal -source build.tcl" in text
    assert CARDS[BOARD].platform in text
    assert "Needs Vitis 2022.1 or newer" in text
    assert "the static region with it inside: scale_2, add_2.\n" in text
