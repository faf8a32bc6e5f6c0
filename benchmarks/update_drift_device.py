"""How long a device takes from a package to its first answer by the new parameters, modelled.

The emulator's clock counts the test vectors that decide about the update and the first inference
behind them; the host's software, the disk and the link are not in it. It depends on the network and
on the program, which no policy here changes, not on which parameters came.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.corruptions import corrupt
from benchmarks.update_drift_bases import Base
from fpga_rt import api
from fpga_rt.runtime.runtime import Runtime
from fpga_rt.update.adapt.adaptation import Adaptation, reference_moments, right_answers
from fpga_rt.update.adapt.samples import Samples
from fpga_rt.update.ed25519 import PrivateKey
from fpga_rt.update.live import Live
from fpga_rt.update.make import make_package, make_target
from fpga_rt.update.store import Store

FIT_IMAGES = 200


def device_facts(of: Base, report_images: int) -> dict[str, Any]:
    """Return accuracy without drift, and the times from package to answer on the emulator."""
    right = right_answers(of.deployment.network, of.report.take(np.arange(report_images)))
    assert right is not None
    return {
        "undrifted": {"right": int(right.sum()), "images": len(right)},
        "device": _times(of),
    }


def _times(of: Base) -> dict[str, Any]:
    some = of.field.take(np.arange(FIT_IMAGES))
    dark = Samples(corrupt(some.codes, "darkness", 1, 0), some.labels)
    reference = reference_moments(of.deployment.network, of.trained_on.codes)
    trial = Adaptation(of.deployment, dark, dark, reference).trial("statistics")
    key = PrivateKey.generate()
    target = make_target(of.deployment, trial.network).deployment
    package = make_package(of.deployment, target, 2, key)
    images = _as_read(of, some.codes[:1])
    with tempfile.TemporaryDirectory() as folder, api.open_device("emulator") as device:
        store = Store.install(Path(folder) / "store", of.deployment, [key.public_key])
        with Runtime(device) as runtime:
            live = Live(runtime, store)
            live.run(images)
            before_ps = device.now_ps()
            live.run(images)
            began_ps = device.now_ps()
            applied = live.apply(package)
            answer = live.run(images)
            ended_ps = device.now_ps()
    assert answer.version == applied.version == 2
    return {
        "clock": device.capabilities.clock,
        "origin": device.capabilities.origin,
        "vectors": applied.vectors,
        "inference_us": (began_ps - before_ps) / 1e6,
        "self_test_us": applied.self_test_ps / 1e6,
        "package_to_answer_us": (ended_ps - began_ps) / 1e6,
    }


def _as_read(of: Base, codes: np.ndarray) -> np.ndarray:
    """Return codes in the layout of the model's file."""
    return codes.transpose(0, 3, 1, 2) if of.deployment.network.layout == "NCHW" else codes
