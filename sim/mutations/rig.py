"""A host without mercy: it drives the registers of the small board and writes down what it sees."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from pathlib import Path
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from fpga_rt.bitstream.build import simulation_bitstream
from fpga_rt.contract.command import COMMAND, Segment, address
from fpga_rt.contract.static_region import STATIC_REGION, partition_register
from fpga_rt.contract.submission import Placement, Ring, Submission
from fpga_rt.device.memory import DRAM_BASE
from fpga_rt.errors import DeviceError
from sim.build import Design, build_model
from sim.events import strobes
from sim.mutations.netlist import SELECT, small_board
from sim.pacing import Pacing, board_ports
from sim.system import Setup, System

Words = NDArray[np.uint32]

MODULES = (0x5A3C_0F96_C35A_F00F, 0xA5C3_F069_3CA5_0FF1)
INTERRUPT, RUNNING = "interrupt", "configuration_running"
MEMORY_BYTES = 1 << 18
STREAM, HEADER, RING, TABLE, WEIGHTS = 0x0, 0x20000, 0x20400, 0x21000, 0x22000
INPUT, OUTPUT = 0x24000, 0x30000
DEADLINE_PS = 10**8
"""Nothing here takes longer."""
SLOW = Pacing(30, Fraction(9))
_NOISE = 0x9E37_79B9
_STRETCH = 0x8000  # memory of a partition's tensors
_PORT_STROBES = {"frame_written": (2, 0), "loaded": (3, 0)}
_ANSWERS = ("idcode", "port_status")
_FLAGS = ("garbage", "crc_error", "id_error", "far_error", "synced")


class _MutantSystem(System):
    """A system in which a mutant is selected before its reset."""

    mutant = 0

    def _configure(self, setup: Setup) -> None:
        super()._configure(setup)
        if self.mutant:
            self.poke(SELECT, self.mutant)


class Rig:
    """The small board fresh from reset, and what was seen of it."""

    def __init__(self, library: Path, mutant: int = 0) -> None:
        """Power it up with a mutant, 0 for none; close it afterwards."""
        board = small_board()
        self.board = board
        self.with_parameters = True
        self.instead: dict[str, int] = {}
        """Fields of commands that are other than usual."""
        self.memory = np.zeros(MEMORY_BYTES, np.uint8)
        self.seen: list[object] = []
        setup = Setup(
            top=library,
            partitions=len(board.partitions),
            ports=board_ports(board),
            watches={INTERRUPT: True, RUNNING: False},
            strobes={**strobes(len(board.partitions)), **_PORT_STROBES},
        )
        kind = type("Selected", (_MutantSystem,), {"mutant": mutant})
        self.system: System = kind(setup, self.memory, DRAM_BASE)
        for module_id in MODULES:
            self.system.add_module(module_id, probe_library(module_id), f"probe_{module_id:x}")

    def note(self, *values: object) -> None:
        """Write something down, with the time."""
        self.seen.append((self.system.now_ps, *values))

    def read(self, name: str) -> Mapping[str, int]:
        """Read a register, all words of it; return its fields."""
        register = STATIC_REGION[name]
        words = [self.system.read(register.offset + 4 * n) for n in range(register.words)]
        return register.unpack(sum(word << 32 * n for n, word in enumerate(words)))

    def write(self, name: str, **fields: int) -> None:
        """Write a register of one or two words."""
        register = STATIC_REGION[name]
        for n, word in enumerate(register.word_values(register.pack(**fields))):
            self.system.write(register.offset + 4 * n, word)

    def partition(self, index: int, name: str, **fields: int) -> None:
        """Write a register of a partition."""
        self.write(partition_register(index, name), **fields)

    def look(self) -> None:
        """Write down what registers and the port say."""
        for index in range(len(self.board.partitions)):
            names = ("control", "status", "completed", "error")
            found = [dict(self.read(partition_register(index, name))) for name in names]
            self.note(index, *found, self.system.partition(index))
        self.note(*(self.system.peek(flag) for flag in _FLAGS))
        self.note(dict(self.read("configuration_status")), dict(self.read("sequencer_status")))

    def identify(self, index: int) -> None:
        """Write down which module answers."""
        self.note(self.read(partition_register(index, "module_id")))

    def stream_of(self, index: int, module: int = 0) -> Words:
        """Return the words that load a module into a partition."""
        board = self.board
        data = simulation_bitstream(board.device, board.partitions[index], MODULES[module])
        return np.frombuffer(data, ">u4").astype(np.uint32)

    def put(self, words: Words, offset: int = STREAM) -> None:
        """Put words of a stream into memory."""
        data = words.astype(">u4").view(np.uint8)
        self.memory[offset : offset + len(data)] = data

    def begin(self, words: Words, source: int = DRAM_BASE + STREAM) -> None:
        """Put a stream into memory and start the controller."""
        self.put(words)
        self.write("configuration_source", value=source)
        self.write("configuration_words", value=len(words))
        self.system.arm(RUNNING)
        self.write("configuration_control", start=1)

    def await_load(self) -> Mapping[str, int]:
        """Wait for the controller and write down how it ended, and what the port wrote."""
        until = self.system.now_ps + DEADLINE_PS
        ended = not self.system.peek(RUNNING) or bool(self.system.run([RUNNING], until_ps=until))
        status = self.read("configuration_status")
        events = [(int(e["kind"]), int(e["time_ps"])) for e in self.system.events()]
        self.note("load", ended, dict(status), hash(tuple(events)))
        self.note(*(dict(self.read(f"configuration_{name}")) for name in _ANSWERS))
        self.note(*(self.system.peek(flag) for flag in _FLAGS))
        return status

    def begin_load(self, index: int, words: Words) -> None:
        """Bring a partition to LOADING and start the controller."""
        self.partition(index, "load", begin=1)
        self.begin(words)

    def load(self, index: int, words: Words) -> int:
        """Stream into a partition, tell the static region how it ended, and return the error."""
        self.begin_load(index, words)
        error = self.await_load()["error"]
        self.partition(index, "load", **{"fail" if error else "finish": 1})
        return error

    def decouple(self, index: int) -> None:
        """Isolate a partition and wait until it is quiet."""
        self.partition(index, "control", decouple=1)
        for _ in range(50):
            status = self.read(partition_register(index, "status"))
            self.note(dict(status))
            if status["decoupled"] and status["quiescent"]:
                return

    def swap(self, index: int, module: int = 0, *, reset: bool = True) -> None:
        """Take a partition through a whole swap."""
        self.decouple(index)
        self.load(index, self.stream_of(index, module))
        if reset:
            self.partition(index, "control", decouple=1, reset=1)
            self.partition(index, "control", decouple=1, reset=0)
        self.identify(index)
        self.partition(index, "control", decouple=0)
        self.note(dict(self.read(partition_register(index, "status"))))

    def submit(
        self, index: int, beats: int = 96, commands: int = 1, *, asks: int = 1, repeat: int = 1
    ) -> None:
        """Run commands on one partition; `asks` is their first byte."""
        self.submit_all({index: commands}, beats, asks=asks, repeat=repeat)

    def submit_all(
        self, rings: Mapping[int, int], beats: int = 96, *, asks: int = 1, repeat: int = 1
    ) -> None:
        """Ring the doorbell for several partitions, each with its number of commands."""
        random = np.random.default_rng(7)
        places = {INPUT: 8 * beats, TABLE: 256, WEIGHTS: 2048}
        for start, size in places.items():
            self.memory[start : start + size] = random.integers(0, 256, size, np.uint8)
        segments = {segment: Placement(DRAM_BASE) for segment in Segment}
        found = {}
        for index, commands in rings.items():
            fields = [self._command(index, n, beats, asks) for n in range(commands)]
            data = np.frombuffer(b"".join(COMMAND.encode(f) for f in fields), np.uint8)
            start = RING + 0x400 * index
            self.memory[start : start + len(data)] = data
            found[index] = Ring(DRAM_BASE + start, commands)
        header = np.frombuffer(Submission(found, segments, repeat, 5).encode(), np.uint8)
        self.memory[HEADER : HEADER + len(header)] = header
        self.write("submission", value=DRAM_BASE + HEADER)
        self.system.arm(INTERRUPT)
        self.write("doorbell", start=1)

    def compute(
        self, index: int, beats: int = 96, commands: int = 1, *, asks: int = 1, repeat: int = 1
    ) -> bool:
        """Run commands as `submit` and wait for their end; return whether they ended well."""
        self.submit(index, beats, commands, asks=asks, repeat=repeat)
        return self.await_program()

    def cut_off(self, index: int, beats: int, commands: int, clocks: int) -> None:
        """Run commands, decouple their partition after some clocks, and wait for the end."""
        self.submit(index, beats, commands)
        self.run(clocks)
        self.decouple(index)
        self.await_program()

    def await_program(self) -> bool:
        """Wait for the interrupt, and write down how the program ended, with all of its output.

        Returns:
            Whether it ended, without an error.
        """
        until = self.system.now_ps + DEADLINE_PS
        ended = bool(self.system.run([INTERRUPT], until_ps=until))
        events = [tuple(event) for event in self.system.events().tolist()]
        status = dict(self.read("sequencer_status"))
        self.note("program", ended, status, hash(tuple(events)))
        self.note(self.output())
        return ended and not status["error"]

    def output(self) -> int:
        """Return a checksum of everything that programs may write."""
        return crc32(self.memory[OUTPUT:].tobytes())

    def run(self, clocks: int) -> None:
        """Let time pass."""
        self.system.run(until_ps=self.system.now_ps + clocks * self.board.clock_ps)

    def pace(self, name: str, pacing: Pacing) -> None:
        """Make the memory behind a port slower or faster."""
        self.system.pace(name, pacing)

    def _command(self, index: int, number: int, beats: int, asks: int) -> dict[str, int]:
        place = OUTPUT + index * _STRETCH + 0x400 * number
        noise = _NOISE ^ (-(number & 1) & 0xFFFFFFFF)  # of fields that mean nothing here
        return {
            "operation": asks,
            "flags": noise & 0xF0,
            "sequence": number,
            "table_beats": 12 if self.with_parameters else 0,
            "weights_beats": 200 if self.with_parameters else 0,
            "residual": noise,
            "input_pixel_pitch": noise >> 16,
            "output_pixel_pitch": noise & 0xFFFF,
            "input_row_pitch": noise & 0xFFFFFF,
            "output_row_pitch": noise >> 8,
            "pad_left": noise & 0xFF,
            "input": address(Segment.INPUT, INPUT),
            "output": address(Segment.OUTPUT, place),
            "weights": address(Segment.WEIGHTS, WEIGHTS),
            "table": address(Segment.TABLES, TABLE),
            "input_height": 1,
            "input_width": 1,
            "input_channels": 8 * beats,
            "output_height": 1,
            "output_width": 1,
            "output_channels": 8 * beats,
            "kernel_height": 1,
            "kernel_width": 1,
            "stride_y": 1,
            "stride_x": 1,
        } | self.instead


def probe_library(module_id: int) -> Path:
    """Return the library of a module that shows what it is given."""
    text = (Path(__file__).resolve().parent / "probe.v").read_text(encoding="utf-8")
    verilog = text.replace("MODULE_ID", f"{module_id:x}")
    return build_model(Design(f"probe_{module_id:x}", "probe", verilog))


def outcome(library: Path, mutant: int, scenario: Callable[[Rig], None]) -> list[object]:
    """Return what a scenario shows, ended by the error if it meets one."""
    rig = None
    try:
        rig = Rig(library, mutant)
        scenario(rig)
    except DeviceError as error:
        seen = rig.seen if rig else []
        return [*seen, ("error", str(error))]
    finally:
        if rig:
            rig.system.close()
    return rig.seen
