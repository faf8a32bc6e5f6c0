"""The processors of Zynq devices as the logic sees them: one port of registers, ports to memory.

The primitives are instantiated as they are, without an IP core around them: what is configured
besides (DRAM, pins, PLLs) is the boot loader's, and everything that constraints name is in this
project's own netlist.

Ref: Zynq-7000 SoC Technical Reference Manual
Document: UG585, 2.7 (PS-PL AXI interfaces), 5 (interconnect), 7.2.3 (PL interrupts), 25.6 (FCLK)
Ref: Zynq UltraScale+ Device Technical Reference Manual
Document: UG1085, 35 (PS-PL AXI interfaces), 13 (interrupts), 37 (PL clocks)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from amaranth import Cat, ClockSignal, Instance, Module, Signal
from amaranth.hdl import Const, Value
from amaranth.lib.wiring import Component, In, Out, PureInterface

from hw.platform.axi_full import memory_port, processor_port
from hw.static_region.resolved_command import ADDRESS_BITS

MEMORY_ID_BITS = 6
MEMORY_PORTS = 4
_MODIFIABLE = 0b0011
"""AxCACHE of normal memory that is not cached (A4.4)."""

_ADDRESS = ("id", "addr", "len", "size", "burst")
_ANSWERS = {"b": ("id", "resp"), "r": ("id", "data", "resp", "last")}


class Processor(Component):
    """What both processors have in common; a subclass makes the primitive.

    `registers` is the processor's access to the static region; `memory` are its four 64-bit ports
    to DRAM, not coherent with its caches; `interrupt` a rising edge. `clock` is the processor's
    first clock for the logic, `running` whether the processor lets the logic run. All ports belong
    to the domain `sync`.
    """

    data_bits: int
    address_bits: int
    id_bits: int
    window_bits: int
    """Of an address within what the processor's first port to the logic sends."""
    memory_address_bits: int
    memory_data_bits: int
    """Of the primitive's ports to memory, of which the lower 64 are used."""

    def __init__(self) -> None:
        """Make its ports."""
        self.clock = Signal()
        super().__init__(
            {
                "registers": Out(processor_port(self.data_bits, self.address_bits, self.id_bits)),
                "memory": In(memory_port(ADDRESS_BITS, MEMORY_ID_BITS)).array(MEMORY_PORTS),
                "interrupt": In(1),
                "running": Out(1),
            }
        )

    def _memory_pins(
        self, name: str, port: PureInterface, m: Module, narrow: Mapping[str, int]
    ) -> dict[str, Any]:
        """Return the pins of a port by which the logic asks; `narrow` fields lose upper bits."""
        widths = {"addr": self.memory_address_bits, **narrow}
        pins: dict[str, Any] = {}
        for channel in ("aw", "ar"):
            for field in _ADDRESS[1:]:
                value = getattr(port, channel + field)
                pins[f"i_{name}{channel}{field}"] = _resized(value, widths.get(field, len(value)))
            pins[f"i_{name}{channel}cache"] = Const(_MODIFIABLE, 4)
        read = Signal(self.memory_data_bits, name=f"{name.lower()}_rdata")
        m.d.comb += port.rdata.eq(read)
        pins |= {
            f"i_{name}arid": port.arid,
            f"i_{name}awid": Const(0, MEMORY_ID_BITS),
            f"o_{name}rid": port.rid,
            f"o_{name}rdata": read,
            f"i_{name}wdata": _resized(port.wdata, self.memory_data_bits),
            f"i_{name}wstrb": _resized(port.wstrb, self.memory_data_bits // 8),
        }
        asked = ("awvalid", "arvalid", "wlast", "wvalid", "bready", "rready")
        answered = ("awready", "arready", "wready", "bresp", "bvalid", "rresp", "rlast", "rvalid")
        pins |= {f"i_{name}{field}": getattr(port, field) for field in asked}
        pins |= {f"o_{name}{field}": getattr(port, field) for field in answered}
        return {_upper(pin): value for pin, value in pins.items()}


class Zynq7000(Processor):
    """PS7: AXI3 ports, of which those to memory are S_AXI_HP0 to 3."""

    data_bits, address_bits, id_bits = 32, 32, 12
    window_bits = 30
    memory_address_bits, memory_data_bits = 32, 64

    def elaborate(self, platform: object) -> Module:
        """Instantiate PS7."""
        m = Module()
        clocks, resets = Signal(4), Signal(4)
        interrupts = Signal(20)
        m.d.comb += [
            self.clock.eq(clocks[0]),
            self.running.eq(resets[0]),
            interrupts[0].eq(self.interrupt),
        ]
        pins: dict[str, Any] = {
            "a_keep": 1,
            "o_FCLKCLK": clocks,
            "o_FCLKRESETN": resets,
            "i_IRQF2P": interrupts,
            "i_MAXIGP0ACLK": ClockSignal(),
            **_processor_pins("MAXIGP0", self.registers, m, {"len": 4, "size": 2}),
        }
        for index in range(MEMORY_PORTS):
            port, name = self.memory[index], f"SAXIHP{index}"
            pins[f"i_{name}ACLK"] = ClockSignal()
            pins |= self._memory_pins(name, port, m, {"len": 4, "size": 2})
            pins[f"i_{name}WID"] = Const(0, MEMORY_ID_BITS)
        m.submodules.ps7 = Instance("PS7", **pins)
        return m


class ZynqUltraScale(Processor):
    """PS8: AXI4 ports, of which those to memory are S_AXI_HP0_FPD to HP3_FPD, 64 of 128 bits wide.

    It gives no reset: what drives its pin depends on how the boot loader was built.
    """

    data_bits, address_bits, id_bits = 128, 40, 16
    window_bits = 28
    memory_address_bits, memory_data_bits = 49, 128
    _FIRST_MEMORY_PORT = 2
    """S_AXI_HP0_FPD is SAXIGP2 of the primitive (UG1085, table 35-1)."""

    def elaborate(self, platform: object) -> Module:
        """Instantiate PS8."""
        m = Module()
        clocks, interrupts = Signal(4), Signal(8)
        m.d.comb += [
            self.clock.eq(clocks[0]),
            self.running.eq(1),
            interrupts[0].eq(self.interrupt),
        ]
        pins: dict[str, Any] = {
            "a_keep": 1,
            "o_PLCLK": clocks,
            "i_PLPSIRQ0": interrupts,
            "i_MAXIGP0ACLK": ClockSignal(),
            **_processor_pins("MAXIGP0", self.registers, m, {}),
        }
        for index in range(MEMORY_PORTS):
            port, name = self.memory[index], f"SAXIGP{self._FIRST_MEMORY_PORT + index}"
            pins |= {f"i_{name}RCLK": ClockSignal(), f"i_{name}WCLK": ClockSignal()}
            pins |= self._memory_pins(name, port, m, {})
        m.submodules.ps8 = Instance("PS8", **pins)
        return m


def _processor_pins(
    name: str, port: PureInterface, m: Module, narrow: Mapping[str, int]
) -> dict[str, Value]:
    """Return the pins of a port by which the processor asks; `narrow` fields are zero-extended."""
    pins: dict[str, Value] = {}
    for channel in ("aw", "ar"):
        for field in _ADDRESS:
            target = getattr(port, channel + field)
            if field in narrow:
                pin = Signal(narrow[field], name=f"{channel}{field}")
                m.d.comb += target.eq(pin)
                target = pin
            pins[f"o_{name}{channel}{field}"] = target
    asked = ("awvalid", "arvalid", "wdata", "wstrb", "wlast", "wvalid", "bready", "rready")
    answered = [channel + field for channel, fields in _ANSWERS.items() for field in fields]
    answered += ["awready", "arready", "wready", "bvalid", "rvalid"]
    pins |= {f"o_{name}{field}": getattr(port, field) for field in asked}
    pins |= {f"i_{name}{field}": getattr(port, field) for field in answered}
    return {_upper(pin): value for pin, value in pins.items()}


def _resized(value: Value, width: int) -> Value:
    """Return a value without its upper bits, or with zeros above it."""
    return Cat(value, Const(0, width - len(value))) if width > len(value) else value[:width]


def _upper(pin: str) -> str:
    """Return a pin in upper case, the direction before it as it is."""
    return pin[:2] + pin[2:].upper()
