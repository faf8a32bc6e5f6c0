"""From the 32-bit addresses of the static region to a place in a card's 64-bit memory."""

from __future__ import annotations

from amaranth import Cat, Module
from amaranth.hdl import Value
from amaranth.lib.data import StructLayout
from amaranth.lib.wiring import Component, In, Out

from hw.blocks.axi import BOUNDARY_BYTES
from hw.blocks.register_slice import RegisterSlice
from hw.platform.axi_full import memory_port
from hw.static_region.resolved_command import ADDRESS_BITS

CARD_ADDRESS_BITS = 64
_PAGE_BITS = (BOUNDARY_BYTES - 1).bit_length()
_LENGTH_BITS = 8


class MemoryWindow(Component):
    """Adds `base` to every address, and a clock; data and responses pass as they are.

    What is added is `base` without its rest to 4 KiB, so a burst that crosses no such multiple
    before crosses none behind. It wraps around at the end of the 64 bits, and stands still while
    transactions are under way.
    """

    def __init__(self, id_bits: int) -> None:
        """Make a window for reads under some IDs."""
        self._id_bits = id_bits
        super().__init__(
            {
                "base": In(CARD_ADDRESS_BITS),
                "region": In(memory_port(ADDRESS_BITS, id_bits)),
                "card": Out(memory_port(CARD_ADDRESS_BITS, id_bits)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Displace the addresses of both channels, each in a stage of registers."""
        m = Module()
        region, card = self.region, self.card
        for channel in ("ar", "aw"):
            self._build_address(m, channel)
        for name in ("rready", "wdata", "wstrb", "wlast", "wvalid", "bready"):
            m.d.comb += getattr(card, name).eq(getattr(region, name))
        for name in ("rid", "rdata", "rresp", "rlast", "rvalid", "wready", "bresp", "bvalid"):
            m.d.comb += getattr(region, name).eq(getattr(card, name))
        return m

    def _build_address(self, m: Module, channel: str) -> None:
        has_id = channel == "ar"
        fields = {"address": CARD_ADDRESS_BITS, "length": _LENGTH_BITS}
        fields |= {"id": self._id_bits} if has_id else {}
        addresses = RegisterSlice(StructLayout(fields))
        m.submodules[f"{channel}_addresses"] = addresses

        def pin(port: object, name: str) -> Value:
            return getattr(port, channel + name)

        asked, shown = addresses.input.payload, addresses.output.payload
        region, card = self.region, self.card
        address = pin(region, "addr")
        page = address[_PAGE_BITS:] + self.base[_PAGE_BITS:]
        m.d.comb += [
            asked.address.eq(Cat(address[:_PAGE_BITS], page[: CARD_ADDRESS_BITS - _PAGE_BITS])),
            asked.length.eq(pin(region, "len")),
            addresses.input.valid.eq(pin(region, "valid")),
            pin(region, "ready").eq(addresses.input.ready),
            pin(card, "addr").eq(shown.address),
            pin(card, "len").eq(shown.length),
            pin(card, "valid").eq(addresses.output.valid),
            addresses.output.ready.eq(pin(card, "ready")),
        ]
        if has_id:
            m.d.comb += [asked.id.eq(region.arid), card.arid.eq(shown.id)]
