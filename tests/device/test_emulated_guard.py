"""The words of a stream, one after the other: the first that breaks a rule counts."""

from __future__ import annotations

import numpy as np
import pytest

from fpga_rt.arch.boards import board
from fpga_rt.arch.packets import SYNC, Command, Register, type1, type2, write
from fpga_rt.bitstream.build import simulation_bitstream
from fpga_rt.bitstream.verify import verify_partial
from fpga_rt.contract.static_region import ConfigurationError
from fpga_rt.device.emulated_guard import Guard, GuardFault, addresses_of
from fpga_rt.errors import ArtifactError
from tests.device.programs import module_named

PYNQ = board("pynq-z2")
PLACE = PYNQ.partitions[0]
HERE = sorted(addresses_of(PYNQ.device, PLACE))[0]
CODE = ConfigurationError
IDCODE = write(Register.IDCODE, PYNQ.device.idcode)
FAR = write(Register.FAR, HERE)
DATA = write(Register.FDRI, 0)
RESTART = write(Register.CMD, Command.RCRC)
DESYNC = write(Register.CMD, Command.DESYNC)


def guard() -> Guard:
    return Guard(PYNQ.device, addresses_of(PYNQ.device, PLACE))


@pytest.mark.parametrize(
    ("words", "code", "disturbed"),
    [
        ((), CODE.INCOMPLETE, False),
        ((0x1234, *IDCODE), CODE.INCOMPLETE, False),
        ((SYNC, *IDCODE), CODE.INCOMPLETE, False),
        ((SYNC, 0xFFFFFFFF), CODE.FORBIDDEN, False),
        ((SYNC, type2(3)), CODE.FORBIDDEN, False),
        ((SYNC, *write(Register.WBSTAR, 0)), CODE.FORBIDDEN, False),
        ((SYNC, *write(Register.CMD, Command.IPROG)), CODE.FORBIDDEN, False),
        ((SYNC, *write(Register.CTL0, 0)), CODE.FORBIDDEN, False),
        ((SYNC, *write(Register.MASK, 1), *write(Register.CTL0, 0)), CODE.FORBIDDEN, False),
        ((SYNC, *FAR, *DATA), CODE.IDCODE, False),
        ((SYNC, *write(Register.IDCODE, PYNQ.device.idcode ^ 0x1000)), CODE.IDCODE, False),
        ((SYNC, *IDCODE, *DATA), CODE.PARTITION, False),
        ((SYNC, *IDCODE, *write(Register.FAR, 1 << 25)), CODE.PARTITION, False),
        ((SYNC, *IDCODE, *FAR, *DATA, *DATA), CODE.PARTITION, True),
        ((SYNC, *IDCODE, *FAR, *DATA, *RESTART), CODE.CRC, True),
        ((SYNC, *IDCODE, *FAR, *DATA, *DESYNC), CODE.CRC, True),
        ((SYNC, *IDCODE, *FAR, *DATA, *write(Register.CRC, 0)), CODE.CRC, True),
        ((SYNC, *IDCODE, *FAR, type1(Register.FDRI, 9), 5), CODE.INCOMPLETE, True),
    ],
)
def test_the_first_fault_is_named(
    words: tuple[int, ...], code: ConfigurationError, disturbed: bool
) -> None:
    found = guard()
    with pytest.raises(GuardFault) as caught:
        found.read(np.array(words, np.uint32))
    assert caught.value.code is code
    assert caught.value.by_port is (words[-2:-1] == (type1(Register.CRC, 1),))
    assert found.disturbed is disturbed


def test_unreadable_words_count_once_they_come() -> None:
    good = np.array((SYNC, *IDCODE, *write(Register.CMD, Command.NULL)), np.uint32)
    with pytest.raises(GuardFault, match="BUS"):
        guard().read(good, whole=False)
    with pytest.raises(GuardFault, match="FORBIDDEN"):
        guard().read(np.append(good, np.uint32(0xFFFFFFFF)), whole=False)


def test_it_refuses_nothing_that_the_host_lets_through() -> None:
    """Change a bit of a good stream: the host holds a file against more rules than the guard."""
    good = simulation_bitstream(PYNQ.device, PLACE, module_named("add_8").module_id)
    words = np.frombuffer(good, ">u4").astype(np.uint32)
    guard().read(words)
    random = np.random.default_rng(1)
    refused = 0
    for _ in range(150):
        changed = words.copy()
        changed[random.integers(len(words))] ^= np.uint32(1 << int(random.integers(32)))
        try:
            guard().read(changed)
        except GuardFault:
            refused += 1
            with pytest.raises(ArtifactError):
                verify_partial(changed.astype(">u4").tobytes(), PYNQ.device, PLACE)
    assert refused > 100
