"""Starts the stand-in for a test."""

from __future__ import annotations

import atexit
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import IO, Any

from fpga_rt.arch.boards import board as board_of
from fpga_rt.device.pynq.device import BASE_ADDRESS
from fpga_rt.device.pynq.kernel import Kernel
from tests.standin.mapped_io import MappedIo, compiler

_PYTHON = os.environ.get("FPGA_RT_STANDIN_PYTHON", sys.executable)
"""What the stand-in runs on: the machine's own Python where the tests run on an emulated one."""
_MACHINES = ("x86_64", "armv7l")
"""Whose instructions `mapped_io.c` decodes."""
_NAMESPACES = ["unshare", "--user", "--map-root-user", "--mount"]
_REPOSITORY = Path(__file__).resolve().parents[2]


@cache
def obstacle() -> str | None:
    """Return why the stand-in cannot run here, None when it can."""
    needs = {
        f"Linux on {' or '.join(_MACHINES)}": _is_decoded(),
        "a C compiler: apt-get install g++": compiler() is not None,
        "mfusepy and libfuse: apt-get install fuse3; pip install mfusepy": _has_fuse(),
        "/dev/fuse": Path("/dev/fuse").exists(),
        "user and mount namespaces, as `unshare` makes them": _has_namespaces(),
    }
    lacking = [need for need, there in needs.items() if not there]
    return f"the stand-in for a board's kernel needs {'; '.join(lacking)}" if lacking else None


def _is_decoded() -> bool:
    return sys.platform == "linux" and platform.machine() in _MACHINES


def _has_fuse() -> bool:
    """Tell whether the import finds its libfuse."""
    if shutil.which(_PYTHON) is None:
        return False
    tried = subprocess.run([_PYTHON, "-c", "import mfusepy"], capture_output=True, check=False)
    return tried.returncode == 0


def _has_namespaces() -> bool:
    if shutil.which(_NAMESPACES[0]) is None:
        return False
    return subprocess.run([*_NAMESPACES, "true"], capture_output=True, check=False).returncode == 0


class StandIn:
    """A running stand-in.

    Attributes:
        kernel: where its files are; they are seen through the process's folder in /proc.
        process: the process.
    """

    def __init__(self, board: str, *options: str) -> None:
        """Start it and wait until its files are there; `install` makes its registers work.

        Args:
            board: name of the board.
            options: `--uio` for registers and an interrupt through UIO, `--logic rtl` for the
                gateware instead of the emulator.

        Raises:
            RuntimeError: it did not start; the message has what it said.
        """
        family = board_of(board).device.family.name
        self._base = BASE_ADDRESS[family]
        self._folder = tempfile.mkdtemp(prefix="fpga_rt-standin-")
        self._said = Path(self._folder, "said").open("w+")
        root = Path(self._folder, "root")
        root.mkdir()
        self.process = subprocess.Popen(
            [*_NAMESPACES, _PYTHON, "-m", "tests.standin.server", board, str(root), *options],
            cwd=_REPOSITORY,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            text=True,
        )
        self._input, self._output = _pipes(self.process)
        if self._output.readline() != "ready\n":
            self._said.seek(0)
            said = self._said.read()
            self.close()
            raise RuntimeError(f"the stand-in did not start: {said}")
        self.kernel = Kernel(Path(f"/proc/{self.process.pid}/root{root}"))
        self._mapped_io: MappedIo | None = None

    def inside(self, *command: str) -> list[str]:
        """Return a command with what it is started by to see these files where a kernel has them.

        That is `/sys` and `/lib/firmware`; the others are below `/proc/self/cwd`.
        """
        root = Path("/", *self.kernel.root.parts[4:])  # without /proc/PID/root
        mounts = (
            f"cd {root} && mount --bind .kernel/sys /sys && mount --bind lib/firmware /lib/firmware"
        )
        enter = ("nsenter", "--user", "--mount", "--preserve-credentials", "--target")
        shell = ("unshare", "--mount", "sh", "-c", f'{mounts} && exec "$@"', "sh")
        return [*enter, str(self.process.pid), *shell, *command]

    def install(self) -> None:
        """Let mapped registers of this process be the stand-in's."""
        self._mapped_io = mapped_io(self.kernel, self._base)

    def uninstall(self) -> None:
        """Let them be again what they were."""
        if self._mapped_io is not None:
            self._mapped_io.remove()
            self._mapped_io = None

    def ask(self, do: str = "tell", **more: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
        """Ask for a fault or a reset; return what has been loaded."""
        self._input.write(json.dumps({"do": do, **more}) + "\n")
        self._input.flush()
        answer: dict[str, Any] = json.loads(self._output.readline())
        return answer

    def kill(self) -> None:
        """End it as a crash does."""
        self.process.kill()
        self.process.wait()

    def close(self) -> None:
        """End it and remove what it left."""
        self.kill()
        for stream in (self._input, self._output, self._said):
            stream.close()
        shutil.rmtree(self._folder, ignore_errors=True)


def _pipes(process: subprocess.Popen[str]) -> tuple[IO[str], IO[str]]:
    if process.stdin is None or process.stdout is None:
        raise RuntimeError("the process has no pipes")
    return process.stdin, process.stdout


def mapped_io(kernel: Kernel, base: int) -> MappedIo:
    """Let this process's mappings of a stand-in's registers be its bus; `base` is that of UIO."""
    uio = kernel.root / "dev/uio0"
    mapped = {kernel.memory: 0} | ({uio: base} if uio.exists() else {})
    return MappedIo(kernel.root / ".kernel/bus", mapped)


@cache
def shared(board: str, *options: str) -> StandIn:
    """Return the stand-in that all tests of this process share; reset it before use."""
    standin = StandIn(board, *options)
    atexit.register(standin.close)
    return standin


@contextmanager
def installed(board: str, *options: str, cached: bool = False) -> Iterator[StandIn]:
    """Reset the shared stand-in and make its registers work meanwhile; see `StandIn`.

    With `cached` the processor sees memory through a cache that is not coherent.
    """
    standin = shared(board, *options)
    for staged in standin.kernel.firmware.iterdir():
        staged.unlink()
    standin.ask("reset", cached=cached)
    standin.install()
    try:
        yield standin
    finally:
        standin.uninstall()
