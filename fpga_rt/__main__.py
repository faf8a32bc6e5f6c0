"""Start of `fpga-rt` and `python -m fpga_rt`: nothing is imported before interrupts are caught."""

from __future__ import annotations

import sys

_INTERRUPTED = 130


def main() -> int:
    """Run the command line and return the exit code."""
    try:
        from fpga_rt.cli import main as command_line

        return command_line.main()
    except KeyboardInterrupt:  # while that was imported; later ones are its own matter
        sys.stderr.write("fpga-rt: error: interrupted\n")
        return _INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
