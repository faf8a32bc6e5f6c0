"""What there is to load: simulation bitstreams, or those that vendor tools built."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from fpga_rt.arch.boards import Board
from fpga_rt.bitstream.build import simulation_bitstream
from fpga_rt.bitstream.manifest import Manifest, manifests
from fpga_rt.bitstream.read import parse
from fpga_rt.errors import ArtifactError
from fpga_rt.modules.module import Module
from fpga_rt.modules.registry import by_identity


@dataclass(frozen=True, eq=False)
class Candidate:
    """A module that can be loaded into a partition.

    Attributes:
        partition: index.
        module: its host half.
        read: returns its bitstream.
        static_id: static region that it was implemented against, None when unknown.
        charged_bytes: what its port is charged with; None for the words of the stream itself.
    """

    partition: int
    module: Module
    read: Callable[[], bytes]
    static_id: int | None = None
    charged_bytes: int | None = None

    def port_bytes(self, stream: bytes) -> int:
        """Return how many bytes of its bitstream the port moves.

        Raises:
            ArtifactError: it is no bitstream.
        """
        return parse(stream).words.nbytes if self.charged_bytes is None else self.charged_bytes


def simulated(board: Board, modules: Sequence[Module]) -> tuple[Candidate, ...]:
    """Return every module with room in a partition, as the short bitstreams of simulation.

    A device charges them with the size of the partition's real one.
    """
    found = []
    for partition in board.partitions:
        for module in modules:
            if module.resources.fits_in(partition.resources):

                def read(index: int = partition.index, module_id: int = module.module_id) -> bytes:
                    return simulation_bitstream(board.device, board.partitions[index], module_id)

                size = partition.bitstream_bytes
                found.append(Candidate(partition.index, module, read, charged_bytes=size))
    return tuple(found)


def built(board: Board, modules: Sequence[Module], root: Path) -> tuple[Candidate, ...]:
    """Return every bitstream of a board's modules that is registered below a folder.

    Raises:
        ArtifactError: a manifest is damaged, or there is no bitstream of these modules.
    """
    wanted = {module.module_id for module in modules}
    index = {partition.name: partition.index for partition in board.partitions}
    found = tuple(
        Candidate(
            index[manifest.partition],
            by_identity()[manifest.module_id],
            _reader(root, manifest),
            manifest.static_id,
        )
        for manifest in manifests(root)
        if manifest.board == board.name
        and manifest.partition in index
        and manifest.module_id in wanted
    )
    if not found:
        raise ArtifactError(
            f"{root} has no bitstream of an installed module for board {board.name}, expected"
            f" {root}/{board.name}/PARTITION/MODULE/manifest.json; build the bitstreams and"
            " register them with `fpga-rt bitstream import`, or name their folder with"
            " --bitstreams"
        )
    return found


def _reader(root: Path, manifest: Manifest) -> Callable[[], bytes]:
    path = root / manifest.folder / manifest.file

    def read() -> bytes:
        try:
            data = path.read_bytes()
        except OSError as error:
            raise ArtifactError(
                f"{path} cannot be read ({error.strerror}); import the file again"
            ) from error
        manifest.check_file(data)
        return data

    return read
