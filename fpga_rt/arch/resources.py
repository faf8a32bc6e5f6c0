"""Logic, multipliers and block RAM: what a region offers and what a module needs."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Resources:
    """An amount of lookup tables, DSP slices and 36-kbit block RAMs.

    `<=` is a partial order: an amount fits in another when each of the three does.
    """

    lut: int = 0
    dsp: int = 0
    bram36: int = 0

    def __add__(self, other: Resources) -> Resources:
        """Return both amounts together."""
        return Resources(self.lut + other.lut, self.dsp + other.dsp, self.bram36 + other.bram36)

    def __sub__(self, other: Resources) -> Resources:
        """Return what is left of this amount without `other`; negative where it is short."""
        return Resources(self.lut - other.lut, self.dsp - other.dsp, self.bram36 - other.bram36)

    def __le__(self, other: Resources) -> bool:
        """Tell whether every kind is at most that of `other`."""
        return self.lut <= other.lut and self.dsp <= other.dsp and self.bram36 <= other.bram36

    def fits_in(self, other: Resources) -> bool:
        """Tell whether a region that offers `other` has room for this amount."""
        return self <= other

    def __str__(self) -> str:
        """Return the amount as people read it: `9,600 LUT, 80 DSP, 40 BRAM36`."""
        return f"{self.lut:,} LUT, {self.dsp:,} DSP, {self.bram36:,} BRAM36"
