"""Whether a package is an update of what a device runs, and what it leads to."""

from __future__ import annotations

from dataclasses import dataclass

from fpga_rt.contract.static_region import STATIC_REGION
from fpga_rt.deployment import archive
from fpga_rt.deployment.model import FORMAT_VERSION, Deployment, digest
from fpga_rt.errors import FpgaRtError, UpdateError
from fpga_rt.update import changes
from fpga_rt.update.package import Package
from fpga_rt.update.state import State, Version
from fpga_rt.update.vectors import Codes, codes_digest

_UNFIT = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, FpgaRtError)
"""What making a target from changes stumbles on where a signed package is nonsense all the same."""
_REMAKE = "make it again with the version of fpga-rt that the device has"


@dataclass(frozen=True, eq=False)
class Candidate:
    """An update that may be tried.

    Attributes:
        package: what was sent.
        package_bytes: its length.
        deployment: what it leads to.
        parts: of the target's archive: head and contents.
    """

    package: Package
    package_bytes: int
    deployment: Deployment
    parts: tuple[bytes, ...]

    @property
    def version(self) -> Version:
        """What a store calls it."""
        return Version(self.package.version, self.package.target, digest(self.parts[0]))


def check(package: Package, base: Deployment, state: State, vectors: Codes) -> None:
    """Refuse a package that is no update of what a device runs.

    Args:
        package: whose signature was checked.
        base: what the device runs.
        state: of its store.
        vectors: codes that it tries updates with.

    Raises:
        UpdateError: it is none; `reason` is `network`, `contract`, `version`, `base` or `vectors`.
    """
    got = (package.network, package.board)
    if got != (base.network.name, base.board):
        raise UpdateError(
            f"the package is for network {got[0]} on {got[1]}, this device runs"
            f" {base.network.name} on {base.board}; send the package of this device",
            "network",
        )
    contract = (package.map_id, package.archive_version)
    if contract != (STATIC_REGION.map_id, FORMAT_VERSION):
        raise UpdateError(
            f"the package is for register map {contract[0]:#010x} and archives of version"
            f" {contract[1]}, this device has {STATIC_REGION.map_id:#010x} and {FORMAT_VERSION};"
            f" {_REMAKE}",
            "contract",
        )
    if package.version <= state.highest:
        raise UpdateError(
            f"the package has version {package.version}, this device has had version"
            f" {state.highest} already and takes only higher ones; make it with a higher --version",
            "version",
        )
    if package.base != state.active.archive:
        raise UpdateError(
            f"the package starts from archive {package.base[:16]}..., this device runs version"
            f" {state.active.number}, archive {state.active.archive[:16]}...; make it from what the"
            " device runs (fpga-rt update export)",
            "base",
        )
    if package.vectors != codes_digest(vectors):
        raise UpdateError(
            f"the package was made with test vectors {package.vectors[:16]}..., this device has"
            f" {codes_digest(vectors)[:16]}...; make it with the device's (--vectors)",
            "vectors",
        )


def rebuild(package: Package, changed: bytes, base: Deployment, package_bytes: int) -> Candidate:
    """Return what a package leads to: exactly the archive that it names, or nothing.

    Raises:
        UpdateError: it leads elsewhere, or nowhere; `reason` is `damaged` or `target`.
    """
    try:
        target = changes.apply(base, package.changes, changed)
        *contents, trailer = archive.encode(target)
        again = changes.difference(base, target)
    except UpdateError:
        raise
    except _UNFIT as error:
        raise UpdateError(
            f"the package's changes do not make a deployment: {error}; {_REMAKE}", "target"
        ) from error
    if trailer.hex() != package.target:
        raise UpdateError(
            f"the package leads to archive {trailer.hex()[:16]}..., expected"
            f" {package.target[:16]}...; {_REMAKE}",
            "target",
        )
    if again != (package.changes, changed):
        raise UpdateError(
            "the package states its changes in a way that packages are not written in; make it"
            " again",
            "damaged",
        )
    shapes = [d.network.tensors[d.network.input].shape for d in (base, target)]
    if shapes[0] != shapes[1]:
        raise UpdateError(
            f"the package leads to a network with inputs {shapes[1]}, this device runs one with"
            f" {shapes[0]}; install that network in a store of its own",
            "target",
        )
    return Candidate(package, package_bytes, target, (b"".join(contents[:2]), *contents[2:]))
