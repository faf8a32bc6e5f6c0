"""The software of a swap, this project's and PYNQ's: the same partial, over the same plain files.

PYNQ's `pr_download` runs unmodified in its own environment, its `EmbeddedDevice` without XRT; a
swap of the device `pynq` is all of it: quiesce, decouple, load, reset, identify, recouple. Neither
moves a word into an FPGA: `pynq_swap_board` has the files that both write. Partial and .hwh come
from a public repository: 716 kB for a region of a Zynq-7020.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import counting, datasets, pynq_swap_board
from benchmarks.measurement import Measurement
from benchmarks.pynq_environment import ROOT, VERSION, environment
from fpga_rt.errors import ToolchainError

SWAPS, DOWNLOADS = 500, 60
_COUNTED_SWAPS = (20, 120)
_COUNTED_DOWNLOADS = (4, 14)
_SOURCE = "bitstreams/yunqu-partial_reconfig_example/boards__Pynq-Z1__gpio_pr__"
_LONGEST_S = 600

Command = Sequence[str]


def obstacle() -> str | None:
    """Return what is missing here, None when nothing is."""
    return pynq_swap_board.obstacle() or counting.obstacle() or datasets.obstacle()


def run() -> list[Measurement]:
    """Return time, system calls and instructions of a swap on both sides, and of staging."""
    with environment() as python, _files() as (full, *partials):
        ours = [sys.executable, "-m", "benchmarks.pynq_swap_fpga_rt"]
        theirs = [str(python), "-W", "ignore", "-m", "benchmarks.pynq_swap_pynq"]
        names = [str(path) for path in partials]

        def swaps(count: int) -> Command:
            return [*ours, str(count), *names]

        def downloads(count: int) -> Command:
            return [*theirs, str(count), str(full), *names]

        times = _times(_told(swaps(SWAPS)), _told(downloads(DOWNLOADS)))
        return times + _counts(swaps, downloads)


@contextmanager
def _files() -> Iterator[tuple[Path, ...]]:
    """Give the full design and two partials for its region, each with its .hwh and .xclbin."""
    with tempfile.TemporaryDirectory() as folder:
        found = []
        for name in ("gpio_pr", "led_0", "led_5"):
            bit = Path(folder) / f"{name}.bit"
            described = "gpio_pr" if name == "gpio_pr" else "led_0"  # of the same IP
            for suffix, source in ((".bit", name), (".hwh", described)):
                shutil.copy(
                    datasets.folder() / f"{_SOURCE}{source}{suffix}", bit.with_suffix(suffix)
                )
            found.append(bit)
        hwh = found[0].with_suffix(".hwh")
        text = hwh.read_text(encoding="utf-8")  # Vivado 2018 called a region RBD, PYNQ 3 does not
        hwh.write_text(text.replace('BDTYPE="RBD"', 'BDTYPE="BLOCK_CONTAINER"'), encoding="utf-8")
        yield tuple(found)


def _told(command: Command) -> dict[str, Any]:
    """Run a command over plain files and return what it prints."""
    done = subprocess.run(
        [*pynq_swap_board.ENTER, *command],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        timeout=_LONGEST_S,
        check=False,
    )
    if done.returncode:
        raise ToolchainError(f"{' '.join(command[:4])} ... failed: {done.stderr.strip()[-500:]}")
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    if not told["is_right"]:
        raise ToolchainError(f"{' '.join(command[:4])} ... loaded another file than the last one")
    return told


def _times(ours: dict[str, Any], theirs: dict[str, Any]) -> list[Measurement]:
    swap, download = np.array(ours["wall_us"]), np.array(theirs["wall_us"])
    p50, pynq_p50 = float(np.median(swap)), float(np.median(download))
    busy, pynq_busy = (float(np.median(side["processor_us"])) for side in (ours, theirs))
    files = "plain files for the kernel, no word moved"
    pynq = f"PYNQ {VERSION}"
    return [
        Measurement(
            "software time of a staged swap, pynq, p50", p50, "us", "wall", 250,
            note=f"{len(swap)} swaps of 716 kB, {files}, registers from a dictionary;"
            f" processor time {busy:.0f}",
        ),
        Measurement("the same, p90", float(np.percentile(swap, 90)), "us", "wall"),
        Measurement(
            f"{pynq}: pr_download, p50", pynq_p50, "us", "wall",
            note=f"{len(download)} downloads of the same, {files}; processor time {pynq_busy:,.0f}",
        ),
        Measurement("the same, p10", float(np.percentile(download, 10)), "us", "wall"),
        Measurement(
            "pr_download by staged swap, p50", pynq_p50 / p50, "times", "wall", 50, False,
            note=f"by processor time {pynq_busy / busy:.0f};"
            f" PYNQ's p10 by our p90 {np.percentile(download, 10) / np.percentile(swap, 90):.0f}",
        ),
        Measurement(
            "stage, p50", float(np.median(ours["stage_us"])), "us", "wall",
            note="once for each bitstream: verified, its words swapped, written, synchronised",
        ),
        Measurement(
            f"{pynq}: bit2bin, p50", float(np.median(theirs["bit2bin_us"])), "us", "wall",
            note="in every download, twice; nothing is verified",
        ),
        Measurement(
            f"{pynq}: bit2bin and its file, p50", float(np.median(theirs["binfile_us"])), "us",
            "wall", note="in /lib/firmware, not synchronised; in every download too",
        ),
    ]  # fmt: skip


def _counts(
    swaps: Callable[[int], Command], downloads: Callable[[int], Command]
) -> list[Measurement]:
    enter = pynq_swap_board.ENTER
    sides = (
        ("staged swap, pynq", swaps, _COUNTED_SWAPS),
        (f"PYNQ {VERSION}: pr_download", downloads, _COUNTED_DOWNLOADS),
    )
    found = []
    for name, command, (few, many) in sides:
        before, after = (counting.system_calls(enter, command(n)) for n in (few, many))
        each = {call: (after[call] - before.get(call, 0)) / (many - few) for call in after}
        most = sorted(each, key=lambda call: -each[call])[:4]
        note = ", ".join(f"{call} {each[call]:.1f}" for call in most)
        total = sum(each.values())
        found.append(Measurement(f"{name}: system calls", total, "calls", "none", note=note))
    for name, command, (few, _) in sides:
        count = counting.instructions(enter, command(few)) / few
        found.append(
            Measurement(
                f"{name}: instructions", count, "", "none", note=f"callgrind, mean of {few}"
            )
        )
    return found
