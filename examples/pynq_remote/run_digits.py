"""Run the digits network on a board behind PYNQ.remote, with PYNQ's own client.

docs/how-to/use-pynq-without-a-board.md has the commands around it.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from remote_board import RemoteBoard

import fpga_rt
from fpga_rt.network import golden


def main() -> None:
    """Classify images, compare with golden execution, and print what the runtime measured."""
    parser = argparse.ArgumentParser(description="Digits on a board behind PYNQ.remote.")
    parser.add_argument("deployment", type=Path, help=".frt file, as `fpga-rt compile` wrote it")
    parser.add_argument("overlay", type=Path, help=".bit file, its .hwh beside it")
    parser.add_argument("images", type=Path, help=".npz file with `x` and `y`")
    parser.add_argument("--count", type=int, default=20, help="images, 20 by default")
    parser.add_argument("--port", help="`icap` (the static region's own) or `pcap` (fpga_manager)")
    arguments = parser.parse_args()

    deployment = fpga_rt.load(arguments.deployment)
    network = deployment.network
    with np.load(arguments.images) as data:
        images, labels = data["x"][: arguments.count], data["y"][: arguments.count]
    codes = network.encode_input(images)

    with (
        RemoteBoard(deployment.board, arguments.overlay) as device,
        fpga_rt.Runtime(device, port=arguments.port) as runtime,
    ):
        outputs = runtime.run(runtime.load(deployment), codes, batch=10)
        report = runtime.report()

    right = (outputs.reshape(len(outputs), -1).argmax(axis=1) == labels).sum()
    equal = np.array_equal(outputs, golden.run(network, codes))
    print(report)
    print(f"{right} of {len(labels)} right; golden execution: {'equal' if equal else 'DIFFERENT'}")


if __name__ == "__main__":
    main()
