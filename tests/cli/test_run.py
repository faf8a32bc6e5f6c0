"""`fpga-rt run`: golden outputs, accuracy, JSON, files; and data that is refused."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import fpga_rt
from fpga_rt.network.graph import Network
from tests.cli.conftest import CLASSES, IMAGES, Cli

DIGITS = Path(__file__).parents[2] / "examples" / "digits"


def test_prints_a_report(cli: Cli, archive: Path, data: Path) -> None:
    answer = cli("run", archive, "--input", data, "--labels", data, "--batch", 2)
    assert (answer.code, answer.err) == (0, "")
    lines = answer.out.splitlines()
    assert lines[0] == (
        "small on emulator (pynq-z2): 5 inferences in 3 requests, prefetch aggressive"
    )
    assert "  accuracy   80.00%" in lines
    assert "  times      virtual clock, modelled" in lines
    assert any(line.endswith("in total, and that is what it took") for line in lines)


def test_json_has_what_programs_need(cli: Cli, archive: Path, data: Path) -> None:
    answer = cli("run", archive, "--input", data, "--labels", data, "--batch", 2, "--json")
    result = json.loads(answer.out)
    assert result["device"] == "emulator"
    assert (result["clock"], result["origin"]) == ("virtual", "modelled")
    assert result["accuracy"] == 0.8
    assert 0 < result["latency_us"]["p50"] <= result["latency_us"]["p90"]
    assert result["latency_us"]["p90"] <= result["latency_us"]["p99"] < result["cold_latency_us"]
    swaps = result["swaps"]
    assert {"count", "initial", "reused", "hidden_us", "exposed_us", "phases"} <= swaps.keys()
    assert swaps["initial"] == 2
    assert swaps["count"] == result["predicted"]["swaps"] > 0
    assert swaps["phases"]["load"] > 1000
    assert result["bytes"]["bitstream"] > 0 < result["bytes"]["parameters"]
    assert result["total_us"] == result["predicted"]["total_us"]
    assert result["partitions"] == ["rp0", "rp1"]
    assert result["assumptions"]


def test_without_labels_there_is_no_accuracy(cli: Cli, archive: Path, data: Path) -> None:
    assert "accuracy" not in json.loads(cli("run", archive, "--input", data, "--json").out)
    assert "accuracy" not in cli("run", archive, "--input", data).out


def test_outputs_as_codes_and_as_real_values(
    cli: Cli, archive: Path, data: Path, network: Network, expected: NDArray[np.int8]
) -> None:
    output = archive.with_name("out.npy")
    arguments = ("run", archive, "--input", data, "--batch", 3, "--output", output)
    assert f"  written    {output}" in cli(*arguments, "--codes").out
    np.testing.assert_array_equal(np.load(output), expected)
    assert np.load(output).dtype == np.int8
    cli(*arguments)
    tensor = network.tensors[network.output]
    real = (expected.astype(np.float32) - tensor.zero_point) * tensor.scale
    np.testing.assert_allclose(np.load(output), real, rtol=1e-6)
    assert np.load(output).dtype == np.float32


def test_timeline_and_trace(cli: Cli, archive: Path, data: Path) -> None:
    pytest.importorskip("matplotlib")
    picture, trace = archive.with_name("t.png"), archive.with_name("t.json")
    answer = cli("run", archive, "--input", data, "--timeline", picture, "--trace", trace, "--json")
    assert json.loads(answer.out)["files"] == [str(picture), str(trace)]
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert json.loads(trace.read_text())["traceEvents"]


@pytest.mark.parametrize(
    ("given", "names", "again"),
    [("0,1", ["rp0", "rp1"], False), ("0,2", ["rp0", "rp2"], True), ("1,", ["rp1"], True)],
)
def test_partitions_can_be_listed(
    cli: Cli, archive: Path, data: Path, given: str, names: list[str], again: bool
) -> None:
    answer = cli("run", archive, "--input", data, "--partitions", given, "--json")
    assert json.loads(answer.out)["partitions"] == names
    assert ("compiled again" in answer.err) == again


def test_partitions_that_do_not_exist(cli: Cli, archive: Path, data: Path) -> None:
    answer = cli("run", archive, "--input", data, "--partitions", "0,7")
    assert answer.code == 5
    assert "partitions 0, 7 asked of board pynq-z2, expected some of 0..2 (rp0" in answer.err


def test_other_partitions_compile_the_network_again(cli: Cli, archive: Path, data: Path) -> None:
    before = archive.read_bytes()
    answer = cli("run", archive, "--input", data, "--labels", data, "--partitions", 3, "--json")
    assert answer.err == (
        f"fpga-rt: note: {archive} is compiled for partitions 0, 1; its network is compiled again"
        " for 0, 1, 2, the file stays as it is\n"
    )
    result = json.loads(answer.out)
    assert result["partitions"] == ["rp0", "rp1", "rp2"]
    assert (result["accuracy"], result["swaps"]["count"]) == (0.8, 0)
    assert archive.read_bytes() == before


def test_other_partitions_of_built_bitstreams(cli: Cli, archive: Path, data: Path) -> None:
    """The simulation's would take their place, and say nothing of it."""
    built = archive.with_name("built.frt")
    fpga_rt.save(replace(fpga_rt.load(archive), static_id=7), built)
    answer = cli("run", built, "--input", data, "--partitions", 3)
    assert answer.code == 3
    assert answer.out == ""
    assert re.search(
        r"the bitstreams of \w+ were built for \w+@rp0, .*, expected .*@rp2 too; build those,",
        answer.err,
    )


def test_the_first_images_only(cli: Cli, archive: Path, data: Path) -> None:
    outputs = archive.with_name("first.npy")
    first = ("run", archive, "--input", data, "--labels", data, "--count", 2)
    result = json.loads(cli(*first, "--output", outputs, "--json").out)
    assert result["inferences"] == 2
    with np.load(data) as arrays:
        alone = archive.with_name("alone.npy")
        np.save(alone, arrays["x"][:2])
    cli("run", archive, "--input", alone, "--output", archive.with_name("other.npy"))
    np.testing.assert_array_equal(np.load(outputs), np.load(archive.with_name("other.npy")))
    answer = cli("run", archive, "--input", data, "--count", 0)
    assert "argument --count: got '0', expected a whole number of at least 1" in answer.err


def test_policies_and_ports_change_times_but_not_outputs(
    cli: Cli, archive: Path, data: Path
) -> None:
    def run(*more: object) -> dict[str, float]:
        arguments = ("run", archive, "--input", data, "--labels", data, "--batch", 5)
        result = json.loads(cli(*arguments, "--json", *more).out)
        assert result["accuracy"] == 0.8
        return {"total": result["total_us"], "hidden": result["swaps"]["hidden_us"]}

    none, ahead = run("--prefetch", "none"), run()
    assert none["hidden"] == 0 <= ahead["hidden"]
    assert ahead["total"] <= none["total"]
    assert run("--port", "pcap")["total"] > 2 * ahead["total"]


def test_a_model_file_is_compiled_on_the_fly(cli: Cli, tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    with np.load(DIGITS / "digits.npz") as whole:
        np.savez(tmp_path / "some.npz", x=whole["x"][:60], y=whole["y"][:60])
    arguments = ("--input", tmp_path / "some.npz", "--labels", tmp_path / "some.npz")
    answer = cli("run", DIGITS / "digits.onnx", *arguments, "--batch", 60, "--json")
    result = json.loads(answer.out)
    assert result["accuracy"] >= 0.95
    assert result["board"] == "pynq-z2"


def test_one_hot_labels_and_npy_files(cli: Cli, archive: Path, data: Path) -> None:
    images, labels = archive.with_name("x.npy"), archive.with_name("y.npy")
    with np.load(data) as loaded:
        np.save(images, loaded["x"])
        np.save(labels, np.eye(CLASSES, dtype=np.float32)[loaded["y"]])
    answer = cli("run", archive, "--input", images, "--labels", labels, "--json")
    assert json.loads(answer.out)["accuracy"] == 0.8


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.full((2, 8, 8, 16), np.nan, np.float32), "is not finite at (0, 0, 0, 0)"),
        (np.full((2, 8, 8, 16), np.inf), "is not finite at (0, 0, 0, 0)"),
        (np.zeros((2, 8, 9, 16)), "has shape (2, 8, 9, 16), expected (images, 8, 8, 16)"),
        (np.zeros((2, 8, 8, 16), np.int64), "has type int64, expected int8 codes, or"),
        (np.zeros(()), "has shape (), expected (images, 8, 8, 16)"),
        (np.zeros((0, 8, 8, 16)), "holds no images, expected at least one"),
    ],
)
def test_images_that_are_refused(
    cli: Cli, archive: Path, images: NDArray[np.generic], message: str
) -> None:
    path = archive.with_name("x.npy")
    np.save(path, images)
    answer = cli("run", archive, "--input", path, "--output", archive.with_name("out.npy"))
    assert (answer.code, answer.out) == (8, "")
    assert message in answer.err
    assert answer.err.count("\n") == 1
    assert not archive.with_name("out.npy").exists()


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.zeros(4, np.int64), f"have shape (4,), expected {IMAGES}, one for each image"),
        (np.zeros((5, 2)), f"have shape (5, 2), expected {IMAGES}"),
        (np.int64(3), f"have shape (), expected {IMAGES}"),
        (np.array([0, 1, 2, 3, 7]), "reach from 0 to 7, expected classes 0..6"),
        (np.array([0, 1, 2, 3, -1]), "reach from -1 to 3, expected classes 0..6"),
        (np.array([0, 1, 2, 3, 0.5]), "hold fractions or NaN, expected whole numbers"),
        (np.array([0, 1, 2, 3, np.nan]), "hold fractions or NaN, expected whole numbers"),
        (np.array(list("abcde")), "are of type <U1, expected whole numbers"),
    ],
)
def test_labels_that_are_refused(
    cli: Cli, archive: Path, data: Path, labels: NDArray[np.generic], message: str
) -> None:
    path = archive.with_name("y.npy")
    np.save(path, labels)
    answer = cli("run", archive, "--input", data, "--labels", path)
    assert (answer.code, answer.out) == (8, "")
    assert f"labels in {path}" in answer.err
    assert message in answer.err


def _npz(path: Path) -> None:
    np.savez(path, a=np.zeros(3), b=np.zeros(3))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.npy", None, "cannot be read (No such file or directory), expected a complete .npy"),
        ("x.npy", b"", "cannot be read (it is empty)"),
        ("x.npy", b"hello, world", "cannot be read (starts with b'hello,')"),
        ("x.npy", b"\x93NUMPY\1\0", "expected a complete .npy or .npz file of numbers"),
        ("x.npz", b"PK\3\4 and no more", "cannot be read (File is not a zip file)"),
    ],
)
def test_files_that_are_no_arrays(
    cli: Cli, archive: Path, name: str, content: bytes | None, message: str
) -> None:
    path = archive.with_name(name)
    if content is not None:
        path.write_bytes(content)
    answer = cli("run", archive, "--input", path)
    assert (answer.code, answer.out) == (3, "")
    assert f"{path} cannot be read" in answer.err
    assert message in answer.err


def test_truncated_and_ambiguous_arrays(cli: Cli, archive: Path, data: Path) -> None:
    path = archive.with_name("x.npy")
    np.save(path, np.zeros((2, 8, 8, 16), np.int8))
    path.write_bytes(path.read_bytes()[:-1])
    assert cli("run", archive, "--input", path).code == 3
    half = archive.with_name("half.npz")
    half.write_bytes(data.read_bytes()[:-40])
    assert cli("run", archive, "--input", half).code == 3
    flipped = bytearray(data.read_bytes())
    flipped[len(flipped) // 2] ^= 1
    half.write_bytes(flipped)
    assert "Bad CRC-32" in cli("run", archive, "--input", half).err
    _npz(archive.with_name("ab.npz"))
    answer = cli("run", archive, "--input", archive.with_name("ab.npz"))
    assert answer.code == 3
    assert "holds the arrays a, b, expected one called x or X, or a single one" in answer.err


def test_pickled_objects_are_not_loaded(cli: Cli, archive: Path) -> None:
    path = archive.with_name("x.npy")
    np.save(path, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    answer = cli("run", archive, "--input", path)
    assert answer.code == 3
    assert "Object arrays cannot be loaded when allow_pickle=False" in answer.err


@pytest.mark.parametrize("place", [0, 9, 300, -5])
def test_a_flipped_byte_of_an_archive_is_noticed(
    cli: Cli, archive: Path, data: Path, place: int
) -> None:
    content = bytearray(archive.read_bytes())
    content[place] ^= 4
    archive.write_bytes(content)
    answer = cli("run", archive, "--input", data)
    assert answer.code == 3
    assert str(archive) in answer.err
    assert answer.err.count("\n") == 1


def test_archives_that_are_missing_truncated_or_of_another_version(
    cli: Cli, archive: Path, data: Path
) -> None:
    missing = cli("run", archive.with_name("none.frt"), "--input", data)
    assert missing.code == 3
    assert "no such file; make it first: fpga-rt compile MODEL" in missing.err
    content = archive.read_bytes()
    archive.write_bytes(content[:-100])
    assert f"is truncated, got {len(content) - 100} bytes" in cli("inspect", archive).err
    other = content[:8] + b"\x63\0\0\0" + content[12:-32]
    archive.write_bytes(other + hashlib.sha256(other).digest())
    answer = cli("run", archive, "--input", data)
    assert answer.code == 3
    assert "has format version 99, expected" in answer.err


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--device", "ferrari"), 6, "unknown device 'ferrari': expected one of"),
        (("--board", "kv260"), 6, "is compiled for board pynq-z2, got --board kv260; compile"),
        (("--port", "jtag"), 6, "has no configuration port 'jtag', expected one of icap, pcap"),
        (("--partitions", 4), 5, "4 partitions asked of board pynq-z2, expected 1..3"),
        (("--waves", "waves"), 6, "device emulator has no option waves: it takes memory_bytes,"),
        (("--load-time", "stream"), 6, "device emulator has no option load_time: it takes memory"),
    ],
)
def test_unknown_devices_boards_and_ports(
    cli: Cli, archive: Path, data: Path, arguments: tuple[object, ...], code: int, message: str
) -> None:
    answer = cli("run", archive, "--input", data, *arguments)
    assert (answer.code, answer.out) == (code, "")
    assert message in answer.err


def test_a_failed_write_leaves_nothing_behind(cli: Cli, archive: Path, data: Path) -> None:
    before = sorted(path.name for path in archive.parent.iterdir())
    answer = cli("run", archive, "--input", data, "--output", archive.parent / "no" / "out.npy")
    assert answer.code == 3
    assert "make the folder" in answer.err
    assert sorted(path.name for path in archive.parent.iterdir()) == before
