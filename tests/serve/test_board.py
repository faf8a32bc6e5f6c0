"""Designs come and go: the static region, foreign designs with their .hwh, and unknown ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from fpga_rt.arch.boards import board
from fpga_rt.bitstream.convert import convert
from fpga_rt.bitstream.verify import verify
from fpga_rt.contract.static_region import STATIC_REGION
from fpga_rt.device.emulator import Emulator
from fpga_rt.device.interface import Pending, Staged
from fpga_rt.errors import ArtifactError, DeviceError
from fpga_rt.serve.board import PynqBoard
from fpga_rt.serve.designs import Design, read_design, write_overlay
from fpga_rt.serve.files import MOST_FILES, Files
from fpga_rt.serve.hwh import read_hwh, static_region_range
from tests.serve.caller import MANAGER
from tests.serve.streams import TARGET, partial

BASE = static_region_range(TARGET).base
Boot = Callable[..., PynqBoard]


def nothing(address: int, size_bytes: int) -> NDArray[np.uint8]:
    raise DeviceError("no memory")


@pytest.fixture
def boot() -> Iterator[Boot]:
    """Return a function that boots a simulated PYNQ-Z2 with designs."""
    with ExitStack() as running:

        def make(*designs: Design) -> PynqBoard:
            device = running.enter_context(Emulator(TARGET, memory_bytes=1 << 20))
            return PynqBoard(device, designs)

        yield make


def download(simulated: PynqBoard, path: Path, flags: bytes) -> None:
    simulated.files.write("/lib/firmware/it.bin", convert(path.read_bytes()).data)
    simulated.files.write(f"{MANAGER}/flags", flags)
    simulated.files.write(f"{MANAGER}/firmware", b"it.bin")


@pytest.mark.parametrize(
    ("ports", "expected"), [(None, "pcap"), (("icap", "pcap"), "pcap"), (("icap",), "icap")]
)
def test_a_download_takes_a_port_that_the_device_has(
    ports: tuple[str, ...] | None, expected: str
) -> None:
    class Ports(Emulator):
        def begin_load(self, partition: int, staged: Staged, port: str) -> Pending:
            taken.append(port)
            return super().begin_load(partition, staged, port)

    taken: list[str] = []
    device = Ports(TARGET, memory_bytes=1 << 20)
    device.capabilities = replace(device.capabilities, ports=ports)
    with device:
        simulated = PynqBoard(device)
        simulated.files.write("/lib/firmware/m.bin", partial(0))
        simulated.files.write(f"{MANAGER}/flags", b"1")
        simulated.files.write(f"{MANAGER}/firmware", b"m.bin")
    assert taken == [expected]


def test_the_overlay_is_a_sound_bitstream_and_its_hwh(tmp_path: Path, boot: Boot) -> None:
    bit, hwh = write_overlay(TARGET, tmp_path)
    assert verify(bit.read_bytes(), TARGET.device).kind == "full"
    assert read_hwh(hwh.read_text(), hwh.name) == (static_region_range(TARGET),)
    simulated = boot()
    simulated.files.write("/lib/firmware/m.bin", partial(0))
    simulated.files.write(f"{MANAGER}/flags", b"1")
    simulated.files.write(f"{MANAGER}/firmware", b"m.bin")
    assert simulated.device.identify(0)
    download(simulated, bit, b"0")
    assert simulated.device.identify(0) == 0
    assert simulated.read_word(BASE) == STATIC_REGION.map_id


def test_a_foreign_design_answers_where_its_hwh_says(data_dir: Path, boot: Boot) -> None:
    folder = data_dir / "bitstreams" / "yunqu-partial_reconfig_example"
    full, inner = (
        folder / f"boards__Pynq-Z1__gpio_pr__{name}.bit" for name in ("gpio_pr", "led_0")
    )
    simulated = boot(read_design(str(full)), read_design(str(inner)))
    with pytest.raises(ArtifactError, match="is for no partition of pynq-z2"):
        download(simulated, inner, b"1")  # our static region has other regions

    download(simulated, full, b"0")
    with pytest.raises(DeviceError, match="nothing answers at 0x40000000: design boards__Pynq-Z1"):
        simulated.read_word(BASE)
    with pytest.raises(DeviceError, match=r"gpio_0 \(pd_gpio_0\) 0x41230000.* is not simulated"):
        simulated.read_word(0x4123_0000)

    download(simulated, inner, b"1")
    simulated.write_word(0x4123_0004, 0, nothing)  # leds_gpio: every pin an output
    simulated.write_word(0x4123_0000, 0x9, nothing)
    assert simulated.read_word(0x4123_0000) == 0x9
    assert simulated.read_word(0x4180_0018) == 0xFFFF_FFFF  # no interrupt is pending
    download(simulated, folder / "boards__Pynq-Z1__gpio_pr__led_5.bit", b"1")  # no .hwh with it
    assert simulated.files.read(f"{MANAGER}/state") == b"operating\n"


def test_of_several_regions_the_one_that_is_named(data_dir: Path, boot: Boot) -> None:
    folder = data_dir / "bitstreams" / "byuccl-PYNQ-PRIO"
    full = folder / "boards__Pynq-Z1__prio__prio.bit"
    inner = folder / "boards__Pynq-Z1__prio__partial__pr_0_gpio.bit"
    simulated = boot(read_design(str(full)), read_design(str(inner)))
    download(simulated, full, b"0")
    with pytest.raises(ArtifactError, match=r"those of 6 instances .*pr_5\), expected one; name"):
        download(simulated, inner, b"1")
    assert simulated.files.read(f"{MANAGER}/state") == b"write error\n"

    simulated = boot(read_design(str(full)), read_design(f"{inner}@pr_0"))
    download(simulated, full, b"0")
    download(simulated, inner, b"1")
    assert simulated.read_word(0x4120_0004) == 0xFFFF_FFFF
    with pytest.raises(DeviceError, match=r"pr_1 \(\w+\) 0x4121"):
        simulated.read_word(0x4121_0004)


def test_an_unknown_design_is_programmed_and_does_not_answer(data_dir: Path, boot: Boot) -> None:
    folder = data_dir / "bitstreams" / "Xilinx-BNN-PYNQ"
    simulated = boot()
    download(simulated, folder / "bnn__bitstreams__pynqZ1-Z2__cnvW1A1-pynqZ1-Z2.bit", b"0")
    assert "logic: unknown" in simulated.description
    with pytest.raises(DeviceError, match="design unknown has no addresses: the server was given"):
        simulated.read_word(BASE)


def test_designs_are_files_and_given_once(tmp_path: Path, boot: Boot) -> None:
    with pytest.raises(ArtifactError, match=r"none\.bit cannot be read .* a design is a \.bit"):
        read_design(str(tmp_path / "none.bit"))
    bit, hwh = write_overlay(TARGET, tmp_path)
    with pytest.raises(ArtifactError, match="fpga_rt_pynq_z2 and fpga_rt_pynq_z2 have the same"):
        boot(read_design(str(bit)))
    hwh.unlink()
    with pytest.raises(ArtifactError, match=r"fpga_rt_pynq_z2\.hwh cannot be read"):
        read_design(str(bit))


def test_clocks_are_those_of_the_board(boot: Boot) -> None:
    """The frequencies of UG585: 50 MHz by the feedback divisor, by both divisors."""
    simulated = boot()
    pll, clock = (simulated.read_word(0xF800_0000 + offset) for offset in (0x108, 0x170))
    mhz = 50 * (pll >> 12 & 0x7F) / ((clock >> 8 & 0x3F) * (clock >> 20 & 0x3F))
    assert mhz == pytest.approx(1e6 / TARGET.clock_ps)


def test_a_board_without_a_processor_is_refused() -> None:
    with (
        Emulator(board("alveo-u200"), memory_bytes=1 << 20) as device,
        pytest.raises(DeviceError, match="alveo-u200 has no processor that PYNQ could run on"),
    ):
        PynqBoard(device)


def test_files_are_bounded() -> None:
    store = Files({}, {})
    for index in range(MOST_FILES):
        store.write(f"/tmp/{index}", b"")
    with pytest.raises(DeviceError, match="1024 files are there, expected fewer"):
        store.write("/tmp/more", b"")
    store.write("/tmp/0", b"again")
    with pytest.raises(DeviceError, match="no room for 67108865 bytes"):
        store.write("/tmp/0", bytes((64 << 20) + 1))
    for path in ("tmp/0", "/tmp/" + "a" * 2000, "/tmp/\0"):
        with pytest.raises(DeviceError, match="expected an absolute one"):
            store.write(path, b"")
