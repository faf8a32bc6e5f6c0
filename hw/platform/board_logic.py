"""All logic of a board that stays: processor, clocks, static region, configuration port.

processor -- register bridge -- static region -- partitions (empty here)
    |                              |    |
    +-- port 0: headers, bitstreams     +-- ICAP
    +-- port 1 + p: tensors and parameters of partition p
"""

from __future__ import annotations

from amaranth import Cat, ClockDomain, ClockSignal, Instance, Module, Signal
from amaranth.hdl import Value
from amaranth.lib.wiring import Component, Flow, In, PureInterface, connect

from fpga_rt.arch.boards import Board
from fpga_rt.arch.families import SERIES7
from fpga_rt.contract.boundary import BOUNDARY, Direction
from hw.platform.clocking import COMPUTE, CONFIGURATION, Clocking
from hw.platform.processor import MEMORY_ID_BITS
from hw.platform.read_join import ReadJoin
from hw.platform.register_bridge import RegisterBridge
from hw.platform.target import Target
from hw.static_region.resolved_command import ADDRESS_BITS
from hw.static_region.static_region import StaticRegion

PARTITION_MODULE = "reconfigurable_module"
"""Name of the black box in every partition, and of the top of what goes into it."""
INTERRUPT_CYCLES = 32
"""How long an interrupt is up: long enough for the slowest clock that may look at it."""
SOURCE_ID_BITS = 32


class BoardLogic(Component):
    """The logic of a board. It has no pins: the processor's own are not the logic's.

    `static_id` of the static region is the 32 bits of `source_id`, a digest of what it was built
    from, above the 32 bits that the bitstream carries for USR_ACCESSE2, which say which
    implementation of it this is.
    """

    def __init__(self, board: Board, target: Target) -> None:
        """Make the logic of a board."""
        self._board = board
        self._target = target
        super().__init__({"source_id": In(SOURCE_ID_BITS)})

    def elaborate(self, platform: object) -> Module:
        """Instantiate everything and connect it."""
        m = Module()
        target = self._target
        m.domains += [ClockDomain(COMPUTE), ClockDomain(CONFIGURATION)]
        m.submodules.processor = processor = target.processor()
        m.submodules.clocks = clocking = Clocking(target.clocks(self._board), target.primitives)
        m.submodules.static_region = region = StaticRegion(self._board)
        m.submodules.bridge = bridge = RegisterBridge(
            processor.data_bits, processor.address_bits, processor.id_bits, processor.window_bits
        )
        connect(m, processor.registers, bridge.processor)
        connect(m, bridge.registers, region.s_axi)
        m.d.comb += [clocking.source.eq(processor.clock), clocking.running.eq(processor.running)]
        self._connect_memory(m, processor.memory, region)
        self._connect_identity(m, region)
        self._connect_configuration_port(m, region.icap)
        self._connect_interrupt(m, region.interrupt, processor.interrupt)
        for index, partition in enumerate(self._board.partitions):
            m.submodules[partition.name] = partition_instance(region.rp[index])
        return m

    def _connect_memory(self, m: Module, memory: PureInterface, region: StaticRegion) -> None:
        """Spread the static region's managers over the processor's ports."""
        groups = [("control", (region.control, region.configuration), None)]
        for index, partition in enumerate(self._board.partitions):
            features = region.features[index]
            readers = (features.read, region.parameters[index])
            groups.append((partition.name, readers, features.write))
        for index, (name, readers, writer) in enumerate(groups):
            port = memory[index]
            m.submodules[f"memory_{name}"] = join = ReadJoin(
                len(readers), ADDRESS_BITS, MEMORY_ID_BITS
            )
            for place, reader in enumerate(readers):
                connect(m, reader, join.readers[place])
            for member in join.memory.signature.members:
                assign(m, join.memory, port, member)
            for member in () if writer is None else writer.signature.members:
                assign(m, writer, port, member)

    def _connect_identity(self, m: Module, region: StaticRegion) -> None:
        implementation = Signal(32)
        m.submodules.usr_access = Instance("USR_ACCESSE2", o_DATA=implementation)
        m.d.comb += region.static_id.eq(Cat(implementation, self.source_id))

    def _connect_configuration_port(self, m: Module, icap: PureInterface) -> None:
        pins = {
            "a_keep": 1,
            "i_CLK": ClockSignal(CONFIGURATION),
            "i_CSIB": icap.csib,
            "i_RDWRB": icap.rdwrb,
            "i_I": icap.i,
            "o_O": icap.o,
        }
        if self._board.device.family is SERIES7:
            m.submodules.icap = Instance("ICAPE2", p_ICAP_WIDTH="X32", **pins)
            return
        pins |= {"o_AVAIL": icap.avail, "o_PRDONE": icap.prdone, "o_PRERROR": icap.prerror}
        m.submodules.icap = Instance("ICAPE3", **pins)

    def _connect_interrupt(self, m: Module, event: Value, interrupt: Value) -> None:
        """Hold an event of one clock for `INTERRUPT_CYCLES`."""
        left = Signal(range(INTERRUPT_CYCLES + 1))
        m.d.comb += interrupt.eq(left != 0)
        with m.If(event):
            m.d.sync += left.eq(INTERRUPT_CYCLES)
        with m.Elif(left != 0):
            m.d.sync += left.eq(left - 1)


def partition_instance(boundary: PureInterface) -> Instance:
    """Return the black box of a partition behind its boundary."""
    pins = {"i_clk": ClockSignal()}
    for wire in BOUNDARY:
        stream, _, part = wire.name.rpartition("_")
        if part in ("data", "valid", "ready"):
            value = getattr(getattr(boundary, stream), "payload" if part == "data" else part)
        else:
            value = getattr(boundary, wire.name)
        pins[f"{'i' if wire.direction is Direction.INPUT else 'o'}_{wire.name}"] = value
    return Instance(PARTITION_MODULE, **pins)


def assign(m: Module, source: PureInterface, sink: PureInterface, member: str) -> None:
    """Connect a member of two interfaces of which `source` is the manager's."""
    if source.signature.members[member].flow is Flow.Out:
        m.d.comb += getattr(sink, member).eq(getattr(source, member))
    else:
        m.d.comb += getattr(source, member).eq(getattr(sink, member))
