"""What a vendor tool is given, and what it is expected to leave behind.

A project says which bitstreams the script among its files makes. That is all that is needed to take
over the results, also on another machine than the one that wrote it. There are two kinds: a static
region with partial bitstreams, and kernels for a card, each an xclbin with the static region and a
module.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from fpga_rt.errors import ArtifactError

FORMAT, VERSION = "fpga-rt project", 1
_AGAIN = "write the project again with this fpga-rt"
_PATH = re.compile(r"[\w.-]+(/[\w.-]+)*", re.ASCII)
_NAME = re.compile(r"\w[\w.-]*", re.ASCII)
"""Of a module or partition: files and folders are named after them, so none leads elsewhere."""


@dataclass(frozen=True)
class Run:
    """A module in a partition, and the partial bitstream that becomes of it."""

    partition: str
    module: str
    module_id: int
    file: str


@dataclass(frozen=True)
class Project:
    """A project of a vendor tool; paths are those of files in its folder.

    Attributes:
        board: name of the board.
        clock_ps: period of its compute clock.
        part: the FPGA as the tool names it.
        tool: name of the tool.
        tool_version: the oldest version it was written for.
        command: what makes everything, to be run in the folder.
        source_id: 32 bits, a digest of what the static region is made from.
        base: full bitstream with every partition empty; "" of kernels.
        blanks: partial bitstream that empties a partition, by its name.
        implementation_id: file with 8 hexadecimal digits that tell this implementation of the
            static region from any other; `base` carries them for USR_ACCESS. "" of kernels.
        runs: what is built for which partition.
        files: what the folder holds before the tool has run, by path; empty when read back.
    """

    board: str
    clock_ps: int
    part: str
    tool: str
    tool_version: str
    command: tuple[str, ...]
    source_id: int
    base: str
    blanks: Mapping[str, str]
    implementation_id: str
    runs: tuple[Run, ...]
    files: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def is_of_kernels(self) -> bool:
        """Whether each run is an xclbin of its own, and there is no static region beside them."""
        return not self.base

    def encode(self) -> str:
        """Return it as JSON, without its files."""
        content = {
            "format": FORMAT,
            "version": VERSION,
            "board": self.board,
            "clock_ps": self.clock_ps,
            "part": self.part,
            "tool": self.tool,
            "tool_version": self.tool_version,
            "command": list(self.command),
            "source_id": f"{self.source_id:08x}",
            "base": self.base,
            "blanks": dict(self.blanks),
            "implementation_id": self.implementation_id,
            "runs": [
                {
                    "partition": run.partition,
                    "module": run.module,
                    "module_id": f"{run.module_id:016x}",
                    "file": run.file,
                }
                for run in self.runs
            ],
        }
        return json.dumps(content, indent=1) + "\n"


def decode(data: bytes, where: str) -> Project:
    """Return the project in a file's content, without its files; `where` names it in messages.

    Raises:
        ArtifactError: it is no project, or not one of this version.
    """
    try:
        content: dict[str, Any] = dict(json.loads(data))
    except (ValueError, TypeError) as error:
        raise ArtifactError(f"{where} is no JSON object: {error}; {_AGAIN}") from None
    if content.get("format") != FORMAT or content.get("version") != VERSION:
        raise ArtifactError(
            f"{where}: got format {content.get('format')!r}, version {content.get('version')!r},"
            f" expected {FORMAT!r}, {VERSION}; {_AGAIN}"
        )
    try:
        return _project(content)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ArtifactError(f"{where}: key missing or wrong ({error}); {_AGAIN}") from None


def _project(content: Mapping[str, Any]) -> Project:
    runs = tuple(
        Run(
            _name(run["partition"]),
            _name(run["module"]),
            int(run["module_id"], 16),
            _path(run["file"]),
        )
        for run in content["runs"]
    )
    if not runs:
        raise ValueError("got no runs, expected at least one module in a partition")
    return Project(
        board=content["board"],
        clock_ps=int(content["clock_ps"]),
        part=content["part"],
        tool=content["tool"],
        tool_version=content["tool_version"],
        command=tuple(content["command"]),
        source_id=int(content["source_id"], 16),
        base=content["base"] and _path(content["base"]),
        blanks={_name(name): _path(file) for name, file in content["blanks"].items()},
        implementation_id=content["implementation_id"] and _path(content["implementation_id"]),
        runs=runs,
    )


def _name(text: str) -> str:
    """Return a name that is no path."""
    if not _NAME.fullmatch(text):
        raise ValueError(f"{text!r} is no name of a module or partition")
    return text


def _path(text: str) -> str:
    """Return a path of a file that does not leave its folder."""
    if not _PATH.fullmatch(text) or ".." in PurePosixPath(text).parts:
        raise ValueError(f"{text!r} is no path within the folder")
    return text
