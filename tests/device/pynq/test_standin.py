"""The stand-in has the semantics of the vendor kernel, whose source says what each test shows."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import numpy as np
import pytest

from fpga_rt.contract.command import Segment
from fpga_rt.device.pynq.device import Pynq
from tests.conformance.scaling import run_scale
from tests.conformance.test_device import base
from tests.standin.fpga_manager import RELEASE
from tests.standin.standin import StandIn, installed, obstacle


def store(path: Path, value: bytes) -> None:
    """Write a file of sysfs once."""
    file = os.open(path, os.O_WRONLY)
    try:
        os.write(file, value)
    finally:
        os.close(file)


def test_firmware_cannot_be_read_even_by_root(standin: StandIn) -> None:
    with pytest.raises(PermissionError):
        (standin.kernel.fpga_manager / "firmware").read_bytes()


def test_state_cannot_be_written(standin: StandIn) -> None:
    with pytest.raises(PermissionError):
        store(standin.kernel.fpga_manager / "state", b"operating")


def test_flags_are_hexadecimal_and_stay(standin: StandIn) -> None:
    flags = standin.kernel.fpga_manager / "flags"
    store(flags, b"1f\n")
    assert flags.read_text() == "1f\n"
    with pytest.raises(OSError, match="Invalid argument") as caught:
        store(flags, b"partial")
    assert caught.value.errno == errno.EINVAL
    assert flags.read_text() == "1f\n"


def test_a_stream_repeats_a_write_that_failed(standin: StandIn) -> None:
    """Why the device writes with `os.write`: closing a buffered file tries again."""
    with pytest.raises(FileNotFoundError):
        (standin.kernel.fpga_manager / "firmware").write_text("absent.bin")
    assert len(standin.ask()["loads"]) == 2


def test_the_kernel_looks_into_its_folders_in_order(device: Pynq, standin: StandIn) -> None:
    """A good file for the whole FPGA wins over a bad one only where it is looked for first."""
    folder, name = standin.kernel.firmware, "some.bin"
    good = np.frombuffer(base(device.board.device.idcode), ">u4").astype("<u4").tobytes()
    (folder / name).write_bytes(bytes(64))
    manager = standin.kernel.fpga_manager
    with pytest.raises(OSError, match="Invalid argument"):
        store(manager / "firmware", name.encode())
    assert (manager / "state").read_text() == "write init error\n"
    for first in (RELEASE, "updates", f"updates/{RELEASE}"):
        (folder / first).mkdir(exist_ok=True)
        (folder / first / name).write_bytes(good)
        store(manager / "firmware", name.encode())
        assert (manager / "state").read_text() == "operating\n"
        (folder / first / name).unlink()
    for first in (f"updates/{RELEASE}", "updates", RELEASE):
        (folder / first).rmdir()


def test_a_partial_bitstream_without_sync_word_is_programmed_in_vain(
    device: Pynq, standin: StandIn
) -> None:
    """The driver looks for it in full ones only: byte order is for the host to check."""
    (standin.kernel.firmware / "some.bin").write_bytes(bytes(64))
    store(standin.kernel.fpga_manager / "flags", b"1")
    store(standin.kernel.fpga_manager / "firmware", b"some.bin")
    assert (standin.kernel.fpga_manager / "state").read_text() == "operating\n"
    assert device.identify(0) == 0


def test_a_full_bitstream_for_another_fpga_never_gets_done(standin: StandIn) -> None:
    foreign = np.frombuffer(base(0x0372_2093), ">u4").astype("<u4").tobytes()
    (standin.kernel.firmware / "some.bin").write_bytes(foreign)
    with pytest.raises(TimeoutError):
        store(standin.kernel.fpga_manager / "firmware", b"some.bin")
    state = (standin.kernel.fpga_manager / "state").read_text()
    assert state == "write complete error\n"


def test_a_cache_that_is_not_coherent_hides_what_is_not_flushed() -> None:
    reason = obstacle()
    if reason:
        pytest.skip(reason)
    with (
        installed("pynq-z2", cached=True) as standin,
        Pynq("pynq-z2", kernel=standin.kernel, simulation_bitstreams=True) as device,
    ):
        program = run_scale(device)
        codes = program.tensor(Segment.INPUT).copy()
        expected = program.layer.operation.apply(codes)  # type: ignore[call-arg]  # one operand
        program.buffers[Segment.INPUT].view[:] = 0  # and not flushed
        device.wait(device.submit(program.submission()))
        assert not program.buffers[Segment.OUTPUT].view.any()  # not invalidated
        assert (program.tensor(Segment.OUTPUT) == expected).all()
