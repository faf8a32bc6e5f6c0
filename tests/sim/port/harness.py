"""The configuration-port model as a shared library of Verilator, driven clock by clock.

    library = build(parameters_of(boards.board("pynq-z2")))
    port = Port(library)
    outputs = port.clock(csib=0, rdwrb=0, i=swap(0xAA995566))

`build` compiles once for each set of parameters; every `Port` is a device fresh from power-up.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from fpga_rt.arch.boards import Board
from sim.cache import cached
from sim.port import SOURCES, model_verilog
from sim.port.frames import frame_columns, model_parameters, write_frames
from sim.toolchain import obstacle, toolchain

MODEL = [str(source) for source in SOURCES]

_GLUE = """
#include "Vport.h"
#include "verilated.h"
#include <cstdint>
extern "C" {
void *port_new() {
    auto *context = new VerilatedContext;
    auto *port = new Vport{context};
    port->clk = 0; port->csib = 1; port->rdwrb = 1; port->i = 0; port->pcap_owns = 0;
    port->eval();
    return port;
}
void port_delete(void *handle) {
    auto *port = static_cast<Vport *>(handle);
    auto *context = port->contextp();
    port->final();
    delete port;
    delete context;
}
void port_clocks(void *handle, uint32_t count, const uint32_t *in, uint32_t *out) {
    auto *p = static_cast<Vport *>(handle);
    for (uint32_t n = 0; n < count; n++, in += 4, out += 16) {
        p->csib = in[0]; p->rdwrb = in[1]; p->i = in[2]; p->pcap_owns = in[3];
        p->clk = 0; p->eval();
        p->clk = 1; p->eval();
        out[0] = p->o; out[1] = p->avail; out[2] = p->prdone; out[3] = p->prerror;
        out[4] = p->garbage; out[5] = p->loaded; out[6] = p->loaded_partition;
        out[7] = uint32_t(p->loaded_id >> 32); out[8] = uint32_t(p->loaded_id);
        out[9] = p->crc_error; out[10] = p->id_error; out[11] = p->far_error; out[12] = p->synced;
        out[13] = p->frame_written; out[14] = p->frame_address; out[15] = 0;
    }
}
}
"""
_PINS_IN, _PINS_OUT = 4, 16

_BENCH = """
`timescale 1ns / 1ps
module bench #(
    parameter integer ICAP = 2, FRAME_WORDS = 101, PARTITIONS = 1, POWER_UP_CLOCKS = 125,
    parameter integer COLUMNS = 1, CLOCKS = 1,
    parameter [31:0] IDCODE = 0,
    parameter FRAMES = "", PINS = ""
);
    reg [43:0] pins[0:CLOCKS-1];
    reg clk = 0, csib = 1, rdwrb = 1, pcap_owns = 0;
    reg [31:0] i = 0;
    wire [31:0] o, frame_address;
    wire avail, prdone, prerror, loaded, crc_error, id_error, far_error, synced, frame_written;
    wire [PARTITIONS-1:0] garbage;
    wire [7:0] loaded_partition;
    wire [63:0] loaded_id;
    integer n;
    configuration_port #(
        .ICAP(ICAP), .IDCODE(IDCODE), .FRAME_WORDS(FRAME_WORDS), .PARTITIONS(PARTITIONS),
        .POWER_UP_CLOCKS(POWER_UP_CLOCKS), .COLUMNS(COLUMNS), .FRAMES(FRAMES)
    ) port (
        .clk(clk), .csib(csib), .rdwrb(rdwrb), .i(i), .o(o), .avail(avail), .prdone(prdone),
        .prerror(prerror), .pcap_owns(pcap_owns), .garbage(garbage), .loaded(loaded),
        .loaded_partition(loaded_partition), .loaded_id(loaded_id), .crc_error(crc_error),
        .id_error(id_error), .far_error(far_error), .synced(synced),
        .frame_written(frame_written), .frame_address(frame_address)
    );
    initial begin
        $readmemh(PINS, pins);
        for (n = 0; n < CLOCKS; n = n + 1) begin
            csib = pins[n][40];
            rdwrb = pins[n][36];
            pcap_owns = pins[n][32];
            i = pins[n][31:0];
            #5 clk = 1;
            #1 $display("%h %h %h %h %h %h %h %h %h %h %h %h %h %h", o, avail, prdone, prerror,
                        garbage, loaded, loaded_partition, loaded_id, crc_error, id_error,
                        far_error, synced, frame_written, frame_address);
            #4 clk = 0;
        end
    end
endmodule
"""


class Outputs(NamedTuple):
    """The model's outputs after a clock; `garbage` has a bit for each partition."""

    o: int
    avail: int
    prdone: int
    prerror: int
    garbage: int
    loaded: int
    loaded_partition: int
    loaded_id: int
    crc_error: int
    id_error: int
    far_error: int
    synced: int
    frame_written: int
    frame_address: int


def swap(word: int) -> int:
    """Return a word with the bits of each byte in reverse order."""
    return int(swap_words(np.array([word], np.uint32))[0])


def swap_words(words: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Return (n,) words with the bits of each byte in reverse order."""
    bits = np.unpackbits(words.astype("<u4").view(np.uint8), bitorder="little")
    return np.packbits(bits, bitorder="big").view("<u4").astype(np.uint32)


def parameters_of(board: Board) -> dict[str, int | str]:
    """Return the parameters of the model for a board; the file of frames is kept by its text."""
    columns = frame_columns(board.device, board.partitions)

    def make(folder: Path) -> None:
        write_frames(folder / "frames.hex", board.device, board.partitions)

    path = cached(f"frames-{board.name}", "frames.hex", map(str, columns), make)
    return model_parameters(board.device, board.partitions, path)


def build(parameters: Mapping[str, object]) -> Path:
    """Compile the model with some parameters, and return the shared library.

    Warnings of Verilator are errors. What was built from the same source is used again.
    """
    missing = obstacle()
    if missing:
        pytest.skip(missing)

    def make(folder: Path) -> None:
        (folder / "glue.cpp").write_text(_GLUE, encoding="utf-8")
        command = [str(toolchain().verilator), "--cc", "-Wall", "--quiet", "--prefix", "Vport"]
        _run([*command, "-Mdir", str(folder), *_given("-G", parameters), *MODEL])
        sources = [*sorted(folder.glob("Vport*.cpp")), folder / "glue.cpp"]
        unity = folder / "unity.cc"
        unity.write_text("".join(f'#include "{path}"\n' for path in sources), encoding="utf-8")
        objects = [str(_runtime(name)) for name in ("verilated", "verilated_threads")]
        outcome = ["-shared", "-o", str(folder / "port.so")]
        _run([*_compiler(), f"-I{folder}", str(unity), *objects, *outcome])

    inputs = [repr(sorted(parameters.items())), model_verilog(), _GLUE, *toolchain().versions]
    return cached("configuration_port", "port.so", inputs, make)


def _compiler() -> list[str]:
    tools = toolchain()
    paths = [f"-I{tools.include}", f"-I{tools.include / 'vltstd'}"]
    return [str(tools.compiler), "-std=c++20", "-O1", "-fPIC", "-pthread", "-w", *paths]


def _runtime(name: str) -> Path:
    """Return a part of Verilator's library as an object file."""
    source = toolchain().include / f"{name}.cpp"

    def make(folder: Path) -> None:
        _run([*_compiler(), "-O0", "-c", str(source), "-o", str(folder / "runtime.o")])

    return cached(f"{name}-port", "runtime.o", [source.read_bytes(), *toolchain().versions], make)


def _given(option: str, parameters: Mapping[str, object]) -> list[str]:
    """Return the arguments that set parameters of a top module."""
    return [
        f'{option}{name}="{value}"' if isinstance(value, str) else f"{option}{name}={value}"
        for name, value in parameters.items()
    ]


def _run(command: list[str]) -> str:
    environment = {**os.environ}
    if obstacle() is None:
        environment["VERILATOR_ROOT"] = str(toolchain().verilator_root)
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr + ran.stdout
    return ran.stdout


def icarus_clocks(
    folder: Path,
    parameters: Mapping[str, object],
    pins: NDArray[np.uint32],
    unknown: Collection[int] = (),
) -> list[Outputs]:
    """Do under Icarus what `Port.clocks` does, for a port fresh from power-up.

    In the clocks `unknown` the pins `i` are X. Warnings of Icarus are errors, and so is an output
    that is unknown.
    """
    if shutil.which("iverilog") is None:
        pytest.skip("needs Icarus Verilog")
    folder.mkdir(parents=True, exist_ok=True)
    bench, given, program = folder / "bench.v", folder / "pins.hex", folder / "bench.vvp"
    bench.write_text(_BENCH, encoding="utf-8")
    words = ["x" * 8 if n in unknown else f"{i:08x}" for n, i in enumerate(pins[:, 2].tolist())]
    packed = [f"{c:x}{r:x}{p:x}{w}\n" for (c, r, _, p), w in zip(pins.tolist(), words, strict=True)]
    given.write_text("".join(packed), encoding="ascii")
    chosen = _given("-Pbench.", {**parameters, "PINS": str(given), "CLOCKS": len(pins)})
    command = ["iverilog", "-g2012", "-Wall", "-s", "bench", *chosen, "-o", str(program)]
    ran = subprocess.run([*command, str(bench), *MODEL], capture_output=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, b""), ran.stderr.decode()
    rows = (line.split() for line in _run(["vvp", "-n", str(program)]).splitlines())
    return [Outputs._make(int(value, 16) for value in row) for row in rows]


class Port:
    """A configuration port fresh from power-up."""

    def __init__(self, library: Path) -> None:
        """Make one of a library that `build` compiled."""
        self._library = ctypes.CDLL(str(library))
        self._library.port_new.restype = ctypes.c_void_p
        self._handle = ctypes.c_void_p(self._library.port_new())

    def __del__(self) -> None:
        """Free it."""
        if hasattr(self, "_handle"):
            self._library.port_delete(self._handle)

    def clock(self, csib: int = 1, rdwrb: int = 1, i: int = 0, pcap_owns: int = 0) -> Outputs:
        """Drive the pins through one rising edge; `i` is what is on the pins, swapped or not."""
        return self.clocks(np.array([[csib, rdwrb, i, pcap_owns]], np.uint32))[0]

    def clocks(self, pins: NDArray[np.uint32]) -> list[Outputs]:
        """Drive (n, 4) uint32 pins: csib, rdwrb, i, pcap_owns; return the outputs of each clock."""
        return [_outputs(row) for row in self._clocks(pins).tolist()]

    def idle(self, clocks: int) -> Outputs:
        """Leave the port deselected for some clocks."""
        return self.clocks(np.array([[1, 1, 0, 0]] * clocks, np.uint32))[-1]

    def write(self, words: Iterable[int] | NDArray[np.uint32]) -> list[Outputs]:
        """Write words of a stream, swapped on the way, a word each clock."""
        array = np.asarray(words if isinstance(words, np.ndarray) else list(words), np.uint32)
        pins = np.zeros((len(array), _PINS_IN), np.uint32)
        pins[:, 2] = swap_words(array)
        return self.clocks(pins)

    def read(self, clocks: int) -> list[int]:
        """Turn the port round and read for some clocks; return what is on `o`, swapped back."""
        self.clock(csib=1, rdwrb=0)
        self.clock(csib=1, rdwrb=1)
        found = [swap(self.clock(csib=0, rdwrb=1).o) for _ in range(clocks)]
        self.clock(csib=1, rdwrb=1)
        self.clock(csib=1, rdwrb=0)
        return found

    def _clocks(self, pins: NDArray[np.uint32]) -> NDArray[np.uint32]:
        given = np.ascontiguousarray(pins, np.uint32)
        out = np.zeros((len(given), _PINS_OUT), np.uint32)
        pointer = ctypes.POINTER(ctypes.c_uint32)
        self._library.port_clocks(
            self._handle,
            ctypes.c_uint32(len(given)),
            given.ctypes.data_as(pointer),
            out.ctypes.data_as(pointer),
        )
        return out


def _outputs(row: list[int]) -> Outputs:
    return Outputs._make([*row[:7], row[7] << 32 | row[8], *row[9:15]])
