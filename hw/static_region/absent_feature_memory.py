"""What stands in place of the feature memory where a board has none."""

from __future__ import annotations

from amaranth import Module
from amaranth.lib.wiring import Component, In

from hw.static_region.feature_memory import feature_read, feature_write


class AbsentFeatureMemory(Component):
    """Answers every access as a feature memory does to an address outside of it."""

    def __init__(self, ports: int) -> None:
        """Make the ports of a memory for as many engines."""
        self._ports = range(ports)
        super().__init__(
            {
                "read": In(feature_read()).array(ports),
                "write": In(feature_write()).array(ports),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Take everything at once, and say of it that it lies outside."""
        m = Module()
        for i in self._ports:
            read, write = self.read[i], self.write[i]
            m.d.comb += [read.ready.eq(1), write.ready.eq(1), write.error.eq(1)]
            m.d.sync += [read.data_valid.eq(read.valid), read.error.eq(read.valid)]
        return m
