"""The devices that conformance is about.

A device joins by a line in `DEVICES`; one that cannot run here skips with the reason. `pynq` is
tested on a stand-in for a board's kernel, see `tests/standin/README.md`: with the emulator behind
/dev/mem, where the KV260's loads go through the kernel and the PYNQ-Z2's past it; with UIO,
interrupts and a cache that is not coherent; and with the RTL. `xrt` is tested on a stand-in for
XRT, see `tests/standin/xrt.py`: with the emulator in the card, and with the kernels' own Verilog.

`replay-of-D` runs every body twice: on D, being recorded, and then on the device `replay`, which
plays that back.
"""

from __future__ import annotations

import inspect
import tempfile
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from fpga_rt.arch.boards import Board
from fpga_rt.arch.boards import board as board_of
from fpga_rt.device.interface import Device
from fpga_rt.device.pynq.device import Pynq
from fpga_rt.device.pynq.kernel import Kernel
from fpga_rt.device.pynq.port_switch import switch_of
from fpga_rt.device.recording.recorder import Recorder
from fpga_rt.device.recording.replay import Replay
from fpga_rt.device.registry import devices, open_device
from fpga_rt.device.xrt.device import Xrt
from tests.standin import standin, xrt, xrt_logic

DEVICES = [
    ("emulator", "pynq-z2"),
    ("emulator", "kv260"),
    ("rtl", "pynq-z2"),
    pytest.param(("rtl", "kv260"), marks=pytest.mark.slow, id="rtl-kv260"),
    ("pynq", "pynq-z2"),
    ("pynq", "kv260"),
    ("pynq-uio", "pynq-z2"),
    pytest.param(("pynq-rtl", "pynq-z2"), marks=pytest.mark.slow, id="pynq-rtl-pynq-z2"),
    ("xrt", "alveo-u200-xrt"),
    pytest.param(("xrt-rtl", "alveo-u200-xrt"), marks=pytest.mark.slow, id="xrt-rtl"),
    ("replay-of-emulator", "pynq-z2"),
    pytest.param(("replay-of-rtl", "pynq-z2"), marks=pytest.mark.slow),
]
_STAND_INS = {"pynq": (), "pynq-uio": ("--uio",), "pynq-rtl": ("--logic", "rtl")}
"""What the stand-in is started with, by device."""
_MODULES = ("add_8", "add_2", "clamp_2", "scale_2")
"""Which the bodies load."""
_REPLAY_OF = "replay-of-"
_SLOW_LOAD_S = 0.2
"""Of the kernel: longer than a host takes to submit a program, also on a machine that is busy."""


@pytest.fixture(params=DEVICES, ids=lambda p: f"{p[0]}-{p[1]}")
def device(request: pytest.FixtureRequest) -> Iterator[Device]:
    name, board = request.param
    played = name.startswith(_REPLAY_OF)
    name = name.removeprefix(_REPLAY_OF)
    obstacle = _obstacle(name)
    if obstacle:
        pytest.skip(f"{name}: {obstacle}")
    with (
        _opened(name, board, request.node) as opened,
        Recorder(opened) if played else opened as used,
    ):
        yield used


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """Run the body of a test on a device that is recorded, and then on the recording."""
    recorder = pyfuncitem.funcargs.get("device")
    if not isinstance(recorder, Recorder):
        return (yield)
    names = inspect.signature(pyfuncitem.obj).parameters
    pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in names})
    recorder.close()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "session.frr"
        path.write_bytes(recorder.recording())
        with Replay(recorder.capabilities.board, recording=path) as replay:
            pyfuncitem.funcargs["device"] = replay
            return (yield)


def _obstacle(name: str) -> str | None:
    if name == "xrt":
        return None
    obstacles = {entry.name: entry.obstacle for entry in devices()}
    if name == "xrt-rtl":
        return obstacles["rtl"]
    if name not in _STAND_INS:
        return obstacles[name]
    return standin.obstacle() or (obstacles["rtl"] if name == "pynq-rtl" else None)


@contextmanager
def _opened(name: str, board: str, test: pytest.Item) -> Iterator[Device]:
    if name in ("xrt", "xrt-rtl"):
        make = xrt_logic.EmulatedKernel if name == "xrt" else _kernel_of_verilog(board)
        with xrt.installed(board, make) as (machine, folder):
            with Xrt(board, xclbins=folder, memory_bytes=1 << 22, xrt=machine.library) as opened:
                yield opened
        return
    if name not in _STAND_INS:
        with open_device(name, board) as opened:
            yield opened
        return
    cached = name == "pynq-uio"
    with (
        standin.installed(board, *_STAND_INS[name], cached=cached) as running,
        Pynq(board, kernel=_set_up(running, board, test), simulation_bitstreams=True) as opened,
    ):
        yield opened


def _kernel_of_verilog(board: str) -> Callable[[Board], xrt_logic.Kernel]:
    """Return what makes a kernel that is simulated; a load must not wait for its libraries."""
    from tests.standin.xrt_rtl import RtlKernel, kernel_library  # not where there is no gateware

    for module in _MODULES:
        kernel_library(board, module)
    return RtlKernel


def _set_up(running: standin.StandIn, board: str, test: pytest.Item) -> Kernel:
    """Bring a board to where a body begins that no `Device` could bring it to."""
    if test.path.stem == "test_controller":  # it writes the registers past the host: give the port
        with closing(switch_of(running.kernel, board_of(board).device.family.name)) as switch:
            switch.to_controller()
    if test.name.startswith("test_a_load_overlaps_a_program"):  # of some us it would not
        running.ask("slow", seconds=_SLOW_LOAD_S)
    return running.kernel
