"""A report as text, and quantities as people read them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

_TIME_UNITS = ((1e6, "s"), (1e3, "ms"), (1.0, "us"), (1e-3, "ns"))
_BYTE_UNITS = ((1e9, "GB"), (1e6, "MB"), (1e3, "kB"))
_LABEL_WIDTH = 10
_AFTERWARDS = ("parameters", "first_result")
"""Phases of the first program after a swap."""


def render(report: Mapping[str, Any]) -> str:
    """Return what `Report.to_json` holds, as lines of text."""
    rows = [
        ("accuracy", _accuracy(report)),
        ("latency", _latency(report["latency_us"], report["warm_requests"])),
        *_networks(report),
        ("cold", f"{time_text(report['cold_latency_us'])}: first request, with all first loads"),
        ("throughput", _throughput(report)),
        ("swaps", _swaps(report["swaps"])),
        ("a swap" if report["swaps"]["count"] else "a load", _phases(report["swaps"])),
        ("moved", _bytes(report["bytes"])),
        ("times", f"{report['clock']} clock, {report['origin']}"),
        *(("assumes" if i == 0 else "", line) for i, line in enumerate(report["assumptions"])),
    ]
    lines = [_title(report)]
    lines += [f"  {label:<{_LABEL_WIDTH}} {text}" for label, text in rows if text]
    return "\n".join(lines)


def time_text(time_us: float) -> str:
    """Return a time with four digits and the unit that suits it: `7.215 ms`."""
    return _scaled(time_us, _TIME_UNITS, "us")


def bytes_text(size_bytes: float) -> str:
    """Return a size with four digits: `1.390 MB`; below 1,000 exactly."""
    if abs(size_bytes) < _BYTE_UNITS[-1][0]:
        return f"{size_bytes:.0f} B"
    return _scaled(size_bytes, _BYTE_UNITS, "B")


def count_text(count: int, noun: str, plural: str | None = None) -> str:
    """Return a number and its noun, in the plural unless it is one: `3 swaps`."""
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"


def _scaled(value: float, units: tuple[tuple[float, str], ...], zero: str) -> str:
    if value == 0:
        return f"0 {zero}"
    factor, unit = next((pair for pair in units if abs(value) >= pair[0]), units[-1])
    scaled = value / factor
    digits = 3 - math.floor(math.log10(abs(scaled)))
    return f"{scaled:,.{min(max(digits, 0), 3)}f} {unit}"


def _title(report: Mapping[str, Any]) -> str:
    networks = " + ".join(report["networks"]) or "nothing"
    inferences = count_text(report["inferences"], "inference")
    requests = count_text(report["requests"], "request")
    return (
        f"{networks} on {report['device']} ({report['board']}): {inferences} in {requests},"
        f" prefetch {report['policy']}"
    )


def _accuracy(report: Mapping[str, Any]) -> str:
    return f"{report['accuracy']:.2%}" if "accuracy" in report else ""


def _latency(latency_us: Mapping[str, float], warm_requests: int) -> str:
    figures = _percentiles(latency_us)
    if not warm_requests:
        return f"{figures}, all cold: run more than one request for warm figures"
    return f"{figures} warm; an image takes as long as its batch"


def _percentiles(latency_us: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {time_text(value)}" for name, value in latency_us.items())


def _networks(report: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return a row for each network when there are several."""
    networks = report["networks"]
    if len(networks) < 2:
        return []
    return [("", f"{name}: {_percentiles(latency)}") for name, latency in networks.items()]


def _throughput(report: Mapping[str, Any]) -> str:
    if not report["warm_requests"]:
        return ""
    return f"{report['inferences_per_s']:,.0f} inferences/s warm"


def _swaps(swaps: Mapping[str, Any]) -> str:
    initial = f"{count_text(swaps['initial'], 'first load')}, {swaps['reused']} reused"
    if swaps["failed"]:
        lost = time_text(swaps["failed_us"])
        initial += f", {swaps['failed']} failed and {swaps['restored']} restored in {lost}"
    if not swaps["count"]:
        return f"none; {initial}"
    hidden = time_text(swaps["hidden_us"])
    return (
        f"{swaps['count']} ({swaps['ahead']} begun ahead); {initial};"
        f" {hidden} hidden, {time_text(swaps['exposed_us'])} exposed"
    )


def _phases(swaps: Mapping[str, Any]) -> str:
    """Return the mean phases, longest first; those of the first program afterwards stand apart."""
    phases = {name: value for name, value in swaps["phases"].items() if value}
    later = [
        f"{n.replace('_', ' ')} {time_text(phases.pop(n))}" for n in _AFTERWARDS if n in phases
    ]
    parts = [
        f"{name} {time_text(phases[name])}" for name in sorted(phases, key=lambda n: -phases[n])
    ]
    return ", ".join(parts) + (f"; then {', '.join(later)}" if later else "")


def _bytes(sizes: Mapping[str, int]) -> str:
    bitstreams, parameters = bytes_text(sizes["bitstream"]), bytes_text(sizes["parameters"])
    return f"{bitstreams} of bitstreams, {parameters} of parameters"
