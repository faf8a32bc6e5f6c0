"""`fpga-rt pynq-server`: a simulated board on the network, for PYNQ's own client."""

from __future__ import annotations

import argparse
import signal
from ipaddress import ip_address
from pathlib import Path

from fpga_rt import api
from fpga_rt.arch.boards import board
from fpga_rt.cli.options import DEFAULT_BOARD, positive
from fpga_rt.serve.board import PynqBoard
from fpga_rt.serve.designs import Design, read_design, write_overlay
from fpga_rt.serve.server import LOOPBACK, PORT, Server

_MIB = 1 << 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments."""
    parser.add_argument("--device", default="emulator", help="`emulator` by default")
    parser.add_argument(
        "--board", default=DEFAULT_BOARD, help=f"board name, {DEFAULT_BOARD} by default"
    )
    parser.add_argument(
        "--memory", type=positive, metavar="MIB",
        help="device memory for the buffers of all clients; the device's own size by default",
    )  # fmt: skip
    parser.add_argument(
        "--design", action="append", default=[], metavar="FILE.bit[@REGION]",
        help="a design that clients may download, its .hwh beside it: its IP answers as far as"
        " there are models; a partial one goes into the instance REGION; may be given several"
        " times",
    )  # fmt: skip
    parser.add_argument(
        "--overlay", type=Path, metavar="DIR",
        help="write the overlay of the static region (.bit and .hwh) into a folder first",
    )  # fmt: skip
    parser.add_argument(
        "--listen", type=_address, default=LOOPBACK, metavar="ADDRESS",
        help=f"address to listen on, {LOOPBACK} by default; anybody who reaches it can use the"
        " simulated board, there is no password",
    )  # fmt: skip
    parser.add_argument(
        "--tcp-port", type=_tcp_port, default=PORT, metavar="N",
        help=f"{PORT} by default, which PYNQ_REMOTE_DEVICES expects; 0 takes a free one",
    )  # fmt: skip


def run(arguments: argparse.Namespace) -> None:
    """Serve until interrupted."""
    target = board(arguments.board)
    designs: list[Design] = [read_design(one) for one in arguments.design]
    if arguments.overlay:
        for path in write_overlay(target, arguments.overlay):
            print(f"written {path}")
    options = {"memory_bytes": arguments.memory * _MIB} if arguments.memory else {}
    with api.open_device(arguments.device, target, **options) as device:
        simulated = PynqBoard(device, designs)
        with Server(simulated, arguments.listen, arguments.tcp_port) as server:
            signal.signal(signal.SIGTERM, lambda *_: server.stop())
            memory = device.capabilities.memory_bytes // _MIB
            print(f"{simulated.description}, {memory} MiB for buffers")
            print(_where(arguments.listen, server.port), flush=True)
            server.wait()
    print("stopped", flush=True)


def _where(address: str, port: int) -> str:
    loopback = ip_address(address).is_loopback
    who = "this machine only" if loopback else "ANYBODY who reaches this address, unauthenticated"
    hint = f"; PYNQ_REMOTE_DEVICES={address}" if port == PORT and loopback else ""
    return f"listening on {address} port {port} for {who}{hint}"


def _address(text: str) -> str:
    try:
        return str(ip_address(text))
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"got {text!r}, expected an address such as {LOOPBACK} or 0.0.0.0"
        ) from None


def _tcp_port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"got {text!r}, expected a port 0..65535")
    return int(text)
