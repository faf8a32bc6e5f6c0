"""Reports of measurements: what is read, and everything that is refused."""

from __future__ import annotations

import json

import pytest

from fpga_rt.arch.measurements import decode
from fpga_rt.errors import ArtifactError
from tests.arch.selfcheck import FIGURES, figure, report, text


def test_a_report_is_read_and_written_again() -> None:
    measured = decode(text(), "r.json", "selfcheck")
    assert (measured.board, measured.device, measured.measured) == ("pynq-z2", "pynq", "2026-11-20")
    assert {n: (f.value, f.unit) for n, f in measured.figures.items()} == FIGURES
    again = decode(measured.encode("calibration"), "c.json", "calibration")
    assert again == measured
    assert json.loads(measured.encode("calibration"))["format"] == "fpga-rt calibration"


def test_dates_may_have_a_time() -> None:
    measured = decode(text(measured="2026-11-20T21:00:00Z"), "r.json", "selfcheck")
    assert measured.measured == "2026-11-20T21:00:00Z"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "r.json is no JSON (Expecting property name"),
        ("[]", "r.json holds a list, expected an object of JSON"),
        (
            text(format="fpga-rt calibration"),
            "format 'fpga-rt calibration', expected 'fpga-rt self",
        ),
        (
            "{}",
            "format None, expected 'fpga-rt selfcheck'; give the report that `fpga-rt selfcheck",
        ),
        (text(version=2), "version 2, expected 1; measure again with this version"),
        (text(version=True), "version True, expected 1"),
        (text(device=""), "`device` is '', expected text"),
        (text(measured="yesterday"), "`measured` is 'yesterday', expected a date as 2026-11-23"),
        (text(figures={}), "`figures` is not a list of figures"),
        (text(figures=[]), "`figures` is not a list of figures"),
        (text(figures=[7]), "figure 0 is 7, expected an object"),
        (text(figures=[figure("a", 1, "us")] * 2), "figure 1, a, is there twice, expected it once"),
    ],
)
def test_files_that_are_refused(content: str, message: str) -> None:
    with pytest.raises(ArtifactError) as caught:
        decode(content, "r.json", "selfcheck")
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"value": "fast"}, "`value` is 'fast', expected a number"),
        ({"value": True}, "`value` is True, expected a number"),
        ({"value": float("nan")}, "`value` is nan, expected 0 or more"),
        ({"value": -1}, "`value` is -1, expected 0 or more"),
        ({"unit": 3}, "`unit` is 3, expected text"),
        ({"command": ""}, "`command` is '', expected text"),
        ({"clock": "sun"}, "`clock` is 'sun', expected 'wall' or 'virtual'; figures of different"),
        ({"origin": "modelled"}, "`origin` is 'modelled', expected 'measured' or 'rtl' or"),
        ({"board": "kv260"}, "`board` is 'kv260', expected 'pynq-z2'"),
    ],
)
def test_figures_that_are_refused(changes: dict[str, object], message: str) -> None:
    entry = figure("port.icap.rate", 1, "bytes/s") | changes
    with pytest.raises(ArtifactError) as caught:
        decode(json.dumps(report(figures=[entry])), "r.json", "selfcheck")
    assert str(caught.value).startswith("r.json: figure 0, port.icap.rate: ")
    assert message in str(caught.value)
