"""A network that is updated while it runs, on the emulator."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from fpga_rt.arch.boards import board
from fpga_rt.deployment.model import Deployment
from fpga_rt.device.emulator import Emulator
from fpga_rt.device.interface import Completion, Device, Pending, Staged
from fpga_rt.errors import DeviceError, UpdateError
from fpga_rt.network import golden
from fpga_rt.network.graph import Network
from fpga_rt.planner.compile import compile_network
from fpga_rt.runtime.runtime import Runtime
from fpga_rt.update.live import Live
from fpga_rt.update.make import make_package, make_target
from fpga_rt.update.placed import Placed
from fpga_rt.update.store import Store
from tests.random_networks import Builder
from tests.update.disk import Disk, PowerCutError
from tests.update.networks import drifted
from tests.update.signing import Secret

CODES = np.random.default_rng(3).integers(-128, 128, (3, 4, 4, 8)).astype(np.int8)


@pytest.fixture
def device() -> Iterator[Device]:
    with Emulator("pynq-z2", memory_bytes=16 << 20) as opened:
        yield opened


@pytest.fixture
def live(device: Device, store: Store) -> Iterator[Live]:
    with Runtime(device) as runtime:
        yield Live(runtime, store)


def _runs(live: Live, deployment: Deployment, version: int) -> None:
    answer = live.run(CODES)
    assert answer.version == live.version == version
    np.testing.assert_array_equal(answer.codes, golden.run(deployment.network, CODES))
    network = deployment.network
    expected = network.tensors[network.output].dequantise(network.decode_output(answer.codes))
    np.testing.assert_array_equal(answer.outputs, expected)


def test_an_update_and_the_way_back(
    device: Device, live: Live, store: Store, base: Deployment, target: Deployment, package: bytes
) -> None:
    _runs(live, base, 1)
    applied = live.apply(package)
    assert (applied.version, applied.replaced, applied.vectors) == (2, 1, 4)
    assert applied.package_bytes == len(package)
    assert not applied.new_program
    assert 0 < applied.self_test_ps <= device.now_ps() - applied.accepted_ps
    _runs(live, target, 2)
    assert store.state.active.number == 2
    assert live.rollback() == 1
    _runs(live, base, 1)
    assert store.state.active.number == 1
    with pytest.raises(UpdateError, match="has none before it to roll back to"):
        live.rollback()
    _runs(live, base, 1)


def test_it_starts_with_what_is_active(
    device: Device, store: Store, disk: Disk, target: Deployment, package: bytes
) -> None:
    with Runtime(device) as runtime:
        Live(runtime, store).apply(package)
    with Runtime(device) as runtime:
        _runs(Live(runtime, Store(disk)), target, 2)


def test_inferences_between_the_steps_run_the_version_before(
    live: Live, base: Deployment, target: Deployment, package: bytes
) -> None:
    update, steps = live.begin(package), 0
    while update.step():
        _runs(live, base, 1)
        steps += 1
    assert update.result is not None
    assert steps == 8  # admitted, staged; four vectors, compared, committed
    _runs(live, target, 2)
    assert not update.step()


def test_an_update_that_is_given_up_has_changed_nothing(
    live: Live, store: Store, base: Deployment, target: Deployment, package: bytes
) -> None:
    for steps in range(8):
        update = live.begin(package)
        for _ in range(steps):
            update.step()
        update.cancel()
        with pytest.raises(UpdateError, match="was given up before; begin it again"):
            update.finish()
        assert store.state.trial == ()
        _runs(live, base, 1)
    live.apply(package)
    _runs(live, target, 2)


def test_what_is_dropped_after_the_commit_is_in_place_all_the_same(
    live: Live, store: Store, target: Deployment, package: bytes
) -> None:
    update = live.begin(package)
    for _ in range(8):
        update.step()
    assert store.state.active.number == 2
    assert update.result is None
    update.cancel()
    _runs(live, target, 2)
    applied = update.finish()
    assert applied is update.result
    assert (applied.version, applied.replaced, applied.package_bytes) == (2, 1, len(package))


def _bad(*paths: str) -> None:
    raise OSError(5, "Input/output error")


def test_a_disk_that_fails_behind_the_commit_leaves_the_new_version(
    live: Live,
    store: Store,
    disk: Disk,
    target: Deployment,
    package: bytes,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The state that names it is in its place; whether that lasts is not known."""
    update = live.begin(package)
    for _ in range(7):
        update.step()
    monkeypatch.setattr(disk, "sync_folder", _bad)
    with pytest.raises(UpdateError, match="version 2 runs, but may not after a power cut: the sto"):
        update.step()
    assert store.state.active.number == 2
    assert update.finish().version == 2
    _runs(live, target, 2)


def test_a_rollback_that_fails_leaves_disk_and_device_with_one_version(
    live: Live,
    store: Store,
    disk: Disk,
    target: Deployment,
    package: bytes,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    live.apply(package)
    monkeypatch.setattr(disk, "rename", _bad)
    with pytest.raises(UpdateError, match="Input/output error"):
        live.rollback()
    assert store.state.active.number == 2
    _runs(live, target, 2)


def test_garbage_that_stays_undoes_nothing(
    live: Live, disk: Disk, target: Deployment, package: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Removing it comes behind the rename that makes another version active."""
    disk.write("objects/" + "0" * 64, b"no version needs this")
    monkeypatch.setattr(disk, "remove", _bad)
    assert live.apply(package).version == 2
    _runs(live, target, 2)
    assert live.rollback() == live.run(CODES).version == 1


def test_a_replayed_package(live: Live, package: bytes) -> None:
    live.apply(package)
    with pytest.raises(UpdateError, match="has had version 2 already") as error:
        live.apply(package)
    assert error.value.reason == "version"


def test_a_right_answer_is_confirmed(
    device: Device, live: Live, package: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    before_ps = device.now_ps()
    assert before_ps < live.confirm() <= device.now_ps()
    applied = live.apply(package)
    assert live.confirm() - applied.accepted_ps > applied.self_test_ps
    monkeypatch.setattr(
        Placed, "outputs", lambda self, place, codes: (np.zeros((1, 5), np.int8), 1)
    )
    with pytest.raises(UpdateError, match="version 2, which runs, answers a test vector otherwise"):
        live.confirm()


class _Wrong(Emulator):
    """Gives one wrong output byte once `armed`."""

    armed = False

    def wait(self, *pending: Pending, timeout_s: float | None = None) -> Completion:
        done = super().wait(*pending, timeout_s=timeout_s)
        if self.armed and done.pending.kind == "program":
            submission = self._region.sequencer.last.submission  # type: ignore[union-attr]
            address = submission.segments[1].base  # type: ignore[index]
            self._region.memory.window(address, 1, "a fault")[0] ^= 1
        return done


def test_a_failed_self_test_rolls_back(
    store: Store, base: Deployment, target: Deployment, package: bytes
) -> None:
    device = _Wrong("pynq-z2", memory_bytes=16 << 20)
    with device, Runtime(device) as runtime:
        live = Live(runtime, store)
        device.armed = True
        with pytest.raises(UpdateError) as error:
            live.apply(package)
        device.armed = False
        assert error.value.reason == "self-test"
        assert str(error.value) == (
            "version 2 failed its self-test on the device: 4 of 4 outputs differ from golden"
            " execution; the version before goes on; find out why with fpga-rt run --compare golden"
        )
        assert store.state.event == "version 2 was refused: self-test"
        assert (store.state.active.number, store.state.highest) == (1, 1)
        _runs(live, base, 1)
        live.apply(package)  # it was the device's fault
        _runs(live, target, 2)


def test_outputs_that_its_maker_did_not_compute(
    live: Live, base: Deployment, target: Deployment, owner: Secret, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("fpga_rt.update.make.expected_outputs", lambda d, codes: codes)
        package = make_package(base, target, 2, owner)
    with pytest.raises(UpdateError, match="golden execution here, but not those in the package"):
        live.apply(package)
    _runs(live, base, 1)


def _with_pooling(network: Network) -> Network:
    builder = Builder(np.random.default_rng(9), network.tensors[network.input].shape)
    builder.convolution(24, 3)
    builder.maximum(2, 2)
    builder.dense(5)
    return builder.build(network.name)


def test_another_module_comes_with_a_swap(
    device: Device, disk: Disk, base: Deployment, owner: Secret
) -> None:
    alone = compile_network(base.network, board("pynq-z2"), 1)
    target = make_target(alone, _with_pooling(base.network)).deployment
    assert target.module_ids.keys() - alone.module_ids.keys()
    package = make_package(alone, target, 2, owner)
    store = Store.install(disk, alone, [owner.public_key])
    with Runtime(device) as runtime:
        live = Live(runtime, store)
        _runs(live, alone, 1)
        update = live.begin(package)
        while update.step():
            _runs(live, alone, 1)
        assert update.result is not None
        assert update.result.new_program
        before = len(runtime.log.swaps)
        _runs(live, target, 2)
        assert {swap.module for swap in runtime.log.swaps[before:]} <= target.module_ids.keys()
        assert live.rollback() == 1
        _runs(live, alone, 1)


def test_a_module_that_does_not_load_rolls_back(
    device: Device, disk: Disk, base: Deployment, owner: Secret, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = compile_network(base.network, board("pynq-z2"), 1)
    target = make_target(alone, _with_pooling(base.network)).deployment
    (fresh,) = target.module_ids.keys() - alone.module_ids.keys()
    store, load = Store.install(disk, alone, [owner.public_key]), device.begin_load

    def stuck(partition: int, staged: Staged, port: str) -> Pending:
        if staged.module_id == target.module_ids[fresh]:
            raise DeviceError("the port is stuck")
        return load(partition, staged, port)

    monkeypatch.setattr(device, "begin_load", stuck)
    with Runtime(device) as runtime:
        live = Live(runtime, store)
        _runs(live, alone, 1)
        with pytest.raises(UpdateError, match=r"on the device: swap of .* the port is stuck"):
            live.apply(make_package(alone, target, 2, owner))
        assert store.state.active.number == 1
        assert runtime._models == [live._placed.place.model]
        _runs(live, alone, 1)


def test_power_that_goes_in_the_commit_is_the_stores_business(
    device: Device, disk: Disk, base: Deployment, target: Deployment, owner: Secret, package: bytes
) -> None:
    Store.install(disk, base, [owner.public_key])
    counting = disk.copy()
    with Runtime(device) as runtime:
        Live(runtime, Store(counting)).apply(package)
    for step in range(0, counting.steps, 7):
        failing = disk.copy(fails_at=step)
        with Runtime(device) as runtime, pytest.raises(PowerCutError):
            Live(runtime, Store(failing)).apply(package)
        for _, left in failing.survivors(1):
            with Runtime(device) as runtime:
                live = Live(runtime, Store(left))
                _runs(live, target if live.version == 2 else base, live.version)


def test_two_threads(live: Live, base: Deployment, owner: Secret) -> None:
    """One runs images without a break while another one updates."""
    versions = {1: base}
    packages = []
    for number in range(2, 8):
        old = versions[number - 1]
        new = make_target(old, drifted(old.network, number, weights=True)).deployment
        packages.append(make_package(old, new, number, owner))
        versions[number] = new
    expected = {n: golden.run(d.network, CODES) for n, d in versions.items()}
    problems: list[BaseException] = []

    def update() -> None:
        try:
            for package in packages:
                live.apply(package)
        except BaseException as error:  # noqa: BLE001 - shown by the other thread
            problems.append(error)

    thread, seen = threading.Thread(target=update), []
    thread.start()
    while thread.is_alive() or live.version not in seen:
        answer = live.run(CODES)
        np.testing.assert_array_equal(answer.codes, expected[answer.version])
        seen.append(answer.version)
    thread.join()
    assert problems == []
    assert seen == sorted(seen)
    assert seen[-1] == 7


def test_an_inference_waits_for_one_test_vector_at_most(
    device: Device, live: Live, package: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is asked for while the first one runs, by another thread than the one that updates."""
    turns, wait, versions = live._placed._device, device.wait, list[int]()
    thread = threading.Thread(target=lambda: versions.append(live.run(CODES).version))
    banks: list[int] = []

    def waiting(*pending: Pending, timeout_s: float | None = None) -> Completion:
        if pending[0].kind == "program" and not banks:
            thread.start()
            while not turns.waiting:
                time.sleep(0.001)
        done = wait(*pending, timeout_s=timeout_s)
        if done.pending.kind == "program":
            banks.append(done.bank)
        return done

    monkeypatch.setattr(device, "wait", waiting)
    live.apply(package)
    thread.join()
    assert versions == [1]
    assert banks == [1, 0, 1, 1, 1]


def test_a_device_without_room_for_an_update_is_refused_at_once(
    base: Deployment, store: Store
) -> None:
    needed = base.segments.weights_bytes + base.segments.tables_bytes
    with (
        Emulator("pynq-z2", memory_bytes=needed + 40_000) as device,
        Runtime(device) as runtime,
    ):
        buffer = device.allocate(device._allocator.free_bytes - needed - 4096)
        with pytest.raises(DeviceError, match="device memory is full"):
            Live(runtime, store)
        buffer.free()


def test_input_scales_change_with_the_version(live: Live, base: Deployment, owner: Secret) -> None:
    network = base.network
    tensor = replace(network.tensors[network.input], scale=network.tensors[network.input].scale * 2)
    changed = replace(network, tensors={**network.tensors, network.input: tensor})
    target = make_target(base, changed).deployment
    values = np.random.default_rng(1).uniform(-4, 4, (2, 4, 4, 8))
    live.apply(make_package(base, target, 2, owner))
    answer = live.run(values)
    expected = golden.run(changed, tensor.quantise(values))
    np.testing.assert_array_equal(answer.codes, expected)
