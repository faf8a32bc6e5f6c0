"""Decides whether a partial bitstream may be loaded into a partition.

The hardware does not check that a partial fits the design that is running (UG909, "Design Revision
Checks"), and a configuration port notices a bad CRC only after the frames are written. So all of it
is checked here, before a word is sent: only known words in a known order, one device, one
partition, every write under a CRC that matches.

What is accepted is a list of what partials need, not everything that a device understands. It is
the plain form: one sync to DESYNC, frame data without multi-frame writes or reset mask.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from fpga_rt.arch.devices import Device
from fpga_rt.arch.floorplan import Partition
from fpga_rt.bitstream.packets import (
    BUS_WIDTH,
    DUMMY,
    NOP,
    TRAILING_NOPS,
    Command,
    Opcode,
    Packet,
    Register,
    type1,
    type2,
)
from fpga_rt.bitstream.read import (
    ConfigurationStream,
    CrcCheck,
    Frames,
    identity,
    last_written,
    parse,
    place_runs,
)
from fpga_rt.bitstream.sequence import PAD, FrameOrder
from fpga_rt.errors import ArtifactError

COMMANDS = frozenset(
    {
        Command.NULL,
        Command.WCFG,
        Command.START,
        Command.RCRC,
        Command.GRESTORE,
        Command.SHUTDOWN,
        Command.DESYNC,
    }
)
"""Commands that a partial may give: none that boots, switches clocks or reads back."""
REGISTERS = frozenset(
    {
        Register.CRC,
        Register.FAR,
        Register.FDRI,
        Register.CMD,
        Register.CTL0,
        Register.MASK,
        Register.IDCODE,
    }
)
"""Registers that a partial may write."""
CONTROL_BITS = 0x500
"""Bits of CTL0 that a partial may change: what real ones set around the reset of a region."""
IDCODE_MASK = 0x0FFFFFFF
"""The top nibble of an IDCODE is the revision of the silicon."""

_REBUILD = "build or fetch the bitstream again"


@dataclass(frozen=True, eq=False)
class VerifiedPartial:
    """A partial that may be loaded.

    Attributes:
        digest: SHA-256 of the file, hexadecimal.
        words: (n,) uint32, the whole stream in the order in which a port takes it.
        frames: What it writes, without flush and pad frames.
        module_id: Identity of the module, None when the frames carry none.
    """

    digest: str
    words: NDArray[np.uint32] = field(repr=False)
    frames: Frames = field(repr=False)
    module_id: int | None


def verify_partial(data: bytes, device: Device, partition: Partition) -> VerifiedPartial:
    """Check every word of a partial bitstream (.bit or .bin) for one partition of one device.

    Raises:
        ArtifactError: It must not be loaded; one reason, with its byte offset in `data`.
    """
    stream = parse(data)
    _check_surroundings(stream)
    rules = _Rules(stream, device)
    for packet in stream.segments[0].packets:
        rules.check(packet)
    written = _check_frames(stream, device, partition)
    found = identity(written.words)
    if found is not None and found[1] != partition.index:
        _refuse(
            "identity in the frames",
            stream.byte(stream.runs[0].start),
            f"partition {found[1]}",
            f"partition {partition.index}, {partition.name!r}",
            "use the bitstream of that partition",
        )
    digest = hashlib.sha256(data).hexdigest()
    return VerifiedPartial(digest, stream.words, written, None if found is None else found[0])


def _refuse(what: str, at_byte: int, got: str, expected: str, step: str = _REBUILD) -> NoReturn:
    raise ArtifactError(f"{what} at byte {at_byte}: got {got}, expected {expected}; {step}")


def _check_surroundings(stream: ConfigurationStream) -> None:
    """Check what lies outside the packets: a lead-in, one segment with DESYNC, NOPs."""
    words, segment = stream.words, stream.segments[0]
    lead_in = words[: segment.start - 1]
    odd = np.flatnonzero(lead_in != DUMMY)
    if len(odd) and (len(odd) != 2 or tuple(lead_in[odd[0] : odd[0] + 2]) != BUS_WIDTH):
        _refuse(
            "word before the sync word",
            stream.byte(int(odd[0])),
            f"0x{lead_in[odd[0]]:08X}",
            "dummy words and at most one bus width pattern",
        )
    if not segment.desynced:
        _refuse("end of the stream", stream.byte(len(words)), "no DESYNC", "DESYNC before the end")
    tail = words[segment.stop :]
    odd = np.flatnonzero((tail != NOP) & (tail != DUMMY))
    if len(odd):
        at = segment.stop + int(odd[0])
        _refuse("word after DESYNC", stream.byte(at), f"0x{words[at]:08X}", "only NOP or dummy")
    if len(tail) < TRAILING_NOPS:
        _refuse(
            "end of the stream",
            stream.byte(len(words)),
            f"{len(tail)} words after DESYNC",
            f"at least {TRAILING_NOPS}, the last are cut off",
        )


class _Rules:
    """What a partial may do, packet by packet, in the order of the stream."""

    def __init__(self, stream: ConfigurationStream, device: Device) -> None:
        self.stream, self.device = stream, device
        self.crcs = iter(stream.crcs)
        self.previous: Packet | None = None
        self.command: int | None = None
        self.unchecked_at: int | None = None
        self.written: set[int] = set()

    def check(self, packet: Packet) -> None:
        """Check one packet and remember what it does."""
        self._check_header(packet)
        if packet.opcode == Opcode.WRITE:
            self._check_length(packet)
            if packet.stop > packet.start:
                self._check_write(packet)
        self.previous = packet

    def _check_header(self, packet: Packet) -> None:
        """Only NOP and writes to the registers of a partial, with no stray bit."""
        header = int(self.stream.words[packet.at])
        count = packet.stop - packet.start
        canonical = (
            NOP
            if packet.opcode == Opcode.NOP
            else type1(packet.register, count)
            if packet.type == 1
            else type2(count)
        )
        if header != canonical:
            self._refuse("packet header", packet.at, f"0x{header:08X}", f"0x{canonical:08X}")
        if packet.opcode == Opcode.WRITE and packet.register not in REGISTERS:
            allowed = ", ".join(sorted(register.name for register in REGISTERS))
            self._refuse("write", packet.at, f"register {packet.register}", f"one of {allowed}")

    def _check_length(self, packet: Packet) -> None:
        """One word to every register but FDRI, whose type 2 packet follows an empty type 1."""
        count, before = packet.stop - packet.start, self.previous
        if packet.type == 2:
            empty = before is not None and before.start == before.stop == packet.at
            if packet.register != Register.FDRI or not empty:
                expected = "one that follows an empty type 1 header of FDRI"
                self._refuse("type 2 packet", packet.at, "a stray one", expected)
        elif packet.register != Register.FDRI and count != 1:
            self._refuse("write", packet.at, f"{count} words", "1 word")

    def _check_write(self, packet: Packet) -> None:
        value = int(self.stream.words[packet.stop - 1])
        if not self.written and (packet.register, value) != (Register.CMD, Command.RCRC):
            got = f"0x{value:08X} to {Register(packet.register).name}"
            self._refuse("first write", packet.at, got, "CMD RCRC, which starts the CRC at 0")
        self.written.add(packet.register)
        if packet.register == Register.CRC:
            self._check_crc(next(self.crcs))
            return
        if packet.register == Register.CMD:
            self._check_command(packet, value)
        elif packet.register == Register.FDRI:
            self._check_data(packet)
        elif packet.register == Register.IDCODE:
            self._check_idcode(packet, value)
        elif packet.register in (Register.MASK, Register.CTL0):
            self._check_control(packet, value)
        if self.unchecked_at is None and self.written != {Register.CMD}:
            self.unchecked_at = packet.at

    def _check_crc(self, crc: CrcCheck) -> None:
        if crc.written != crc.computed:
            got, expected = f"0x{crc.written:08X}", f"0x{crc.computed:08X}"
            self._refuse("CRC", crc.at, got, f"{expected} from the words before it")
        self.unchecked_at = None

    def _check_command(self, packet: Packet, value: int) -> None:
        if value not in COMMANDS:
            allowed = ", ".join(sorted(command.name for command in COMMANDS))
            self._refuse("command", packet.start, f"{value}", f"one of {allowed}")
        if value in (Command.RCRC, Command.DESYNC) and self.unchecked_at is not None:
            since = self.stream.byte(self.unchecked_at)
            name = Command(value).name
            self._refuse(name, packet.at, f"writes since byte {since} without a CRC", "a CRC first")
        self.command = value

    def _check_data(self, packet: Packet) -> None:
        for register in (Register.IDCODE, Register.FAR):
            if register not in self.written:
                self._refuse("frame data", packet.at, f"no {register.name}", "one before it")
        if self.command != Command.WCFG:
            self._refuse("frame data", packet.at, f"command {self.command}", "CMD WCFG before it")
        size, count = self.device.family.frame_words, packet.stop - packet.start
        if count % size or count < 2 * size:
            expected = f"2 or more frames of {size} words, as {self.device.family} has them"
            self._refuse("frame data", packet.at, f"{count:,} words", expected)
        flush = np.flatnonzero(self.stream.words[packet.stop - size : packet.stop])
        if len(flush):
            at = packet.stop - size + int(flush[0])
            self._refuse("flush frame", at, f"0x{self.stream.words[at]:08X}", "0")
        self.written.discard(Register.FAR)

    def _check_idcode(self, packet: Packet, value: int) -> None:
        if (value ^ self.device.idcode) & IDCODE_MASK:
            self._refuse(
                "IDCODE",
                packet.start,
                f"0x{value:08X}",
                f"0x{self.device.idcode:08X} of {self.device.name}",
                f"build the bitstream for {self.device.name}",
            )

    def _check_control(self, packet: Packet, value: int) -> None:
        if packet.register == Register.CTL0 and Register.MASK not in self.written:
            self._refuse("CTL0", packet.at, "no MASK", "MASK before it")
        if packet.register == Register.MASK and value & ~CONTROL_BITS:
            self._refuse("MASK", packet.start, f"0x{value:08X}", f"bits of 0x{CONTROL_BITS:X} only")

    def _refuse(
        self, what: str, word: int, got: str, expected: str, step: str = _REBUILD
    ) -> NoReturn:
        _refuse(what, self.stream.byte(word), got, expected, step)


def _check_frames(stream: ConfigurationStream, device: Device, partition: Partition) -> Frames:
    """Check that there are frames, that all lie in the partition, and that pads are zero."""
    order = FrameOrder(device)
    allowed = np.append(order.partition(partition), PAD)
    placed = place_runs(stream, order)
    if not placed or len(placed) < len(stream.runs):
        got = "a reset mask" if stream.runs else "no frame data"
        _refuse("stream", stream.byte(0), got, "frames of the partition and nothing else")
    for run in placed:
        outside = np.flatnonzero(~np.isin(run.addresses, allowed))
        if len(outside):
            at = int(outside[0])
            _refuse(
                f"frame 0x{run.addresses[at]:08X}",
                stream.byte(run.start + at * device.family.frame_words),
                "a frame outside the partition",
                f"frames of partition {partition.name!r} of {device.name}",
                "use the bitstream of that partition",
            )
        pads = np.flatnonzero(run.addresses == PAD)
        spoiled = pads[run.words[pads].any(axis=1)]
        if len(spoiled):
            at = run.start + int(spoiled[0]) * device.family.frame_words
            _refuse("pad frame", stream.byte(at), "other words", "zeros")
    return last_written(placed, device.family.frame_words)
