"""Manifests: which file holds which module for which partition, and what was checked about it.

They lie in `bitstreams/<board>/<partition>/<module>/manifest.json`. The bitstream stays beside it
and out of version control; the manifest names it by SHA-256, so a file that was exchanged or
rebuilt is noticed before it is staged.

Rule for growth: a reader ignores keys it does not know, so keys may be added under one version;
the version rises when a key changes its meaning, and a reader refuses versions above its own.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from fpga_rt.arch.boards import Board
from fpga_rt.arch.resources import Resources
from fpga_rt.bitstream.locate import partition_of
from fpga_rt.bitstream.read import parse
from fpga_rt.bitstream.verify import verify_partial
from fpga_rt.errors import ArtifactError

FORMAT, VERSION = "fpga-rt bitstream", 1
FILE_NAME = "manifest.json"
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_TOOL = re.compile(r"(?:^|;)Version=([^;]+)")


@dataclass(frozen=True)
class Identity:
    """Which module a partial holds: its name, what it answers when asked, what it takes."""

    module: str
    module_id: int
    resources: Resources | None = None


@dataclass(frozen=True)
class Manifest:
    """A partial bitstream that was verified for a partition.

    Attributes:
        board: name of the board.
        device: name of the FPGA.
        partition: name of the partition.
        module: name of the module.
        module_id: 64-bit identity, what the running module answers with.
        static_id: identity of the static region it was implemented against, None when unknown.
        tool: what built it, from the header of the file; empty when that does not say.
        file: name of the bitstream, in the folder of the manifest.
        digest: SHA-256 of the file, hexadecimal.
        size_bytes: bytes of the file.
        frames: frames it writes, of each address one.
        partition_resources: what the partition offers.
        module_resources: what the module takes, None when unknown.
    """

    board: str
    device: str
    partition: str
    module: str
    module_id: int
    static_id: int | None
    tool: str
    file: str
    digest: str
    size_bytes: int
    frames: int
    partition_resources: Resources
    module_resources: Resources | None

    @property
    def folder(self) -> Path:
        """Where it belongs, below the folder of all manifests."""
        return Path(self.board) / self.partition / self.module

    def encode(self) -> bytes:
        """Return the manifest as JSON: same manifest, same bytes."""
        content = {"format": FORMAT, "version": VERSION, **asdict(self)}
        content["module_id"] = f"{self.module_id:016x}"
        content["static_id"] = None if self.static_id is None else f"{self.static_id:016x}"
        return (json.dumps(content, indent=2) + "\n").encode()

    def check_file(self, data: bytes) -> None:
        """Check that a file is the one that was registered.

        Raises:
            ArtifactError: It is another.
        """
        digest = hashlib.sha256(data).hexdigest()
        if digest != self.digest:
            raise ArtifactError(
                f"{self.folder / self.file}: got SHA-256 {digest[:16]}..., expected "
                f"{self.digest[:16]}... of its manifest; import the file again"
            )


def register(
    data: bytes, board: Board, partition: str, identity: Identity, static_id: int | None = None
) -> Manifest:
    """Verify a partial for a partition and return its manifest.

    Args:
        data: The file, .bit or .bin.
        board: The board.
        partition: Name of the partition.
        identity: The module that the file is said to hold.
        static_id: 64-bit identity of the static region it was implemented against, if known.

    Raises:
        ArtifactError: The file must not be loaded there, its frames carry another identity, or the
            module's name makes no folder.
    """
    if not _NAME.fullmatch(identity.module):
        raise ArtifactError(
            f"module name {identity.module!r}: expected letters, digits, '_', '-' and '.', since "
            "it names a folder"
        )
    region = partition_of(board, partition)
    verified = verify_partial(data, board.device, region)
    if verified.module_id not in (None, identity.module_id):
        raise ArtifactError(
            f"identity in the frames: got module {verified.module_id:016x}, expected "
            f"{identity.module_id:016x} of {identity.module}; use the bitstream of that module"
        )
    header = parse(data).header
    return Manifest(
        board=board.name,
        device=board.device.name,
        partition=region.name,
        module=identity.module,
        module_id=identity.module_id,
        static_id=static_id,
        tool=_tool(header.get("a", "")),
        file=identity.module + (".bit" if header else ".bin"),
        digest=verified.digest,
        size_bytes=len(data),
        frames=len(verified.frames.addresses),
        partition_resources=region.resources,
        module_resources=identity.resources,
    )


def decode(data: bytes, where: str) -> Manifest:
    """Return the manifest in a file's content; `where` names the file in messages.

    Raises:
        ArtifactError: It is no manifest, of a later version, or a key is missing or wrong.
    """
    try:
        content: dict[str, Any] = dict(json.loads(data))
    except (ValueError, TypeError) as error:
        raise ArtifactError(f"{where} is no JSON object: {error}; import it again") from None
    if content.get("format") != FORMAT or not isinstance(content.get("version"), int):
        raise ArtifactError(
            f"{where}: got format {content.get('format')!r}, expected {FORMAT!r} with a version; "
            "import the bitstream again"
        )
    if content["version"] > VERSION:
        raise ArtifactError(
            f"{where}: got version {content['version']}, expected at most {VERSION}; update fpga-rt"
        )
    try:
        return _manifest(content)
    except (KeyError, TypeError, ValueError) as error:
        raise ArtifactError(
            f"{where}: key missing or wrong ({error}), expected those of version {VERSION}; import "
            "the bitstream again"
        ) from None


def load(path: Path) -> Manifest:
    """Read a manifest from a file.

    Raises:
        ArtifactError: The file cannot be read or is no manifest, or lies in another folder than
            its content says.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ArtifactError(f"cannot read {path}: {error.strerror}; import it again") from error
    manifest = decode(data, str(path))
    folder = path.resolve().parent
    if folder.parts[-3:] != manifest.folder.parts:
        raise ArtifactError(
            f"{path}: its content is for {manifest.folder}; move it there or import it again"
        )
    return manifest


def manifests(root: Path) -> tuple[Manifest, ...]:
    """Return every manifest below a folder, by board, partition and module.

    Raises:
        ArtifactError: As `load`.
    """
    return tuple(load(path) for path in sorted(root.glob(f"*/*/*/{FILE_NAME}")))


def _manifest(content: dict[str, Any]) -> Manifest:
    for key in ("board", "partition", "module", "file"):
        if not _NAME.fullmatch(_text(content, key)):
            raise ValueError(f"{key} {content[key]!r} is no name of a file or folder")
    static, module = content["static_id"], content["module_resources"]
    return Manifest(
        **{key: _text(content, key) for key in ("board", "device", "partition", "module")},
        **{key: _text(content, key) for key in ("tool", "file", "digest")},
        module_id=int(_text(content, "module_id"), 16),
        static_id=None if static is None else int(static, 16),
        size_bytes=int(content["size_bytes"]),
        frames=int(content["frames"]),
        partition_resources=Resources(**content["partition_resources"]),
        module_resources=None if module is None else Resources(**module),
    )


def _text(content: dict[str, Any], key: str) -> str:
    value = content[key]
    if not isinstance(value, str):
        raise TypeError(f"{key} is {value!r}, not text")
    return value


def _tool(design: str) -> str:
    """Return the tool from the design field of a .bit header: `top;UserID=...;Version=2018.3`."""
    found = _TOOL.search(design)
    return f"Vivado {found.group(1)}" if found else ""
