"""`fpga-rt compile`: archives from model files, and every model file that is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import fpga_rt
from fpga_rt.arch.boards import board
from fpga_rt.bitstream.build import simulation_bitstream
from fpga_rt.device.emulated_region import emulated_static_id
from tests.cli.conftest import Cli

DIGITS = Path(__file__).parents[2] / "examples" / "digits" / "digits.onnx"


def test_writes_an_archive_and_says_what_it_holds(cli: Cli, tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    output = tmp_path / "digits.frt"
    answer = cli("compile", DIGITS, "--board", "pynq-z2", "--partitions", 2, "-o", output)
    assert (answer.code, answer.err) == (0, "")
    lines = answer.out.splitlines()
    assert lines[0] == "digits for TUL PYNQ-Z2, partitions rp0, rp1"
    assert "3,426,688 multiplications an image" in lines[1]
    assert "12 steps in 4 launches, 3 modules; 2 module changes in one pass" in lines[2]
    assert f"`fpga-rt inspect {output}`" in lines[-1]
    assert fpga_rt.load(output).network.name == "digits"
    assert [path.name for path in tmp_path.iterdir()] == ["digits.frt"]


def test_the_archive_is_named_after_the_model(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("onnx")
    monkeypatch.chdir(tmp_path)
    assert "written: digits.frt (" in cli("compile", DIGITS).out
    assert fpga_rt.load("digits.frt").board == "pynq-z2"


def register_all(cli: Cli, folder: Path, static_id: int) -> Path:
    """Import a bitstream for every module of the digits network; return the folder of manifests."""
    target, root = board("pynq-z2"), folder / "bitstreams"
    folder.mkdir()
    deployment = fpga_rt.compile(DIGITS, target, 2)
    for index, module in deployment.loads:
        place = target.partitions[index]
        file = folder / "it.bin"
        module_id = deployment.module_ids[module]
        file.write_bytes(simulation_bitstream(target.device, place, module_id))
        options = ("--board", target.name, "--partition", place.name, "--module", module)
        where = ("--static-id", f"{static_id:x}", "--root", root)
        assert cli("bitstream", "import", file, *options, *where).code == 0
    return root


def test_built_bitstreams_go_into_the_archive_and_run_on_their_static_region_only(
    cli: Cli, tmp_path: Path
) -> None:
    pytest.importorskip("onnx")
    output, images = tmp_path / "digits.frt", DIGITS.with_name("digits.npz")
    common = ("compile", DIGITS, "--partitions", 2, "-o", output)
    here = emulated_static_id(board("pynq-z2"))
    for static_id, code in ((here, 0), (here ^ 1, 3)):
        root = register_all(cli, tmp_path / f"{code}", static_id)
        answer = cli(*common, "--bitstreams", root)
        assert f"bitstreams, built against static region {static_id:#018x}" in answer.out
        assert f"built against static region {static_id:#018x}" in cli("inspect", output).out
        ran = cli("run", output, "--input", images, "--count", 2, "--compare", "golden")
        assert ran.code == code, ran.err
    assert f"was implemented against static region {here ^ 1:#018x}, got {here:#018x}" in ran.err


def test_a_bitstream_that_is_not_built_yet_is_named(cli: Cli, tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    output = tmp_path / "digits.frt"
    answer = cli("compile", DIGITS, "--bitstreams", tmp_path / "none", "-o", output)
    assert (answer.code, answer.out) == (3, "")
    assert f"{tmp_path}/none has 0 of the " in answer.err
    assert not output.exists()


@pytest.mark.parametrize(
    ("content", "name", "message"),
    [
        (None, "m.onnx", "cannot be read (No such file or directory), expected a .onnx or .tflite"),
        (b"", "m.onnx", "is empty, expected a .onnx or .tflite file; copy it again"),
        (b"\x7fELF\2\1\1\0", "m.bin", "starts with b'\\x7fELF"),
        (b"\x89FRT\r\n\x1a\n", "m.frt", "is a compiled deployment, expected a .onnx or .tflite"),
    ],
)
def test_files_that_are_no_models(
    cli: Cli, tmp_path: Path, content: bytes | None, name: str, message: str
) -> None:
    path, output = tmp_path / name, tmp_path / "out.frt"
    if content is not None:
        path.write_bytes(content)
    answer = cli("compile", path, "-o", output)
    assert (answer.code, answer.out) == (4, "")
    assert answer.err.startswith(f"fpga-rt: error: {path}")
    assert message in answer.err
    assert answer.err.count("\n") == 1
    assert not output.exists()


def test_a_truncated_model(cli: Cli, tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    path = tmp_path / "half.onnx"
    path.write_bytes(DIGITS.read_bytes()[:20_000])
    answer = cli("compile", path, "-o", tmp_path / "out.frt")
    assert answer.code == 4
    assert "20000 bytes cannot be read as ONNX" in answer.err
    assert answer.err.count("\n") == 1


def test_an_unsupported_operator_is_named(cli: Cli, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    from tests.frontend.qdq import Graph

    graph = Graph((8, 4, 4))
    path = graph.save(tmp_path / "sin.onnx", graph.pair(graph.add("Sin", graph.pair("x"))))
    answer = cli("compile", path, "-o", tmp_path / "out.frt")
    assert answer.code == 4
    assert "the_sin" in answer.err
    assert "Sin" in answer.err


def test_a_network_too_big_for_the_board(cli: Cli, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    from tests.frontend.qdq import Graph

    graph = Graph((512, 4, 4))
    weights = graph.weights(16, 512, 3, 3)
    product = graph.add("Conv", graph.pair("x"), weights, graph.bias(16), pads=[1, 1, 1, 1])
    path = graph.save(tmp_path / "big.onnx", graph.pair(product))
    answer = cli("compile", path, "--board", "zybo-z7-10", "-o", tmp_path / "out.frt")
    assert answer.code == 5
    assert "(4, 4, 512) -> (4, 4, 16)) fits no module in rp0, rp1: convolution_" in answer.err
    assert "convolution_4x4: one output channel group needs 1152 weight words of 256" in answer.err
    assert answer.err.rstrip().endswith("use a larger board or a smaller layer")
    assert [path.name for path in tmp_path.iterdir()] == ["big.onnx"]


def test_unknown_board_and_too_many_partitions(cli: Cli) -> None:
    answer = cli("compile", DIGITS, "--board", "basys3")
    assert answer.code == 6
    assert "unknown board 'basys3': use one of alveo-u200, alveo-u200-xrt, kv260" in answer.err
    pytest.importorskip("onnx")
    answer = cli("compile", DIGITS, "--partitions", 9)
    assert answer.code == 5
    assert "9 partitions asked of board pynq-z2, expected 1..3 (rp0, rp1, rp2)" in answer.err


def test_a_folder_that_is_not_there(cli: Cli, tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    answer = cli("compile", DIGITS, "-o", tmp_path / "none" / "out.frt")
    assert answer.code == 3
    assert f"make the folder {tmp_path / 'none'} first" in answer.err


def test_an_archive_that_cannot_be_replaced_stays(
    cli: Cli, archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("onnx")
    before = archive.read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    answer = cli("compile", DIGITS, "-o", archive)
    assert answer.code == 3
    assert "No space left on device; free some space there" in answer.err
    assert archive.read_bytes() == before
    assert [path.name for path in archive.parent.iterdir()] == [archive.name]


def test_numpy_files_are_no_models(cli: Cli, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros(3))
    answer = cli("inspect", tmp_path / "x.npy")
    assert answer.code == 4
    assert "expected an ONNX or TensorFlow Lite model" in answer.err


def test_modules_to_choose_from(cli: Cli, tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    output = tmp_path / "digits.frt"
    chosen = "convolution_4x8,depthwise_8,pooling_2,dense_2"
    assert cli("compile", DIGITS, "--modules", chosen, "-o", output).code == 0
    assert set(fpga_rt.load(output).module_ids) <= set(chosen.split(","))
    answer = cli("inspect", output, "--modules", "convolution_2x4,pooling_2,depthwise_2")
    assert "its network is compiled again for 0, 1, 2 and modules convolution_2x4," in answer.err
    assert "convolution_2x4" in answer.out
    answer = cli("compile", DIGITS, "--modules", "convolution_9x9", "-o", output)
    assert "unknown module 'convolution_9x9': installed are convolution_16x32, " in answer.err
    answer = cli("compile", DIGITS, "--modules", "pooling_2,", "-o", output)
    assert "got 'pooling_2,', expected names as scale_8,add_8" in answer.err
    answer = cli("compile", DIGITS, "--modules", "pooling_2", "-o", output)
    assert answer.code == 5
    assert answer.err.count("\n") == 1
