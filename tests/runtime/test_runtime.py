"""Networks on the emulator: golden bytes, predicted times, shared devices, failed swaps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from hashlib import sha256

import numpy as np
import pytest

from fpga_rt.arch.boards import board
from fpga_rt.bitstream.build import simulation_bitstream
from fpga_rt.contract.submission import Submission
from fpga_rt.device.emulator import Emulator
from fpga_rt.device.faults import CorruptLoad, LostCompletion, StalledPort, WrongModule
from fpga_rt.device.interface import Device, Pending
from fpga_rt.errors import ArtifactError, DeviceError, ExecutionError, ReconfigurationError
from fpga_rt.network import golden
from fpga_rt.network.graph import Network
from fpga_rt.planner.compile import compile_network
from fpga_rt.planner.predict import predict
from fpga_rt.planner.schedule import Policy
from fpga_rt.runtime.partition import State
from fpga_rt.runtime.runtime import Request, Runtime
from tests.random_networks import Builder, random_network

PYNQ = board("pynq-z2")
AHEAD = 3
"""Number of the load of `_with_a_load_ahead` that replaces a module ahead of its job."""


@pytest.fixture
def device() -> Iterator[Device]:
    with Emulator("pynq-z2", memory_bytes=16 << 20) as opened:
        yield opened


def _codes(network: Network, count: int, seed: int = 0) -> np.ndarray:
    shape = network.tensors[network.input].shape
    rng = np.random.default_rng(seed)
    return rng.integers(-128, 128, (count, *shape)).astype(np.int8)


def _alternating(seed: int = 0, size: int = 12) -> Network:
    builder = Builder(np.random.default_rng(seed), (size, size, 16))
    for _ in range(2):
        builder.convolution(16, 3)
        builder.depthwise(3)
        builder.maximum(2, 2)
    builder.dense(5)
    return builder.build(f"alternating{seed}")


def _with_a_load_ahead() -> Network:
    """Make a network whose convolution computes while the pooling module is loaded."""
    builder = Builder(np.random.default_rng(0), (16, 16, 16))
    builder.convolution(16, 3)
    builder.depthwise(3)
    builder.convolution(16, 3)
    builder.maximum(2, 2)
    return builder.build("ahead")


@pytest.mark.parametrize("partitions", [1, 2, 3])
@pytest.mark.parametrize("seed", range(20))
def test_random_networks_equal_golden_at_the_predicted_times(
    device: Device, seed: int, partitions: int
) -> None:
    network = random_network(seed)
    deployment = compile_network(network, PYNQ, partitions)
    codes = _codes(network, 5, seed)
    batch, policy = 1 + seed % 4, ("none", "aggressive")[seed % 2]
    origin = device.now_ps()
    with Runtime(device, policy) as runtime:  # type: ignore[arg-type]
        outputs = runtime.run(runtime.load(deployment), codes, batch)
        np.testing.assert_array_equal(outputs, golden.run(network, codes))
        spans = [(r.started_ps - origin, r.ended_ps - origin) for r in runtime.log.requests]
        swaps = [(s.started_ps - origin, s.ended_ps - origin) for s in runtime.log.swaps]
    sizes = [min(batch, 5 - first) for first in range(0, 5, batch)]
    prediction = predict(PYNQ, [(deployment, size) for size in sizes], policy)  # type: ignore[arg-type]
    assert spans == list(prediction.requests)
    assert swaps == [(load.started_ps, load.ended_ps) for load in prediction.loads]


def test_one_partition_loads_as_often_as_the_plan_changes_modules(device: Device) -> None:
    network = _alternating()
    deployment = compile_network(network, PYNQ, 1)
    assert deployment.module_changes == 6
    with Runtime(device) as runtime:
        runtime.run(runtime.load(deployment), _codes(network, 4), batch=4)
        swaps = runtime.report().swaps
    assert (swaps["count"], swaps["initial"]) == (6, 1)


def test_resident_modules_need_no_load_inside_a_warm_inference(device: Device) -> None:
    network = _alternating()
    with Runtime(device) as runtime:
        model = runtime.load(compile_network(network, PYNQ, 3))
        runtime.run(model, _codes(network, 1))
        runtime.clear_log()
        runtime.run(model, _codes(network, 6))
        assert runtime.log.swaps == []
        assert runtime.report().swaps["reused"] > 0


def _mixed(policy: Policy) -> tuple[list[np.ndarray], list[np.ndarray], float, int]:
    networks = [_alternating(seed, 10 + seed) for seed in range(3)]
    with Emulator("pynq-z2", memory_bytes=16 << 20) as opened, Runtime(opened, policy) as runtime:
        models = [runtime.load(compile_network(n, PYNQ, 2)) for n in networks]
        codes = [_codes(networks[i % 3], 8, i) for i in range(9)]
        results = runtime.trace([Request(models[i % 3], c) for i, c in enumerate(codes)])
        swaps = runtime.report().swaps
    expected = [golden.run(networks[i % 3], c) for i, c in enumerate(codes)]
    return [r.codes for r in results], expected, swaps["exposed_us"], swaps["count"]


def test_several_networks_share_a_device_and_loading_ahead_exposes_less() -> None:
    outputs, expected, demand, loads = _mixed("none")
    for got, wanted in zip(outputs, expected, strict=True):
        np.testing.assert_array_equal(got, wanted)
    outputs, expected, ahead, loads_ahead = _mixed("aggressive")
    for got, wanted in zip(outputs, expected, strict=True):
        np.testing.assert_array_equal(got, wanted)
    assert loads == loads_ahead > 0
    assert ahead < demand


def test_phases_of_a_swap_add_up_to_its_span(device: Device) -> None:
    network = _alternating()
    with Runtime(device, "none") as runtime:
        runtime.run(runtime.load(compile_network(network, PYNQ, 1)), _codes(network, 2), 2)
        for swap in runtime.log.swaps:
            inside = ("queue", "quiesce", "decouple", "load", "reset", "identify", "recouple")
            assert sum(swap.phases_ps[p] for p in inside) == swap.ended_ps - swap.started_ps
            assert swap.phases_ps["first_result"] > swap.phases_ps["parameters"] > 0
            assert swap.size_bytes == PYNQ.partitions[0].bitstream_bytes


def test_a_handle_goes_stale_when_its_partition_is_swapped(device: Device) -> None:
    with Runtime(device) as runtime:
        model = runtime.load(compile_network(_alternating(), PYNQ, 1))
        handle = runtime.activate(model, "convolution_8x16", 0)
        runtime.check(handle)
        again = runtime.activate(model, "convolution_8x16", 0)
        assert again == handle
        runtime.activate(model, "depthwise_64", 0)
        with pytest.raises(ExecutionError, match="stale handle to convolution_8x16 in partition"):
            runtime.check(handle)


@pytest.mark.parametrize(
    "fault",
    [CorruptLoad(2), WrongModule(2, 7), StalledPort(2), LostCompletion("load", 2)],
    ids=lambda fault: type(fault).__name__,
)
def test_after_a_failed_load_the_last_good_module_runs_again(fault: object) -> None:
    network = _alternating()
    deployment = compile_network(network, PYNQ, 1)
    only = Builder(np.random.default_rng(5), (4, 4, 16))
    only.convolution(8, 3)
    simple = only.build("simple")
    with Emulator("pynq-z2", memory_bytes=16 << 20, faults=[fault]) as opened:  # type: ignore[list-item]
        with Runtime(opened, timeout_s=0.1) as runtime:
            model = runtime.load(deployment)
            good = runtime.load(compile_network(simple, PYNQ, 1))
            before = runtime.activate(model, "convolution_8x16", 0)
            with pytest.raises(ReconfigurationError) as error:
                runtime.activate(model, "depthwise_64", 0)
            assert "swap of depthwise_64 into partition rp0 failed" in str(error.value)
            assert "convolution_8x16 was loaded back" in str(error.value)
            assert error.value.partition_state == "active"
            with pytest.raises(ExecutionError, match="stale"):
                runtime.check(before)
            codes = _codes(simple, 2)
            np.testing.assert_array_equal(runtime.run(good, codes), golden.run(simple, codes))
            back = runtime.log.swaps[-1]
            assert (back.module, back.replaced) == ("convolution_8x16", "depthwise_64")


@pytest.mark.parametrize(("board", "expected"), [("pynq-z2", 10), ("alveo-u200-xrt", 32)])
def test_a_load_may_take_several_times_what_it_is_modelled_with(board: str, expected: int) -> None:
    with Emulator(board, memory_bytes=1 << 20) as device:
        assert Runtime(device).timeout_s == expected
        assert Runtime(device, timeout_s=0.5).timeout_s == 0.5


def test_a_failed_first_load_leaves_the_partition_decoupled_and_named() -> None:
    with Emulator("pynq-z2", memory_bytes=16 << 20, faults=[CorruptLoad(1)]) as opened:
        with Runtime(opened) as runtime:
            model = runtime.load(compile_network(_alternating(), PYNQ, 1))
            with pytest.raises(ReconfigurationError, match="no module was there before"):
                runtime.activate(model, "convolution_8x16", 0)
            assert [p.state for p in runtime.partitions] == [State.FAILED, State.EMPTY, State.EMPTY]
            runtime.activate(model, "convolution_8x16", 0)
            assert runtime.partitions[0].active_module == "convolution_8x16"


@pytest.mark.parametrize(
    "fault",
    [CorruptLoad(AHEAD), WrongModule(AHEAD, 7), StalledPort(AHEAD), LostCompletion("load", AHEAD)],
    ids=lambda fault: type(fault).__name__,
)
def test_a_failed_load_ahead_is_tried_again_when_a_job_needs_it(fault: object) -> None:
    network = _with_a_load_ahead()
    codes = _codes(network, 96)
    with Emulator("pynq-z2", memory_bytes=16 << 20, faults=[fault]) as opened:  # type: ignore[list-item]
        with Runtime(opened, "aggressive", timeout_s=0.1) as runtime:
            model = runtime.load(compile_network(network, PYNQ, 2))
            outputs = runtime.run(model, codes, batch=96)
            (failure,) = runtime.log.failures
            assert [s.outcome for s in runtime.log.swaps[AHEAD - 1 :]] == [
                "failed",
                "restored",
                "loaded",
            ]
            assert not runtime.log.swaps[-1].ahead
    assert "depthwise_64 was loaded back" in failure
    np.testing.assert_array_equal(outputs, golden.run(network, codes))


def test_the_load_that_those_faults_meet_is_a_load_ahead(device: Device) -> None:
    network = _with_a_load_ahead()
    with Runtime(device, "aggressive") as runtime:
        runtime.run(runtime.load(compile_network(network, PYNQ, 2)), _codes(network, 96), 96)
        swap = runtime.log.swaps[AHEAD - 1]
        assert (swap.ahead, swap.replaced) == (True, "depthwise_64")


def test_an_error_in_a_program_leaves_the_device_usable(device: Device) -> None:
    network = _alternating(size=24)
    codes = _codes(network, 96)
    deployment = compile_network(network, PYNQ, 2)
    first = deployment.launches[0]
    broken = {p: bytes([99]) + ring[1:] for p, ring in first.rings.items()}
    launches = (replace(first, rings=broken), *deployment.launches[1:])
    with Runtime(device, "aggressive") as runtime:
        bad = runtime.load(replace(deployment, launches=launches))
        with pytest.raises(ExecutionError, match="got operation 99, expected one of"):
            runtime.run(bad, codes, batch=96)
        good = runtime.load(deployment)
        outputs = runtime.run(good, codes, batch=96)
    np.testing.assert_array_equal(outputs, golden.run(network, codes))


def test_a_model_that_is_refused_gives_its_memory_back(device: Device) -> None:
    network = _alternating()
    deployment = compile_network(network, PYNQ)
    spoilt = {name: data[:-4] + b"\0\0\0\0" for name, data in deployment.bitstreams.items()}
    with Runtime(device) as runtime:
        with pytest.raises(ArtifactError):
            runtime.load(replace(deployment, bitstreams=spoilt))
        device.allocate(15 << 20).free()


def test_a_program_that_never_completes_times_out() -> None:
    network = _alternating()
    with Emulator("pynq-z2", memory_bytes=16 << 20, faults=[LostCompletion("program", 1)]) as dev:
        with Runtime(dev, timeout_s=0.5) as runtime:
            model = runtime.load(compile_network(network, PYNQ, 3))
            with pytest.raises(DeviceError, match="program"):
                runtime.run(model, _codes(network, 1))
            codes = _codes(network, 1)
            np.testing.assert_array_equal(runtime.run(model, codes), golden.run(network, codes))


def test_a_deployment_for_another_board_is_refused(device: Device) -> None:
    deployment = compile_network(_alternating(), board("kv260"))
    with Runtime(device) as runtime, pytest.raises(DeviceError) as error:
        runtime.load(deployment)
    assert "compiled for board kv260, the device emulator is pynq-z2" in str(error.value)
    assert "--board pynq-z2" in str(error.value)


def test_closing_gives_all_device_memory_back(device: Device) -> None:
    network = _alternating()
    deployment = compile_network(network, PYNQ)
    with Runtime(device) as runtime:
        runtime.run(runtime.load(deployment), _codes(network, 2))
    size = 12 << 20  # most of the memory: only free if the runtime gave its buffers back
    device.allocate(size).free()


def test_a_batch_that_does_not_fit_leaves_no_buffer_that_somebody_else_owns() -> None:
    network = _alternating()
    codes = _codes(network, 900)
    with Emulator("pynq-z2", memory_bytes=1 << 20) as opened:
        with Runtime(opened) as runtime:
            model = runtime.load(compile_network(network, PYNQ))
            small = runtime.run(model, codes[:20], batch=20)
            with pytest.raises(DeviceError):
                runtime.run(model, codes, batch=900)
            foreign = [opened.allocate(4096) for _ in range(40)]
            for buffer in foreign:
                buffer.view[:] = 0xAA
            np.testing.assert_array_equal(runtime.run(model, codes[:20], batch=20), small)
            assert all((buffer.view == 0xAA).all() for buffer in foreign)


def test_a_module_of_the_same_name_and_another_identity_is_not_reused(device: Device) -> None:
    network = _alternating()
    deployment = compile_network(network, PYNQ, 1)
    name = deployment.launches[0].modules[0]
    other = 0x1234
    stream = simulation_bitstream(PYNQ.device, PYNQ.partitions[0], other)
    digest = sha256(stream).hexdigest()
    foreign = replace(
        deployment,
        module_ids={**deployment.module_ids, name: other},
        bitstreams={**deployment.bitstreams, digest: stream},
        loads={**deployment.loads, (0, name): digest},
    )
    with Runtime(device) as runtime:
        first, second = runtime.load(deployment), runtime.load(foreign)
        handle = runtime.activate(first, name, 0)
        runtime.activate(second, name, 0)
        assert device.identify(0) == other
        with pytest.raises(ExecutionError, match="stale"):
            runtime.check(handle)


def test_a_deployment_for_another_register_map_is_refused(device: Device) -> None:
    deployment = replace(compile_network(_alternating(), PYNQ), map_id=7)
    with Runtime(device) as runtime, pytest.raises(DeviceError) as error:
        runtime.load(deployment)
    assert "compiled against register map 0x00000007, this version has" in str(error.value)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda codes: codes[:, :8],
        lambda codes: codes.astype(np.float32) * np.nan,
        lambda codes: codes.astype(np.int64) + 300,
        lambda codes: codes[:0],
        lambda codes: codes[0],
    ],
)
def test_requests_are_checked_before_anything_runs(
    device: Device, spoil: Callable[[np.ndarray], np.ndarray]
) -> None:
    network = _alternating()
    codes = _codes(network, 2)
    with Runtime(device) as runtime:
        model = runtime.load(compile_network(network, PYNQ))
        with pytest.raises(
            ExecutionError, match=r"request 1 for alternating0 has .* expected int8"
        ):
            runtime.trace([Request(model, codes), Request(model, spoil(codes))])
        assert runtime.log.programs == []


def test_one_request_has_no_warm_figures(device: Device) -> None:
    network = _alternating()
    with Runtime(device) as runtime:
        model = runtime.load(compile_network(network, PYNQ))
        runtime.run(model, _codes(network, 1))
        report = runtime.report()
        assert (report.warm_requests, report.inferences_per_s) == (0, 0.0)
        assert report.latency_us["p50"] == report.cold_latency_us
        assert "all cold: run more than one request" in str(report)
        runtime.run(model, _codes(network, 1))
        assert runtime.report().warm_requests == 1
        assert runtime.report().latency_us["p99"] < report.cold_latency_us


def test_failed_loads_and_restored_modules_are_reported_apart() -> None:
    network = _alternating()
    with Emulator("pynq-z2", memory_bytes=16 << 20, faults=[CorruptLoad(2)]) as opened:
        with Runtime(opened) as runtime:
            model = runtime.load(compile_network(network, PYNQ, 1))
            runtime.activate(model, "convolution_8x16", 0)
            with pytest.raises(ReconfigurationError):
                runtime.activate(model, "depthwise_64", 0)
            runtime.activate(model, "depthwise_64", 0)
            report = runtime.report()
    swaps = report.swaps
    counts = ("count", "initial", "failed", "restored")
    assert [swaps[name] for name in counts] == [1, 1, 1, 1]
    assert report.bytes["bitstream"] == 4 * PYNQ.partitions[0].bitstream_bytes
    assert swaps["failed_us"] > 2 * PYNQ.ports["icap"].load_ps(1_390_340) / 1e6
    assert [s.replaced for s in runtime.log.swaps if s.outcome == "loaded"] == [
        None,
        "convolution_8x16",
    ]


def test_a_partition_that_does_not_decouple_is_failed_and_named(
    device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Runtime(device) as runtime:
        model = runtime.load(compile_network(_alternating(), PYNQ, 1))
        runtime.activate(model, "convolution_8x16", 0)

        def stuck(partition: int) -> None:
            raise DeviceError(f"partition {partition} did not become quiescent")

        monkeypatch.setattr(device, "decouple", stuck)
        with pytest.raises(ReconfigurationError, match="did not become quiescent") as error:
            runtime.activate(model, "depthwise_64", 0)
        assert error.value.partition_state == runtime.partitions[0].state.value == "failed"
        monkeypatch.undo()
        runtime.activate(model, "depthwise_64", 0)


def test_all_launches_of_a_request_read_one_parameter_bank(device: Device) -> None:
    network = _alternating()
    with Runtime(device) as runtime:
        model = runtime.load(compile_network(network, PYNQ, 1))
        other = model.banks.write(model.deployment)
        submit = device.submit

        def switching(submission: Submission) -> Pending:
            model.banks.switch(other - model.banks.active)
            return submit(submission)

        device.submit = switching  # type: ignore[method-assign]
        runtime.run(model, _codes(network, 3))
        for request in runtime.log.requests:
            banks = {p.bank for p in runtime.log.programs if p.request == request.request}
            assert banks == {request.bank}
        assert {request.bank for request in runtime.log.requests} == {0, other}


@pytest.mark.parametrize(("module", "partition"), [("nope", 0), ("convolution_8x16", 9)])
def test_a_module_that_a_model_does_not_have_is_refused(
    device: Device, module: str, partition: int
) -> None:
    with Runtime(device) as runtime:
        model = runtime.load(compile_network(_alternating(), PYNQ, 1))
        with pytest.raises(ExecutionError) as error:
            runtime.activate(model, module, partition)
    assert f"has no {module} for partition {partition}, expected one of: " in str(error.value)
    assert "convolution_8x16 in partition 0" in str(error.value)


def test_no_images_give_no_outputs(device: Device) -> None:
    network = _alternating()
    with Runtime(device) as runtime:
        outputs = runtime.run(runtime.load(compile_network(network, PYNQ)), _codes(network, 0))
    assert outputs.shape == (0, 1, 1, 5)
