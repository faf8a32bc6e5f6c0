"""All logic of a kernel for a card under XRT but the module: the static region and its ports.

    s_axi -- pages --+-- kernel's registers: memory_base
                     +-- static region -- partition (the module, for good)
                              |
                     read join -- window -- m_axi

XRT swaps all of it, so there is no configuration port, and the partition is no reconfigurable one.
"""

from __future__ import annotations

from amaranth import Module
from amaranth.lib.wiring import Component, In, Out, connect, flipped

from fpga_rt.arch.boards import Board
from fpga_rt.contract.kernel import IDLE, KERNEL, STATIC_REGION_OFFSET
from hw.blocks.axi import axi_lite
from hw.blocks.register_file import ADDRESS_BITS as PAGE_BITS
from hw.blocks.register_file import RegisterFile
from hw.platform.axi_full import memory_port
from hw.platform.board_logic import assign, partition_instance
from hw.platform.memory_window import CARD_ADDRESS_BITS, MemoryWindow
from hw.platform.read_join import ReadJoin
from hw.platform.register_pages import RegisterPages
from hw.static_region.resolved_command import ADDRESS_BITS
from hw.static_region.static_region import STATIC_ID_BITS, StaticRegion

ID_BITS = 2
"""Of reads on the memory port: headers and descriptors, tensors, parameters."""
_PAGES = 1 + (STATIC_REGION_OFFSET >> PAGE_BITS)


class KernelLogic(Component):
    """The logic of a kernel; `static_id` is a digest of what it was made from."""

    def __init__(self, board: Board) -> None:
        """Make the logic of a board with one partition and without an ICAP."""
        self._board = board
        super().__init__(
            {
                "static_id": In(STATIC_ID_BITS),
                "s_axi": In(axi_lite(PAGE_BITS + (_PAGES - 1).bit_length())),
                "m_axi": Out(memory_port(CARD_ADDRESS_BITS, ID_BITS)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Instantiate everything and connect it."""
        m = Module()
        m.submodules.static_region = region = StaticRegion(self._board)
        m.submodules.pages = pages = RegisterPages(_PAGES)
        m.submodules.registers = registers = RegisterFile(KERNEL, {"control": IDLE})
        m.submodules.memory = join = ReadJoin(3, ADDRESS_BITS, ID_BITS)
        m.submodules.window = window = MemoryWindow(ID_BITS)
        connect(m, flipped(self.s_axi), pages.bus)
        connect(m, pages.pages[0], registers.bus)
        connect(m, pages.pages[1], region.s_axi)
        features = region.features[0]
        for place, reader in enumerate((region.control, features.read, region.parameters[0])):
            connect(m, reader, join.readers[place])
        for member in join.memory.signature.members:
            assign(m, join.memory, window.region, member)
        for member in features.write.signature.members:
            assign(m, features.write, window.region, member)
        connect(m, window.card, flipped(self.m_axi))
        m.d.comb += [
            region.static_id.eq(self.static_id),
            window.base.eq(registers.memory_base.value),
            registers.kernel_id.value.eq(KERNEL.map_id),
        ]
        m.submodules.partition = partition_instance(region.rp[0])
        return m
