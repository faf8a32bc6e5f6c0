"""`fpga-rt inspect`: figures that follow from the archive, and predictions that come true."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import fpga_rt
from fpga_rt.arch.boards import board
from fpga_rt.cli.description import verdict
from tests.cli.conftest import Cli


def _inspect(cli: Cli, *arguments: object) -> dict[str, Any]:
    answer = cli("inspect", *arguments, "--json")
    assert (answer.code, answer.err) == (0, "")
    result: dict[str, Any] = json.loads(answer.out)
    return result


def test_sizes_follow_from_the_archive_and_the_board(cli: Cli, archive: Path) -> None:
    deployment, target = fpga_rt.load(archive), board("pynq-z2")
    found = _inspect(cli, archive)
    steps = [step for launch in deployment.launches for step in launch.steps]
    assert [step["layer"] for step in found["steps"]] == [step.layer for step in steps]
    assert sum(step["commands"] for step in found["steps"]) == sum(
        len(ring) // 64 for launch in deployment.launches for ring in launch.rings.values()
    )
    modules = {(entry["partition"], entry["module"]): entry for entry in found["modules"]}
    assert modules.keys() == {(target.partitions[i].name, name) for i, name in deployment.loads}
    for entry in modules.values():
        assert all(entry["used"][kind] <= entry["available"][kind] for kind in entry["used"])
        assert entry["load_us"]["icap"] == pytest.approx(entry["bitstream_bytes"] / 382, rel=1e-6)
    assert found["module_changes"] == deployment.module_changes
    assert found["feature_memory"]["available_bytes"] == target.feature_memory_bytes
    assert found["feature_memory"]["on_chip"]
    assert found["blocks"]["weights"] == 3


def test_predictions_come_true(cli: Cli, archive: Path, data: Path) -> None:
    predicted = _inspect(cli, archive, "--batch", 1, "--prefetch", "none")["predicted"]
    run = json.loads(cli("run", archive, "--input", data, "--prefetch", "none", "--json").out)
    assert run["cold_latency_us"] == predicted["cold_us"]
    assert run["latency_us"] == dict.fromkeys(("p50", "p90", "p99"), predicted["warm_us"])
    assert run["inferences_per_s"] == pytest.approx(predicted["inferences_per_s"])
    assert predicted["swaps"] == predicted["swaps_per_inference"] > 0


def test_a_batch_shares_its_swaps(cli: Cli, archive: Path) -> None:
    one, many = (_inspect(cli, archive, "--batch", n)["predicted"] for n in (1, 8))
    assert many["swaps"] == one["swaps"]
    assert many["swaps_per_inference"] == one["swaps"] / 8
    assert many["image_us"] == many["warm_us"] / 8 < one["warm_us"]


def test_the_text_labels_times_and_names_the_loser(cli: Cli, archive: Path) -> None:
    text = cli("inspect", archive).out
    for part in (
        "small on TUL PYNQ-Z2, partitions rp0, rp1",
        "Predicted (virtual, modelled)",
        "load (modelled)",
        "this deployment  static baseline",
        "Reconfiguration loses: ",
        "The static baseline holds ",
        "Port icap: 382.0 MB/s, measured (ZyCAP's notes",
        "The compute clock of 1000/7 MHz",
        "Host software takes no time.",
    ):
        assert part in text
    assert max(map(len, text.splitlines())) < 160


def test_resident_modules_do_not_swap(cli: Cli, archive: Path) -> None:
    arguments = ("inspect", archive, "--partitions", 3, "--json")
    assert json.loads(cli(*arguments).out)["predicted"]["swaps"] == 0


@pytest.mark.parametrize(
    ("image_us", "swaps", "batch", "static_us", "expected"),
    [
        (7000.0, 2, 1, 500.0, "Reconfiguration loses: 7.000 ms an image, a static design of the"
         " same area 500.0 us (14.0 times faster)."),
        (400.0, 2, 9, 500.0, "Reconfiguration wins: 400.0 us an image, a static design of the same"
         " area 500.0 us (1.2 times as long)."),
        (600.0, 0, 1, 500.0, "Nothing is swapped: 600.0 us an image, a static design"
         " of the same area 500.0 us (1.2 times faster)."),
        (600.0, 2, 1, None, "No static design holds all of this network's modules in the same area:"
         " it runs there only with reconfiguration."),
    ],
)  # fmt: skip
def test_verdicts(
    image_us: float, swaps: int, batch: int, static_us: float | None, expected: str
) -> None:
    predicted = {"image_us": image_us, "swaps": swaps, "batch": batch}
    static = None if static_us is None else {"image_us": static_us}
    assert verdict(predicted, static) == expected
