"""Synthesise the gateware and keep the figures: `python -m hw.synthesis [NAME ...]`.

The figures are in `fpga_rt/modules/data/synthesis.json`, where the host halves of the modules find
them. What was synthesised from the same Verilog is not synthesised again.
"""

from __future__ import annotations

import argparse
import sys

from fpga_rt.errors import FpgaRtError
from hw.synthesis.record import FAMILIES, designs, load, refresh


def main(arguments: list[str] | None = None) -> int:
    """Synthesise what changed, print a table; with `--check` only say what is out of date."""
    parser = argparse.ArgumentParser(prog="python -m hw.synthesis", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="designs (default: all)")
    parser.add_argument(
        "--family", choices=tuple(FAMILIES), help="one of the families (default: both)"
    )
    parser.add_argument("--check", action="store_true", help="synthesise nothing")
    options = parser.parse_args(arguments)
    known = designs()
    unknown = [name for name in options.names if name not in known]
    if unknown:
        parser.error(f"unknown design {unknown[0]!r}, expected some of {', '.join(known)}")
    try:
        chosen = [options.family] if options.family else list(FAMILIES)
        names = options.names or list(known)
        stale = refresh(names, check=options.check, say=print, families=chosen)
    except FpgaRtError as error:
        print(f"python -m hw.synthesis: error: {error}", file=sys.stderr)
        return 1
    _print_table(options.names or list(known))
    return int(options.check and bool(stale))


def _print_table(names: list[str]) -> None:
    kept = load()
    print(f"{'design':24} {'family':6} {'LUT':>7} {'FF':>7} {'DSP':>4} {'BRAM36':>6} {'levels':>6}")
    for name in names:
        for family in FAMILIES:
            entry = kept.get(name, {}).get(family)
            if entry:
                row = [entry[key] for key in ("lut", "ff", "dsp", "bram36", "levels")]
                print(
                    f"{name:24} {family:6} {row[0]:7,} {row[1]:7,} {row[2]:4} {row[3]:6} {row[4]:6}"
                )


if __name__ == "__main__":
    sys.exit(main())
