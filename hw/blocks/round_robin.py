"""A fair arbiter."""

from __future__ import annotations

from amaranth import Module
from amaranth.hdl import Value
from amaranth.lib.wiring import Component, In, Out


def precedes(one: int, other: int, winner: Value, ports: int) -> Value:
    """Tell whether a port comes before another one when `winner` won last."""
    after = [n for n in range(ports) if (one - n - 1) % ports < (other - n - 1) % ports]
    return winner.matches(*after)


class RoundRobin(Component):
    """Grants one of several requests in the clock it is made in; the last winner comes last next.

    `grants` has at most one bit set, in the place of the request that won. `winner` is the number
    of the last one, see `precedes`.
    """

    def __init__(self, ports: int) -> None:
        """Make an arbiter for a number of ports."""
        self._ports = ports
        super().__init__({"requests": In(ports), "grants": Out(ports), "winner": Out(range(ports))})

    def elaborate(self, platform: object) -> Module:
        """Look for a request from the place behind the last winner on."""
        m = Module()
        with m.Switch(self.winner):
            for last in range(self._ports):
                with m.Case(last):
                    self._grant(m, last)
        return m

    def _grant(self, m: Module, last: int) -> None:
        for distance in range(self._ports, 0, -1):  # the nearest comes last, so it overrides
            port = (last + distance) % self._ports
            with m.If(self.requests[port]):
                m.d.comb += self.grants.eq(1 << port)
                m.d.sync += self.winner.eq(port)
