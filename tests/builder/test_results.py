"""Results: verified as a whole before anything of them is kept."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from fpga_rt.bitstream import manifest
from fpga_rt.builder.recipe import recipe
from fpga_rt.builder.results import collect, keep
from fpga_rt.errors import ArtifactError
from tests.builder.made import IMPLEMENTATION, SOURCE, Built, build, project_of


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Built:
    return build("pynq-z2", tmp_path_factory.mktemp("built"))


@pytest.fixture
def built(tmp_path: Path) -> Built:
    return build("pynq-z2", tmp_path / "project")


@pytest.mark.parametrize("name", ["pynq-z2", "kv260"])
def test_all_is_taken_over(name: str, tmp_path: Path) -> None:
    done = build(name, tmp_path / "project")
    results = collect(done.project, done.folder, done.board)
    assert results.static_id == SOURCE << 32 | IMPLEMENTATION
    assert results.base == done.path(done.project.base).read_bytes()
    paths = keep(results, tmp_path / "root", replacing=False)
    last = done.board.partitions[-1].name
    places = [f"{p.name}/blank" for p in done.board.partitions] + [f"{last}/add_8"]
    assert paths == tuple(tmp_path / "root" / name / p / "manifest.json" for p in places)
    found = {(m.partition, m.module): m for m in manifest.manifests(tmp_path / "root")}
    assert len(found) == len(places)
    module = found[last, "add_8"]
    assert module.static_id == results.static_id
    assert module.module_id == done.project.runs[0].module_id
    assert module.tool == "Vivado 2022.1"
    assert module.frames >= done.board.partitions[-1].frames
    assert found[last, "blank"].module_id == 0
    module.check_file((tmp_path / "root" / module.folder / module.file).read_bytes())
    made = json.loads((tmp_path / "root" / module.folder / "recipe.json").read_bytes())
    words = f"fpga-rt build add_8@{last} --board {name} --run --output build/{name}"
    assert made["command"] == words.split()
    assert (made["digest"], made["tool_version"]) == (module.digest, "2022.1")


def test_the_recipe_of_another_clock() -> None:
    project = replace(project_of("pynq-z2"), clock_ps=8000)
    found = json.loads(recipe(project, "rp1", "blank", "ab"))
    assert found["command"][:6] == ["fpga-rt", "build", "--board", "pynq-z2", "--clock", "125.00"]
    assert found["clock_ps"] == 8000


def test_again_changes_nothing(shared: Built, tmp_path: Path) -> None:
    results = collect(shared.project, shared.folder, shared.board)
    paths = keep(results, tmp_path, replacing=False)
    before = [path.read_bytes() for path in paths]
    assert keep(results, tmp_path, replacing=False) == paths
    assert [path.read_bytes() for path in paths] == before


def test_another_is_not_replaced_unasked(shared: Built, tmp_path: Path) -> None:
    results = collect(shared.project, shared.folder, shared.board)
    keep(results, tmp_path, replacing=False)
    (shared_partial, *_) = results.partials[-1:]
    other = replace(shared_partial, manifest=replace(shared_partial.manifest, static_id=1))
    changed = replace(results, partials=(*results.partials[:-1], other))
    place = tmp_path / "pynq-z2" / "rp2" / "add_8" / "manifest.json"
    before = place.read_bytes()
    with pytest.raises(ArtifactError) as error:
        keep(changed, tmp_path, replacing=False)
    assert str(error.value) == (
        f"{place} registers another bitstream than the {other.manifest.digest[:12]} that was built;"
        " add --replace, or choose another --root"
    )
    assert place.read_bytes() == before
    keep(changed, tmp_path, replacing=True)
    assert manifest.load(place).static_id == 1


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-4000])


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("file", "spoil", "message"),
    [
        ("base.bit", Path.unlink, "is missing (No such file or directory): the tool has not"),
        ("rp1/blank.bit", Path.unlink, "is missing"),
        ("rp2/add_8.bit", truncate, "the .bit header announces"),
        ("rp2/add_8.bit", flip, "rp2/add_8.bit: CRC at byte"),
        ("base.bit", truncate, "base.bit: the .bit header announces"),
        ("base.bit", flip, "a full stream of 9,996 frames with 1 of 2 CRCs right"),
    ],
)  # fmt: skip
def test_files_that_are_not_whole(
    built: Built, tmp_path: Path, file: str, spoil: Callable[[Path], None], message: str
) -> None:
    spoil(built.path(f"work/static/bitstreams/{file}"))
    with pytest.raises(ArtifactError, match=re.escape(message)):
        collect(built.project, built.folder, built.board)
    assert not (tmp_path / "root").exists()


def test_a_partial_of_another_partition(built: Built) -> None:
    wrong = built.path("work/static/bitstreams/rp0/blank.bit").read_bytes()
    built.path(built.project.runs[0].file).write_bytes(wrong)
    with pytest.raises(ArtifactError, match=r"rp2/add_8.bit: .*expected frames of partition 'rp2'"):
        collect(built.project, built.folder, built.board)


def test_a_partial_in_place_of_the_base(built: Built) -> None:
    wrong = built.path("work/static/bitstreams/rp0/blank.bit").read_bytes()
    built.path(built.project.base).write_bytes(wrong)
    with pytest.raises(
        ArtifactError, match=r"got a partial stream of 1,600 frames with 3 of 3 CRCs"
    ):
        collect(built.project, built.folder, built.board)


def test_another_device(built: Built, tmp_path: Path) -> None:
    other = build("kv260", tmp_path / "other")
    data = other.path(other.project.base).read_bytes()
    built.path(built.project.base).write_bytes(data)
    message = r"base.bit: IDCODE: got 0x04A49093 \(xck26\), expected 0x03727093 \(xc7z020\)"
    with pytest.raises(ArtifactError, match=message):
        collect(built.project, built.folder, built.board)


def test_another_implementation(built: Built) -> None:
    built.path(built.project.implementation_id).write_text("00000001\n")
    with pytest.raises(ArtifactError) as error:
        collect(built.project, built.folder, built.board)
    assert str(error.value) == (
        f"{built.path(built.project.base)}: got USR_ACCESS 1234abcd, expected 00000001 of this"
        " implementation of the static region; remove the file and run the tool again"
    )


@pytest.mark.parametrize("text", ["", "00000000", "1234ABCD", "12345", "no number"])
def test_a_bad_identity(built: Built, text: str) -> None:
    built.path(built.project.implementation_id).write_text(text)
    with pytest.raises(ArtifactError, match="expected 8 hexadecimal digits that are not all zero"):
        collect(built.project, built.folder, built.board)


def test_a_module_from_elsewhere(built: Built) -> None:
    """What it takes is not known; it is registered all the same."""
    run = replace(built.project.runs[0], module="theirs", module_id=5)
    results = collect(replace(built.project, runs=(run,)), built.folder, built.board)
    assert results.partials[-1].manifest.module_resources is None
    assert results.partials[-1].manifest.module == "theirs"
