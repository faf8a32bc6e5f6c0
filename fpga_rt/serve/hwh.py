"""Hardware hand-off files (.hwh): which IP of a design answers at which address.

Vivado writes one beside every bitstream, and PYNQ reads it to find a design's IP. Read here is what
the simulated board needs, the memory map of the processor. Written is the one of this project's
static region, with what PYNQ 3.1 and 4.0 need to make an `Overlay` of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from xml.etree import ElementTree
from xml.sax.saxutils import quoteattr

from fpga_rt.arch.boards import Board
from fpga_rt.arch.families import SERIES7
from fpga_rt.device.pynq.device import BASE_ADDRESS
from fpga_rt.errors import ArtifactError

STATIC_REGION_KIND = "static_region"
"""IP name of this project's static region, as `fpga-rt:fpga_rt:static_region:1.0`."""
STATIC_REGION_NAME = "fpga_rt_0"
STATIC_REGION_BYTES = 0x1_0000

_PS7, _PS_ULTRASCALE = "processing_system7", "zynq_ultra_ps_e"
_PORT_OF = {_PS7: "M_AXI_GP0", _PS_ULTRASCALE: "M_AXI_HPM0_FPD"}
"""The processor's first port to the logic; the static region lies at its first address."""


_VLNV = {
    STATIC_REGION_KIND: f"fpga-rt:fpga_rt:{STATIC_REGION_KIND}:1.0",
    "axi_dma": "xilinx.com:ip:axi_dma:7.1",
    "axi_gpio": "xilinx.com:ip:axi_gpio:2.0",
}
"""With the version that PYNQ's drivers bind to."""
_DRIVES = "C_ALL_OUTPUTS"
_OLD_REGION, _REGION = "RBD", "BLOCK_CONTAINER"
"""`BDTYPE` of a reconfigurable region: of Vivado 2018, and of Vivado with block design containers
(UG994, 2020.2), which is what PYNQ 3 reads."""
_OPTIONS = {
    "axi_dma": {
        "c_include_sg": "0",
        "c_sg_length_width": "26",
        "c_include_mm2s": "1",
        "c_include_s2mm": "1",
        "c_m_axi_mm2s_data_width": "64",
        "c_m_axi_s2mm_data_width": "64",
        "c_include_mm2s_dre": "0",
        "c_include_s2mm_dre": "0",
        "c_num_mm2s_channels": "1",
        "c_num_s2mm_channels": "1",
    },
    "axi_gpio": {"C_GPIO_WIDTH": "32", "C_IS_DUAL": "0", "C_ALL_INPUTS": "0"},
}
"""What PYNQ's drivers read of an IP's parameters: direct register mode, without realignment."""


@dataclass(frozen=True)
class AddressRange:
    """Where an IP answers.

    Attributes:
        name: its instance in the design.
        kind: the name in its VLNV (vendor, library, name, version), as `axi_gpio`.
        base: physical address of its first byte; in a partial design from the region's on.
        size_bytes: length of its range.
        interface: its own bus interface that answers there.
        master: where accesses come from: a port of the processor, or of a region's boundary.
        drives: whether its pins are outputs only, of an AXI GPIO.
    """

    name: str
    kind: str
    base: int
    size_bytes: int
    interface: str = "S_AXI"
    master: str = ""
    drives: bool = False

    @property
    def end(self) -> int:
        """The address behind its last byte."""
        return self.base + self.size_bytes

    def __str__(self) -> str:
        """Return it as a message names it."""
        return f"{self.name} ({self.kind}) {self.base:#010x}..{self.end - 1:#010x}"


def read_hwh(text: str, where: str) -> tuple[AddressRange, ...]:
    """Return the address ranges in a .hwh, in the order of addresses.

    Args:
        text: the file; a byte order mark before it is allowed, as Vivado writes one.
        where: name of the file, for messages.

    Raises:
        ArtifactError: it is no .hwh.
    """
    root = _parsed(text, where)
    kinds = {
        module.get("INSTANCE", ""): (module.get("VLNV") or module.get("MODTYPE") or "").split(":")
        for module in root.iter("MODULE")
    }
    driving = {
        module.get("INSTANCE", "")
        for module in root.iter("MODULE")
        if any(p.get("NAME") == _DRIVES and p.get("VALUE") == "1" for p in module.iter("PARAMETER"))
    }
    found = set()
    for entry in root.iter("MEMRANGE"):
        name = entry.get("INSTANCE", "")
        span = _span(entry)
        if name in kinds and span and entry.get("MEMTYPE") in ("REGISTER", "MEMORY"):
            parts = kinds[name]
            kind = parts[2] if len(parts) > 2 else parts[0]
            inner, outer = (entry.get(f"{side}BUSINTERFACE", "") for side in ("SLAVE", "MASTER"))
            found.add(AddressRange(name, kind, *span, inner, outer, name in driving))
    return tuple(sorted(found, key=lambda one: (one.base, one.name, one.master)))


def check_regions(text: str, where: str) -> None:
    """Check that PYNQ finds the reconfigurable regions of a design in its .hwh.

    Raises:
        ArtifactError: they are called as Vivado 2018 did.
    """
    root = _parsed(text, where)
    old = [m.get("INSTANCE", "") for m in root.iter("MODULE") if m.get("BDTYPE") == _OLD_REGION]
    if old:
        raise ArtifactError(
            f"{where} calls its regions ({', '.join(old)}) {_OLD_REGION}, as Vivado"
            f" {root.get('VIVADOVERSION', '2018')} did: PYNQ 3 and newer look for {_REGION}, take a"
            " region for an IP, and pr_download fails with \"'DefaultIP' object has no attribute"
            " 'download'\"; export the design from Vivado 2020.2 or newer, or run: sed -i"
            f' \'s/BDTYPE="{_OLD_REGION}"/BDTYPE="{_REGION}"/\' {where}'
        )


def _parsed(text: str, where: str) -> ElementTree.Element:
    try:
        return ElementTree.fromstring(text.lstrip("\ufeff"))
    except ElementTree.ParseError as error:
        raise ArtifactError(
            f"{where} is no hardware hand-off file: {error}; expected the XML that Vivado wrote"
            " beside the bitstream"
        ) from error


def _span(entry: ElementTree.Element) -> tuple[int, int] | None:
    """Return base and size of an address range, None where it has none."""
    try:
        base, high = (int(entry.get(key, ""), 16) for key in ("BASEVALUE", "HIGHVALUE"))
    except ValueError:
        return None
    return (base, high - base + 1) if 0 <= base <= high else None


def _processor_module(board: Board) -> str:
    """Return the module name of a board's processor: `processing_system7` or `zynq_ultra_ps_e`."""
    return _PS7 if board.device.family is SERIES7 else _PS_ULTRASCALE


def static_region_range(board: Board) -> AddressRange:
    """Return where the static region's registers lie in the processor's address space."""
    port, base = _PORT_OF[_processor_module(board)], BASE_ADDRESS[board.device.family.name]
    name, kind = STATIC_REGION_NAME, STATIC_REGION_KIND
    return AddressRange(name, kind, base, STATIC_REGION_BYTES, master=port)


def write_hwh(board: Board, ranges: Iterable[AddressRange], name: str) -> str:
    """Return a .hwh of a processor with IP at some addresses, as PYNQ reads it.

    Args:
        board: its processor and compute clock are used.
        ranges: the IP; one AXI4-Lite interface each.
        name: of the design.
    """
    ps = _processor_module(board)
    port = _PORT_OF[ps]
    chosen = tuple(ranges)
    family = {_PS7: "zynq", _PS_ULTRASCALE: "zynquplus"}[ps]
    modules = "".join(_module(one) for one in chosen)
    return f"""<?xml version="1.0" encoding="UTF-8" standalone="no" ?>
<EDKSYSTEM EDWVERSION="1.2" TIMESTAMP="" VIVADOVERSION="2022.1">
  <SYSTEMINFO ARCH={quoteattr(family)} DEVICE={quoteattr(board.device.name)}
      NAME={quoteattr(name)}/>
  <EXTERNALPORTS/>
  <EXTERNALINTERFACES/>
  <MODULES>
    <MODULE FULLNAME="/ps" HWVERSION="1.0" INSTANCE="ps" IPTYPE="PERIPHERAL" MODCLASS="PERIPHERAL"
        MODTYPE={quoteattr(ps)} VLNV={quoteattr(f"xilinx.com:ip:{ps}:5.5")}>
      <PARAMETERS>
{_clocks(board, ps)}
      </PARAMETERS>
      <PORTS/>
      <BUSINTERFACES>
        <BUSINTERFACE NAME={quoteattr(port)} TYPE="MASTER" VLNV="xilinx.com:interface:aximm:1.0"/>
      </BUSINTERFACES>
      <MEMORYMAP>
{_memory_map(port, chosen)}
      </MEMORYMAP>
    </MODULE>
{modules}  </MODULES>
</EDKSYSTEM>
"""


def _module(one: AddressRange) -> str:
    vlnv = _VLNV.get(one.kind, f"xilinx.com:ip:{one.kind}:1.0")
    return f"""    <MODULE FULLNAME={quoteattr(f"/{one.name}")} HWVERSION="1.0"
        INSTANCE={quoteattr(one.name)} IPTYPE="PERIPHERAL" MODCLASS="PERIPHERAL"
        MODTYPE={quoteattr(one.kind)} VLNV={quoteattr(vlnv)}>
      <PARAMETERS>
{_parameters(one)}
      </PARAMETERS>
      <PORTS/>
      <BUSINTERFACES>
        <BUSINTERFACE NAME="S_AXI" TYPE="SLAVE" VLNV="xilinx.com:interface:aximm:1.0"/>
      </BUSINTERFACES>
    </MODULE>
"""


def _parameters(one: AddressRange) -> str:
    values = {"C_BASEADDR": f"{one.base:#010x}", "C_HIGHADDR": f"{one.end - 1:#010x}"}
    values |= _OPTIONS.get(one.kind, {})
    if one.drives:
        values[_DRIVES] = "1"
    return "\n".join(_parameter(name, value) for name, value in values.items())


def _memory_map(port: str, ranges: Iterable[AddressRange]) -> str:
    return "\n".join(
        f'        <MEMRANGE ADDRESSBLOCK="Reg" BASENAME="C_BASEADDR" BASEVALUE="{one.base:#010x}"'
        f' HIGHNAME="C_HIGHADDR" HIGHVALUE="{one.end - 1:#010x}" INSTANCE={quoteattr(one.name)}'
        f' IS_DATA="TRUE" IS_INSTRUCTION="TRUE" MASTERBUSINTERFACE={quoteattr(port)}'
        ' MEMTYPE="REGISTER" SLAVEBUSINTERFACE="S_AXI"/>'
        for one in ranges
    )


def _parameter(name: str, value: object) -> str:
    return f"        <PARAMETER NAME={quoteattr(name)} VALUE={quoteattr(str(value))}/>"


def _clocks(board: Board, ps: str) -> str:
    """Return the dividers of the processor's four clocks to the logic; the first one is used."""
    lines = []
    for index in range(4):
        divisors = (clock_divisor(board), 1) if index == 0 else (10, 1)
        if ps == _PS7:
            lines.append(_parameter(f"PCW_FPGA_FCLK{index}_ENABLE", int(index == 0)))
            lines.append(_parameter(f"PCW_FCLK{index}_PERIPHERAL_CLKSRC", "IO PLL"))
            name = f"PCW_FCLK{index}_PERIPHERAL_DIVISOR"
        else:
            lines.append(_parameter(f"PSU__FPGA_PL{index}_ENABLE", int(index == 0)))
            name = f"PSU__CRL_APB__PL{index}_REF_CTRL__DIVISOR"
            clock = f"PSU__CRL_APB__PL{index}_REF_CTRL__"
            lines.append(_parameter(f"{clock}SRCSEL", "IOPLL"))
            lines.append(_parameter(f"{clock}ACT_FREQMHZ", 1000 / divisors[0]))
        lines += [_parameter(f"{name}{i}", divisor) for i, divisor in enumerate(divisors)]
    return "\n".join(lines)


def clock_divisor(board: Board) -> int:
    """Return what a 1000 MHz clock is divided by for the board's compute clock."""
    return max(1, round(board.clock_ps / 1000))
