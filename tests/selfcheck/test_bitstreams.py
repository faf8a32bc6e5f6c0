"""What there is to load: in simulation, and below a folder of manifests."""

from __future__ import annotations

from pathlib import Path

import pytest

from fpga_rt.arch.boards import board
from fpga_rt.bitstream.build import simulation_bitstream
from fpga_rt.bitstream.manifest import Identity, register
from fpga_rt.errors import ArtifactError
from fpga_rt.modules.registry import modules, named
from fpga_rt.selfcheck.bitstreams import built, simulated

TARGET = board("pynq-z2")


def imported(root: Path, partition: str, module: str) -> Path:
    """Register a bitstream as `fpga-rt bitstream import` does; return its file."""
    (found,) = named([module])
    place = next(p for p in TARGET.partitions if p.name == partition)
    data = simulation_bitstream(TARGET.device, place, found.module_id)
    identity = Identity(module, found.module_id, found.resources)
    manifest = register(data, TARGET, partition, identity, static_id=7)
    folder = root / manifest.folder
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_bytes(manifest.encode())
    (folder / manifest.file).write_bytes(data)
    return folder / manifest.file


def test_a_module_is_loaded_where_it_has_room() -> None:
    found = {(c.partition, c.module.name) for c in simulated(TARGET, modules())}
    assert (0, "convolution_8x16") in found
    assert (2, "convolution_8x16") not in found  # 80 DSPs; rp2 has 40
    assert {partition for partition, name in found if name == "clamp_8"} == {0, 1, 2}
    clamp = next(c for c in simulated(TARGET, modules()) if c.module.name == "clamp_8")
    assert clamp.port_bytes(b"") == TARGET.partitions[0].bitstream_bytes


def test_built_bitstreams_are_found_with_their_static_region(tmp_path: Path) -> None:
    file = imported(tmp_path, "rp2", "clamp_8")
    imported(tmp_path, "rp0", "add_8")
    found = built(TARGET, modules(), tmp_path)
    assert [(c.partition, c.module.name, c.static_id) for c in found] == [
        (0, "add_8", 7),
        (2, "clamp_8", 7),
    ]
    stream = found[1].read()
    assert stream == file.read_bytes()
    assert found[1].port_bytes(stream) == len(stream)
    (only,) = built(TARGET, named(["clamp_8"]), tmp_path)
    assert only.partition == 2


def test_a_file_that_was_exchanged_is_noticed_when_it_is_read(tmp_path: Path) -> None:
    file = imported(tmp_path, "rp2", "clamp_8")
    (candidate,) = built(TARGET, modules(), tmp_path)
    file.write_bytes(b"another")
    with pytest.raises(
        ArtifactError, match=r"got SHA-256 .* of its manifest; import the file again"
    ):
        candidate.read()
    file.unlink()
    with pytest.raises(ArtifactError, match=r"cannot be read \(No such file or directory\)"):
        candidate.read()


def test_a_folder_without_bitstreams_says_what_is_expected_where(tmp_path: Path) -> None:
    with pytest.raises(
        ArtifactError,
        match=r"has no bitstream of an installed module for board pynq-z2, expected"
        ".*/pynq-z2/PARTITION/MODULE/manifest.json; build the bitstreams and register them",
    ):
        built(TARGET, modules(), tmp_path)
