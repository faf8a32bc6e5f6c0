"""What a device finds of what it needs, and the command that helps where something is missing.

A device's class may offer

    @staticmethod
    def diagnose(board: Board) -> Iterable[Finding]

which looks, changes nothing and needs no device. `fpga-rt doctor` prints what it returns; nothing
else has to know the device.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

State = Literal["ok", "missing", "optional"]


@dataclass(frozen=True)
class Finding:
    """One thing that a device needs, or can use.

    Attributes:
        subject: what it is.
        found: what is there, or that nothing is.
        remedy: command or advice that puts it right; empty when it is right.
        required: whether the device cannot be used without it.
    """

    subject: str
    found: str
    remedy: str = ""
    required: bool = True

    @property
    def state(self) -> State:
        """`ok`, `missing`, or `optional` for what would help but is not needed."""
        if not self.remedy:
            return "ok"
        return "missing" if self.required else "optional"


@dataclass(frozen=True)
class Diagnosis:
    """What was found of one device.

    Attributes:
        device: its name.
        description: one line.
        obstacle: why it cannot be used here, None when it can.
        findings: of what it needs, in order.
    """

    device: str
    description: str
    obstacle: str | None
    findings: tuple[Finding, ...]

    @property
    def usable(self) -> bool:
        """Whether nothing that it needs is missing, as far as can be seen without opening it."""
        return self.obstacle is None and all(f.state != "missing" for f in self.findings)


def file_finding(
    subject: str, path: Path, absent: str, forbidden: str, *, required: bool = True
) -> Finding:
    """Return the finding of a file that must be there and may be written.

    Args:
        subject: what it is for.
        path: the file or folder.
        absent: what helps when it is not there.
        forbidden: what helps when it may not be written.
        required: whether the device needs it.
    """
    if not path.exists():
        return Finding(subject, f"no {path}", absent, required)
    if not os.access(path, os.W_OK):
        return Finding(subject, f"{path} may not be written", forbidden, required)
    return Finding(subject, f"{path} may be written", "", required)
