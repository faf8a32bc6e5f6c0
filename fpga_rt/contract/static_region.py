"""The static region as the host sees it: its register map, states and error codes.

One map serves every board; a board with fewer partitions leaves the blocks behind
`capabilities.partitions` at zero. Errors stay until they are cleared. The order of a swap:

    decouple, wait for `quiescent`; `load.begin`; stream the bitstream through a configuration
    port; `load.finish` (or `load.fail`); reset; compare `module_id`; recouple

The configuration controller serves the ICAP only; a load through the processor's port (PCAP)
passes it by, which is why the host says when a load begins and how it ended. The static region
ignores `control.decouple = 0` in any state but LOADED and ACTIVE, so a partition stays isolated
from the begin of a load until the host has said that it ended well.

The controller's own loads do not depend on the host's word. While it runs for a partition,
`load.begin` and `load.finish` are ignored; when it fails or is aborted, the partition goes from
LOADING to FAILED by itself, and so does every LOADING one when a start finds none or several. A
start while it runs changes nothing of that load and is shown by `refused`. A partition that the
controller has begun to write is therefore coupled only after a load of it has ended DONE, or after
the host said of a later one, through the processor's port, that it ended well.
"""

from __future__ import annotations

from dataclasses import replace
from enum import IntEnum

from fpga_rt.contract import command, submission, table
from fpga_rt.contract.command import MAX_PARTITIONS
from fpga_rt.contract.layout import Field
from fpga_rt.contract.registers import Access, Register, RegisterMap


class PartitionState(IntEnum):
    """What a partition holds."""

    EMPTY = 0
    """Nothing was loaded since the static region was."""
    LOADING = 1
    """A load has begun and not ended."""
    LOADED = 2
    """A load has ended well; decoupled."""
    ACTIVE = 3
    """Recoupled after a load."""
    FAILED = 4
    """A load has failed; decoupled until another one succeeds."""


class SequencerError(IntEnum):
    """Why a submission stopped."""

    NONE = 0
    HEADER = 1
    """The header has the wrong magic or names a partition that does not exist."""
    BUS = 2
    """Header, ring or operand outside the memories."""
    PARTITION = 3
    """A ring's partition is not ACTIVE or was decoupled meanwhile."""
    SEQUENCE = 4
    """A descriptor's `sequence` is not its index in the ring."""
    MODULE = 5
    """The module has no such operation, or no module is known by its identity."""
    DEADLOCK = 6
    """The waits can never be over."""
    ABORTED = 7
    """The host wrote `doorbell.abort`."""


class ConfigurationState(IntEnum):
    """What the configuration controller does."""

    IDLE = 0
    RUNNING = 1
    DONE = 2
    FAILED = 3


class ConfigurationError(IntEnum):
    """Why the configuration controller failed."""

    NONE = 0
    BUS = 1
    """`configuration_source` and `configuration_words` leave the memory."""
    IDCODE = 2
    """The stream was made for another device."""
    CRC = 3
    """A checksum in the stream is wrong, or frame data is not followed by one."""
    ABORTED = 4
    """The host wrote `configuration_control.abort`."""
    PORT = 5
    """The port did not answer with the device's IDCODE: another master owns it."""
    INCOMPLETE = 6
    """The stream ended before it desynchronised the port, or never synchronised it."""
    PARTITION = 7
    """Not exactly one partition is LOADING, or the stream addresses frames outside of it."""
    FORBIDDEN = 8
    """A packet, register, command or option that no partial bitstream has, as full ones do."""


PARTITIONS_OFFSET = 0x100
PARTITION_BYTES = 0x20

CONTROLLER_PORT = "icap"
"""The port that the configuration controller feeds; any other is the processor's."""

SOURCE_ALIGNMENT_BYTES = 64
"""Of the bitstream that the configuration controller reads."""

SUBMIT_ACCESSES = 3
"""Register accesses of the host in `submit`; the last one rings the doorbell."""
PROGRAM_END_ACCESSES = 2
"""Accesses after a program has ended well."""
DECOUPLE_ACCESSES = 2
RECOUPLE_ACCESSES = 2
RESET_ACCESSES = 3
IDENTIFY_ACCESSES = 2


def load_accesses(port: str) -> tuple[int, int]:
    """Return the accesses of a load: before the port starts, and after it ended well."""
    return (6, 2) if port == CONTROLLER_PORT else (2, 1)


def _flag(name: str, low: int, description: str) -> Field:
    return Field(name, 0, low, 1, description=description)


def _names(codes: type[IntEnum]) -> str:
    return ", ".join(f"{code.value} {code.name}" for code in codes)


def _whole(words: int, description: str) -> tuple[Field, ...]:
    return (Field("value", 0, 0, 32 * words, description=description),)


_IDENTITY = (
    Register("map_id", 0x00, Access.READ_ONLY, _whole(1, "hash of this map"), "checked by `open`"),
    Register(
        "capabilities",
        0x04,
        Access.READ_ONLY,
        (Field("partitions", 0, 0, 8, description="partitions that exist"),),
        "what this static region has",
    ),
    Register(
        "static_id",
        0x08,
        Access.READ_ONLY,
        _whole(2, "digest of the implemented static region"),
        "partial bitstreams fit one static region only; simulated gateware has that of its Verilog",
        words=2,
    ),
    Register(
        "feature_memory",
        0x10,
        Access.READ_ONLY,
        _whole(1, "bytes of on-chip feature memory"),
        "it starts at 0xF0000000",
    ),
)

_SEQUENCER = (
    Register(
        "submission",
        0x20,
        Access.READ_WRITE,
        _whole(2, "address of the submission header"),
        "read when the doorbell rings",
        words=2,
    ),
    Register(
        "doorbell",
        0x28,
        Access.WRITE_ONE,
        (
            _flag("start", 0, "run the submission; clears `done` and every error of a program"),
            _flag("abort", 1, "stop the running submission"),
        ),
        "`start` is ignored while `sequencer_status.busy`",
    ),
    Register(
        "sequencer_status",
        0x2C,
        Access.READ_ONLY,
        (
            _flag("busy", 0, "a submission runs"),
            _flag("done", 1, "the last submission has ended, well or not"),
            Field("error", 0, 8, 8, description=_names(SequencerError)),
            Field("error_partition", 0, 16, 8, description="whose ring met the error"),
        ),
        "an error stays until the next doorbell",
    ),
    Register(
        "completed_bank",
        0x30,
        Access.READ_ONLY,
        _whole(1, "parameter bank of the last submission that ended well"),
        "from its header",
    ),
)

_CONFIGURATION = (
    Register(
        "configuration_source",
        0x40,
        Access.READ_WRITE,
        _whole(2, "address of the bitstream"),
        f"a multiple of {SOURCE_ALIGNMENT_BYTES}",
        words=2,
    ),
    Register(
        "configuration_words",
        0x48,
        Access.READ_WRITE,
        _whole(1, "32-bit words of the bitstream"),
        "as they go into the port",
    ),
    Register(
        "configuration_control",
        0x4C,
        Access.WRITE_ONE,
        (
            _flag("start", 0, "stream the bitstream into the ICAP; clears the error"),
            _flag("abort", 1, "stop, and leave the port desynchronised; it beats `start`"),
        ),
        "a `start` while RUNNING has no effect but `configuration_status.refused`",
    ),
    Register(
        "configuration_status",
        0x50,
        Access.READ_ONLY,
        (
            Field("state", 0, 0, 4, description=_names(ConfigurationState)),
            Field("error", 0, 8, 8, description=_names(ConfigurationError)),
            _flag("refused", 16, "a start came while RUNNING: two hosts use the controller"),
        ),
        "an error stays until the next start, and so does `refused`: until one that is not refused",
    ),
    Register(
        "idcode",
        0x54,
        Access.READ_ONLY,
        _whole(1, "IDCODE of the device"),
        "as in bitstreams",
    ),
    Register(
        "configuration_idcode",
        0x58,
        Access.READ_ONLY,
        _whole(1, "IDCODE that the port answered when the last load began"),
        "0 before the first load; 0xFFFFFFFF from a port that another master owns",
    ),
    Register(
        "configuration_port_status",
        0x5C,
        Access.READ_ONLY,
        _whole(1, "STAT of the port, bits as in the family's configuration user guide"),
        "read when the port itself reported the error of the last load, else 0",
    ),
)


_PARTITION = (
    Register(
        "module_id",
        0x00,
        Access.READ_ONLY,
        _whole(2, "identity that the module answers"),
        "0 while EMPTY, unknown while LOADING and after a failed load",
        words=2,
    ),
    Register(
        "control",
        0x08,
        Access.READ_WRITE,
        (
            _flag("decouple", 0, "terminate transactions and isolate; 1 after power-up"),
            _flag("reset", 1, "hold the module in reset"),
        ),
        "isolation and reset",
    ),
    Register(
        "status",
        0x0C,
        Access.READ_ONLY,
        (
            _flag("decoupled", 0, "isolated"),
            _flag("quiescent", 1, "no transaction is under way"),
            Field("state", 0, 4, 4, description=_names(PartitionState)),
        ),
        "what the partition is in",
    ),
    Register(
        "load",
        0x10,
        Access.WRITE_ONE,
        (
            _flag("begin", 0, "to LOADING; ignored unless decoupled and quiescent"),
            _flag("finish", 1, "LOADING to LOADED"),
            _flag("fail", 2, "LOADING to FAILED; the controller gives the load up"),
        ),
        "the host's word on a load; `begin` and `finish` are ignored while the controller runs for"
        " the partition, and a load of its own that fails needs no `fail`",
    ),
    Register(
        "completed",
        0x14,
        Access.READ_ONLY,
        _whole(1, "commands completed since the last doorbell, all iterations together"),
        "per ring",
    ),
    Register(
        "error",
        0x18,
        Access.READ_ONLY,
        (
            Field("code", 0, 0, 8, description="as `sequencer_status.error`"),
            Field("command", 0, 16, 16, description="index in the ring"),
        ),
        "stays until the next doorbell",
    ),
)


def partition_registers(partition: int) -> tuple[Register, ...]:
    """Return the register block of a partition."""
    base = PARTITIONS_OFFSET + partition * PARTITION_BYTES
    return tuple(
        replace(r, name=partition_register(partition, r.name), offset=base + r.offset)
        for r in _PARTITION
    )


def partition_register(partition: int, name: str) -> str:
    """Return the full name of a register in a partition's block."""
    return f"partition{partition}_{name}"


STATIC_REGION = RegisterMap(
    "static_region",
    (
        *_IDENTITY,
        *_SEQUENCER,
        *_CONFIGURATION,
        *(r for partition in range(MAX_PARTITIONS) for r in partition_registers(partition)),
    ),
    (submission.HEADER, command.COMMAND, table.HEADER),
)
