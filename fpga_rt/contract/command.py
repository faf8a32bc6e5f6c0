"""The command descriptor: one module's work on one tensor tile, 64 bytes in device memory.

The sequencer obeys words 0..3, its DMA engines words 4..15, and all of them cross the module
boundary unchanged. A ring is a row of descriptors for one partition. Addresses are a segment number
and an offset, so a program is bound to memory only when it is submitted (see `submission`).

Row and pixel pitches let a command read or write a window of a larger tensor: channels of a layer
that partitions share, or rows of a tile. Tensors are row-major height, width, channel; bytes
between rows are the row pitch, bytes between pixels the pixel pitch.
"""

from __future__ import annotations

from enum import IntEnum, IntFlag

from fpga_rt.contract.layout import Field, Layout

MAX_PARTITIONS = 4
STREAM_BYTES = 8
"""Bytes per beat of every stream at the module boundary (64 bits)."""

COMMAND_BYTES = 64
SEGMENT_SHIFT = 28
OFFSET_MASK = (1 << SEGMENT_SHIFT) - 1


class Segment(IntEnum):
    """What an address is relative to; the submission gives each segment its base and stride."""

    INPUT = 0
    OUTPUT = 1
    FEATURES = 2
    WEIGHTS = 3
    TABLES = 4


class Operation(IntEnum):
    """What a command computes; a module answers an operation it lacks with an error status."""

    CONVOLUTION = 1
    DENSE = 2
    DEPTHWISE = 3
    AVERAGE_POOL = 4
    MAXIMUM_POOL = 5
    ADDITION = 6


class CommandFlag(IntFlag):
    """Options of a command."""

    NONE = 0
    FUSED_ADDITION = 1
    """Add the tensor at `residual` after requantising (the table header holds the rule)."""
    WEIGHTS_INT4 = 2
    """Weights are packed two to a byte, the even one in the low half."""
    STREAMED_WEIGHTS = 4
    """Computing starts when the table is in; the weights are used as they come."""


COMMAND = Layout(
    "command",
    16,
    (
        Field("operation", 0, 0, 8, description="`Operation`"),
        Field("flags", 0, 8, 8, description="`CommandFlag`"),
        Field("sequence", 0, 16, 16, description="index in its ring, checked by the sequencer"),
        *(
            Field(
                f"wait{p}",
                1 + p // 2,
                16 * (p % 2),
                16,
                description=f"start only after partition {p} completed this many commands",
            )
            for p in range(MAX_PARTITIONS)
        ),
        Field("table_beats", 3, 0, 10, description="length of the table in beats of 8 bytes"),
        Field("weights_beats", 3, 10, 22, description="length of the packed weights in beats"),
        Field("input", 4, 0, 32, description="address of the first input byte"),
        Field("residual", 5, 0, 32, description="address of the second operand of an addition"),
        Field("output", 6, 0, 32, description="address of the first output byte"),
        Field("weights", 7, 0, 32, description="address of the packed weights"),
        Field("table", 8, 0, 32, description="address of the requantisation table"),
        Field("input_height", 9, 0, 16, description="rows"),
        Field("input_width", 9, 16, 16, description="pixels a row"),
        Field("input_channels", 10, 0, 16, description="channels read from a pixel"),
        Field("input_pixel_pitch", 10, 16, 16, description="bytes"),
        Field("output_height", 11, 0, 16, description="rows"),
        Field("output_width", 11, 16, 16, description="pixels a row"),
        Field("output_channels", 12, 0, 16, description="channels written to a pixel"),
        Field("output_pixel_pitch", 12, 16, 16, description="bytes; also of the residual"),
        Field("kernel_height", 13, 0, 8, description="rows"),
        Field("kernel_width", 13, 8, 8, description="columns"),
        Field("stride_y", 13, 16, 8, description="rows"),
        Field("stride_x", 13, 24, 8, description="columns"),
        Field("input_row_pitch", 14, 0, 24, description="bytes"),
        Field("pad_top", 14, 24, 8, description="rows of padding above"),
        Field("output_row_pitch", 15, 0, 24, description="bytes; also of the residual"),
        Field("pad_left", 15, 24, 8, description="columns of padding on the left"),
    ),
)


def address(segment: Segment, offset: int) -> int:
    """Join a segment and a byte offset below 2**28 to the 32-bit address of a command.

    Raises:
        ValueError: the offset does not fit.
    """
    if not 0 <= offset <= OFFSET_MASK:
        raise ValueError(f"offset {offset} in segment {segment.name}: expected 0..{OFFSET_MASK}")
    return (segment << SEGMENT_SHIFT) | offset


def split_address(value: int) -> tuple[int, int]:
    """Split a 32-bit address into segment number and byte offset."""
    return value >> SEGMENT_SHIFT, value & OFFSET_MASK
