"""What the modules with a sliding window refuse: the host's mirror of their gateware."""

from __future__ import annotations

from fpga_rt.contract.command import STREAM_BYTES, CommandFlag
from fpga_rt.errors import ExecutionError
from fpga_rt.modules.geometry import Fields, ceil_divide, is_fused
from fpga_rt.modules.layer import Layer
from fpga_rt.modules.window_cycles import LINE_BYTES, OUTPUT_ROW_BEATS

WEIGHT_WORDS = 256
"""Words of one half of the weight memory."""
TABLE_CHANNELS = 256
_LINE_BEATS = LINE_BYTES // STREAM_BYTES
_SIZES = (
    "input_height input_width input_channels output_height output_width output_channels"
    " kernel_height kernel_width stride_y stride_x"
).split()
_OF_ONE_PIXEL = {
    "kernel_height": 1,
    "kernel_width": 1,
    "stride_y": 1,
    "stride_x": 1,
    "pad_top": 0,
    "pad_left": 0,
}


def require_computable(  # noqa: PLR0913 - what three modules differ in, by keyword
    fields: Fields,
    module: str,
    *,
    words: int = 0,
    fold: int = 1,
    per_channel: bool = True,
    fuses: bool = False,
    residual: bool = False,
) -> None:
    """Refuse a descriptor that the gateware refuses.

    Args:
        fields: the descriptor; its operation is one that the module offers.
        module: its name.
        words: words of weights that it needs.
        fold: kernel columns that share a step.
        per_channel: an output channel reads only the input channel of its number.
        fuses: the module adds a residual behind the operation.
        residual: the operation has a second operand.

    Raises:
        ExecutionError: the module cannot compute it.
    """
    reason = (
        _nothing(fields)
        or _wrong_options(fields, words, per_channel, fuses)
        or _wrong_window(fields)
        or _wrong_rows(fields, fold)
        or (_wrong_pair(fields) if residual else None)
    )
    if reason:
        raise ExecutionError(
            f"module {module} got {reason}; the program was compiled for another module"
        )


def _nothing(fields: Fields) -> str | None:
    return next((f"{name} 0, expected at least 1" for name in _SIZES if fields[name] == 0), None)


def _wrong_options(fields: Fields, words: int, per_channel: bool, fuses: bool) -> str | None:
    channels = fields["output_channels"]
    if fields["flags"] & CommandFlag.STREAMED_WEIGHTS:
        return "streamed weights, expected resident ones"
    if is_fused(fields) and not fuses:
        return "a fused addition, expected none"
    if channels > TABLE_CHANNELS:
        return f"{channels} output channels, expected at most {TABLE_CHANNELS}"
    if words > WEIGHT_WORDS:
        return f"{words} words of weights, expected at most {WEIGHT_WORDS}"
    if per_channel and fields["input_channels"] != channels:
        return f"{fields['input_channels']} input channels, expected the output's {channels}"
    return None


def _wrong_window(fields: Fields) -> str | None:
    for axis, before, along in (("height", "pad_top", "y"), ("width", "pad_left", "x")):
        kernel, padding, stride = (
            fields[f"kernel_{axis}"],
            fields[before],
            fields[f"stride_{along}"],
        )
        if padding >= kernel:
            return f"{before} {padding}, expected less than the kernel's {kernel}"
        last = (fields[f"output_{axis}"] - 1) * stride - padding
        if last >= fields[f"input_{axis}"]:
            return f"a window at {along} {last}, expected it to meet {fields[f'input_{axis}']}"
    return None


def _wrong_rows(fields: Fields, fold: int) -> str | None:
    channels, width = fields["input_channels"], fields["input_width"]
    whole = width == 1 or fields["input_pixel_pitch"] == channels
    if fold > 1 and not whole:
        return f"rows in pieces, expected whole ones for {channels} channels"
    pitch = channels if whole else ceil_divide(channels, STREAM_BYTES) * STREAM_BYTES
    slots = line_slots(fields["kernel_height"], fields["stride_y"], fields["output_height"])
    lines = min(slots, fields["input_height"]) * ceil_divide(width * pitch, STREAM_BYTES)
    if lines > _LINE_BEATS:
        return f"a window on {lines} beats of lines, expected at most {_LINE_BEATS}"
    results = result_beats(fields)
    if results > OUTPUT_ROW_BEATS:
        return f"an output row of {results} beats, expected at most {OUTPUT_ROW_BEATS}"
    return None


def _wrong_pair(fields: Fields) -> str | None:
    for name, value in _OF_ONE_PIXEL.items():
        if fields[name] != value:
            return f"{name} {fields[name]}, expected {value}: it has no window"
    for axis in ("height", "width"):
        if fields[f"input_{axis}"] != fields[f"output_{axis}"]:
            return f"input_{axis} {fields[f'input_{axis}']}, expected the output's"
    return None


def result_beats(fields: Fields) -> int:
    """Return the beats of an output row as the module gives it."""
    width, channels = fields["output_width"], fields["output_channels"]
    if width == 1 or fields["output_pixel_pitch"] == channels:
        return ceil_divide(width * channels, STREAM_BYTES)
    return width * ceil_divide(channels, STREAM_BYTES)


def line_slots(kernel_height: int, stride_y: int, output_height: int) -> int:
    """Return the rows that the line memory holds, if the input has as many."""
    return kernel_height + stride_y if output_height > 1 else kernel_height


def window_refusal(layer: Layer) -> str | None:
    """Return what of a layer's window no module with a sliding window computes."""
    kernel, stride, (top, _, left, _) = layer.window
    if top >= kernel[0] or left >= kernel[1]:
        return f"its padding of {top}, {left} is not smaller than the kernel, {kernel}"
    for axis, padding in enumerate((top, left)):
        last = (layer.output_shape[axis] - 1) * stride[axis] - padding
        if last >= layer.input_shape[axis]:
            return f"its last window begins at {last} of {layer.input_shape[axis]}: it is padding"
    return None


def columns_in_line_memory(layer: Layer, pixel_bytes: int) -> int:
    """Return the output columns whose windows fit the line memory, 0 if not even one does."""
    (kernel_y, kernel_x), (stride_y, stride_x), _ = layer.window
    height, width, _ = layer.input_shape
    rows = min(height, line_slots(kernel_y, stride_y, layer.output_shape[0]))
    available = _LINE_BEATS // rows * STREAM_BYTES // pixel_bytes
    if available >= width:
        return layer.output_shape[1]
    return max(0, (available - kernel_x) // stride_x + 1)


def columns_of_results(channels: int) -> int:
    """Return the output columns of `channels` channels that the output buffer holds, twice."""
    return max(1, OUTPUT_ROW_BEATS // ceil_divide(channels, STREAM_BYTES))
