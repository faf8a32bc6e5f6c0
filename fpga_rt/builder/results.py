"""Takes over what a vendor tool has built: everything is checked before anything is kept."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fpga_rt.arch.boards import Board
from fpga_rt.arch.packets import Register
from fpga_rt.arch.resources import Resources
from fpga_rt.bitstream import manifest as manifests
from fpga_rt.bitstream.locate import device_of
from fpga_rt.bitstream.manifest import Identity, Manifest, register
from fpga_rt.bitstream.parts import names_device
from fpga_rt.bitstream.read import frames, parse
from fpga_rt.builder import recipe as recipes
from fpga_rt.builder.folder import write_file
from fpga_rt.builder.project import Project, Run
from fpga_rt.errors import ArtifactError, FpgaRtError
from fpga_rt.modules.registry import by_identity

BLANK, BLANK_ID = "blank", 0
"""Name and identity of what empties a partition: a module that answers nothing."""
_ID = re.compile(r"[0-9a-f]{8}")


@dataclass(frozen=True)
class Partial:
    """A partial bitstream that was verified, with its manifest and how it was built."""

    data: bytes
    manifest: Manifest
    recipe: bytes


@dataclass(frozen=True)
class Results:
    """Everything that a project was to make.

    Attributes:
        base: the full bitstream.
        static_id: identity of the static region in it.
        partials: the partial bitstreams, those that empty a partition included.
    """

    base: bytes
    static_id: int
    partials: tuple[Partial, ...]


def collect(project: Project, folder: Path, board: Board) -> Results:
    """Return what a tool has left in a project's folder, after checking all of it.

    Raises:
        ArtifactError: a file is missing, is for another device or partition, is not whole, or does
            not belong to this implementation of the static region.
    """
    implementation = _implementation_id(folder / project.implementation_id)
    static_id = project.source_id << 32 | implementation
    base_path = folder / project.base
    base = _read(base_path)
    _check_base(base, board, implementation, base_path)
    blanks = [Run(name, BLANK, BLANK_ID, file) for name, file in project.blanks.items()]
    partials = tuple(
        _partial(project, folder, run, board, static_id) for run in (*blanks, *project.runs)
    )
    return Results(base, static_id, partials)


def keep(results: Results, root: Path, *, replacing: bool) -> tuple[Path, ...]:
    """Write every partial bitstream, its recipe and manifest below the folder of all manifests.

    Returns:
        the manifests' paths.

    Raises:
        ArtifactError: another bitstream is registered in such a place and `replacing` is not set;
            nothing is written then. Or a file cannot be written.
    """
    places = [root / partial.manifest.folder / manifests.FILE_NAME for partial in results.partials]
    if not replacing:
        _refuse_replacing(results.partials, places)
    for partial, place in zip(results.partials, places, strict=True):
        # The bitstream first: a manifest never names a file that is not there.
        write_file(place.parent / partial.manifest.file, partial.data, "--root")
        write_file(place.parent / recipes.FILE_NAME, partial.recipe, "--root")
        write_file(place, partial.manifest.encode(), "--root")
    return tuple(places)


def _refuse_replacing(partials: Sequence[Partial], places: Sequence[Path]) -> None:
    for partial, place in zip(partials, places, strict=True):
        if place.exists() and manifests.load(place) != partial.manifest:
            raise ArtifactError(
                f"{place} registers another bitstream than the {partial.manifest.digest[:12]} that"
                " was built; add --replace, or choose another --root"
            )


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ArtifactError(
            f"{path} is missing ({error.strerror}): the tool has not made it; run it again, it goes"
            " on where it stopped"
        ) from error


def _implementation_id(path: Path) -> int:
    text = _read(path).decode("ascii", "replace").strip()
    if not _ID.fullmatch(text) or not int(text, 16):
        raise ArtifactError(
            f"{path}: got {text[:20]!r}, expected 8 hexadecimal digits that are not all zero; run"
            " the tool again"
        )
    return int(text, 16)


def _check_base(data: bytes, board: Board, implementation: int, path: Path) -> None:
    """Check that a full bitstream is whole, for the board's FPGA, and of this implementation."""
    try:
        stream = parse(data)
        device_of(stream, board.device)
        written = len(frames(stream, board.device).addresses)
    except ArtifactError as error:
        raise ArtifactError(f"{path}: {error}") from error
    part = stream.header.get("b", "")
    if part and not names_device(part, board.device):
        raise ArtifactError(
            f"{path}: got part {part!r}, expected one of {board.device.name}; build it for"
            f" {board.name}"
        )
    crcs = sum(len(segment.crcs) for segment in stream.segments)
    matched = sum(segment.crcs_matched for segment in stream.segments)
    if stream.kind != "full" or matched < crcs or written != board.device.total_frames:
        raise ArtifactError(
            f"{path}: got a {stream.kind} stream of {written:,} frames with {matched} of {crcs}"
            f" CRCs right, expected a full one of {board.device.total_frames:,}; build it again"
        )
    stamped = [
        value
        for segment in stream.segments
        for value in segment.packets.value[segment.packets.to(Register.AXSS)].tolist()
    ]
    if stamped != [implementation]:
        got = ", ".join(f"{value:08x}" for value in stamped) or "none"
        raise ArtifactError(
            f"{path}: got USR_ACCESS {got}, expected {implementation:08x} of this implementation of"
            " the static region; remove the file and run the tool again"
        )


def _partial(project: Project, folder: Path, run: Run, board: Board, static_id: int) -> Partial:
    path = folder / run.file
    data = _read(path)
    identity = Identity(run.module, run.module_id, _resources(run))
    try:
        manifest = register(data, board, run.partition, identity, static_id)
    except FpgaRtError as error:
        raise ArtifactError(f"{path}: {error}") from error
    made = recipes.recipe(project, run.partition, run.module, manifest.digest)
    return Partial(data, manifest, made)


def _resources(run: Run) -> Resources | None:
    """Return what a module takes, None for one that is not installed here."""
    if run.module_id == BLANK_ID:
        return Resources()
    module = by_identity().get(run.module_id)
    return None if module is None else module.resources
