"""What a command comes to, in the units of the line memory and of the loops."""

from __future__ import annotations

from amaranth.lib import data

from fpga_rt.contract.command import STREAM_BYTES
from fpga_rt.modules.window_cycles import LINE_BYTES, OUTPUT_ROW_BEATS
from hw.modules.window.operator import MAX_CHANNELS, WEIGHT_WORDS, Mode

LINE_BEATS = LINE_BYTES // STREAM_BYTES
POSITION_BITS = 24
"""Of a byte's signed position in a row: a window begins inside the row or less than its width
before it."""


def work_layout(outputs: int) -> data.StructLayout:
    """Return what a command comes to.

    Loops: `rows`, `columns` and `groups` of the output, `kernel_rows`, `kernel_columns` (steps
    across the kernel) and `depth` of a window. `last_count` are the channels of the last group.
    `per_channel` and `by_depth` are those of the `Offer`, and so is `least`, less one.

    Bytes: `start` of the first window in its row, not positive, `row` of a row, `pixel` from a
    window to the next, `column` from a step across the kernel to the next, `kept` of the last beat
    of a piece (a mask).
    Beats: `row_beats` of a row in the line memory, `piece_beats` of a piece, `ring` of all slots,
    `top` the place of the first row of the first window, `down` from window row to window row;
    `wraps` tells whether slots are used again. `result_beats` are of a row of results.
    """
    return data.StructLayout(
        {
            "refused": 1,
            "mode": Mode,
            "rows": 16,
            "columns": 16,
            "groups": range(MAX_CHANNELS),
            "last_count": range(outputs + 1),
            "output_whole": 1,
            "kernel_rows": 8,
            "kernel_columns": 8,
            "depth": range(2 * WEIGHT_WORDS + 1),
            "per_channel": 1,
            "by_depth": 1,
            "residual": 1,
            "least": 6,
            "start": POSITION_BITS,
            "row": range(LINE_BYTES + 1),
            "pixel": POSITION_BITS - 1,
            "column": POSITION_BITS - 1,
            "kept": STREAM_BYTES,
            "row_beats": range(LINE_BEATS + 1),
            "piece_beats": range(LINE_BEATS + 1),
            "ring": range(LINE_BEATS + 1),
            "top": range(LINE_BEATS),
            "down": range(LINE_BEATS),
            "wraps": 1,
            "input_rows": 16,
            "first_rows": 8,
            "pad_top": 8,
            "stride_y": 8,
            "result_beats": range(OUTPUT_ROW_BEATS + 1),
        }
    )
