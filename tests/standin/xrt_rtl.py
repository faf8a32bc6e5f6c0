"""A kernel for a card as its own Verilog: the very files that `fpga-rt build` writes, simulated.

Each load is a new simulation, as each xclbin is a whole kernel. The bank answers in order, as one
behind the platform's interconnect may.
"""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path

from fpga_rt.arch.boards import Board, board
from fpga_rt.bitstream.verify import verify_partial
from fpga_rt.builder.choice import choose
from fpga_rt.device.memory import Region
from fpga_rt.errors import ArtifactError
from fpga_rt.modules.registry import by_identity
from hw.platform.project import vivado_project
from sim.build import Design, build_model
from sim.cache import cached
from sim.pacing import MemoryPort, Pacing
from sim.system import Setup, System
from tests.hw.platform.made import sources

BETWEEN_PS = 1_000_000
"""From one access to the next: a microsecond, as over PCIe."""
_ANY = "add_2"
_PORTS = ("read", "write")
_SOURCES = ("rtl/kernel_logic.v", "rtl/fpga_rt.v")
_PORT = re.compile(r"^    (input|output) (\[\d+:0\] )?(\w+),?$", re.MULTILINE)
_WRAPPER = """
module system (
    input clk, input rst, input icap_clk, input icap_rst,
    output garbage, output loaded, output [7:0] loaded_partition, output [63:0] loaded_id,
{ports}
);
    assign {{garbage, loaded, loaded_partition, loaded_id}} = 74'd0;

    // The IDs of reads, in the order in which memory answers them.
    reg [1:0] ids [31:0];
    reg [4:0] first, next;
    wire [1:0] arid;
    always @(posedge clk) begin
        if (read_arvalid && read_arready) begin
            ids[next] <= arid;
            next <= next + 5'd1;
        end
        if (read_rvalid && read_rready && read_rlast) first <= first + 5'd1;
        if (rst) {{first, next}} <= 10'd0;
    end

    fpga_rt kernel (
        .ap_clk(clk), .ap_rst_n(!rst),
        .m_axi_arid(arid), .m_axi_rid(ids[first]), .m_axi_awid(), .m_axi_bid(2'd0),
        .m_axi_arcache(), .m_axi_awcache(),
{connections}
    );
endmodule
"""


class RtlKernel:
    """A kernel as RTL."""

    def __init__(self, target: Board) -> None:
        """Make an empty partition of a board."""
        self._target = target
        self._library: Path | None = None
        self._system: System | None = None

    def load(self, bitstream: bytes) -> None:
        self.close()
        self._library = kernel_library(self._target.name, _module_in(bitstream, self._target))

    def read(self, offset: int, bank: Region) -> int:
        return self._running(bank).read(offset)

    def write(self, offset: int, value: int, bank: Region) -> None:
        self._running(bank).write(offset, value)

    def close(self) -> None:
        if self._system is not None:
            self._system.close()
            self._system = None

    def _running(self, bank: Region) -> System:
        """Return the simulation, a while later than before."""
        if self._system is None:
            assert self._library is not None
            pacing = Pacing.of(self._target.dram)
            ports = [MemoryPort(name, name == "write", pacing) for name in _PORTS]
            clock_ps = self._target.clock_ps
            setup = Setup(self._library, 0, ports, {}, {}, clock_ps=clock_ps)
            self._system = System(setup, bank.data, bank.base)
        self._system.run(until_ps=self._system.now_ps + BETWEEN_PS)
        return self._system


@cache
def kernel_library(board_name: str, module: str) -> Path:
    """Return the library of a kernel, building it if need be."""
    files = kernel_files(board_name, module)
    top = files["rtl/fpga_rt.v"]
    ports, connections = [], []
    for direction, width, name in _PORT.findall(top[: top.index(");")]):
        if name.startswith("ap_") or (name.endswith(("id", "cache")) and "valid" not in name):
            continue
        outer = _renamed(name)
        ports.append(f"    {direction} {width}{outer}")
        connections.append(f"        .{name}({outer})")
    wrapper = _WRAPPER.format(ports=",\n".join(ports), connections=",\n".join(connections))
    texts = (wrapper, *(files[name] for name in (*_SOURCES, f"rtl/modules/{module}.v")))
    return build_model(Design(f"kernel_{module}", "system", "\n".join(texts)))


def kernel_files(board_name: str, *modules: str) -> dict[str, str]:
    """Return the files of the project of some modules; kept for as long as no source changes."""
    target = board(board_name)

    def make(folder: Path) -> None:
        project = vivado_project(target, choose(target, modules))
        (folder / "files.json").write_text(json.dumps(dict(project.files)))

    inputs = (repr(target), *modules, sources())
    path = cached(f"kernels-{board_name}", "files.json", inputs, make)
    files: dict[str, str] = json.loads(path.read_text())
    return files


def _module_in(bitstream: bytes, target: Board) -> str:
    """Return the module that a bitstream names; any for one that was made as a static region."""
    try:
        found = verify_partial(bitstream, target.device, target.partitions[0]).module_id
    except ArtifactError:
        return _ANY
    assert found is not None
    return by_identity()[found].name


def _renamed(name: str) -> str:
    """Return a port's name as the simulator looks for it."""
    if name.startswith("s_axi_control_"):
        return name.replace("s_axi_control_", "s_axi_")
    channel = name.removeprefix("m_axi_")
    return f"{'read' if channel[0] == 'r' or channel.startswith('ar') else 'write'}_{channel}"
