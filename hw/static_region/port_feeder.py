"""Drives the pins of the configuration port: all of the controller that runs on the ICAP clock.

A load goes through these steps, none of them twice:

1. *Probe*: abort whatever the port was in the middle of, sync, read IDCODE, desync. If the device's
   own does not come back, another master owns the port, and nothing is sent.
2. *Stream*: a word per clock through the guard onto the pins, from the sync word on. The guard
   holds words back for some clocks, until it has judged them. The port's answer is watched
   meanwhile: an error there, or a lost sync, ends the load at once.
3. *Settle*: NOPs until the last word is answered; the port has to be desynchronised by then.

A load that fails after its first word ends with an ABORT. If the port itself reported the error,
STAT is read, which names it; the NOPs of step 3, the words of step 1 and of that are the only ones
written that are not of the stream.

Ref: 7 Series FPGAs Configuration User Guide
Document: UG470, SelectMAP ABORT; Accessing Configuration Registers; Status Register
Ref: UltraScale Architecture Configuration User Guide
Document: UG570, the same; Internal Configuration Access Port

Every byte has its bits in reverse order at the pins. RDWRB may only change while CSIB is high;
changing it while CSIB is low is how a load is aborted. How many clocks a register takes to be read
is found out with IDCODE, whose value is known, and used for STAT.
"""

from __future__ import annotations

from collections.abc import Sequence

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, stream
from amaranth.lib.wiring import Component, In, Out, Signature

from fpga_rt.arch.packets import NOP, Register
from fpga_rt.arch.rules import IDCODE_MASK
from fpga_rt.contract.static_region import ConfigurationError
from hw.static_region.frame_windows import FarWindow
from hw.static_region.port_steps import (
    ABORT_END,
    STEPS,
    USUAL_ANSWER,
    answers_at,
    csib_at,
    rdwrb_at,
    word_at,
)
from hw.static_region.stream_guard import ERROR_BITS, Primitive, StreamGuard

POWER_UP_CYCLES = 128
"""ICAPE2 must be left alone for 1.25 us after reset: 125 clocks of 100 MHz."""
AVAILABLE_CYCLES = 1024
"""How long a load waits for AVAIL of ICAPE3."""
SETTLE_CYCLES = 12
"""NOPs after a stream: longer than the port takes to answer the last word."""

ICAP = Signature(
    {
        "csib": Out(1, init=1),
        "rdwrb": Out(1),
        "i": Out(32),
        "o": In(32),
        "avail": In(1),
        "prdone": In(1),
        "prerror": In(1),
    }
)
"""Pins of ICAPE2 and ICAPE3 as the controller sees them; ICAPE2 has none of the last three."""

WORDS_BITS = 23
"""Bits of the length of a stream; `AxiReader` reads no more beats at once."""
BEAT = data.StructLayout({"data": 64, "fault": 1})
"""Two words of a stream in the order of memory; `fault` from the first one that a bus error hit."""

_CFGERR_B, _DALIGN, _RIP = 7, 6, 5
_CRC_ERROR, _ID_ERROR = 0, 15
_STATES = ("waiting", "stepping", "streaming", "settling", "ended")
_ALIGNED_CYCLES = 7
"""Answers after a sync word, until one has to say that it was heard."""
_PROBED, _STATUS = Register.IDCODE, Register.STAT


def swapped(word: Value) -> Value:
    """Return a word with the bits of each byte reversed, as it is at the pins."""
    return Cat(word[8 * byte : 8 * byte + 8][::-1] for byte in range(4))


class PortFeeder(Component):
    """Loads one bitstream after the other through the configuration port.

    ================ === ===========================================================
    go               in  level: load; everything below is stable while it is up
    cancel           in  level: give up as soon as possible
    words            in  length of the stream
    target           in  which partition is loaded, one bit for each
    beats            in  the stream; while `finished` everything offered is dropped
    idle             out ready for `go`
    finished         out the load has ended; stays until `go` falls
    error            out a `ConfigurationError`, valid from `finished` on, until the next `go`
    idcode_readback  out what the last probe read
    stat             out STAT after an error that the port reported, else 0
    ================ === ===========================================================
    """

    def __init__(
        self,
        idcode: int,
        far_windows: Sequence[Sequence[FarWindow]],
        icap: Primitive = "ICAPE2",
    ) -> None:
        """Make the feeder of a device's port; arguments as of `StreamGuard`."""
        self.idcode = idcode & IDCODE_MASK
        self._is_icape3 = icap == "ICAPE3"
        self.guard = StreamGuard(idcode, far_windows, icap)
        self.available = Signal()
        self.recognised = Signal()
        """The port may be used; the probe of this load has found the device."""
        self.waiting, self.stepping, self.streaming, self.settling, self.ended = (
            Signal(name=name) for name in _STATES
        )
        """Which state it is in."""
        self.probed = Signal()
        self.step, self.last_step = (Signal(range(len(STEPS))) for _ in range(2))
        self.at_end = Signal()
        """It is the last step, while `stepping`."""
        super().__init__(
            {
                "go": In(1),
                "cancel": In(1),
                "words": In(WORDS_BITS),
                "target": In(len(far_windows)),
                "beats": In(stream.Signature(BEAT)),
                "idle": Out(1),
                "finished": Out(1),
                "error": Out(ERROR_BITS, init=ConfigurationError.PORT),
                "idcode_readback": Out(32),
                "stat": Out(32),
                "icap": Out(ICAP),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Build the state machine, the steps on the pins and the guard."""
        m = Module()
        m.submodules.guard = self.guard
        self._watch(m)
        # A reset in the middle of a load ends it with the error that `error` starts with.
        with m.FSM(init="FINISHED"):
            with m.State("IDLE"):
                self._wait(m)
            with m.State("STEPS"):
                self._steps(m)
            with m.State("STREAM"):
                self._stream(m)
            with m.State("SETTLE"):
                self._settle(m)
            with m.State("FINISHED"):
                m.d.comb += [self.beats.ready.eq(1), self.ended.eq(1)]
                with m.If(~self.go):
                    m.next = "IDLE"
        m.d.sync += [self.idle.eq(self.waiting), self.finished.eq(self.ended)]
        return m

    def _watch(self, m: Module) -> None:
        """Make the signals of the state machine, and register what the port says."""
        self._given_up = Signal()
        self._writing = Signal()
        self._asks_status, self._has_status, self._only_abort = (
            Signal(name=name) for name in ("asks_status", "has_status", "only_abort")
        )
        self._answer_step = Signal(range(len(STEPS)), init=USUAL_ANSWER)
        self._left = Signal(WORDS_BITS)
        self._half = Signal()
        self._more = Signal()
        self._last = Signal()  # words are left; just one is
        self._settled = Signal(range(SETTLE_CYCLES + 1))
        m.d.sync += self._settled.eq(Mux(self.settling, self._settled + 1, 0))
        self._answer = Signal(32)
        self._is_ours = Signal()
        m.d.comb += self._given_up.eq(self.cancel | ~self.go)
        m.d.comb += self.last_step.eq(Mux(self._only_abort, ABORT_END, len(STEPS) - 1))
        # An ABORT may begin in any clock; where the port is selected already, with its second step.
        m.d.sync += self.step.eq(Mux(self._writing, 2, 0))
        ours = (swapped(self.icap.o) & IDCODE_MASK) == self.idcode
        m.d.sync += [self._answer.eq(self.icap.o), self._is_ours.eq(ours)]
        m.d.sync += self._has_status.eq(~self.stat.all())
        m.d.sync += [self.icap.csib.eq(1), self.icap.i.eq(swapped(self.guard.output))]
        low_end = Mux(self._half, self.beats.payload.data[32:], self.beats.payload.data[:32])
        m.d.comb += [
            self.guard.target.eq(self.target),
            self.guard.word.eq(Cat(low_end[8 * byte :][:8] for byte in reversed(range(4)))),
            self.guard.unreadable.eq(self.beats.payload.fault),
        ]
        # An answer counts while words have been written for as long as it takes to come.
        written = Signal(3)
        self._answered = Signal()
        m.d.comb += self._writing.eq(~self.icap.csib & ~self.icap.rdwrb)
        m.d.comb += self._answered.eq(written.all())
        m.d.sync += written.eq(Cat(self._writing, written[:2]))
        self._watch_errors(m)
        self._power_up(m)

    def _watch_errors(self, m: Module) -> None:
        """Find errors that the port reports: one that comes up during the load, or a lost sync."""
        self._bad = Signal()
        self._unaligned = Signal()
        self._lost = Signal()
        armed = Signal()
        aligned_for = Signal(range(_ALIGNED_CYCLES + 1))
        reported = ~self._answer[_CFGERR_B]
        if self._is_icape3:
            error_pin = Signal()
            m.d.sync += error_pin.eq(self.icap.prerror)
            reported |= error_pin
        deaf = self._unaligned | self._answer[_RIP]
        m.d.comb += [
            self._bad.eq(reported),
            self._unaligned.eq(~self._answer[_DALIGN]),
        ]
        m.d.sync += self._lost.eq(
            self._answered & ((reported & armed) | (deaf & (aligned_for == _ALIGNED_CYCLES)))
        )
        with m.If(self.guard.clear):
            m.d.sync += armed.eq(0)
        with m.Elif(self._answered & ~reported):
            m.d.sync += armed.eq(1)
        with m.If(~self.guard.aligned):
            m.d.sync += aligned_for.eq(0)
        with m.Elif(self._answered & (aligned_for != _ALIGNED_CYCLES)):
            m.d.sync += aligned_for.eq(aligned_for + 1)

    def _power_up(self, m: Module) -> None:
        """Count the clocks in which the port must not be used, or wait for AVAIL."""
        self._too_late = Signal()
        count = Signal(range(max(POWER_UP_CYCLES, AVAILABLE_CYCLES) + 1))
        if self._is_icape3:
            m.d.sync += [self.available.eq(self.icap.avail)]
            with m.If(~self.waiting | ~self.go):
                m.d.sync += [count.eq(0), self._too_late.eq(0)]
            with m.Elif(~self._too_late):
                m.d.sync += [
                    count.eq(count + 1),
                    self._too_late.eq(count == AVAILABLE_CYCLES - 1),
                ]
        else:
            with m.If(~self.available):
                m.d.sync += [
                    count.eq(count + 1),
                    self.available.eq(count == POWER_UP_CYCLES - 1),
                ]

    def _wait(self, m: Module) -> None:
        m.d.comb += [self.waiting.eq(1), self.guard.clear.eq(1)]
        m.d.sync += [
            *(self._left.eq(self.words), self._half.eq(0), self.recognised.eq(0)),
            *(self._more.eq(self.words.any()), self._last.eq(self.words == 1)),
        ]
        with m.If(self.go):
            m.d.sync += self.stat.eq(0)
            with m.If(self.cancel):
                self._end(m, ConfigurationError.ABORTED)
            with m.Elif(self.available):
                m.d.sync += self.probed.eq(0)
                self._start_steps(m, _PROBED)
            with m.Elif(self._too_late):
                self._end(m, ConfigurationError.PORT)

    def _end(self, m: Module, error: ConfigurationError) -> None:
        m.d.sync += self.error.eq(error)
        m.next = "FINISHED"

    def _start_steps(self, m: Module, register: Register, *, only_abort: bool = False) -> None:
        m.d.sync += [self._asks_status.eq(register == _STATUS), self._only_abort.eq(only_abort)]
        m.next = "STEPS"

    def _steps(self, m: Module) -> None:
        """Drive the pins step by step, and take the register that is read."""
        m.d.comb += self.stepping.eq(1)
        m.d.sync += [
            self.step.eq(Mux(self.at_end, 0, self.step + 1)),
            self.at_end.eq(self.step == self.last_step - 1),
            self.icap.csib.eq(csib_at(self.step)),
            self.icap.rdwrb.eq(rdwrb_at(self.step)),
            self.icap.i.eq(swapped(word_at(self.step, self._asks_status, (_PROBED, _STATUS)))),
        ]
        self._take_answer(m)
        with m.If(self.at_end):
            self._after_steps(m)

    def _take_answer(self, m: Module) -> None:
        """Take STAT when it is due; IDCODE when it comes, else what is there when it is due."""
        value = Signal(32)
        m.d.comb += value.eq(swapped(self._answer))
        with m.If(self._asks_status):
            with m.If(self.step == self._answer_step):
                m.d.sync += self.stat.eq(value)
        with m.Elif(answers_at(self.step) & self._is_ours & ~self.recognised):
            m.d.sync += [
                self.idcode_readback.eq(value),
                self._answer_step.eq(self.step),
                self.recognised.eq(1),
            ]
        with m.Elif((self.step == USUAL_ANSWER) & ~self.recognised & ~self.probed):
            m.d.sync += self.idcode_readback.eq(value)

    def _after_steps(self, m: Module) -> None:
        """Go on after a probe, an abort or a readback of STAT."""
        with m.If(~self.probed):
            m.d.sync += [self.probed.eq(1), self.error.eq(ConfigurationError.PORT)]
            with m.If(self.recognised):
                m.next = "STREAM"
            with m.Else():
                self._start_steps(m, _PROBED, only_abort=True)
        with m.Else():
            m.next = "FINISHED"
            with m.If(self._asks_status & self._has_status):
                with m.If(self.stat[_CRC_ERROR]):
                    m.d.sync += self.error.eq(ConfigurationError.CRC)
                with m.Elif(self.stat[_ID_ERROR]):
                    m.d.sync += self.error.eq(ConfigurationError.IDCODE)

    def _stream(self, m: Module) -> None:
        """Feed a word per clock to the guard, and what it passes on to the pins."""
        guard, beats = self.guard, self.beats
        there = beats.valid & self._more
        m.d.comb += [
            self.streaming.eq(1),
            guard.valid.eq(there),
            beats.ready.eq(self._more & (self._half | self._last)),
        ]
        with m.If(there):
            m.d.sync += [
                *(self._left.eq(self._left - 1), self._half.eq(~self._half)),
                *(self._more.eq(~self._last), self._last.eq(self._left == 2)),
            ]
        with m.If(self._lost):
            self._port_failed(m)
        with m.Elif(guard.refuses):
            self._stop(m, guard.error)
        with m.Elif(~self.available):
            self._stop(m, ConfigurationError.PORT)
        with m.Elif(self._given_up):
            self._stop(m, ConfigurationError.ABORTED)
        with m.Elif(~self._more & ~guard.pending):
            self._stream_ended(m)
        with m.Else():
            m.d.sync += self.icap.csib.eq(~guard.write)

    def _stream_ended(self, m: Module) -> None:
        with m.If(self.guard.aligned | ~self.guard.started):
            self._stop(m, ConfigurationError.INCOMPLETE)
        with m.Else():
            m.next = "SETTLE"

    def _settle(self, m: Module) -> None:
        """Write NOPs until the last word is answered."""
        m.d.comb += self.settling.eq(1)
        m.d.sync += [self.icap.csib.eq(0), self.icap.i.eq(swapped(Const(NOP, 32)))]
        with m.If(self._lost):
            self._port_failed(m)
        with m.Elif(self._settled == SETTLE_CYCLES):
            with m.If(self._bad):
                self._port_failed(m)
            with m.Elif(~self._unaligned):
                self._stop(m, ConfigurationError.INCOMPLETE)
            with m.Else():
                m.d.sync += self.icap.csib.eq(1)
                self._end(m, ConfigurationError.NONE)

    def _port_failed(self, m: Module) -> None:
        """Abort, and ask for STAT; without an error there, the port was lost if not bad."""
        m.d.sync += self.error.eq(Mux(self._bad, ConfigurationError.CRC, ConfigurationError.PORT))
        self._abort(m, _STATUS)

    def _stop(self, m: Module, error: ConfigurationError | Value) -> None:
        """End a load with an error, and with an ABORT if a word of it was written."""
        m.d.sync += self.error.eq(error)
        with m.If(self.guard.started):
            self._abort(m, _PROBED, only_abort=True)
        with m.Else():
            m.next = "FINISHED"

    def _abort(self, m: Module, register: Register, *, only_abort: bool = False) -> None:
        """Begin an ABORT at once: without a NOP where the port is selected for a write."""
        m.d.sync += [self.icap.csib.eq(~self._writing), self.icap.rdwrb.eq(self._writing)]
        self._start_steps(m, register, only_abort=only_abort)
