"""Study files: what they say, and what is said of bad ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from fpga_rt.errors import ArtifactError
from fpga_rt.study.axes import AXES
from fpga_rt.study.file import read
from fpga_rt.study.toml_file import line_of
from fpga_rt.study.updates import Updates
from tests.study.conftest import DIGITS, HEAD, Written

LINES = len(HEAD.splitlines()) + 2
"""The sweep begins behind this line."""


def test_a_grid_of_points_named_by_what_varies(written: Written) -> None:
    study = read(written('workload = ["turns"]\nbatch = [1, 4]\npolicy = ["none", "exact"]\n'))
    assert list(study.points) == [
        "policy=none batch=1",
        "policy=none batch=4",
        "policy=exact batch=1",
        "policy=exact batch=4",
    ]
    point = study.points["policy=exact batch=4"]
    assert (point.workload, point.board, point.port) == ("turns", "pynq-z2", "default")
    assert study.networks["b"].partitions == (0, 2)
    assert study.networks["a"].partitions is None
    assert (study.title, study.seed) == ("Two networks", 3)
    assert study.workloads["poisson"].rate_hz == 100


def test_the_grid_of_the_examples_has_a_thousand_points(tmp_path: Path) -> None:
    grid = DIGITS.parents[1] / "studies" / "grid.toml"
    for name in ("pretrainedResnet_quant", "kws_ref_model", "ad01_int8"):
        (tmp_path / f"{name}.tflite").touch()  # read when a point is evaluated
    study = read(grid, tmp_path)
    assert len(study.points) == 1000
    assert set(study.networks) == {"ic", "kws", "ad"}


def test_every_workload_is_swept_by_default(written: Written) -> None:
    assert [p.workload for p in read(written("batch = 2\n")).points.values()] == [
        "turns",
        "poisson",
        "alone",
    ]


def test_values_of_every_axis(written: Written) -> None:
    text = """
workload = ["turns"]
board = ["pynq-z2"]
calibration = [""]
port = ["icap", "pcap", "default"]
contention = [0, 30]
partitions = ["all", 2, [0, 2]]
modules = ["all", ["convolution_8x16", "pooling_8", "depthwise_64"]]
placement = ["apart", "together"]
bitstream = ["reset", "plain", 0.5]
policy = ["none", "lru", "belady", "aggressive", "look-ahead", "exact"]
batch = [1]
"""
    study = read(written(text))
    assert set(study.sweep) == set(AXES)
    assert len(study.points) == 3 * 2 * 3 * 2 * 2 * 3 * 6
    assert "partitions=0+2" in list(study.points)[-1]


@pytest.mark.parametrize(
    ("sweep", "line", "message"),
    [
        ("polcy = ['none']", 1, "unknown key 'polcy', expected one of workload, board,"),
        ("batch = []", 1, "batch has no values, expected at least one: a whole number"),
        ("batch = [1]\nboard = ['pynq']", 2, "board is 'pynq', expected one of alveo-u200,"),
        ("batch = [0]", 1, "batch is 0, expected a whole number of at least 1"),
        ("batch = [true]", 1, "batch is True, expected a whole number of at least 1"),
        ("partitions = [\n  [0],\n  [1], # ]\n]\nbatch = [0]", 5, "batch is 0, expected a whole"),
        ("modules = [\n  ['a[', 'b'],\n]\nbatch = [0]", 1, "'a['"),
        ("batch = [2, 2]", 1, "batch has two values named 2; give each once"),
        (
            "partitions = [1, [1]]",
            1,
            "partitions has two values named 1; give each once",
        ),
        ("policy = ['best']", 1, "policy is 'best', expected one of none, lru, belady, aggress"),
        ("\nport = ['jtag']", 2, "board pynq-z2 has no configuration port 'jtag', expected one"),
        ("partitions = [4]", 1, "4 partitions asked of board pynq-z2, expected 1..3"),
        ("partitions = [[0, 7]]", 1, "expected some of 0..2"),
        ("partitions = ['some']", 1, "expected `all`, how many, or a list of indices as [0, 2]"),
        ("modules = [['convolution']]", 1, "convolution"),
        ("modules = [3]", 1, "expected `all`, or a list of module variants"),
        ("bitstream = ['zip']", 1, "expected `reset`, `plain`, or a ratio to `reset` above 0"),
        ("bitstream = [-1.0]", 1, "expected `reset`, `plain`, or a ratio to `reset` above 0"),
        ("contention = [-5]", 1, "contention is -5, expected a whole number of at least 0"),
        ("workload = ['turn']", 1, "workload is 'turn', expected one of turns, poisson"),
        ("calibration = ['none.json']", 1, "none.json cannot be read (No such file"),
    ],
)
def test_a_bad_sweep_names_line_and_choices(
    written: Written, sweep: str, line: int, message: str
) -> None:
    path = written(sweep + "\n")
    with pytest.raises(ArtifactError) as got:
        read(path)
    assert str(got.value).startswith(f"{path}:{LINES + line}: ")
    assert message in str(got.value)


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ("seed = 3", "sed = 3", 3, "unknown key 'sed', expected one of title, seed"),
        ("seed = 3", "seed = -1", 3, "seed is -1, expected a whole number of at least 0"),
        ("[study]", "[studies]", 1, "unknown key 'studies', expected one of study, networks"),
        ("mix = { a = 1, b = 1 }", "mix = { a = 1, c = 1 }", 11,
         "unknown network 'c', expected one of a, b"),
        ("mix = { a = 1, b = 1 }", "mix = { a = 1, b = 0 }", 11, "b is 0, expected a whole"),
        ("mix = { a = 1, b = 1 }", "mix = 3", 11, "mix is 3, expected a table as {ic = 1}"),
        ("mix = { a = 1, b = 1 }", "kind = 'single-stream'", 9,
         "a single stream of 2 networks, expected one"),
        ('kind = "server"', 'kind = "offline"', 14,
         "kind is 'offline', expected one of single-stream, gateway, server, drift"),
        ("rate_hz = 100\n", "", 13, "rate_hz is missing"),
        ("rate_hz = 100\n", "rate_hz = 100\norder = 'random'\n", 17,
         "order is 'random', expected no such key in a workload of kind server, only in a gateway"),
        ("requests = 4\n", "requests = 99999999999\n", 10,
         "requests is 99999999999, expected at most 10,000,000"),
        ("requests = 4\n", "requests = 4\nqueue = 3\n", 11,
         "queue is 3, expected no such key in a workload of kind gateway, only in a server"),
        ("requests = 4\n", "requests = 4\nvectors = 3\n", 11, "vectors is 3, expected no such key"
         " in a workload of kind gateway, only in a workload of kind drift"),
        ("partitions = [0, 2]", "partitions = [0, 9]", 7, "expected some of 0..2"),
        ("partitions = [0, 2]", "place = 1", 7, "unknown key 'place', expected one of model, part"),
        ("digits.onnx", "digit.onnx", 6, "give the folder of the models with --models"),
    ],
)  # fmt: skip
def test_a_bad_head_names_line_and_choices(
    written: Written, old: str, new: str, line: int, message: str
) -> None:
    assert old in HEAD
    path = written(f"{HEAD.replace(old, new)}\n[sweep]\nbatch = [1]\n")
    with pytest.raises(ArtifactError) as got:
        read(path)
    assert str(got.value).startswith(f"{path}:{line}: ")
    assert message in str(got.value)


@pytest.mark.parametrize(
    ("axis", "choices"),
    [
        ("policy", "one of none, lru, belady, aggressive, look-ahead, exact"),
        ("workload", "one of turns, poisson, alone"),
        ("placement", "one of apart, together"),
        ("port", "one of default, icap, pcap"),
        ("partitions", "`all`, how many, or a list of indices as [0, 2]"),
        ("calibration", "files of measurements"),
    ],
)
def test_an_empty_axis_names_its_choices(written: Written, axis: str, choices: str) -> None:
    path = written(f"\n{axis} = []\n")
    with pytest.raises(ArtifactError) as got:
        read(path)
    assert str(got.value) == (
        f"{path}:{LINES + 2}: {axis} has no values, expected at least one: {choices}; give one, or"
        " leave the axis out"
    )


@pytest.mark.parametrize(("axis", "some"), [("board", "pynq-z2"), ("modules", "convolution_8x16")])
def test_an_empty_axis_names_what_is_installed(written: Written, axis: str, some: str) -> None:
    with pytest.raises(ArtifactError) as got:
        read(written(f"{axis} = []\n"))
    assert some in str(got.value)


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        (f"{HEAD}\n[sweep]\n", LINES, f"sweep is {{}}, expected a table with at least one of"
         f" {', '.join(AXES)}"),
        ("[networks]\n[workload.x]\n[sweep]\nbatch = 1\n", 1,
         "networks is {}, expected a table with at least one model file by name, as ic = "),
        (f"[networks]\na = '{DIGITS}'\n[workload.x]\n[sweep]\nbatch = 1\n", 3,
         "workload.x is {}, expected a table with some of kind, requests, mix, order, rate_hz,"),
        (f"[networks]\na = '{DIGITS}'\n[workload]\n[sweep]\nbatch = 1\n", 3,
         "workload is {}, expected a table with at least one workload, as [workload.NAME]"),
    ],
)  # fmt: skip
def test_an_empty_table_names_what_it_may_have(
    written: Written, text: str, line: int, message: str
) -> None:
    path = written(text)
    with pytest.raises(ArtifactError) as got:
        read(path)
    assert str(got.value).startswith(f"{path}:{line}: {message}")


DRIFT = """\
[workload.drifting]
kind = "drift"
mix = { a = 1 }
update_every = 100
update_bytes = 4000
link_kbit_s = 100
"""


def test_a_stream_under_drift(written: Written) -> None:
    study = read(written(f"{HEAD}\n{DRIFT}\n[sweep]\nworkload = ['drifting']\n"))
    found = study.workloads["drifting"]
    assert (found.kind, found.requests) == ("drift", 10_000)
    assert found.updates == Updates(100.0, every=100, size_bytes=4000, network="a")
    other = DRIFT.replace("update_every = 100", "update_every_s = 0.5\nlink_delay_ms = 0").replace(
        "update_bytes = 4000", "update_share = 1\nway = 'program'\nupdate_to = 'b'\nvectors = 0"
    )
    study = read(written(f"{HEAD}\n{other}\n[sweep]\nworkload = ['drifting']\n"))
    assert study.workloads["drifting"].updates == Updates(
        100.0, every_s=0.5, share=1.0, way="program", vectors=0, network="a", other="b"
    )


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ("mix = { a = 1 }\n", "", 1, "updates that reach a stream of 2 networks, expected one; name"
         " it in `mix`: it is the one that is updated"),
        ("link_kbit_s = 100\n", "", 1, "link_kbit_s is missing, expected a number of"),
        ("link_kbit_s = 100", "link_kbit_s = 0", 6,
         "link_kbit_s is 0, expected a number of at least 1e-06"),
        ("update_every = 100\n", "", 1,
         "neither is given, expected one of update_every, update_every_s"),
        ("update_bytes = 4000", "update_bytes = 4000\nupdate_share = 0.1", 6,
         "update_bytes and update_share are both given, expected one of"),
        ("update_bytes = 4000", "update_share = 27", 5,
         "update_share is 27, expected a share of the parameters' bytes, above 0 and at most 1"),
        ("update_every = 100", "update_every = 1.5", 4,
         "update_every is 1.5, expected a whole number of at least 1"),
        ("link_kbit_s = 100", "link_kbit_s = 100\nlink_delay_ms = -1", 7,
         "link_delay_ms is -1, expected 0, or a number of at least 1e-09"),
        ("link_kbit_s = 100", "link_kbit_s = 100\nway = 'partial'", 7,
         "way is 'partial', expected one of bank, program, region"),
        ("link_kbit_s = 100", "link_kbit_s = 100\nvectors = -1", 7,
         "vectors is -1, expected a whole number of at least 0"),
        ("link_kbit_s = 100", "way = 'region'\nvectors = 4\nlink_kbit_s = 100", 7,
         "vectors is 4, expected no such key in updates of way region, only of bank or program"),
        ("link_kbit_s = 100", "way = 'region'\nvectors_between = 4\nlink_kbit_s = 100", 7,
         "expected no such key in updates of way region, only of bank"),
        ("link_kbit_s = 100", "update_to = 'b'\nlink_kbit_s = 100", 6,
         "update_to is 'b', expected no such key in updates of way bank, only of program"),
        ("link_kbit_s = 100", "way = 'program'\nlink_kbit_s = 100", 1,
         "update_to is missing, expected one of b"),
        ("link_kbit_s = 100", "way = 'program'\nupdate_to = 'a'\nlink_kbit_s = 100", 7,
         "update_to is 'a', expected one of b"),
        ("link_kbit_s = 100", "rate_hz = 9\nlink_kbit_s = 100", 6,
         "rate_hz is 9, expected no such key in a workload of kind drift, only in a server"),
        ("link_kbit_s = 100", "order = 'turns'\nlink_kbit_s = 100", 6,
         "order is 'turns', expected no such key in a workload of kind drift, only in a gateway"),
        ("mix = { a = 1 }", "trace = 'x.csv'", 3,
         "a stream under drift has no trace, expected kind gateway"),
    ],
)  # fmt: skip
def test_bad_updates_name_line_and_choices(
    written: Written, old: str, new: str, line: int, message: str
) -> None:
    assert old in DRIFT
    path = written(f"{HEAD}\n{DRIFT.replace(old, new)}\n[sweep]\nbatch = [1]\n")
    with pytest.raises(ArtifactError) as got:
        read(path)
    assert str(got.value).startswith(f"{path}:{LINES - 1 + line}: ")
    assert message in str(got.value)


def test_a_program_needs_another_network(written: Written) -> None:
    path = written(f"[networks]\na = '{DIGITS}'\n{DRIFT}way = 'program'\n[sweep]\nbatch = [1]\n")
    with pytest.raises(ArtifactError) as got:
        read(path)
    assert str(got.value) == (
        f"{path}:9: way is 'program', to another network, but a is the only one; add the other to"
        " [networks], or expected one of bank, region"
    )


def test_what_is_no_toml_says_where(written: Written) -> None:
    with pytest.raises(ArtifactError, match=r"study.toml: .*line 2.*; study files are TOML"):
        read(written("[networks]\na = = 2\n"))


def test_an_array_without_its_end_has_a_line(written: Written) -> None:
    text = "[networks]\na = 'x'\n[sweep]\nbatch = [1,\nport = ['icap']\n[workload.a]\n"
    with pytest.raises(ArtifactError, match=r"study.toml(:4: |: .*line [456])"):
        read(written(text))
    with pytest.raises(ArtifactError, match=r"study.toml:3: Unclosed array \(at end of document\)"):
        read(written("[networks]\n[sweep]\nbatch = [\n  [1]\n"))


def test_values_that_are_almost_alike_are_two_points(written: Written) -> None:
    points = read(written("bitstream = [0.50000001, 0.50000002, 0.5]\nworkload = 'turns'\n")).points
    assert list(points) == ["bitstream=0.50000001", "bitstream=0.50000002", "bitstream=0.5"]


def test_points_of_one_name_are_refused(written: Written, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fpga_rt.study.file.name_of", lambda *_: "the same")
    path = written("batch = [1, 2]\nworkload = 'turns'\n")
    with pytest.raises(ArtifactError, match="2 points have only 1 names; rename workloads"):
        read(path)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"none.toml cannot be read \(No such file"):
        read(tmp_path / "none.toml")


@pytest.mark.parametrize(
    ("missing", "kept"),
    [("sweep", f"{HEAD}"), ("networks", '[workload.x]\nkind = "gateway"\n[sweep]\nbatch = [1]\n')],
)
def test_a_table_that_is_missing(tmp_path: Path, missing: str, kept: str) -> None:
    path = tmp_path / "study.toml"
    path.write_text(kept)
    with pytest.raises(ArtifactError) as got:
        read(path)
    assert str(got.value) == (
        f"{path}:1: there is no table [{missing}]; a study has [study], [networks], [workload],"
        " [sweep]"
    )


def test_a_grid_too_large_is_refused(written: Written) -> None:
    batches = ", ".join(map(str, range(1, 1002)))
    text = f"batch = [{batches}]\ncontention = [{batches}]\n"
    with pytest.raises(ArtifactError, match=r"3,006,003 points, expected at most 1,000,000"):
        read(written(text))


def test_lines_are_found_in_tables_and_inline() -> None:
    lines = ["[a]", "x = 1", "", "[a.b]", "y = 2", "z = { u = 1,", "v = 2 }"]
    assert line_of(lines, ("a", "x")) == 2
    assert line_of(lines, ("a", "b")) == 4
    assert line_of(lines, ("a", "b", "z", "u")) == 6
    assert line_of(lines, ("a", "b", "missing")) == 4
    assert line_of(lines, ("nothing",)) == 1
