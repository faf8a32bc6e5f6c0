"""The machine that a GPU baseline was measured on, and the numbers it may compute with."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from benchmarks.machine import processor

_DRIVER = Path("/proc/driver/nvidia/version")


def machine(device: torch.device) -> dict[str, Any]:
    """Return device, versions and settings; what there is not is None."""
    cuda = device.type == "cuda"
    found: dict[str, Any] = {
        "kind": device.type,
        "device": torch.cuda.get_device_name(device) if cuda else processor(),
        "processor": processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "cuda": torch.version.cuda if cuda else None,
        "cudnn": torch.backends.cudnn.version() if cuda else None,
    }
    if cuda:
        properties = torch.cuda.get_device_properties(device)
        found["compute_capability"] = f"{properties.major}.{properties.minor}"
        found["multiprocessors"] = properties.multi_processor_count
        found["memory_bytes"] = properties.total_memory
        found["driver"] = _driver()
    return found


def _driver() -> str | None:
    """Return what the kernel's module says of itself, None where it does not."""
    try:
        return _DRIVER.read_text().splitlines()[0].strip()
    except (OSError, IndexError):
        return None


@contextmanager
def allow_tf32(allowed: bool) -> Iterator[None]:
    """Let CUDA round the factors of float32 products to TF32, or keep it from doing so."""
    convolutions = torch.backends.cudnn.conv  # type: ignore[attr-defined]  # made at import
    backends = (torch.backends.cuda.matmul, convolutions)
    before = [backend.fp32_precision for backend in backends]
    try:
        for backend in backends:
            backend.fp32_precision = "tf32" if allowed else "ieee"
        yield
    finally:
        for backend, precision in zip(backends, before, strict=True):
            backend.fp32_precision = precision
