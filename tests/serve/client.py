"""PYNQ's own client, run in its environment."""

from __future__ import annotations

import importlib.util
import os
import subprocess

import pytest

from benchmarks.pynq_environment import ROOT, environment
from fpga_rt.errors import ToolchainError


def run(version: str, address: str, *arguments: object) -> str:
    """Run PYNQ's Python and return what it printed; skip where PYNQ cannot be installed.

    In CI, which says so with `CI=true`, that is a failure: nobody would see that nothing was tried.

    The environment of the oldest versions, which has no extra, makes none for PYNQ.
    """
    if importlib.util.find_spec("grpc") is None:
        pytest.skip("PYNQ is tried beside the extra `serve`, which is not installed")
    variables = {"PYNQ_REMOTE_DEVICES": address, "PYTHONPATH": str(ROOT)}
    try:
        with environment(version) as python:
            done = subprocess.run(
                [str(python), "-W", "ignore", *map(str, arguments)],
                capture_output=True,
                text=True,
                env=os.environ | variables,
                timeout=300,
                check=False,
            )
    except ToolchainError as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(str(error))
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
