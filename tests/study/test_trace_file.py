"""Recorded traces: what they say, in studies and alone, and what is said of bad ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from fpga_rt.errors import ArtifactError
from fpga_rt.study import file, sweep
from fpga_rt.study.online import Arrival
from fpga_rt.study.trace_file import Recorded, read_trace
from fpga_rt.study.workload import Workload
from tests.study.conftest import HEAD, Written

TRACE = """\
# two networks, bursts of three
at_us,network,deadline_us
0,a,60000
10.5,b,
10.5,a,50000

200000,b,40000
"""


def _written(folder: Path, text: str = TRACE) -> Path:
    path = folder / "requests.csv"
    path.write_text(text)
    return path


def test_a_line_is_a_request(tmp_path: Path) -> None:
    assert read_trace(_written(tmp_path), ["a", "b"]) == (
        Recorded(0, "a", 60000),
        Recorded(10.5, "b"),
        Recorded(10.5, "a", 50000),
        Recorded(200000, "b", 40000),
    )


NUMBER = "a number of at least {} and at most 1e+15"


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ("0,a,60000", "0,c,60000", 3, "unknown network 'c', expected one of a, b"),
        ("0,a,60000", "x,a,60000", 3, f"at_us is 'x', expected {NUMBER.format(0)}"),
        ("0,a,60000", "nan,a,60000", 3, f"at_us is 'nan', expected {NUMBER.format(0)}"),
        ("0,a,60000", "1e300,a,60000", 3, f"at_us is '1e300', expected {NUMBER.format(0)}"),
        ("10.5,a,50000", "10.5,a,0", 5, f"deadline_us is '0', expected {NUMBER.format(1)}"),
        ("10.5,a,50000", "9,a,50000", 5, "at_us is 9, expected at least 10.5 of the request before;"
         " sort the lines by time"),
        ("10.5,b,", "10.5,b", 4, "2 cells, expected 3: at_us, network, deadline_us"),
        ("at_us,network", "time,network", 2, "the header is 'time,network,deadline_us', expected"
         " 'at_us,network' and perhaps 'deadline_us'"),
    ],
)  # fmt: skip
def test_a_bad_line_is_named(tmp_path: Path, old: str, new: str, line: int, message: str) -> None:
    path = _written(tmp_path, TRACE.replace(old, new, 1))
    with pytest.raises(ArtifactError) as got:
        read_trace(path, ["a", "b"])
    assert str(got.value) == f"{path}:{line}: {message}"


def test_a_file_without_requests_or_none_at_all(tmp_path: Path) -> None:
    path = _written(tmp_path, "at_us,network\n")
    with pytest.raises(ArtifactError, match=r"requests.csv has no requests, expected a line each"):
        read_trace(path, ["a"])
    with pytest.raises(ArtifactError, match=r"none.csv cannot be read \(No such file"):
        read_trace(tmp_path / "none.csv", ["a"])


WORKLOADS = """
[workload.recorded]
kind = "server"
trace = "requests.csv"
deadline_us = 55000

[workload.order]
trace = "requests.csv"
"""


def test_a_server_sees_times_and_a_gateway_the_order(written: Written) -> None:
    path = written(f"{HEAD}{WORKLOADS}\n[sweep]\nworkload = ['recorded', 'order']\n")
    _written(path.parent)
    study = file.read(path)
    served, order = study.workloads["recorded"], study.workloads["order"]
    assert (served.requests, served.mix) == (4, {"a": 2, "b": 2})
    assert list(served.arrivals(1)) == [
        Arrival(0, 0, 60_000_000_000),
        Arrival(10_500_000, 1, 55_010_500_000),
        Arrival(10_500_000, 0, 50_010_500_000),
        Arrival(200_000_000_000, 1, 240_000_000_000),
    ]
    assert served.longest_us == 60000
    assert order.networks(1) == ["a", "b", "a", "b"]
    folder = path.parent / "out"
    server, gateway = sweep.run(study, folder, processes=1)
    assert (server["requests"], gateway["requests"]) == ("4", "4")
    assert int(server["accepted"]) + int(server["refused_late"]) == 4
    assert (server["late"], server["lost"]) == ("0", "0")
    _written(path.parent, TRACE.replace("200000", "300000"))
    with pytest.raises(ArtifactError, match=r"another study, version or models \(traces differs"):
        sweep.run(file.read(path), folder, processes=1)


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ("deadline_us = 55000\n", "", 26, "deadline_us is missing"),
        ("deadline_us = 55000", "deadline_us = 1\nrate_hz = 5", 30,
         "rate_hz is given beside a trace, whose lines say it; leave one of the two out"),
        ("deadline_us = 55000", "deadline_us = 1\nrequests = 5", 30, "requests is given beside a"),
        ('kind = "server"', 'kind = "single-stream"', 28, "a single stream has no trace, expected"),
        ('trace = "requests.csv"', 'trace = "gone.csv"', 28, "gone.csv cannot be read (No such"),
        ("[workload.order]\n", "[workload.order]\ndeadline_us = 3\n", 32,
         "deadline_us is 3, expected no such key in a workload of kind gateway, only in a server"),
    ],
)  # fmt: skip
def test_a_bad_workload_names_line_and_choices(
    written: Written, old: str, new: str, line: int, message: str
) -> None:
    assert old in WORKLOADS
    path = written(f"{HEAD}{WORKLOADS.replace(old, new, 1)}\n[sweep]\nbatch = 1\n")
    _written(path.parent)
    with pytest.raises(ArtifactError) as got:
        file.read(path)
    assert str(got.value).startswith(f"{path}:{line}: ")
    assert message in str(got.value)


def test_a_bad_line_is_named_with_the_key_that_asks_for_it(written: Written) -> None:
    path = written(f"{HEAD}{WORKLOADS}\n[sweep]\nbatch = 1\n")
    trace = _written(path.parent, TRACE.replace("0,a", "0,z", 1))
    with pytest.raises(ArtifactError) as got:
        file.read(path)
    assert str(got.value) == (f"{path}:28: {trace}:3: unknown network 'z', expected one of a, b")


def test_time_counts_from_the_first_request() -> None:
    late = (Recorded(1e9, "b"), Recorded(1e9 + 2, "a", 7))
    served = Workload("w", "server", 2, {"a": 1, "b": 1}, deadline_us=3, trace=late)
    assert list(served.arrivals(1)) == [
        Arrival(0, 1, 3_000_000), Arrival(2_000_000, 0, 9_000_000)
    ]  # fmt: skip
