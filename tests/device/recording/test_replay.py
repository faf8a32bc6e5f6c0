"""A session that is played back: the same results, and a refusal of the first other call."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fpga_rt.contract.command import Segment
from fpga_rt.contract.static_region import STATIC_REGION
from fpga_rt.device.emulator import Emulator
from fpga_rt.device.faults import CorruptLoad
from fpga_rt.device.interface import Device
from fpga_rt.device.recording.recorder import Recorder
from fpga_rt.device.recording.replay import Replay
from fpga_rt.errors import ArtifactError, DeviceError, ReconfigurationError
from tests.conformance.scaling import run_scale, scale_layer
from tests.device.programs import activate, random_codes

MAP = STATIC_REGION["map_id"].offset
Play = Callable[[Callable[[Device], object]], Replay]


@pytest.fixture
def play(tmp_path: Path) -> Play:
    """Return a function that records a session on the emulator and returns its replay, closed."""

    def record(session: Callable[[Device], object]) -> Replay:
        recorder = Recorder(Emulator("pynq-z2"), "a test")
        with recorder:
            session(recorder)
        path = tmp_path / "session.frr"
        path.write_bytes(recorder.recording())
        return Replay("pynq-z2", recording=path)

    return record


def scaled(device: Device) -> np.ndarray:
    program = run_scale(device)
    device.wait(device.submit(program.submission()))
    return np.array(program.tensor(Segment.OUTPUT))


def test_memory_that_the_device_wrote_is_there_again(play: Play) -> None:
    codes = random_codes(7, (2, 5, 6, 10))
    with play(scaled) as device:
        found = scaled(device)
    assert np.array_equal(found, scale_layer().operation.apply(codes))  # type: ignore[call-arg]  # one operand


def test_says_what_it_is(play: Play) -> None:
    with play(lambda device: None) as device:
        capabilities = device.capabilities
    assert (capabilities.device, capabilities.origin) == ("replay", "replayed")
    assert capabilities.clock == "virtual"
    first, *others = capabilities.assumptions
    assert first.startswith("Replayed from ")
    assert first.endswith("on emulator, whose times are modelled.")
    assert tuple(others) == Emulator("pynq-z2").capabilities.assumptions


def test_the_first_other_call_is_refused_and_so_is_everything_after_it(play: Play) -> None:
    def session(device: Device) -> None:
        device.read32(MAP)
        device.write32(0x48, 12)

    device = play(session)
    device.open()
    device.read32(MAP)
    with pytest.raises(
        DeviceError,
        match=r"session\.frr: call 2 is write32\(offset=0x48, value=0xd\), but the recording has"
        r" write32\(offset=0x48, value=0xc\); make the calls that were recorded: a test",
    ):
        device.write32(0x48, 13)
    with pytest.raises(DeviceError, match="call 2 is write32"):
        device.write32(0x48, 12)
    device.close()


def test_other_data_is_refused_where_the_device_would_read_it(play: Play) -> None:
    device = play(scaled)
    device.open()
    program = run_scale(device)
    program.buffers[Segment.INPUT].view[3] ^= 1
    submission = program.submission()
    with pytest.raises(DeviceError, match=r"call \d+ is submit\(.*buffer \d+ \(at 0x.*other data"):
        device.submit(submission)


def test_data_that_is_flushed_is_compared_at_once(play: Play) -> None:
    def session(device: Device, value: int = 1) -> None:
        buffer = device.allocate(64)
        buffer.view[5] = value
        buffer.flush()

    with play(session) as device:
        session(device)
    device = play(session)
    device.open()
    with pytest.raises(DeviceError, match=r"is buffer\.flush\(buffer=0\), but buffer 0 \(at 0x"):
        session(device, 2)


def test_a_recording_ends_where_it_ended(play: Play) -> None:
    device = play(lambda device: device.now_ps())
    device.open()
    device.now_ps()
    with pytest.raises(DeviceError, match=r"call 2 is now_ps\(\), but the recording has close\(\)"):
        device.now_ps()
    device = play(lambda device: device.now_ps())
    device.open()
    with pytest.raises(DeviceError, match=r"call 1 is close\(\), but the recording has now_ps\(\)"):
        device.close()
    device = play(lambda device: None)
    device.open()
    device.close()
    with pytest.raises(DeviceError, match="the recording ends after 2 calls"):
        device.open()


def test_what_belongs_to_no_session_is_told_apart(play: Play) -> None:
    def session(device: Device) -> None:
        activate(device, 0, "add_8")
        device.decouple(0)

    with Emulator("pynq-z2") as other:
        foreign = activate(other, 0, "add_8")
    device = play(session)
    device.open()
    session(device)
    with pytest.raises(DeviceError, match="staged='a Staged of another session'"):
        device.begin_load(0, foreign, "icap")


def test_errors_come_again_as_they_were(play: Play, tmp_path: Path) -> None:
    recorder = Recorder(Emulator("pynq-z2", faults=[CorruptLoad(1)]))
    messages = []
    with recorder:
        with pytest.raises(ReconfigurationError) as caught:
            activate(recorder, 0, "add_8")
        messages.append((str(caught.value), caught.value.partition_state))
    path = tmp_path / "fault.frr"
    path.write_bytes(recorder.recording())
    with Replay("pynq-z2", recording=path) as device:
        with pytest.raises(ReconfigurationError, match="CRC error") as caught:
            activate(device, 0, "add_8")
        messages.append((str(caught.value), caught.value.partition_state))
    assert messages[0] == messages[1]


def test_a_surprise_of_the_device_is_recorded_as_its_error(tmp_path: Path) -> None:
    class Surprising(Emulator):
        """Fails as no device should."""

        def identify(self, partition: int) -> int:
            raise RuntimeError("the cable fell out")

    recorder = Recorder(Surprising("pynq-z2"))
    with recorder, pytest.raises(RuntimeError, match="cable"):
        recorder.identify(0)
    path = tmp_path / "surprise.frr"
    path.write_bytes(recorder.recording())
    with Replay("pynq-z2", recording=path) as device:
        with pytest.raises(DeviceError, match="RuntimeError: the cable fell out"):
            device.identify(0)


def test_the_first_difference_stays_in_sight(play: Play) -> None:
    """What cleans up after it neither raises nor hides it."""

    def session(device: Device) -> None:
        device.allocate(64).free()

    def other(device: Device) -> None:
        buffer = device.allocate(64)
        try:
            device.now_ps()
        finally:
            buffer.free()

    device = play(session)
    with pytest.raises(DeviceError, match=r"call 2 is now_ps\(\)"), device:
        other(device)


def test_needs_a_recording_of_the_same_board(play: Play, tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match="needs a recording; give it with --recording FILE"):
        Replay("pynq-z2")
    play(lambda device: None)
    path = tmp_path / "session.frr"
    with pytest.raises(DeviceError, match="was recorded on board pynq-z2, expected kv260; give"):
        Replay("kv260", recording=path)


def test_a_session_without_room_runs_on_and_is_not_kept() -> None:
    with Recorder(Emulator("pynq-z2"), limit_bytes=1000) as recorder:
        assert scaled(recorder).any()
    assert isinstance(recorder, Recorder)
    with pytest.raises(ArtifactError, match="holds more than 1,000 bytes; record fewer images"):
        recorder.recording()
