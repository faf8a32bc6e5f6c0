"""Arguments that name a study, its models and its results."""

from __future__ import annotations

import argparse
from pathlib import Path

from fpga_rt.study import file
from fpga_rt.study.file import Study


def add_study(parser: argparse.ArgumentParser, meaning: str) -> None:
    """Add the study's file, and the folders of its results and its models."""
    parser.add_argument("study", type=Path, metavar="STUDY.toml", help=meaning)
    parser.add_argument(
        "-o", "--output", type=Path, metavar="DIR",
        help="folder of the results, by default the study's name in the current folder; one that"
        " holds part of the same study is continued",
    )  # fmt: skip
    parser.add_argument(
        "--models", type=Path, metavar="DIR",
        help="folder that the study's model files are in; by default that of the study",
    )  # fmt: skip


def study_of(arguments: argparse.Namespace) -> tuple[Study, Path]:
    """Return the study that `add_study`'s arguments name, and the folder of its results.

    Raises:
        ArtifactError: the file cannot be read, or something in it is wrong.
    """
    folder: Path = arguments.output or Path(arguments.study.stem)
    return file.read(arguments.study, arguments.models), folder
