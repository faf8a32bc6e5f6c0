"""`fpga-rt update train`: from samples to a package that a device takes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

import fpga_rt
from fpga_rt.network import golden
from tests.cli.conftest import Answer, Cli

pytest.importorskip("cryptography")
pytest.importorskip("onnx")
torch = pytest.importorskip("torch")

if TYPE_CHECKING:
    from fpga_rt.update.adapt.adaptation import Adaptation
    from fpga_rt.update.adapt.choice import Choice

DIGITS = Path(__file__).resolve().parents[2] / "examples" / "digits"


@pytest.fixture
def train(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Return the command in a folder with a key, a store, and what a device sees at dusk."""
    monkeypatch.chdir(tmp_path)
    torch.set_num_threads(1)
    data = np.load(DIGITS / "digits.npz")
    dusk = data["x"] * np.float32(0.25)
    np.savez("home.npz", x=dusk[:160], y=data["y"][:160])
    np.savez("bright.npz", x=data["x"][160:260])
    np.savez("report.npz", x=dusk[260:], y=data["y"][260:])
    fpga_rt.save(fpga_rt.compile(DIGITS / "digits.onnx", "pynq-z2"), "base.frt")
    assert cli("update", "key", "owner").code == 0

    def run(*more: object) -> Answer:
        files = ("base.frt", "home.npz", "-o", "up.fru", "--version", "2", "--key", "owner.key")
        return cli("update", "train", *files, *more)

    return run


def _accuracy(archive: str) -> float:
    network = fpga_rt.load(archive).network
    data = np.load("report.npz")
    outputs = golden.run(network, network.encode_input(data["x"]))
    return float((outputs.reshape(len(data["y"]), -1).argmax(axis=1) == data["y"]).mean())


def test_unlabelled_samples_undo_dusk_on_a_device(train: Cli, cli: Cli) -> None:
    answer = train("--reference", "bright.npz", "--budget", "4%", "--archive", "dusk.frt", "--json")
    assert (answer.code, answer.err) == (0, "")
    made = json.loads(answer.out)
    assert made["policy"] == "statistics"
    assert made["trials"] == [
        {
            "policy": "statistics", "accuracy": None, "bytes": made["trials"][0]["bytes"],
            "clipped_channels": 0,
        }
    ]  # fmt: skip
    assert made["bytes"] == Path("up.fru").stat().st_size <= 0.04 * made["parameter_bytes"]
    assert made["new_program"] is None
    assert made["sent"] == {
        "judged": False, "samples": 160, "step_codes": 0, "clipped_channels": 0,
        "bytes": made["bytes"],
    }  # fmt: skip
    assert _accuracy("base.frt") < 0.3
    assert _accuracy("dusk.frt") > 0.9
    assert cli("update", "install", "store", "base.frt", "--trust", "owner.pub").code == 0
    assert cli("update", "apply", "store", "up.fru").code == 0
    assert cli("update", "export", "store", "-o", "now.frt").code == 0
    assert Path("now.frt").read_bytes() == Path("dusk.frt").read_bytes()


def test_progress_goes_to_standard_error(train: Cli) -> None:
    options = ("--reference", "bright.npz", "--labels", "home.npz", "--policy", "affine")
    answer = train(*options, "--epochs", "1", "-v")
    assert answer.code == 0
    assert "train: 1/1 policies in " in answer.err
    first, second, *_ = answer.out.splitlines()
    assert first == "affine: it was asked for; then trained again on all 160 samples"
    assert second.startswith("  as it is ")
    size = Path("up.fru").stat().st_size
    assert f"sent: trained again on 160 samples, {size:,} bytes, not judged" in answer.out


def test_what_was_judged_can_be_sent(train: Cli) -> None:
    """Mirrored or not, and judged on 40 of 160; what is written has the bytes that were counted."""
    options = ("--reference", "bright.npz", "--labels", "home.npz", "--policy", "statistics")
    answer = train(*options, "--keep-judged", "--mirror", "--json")
    assert answer.code == 0
    made = json.loads(answer.out)
    assert (made["trained_again"], made["held_back"]) == (False, 40)
    assert made["reason"] == "it was asked for"
    assert (made["sent"]["judged"], made["sent"]["samples"]) == (True, 120)
    assert abs(made["bytes"] - made["trials"][1]["bytes"]) <= 8


def test_labelled_samples_choose(train: Cli) -> None:
    options = ("--labels", "home.npz", "--reference", "bright.npz", "--enough", "0.9")
    answer = train(*options, "--epochs", "1")
    assert (answer.code, answer.err) == (0, "")
    first, *lines = answer.out.splitlines()
    assert first.endswith(
        "90.0% was asked for; these samples chose, report on others; then trained again on all 160"
        " samples"
    )
    assert lines[0].split()[:3] == ["as", "it", "is"]
    assert lines[1].split()[0] == "statistics"
    assert lines[-5] == "  on 40 samples held back, int8"
    assert lines[-4].startswith("sent: trained again on 160 samples, ")
    assert lines[-4].endswith(" bytes, not judged")
    assert lines[-3].startswith("written: up.fru, version 2, ")
    assert lines[-1] == "  parameters only: devices switch between two inferences"


def test_what_is_sent_has_steps_and_clipped_channels_of_its_own(
    train: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    def coarse(choice: Choice, adaptation: Adaptation, *rest: object) -> Choice:
        again = replace(choice.trial, right=None, step_codes=3, clipped=1)
        return replace(choice, refitted=again)

    monkeypatch.setattr("fpga_rt.update.adapt.choice.refitted", coarse)
    options = ("--reference", "bright.npz", "--labels", "home.npz", "--policy", "statistics")
    answer = train(*options, "--keep-judged")
    assert " bytes, as judged above\n" in answer.out
    Path("up.fru").unlink()
    ending = (
        "not judged, weights in steps of 3 codes, 1 channel cut off at the largest or least gain"
    )
    assert f" bytes, {ending}\n" in train(*options).out
    Path("up.fru").unlink()
    sent = json.loads(train(*options, "--json").out)["sent"]
    assert (sent["step_codes"], sent["clipped_channels"], sent["judged"]) == (3, 1, False)


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `auto` go on to the second policy alone; tests/update/adapt tries all of them."""
    for module in ("fpga_rt.update.adapt.choice", "fpga_rt.cli.update.train"):
        monkeypatch.setattr(f"{module}.ESCALATION", ("statistics", "affine"))


@pytest.mark.usefixtures("few")
def test_what_was_not_tried_is_named(train: Cli) -> None:
    """Without a reference there is one policy less."""
    answer = train("--labels", "home.npz", "--epochs", "1", "-v", "--enough", "1")
    assert "statistics was not tried, it needs reference samples (--reference)" in answer.out
    assert "1/1 policies in " in answer.err


@pytest.mark.usefixtures("few")
def test_what_the_budget_refuses_is_named(train: Cli) -> None:
    options = ("--labels", "home.npz", "--reference", "bright.npz", "--epochs", "1")
    whole = json.loads(train(*options, "--policy", "statistics", "--json").out)
    budget = whole["trials"][1]["bytes"]
    Path("up.fru").unlink()
    made = json.loads(train(*options, "--budget", budget, "--json").out)
    assert {"policy": "affine"}.items() <= made["refused"][0].items()
    assert f"the budget is {budget}" in made["refused"][0]["reason"]
    Path("up.fru").unlink()
    lines = train(*options, "--budget", budget).out.splitlines()
    assert any(line.startswith("  affine            not sent: policy affine") for line in lines)


@pytest.mark.parametrize(
    ("options", "code", "text"),
    [
        ((), 8, "so no policy can be tried; give --reference X.npz, samples like those of the"),
        (("--policy", "affine"), 8, "policy affine needs labels, got none; give --labels Y.npz"),
        (("--policy", "statistics"), 8, "needs reference samples, got none; give --reference"),
        (("--reference", "bright.npz", "--budget", "600"), 11, "the budget is 600"),
        (("--labels", "bright.npz"), 8, "labels in bright.npz have shape"),
        (("--budget", "0%"), 2, "got '0%', expected a share such as 5%"),
        (("--budget", "x"), 2, "got 'x', expected a whole number of at least 1"),
        (("--enough", "2"), 2, "got '2', expected a share from 0 to 1, as 0.9"),
        (("--archive", "base.frt"), 2, "base.frt"),
    ],
)
def test_refusals_write_nothing(train: Cli, options: tuple[str, ...], code: int, text: str) -> None:
    before = {path: path.read_bytes() for path in Path().iterdir()}
    answer = train(*options)
    assert (answer.code, answer.out) == (code, "")
    assert text in answer.err
    assert before == {path: path.read_bytes() for path in Path().iterdir()}
