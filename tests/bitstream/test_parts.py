"""Parts in headers, as public files of Vivado and other tools have them."""

from __future__ import annotations

import pytest

from fpga_rt.arch.boards import board
from fpga_rt.arch.devices import device
from fpga_rt.arch.floorplan import cells
from fpga_rt.bitstream.build import bit_file, simulation_bitstream
from fpga_rt.bitstream.parts import names_device
from fpga_rt.bitstream.verify import verify, verify_partial
from fpga_rt.errors import ArtifactError


@pytest.mark.parametrize(
    ("name", "part", "same"),
    [
        ("xc7z020", "7z020clg400", True),
        ("xc7z020", "xc7z020clg400-1", True),
        ("xc7z020", "xa7z020clg484", True),
        ("xc7z020", "xc7z020", True),
        ("xc7z020", "7z010clg400", False),
        ("xc7z020", "7z0201clg400", False),
        ("xc7z020", "", False),
        ("xczu7ev", "xczu7ev-ffvc1156-2-e", True),
        ("xczu7ev", "xczu7cg-ffvc1156-2-e", True),
        ("xczu7ev", "xczu3eg-sbva484-1-i", False),
        ("xczu3eg", "xczu3teg-sfvd784-1-e", False),
        ("xck26", "xck26-sfvc784-2LV-c", True),
        ("xck26", "xck24-ubva530-2LV-c", False),
    ],
)
def test_a_part_is_one_of_a_device(name: str, part: str, same: bool) -> None:
    assert names_device(part, device(name)) == same


def test_a_header_of_another_part_is_refused_with_both_names() -> None:
    target = board("pynq-z2")
    rp = target.partitions[0]
    stream = simulation_bitstream(target.device, rp, 1)
    good = bit_file(stream, "top", "7z020clg484", partial=True)
    assert verify_partial(good, target.device, rp).module_id == 1
    wrong = bit_file(stream, "top", "7z010clg400", partial=True)
    text = (
        "part in the .bit header at byte 0: got '7z010clg400', expected one of xc7z020, since "
        "IDCODE 0x03727093 in the stream is that of it; the file was put together from two: build "
        "the bitstream for xc7z020"
    )
    for region in (None, cells(target.device, rp)):
        with pytest.raises(ArtifactError) as caught:
            verify(wrong, target.device, region)
        assert str(caught.value) == text
    with pytest.raises(ArtifactError, match=r"IDCODE at byte \d+: got 0x03727093, expected 0x037"):
        verify(wrong, device("xc7z010"))
