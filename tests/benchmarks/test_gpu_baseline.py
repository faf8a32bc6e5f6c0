"""The GPU baseline: what it launches is checked, labelled, and runs without a GPU."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from benchmarks.gpu_baseline import CPU_WAYS, CUDA_WAYS, document, lines
from benchmarks.gpu_session import Session, Task
from fpga_rt.errors import ExecutionError
from fpga_rt.frontend import load
from fpga_rt.network.graph import Network

ROOT = Path(__file__).resolve().parents[2]
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def digits() -> Network:
    pytest.importorskip("onnx")
    return load(ROOT / "examples" / "digits" / "digits.onnx")


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Several threads would wait for each other, and for other tests."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def _session(digits: Network) -> Session:
    with torch.no_grad():
        return Session(digits, CPU, torch.float32)


def test_without_cuda_figures_are_those_of_a_processor_and_say_so(digits: Network) -> None:
    found = document({"digits": digits}, CPU, repeats=3)
    assert (found["machine"]["kind"], found["machine"]["cuda"]) == ("cpu", None)
    assert found["machine"]["torch"] == torch.__version__
    measured, modelled = found["measured"], found["modelled"]
    assert (measured["clock"], measured["origin"], measured["batch"]) == ("wall", "measured", 1)
    assert (modelled["clock"], modelled["origin"]) == ("virtual", "modelled")
    assert {result["mode"] for result in measured["results"]} == {"eager"}
    assert [result["task"] for result in measured["results"]][:2] == ["inference", "with copies"]
    updates = [result for result in measured["results"] if result["task"] == "update"]
    assert updates[-1]["share"] == 1.0
    assert [r["int8_bytes"] for r in updates] == sorted({r["int8_bytes"] for r in updates})
    for result in measured["results"]:
        latency = result["latency_us"]
        assert 0 < latency["min"] <= latency["p50"] <= latency["p90"] <= latency["p99"]
    text = "\n".join(lines(found))
    assert "no CUDA here: these are figures of a processor, not of a GPU" in text
    assert "pynq-z2, modelled, virtual clock" in text


def test_an_update_is_what_the_next_inference_computes_with(digits: Network) -> None:
    session = _session(digits)
    task = Task("update", 0, session.network.parts[0].last)
    with torch.no_grad():
        session.check(task, session.prepare(task, graph=False), 1e-4)


def test_an_update_that_is_lost_is_noticed(digits: Network) -> None:
    session = _session(digits)
    task = Task("update", 0, session.network.parts[0].last)
    infer = session.prepare(Task("inference"), graph=False)
    with torch.no_grad(), pytest.raises(ExecutionError, match="update on cpu differs from the"):
        session.check(task, infer, 1e-4)


def test_copies_bring_the_output_to_the_host(digits: Network) -> None:
    session = _session(digits)
    with torch.no_grad():
        infer = session.prepare(Task("inference"), graph=False)
        session._host_output.zero_()
        with pytest.raises(ExecutionError, match="its times would mean nothing"):
            session.check(Task("with copies"), infer, 1e-4)
        task = Task("with copies")
        session.check(task, session.prepare(task, graph=False), 1e-4)


def test_every_way_on_cuda_is_there_eager_and_captured() -> None:
    assert [way.graph for way in CUDA_WAYS] == [False, True] * 3
    assert not any(way.graph for way in CPU_WAYS)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
def test_cuda_gives_what_the_processor_gives(digits: Network) -> None:
    found = document({"digits": digits}, torch.device("cuda"), repeats=3)
    assert {r["mode"] for r in found["measured"]["results"]} == {"eager", "CUDA graph"}
