"""The static region: everything that stays while modules come and go.

    AXI4-Lite <-> registers --> configuration controller --> ICAP
                     |
                 sequencer --> partition 0 <-> boundary of module 0
                               partition 1 <-> boundary of module 1     feature memory
                               ...                                  <-> (all partitions)

Every AXI port has one job, so that a board can spread them over its memory ports:
`control` reads headers and descriptors, `configuration` bitstreams, and each partition has one for
tensors and one for parameters. A board without an ICAP has no configuration controller, and one may
be without a feature memory.
"""

from __future__ import annotations

from collections.abc import Sequence

from amaranth import Cat, Module
from amaranth.lib.wiring import Component, In, Out, PureInterface, Signature, connect, flipped

from fpga_rt.arch.boards import Board
from fpga_rt.arch.families import SERIES7
from fpga_rt.contract.static_region import (
    CONTROLLER_PORT,
    STATIC_REGION,
    ConfigurationState,
    PartitionState,
    partition_register,
)
from hw.blocks.axi import axi_lite, axi_read, axi_write
from hw.blocks.boundary import BOUNDARY
from hw.blocks.register_file import ADDRESS_BITS as REGISTER_ADDRESS_BITS
from hw.blocks.register_file import RegisterFile
from hw.static_region.absent_feature_memory import AbsentFeatureMemory
from hw.static_region.configuration_controller import ConfigurationController
from hw.static_region.feature_memory import FeatureMemory
from hw.static_region.frame_windows import far_windows
from hw.static_region.partition import Partition
from hw.static_region.port_feeder import ICAP
from hw.static_region.resolved_command import ADDRESS_BITS
from hw.static_region.sequencer import Sequencer
from hw.static_region.stream_guard import Primitive

STATIC_ID_BITS = 64


class StaticRegion(Component):
    """The static region of a board.

    `static_id` is a digest of the implementation, a constant that who instantiates it ties, since
    it is known only when all of it is there: two implementations of one design do not share partial
    bitstreams.

    `configuration` and `icap` are there if the board has an ICAP. Without one the controller's
    registers read as IDLE, and writing them does nothing.

    `interrupt` is one for a clock when a submission has ended, `configuration_running` during a
    load. For each partition `event_start` is one in the clock after one in which a command began to
    compute, `event_end` in the clock after one in which it ended, and `event_parameters` from when
    on a command has the parameters that it needs to compute; they are there to be watched.
    """

    def __init__(self, board: Board) -> None:
        """Make the static region of a board: for its partitions, feature memory and FPGA."""
        self._board = board
        self._has_controller = CONTROLLER_PORT in board.ports
        count = len(board.partitions)
        configuration, icap = Out(axi_read(ADDRESS_BITS)), Out(ICAP)
        super().__init__(
            {
                "static_id": In(STATIC_ID_BITS),
                "s_axi": In(axi_lite(REGISTER_ADDRESS_BITS)),
                "control": Out(axi_read(ADDRESS_BITS)),
                **({"configuration": configuration} if self._has_controller else {}),
                "features": Out(_features()).array(count),
                "parameters": Out(axi_read(ADDRESS_BITS)).array(count),
                "rp": Out(BOUNDARY).array(count),
                **({"icap": icap} if self._has_controller else {}),
                "interrupt": Out(1),
                "configuration_running": Out(1),
                "event_start": Out(1).array(count),
                "event_end": Out(1).array(count),
                "event_parameters": Out(1).array(count),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Connect registers, controller, sequencer, feature memory and partitions."""
        board = self._board
        count = len(board.partitions)
        m = Module()
        initial = {partition_register(p, "control"): 1 for p in range(count)}
        m.submodules.registers = registers = RegisterFile(STATIC_REGION, initial)
        m.submodules.sequencer = sequencer = Sequencer(count)
        m.submodules.feature_memory = features = _feature_memory(board)
        controller = _controller(board) if self._has_controller else None
        if controller is not None:
            m.submodules.controller = controller
        partitions = [Partition() for _ in range(count)]
        m.submodules += partitions
        connect(m, flipped(self.s_axi), registers.bus)
        self._connect_identity(m, registers)
        self._connect_sequencer(m, registers, sequencer)
        if controller is not None:
            self._connect_controller(m, registers, controller, partitions)
        for index, partition in enumerate(partitions):
            connect(m, sequencer.ports[index], partition.sequencer)
            connect(m, partition.on_chip_read, features.read[index])
            connect(m, partition.on_chip_write, features.write[index])
            self._connect_partition(m, registers, partition, index)
            self._connect_status(m, registers, sequencer.ports[index], index)
        return m

    def _connect_identity(self, m: Module, registers: RegisterFile) -> None:
        board = self._board
        m.d.comb += [
            registers.map_id.value.eq(STATIC_REGION.map_id),
            registers.capabilities.partitions.eq(len(board.partitions)),
            registers.static_id.value.eq(self.static_id),
            registers.feature_memory.value.eq(board.feature_memory_bytes),
            registers.idcode.value.eq(board.device.idcode),
        ]

    def _connect_sequencer(self, m: Module, registers: RegisterFile, sequencer: Sequencer) -> None:
        connect(m, sequencer.axi, flipped(self.control))
        m.d.comb += [
            sequencer.submission.eq(registers.submission.value),
            sequencer.start.eq(registers.doorbell.start),
            sequencer.abort.eq(registers.doorbell.abort),
            registers.sequencer_status.busy.eq(sequencer.busy),
            registers.sequencer_status.done.eq(sequencer.done),
            registers.sequencer_status.error.eq(sequencer.error),
            registers.sequencer_status.error_partition.eq(sequencer.error_partition),
            registers.completed_bank.value.eq(sequencer.bank),
            self.interrupt.eq(sequencer.irq),
        ]

    def _connect_controller(
        self,
        m: Module,
        registers: RegisterFile,
        controller: ConfigurationController,
        partitions: Sequence[Partition],
    ) -> None:
        connect(m, controller.axi, flipped(self.configuration))
        connect(m, controller.icap, flipped(self.icap))
        m.d.comb += [
            controller.source.eq(registers.configuration_source.value),
            controller.words.eq(registers.configuration_words.value),
            controller.start.eq(registers.configuration_control.start),
            controller.abort.eq(registers.configuration_control.abort),
            controller.loading.eq(Cat(p.state == PartitionState.LOADING for p in partitions)),
            registers.configuration_status.state.eq(controller.state),
            registers.configuration_status.error.eq(controller.error),
            registers.configuration_status.refused.eq(controller.refused),
            registers.configuration_idcode.value.eq(controller.idcode_readback),
            registers.configuration_port_status.value.eq(controller.stat),
            self.configuration_running.eq(controller.state == ConfigurationState.RUNNING),
            *(p.load_runs.eq(controller.runs[index]) for index, p in enumerate(partitions)),
            *(p.load_failed.eq(controller.fails[index]) for index, p in enumerate(partitions)),
        ]

    def _connect_partition(
        self, m: Module, registers: RegisterFile, partition: Partition, index: int
    ) -> None:
        connect(m, partition.features_read, flipped(self.features[index].read))
        connect(m, partition.features_write, flipped(self.features[index].write))
        connect(m, partition.parameters, flipped(self.parameters[index]))
        connect(m, partition.boundary, flipped(self.rp[index]))
        control, load = _register(registers, index, "control"), _register(registers, index, "load")
        status = _register(registers, index, "status")
        m.d.comb += [
            partition.written.eq(control.written),
            partition.decouple.eq(control.decouple),
            partition.reset.eq(control.reset),
            partition.begin.eq(load.begin),
            partition.finish.eq(load.finish),
            partition.fail.eq(load.fail),
            _register(registers, index, "module_id").value.eq(partition.identity),
            status.decoupled.eq(partition.decoupled),
            status.quiescent.eq(partition.quiescent),
            status.state.eq(partition.state),
        ]

    def _connect_status(
        self, m: Module, registers: RegisterFile, port: PureInterface, index: int
    ) -> None:
        error = _register(registers, index, "error")
        m.d.comb += [
            _register(registers, index, "completed").value.eq(port.completed),
            error.code.eq(port.error),
            error.command.eq(port.error_command),
            self.event_end[index].eq(port.ended),
        ]
        m.d.sync += [
            self.event_start[index].eq(port.compute),
            self.event_parameters[index].eq(port.loaded),
        ]


def _features() -> Signature:
    return Signature({"read": Out(axi_read(ADDRESS_BITS)), "write": Out(axi_write(ADDRESS_BITS))})


def _register(registers: RegisterFile, partition: int, name: str) -> PureInterface:
    return getattr(registers, partition_register(partition, name))


def _feature_memory(board: Board) -> FeatureMemory | AbsentFeatureMemory:
    count = len(board.partitions)
    if not board.feature_memory_bytes:
        return AbsentFeatureMemory(count)
    return FeatureMemory(board.feature_memory_bytes, count)


def _controller(board: Board) -> ConfigurationController:
    windows = [far_windows(board.device, partition) for partition in board.partitions]
    icap: Primitive = "ICAPE2" if board.device.family is SERIES7 else "ICAPE3"
    return ConfigurationController(len(windows), board.device.idcode, windows, icap, ADDRESS_BITS)
