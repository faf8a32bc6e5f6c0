"""What the device `pynq` finds of a kernel: folders of files in the place of one."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from fpga_rt.arch.boards import board
from fpga_rt.device.diagnosis import Finding
from fpga_rt.device.pynq import diagnosis, overlay
from fpga_rt.device.pynq.kernel import Kernel
from tests.device.pynq.test_lock import HOLD

ZYNQ = "xlnx,zynq-7000"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return the root of a PYNQ-Z2's kernel on which nothing is missing."""
    files = {
        "proc/version": "Linux version 5.15.19-xilinx (oe-user@host) #1 SMP\n",
        "proc/device-tree/model": "TUL PYNQ-Z2\0",
        "proc/device-tree/compatible": f"tul,pynq-z2\0{ZYNQ}\0",
        "sys/class/fpga_manager/fpga0/name": "Xilinx Zynq FPGA Manager\n",
        "sys/class/fpga_manager/fpga0/state": "operating\n",
        "sys/class/fpga_manager/fpga0/firmware": "",
        "sys/class/fpga_manager/fpga0/flags": "0\n",
        "sys/class/u-dma-buf/udmabuf0/size": "67108864\n",
        "sys/module/u_dma_buf/version": "5.2.1\n",
        "sys/class/uio/uio0/name": "fpga_rt\n",
        "dev/uio0": "",
        "dev/udmabuf0": "",
        "dev/mem": "",
        "lib/firmware/other.bin": "",
        "run/lock": "",
    }
    for name, content in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return tmp_path


def found(root: Path, name: str = "pynq-z2") -> dict[str, Finding]:
    return {f.subject: f for f in diagnosis.diagnose(board(name), Kernel(root))}


def states(findings: dict[str, Finding], *but: str) -> set[str]:
    return {f.state for subject, f in findings.items() if not subject.startswith(("PYNQ", *but))}


def test_a_board_on_which_nothing_is_missing(root: Path) -> None:
    findings = found(root)
    assert states(findings) == {"ok"}
    assert findings["board"].found == "TUL PYNQ-Z2 (tul,pynq-z2, xlnx,zynq-7000)"
    assert findings["kernel"].found == "Linux version 5.15.19-xilinx"
    assert findings["configuration port"].found == "Xilinx Zynq FPGA Manager, state operating"
    assert findings["contiguous memory"].found.startswith("udmabuf0, 64 MiB, 5.2.1: ")
    assert findings["interrupt of programs"].found == "UIO uio0"
    assert "MiB free" in findings["staged bitstreams"].found


def test_of_several_udmabuf_devices_none_is_taken(root: Path) -> None:
    (root / "sys/class/u-dma-buf/camera").mkdir()
    memory = found(root)["contiguous memory"]
    assert memory.state == "missing"
    assert memory.found == "2 u-dma-buf devices are here: camera, udmabuf0"
    assert memory.remedy.startswith("expected one, or one named fpga_rt: give it `device-name")


def test_nothing_is_changed(root: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*")}
    found(root)
    assert {path: path.stat().st_mtime_ns for path in root.rglob("*")} == before


def test_a_machine_that_is_no_board(tmp_path: Path) -> None:
    findings = found(tmp_path)
    assert findings["board"].remedy == "run it on the board, TUL PYNQ-Z2"
    assert findings["configuration port"].remedy.startswith("boot the vendor's kernel")
    assert findings["contiguous memory"].found == "neither u-dma-buf nor PYNQ"
    assert findings["contiguous memory"].remedy == "modprobe u-dma-buf udmabuf0=67108864"
    assert findings["staged bitstreams"].remedy == f"mkdir -p {tmp_path}/lib/firmware"
    assert findings["registers: physical memory"].state == "missing"
    assert findings["interrupt of programs"].state == "optional"


def test_another_board_than_was_named(root: Path) -> None:
    finding = found(root, "kv260")["board"]
    assert finding.state == "missing"
    assert finding.remedy == "name the board that this is with --board; kv260 is xlnx,zynqmp"


def test_mainlines_fpga_manager_takes_no_file(root: Path) -> None:
    folder = root / "sys/class/fpga_manager/fpga0"
    for name in ("firmware", "flags"):
        (folder / name).unlink()
    findings = found(root)
    assert findings["configuration port"].state == "ok"
    assert findings["loads: firmware"].found == f"no {folder}/firmware"
    assert "mainline's FPGA manager takes no file" in findings["loads: flags"].remedy


def test_files_that_may_not_be_written(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root may write everything, so the answer of the kernel is put in its place."""
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    findings = found(root)
    assert findings["loads: firmware"].found.endswith("fpga0/firmware may not be written")
    for subject in ("loads: flags", "registers: UIO", "contiguous memory", "staged bitstreams"):
        assert findings[subject].remedy == "run it as root: sudo fpga-rt ..."


def test_a_full_disk(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.statvfs(root)
    full = os.statvfs_result((*real[:4], 10, *real[5:]))  # f_bavail
    monkeypatch.setattr(os, "statvfs", lambda path: full)
    assert found(root)["staged bitstreams"].remedy == (
        f"make room: rm {root}/lib/firmware/fpgart_*.bin"
    )


def test_somebody_else_has_the_fpga(root: Path) -> None:
    """By the kernel that this runs on, of a process that has the lock; its file stays."""
    (root / "proc/locks").symlink_to("/proc/locks")
    path = root / "run/fpga_rt.fpga0.lock"
    command = [sys.executable, "-c", HOLD, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        if not re.search(rf"FLOCK .*:{path.stat().st_ino} ", Path("/proc/locks").read_text()):
            pytest.skip("this kernel does not list locks of files")  # some sandboxes
        finding = found(root)["the FPGA is free"]
        other.kill()
    assert (finding.state, finding.found) == ("missing", f"process {other.pid} has it")
    assert finding.remedy == (
        f"close it there (`ps {other.pid}` says what it is); the lock, {path}, ends with"
        " its process"
    )
    assert path.read_text() == f"{other.pid}\n"
    assert found(root)["the FPGA is free: lock"].state == "ok"


def test_only_this_lock_counts(root: Path) -> None:
    path = root / "run/fpga_rt.fpga0.lock"
    path.write_text("812\n")
    inode = path.stat().st_ino
    locks = root / "proc/locks"
    line = "1: {} ADVISORY  WRITE 812 fe:00:{} 0 EOF\n"
    locks.write_text("\n1: ->\n" + line.format("POSIX ", inode) + line.format("FLOCK ", inode + 1))
    assert found(root)["the FPGA is free: lock"].state == "ok"
    locks.write_text(line.format("FLOCK ", inode + 1) + line.format("FLOCK ", inode))
    assert found(root)["the FPGA is free"].found == "process 812 has it"


def test_the_icap_of_a_zynq_ultrascale_is_optional(root: Path) -> None:
    (root / "proc/device-tree/compatible").write_text("xlnx,zynqmp\0")
    findings = found(root, "kv260")
    icap = findings["the ICAP: registers of the platform firmware"]
    assert (icap.state, icap.remedy.split(";")[0]) == ("optional", "use port pcap")
    assert states(findings, "the ICAP") == {"ok"}


@pytest.mark.parametrize(
    ("installed", "state", "words"),
    [
        ("3.1.2", "ok", "3.1.2"),
        ("4.0.0", "optional", "PYNQ 4.0.0 knows no Zynq-7000, 3.1 does"),
        ("", "optional", "PYNQ is not installed"),
    ],
)
def test_which_pynq_will_do(
    root: Path, monkeypatch: pytest.MonkeyPatch, installed: str, state: str, words: str
) -> None:
    monkeypatch.setattr(overlay, "installed", lambda: installed)
    finding = found(root)["PYNQ, for clocks as its .hwh states them"]
    assert (finding.state, finding.found) == (state, words)
