"""A model of `v++ --link`: options and configuration of a table, and an xclbin of the right form.

    python linker.py BOARD --link --target hw --platform P --config C --temp_dir T --output O X.xo

Ref: Vitis Application Acceleration Development (UG1393)
Document: v++ General Options; --connectivity Options; --clock Options
"""

from __future__ import annotations

import os
import re
import sys
from configparser import ConfigParser
from pathlib import Path

from fpga_rt.arch.boards import board
from fpga_rt.bitstream.build import simulation_bitstream
from fpga_rt.modules.registry import modules
from tests.builder.clock_section import DATA, KERNEL, topology, with_clocks
from tests.standin.xrt import PLATFORM, xclbin

OPTIONS = {
    "--config": "UG1393, v++ General Options",
    "--link": "UG1393, v++ General Options",
    "--output": "UG1393, v++ General Options",
    "--platform": "UG1393, v++ General Options",
    "--target": "UG1393, v++ General Options",
    "--temp_dir": "UG1393, v++ General Options",
}
_FLAGS = {"--link"}
SETTINGS = {
    ("connectivity", "nk"): (r"fpga_rt:1:(\w+)", "UG1393, --connectivity Options"),
    ("connectivity", "sp"): (r"(\w+)\.m_axi:DDR\[[0-3]\]", "UG1393, --connectivity Options"),
    ("clock", "freqHz"): (r"\d{8,9}:(\w+)", "UG1393, --clock Options"),
}


class _Settings(ConfigParser):
    """Settings whose names are as they are written."""

    def optionxform(self, optionstr: str) -> str:
        return optionstr


def main(arguments: list[str]) -> None:
    """Link, or end with a message."""
    name, *words = arguments
    options: dict[str, str] = {}
    files: list[str] = []
    while words:
        word = words.pop(0)
        if not word.startswith("-"):
            files.append(word)
        elif word not in OPTIONS:
            sys.exit(f"ERROR: [v++ 60-594] unrecognised option {word}")
        else:
            options[word] = "" if word in _FLAGS else words.pop(0)
    if options.keys() != OPTIONS.keys() or options["--target"] != "hw":
        sys.exit(f"ERROR: got {sorted(options)} and target {options.get('--target')}")
    installed = os.environ.get("FPGA_RT_PLATFORM", PLATFORM)
    if options["--platform"] != installed:
        sys.exit(f"ERROR: [v++ 60-1258] no valid platform {options['--platform']} was found")
    mhz = _checked_mhz(Path(options["--config"]))
    (container,) = files
    found = _module(Path(container).read_text())
    target = board(name)
    stream = simulation_bitstream(target.device, target.partitions[0], found)
    data = with_clocks(xclbin(stream, options["--platform"]), topology((mhz, DATA), (500, KERNEL)))
    Path(options["--output"]).write_bytes(data)


def _checked_mhz(path: Path) -> int:
    """Return the clock; refuse a setting that is in no table, and units of several names."""
    parser = _Settings()
    parser.read_string(path.read_text())
    found = {(section, key) for section in parser.sections() for key in parser[section]}
    if found != SETTINGS.keys():
        sys.exit(f"ERROR: settings {sorted(found)}, expected {sorted(SETTINGS)}")
    units = set()
    for (section, key), (pattern, _) in SETTINGS.items():
        matched = re.fullmatch(pattern, parser[section][key])
        if not matched:
            sys.exit(f"ERROR: {section}.{key}={parser[section][key]}")
        units.add(matched[1])
    if len(units) != 1:
        sys.exit(f"ERROR: units {sorted(units)}, expected one")
    return int(parser["clock"]["freqHz"].partition(":")[0]) // 10**6


def _module(container: str) -> int:
    """Return the identity of the module that lies in an .xo."""
    inside = re.findall(r"^    (\w+) content \($", container, re.MULTILINE)
    return next(m.module_id for m in modules() if m.name in inside)


if __name__ == "__main__":
    main(sys.argv[1:])
