"""Projects: what is written is read back, and nothing leaves the folder."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from fpga_rt.builder.folder import FILE_NAME, read, write
from fpga_rt.errors import ArtifactError
from tests.builder.made import project_of

_RUN = {"partition": "rp0", "module": "add_8", "module_id": "01", "file": "add_8.bit"}


def test_there_and_back(tmp_path: Path) -> None:
    project = project_of("pynq-z2")
    write(project, tmp_path / "new" / "folder")
    assert read(tmp_path / "new" / "folder") == replace(project, files={})
    assert (tmp_path / "new" / "folder" / "build.tcl").read_text() == "# nothing\n"


def test_what_the_tool_left_stays(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "static.dcp").write_text("hours")
    write(project_of("pynq-z2"), tmp_path)
    assert (tmp_path / "work" / "static.dcp").read_text() == "hours"


def test_no_project(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError) as error:
        read(tmp_path)
    assert str(error.value) == (
        f"{tmp_path / FILE_NAME} cannot be read: No such file or directory; expected the folder"
        " that `fpga-rt build` wrote"
    )


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("format", "other", "got format 'other', version 1, expected 'fpga-rt project', 1; write"),
        ("version", 2, "got format 'fpga-rt project', version 2, expected 'fpga-rt project', 1"),
        ("source_id", "xyz", "key missing or wrong (invalid literal"),
        ("base", "../base.bit", "'../base.bit' is no path within the folder"),
        ("base", "/etc/passwd", "'/etc/passwd' is no path within the folder"),
        ("runs", [{"partition": "rp0"}], "key missing or wrong ('module')"),
        (
            "runs",
            [],
            "(got no runs, expected at least one module in a partition); write the project",
        ),
        ("runs", [_RUN | {"module": "../../evil"}], "'../../evil' is no name of a module or"),
        ("runs", [_RUN | {"module": ".."}], "'..' is no name of a module or partition"),
        ("runs", [_RUN | {"partition": "/etc"}], "'/etc' is no name of a module or partition"),
        ("blanks", {"../rp0": "blank.bit"}, "'../rp0' is no name of a module or partition"),
        ("blanks", ["rp0"], "key missing or wrong ('list' object has no attribute 'items')"),
    ],
)
def test_bad_content(tmp_path: Path, key: str, value: object, message: str) -> None:
    content = json.loads(project_of("pynq-z2").encode())
    (tmp_path / FILE_NAME).write_text(json.dumps({**content, key: value}))
    with pytest.raises(ArtifactError) as error:
        read(tmp_path)
    assert message in str(error.value)


def test_no_json(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_text("[1")
    with pytest.raises(ArtifactError, match="is no JSON object: Expecting"):
        read(tmp_path)


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ArtifactError, match=r"cannot make the folder .*; choose another --output"):
        write(project_of("pynq-z2"), tmp_path / "file")
