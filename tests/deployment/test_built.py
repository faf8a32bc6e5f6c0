"""Deployments with built bitstreams: all of them, all right, all against one static region."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from fpga_rt.arch.boards import board
from fpga_rt.bitstream.build import simulation_bitstream
from fpga_rt.bitstream.manifest import FILE_NAME, Identity, register
from fpga_rt.deployment import archive
from fpga_rt.deployment.built import with_bitstreams, with_bitstreams_of
from fpga_rt.deployment.model import Deployment, digest
from fpga_rt.errors import ArtifactError

TARGET = board("pynq-z2")
STATIC_ID = 0xFEDC_BA98_7654_3210

Import = Callable[..., None]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "bitstreams"


@pytest.fixture
def imported(root: Path) -> Import:
    """Return a function that registers a bitstream for a partition."""

    def put(partition: int, module: str, module_id: int, static_id: int | None = STATIC_ID) -> None:
        place = TARGET.partitions[partition]
        data = simulation_bitstream(TARGET.device, place, module_id)
        identity = Identity(module, module_id)
        manifest = register(data, TARGET, place.name, identity, static_id)
        folder = root / manifest.folder
        folder.mkdir(parents=True, exist_ok=True)
        (folder / manifest.file).write_bytes(data)
        (folder / FILE_NAME).write_bytes(manifest.encode())

    return put


@pytest.fixture
def wanted(deployment: Deployment) -> Deployment:
    """A deployment of two modules in two partitions."""
    data = b"simulation"
    return replace(
        deployment,
        bitstreams={digest(data): data},
        loads={(0, "conv16x8"): digest(data), (1, "pooling16"): digest(data)},
        module_ids={"conv16x8": 7, "pooling16": 8},
    )


def test_every_bitstream_comes_from_the_folder(
    wanted: Deployment, root: Path, imported: Import, tmp_path: Path
) -> None:
    imported(0, "conv16x8", 7)
    imported(1, "pooling16", 8)
    built = with_bitstreams(wanted, root)
    assert built.static_id == STATIC_ID
    files = {(0, "conv16x8"): "rp0/conv16x8", (1, "pooling16"): "rp1/pooling16"}
    for key, folder in files.items():
        (file,) = (root / "pynq-z2" / folder).glob("*.bi[nt]")
        assert built.bitstreams[built.loads[key]] == file.read_bytes()
    assert len(built.bitstreams) == 2
    archive.write(built, tmp_path / "it.frt")
    assert archive.read(tmp_path / "it.frt").static_id == STATIC_ID


def test_built_bitstreams_are_carried_over(
    wanted: Deployment, root: Path, imported: Import
) -> None:
    """Those that are needed, whatever the modules are called there."""
    imported(0, "conv16x8", 7)
    imported(1, "pooling16", 8)
    built = with_bitstreams(wanted, root)
    alone = replace(wanted, loads={(1, "pooling"): "a"}, module_ids={"pooling": 8})
    again = with_bitstreams_of(alone, built)
    key = built.loads[1, "pooling16"]
    assert again.loads == {(1, "pooling"): key}
    assert again.bitstreams == {key: built.bitstreams[key]}
    assert again.static_id == STATIC_ID
    assert with_bitstreams_of(alone, replace(wanted, static_id=0)) is alone


def test_what_was_not_built_is_not_made_up_for(
    wanted: Deployment, root: Path, imported: Import
) -> None:
    imported(0, "conv16x8", 7)
    imported(1, "pooling16", 8)
    built = with_bitstreams(wanted, root)
    other = replace(wanted, loads={(0, "conv16x8"): "a", (2, "pooling16"): "a"})
    with pytest.raises(ArtifactError) as error:
        with_bitstreams_of(other, built)
    assert str(error.value) == (
        f"the bitstreams of {wanted.network.name} were built for conv16x8@rp0, pooling16@rp1,"
        " expected pooling16@rp2 too; build those, then compile the model again with `fpga-rt"
        " compile --bitstreams`, or run it on the partitions that the archive is for"
    )
    newer = replace(wanted, module_ids={"conv16x8": 7, "pooling16": 9})
    with pytest.raises(ArtifactError, match="expected pooling16@rp1 too"):
        with_bitstreams_of(newer, built)


def test_what_is_missing_is_listed(wanted: Deployment, root: Path, imported: Import) -> None:
    imported(0, "conv16x8", 7)
    with pytest.raises(ArtifactError) as caught:
        with_bitstreams(wanted, root)
    assert str(caught.value) == (
        f"{root} has 1 of the 2 bitstreams of tiny on pynq-z2, expected manifest.json for"
        " rp1/pooling16 too; build them with `fpga-rt build`, and register each with `fpga-rt"
        " bitstream import`"
    )


def test_another_version_of_a_module_is_refused(
    wanted: Deployment, root: Path, imported: Import
) -> None:
    imported(0, "conv16x8", 7)
    imported(1, "pooling16", 9)
    message = r"rp1/pooling16: got module 0x0{15}9, expected 0x0{15}8, which the network is planned"
    with pytest.raises(ArtifactError, match=message):
        with_bitstreams(wanted, root)


def test_a_file_that_was_exchanged_or_is_gone_is_refused(
    wanted: Deployment, root: Path, imported: Import
) -> None:
    imported(0, "conv16x8", 7)
    imported(1, "pooling16", 8)
    (file,) = (root / "pynq-z2/rp0/conv16x8").glob("*.bi[nt]")
    file.write_bytes(b"other")
    with pytest.raises(ArtifactError, match=r"rp0/conv16x8/\S+: got SHA-256 \w+\.\.\., expected"):
        with_bitstreams(wanted, root)
    file.unlink()
    with pytest.raises(ArtifactError, match="cannot be read: No such file or directory; import"):
        with_bitstreams(wanted, root)


@pytest.mark.parametrize(
    ("second", "named"), [(1, "against 0x0000000000000001"), (None, "against an unknown one")]
)
def test_bitstreams_of_several_static_regions_are_refused(
    wanted: Deployment, root: Path, imported: Import, second: int | None, named: str
) -> None:
    imported(0, "conv16x8", 7)
    imported(1, "pooling16", 8, second)
    with pytest.raises(ArtifactError, match=f"several static regions.*pooling16 {named}; expected"):
        with_bitstreams(wanted, root)
