"""What the programmable logic of the simulated board holds: a design, and what answers where."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from fpga_rt.errors import ArtifactError, DeviceError
from fpga_rt.serve.designs import Design
from fpga_rt.serve.hwh import STATIC_REGION_KIND, AddressRange
from fpga_rt.serve.peripherals import MODELS, Missing, Peripheral

UNKNOWN = "unknown"
"""Name of a design whose bitstream nobody has named."""


class Logic:
    """A full design, the partial ones in its regions, and a peripheral for each address range."""

    def __init__(self, static_region: Callable[[], Peripheral]) -> None:
        """Hold nothing; `static_region` makes the peripheral of this project's static region."""
        self._static_region = static_region
        self.mount(None)

    @property
    def holds_static_region(self) -> bool:
        """Whether the design is this project's static region."""
        return any(one.kind == STATIC_REGION_KIND for one in self._ranges)

    def mount(self, design: Design | None) -> None:
        """Have the IP of a full design answer, and nothing else; None for an unknown design."""
        self.design = UNKNOWN if design is None else design.name
        self._ranges: Sequence[AddressRange] = () if design is None else design.ranges
        self._peripherals = {one: self._model_of(one) for one in self._ranges}

    def places(self, design: Design) -> tuple[str, tuple[AddressRange, ...]]:
        """Return the region that a partial design goes into, and where its IP will answer.

        Raises:
            ArtifactError: it fits no region, or several.
        """
        wanted = {one.master for one in design.ranges}
        fits = [
            name
            for name in dict.fromkeys(one.name for one in self._ranges)
            if design.region in ("", name) and wanted <= self._interfaces(name).keys()
        ]
        if len(fits) != 1:
            raise ArtifactError(
                f"the interfaces of {design.name} ({', '.join(sorted(wanted)) or 'none'}) are those"
                f" of {len(fits)} instances of {self.design} ({', '.join(fits) or 'none'}),"
                " expected one; name it: --design FILE.bit@INSTANCE"
            )
        outer = self._interfaces(fits[0])
        inner = (_inside(outer[one.master], one, fits[0]) for one in design.ranges)
        return fits[0], tuple(inner)

    def mount_partial(self, region: str, places: Iterable[AddressRange]) -> None:
        """Have the IP of a partial design answer, in the place of what its region held."""
        inner = {one: self._model_of(one) for one in places}
        taken = {one.interface for one in inner}
        outer = (one for one in self._interfaces(region).values() if one.interface not in taken)
        kept = {p: m for p, m in self._peripherals.items() if p.name.partition("/")[0] != region}
        self._peripherals = kept | {one: self._model_of(one) for one in outer} | inner

    def at(self, address: int) -> tuple[AddressRange, Peripheral] | None:
        """Return what answers at an address, None for nothing."""
        for place, peripheral in self._peripherals.items():
            if place.base <= address < place.end:
                return place, peripheral
        return None

    def __str__(self) -> str:
        """Return the design and its address ranges, for messages."""
        known = "; ".join(map(str, self._peripherals))
        return f"design {self.design} has {known or 'no addresses: the server was given no .hwh'}"

    def _interfaces(self, instance: str) -> dict[str, AddressRange]:
        return {one.interface: one for one in self._ranges if one.name == instance}

    def _model_of(self, place: AddressRange) -> Peripheral:
        if place.kind == STATIC_REGION_KIND:
            return self._static_region()
        if place.kind in MODELS:
            return MODELS[place.kind](place)
        return Missing(
            f"{place} of design {self.design} is not simulated: there are models of"
            f" {', '.join(sorted(MODELS))}; where it is a region, download a partial that the"
            " server was given as a design"
        )


def _inside(outer: AddressRange, one: AddressRange, region: str) -> AddressRange:
    """Return where an IP of a partial design answers behind an interface of its region."""
    size = min(one.size_bytes, outer.size_bytes - one.base)
    if size < 1:
        raise DeviceError(f"{one} does not lie in {outer}; the partial is for another design")
    name = f"{region}/{one.name}"
    base, interface = outer.base + one.base, outer.interface
    return replace(one, name=name, base=base, size_bytes=size, interface=interface)
