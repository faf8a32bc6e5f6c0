"""Parameter banks: what is in use is never written, and an inference reads one bank only."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from fpga_rt.arch.boards import board
from fpga_rt.contract.submission import Submission
from fpga_rt.deployment.model import Deployment
from fpga_rt.device.emulator import Emulator
from fpga_rt.device.interface import Device, Pending
from fpga_rt.errors import DeviceError, ExecutionError
from fpga_rt.network import golden
from fpga_rt.planner.compile import compile_network
from fpga_rt.runtime.runtime import Request, Runtime
from fpga_rt.update.make import make_target
from tests.random_networks import Builder
from tests.update.networks import drifted

PYNQ = board("pynq-z2")


def _base() -> Deployment:
    builder = Builder(np.random.default_rng(0), (8, 8, 16))
    builder.convolution(16, 3)
    builder.depthwise(3)
    builder.convolution(16, 1)
    builder.dense(5)
    return compile_network(builder.build("swapping"), PYNQ, 1)


BASE = _base()
VERSIONS = [BASE, *(make_target(BASE, drifted(BASE.network, s, True)).deployment for s in (1, 2))]
CODES = np.random.default_rng(3).integers(-128, 128, (4, 8, 8, 16)).astype(np.int8)
EXPECTED = [golden.run(version.network, CODES) for version in VERSIONS]


@pytest.fixture
def device() -> Iterator[Device]:
    with Emulator("pynq-z2", memory_bytes=16 << 20) as opened:
        yield opened


def test_versions_side_by_side(device: Device) -> None:
    with Runtime(device) as runtime:
        model = runtime.load(BASE)
        second = model.banks.write(VERSIONS[1])
        requests = [Request(model, CODES, bank) for bank in (0, second, None)]
        results = runtime.trace(requests)
        for result, expected, bank in zip(
            results, (EXPECTED[0], EXPECTED[1], EXPECTED[0]), (0, second, 0), strict=True
        ):
            assert result.bank == bank
            np.testing.assert_array_equal(result.codes, expected)
        model.banks.switch(second)
        assert model.deployment is VERSIONS[1]
        np.testing.assert_array_equal(runtime.run(model, CODES), EXPECTED[1])


def test_a_switch_in_mid_request_waits_for_its_end(device: Device) -> None:
    """The network swaps modules, so a request is several submissions."""
    assert len(BASE.launches) > 2
    with Runtime(device) as runtime:
        model = runtime.load(BASE)
        second, submit = model.banks.write(VERSIONS[1]), device.submit
        submissions = []

        def switching(submission: Submission) -> Pending:
            pending = submit(submission)
            submissions.append(submission.bank)
            if len(submissions) == 2:
                model.banks.switch(second)
            return pending

        device.submit = switching  # type: ignore[method-assign]
        results = runtime.trace([Request(model, CODES), Request(model, CODES)])
        assert [result.bank for result in results] == [0, second]
        np.testing.assert_array_equal(results[0].codes, EXPECTED[0])
        np.testing.assert_array_equal(results[1].codes, EXPECTED[1])


def test_memory_that_a_request_reads_is_not_written(device: Device) -> None:
    with Runtime(device) as runtime:
        model = runtime.load(BASE)
        second, submit = model.banks.write(VERSIONS[1]), device.submit
        refused = []

        def writing(submission: Submission) -> Pending:
            pending = submit(submission)
            model.banks.switch(second)
            try:
                model.banks.write(VERSIONS[2])
            except DeviceError as error:
                refused.append(str(error))
            return pending

        device.submit = writing  # type: ignore[method-assign]
        (result,) = runtime.trace([Request(model, CODES)])
        device.submit = submit  # type: ignore[method-assign]
        np.testing.assert_array_equal(result.codes, EXPECTED[0])
        assert len(refused) == len(BASE.launches)
        assert refused[0] == (
            "a request in flight reads bank 0 of swapping, whose weights are to be written; try"
            " again when it has ended"
        )
        third = model.banks.write(VERSIONS[2])
        model.banks.switch(third)
        np.testing.assert_array_equal(runtime.run(model, CODES), EXPECTED[2])


def test_numbers_are_used_once_and_old_banks_go(device: Device) -> None:
    with Runtime(device) as runtime:
        model = runtime.load(BASE)
        numbers = [model.banks.write(version) for version in (VERSIONS[1], VERSIONS[2])]
        assert numbers == [1, 2]
        with pytest.raises(ExecutionError, match="has no parameter bank 1, expected one of 0, 2"):
            runtime.trace([Request(model, CODES, 1)])
        with pytest.raises(ExecutionError, match="write it first"):
            model.banks.switch(7)
        np.testing.assert_array_equal(runtime.run(model, CODES), EXPECTED[0])


def test_tables_alone_leave_the_weights_where_they_are(device: Device) -> None:
    tables_only = make_target(BASE, drifted(BASE.network, 5)).deployment
    with Runtime(device) as runtime:
        model = runtime.load(BASE)
        number = model.banks.write(tables_only)
        assert model.banks[number].weights is model.banks[0].weights
        assert model.banks[number].tables is not model.banks[0].tables
        model.banks.switch(number)
        expected = golden.run(tables_only.network, CODES)
        np.testing.assert_array_equal(runtime.run(model, CODES), expected)


def test_another_program_is_refused(device: Device) -> None:
    other = compile_network(BASE.network, PYNQ, 2)
    with Runtime(device) as runtime:
        model = runtime.load(BASE)
        with pytest.raises(ExecutionError, match="has another program than the one of swapping"):
            model.banks.write(other)


def test_unloading_gives_the_memory_back(device: Device) -> None:
    with Runtime(device) as runtime:
        first = runtime.load(BASE)
        runtime.run(first, CODES)
        free_bytes = device._allocator.free_bytes  # type: ignore[attr-defined]
        second = runtime.load(VERSIONS[1])
        second.banks.reserve()
        runtime.run(second, CODES)
        runtime.unload(second)
        np.testing.assert_array_equal(runtime.run(first, CODES), EXPECTED[0])
        with pytest.raises(ExecutionError, match="is not loaded in this runtime"):
            runtime.unload(second)
        third = runtime.load(VERSIONS[2])
        assert third.index not in {first.index, second.index}
        np.testing.assert_array_equal(runtime.run(third, CODES), EXPECTED[2])
        runtime.unload(third)
        assert device._allocator.free_bytes == free_bytes  # type: ignore[attr-defined]
