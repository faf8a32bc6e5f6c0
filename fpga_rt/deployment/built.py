"""Built bitstreams for a deployment, from the folder that `fpga-rt bitstream import` fills.

A deployment comes with the simulation's bitstreams, which hold no logic. A board needs those that
vendor tools built, all of them against the static region that it runs.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from fpga_rt.arch.boards import board as board_of
from fpga_rt.bitstream.manifest import FILE_NAME, Manifest, load
from fpga_rt.deployment.model import Deployment
from fpga_rt.errors import ArtifactError


def with_bitstreams(deployment: Deployment, root: Path) -> Deployment:
    """Return a deployment with the bitstreams that are registered below a folder.

    Raises:
        ArtifactError: one is missing, is not what its manifest says or holds another module than
            the network was planned for, or they are for several static regions, or for none that
            is known.
        DeviceError: the board of the deployment is unknown.
    """
    partitions = {p.index: p.name for p in board_of(deployment.board).partitions}
    folders = {
        (index, module): root / deployment.board / partitions[index] / module
        for index, module in deployment.loads
    }
    _refuse_missing(deployment, root, folders)
    manifests = {key: load(folder / FILE_NAME) for key, folder in folders.items()}
    contents, loads = {}, {}
    for (index, module), manifest in manifests.items():
        _check_module(manifest, deployment.module_ids[module])
        contents[manifest.digest] = _read(folders[index, module] / manifest.file, manifest)
        loads[index, module] = manifest.digest
    static_id = _static_region(root, manifests.values())
    return replace(deployment, bitstreams=contents, loads=loads, static_id=static_id)


def with_bitstreams_of(deployment: Deployment, other: Deployment) -> Deployment:
    """Return a deployment with the built bitstreams of another one of the same network and board.

    Where the other one has none, its bitstreams being the simulation's, nothing changes.

    Raises:
        ArtifactError: it lacks one that is needed.
    """
    if not other.static_id:
        return deployment
    names = {p.index: p.name for p in board_of(deployment.board).partitions}
    has = {(index, other.module_ids[name]): found for (index, name), found in other.loads.items()}
    wanted = {load: (load[0], deployment.module_ids[load[1]]) for load in deployment.loads}
    missing = [f"{name}@{names[index]}" for (index, name), key in wanted.items() if key not in has]
    if missing:
        there = ", ".join(f"{name}@{names[index]}" for index, name in sorted(other.loads))
        raise ArtifactError(
            f"the bitstreams of {deployment.network.name} were built for {there}, expected"
            f" {', '.join(missing)} too; build those, then compile the model again with"
            " `fpga-rt compile --bitstreams`, or run it on the partitions that the archive is for"
        )
    loads = {load: has[key] for load, key in wanted.items()}
    contents = {digest: other.bitstreams[digest] for digest in loads.values()}
    return replace(deployment, bitstreams=contents, loads=loads, static_id=other.static_id)


def _refuse_missing(
    deployment: Deployment, root: Path, folders: dict[tuple[int, str], Path]
) -> None:
    missing = [folder for folder in folders.values() if not (folder / FILE_NAME).exists()]
    if missing:
        named = ", ".join(str(folder.relative_to(root / deployment.board)) for folder in missing)
        raise ArtifactError(
            f"{root} has {len(folders) - len(missing)} of the {len(folders)} bitstreams of"
            f" {deployment.network.name} on {deployment.board}, expected {FILE_NAME} for {named}"
            " too; build them with `fpga-rt build`, and register each with `fpga-rt bitstream"
            " import`"
        )


def _check_module(manifest: Manifest, module_id: int) -> None:
    if manifest.module_id != module_id:
        raise ArtifactError(
            f"{manifest.folder}: got module {manifest.module_id:#018x}, expected {module_id:#018x},"
            " which the network is planned for; build the bitstream of this version of the module"
        )


def _read(path: Path, manifest: Manifest) -> bytes:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ArtifactError(
            f"{path} cannot be read: {error.strerror}; import the file again"
        ) from error
    manifest.check_file(data)
    return data


def _static_region(root: Path, manifests: Iterable[Manifest]) -> int:
    """Return the static region that all bitstreams were implemented against."""
    found: dict[int | None, Manifest] = {one.static_id: one for one in manifests}
    if len(found) == 1 and None not in found:
        return next(one for one in found if one is not None)
    listed = "; ".join(
        f"{one.folder} against {'an unknown one' if region is None else f'{region:#018x}'}"
        for region, one in found.items()
    )
    raise ArtifactError(
        f"the bitstreams in {root} were implemented against several static regions, or unknown"
        f" ones: {listed}; expected one and the same; build them together, and import them with its"
        " --static-id"
    )
