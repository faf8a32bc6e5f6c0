"""`fpga-rt pynq-server` as a process: what it says, how it ends, what it refuses."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from fpga_rt.contract.static_region import STATIC_REGION
from fpga_rt.device.registry import devices
from tests.cli.conftest import Cli
from tests.serve.caller import Caller
from tests.serve.streams import ADD, partial

grpc = pytest.importorskip("grpc", reason="the extra `serve` is not installed")

BASE = 0x4000_0000
"""Where the first general-purpose port of a Zynq-7000 begins (UG585)."""
Started = tuple["subprocess.Popen[str]", list[str], int]


def _interruptible() -> None:
    """Undo what a shell does to jobs in the background: they ignore SIGINT, and so do children.

    The process leads a group of its own, by which its children are found when it is gone.
    """
    os.setpgid(0, 0)
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@contextmanager
def running(*arguments: str, temporary: Path | None = None) -> Iterator[Started]:
    """Start a server; give the process, the lines it printed, and its port."""
    command = [sys.executable, "-m", "fpga_rt", "pynq-server", "--memory", "16", *arguments]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | ({"TMPDIR": str(temporary)} if temporary else {}),
        preexec_fn=_interruptible,  # noqa: PLW1509 - it only sets a signal and a group
    ) as process:
        try:
            assert process.stdout is not None
            lines = []
            for line in process.stdout:
                lines.append(line.strip())
                if line.startswith("listening"):
                    break
            found = re.search(r" port (\d+) ", lines[-1])
            assert found, lines
            yield process, lines, int(found[1])
        finally:
            process.kill()


def identity(caller: Caller, partition: int) -> int:
    """Return what a partition answers."""
    handle = caller.mmio.get_mmio(base_addr=BASE, length=0x1000).mmio_id
    offset = STATIC_REGION[f"partition{partition}_module_id"].offset
    low, high = (caller.mmio.read(mmio_id=handle, length=4, offset=offset + i).data for i in (0, 4))
    return int(low | high << 32)


@pytest.mark.parametrize(
    ("number", "code", "last"),
    [(signal.SIGTERM, 0, "stopped"), (signal.SIGINT, 130, "fpga-rt: error: interrupted")],
)
def test_it_says_where_it_listens_and_ends_in_order(
    number: signal.Signals, code: int, last: str, tmp_path: Path
) -> None:
    with running("--tcp-port", "0", "--overlay", str(tmp_path)) as (process, lines, port):
        assert lines == [
            f"written {tmp_path}/fpga_rt_pynq_z2.bit",
            f"written {tmp_path}/fpga_rt_pynq_z2.hwh",
            "TUL PYNQ-Z2 (emulator), logic: fpga_rt_pynq_z2, 16 MiB for buffers",
            f"listening on 127.0.0.1 port {port} for this machine only",
        ]
        caller = Caller(port)
        caller.program(partial(1), partial=True)
        assert identity(caller, 1) == ADD.module_id
        process.send_signal(number)
        assert process.stdout is not None
        assert process.wait(20) == code
        rest = process.stdout.read()
        assert rest.strip().splitlines()[-1] == last
        caller.close()


def is_busy(caller: Caller) -> bool:
    """Tell whether somebody else's call has the board: this one is not answered meanwhile."""
    try:
        caller.remote_device.existsfile(file_path="/tmp", timeout=0.1)
    except grpc.RpcError as error:
        if error.code() is not grpc.StatusCode.DEADLINE_EXCEEDED:
            raise
        return True
    return False


def process_group(leader: int) -> set[int]:
    """Return the processes of a group."""
    found = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            fields = stat.read_text().rpartition(")")[2].split()
            found |= {int(stat.parent.name)} if int(fields[2]) == leader else set()
    return found


@pytest.mark.slow
def test_a_server_killed_in_mid_load_leaves_nothing_behind(tmp_path: Path) -> None:
    """The gateware takes a while for a load; that it lasts is seen right before the kill."""
    obstacle = {one.name: one.obstacle for one in devices()}.get("rtl", "it is not installed")
    if obstacle:
        pytest.skip(f"device rtl: {obstacle}")
    rtl = ("--device", "rtl")
    with running("--tcp-port", "0", *rtl, temporary=tmp_path) as (process, _, port):
        caller, other, errors = Caller(port), Caller(port), []

        def load() -> None:
            try:
                caller.program(partial(0), partial=True)
            except grpc.RpcError as error:
                errors.append(error)

        assert identity(caller, 0) == 0
        one = threading.Thread(target=load)
        one.start()
        limit = time.monotonic() + 60
        while not is_busy(other):
            assert one.is_alive(), "the load has ended before it was seen"
            assert time.monotonic() < limit
        process.kill()
        one.join(20)
        (error,) = errors  # it had not been answered, so the kill fell in the load
        assert error.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)
        process.wait(20)
        assert not process_group(process.pid)
        assert not list(tmp_path.iterdir())
        caller.close()
        other.close()
    with running("--tcp-port", str(port), *rtl) as (_, lines, again):
        assert again == port, lines
        caller = Caller(port)
        assert identity(caller, 0) == 0
        assert caller.state == "operating"
        assert not caller.remote_device.existsfile(file_path="/lib/firmware/it.bin").exists
        caller.program(partial(0), partial=True)
        assert identity(caller, 0) == ADD.module_id
        caller.close()


def test_other_addresses_are_asked_for_and_said() -> None:
    with running("--tcp-port", "0", "--listen", "0.0.0.0") as (_, lines, _port):
        assert "ANYBODY who reaches this address, unauthenticated" in lines[-1]


def test_a_taken_port_is_an_error(cli: Cli) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        answer = cli("pynq-server", "--tcp-port", port, "--memory", 1)
    assert answer.code == 6
    assert f"cannot listen on 127.0.0.1:{port}: is another server there?" in answer.err


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--board", "alveo-u200"), 6, "alveo-u200 has no processor that PYNQ could run on"),
        (("--design", "none.bit"), 3, "none.bit cannot be read (No such file or directory)"),
        (("--listen", "localhost"), 2, "got 'localhost', expected an address such as 127.0.0.1"),
        (("--tcp-port", "70000"), 2, "got '70000', expected a port 0..65535"),
    ],
)
def test_wrong_use_is_refused(
    cli: Cli, arguments: tuple[str, ...], code: int, message: str
) -> None:
    answer = cli("pynq-server", *arguments)
    assert answer.code == code
    assert message in answer.err


def test_without_grpc_the_extra_is_named(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "grpc", None)
    answer = cli("pynq-server", "--memory", 1)
    assert answer.code == 9
    assert "run: pip install 'fpga-rt[serve]'" in answer.err
