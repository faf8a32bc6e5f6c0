"""The processor's side of the simulated boards: names, clock registers, ports, GPIO pins.

Ref: Zynq-7000 (UG585, SLCR) and Zynq UltraScale+ (UG1087, CRL_APB and CRF_APB)
Document: offsets and fields of the PLL and clock registers; PYNQ computes frequencies from them
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NoReturn

from fpga_rt.arch.boards import Board
from fpga_rt.arch.families import SERIES7
from fpga_rt.errors import DeviceError
from fpga_rt.serve.hwh import AddressRange, clock_divisor
from fpga_rt.serve.peripherals import Peripheral, Words

_REGISTERS = "processor"


@dataclass(frozen=True)
class Processor:
    """What a client can tell one processor from another by.

    Attributes:
        machine: as in /proc/version; PYNQ takes any other than `aarch64` for `armv7l`.
        driver: name of its fpga_manager.
        gpio_base: number of its first GPIO pin in sysfs.
        gpio_pins: how many it has, multiplexed and extended ones.
        clocks: address of each of the four clock registers of the logic.
        divisor_bits: where these hold their two divisors.
        power_up: registers by address, with what they hold after boot.
        ranges: further ranges of registers, as `name: (base, size)`.
    """

    machine: str
    driver: str
    gpio_base: int
    gpio_pins: int
    clocks: tuple[int, ...]
    divisor_bits: tuple[int, int]
    power_up: Mapping[int, int]
    ranges: Mapping[str, tuple[int, int]]

    @property
    def version(self) -> str:
        """Content of /proc/version."""
        return f"Linux version 6.6.0-xilinx ({self.machine}, simulated by fpga_rt) #1 SMP\n"


_ZYNQ = Processor(
    machine="armv7l",
    driver="Xilinx Zynq FPGA Manager",
    gpio_base=906,
    gpio_pins=118,
    clocks=(0xF800_0170, 0xF800_0180, 0xF800_0190, 0xF800_01A0),
    divisor_bits=(8, 20),
    power_up={  # PLLs of 1300, 1050 and 1000 MHz from 50 MHz; the processor at half of the first
        0xF800_0100: 26 << 12,
        0xF800_0104: 21 << 12,
        0xF800_0108: 20 << 12,
        0xF800_0120: 0x1F00_0000 | 2 << 8,
    },
    ranges={"slcr": (0xF800_0000, 0x1000), "axi_hp": (0xF800_8000, 0x4000)},
)

_ZYNQ_ULTRASCALE = Processor(
    machine="aarch64",
    driver="Xilinx ZynqMP FPGA Manager",
    gpio_base=338,
    gpio_pins=174,
    clocks=(0xFF5E_00C0, 0xFF5E_00C4, 0xFF5E_00C8, 0xFF5E_00CC),
    divisor_bits=(8, 16),
    power_up={  # from 33.333 MHz, halved: 1000 MHz for the logic, 1200 MHz for the processor
        0xFF5E_0020: 60 << 8 | 1 << 16,
        0xFF5E_0030: 45 << 8 | 1 << 16,
        0xFD1A_0020: 72 << 8 | 1 << 16,
        0xFD1A_002C: 64 << 8 | 1 << 16,
        0xFD1A_0038: 90 << 8 | 1 << 16,
        0xFD1A_0060: 1 << 8,
    },
    ranges={
        "crl_apb": (0xFF5E_0000, 0x1000),
        "crf_apb": (0xFD1A_0000, 0x1000),
        "fpd_slcr": (0xFD61_0000, 0x1_0000),
        "lpd_slcr": (0xFF41_0000, 0x1_0000),
        "afifm0_5": (0xFD36_0000, 0x6_0000),
        "afifm6": (0xFF9B_0000, 0x1_0000),
    },
)

_OTHER_CLOCK = (10, 1)
"""Divisors of the clocks that the static region does not use: 100 MHz."""
_ACTIVE = 1 << 24
"""CLKACT, on Zynq UltraScale+."""


def processor_of(board: Board) -> Processor:
    """Return the processor beside a board's logic.

    Raises:
        DeviceError: there is none.
    """
    if "pcap" not in board.ports:
        raise DeviceError(
            f"board {board.name} has no processor that PYNQ could run on, expected one with a"
            " PCAP; use a Zynq board such as pynq-z2 or kv260"
        )
    return _ZYNQ if board.device.family is SERIES7 else _ZYNQ_ULTRASCALE


class ProcessorRegisters:
    """The registers of a processor, in ranges as a client maps them."""

    def __init__(self, board: Board) -> None:
        """Hold what boot left: the first clock at the board's compute clock.

        Raises:
            DeviceError: the board has no processor.
        """
        self.processor = processor_of(board)
        self.ranges: dict[AddressRange, Peripheral] = {}
        values = dict(self.processor.power_up)
        for index, address in enumerate(self.processor.clocks):
            divisors = (clock_divisor(board), 1) if index == 0 else _OTHER_CLOCK
            values[address] = self._with_divisors(0, divisors)
        for name, (base, size) in self.processor.ranges.items():
            held = {a - base: v for a, v in values.items() if base <= a < base + size}
            self.ranges[AddressRange(name, _REGISTERS, base, size)] = Words(held)

    def at(self, address: int) -> tuple[AddressRange, Peripheral] | None:
        """Return what answers at an address, None for nothing."""
        for place, registers in self.ranges.items():
            if place.base <= address < place.end:
                return place, registers
        return None

    def set_clock(self, index: int, divisors: tuple[int, int]) -> None:
        """Divide one of the clocks of the logic.

        Raises:
            DeviceError: there is no such clock, or a divisor does not fit its six bits.
        """
        if not 0 <= index < len(self.processor.clocks) or not all(1 <= d <= 63 for d in divisors):
            raise DeviceError(
                f"clock {index} with divisors {divisors[0]} and {divisors[1]}: expected clock 0..3"
                " and divisors 1..63"
            )
        address = self.processor.clocks[index]
        found = self.at(address)
        if found is not None:
            place, registers = found
            offset = address - place.base
            word = self._with_divisors(registers.read32(offset), divisors)
            registers.write32(offset, word, _no_memory)

    def _with_divisors(self, word: int, divisors: tuple[int, int]) -> int:
        for low, divisor in zip(self.processor.divisor_bits, divisors, strict=True):
            word = word & ~(0x3F << low) | divisor << low
        return word | (_ACTIVE if self.processor is _ZYNQ_ULTRASCALE else 0)


def _no_memory(address: int, size_bytes: int) -> NoReturn:
    raise DeviceError("clock registers use no memory")
