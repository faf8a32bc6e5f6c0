"""The folder that goes to the board: what PYNQ takes for an overlay, and the partials beside it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from xml.etree import ElementTree

from fpga_rt.arch.boards import Board
from fpga_rt.arch.families import SERIES7
from fpga_rt.builder.folder import replace_folder
from fpga_rt.builder.results import Results
from fpga_rt.errors import ArtifactError

_PORT_WIDTHS: Mapping[str, str] = {
    "C_MAXIGP0_DATA_WIDTH": "128",
    **{f"C_SAXIGP{port}_DATA_WIDTH": "64" for port in range(2, 6)},
}
"""Of the ports of a Zynq UltraScale+ that the logic uses; PYNQ sets the registers behind them as it
loads the overlay (`pynq/pl_server/embedded_device.py`, ZU_FPD_SLCR_REG and ZU_AXIFM_REG). Those of
a Zynq-7000 have 64 bits after reset."""


def with_port_widths(hwh: str, board: Board) -> str:
    """Return a hardware hand-off file that also states how wide the processor's ports are.

    Raises:
        ArtifactError: there is no processor in it.
    """
    if board.device.family is SERIES7:
        return hwh
    root = ElementTree.fromstring(hwh)
    found = root.findall(".//MODULE[@MODTYPE='zynq_ultra_ps_e']/PARAMETERS")
    if len(found) != 1:
        raise ArtifactError(
            f"hardware hand-off file of {board.name}: got {len(found)} processors, expected one"
            " zynq_ultra_ps_e with parameters"
        )
    for name, value in _PORT_WIDTHS.items():
        ElementTree.SubElement(found[0], "PARAMETER", {"NAME": name, "VALUE": value})
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True)


def export(results: Results, folder: Path, name: str, hwh: str) -> tuple[Path, ...]:
    """Write `NAME.bit`, `NAME.hwh` and `PARTITION/MODULE.bit` into a folder; return their paths.

    A folder that is there is replaced as a whole: partials of another implementation beside this
    static region would be taken for its own. Where something fails it stays as it was.

    Raises:
        ArtifactError: a file cannot be written.
    """
    files = {
        Path(f"{name}.bit"): results.base,
        Path(f"{name}.hwh"): hwh.encode(),
        **{
            Path(partial.manifest.partition, partial.manifest.file): partial.data
            for partial in results.partials
        },
    }
    replace_folder(folder, files)
    return tuple(folder / path for path in files)
