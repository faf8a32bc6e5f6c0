"""`fpga-rt study budget`: the same figures as `inspect`, honest labels, errors that help."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Cli


def _json(cli: Cli, *arguments: object) -> dict[str, Any]:
    answer = cli(*arguments, "--json")
    assert answer.code == 0
    result: dict[str, Any] = json.loads(answer.out)
    return result


def test_device_terms_are_what_inspect_predicts(cli: Cli, archive: Path) -> None:
    options = (archive, "--port", "pcap", "--prefetch", "none", "--partitions", 3)
    inspected = _json(cli, "inspect", *options)
    found = _json(cli, "study", "budget", *options, "--limit-ms", 30)
    device = {
        case: sum(term["us"][case] for term in found["terms"])
        for case in ("warm", "swap", "static")
    }
    # Without a distance, hops or traffic there is only the wire: 8 bits of 1,024 + 7 bytes, 1 Gb/s.
    sizes = 8 * 8 * 16 + 7
    assert device["warm"] == pytest.approx(inspected["predicted"]["warm_us"] + sizes * 8e-3)
    assert device["swap"] == pytest.approx(inspected["predicted"]["cold_us"] + sizes * 8e-3)
    assert device["static"] == pytest.approx(inspected["static_baseline"]["warm_us"] + sizes * 8e-3)
    assert found["total_us"] == pytest.approx(device)


def test_every_term_has_a_clock_an_origin_and_a_basis(cli: Cli, archive: Path) -> None:
    found = _json(cli, "study", "budget", archive, "--preset", "voice-500", "--rate", 20)
    assert found["limit"] == {
        "ms": 500, "origin": "assumed", "basis": "a longer gap in a conversation is noticed",
    }  # fmt: skip
    names = [term["name"] for term in found["terms"]]
    assert names == [
        "fibre", "hops", "transfer", "queue", "load", "parameters", "compute", "host", "rest",
    ]  # fmt: skip
    assert {term["clock"] for term in found["terms"]} == {"virtual"}
    origins = {term["name"]: term["origin"] for term in found["terms"]}
    assert origins["fibre"] == "document"
    assert origins["hops"] == origins["queue"] == origins["rest"] == "assumed"
    assert origins["load"] == origins["compute"] == "modelled"
    assert all(term["basis"] for term in found["terms"])


def test_the_text_answers_both_questions(cli: Cli, archive: Path) -> None:
    text = cli("study", "budget", archive, "--preset", "voice-200", "--partitions", 3).out
    for part in (
        "voice-200: 200 ms (document: the usual gap between turns of a conversation, Stivers et"
        " al., PNAS 106(26), 2009)",
        "warm  with a swap  static design  origin",
        "How far may the model be?\n  A warm request: anywhere on Earth.\n  A request with",
        "How often may it swap?\n  A swap of all its modules adds ",
        "500 km there and back, 4.9 us a km (ITU-T G.652)",
        "none: the device is idle when a request arrives",
        "depends on --rate.",
        "Port icap: 382.0 MB/s, measured (ZyCAP's notes",
    ):
        assert part in text
    assert max(map(len, text.splitlines())) < 160


def test_options_replace_parts_of_a_preset(cli: Cli, archive: Path) -> None:
    options = ("--distance-km", 100, "--hops", 0, "--rest-ms", 150, "--limit-ms", 160)
    found = _json(cli, "study", "budget", archive, "--preset", "voice-500", *options)
    terms = {term["name"]: term["us"]["warm"] for term in found["terms"]}
    assert (terms["fibre"], terms["hops"], terms["rest"]) == (980, 0, 150_000)
    assert found["limit"]["origin"] == "given"
    assert found["spare_us"]["warm"] == pytest.approx(160_000 - sum(terms.values()))


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("--limit-ms", 1), "A request with a swap: nowhere, the limit is missed by "),
        (("--limit-ms", 1), "no request may meet one, only hidden ones."),
        (("--limit-ms", 0.001), "the limit is missed without any."),
        (("--limit-ms", 9000), "A warm request: anywhere on Earth."),
        (("--limit-ms", 50, "--rate", 90), "At 90 requests/s the device keeps up with a swap each"),
        (("--limit-ms", 50, "--rate", 1), "keeps up also if every one swaps."),
        (("--limit-ms", 50, "--rate", 1e6), "does not keep up even without swaps."),
        (
            ("--limit-ms", 50, "--rate", 1000, "--queue", "md1"),
            "A request with a swap: nowhere, requests come faster than the device answers them.",
        ),
    ],
)  # fmt: skip
def test_answers(cli: Cli, archive: Path, options: tuple[object, ...], expected: str) -> None:
    port = ("--port", "pcap", "--partitions", 3)
    assert expected in cli("study", "budget", archive, *port, *options).out


def test_a_network_that_swaps_anyway_is_told_so(cli: Cli, archive: Path) -> None:
    text = cli("study", "budget", archive, "--partitions", 1, "--limit-ms", 50).out
    assert "How often may it swap?\n  Each warm request swaps between its own layers: " in text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "there is no limit to hold the budget to; give --limit-ms, or --preset with one of"
             " voice-200, voice-500, voice-800, iot-control, iot-monitor"),
        (("--limit-ms", 0), "argument --limit-ms: got '0', expected a number, more than 0"),
        (("--limit-ms", "nan"), "got 'nan', expected a number, more than 0"),
        (("--limit-ms", "soon"), "got 'soon', expected a number, more than 0"),
        (("--hops", 1.5), "argument --hops: got '1.5', expected a number, a whole number"),
        (("--distance-km", -1), "got '-1', expected a number, at least 0"),
        (("--link-mbps", 0), "got '0', expected a number, more than 0"),
        (("--percentile", 100), "got '100', expected a number, between 0 and 100"),
        (("--limit-ms", 5, "--queue", "md1"), "--queue md1 needs to know how often requests come;"
                                              " add --rate HZ"),
    ],
)  # fmt: skip
def test_wrong_usage_is_explained(
    cli: Cli, archive: Path, options: tuple[object, ...], message: str
) -> None:
    answer = cli("study", "budget", archive, *options)
    assert (answer.code, answer.out) == (2, "")
    assert message in answer.err


def test_a_missing_model_and_an_unknown_port_are_named(cli: Cli, archive: Path) -> None:
    assert "no.onnx" in cli("study", "budget", "no.onnx", "--limit-ms", 5).err
    answer = cli("study", "budget", archive, "--limit-ms", 5, "--port", "jtag")
    assert answer.code == 6
    assert "no configuration port 'jtag', expected one of" in answer.err
