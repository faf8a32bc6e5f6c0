"""Model files to integer networks: ONNX QDQ, TensorFlow Lite int8, and torch through them."""

from __future__ import annotations

from pathlib import Path

from fpga_rt.errors import ModelError
from fpga_rt.network.graph import Network

_TFLITE_IDENTIFIER = b"TFL3"
_ONNX_FIRST_BYTE = b"\x08"
"""Field 1 (`ir_version`, a varint) of ONNX's ModelProto, which writers put first."""


def load(path: str | Path) -> Network:
    """Load a quantised model, .onnx (QDQ) or .tflite (int8), told apart by content and suffix.

    Raises:
        ModelError: the file is missing, truncated or no model, or holds something unsupported.
        ToolchainError: the extra that reads the format is not installed.
    """
    path = Path(path)
    head = _head(path)
    if head[4:8] == _TFLITE_IDENTIFIER or path.suffix == ".tflite":
        from fpga_rt.frontend import tflite

        return tflite.load(path)
    if head[:1] == _ONNX_FIRST_BYTE or path.suffix == ".onnx":
        from fpga_rt.frontend import onnx_qdq

        return onnx_qdq.load(path)
    raise ModelError(
        f"{path}: starts with {head!r}, expected an ONNX or TensorFlow Lite model;"
        " give a .onnx (QDQ) or .tflite (int8) file"
    )


def _head(path: Path) -> bytes:
    if path.is_dir():
        raise ModelError(f"{path} is a directory, expected a .onnx or .tflite file; name the file")
    try:
        with path.open("rb") as file:
            head = file.read(8)
    except OSError as error:
        raise ModelError(
            f"{path} cannot be read ({error.strerror}), expected a .onnx or .tflite file;"
            " check the path"
        ) from error
    if not head:
        raise ModelError(f"{path} is empty, expected a .onnx or .tflite file; copy it again")
    return head
