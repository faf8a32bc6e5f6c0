"""xclbin files, against structures that are declared as XRT's header has them."""

from __future__ import annotations

import pytest

from fpga_rt.device.xrt.xclbin import card_of, parse
from fpga_rt.errors import ArtifactError
from tests.standin.xrt import PLATFORM, xclbin

STREAM = bytes(range(200))
FILE = xclbin(STREAM, number=7)


def test_what_is_read_of_a_file() -> None:
    found = parse(FILE, "a.xclbin")
    assert found.bitstream == STREAM
    assert found.platform == PLATFORM
    assert found.card == "xilinx_u200"
    assert found.uuid.int == 7


def test_platforms_of_a_card_begin_with_its_name() -> None:
    assert card_of("xilinx_u200_gen3x16_xdma_base_2") == card_of(PLATFORM)
    assert parse(xclbin(b"", "xilinx:u250:xdma:201830.2"), "b").card == "xilinx_u250"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", r"is no xclbin \(got b''"),
        (b"\0\x09\x0f\xf0" * 200, "is this a bitstream"),
        (FILE[:300], "is no xclbin"),
        (FILE[:-1], r"got \d+ bytes with 2 sections, expected the \d+ bytes"),
        (FILE + b"\0", "copy it again"),
    ],
)
def test_other_files_are_refused(data: bytes, message: str) -> None:
    with pytest.raises(ArtifactError, match=message):
        parse(data, "a.xclbin")


def test_a_section_outside_of_the_file_is_refused() -> None:
    damaged = bytearray(FILE)
    at = 456 + 40 + 32  # size of the second section
    damaged[at : at + 8] = (1 << 40).to_bytes(8, "little")
    with pytest.raises(ArtifactError, match="section 1 of kind 0 ends at"):
        parse(bytes(damaged), "a.xclbin")
