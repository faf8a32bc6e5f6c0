"""Which xclbin holds which module: a folder of files that are named after their modules."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from fpga_rt.device.xrt.xclbin import Xclbin, parse
from fpga_rt.errors import ArtifactError, DeviceError
from fpga_rt.modules.registry import by_identity

SUFFIX = ".xclbin"


@dataclass(frozen=True, eq=False)
class XclbinFile:
    """An xclbin that was looked at, and how to notice that it was replaced since."""

    path: Path
    digest: str
    content: Xclbin

    def is_intact(self) -> bool:
        """Tell whether the file is what was looked at.

        Raises:
            ArtifactError: it was removed, or cannot be read.
        """
        return hashlib.sha256(_load(self.path)).hexdigest() == self.digest

    def check(self) -> None:
        """Compare the file with what was looked at.

        Raises:
            ArtifactError: it was replaced or removed.
        """
        if not self.is_intact():
            raise self._replaced()

    def check_uuid(self, uuid: UUID) -> None:
        """Compare what XRT has read of the file with what was looked at.

        Raises:
            ArtifactError: it was replaced in between.
        """
        if uuid != self.content.uuid:
            raise self._replaced()

    def _replaced(self) -> ArtifactError:
        return ArtifactError(
            f"{self.path} was replaced since it was staged; stage it again, or put it back"
        )


def read(path: Path) -> XclbinFile:
    """Look at an xclbin.

    Raises:
        ArtifactError: it cannot be read, or is none.
    """
    data = _load(path)
    return XclbinFile(path, hashlib.sha256(data).hexdigest(), parse(data, str(path)))


class XclbinFolder:
    """A folder with `MODULE.xclbin` for each module."""

    def __init__(self, folder: Path | None) -> None:
        """Name the folder; None for none."""
        self._folder = folder

    def of(self, module_id: int) -> XclbinFile:
        """Return the file that holds a module.

        Raises:
            DeviceError: no folder was given.
            ArtifactError: there is no such file, it is no xclbin, or no module is known by the
                identity.
        """
        module = by_identity().get(module_id)
        if module is None:
            raise ArtifactError(
                f"no installed module has the identity {module_id:#018x}, so no xclbin is named"
                " after it; install its package"
            )
        return read(self._there / f"{module.name}{SUFFIX}")

    def any(self) -> XclbinFile:
        """Return the first file: any of them brings the static region.

        Raises:
            DeviceError: no folder was given, or it has no xclbin.
            ArtifactError: the file is no xclbin.
        """
        found = sorted(self._there.glob(f"*{SUFFIX}"))
        if not found:
            raise DeviceError(
                f"{self._there} has no xclbin; build one for each module, named after it, for"
                f" example clamp_8{SUFFIX}"
            )
        return read(found[0])

    @property
    def _there(self) -> Path:
        if self._folder is None:
            raise DeviceError(
                "device xrt needs the folder of the xclbin files, one for each module; open it with"
                " xclbins=FOLDER"
            )
        return self._folder


def _load(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ArtifactError(
            f"{path} cannot be read ({error.strerror}); build that xclbin, or name another folder"
        ) from error
