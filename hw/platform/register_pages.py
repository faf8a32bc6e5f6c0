"""Several maps of registers behind one AXI4-Lite port, a page of 4 KiB for each."""

from __future__ import annotations

from amaranth import Array, Module, Mux, Signal
from amaranth.hdl import Value
from amaranth.lib.wiring import Component, In, Out

from hw.blocks.axi import axi_lite
from hw.blocks.register_file import ADDRESS_BITS


class RegisterPages(Component):
    """Leads an access to the page that its address names; it adds no clock.

    One write and one read at a time; the number of pages is a power of two.
    """

    def __init__(self, pages: int) -> None:
        """Make the port of some pages.

        Raises:
            ValueError: their number is not a power of two above 1.
        """
        page_bits = (pages - 1).bit_length()
        if pages < 2 or pages != 1 << page_bits:
            raise ValueError(f"{pages} pages of registers, expected a power of two, at least 2")
        self._page_bits = page_bits
        super().__init__(
            {
                "bus": In(axi_lite(ADDRESS_BITS + page_bits)),
                "pages": Out(axi_lite(ADDRESS_BITS)).array(pages),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Build the two channels, which share nothing."""
        m = Module()
        for page in self.pages:
            m.d.comb += [
                page.awaddr.eq(self.bus.awaddr),
                page.wdata.eq(self.bus.wdata),
                page.wstrb.eq(self.bus.wstrb),
                page.araddr.eq(self.bus.araddr),
            ]
        self._build_write(m)
        self._build_read(m)
        return m

    def _page(self, m: Module, address: Value, taken: Value, name: str) -> Value:
        """Return the page of an access: of its address until that was taken, then the same."""
        kept = Signal(self._page_bits, name=f"{name}_page")
        asked = address[ADDRESS_BITS:]
        with m.If(~taken):
            m.d.sync += kept.eq(asked)
        return Mux(taken, kept, asked)

    def _build_write(self, m: Module) -> None:
        """Hold the data back until the address is here: it says where they belong."""
        bus = self.bus
        has_address, has_data = Signal(), Signal()
        number = self._page(m, bus.awaddr, has_address, "write")
        page = Array(self.pages)[number]
        data_may_go = (bus.awvalid | has_address) & ~has_data
        m.d.comb += [
            bus.awready.eq(page.awready & ~has_address),
            bus.wready.eq(page.wready & data_may_go),
            bus.bvalid.eq(page.bvalid & has_address & has_data),
            bus.bresp.eq(page.bresp),
        ]
        for index, each in enumerate(self.pages):
            chosen = number == index
            m.d.comb += [
                each.awvalid.eq(bus.awvalid & ~has_address & chosen),
                each.wvalid.eq(bus.wvalid & data_may_go & chosen),
                each.bready.eq(bus.bready & has_address & has_data & chosen),
            ]
        with m.If(bus.bvalid & bus.bready):
            m.d.sync += [has_address.eq(0), has_data.eq(0)]
        with m.Else():
            with m.If(bus.awvalid & bus.awready):
                m.d.sync += has_address.eq(1)
            with m.If(bus.wvalid & bus.wready):
                m.d.sync += has_data.eq(1)

    def _build_read(self, m: Module) -> None:
        bus = self.bus
        has_address = Signal(name="has_read_address")
        number = self._page(m, bus.araddr, has_address, "read")
        page = Array(self.pages)[number]
        m.d.comb += [
            bus.arready.eq(page.arready & ~has_address),
            bus.rvalid.eq(page.rvalid & has_address),
            bus.rdata.eq(page.rdata),
            bus.rresp.eq(page.rresp),
        ]
        for index, each in enumerate(self.pages):
            m.d.comb += [
                each.arvalid.eq(bus.arvalid & ~has_address & (number == index)),
                each.rready.eq(bus.rready & has_address & (number == index)),
            ]
        with m.If(bus.rvalid & bus.rready):
            m.d.sync += has_address.eq(0)
        with m.Elif(bus.arvalid & bus.arready):
            m.d.sync += has_address.eq(1)
