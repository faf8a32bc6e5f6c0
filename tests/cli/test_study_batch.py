"""`fpga-rt study batch`: decisions that `inspect` agrees with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.cli.conftest import Cli

DIGITS = Path(__file__).resolve().parents[2] / "examples" / "digits" / "digits.onnx"


def _json(cli: Cli, *arguments: object) -> dict[str, Any]:
    answer = cli(*arguments, "--json")
    assert answer.code == 0, answer.err
    result: dict[str, Any] = json.loads(answer.out)
    return result


def test_the_fastest_batch_is_the_largest_that_inspect_predicts_in_time(cli: Cli) -> None:
    two = (DIGITS, "--partitions", 2)
    found = _json(cli, "study", "batch", *two, "--deadline-us", 12000)
    one, fastest = found["batches"]
    for entry in (one, fastest):
        inspected = _json(cli, "inspect", *two, "--batch", entry["images"])
        assert entry["latency_us"] == inspected["predicted"]["warm_us"]
        assert entry["static_us"] == inspected["static_baseline"]["warm_us"]
    assert fastest["latency_us"] <= 12000
    more = _json(cli, "inspect", *two, "--batch", fastest["images"] + 1)
    assert more["predicted"]["warm_us"] > 12000
    assert fastest["image_us"] < one["image_us"]


def test_a_network_that_stays_hides_every_load_at_once(cli: Cli) -> None:
    found = _json(cli, "study", "batch", DIGITS)
    assert found["not_hidden"] is None
    hidden = found["batches"][1]
    assert (hidden["why"], hidden["images"], hidden["exposed_us"]) == ("hides every load", 1, 0)


def test_says_why_no_batch_hides_every_load(cli: Cli) -> None:
    answer = cli("study", "batch", DIGITS, "--partitions", 1, "--most", 8)
    assert answer.code == 0
    assert "one image" in answer.out
    assert "hides every load" not in answer.out.split("No batch")[0]
    assert "No batch hides every load: loads of digits under policy aggressive leave" in answer.out
    assert "ms exposed at a batch of 8, expected none; give it more partitions" in answer.out
    assert "virtual clock, modelled" in answer.out


def test_a_deadline_that_no_image_meets(cli: Cli) -> None:
    answer = cli("study", "batch", DIGITS, "--partitions", 1, "--most", 1, "--deadline-us", 100)
    assert answer.code != 0
    assert "one image of digits takes" in answer.err
    assert "expected at most 0.100 ms; give it more time" in answer.err
