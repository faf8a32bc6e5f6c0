"""A latency budget as text: its terms, and the answers that follow from them."""

from __future__ import annotations

from collections.abc import Iterator

from fpga_rt.cli.description import Json
from fpga_rt.cli.table import indented, table
from fpga_rt.runtime.report_text import time_text
from fpga_rt.study.budget import CLOCK
from fpga_rt.study.path import HALF_WAY_ROUND_KM

_TITLES = {"warm": "warm", "swap": "with a swap", "static": "static design"}
_REQUESTS = {
    "warm": "A warm request",
    "swap": "A request with a swap",
    "static": "A request to the static design",
}


def text(data: Json) -> str:
    """Return a budget as sections of text."""
    where = f"{data['network']} on {data['title']}, partitions {', '.join(data['partitions'])}"
    name = f"{data['preset']}: " if data["preset"] else ""
    limit = data["limit"]
    title = (
        f"{name}{limit['ms']:g} ms ({limit['origin']}: {limit['basis']})\n{where}, {data['port']}"
    )
    sections = {
        f"Budget ({CLOCK} clock: every term is of a model)": _terms(data),
        "How far may the model be?": "\n".join(_reaches(data)),
        "How often may it swap?": "\n".join(_swaps(data)),
        "Terms": _bases(data),
        "Assumptions": "\n".join(data["assumptions"]),
    }
    parts = [f"{heading}\n{indented(part)}" for heading, part in sections.items()]
    return "\n\n".join([title, *parts])


def _terms(data: Json) -> str:
    cases = list(data["total_us"])
    rows: list[list[object]] = [
        [term["name"], *(_time(term["us"][case]) for case in cases), term["origin"]]
        for term in data["terms"]
    ]
    rows.append(["total", *(_time(data["total_us"][case]) for case in cases), None])
    rows.append(["left", *(_time(data["spare_us"][case]) for case in cases), None])
    headers = ["", *(_TITLES[case] for case in cases), "origin"]
    return table(headers, "<" + ">" * len(cases) + "<", rows)


def _bases(data: Json) -> str:
    return table(("", ""), "<<", [(t["name"], t["basis"]) for t in data["terms"]]).split("\n", 2)[2]


def _reaches(data: Json) -> Iterator[str]:
    for case, reach in data["reach_km"].items():
        request = _REQUESTS[case]
        if data["total_us"][case] is None:
            yield f"{request}: nowhere, requests come faster than the device answers them."
        elif reach is None:
            missed = time_text(-data["spare_us"][case] - _fibre_us(data))
            yield f"{request}: nowhere, the limit is missed by {missed} without any fibre."
        elif reach > HALF_WAY_ROUND_KM:
            yield f"{request}: anywhere on Earth."
        else:
            yield f"{request}: up to {reach:,.0f} km of fibre."
    if "static" not in data["reach_km"]:
        yield "No static design holds all of this network's modules in the same area."


def _fibre_us(data: Json) -> float:
    fibre: float = next(t["us"]["warm"] for t in data["terms"] if t["name"] == "fibre")
    return fibre


def _swaps(data: Json) -> Iterator[str]:
    swap, fits = time_text(data["swap_us"]), data["swaps_in_a_request"]
    inside = next(term["us"]["warm"] for term in data["terms"] if term["name"] == "load")
    if inside:
        yield f"Each warm request swaps between its own layers: loads take {time_text(inside)}."
    if fits is None:
        yield "To find all its modules gone adds nothing to that."
    elif data["spare_us"]["warm"] is None or data["spare_us"]["warm"] < 0:
        yield f"A swap of all its modules adds {swap}; the limit is missed without any."
    elif fits:
        yield f"A swap of all its modules adds {swap}: a request has room for {fits:,} of them."
    else:
        yield f"A swap of all its modules adds {swap}: no request may meet one, only hidden ones."
    yield from _stability(data)


def _stability(data: Json) -> Iterator[str]:
    """Say how many requests may swap before the device cannot keep up."""
    share, rate = data["swapping_share"], data["rate_hz"]
    if share is None:
        yield "How many a second the device keeps up with depends on --rate."
    elif share == 1:
        yield f"At {rate:g} requests/s the device keeps up also if every one swaps."
    elif share == 0:
        yield f"At {rate:g} requests/s the device does not keep up even without swaps."
    else:
        yield (
            f"At {rate:g} requests/s the device keeps up with a swap each {1 / share:,.1f}"
            f" requests, {share * rate:,.1f} a second; with more, waiting grows without end."
        )


def _time(time_us: float | None) -> str:
    return "no end" if time_us is None else time_text(time_us)
