"""Files that are no models, and models that were cut off."""

from __future__ import annotations

import builtins
from pathlib import Path
from typing import Any

import pytest

from fpga_rt import frontend
from fpga_rt.errors import ModelError, ToolchainError
from tests.frontend.qdq import Graph


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """Write a small QDQ model."""
    graph = Graph((8,))
    y = graph.add("Gemm", graph.pair("x"), graph.weights(4, 8), transB=1)
    return graph.save(tmp_path / "model.onnx", graph.pair(y))


def test_missing(tmp_path: Path) -> None:
    message = r"none\.onnx cannot be read \(No such file or directory\), expected a \.onnx or"
    with pytest.raises(ModelError, match=message):
        frontend.load(tmp_path / "none.onnx")


def test_directory(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"is a directory, expected a \.onnx or \.tflite file"):
        frontend.load(tmp_path)


def test_empty(tmp_path: Path) -> None:
    path = tmp_path / "a.onnx"
    path.touch()
    with pytest.raises(ModelError, match=r"a\.onnx is empty, expected a \.onnx or \.tflite file"):
        frontend.load(path)


def test_other_content(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(ModelError, match="expected an ONNX or TensorFlow Lite model; give a"):
        frontend.load(path)


def test_content_decides_over_suffix(model: Path) -> None:
    assert frontend.load(model.rename(model.with_suffix(".model"))).name == "model"


def test_wrong_content_for_its_suffix(tmp_path: Path) -> None:
    path = tmp_path / "a.tflite"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" * 9)
    with pytest.raises(ModelError, match=r"bytes 4\.\.7 are .*expected b'TFL3'; give a TensorFlow"):
        frontend.load(path)


def test_text_called_onnx(tmp_path: Path) -> None:
    path = tmp_path / "a.onnx"
    path.write_text("not a model at all")
    with pytest.raises(ModelError, match=r"a\.onnx: 18 bytes cannot be read as ONNX"):
        frontend.load(path)


def test_truncated_anywhere(model: Path) -> None:
    data = model.read_bytes()
    for length in range(1, len(data), 7):
        model.write_bytes(data[:length])
        with pytest.raises(ModelError):
            frontend.load(model)


@pytest.mark.parametrize(
    ("package", "suffix", "message"),
    [
        ("onnx", ".onnx", r"needs the onnx package; pip install 'fpga-rt\[onnx\]'"),
        ("tflite", ".tflite", r"needs the tflite package; pip install 'fpga-rt\[tflite\]'"),
    ],
)
def test_missing_package(
    package: str, suffix: str, message: str, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = builtins.__import__

    def without(name: str, *arguments: Any, **keywords: Any) -> Any:  # noqa: ANN401 - __import__
        if name == package:
            raise ImportError(name)
        return original(name, *arguments, **keywords)

    monkeypatch.setattr(builtins, "__import__", without)
    path = model.with_name(f"other{suffix}")
    path.write_bytes(model.read_bytes())
    with pytest.raises(ToolchainError, match=message):
        frontend.load(path)
