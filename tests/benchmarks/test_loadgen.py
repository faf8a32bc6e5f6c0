"""LoadGen on real models: both scenarios give VALID logs on the emulator."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import loadgen


@pytest.mark.slow
def test_real_models_have_valid_logs(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("mlperf_loadgen")
    monkeypatch.setenv("FPGA_RT_DATA", str(data_dir))
    monkeypatch.setattr(loadgen, "MODELS", ("ds-cnn", "ad"))
    monkeypatch.setattr(loadgen, "SECONDS", 1)
    *latencies, valid = loadgen.run()
    assert (valid.value, valid.goal) == (4, 4)
    # What LoadGen measures and what the device's clock says are never one figure.
    assert [m.clock for m in latencies] == ["wall", "virtual"] * 4
    assert all("VALID" in m.note for m in latencies[::2])
    assert all("apart from LoadGen" in m.note for m in latencies[1::2])
