"""Run neural networks on FPGAs smaller than the network, by swapping modules at run time.

    import fpga_rt

    deployment = fpga_rt.compile("model.onnx", board="pynq-z2")
    with fpga_rt.open_device("emulator", board="pynq-z2") as device:
        runtime = fpga_rt.Runtime(device)
        codes = runtime.run(runtime.load(deployment), deployment.network.encode_input(images))
        print(runtime.report())

The names come from `fpga_rt.api` and are loaded when they are first used, so importing the package
or one of its parts costs nothing more.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fpga_rt.api import (
        Request,
        Runtime,
        compile,
        compile_together,
        load,
        load_model,
        open_device,
        save,
    )

__version__ = "0.1.0"

__all__ = [
    "Request",
    "Runtime",
    "__version__",
    "compile",
    "compile_together",
    "load",
    "load_model",
    "open_device",
    "save",
]


if not TYPE_CHECKING:  # else a type checker would accept every name

    def __getattr__(name: str) -> object:
        """Return a name of `fpga_rt.api`."""
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(importlib.import_module("fpga_rt.api"), name)


def __dir__() -> list[str]:
    """Return the public names, those not loaded yet too."""
    return sorted({*globals(), *__all__})
