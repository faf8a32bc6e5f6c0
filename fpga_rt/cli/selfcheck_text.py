"""The report of a self-check as text."""

from __future__ import annotations

from collections.abc import Iterator

from fpga_rt.cli.table import indented, table
from fpga_rt.selfcheck.checks import Check
from fpga_rt.selfcheck.report import Report

_FIGURE_DIGITS = 6


def report_text(report: Report) -> str:
    """Return what was checked, every load, every figure, and what they rest on."""
    return "\n".join(_lines(report))


def _lines(report: Report) -> Iterator[str]:
    said = "not opened"
    if report.capabilities is not None:
        said = f"{report.capabilities.clock} clock, {report.capabilities.origin}"
    yield f"Self-check of {report.device} as {report.board.name} ({report.board.title}), {said}"
    yield f"  {report.measured}, {report.command}"
    if report.findings:
        yield ""
        yield "Found before it was opened"
        rows = [(f.state, f.subject, f.found, f.remedy) for f in report.findings]
        yield indented(table(("state", "what", "found", "what to do"), "<<<<", rows))
    yield ""
    yield indented(table(("result", "check", "found"), "<<<", list(_checks(report))))
    if report.swaps:
        yield ""
        yield "Swaps, in us: the median of each phase, the shortest and the longest in total"
        yield indented(_loads(report))
    if report.values:
        yield ""
        yield "Figures"
        cells = [
            (name, f"{value:,.{_FIGURE_DIGITS}g}" if value < 1e6 else f"{value:,.0f}", unit)
            for name, (value, unit) in report.values.items()
        ]
        yield indented(table(("figure", "value", "unit"), "<><", cells))
    if report.capabilities is not None and report.capabilities.assumptions:
        yield ""
        yield "Times rest on"
        yield from (f"  {one}" for one in report.capabilities.assumptions)
    yield ""
    yield _summary(report)


def _checks(report: Report) -> Iterator[tuple[str, str, str]]:
    """Yield a row for each check; loads that went well make one row for their port."""
    loads = {port: _well(report, port) for port in report.board.ports}
    for check in report.checks:
        port = next((p for p, well in loads.items() if check in well), None)
        if port is None:
            yield check.result, check.name, check.detail
        elif check is loads[port][-1]:
            count = len(loads[port])
            yield "passed", f"load.{port}", f"{count} modules answered as they should; times below"


def _well(report: Report, port: str) -> list[Check]:
    start = f"load.{port}."
    return [c for c in report.checks if c.name.startswith(start) and c.result == "passed"]


def _loads(report: Report) -> str:
    phases = list(report.swaps[0].phases_ps)
    headers = ("partition", "module", "port", "bytes", *phases, "shortest", "longest")
    rows = [
        (
            load.partition,
            load.module,
            load.port,
            load.size_bytes,
            *(f"{load.phases_us[name]:,.1f}" for name in phases),
            f"{load.total_us[0]:,.1f}",
            f"{load.total_us[2]:,.1f}",
        )
        for load in report.loads
    ]
    return table(headers, "<<<" + ">" * (len(headers) - 3), rows)


def _summary(report: Report) -> str:
    count = {
        result: sum(check.result == result for check in report.checks)
        for result in ("passed", "failed", "skipped")
    }
    return ", ".join(f"{number} {result}" for result, number in count.items())
