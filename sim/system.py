"""A static region that runs as RTL, with modules that come and go as their bitstreams do.

Everything per clock happens in C++ (`native/simulator.h`); Python says what to build, reads and
writes registers, and waits. Memory is a NumPy array that both see.
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from ctypes import (
    POINTER,
    Structure,
    byref,
    c_char_p,
    c_double,
    c_int,
    c_int64,
    c_uint32,
    c_uint64,
    c_void_p,
)
from dataclasses import dataclass
from enum import IntEnum
from functools import cache
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from fpga_rt.contract.boundary import BOUNDARY, Direction
from fpga_rt.contract.sequencer import REGISTER_CYCLES
from fpga_rt.errors import DeviceError
from sim.build import build_simulator
from sim.events import EVENT
from sim.pacing import MemoryPort, Pacing
from sim.waves import write_sessions

CLOCK_PS = 7_000
ICAP_PS = 10_000

_CHUNK_CLOCKS = 1 << 20
"""Clocks in one call, so that an interrupt from the keyboard is heard within about a second."""


class Content(IntEnum):
    """What drives the wires from a partition to the static region."""

    EMPTY = 0
    """Nothing was loaded; they are 0."""
    GARBAGE = 1
    """Frames were written and no load has ended well: other values in every clock."""
    MODULE = 2


@dataclass(frozen=True)
class Setup:
    """What a system is made of.

    Attributes:
        top: library of the static region and the configuration port (see `sim.top`).
        partitions: how many it has.
        ports: its AXI4 ports; the list must be complete.
        watches: outputs that `run` can wait for, with whether a rise or a fall is meant.
        strobes: outputs whose every clock is an event, with its kind and partition.
        clock_ps: period of the compute clock.
        icap_ps: period of the ICAP clock.
        reset_clocks: compute clocks that the resets are held for.
        seed: of what registers hold after a load, and of garbage.
        pass_over: pass over clocks in which nothing moves; the result is the same, but for what the
            wires of a partition without a module carry.
        check: check in every clock that the static region registers its side of the boundary.
        waves: folder for traces of every library; `top` must have been built with `waves`.
    """

    top: Path
    partitions: int
    ports: Sequence[MemoryPort]
    watches: Mapping[str, bool]
    strobes: Mapping[str, tuple[int, int]]
    clock_ps: int = CLOCK_PS
    icap_ps: int = ICAP_PS
    reset_clocks: int = 256
    seed: int = 1
    pass_over: bool = True
    check: bool = False
    waves: Path | None = None


class _Wire(Structure):
    _fields_ = (("name", c_char_p), ("width", c_uint32), ("is_output", c_uint32))


class _Config(Structure):
    _fields_ = (
        ("top", c_char_p),
        ("waves", c_char_p),
        ("dram", c_void_p),
        *((name, c_uint64) for name in ("dram_base", "dram_size", "clock_ps", "icap_ps")),
        ("start_ps", c_uint64),
        ("seed", c_uint64),
        ("boundary", POINTER(_Wire)),
        *((name, c_uint32) for name in ("boundary_wires", "partitions", "access_clocks")),
        ("pass_over", c_uint32),
        ("check", c_uint32),
    )


class _Pacing(Structure):
    _fields_ = (("latency", c_uint64), ("numerator", c_uint64), ("denominator", c_uint64))


class System:
    """The running simulation; `close` it to finish its traces."""

    def __init__(
        self, setup: Setup, memory: NDArray[np.uint8], base: int, start_ps: int = 0
    ) -> None:
        """Power the system up and reset it; every partition is empty.

        Args:
            setup: what it is made of.
            memory: the DRAM, a contiguous array whose size is a multiple of 8.
            base: the address of its first byte.
            start_ps: simulated time at which it begins.

        Raises:
            DeviceError: a library lacks a port.
            ToolchainError: the simulator cannot be built.
            ValueError: the memory is not one piece of whole beats.
        """
        if not memory.flags.c_contiguous or len(memory) % 8:
            raise ValueError("memory must be contiguous and a multiple of 8 bytes")
        self._setup = setup
        self._memory = memory  # the simulator holds its address
        self._library = _simulator()
        self._modules: dict[int, Path] = {}
        if setup.waves:
            setup.waves.mkdir(parents=True, exist_ok=True)
        self._handle = self._create(setup, memory, base, start_ps)
        try:
            self._configure(setup)
            self._check(self._library.system_reset(self._handle, setup.reset_clocks))
        except DeviceError:
            self.close()
            raise

    def __enter__(self) -> System:
        """Return the system."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the system."""
        self.close()

    def close(self) -> None:
        """End the simulation and its traces; closing twice is harmless."""
        if self._handle:
            self._library.system_destroy(self._handle)
            self._handle = None
            if self._setup.waves:
                write_sessions(self._setup.waves, self._setup.partitions)

    @property
    def now_ps(self) -> int:
        """Time of the last clock edge."""
        return int(self._library.system_now_ps(self._handle))

    @property
    def clocks(self) -> int:
        """Compute clocks since power-up."""
        return int(self._library.system_clocks(self._handle))

    @property
    def swaps(self) -> int:
        """Modules that were loaded since power-up."""
        return int(self._library.system_swaps(self._handle))

    @property
    def swap_seconds(self) -> float:
        """Wall time that unloading and loading their libraries has taken in all."""
        return float(self._library.system_swap_seconds(self._handle))

    def add_module(self, module_id: int, library: Path, name: str) -> None:
        """Say which library belongs to an identity; it is loaded when frames that carry it are."""
        self._modules[module_id] = library
        where = str(library).encode()
        add = self._library.system_add_module
        self._check(add(self._handle, module_id, where, name.encode()))

    def pace(self, port: str, pacing: Pacing) -> None:
        """Set how fast the memory behind a port is from here on."""
        index = self._ports[port]
        self._check(self._library.system_pace(self._handle, index, byref(_pacing(pacing))))

    def read(self, offset: int) -> int:
        """Read a register; exactly `REGISTER_CYCLES` compute clocks pass.

        Raises:
            DeviceError: the static region answers with an error, or not at all.
        """
        value = c_uint32()
        self._access(0, offset, value)
        return value.value

    def write(self, offset: int, value: int) -> None:
        """Write a register; exactly `REGISTER_CYCLES` compute clocks pass.

        Raises:
            DeviceError: the static region answers with an error, or not at all.
        """
        self._access(1, offset, c_uint32(value))

    def arm(self, watch: str) -> None:
        """Forget that a watch has fired."""
        self._check(self._library.system_arm(self._handle, self._watches[watch]))

    def fired_ps(self, watch: str) -> int:
        """Return when a watch that has fired did."""
        return int(self._library.system_fired_ps(self._handle, self._watches[watch]))

    def run(self, watches: Sequence[str] = (), *, until_ps: int) -> frozenset[str]:
        """Run until one of some watches has fired, or until a time.

        Args:
            watches: what to wait for; one that has fired since it was armed ends it at once.
            until_ps: no clock edge behind this time is simulated.

        Returns:
            Which of them have fired; none when the time is over.

        Raises:
            DeviceError: the gateware did what AXI forbids.
        """
        mask = sum(1 << self._watches[name] for name in watches)
        chunk_ps = _CHUNK_CLOCKS * self._setup.clock_ps
        while True:
            end_ps = min(until_ps, self.now_ps + chunk_ps)
            found = self._check(self._library.system_run(self._handle, mask, end_ps))
            if found or end_ps == until_ps:
                return frozenset(n for n in watches if found >> self._watches[n] & 1)

    def events(self) -> NDArray[np.void]:
        """Return the events since the last call, oldest first, as `sim.events.EVENT`."""
        count = int(self._library.system_event_count(self._handle))
        events = np.zeros(count, EVENT)
        self._library.system_events(self._handle, events.ctypes.data_as(c_void_p), count)
        return events

    def partition(self, index: int) -> tuple[Content, int]:
        """Return what is in a partition, and its identity if it is a module."""
        content, module_id = c_uint32(), c_uint64()
        find = self._library.system_partition
        self._check(find(self._handle, index, byref(content), byref(module_id)))
        return Content(content.value), module_id.value

    def peek(self, name: str) -> int:
        """Return the value of a port of the top module."""
        value = c_uint64()
        self._check(self._library.system_peek(self._handle, name.encode(), byref(value)))
        return value.value

    def poke(self, name: str, value: int) -> None:
        """Set an input of the top module that nothing else drives, for example `pcap_owns`."""
        self._check(self._library.system_poke(self._handle, name.encode(), value))

    def _create(
        self, setup: Setup, memory: NDArray[np.uint8], base: int, start_ps: int
    ) -> int | None:
        wires = (_Wire * len(BOUNDARY))(
            *(_Wire(w.name.encode(), w.width, w.direction is Direction.OUTPUT) for w in BOUNDARY)
        )
        config = _Config(
            top=str(setup.top).encode(),
            waves=str(setup.waves).encode() if setup.waves else None,
            dram=memory.ctypes.data,
            dram_base=base,
            dram_size=len(memory),
            clock_ps=setup.clock_ps,
            icap_ps=setup.icap_ps,
            start_ps=start_ps,
            seed=setup.seed,
            boundary=wires,
            boundary_wires=len(wires),
            partitions=setup.partitions,
            access_clocks=REGISTER_CYCLES,
            pass_over=setup.pass_over,
            check=setup.check,
        )
        handle: int | None = self._library.system_create(byref(config))
        self._check(0 if handle else -1)
        return handle

    def _configure(self, setup: Setup) -> None:
        self._ports: dict[str, int] = {}
        self._watches: dict[str, int] = {}
        library, handle = self._library, self._handle
        for port in setup.ports:
            pacing = byref(_pacing(port.pacing))
            index = library.system_add_port(handle, port.name.encode(), port.writes, pacing)
            self._ports[port.name] = self._check(index)
        for name, rising in setup.watches.items():
            index = library.system_add_watch(handle, name.encode(), rising)
            self._watches[name] = self._check(index)
        for name, (kind, partition) in setup.strobes.items():
            self._check(library.system_add_strobe(handle, name.encode(), kind, partition))

    def _access(self, is_write: int, offset: int, value: c_uint32) -> None:
        access = self._library.system_access
        response = self._check(access(self._handle, is_write, offset, byref(value)))
        if response:
            verb = "write" if is_write else "read"
            raise DeviceError(
                f"register {verb} at offset {offset:#x} was answered with AXI response {response},"
                " expected 0 (OKAY); the static region has no such register"
            )

    def _check(self, result: int) -> int:
        if result < 0:
            raise DeviceError(f"simulator: {self._library.system_error().decode()}")
        return result


def _pacing(pacing: Pacing) -> _Pacing:
    return _Pacing(pacing.latency, pacing.per_beat.numerator, pacing.per_beat.denominator)


@cache
def _simulator() -> ctypes.CDLL:
    """Load the simulator's library, building it if need be."""
    library = ctypes.CDLL(str(build_simulator()))
    handle, wire = c_void_p, c_char_p
    signatures: dict[str, tuple[object, ...]] = {  # result, then arguments
        "error": (c_char_p,),
        "create": (handle, POINTER(_Config)),
        "destroy": (None, handle),
        "add_port": (c_int, handle, wire, c_uint32, POINTER(_Pacing)),
        "pace": (c_int, handle, c_int, POINTER(_Pacing)),
        "add_module": (c_int, handle, c_uint64, c_char_p, c_char_p),
        "add_watch": (c_int, handle, wire, c_uint32),
        "add_strobe": (c_int, handle, wire, c_uint32, c_uint32),
        "arm": (c_int, handle, c_int),
        "fired_ps": (c_uint64, handle, c_int),
        "reset": (c_int, handle, c_uint32),
        "run": (c_int64, handle, c_uint32, c_uint64),
        "access": (c_int, handle, c_uint32, c_uint32, POINTER(c_uint32)),
        "now_ps": (c_uint64, handle),
        "clocks": (c_uint64, handle),
        "swaps": (c_uint64, handle),
        "swap_seconds": (c_double, handle),
        "events": (c_uint64, handle, c_void_p, c_uint64),
        "event_count": (c_uint64, handle),
        "peek": (c_int, handle, wire, POINTER(c_uint64)),
        "poke": (c_int, handle, wire, c_uint64),
        "partition": (c_int, handle, c_uint32, POINTER(c_uint32), POINTER(c_uint64)),
    }
    for name, (result, *arguments) in signatures.items():
        function = getattr(library, f"system_{name}")
        function.restype, function.argtypes = result, arguments
    return library
