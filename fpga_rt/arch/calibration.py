"""Put what was measured in the place of what a board's model assumes.

A figure replaces one parameter, or two figures the two that come from one fit: a port's rate and
set-up time, a memory's rate and latency. Everything else stays as it is, and the board's notes say
what was replaced and what was not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from math import ceil

from fpga_rt.arch.boards import Board, MemoryPort
from fpga_rt.arch.measurements import Figure, Measurements
from fpga_rt.arch.ports import ConfigurationPort
from fpga_rt.errors import ArtifactError

BEAT_BYTES = 8
_PS_PER_S, _PS_PER_US, _PS_PER_NS = 10**12, 10**6, 10**3
_MOST_DENOMINATOR = 1000
"""A rate in cycles a beat is kept to a part in a million."""


@dataclass(frozen=True)
class Parameter:
    """What a group of figures replaces.

    Attributes:
        title: in words.
        units: of its figures by name; all are needed.
        value: what the model has, in words.
        origin: where that comes from.
    """

    title: str
    units: Mapping[str, str]
    value: str
    origin: str = "assumed"


def parameters(board: Board) -> dict[str, Parameter]:
    """Return everything of a board that can be calibrated, by key."""
    found = {}
    for name, port in board.ports.items():
        mine = f"port.{name}"
        rate = f"{port.bytes_per_second / 1e6:,.1f} MB/s after {port.setup_ps / _PS_PER_US:g} us"
        found[mine] = Parameter(
            f"rate and set-up of port {name}",
            {f"{mine}.rate": "bytes/s", f"{mine}.setup": "us"},
            rate,
            port.origin,
        )
        found[f"{mine}.contention"] = Parameter(
            f"contention of port {name}",
            {f"{mine}.contention": "percent"},
            f"{port.contention_percent} %",
        )
    dram = board.dram
    found["dram port"] = Parameter(
        "DRAM port",
        {"dram.latency": "ns", "dram.rate": "bytes/s"},
        f"{dram.latency_cycles} cycles, then {dram.numerator}/{dram.denominator} a beat",
    )
    found["dram shared"] = Parameter(
        "DRAM behind all ports",
        {"dram.shared_rate": "bytes/s"},
        f"{dram.shared_numerator}/{dram.shared_denominator} cycles a beat",
    )
    found["software"] = Parameter(
        "software time of a swap",
        {"swap.software": "us"},
        f"{board.swap_software_ps / _PS_PER_US:g} us",
    )
    return found


def calibrate(board: Board, measured: Measurements, file: str) -> Board:
    """Return a board with the parameters that were measured.

    Args:
        board: as it is modelled.
        measured: on such a board.
        file: where the measurements are, for reports.

    Raises:
        ArtifactError: they are of another board, mix clocks or origins, are out of range, or
            replace nothing.
    """
    figures = used(board, measured, file)
    text = _text(measured, figures, file)
    values = {name: figure.value for name, figure in figures.items()}
    known = parameters(board)
    done = [key for key, parameter in known.items() if parameter.units.keys() <= values.keys()]
    line = (
        f"{text[0].upper()}{text[1:]}: {', '.join(known[key].title for key in done)}."
        f" Not calibrated: {', '.join(p.title for k, p in known.items() if k not in done) or '-'}."
    )
    return replace(
        board,
        ports={name: _port(port, values, text, file) for name, port in board.ports.items()},
        dram=_memory(board, values, file),
        swap_software_ps=round(values.get("swap.software", 0) * _PS_PER_US),
        assumed={key: note for key, note in board.assumed.items() if key not in done},
        remarks=(line, *board.remarks),
        calibration=text,
    )


def used(board: Board, measured: Measurements, file: str) -> dict[str, Figure]:
    """Return the figures that replace a parameter; others are nobody's mistake.

    Raises:
        ArtifactError: as `calibrate` does.
    """
    if measured.board != board.name:
        raise ArtifactError(
            f"{file} was measured on board {measured.board}, expected {board.name};"
            " calibrate by a report of the same board"
        )
    _check_ports(board, measured, file)
    found: dict[str, Figure] = {}
    for parameter in parameters(board).values():
        there = [name for name in parameter.units if name in measured.figures]
        missing = [name for name in parameter.units if name not in there]
        if there and missing:
            raise ArtifactError(
                f"{file} has {there[0]} but not {missing[0]}, expected both: they come from one"
                " fit; measure again"
            )
        for name in there:
            found[name] = measured.figures[name]
            _check_unit(found[name], parameter.units[name], file)
    if not found:
        names = ", ".join(name for p in parameters(board).values() for name in p.units)
        raise ArtifactError(f"{file} has no figure that replaces a parameter, expected of: {names}")
    _check_kinds(found, file)
    return found


def _check_ports(board: Board, measured: Measurements, file: str) -> None:
    for name in measured.figures:
        parts = name.split(".")
        if parts[0] == "port" and len(parts) > 1 and parts[1] not in board.ports:
            raise ArtifactError(
                f"{file}: {name} is of a port that board {board.name} does not have, expected one"
                f" of {', '.join(board.ports)}; measure again"
            )


def _check_unit(figure: Figure, unit: str, file: str) -> None:
    if figure.unit != unit:
        raise ArtifactError(
            f"{file}: {figure.name} is in {figure.unit!r}, expected {unit!r}; measure again"
        )


def _check_kinds(figures: Mapping[str, Figure], file: str) -> None:
    kinds: dict[tuple[str, str], str] = {}
    for name, figure in figures.items():
        kinds.setdefault((figure.clock, figure.origin), name)
    if len(kinds) > 1:
        (first, a), (second, b) = list(kinds.items())[:2]
        raise ArtifactError(
            f"{file} mixes origins: {a} is {' '.join(first)}, {b} is {' '.join(second)}, expected"
            " all of one clock and origin; calibrate by one measurement"
        )


def _text(measured: Measurements, figures: Mapping[str, Figure], file: str) -> str:
    origin = next(iter(figures.values())).origin
    return f"calibrated from {file} ({origin} {measured.measured} on {measured.device})"


def _port(
    port: ConfigurationPort, values: Mapping[str, float], text: str, file: str
) -> ConfigurationPort:
    mine = f"port.{port.name}"
    if f"{mine}.rate" in values:
        rate, ceiling = values[f"{mine}.rate"], port.ceiling_bytes_per_second
        if not 1 <= rate <= (ceiling or rate):
            most = f"1..{ceiling:,} bytes/s, clock times width" if ceiling else "at least 1 byte/s"
            raise ArtifactError(
                f"{file}: {mine}.rate is {rate:,.0f} bytes/s, expected {most};"
                " check what was measured"
            )
        setup_ps = round(values[f"{mine}.setup"] * _PS_PER_US)
        port = replace(
            port, bytes_per_second=round(rate), setup_ps=setup_ps, origin="calibrated", source=text
        )
    if f"{mine}.contention" in values:
        percent = round(values[f"{mine}.contention"])
        port = replace(port, contention_percent=percent, contention_source=text)
    if "swap.software" in values:  # the kernel's path is in it
        port = replace(port, kernel_range_ms=None)
    return port


def _memory(board: Board, values: Mapping[str, float], file: str) -> MemoryPort:
    dram = board.dram
    if "dram.rate" in values:
        rate = _cycles_per_beat(board, values["dram.rate"], "dram.rate", file)
        if rate < 1:
            raise ArtifactError(
                f"{file}: dram.rate is {values['dram.rate']:,.0f} bytes/s, expected at most"
                f" {BEAT_BYTES * _PS_PER_S / board.clock_ps:,.0f}: a port moves a beat of"
                f" {BEAT_BYTES} bytes a clock; check what was measured"
            )
        latency = ceil(values["dram.latency"] * _PS_PER_NS / board.clock_ps)
        dram = replace(dram, latency_cycles=latency, numerator=rate.numerator,
                       denominator=rate.denominator)  # fmt: skip
    if "dram.shared_rate" in values:
        rate = _cycles_per_beat(board, values["dram.shared_rate"], "dram.shared_rate", file)
        if rate > Fraction(dram.numerator, dram.denominator):
            raise ArtifactError(
                f"{file}: dram.shared_rate is {values['dram.shared_rate']:,.0f} bytes/s, less than"
                " one port alone, expected at least as much; check what was measured"
            )
        dram = replace(dram, shared_numerator=rate.numerator, shared_denominator=rate.denominator)
    return dram


def _cycles_per_beat(board: Board, bytes_per_second: float, name: str, file: str) -> Fraction:
    if bytes_per_second < 1:
        raise ArtifactError(
            f"{file}: {name} is {bytes_per_second:g} bytes/s, expected at least 1; measure again"
        )
    exact = Fraction(BEAT_BYTES * _PS_PER_S) / (Fraction(bytes_per_second) * board.clock_ps)
    return exact.limit_denominator(_MOST_DENOMINATOR)
