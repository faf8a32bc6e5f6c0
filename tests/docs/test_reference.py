"""The reference pages say what the code says."""

from __future__ import annotations

import argparse
from pathlib import Path

from fpga_rt import errors
from fpga_rt.cli import run
from tools.cli_reference import cli_markdown

REFERENCE = Path(__file__).resolve().parents[2] / "docs" / "reference"


def test_the_command_line_is_up_to_date() -> None:
    assert (REFERENCE / "cli.md").read_text() == cli_markdown(), (
        "run `python -m tools.cli_reference > docs/reference/cli.md`"
    )


def test_every_option_of_run_is_listed() -> None:
    parser = argparse.ArgumentParser(add_help=False)
    run.add_arguments(parser)
    page = cli_markdown()
    for action in parser._actions:
        for option in action.option_strings:
            assert f"`{option}`" in page


def test_every_exit_code_is_listed() -> None:
    page = (REFERENCE / "errors-and-exit-codes.md").read_text()
    for family in errors.FpgaRtError.__subclasses__():
        assert f"| {family.exit_code} | `{family.__name__}` |" in page
