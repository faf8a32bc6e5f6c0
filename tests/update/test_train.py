"""Training an update: what is asked for, what is refused, and what is said without torch."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from fpga_rt.deployment.model import Deployment
from fpga_rt.errors import ExecutionError, ToolchainError
from fpga_rt.update.adapt.samples import Samples
from fpga_rt.update.train import train_update


def _samples(base: Deployment, count: int) -> Samples:
    shape = base.network.tensors[base.network.input].shape
    return Samples(np.zeros((count, *shape), np.int8), np.zeros(count, np.int64))


def test_without_torch_the_message_names_it(
    base: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("adaptation", "choice", "graph", "layers", "fit", "budget", "fold", "sensitivity"):
        monkeypatch.delitem(sys.modules, f"fpga_rt.update.adapt.{name}", raising=False)
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ToolchainError, match=r"training an update needs torch; pip install"):
        train_update(base, _samples(base, 8))


def test_one_sample_is_too_few(base: Deployment) -> None:
    pytest.importorskip("torch")
    with pytest.raises(ExecutionError, match="there is one sample, expected at least two"):
        train_update(base, _samples(base, 1))
