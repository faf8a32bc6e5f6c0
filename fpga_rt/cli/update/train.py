"""`fpga-rt update train`: a signed package that adapts a network to what a device sees."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fpga_rt import api
from fpga_rt.cli import arrays
from fpga_rt.cli.options import positive
from fpga_rt.cli.progress import Progress
from fpga_rt.cli.update import written
from fpga_rt.deployment.model import Deployment
from fpga_rt.errors import ExecutionError
from fpga_rt.network.graph import Network
from fpga_rt.runtime.report_text import count_text
from fpga_rt.update.adapt.policies import ESCALATION, POLICIES
from fpga_rt.update.adapt.recipe import Recipe
from fpga_rt.update.adapt.samples import Samples
from fpga_rt.update.vectors import Codes

if TYPE_CHECKING:
    from fpga_rt.update.adapt.choice import Choice

AUTO = "auto"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments."""
    parser.add_argument("base", type=Path, metavar="BASE.frt", help="what devices run")
    parser.add_argument(
        "samples", type=Path, metavar="SAMPLES.npz",
        help="what a device sees, in the model's layout: .npy, or .npz with `x`",
    )  # fmt: skip
    parser.add_argument(
        "--labels", type=Path, metavar="Y.npz",
        help="a class for each sample: .npy, or .npz with `y`; without them only the normalisation"
        " is adapted",
    )  # fmt: skip
    parser.add_argument(
        "--reference", type=Path, metavar="X.npz",
        help="samples like those that the network was trained on, without labels; the policy"
        " statistics needs them, the others start better with them",
    )  # fmt: skip
    parser.add_argument(
        "--policy", choices=(AUTO, *POLICIES), default=AUTO,
        help=f"which parameters move; {AUTO} tries them from the smallest package up and judges by"
        " samples held back: it takes the smallest package that is good enough, or with --budget"
        " the one that is right most often, the smaller if equal",
    )  # fmt: skip
    parser.add_argument(
        "--budget", type=_budget, metavar="BYTES or PERCENT%",
        help="what the package may take: bytes, or a share of the bytes of parameters; any by"
        " default",
    )  # fmt: skip
    parser.add_argument(
        "--enough", type=_share, metavar="SHARE",
        help=f"{AUTO} stops at the first policy with this accuracy on the samples held back, such"
        " as 0.9",
    )  # fmt: skip
    parser.add_argument(
        "--epochs", type=positive, default=Recipe.epochs, metavar="N",
        help=f"passes over the samples; {Recipe.epochs} unless given",
    )  # fmt: skip
    parser.add_argument(
        "--mirror", action="store_true",
        help="train on mirrored images too: for what knows no left and right, unlike digits",
    )  # fmt: skip
    parser.add_argument(
        "--keep-judged", action="store_true",
        help="send what was judged on the samples held back; else it is trained again on all",
    )  # fmt: skip
    written.add_outputs(parser)


def run(arguments: argparse.Namespace) -> None:
    """Train, write the package, and say what was chosen and why."""
    from fpga_rt.update.make import make_target
    from fpga_rt.update.train import Aim, train_update

    inputs = (arguments.base, arguments.samples, arguments.labels, arguments.reference)
    key = written.signing_key(arguments, tuple(filter(None, inputs)))
    _check_needs(arguments)
    base = api.load(arguments.base)
    policy = None if arguments.policy == AUTO else arguments.policy
    aim = Aim(policy, _budget_bytes(base, arguments.budget), arguments.enough)
    samples = _samples(base.network, arguments.samples, arguments.labels)
    reference = None
    if arguments.reference:
        reference = _codes(base.network, arguments.reference)
    recipe = Recipe(
        epochs=arguments.epochs, mirrored=arguments.mirror, refit=not arguments.keep_judged
    )
    tried: list[str] = []
    total = 1
    if policy is None and samples.labels is not None:
        total = len(ESCALATION) - (reference is None)  # statistics needs one
    verbose = bool(arguments.verbose + arguments.more_verbose)
    with Progress("train", total, lambda: len(tried), verbose, "policies"):
        choice = train_update(base, samples, aim, reference, recipe, tried.append)
    target = make_target(base, choice.sent.network)
    result = {**_document(choice), **written.write(arguments, base, target, key)}
    result["sent"] = {**_sent(choice, len(samples)), "bytes": result["bytes"]}
    print(json.dumps(result, indent=2) if arguments.json else _text(result))


def _check_needs(arguments: argparse.Namespace) -> None:
    """Refuse a policy without the samples that it needs, by the names of their options.

    Raises:
        ExecutionError: labels or reference samples are missing.
    """
    policy, labels, reference = arguments.policy, arguments.labels, arguments.reference
    like = "--reference X.npz, samples like those of the training, without labels"
    if policy == AUTO and labels is None and reference is None:
        raise ExecutionError(
            "neither labels nor reference samples are given, so no policy can be tried; give"
            f" {like}, or --labels Y.npz, a class for each sample, better both"
        )
    if policy == "statistics" and reference is None:
        raise ExecutionError(f"policy statistics needs reference samples, got none; give {like}")
    if policy not in {AUTO, "statistics"} and labels is None:
        raise ExecutionError(
            f"policy {policy} needs labels, got none; give --labels Y.npz, a class for each sample,"
            " or choose --policy statistics"
        )


def _budget(text: str) -> int | float:
    """Return bytes as a whole number, or a share as a fraction.

    Raises:
        ArgumentTypeError: it is neither.
    """
    if not text.endswith("%"):
        return positive(text)
    try:
        share = float(text[:-1]) / 100
    except ValueError:
        share = 0.0
    if not 0 < share < float("inf"):
        raise argparse.ArgumentTypeError(f"got {text!r}, expected a share such as 5%")
    return share


def _share(text: str) -> float:
    """Return a number between 0 and 1.

    Raises:
        ArgumentTypeError: it is none.
    """
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise argparse.ArgumentTypeError(f"got {text!r}, expected a share from 0 to 1, as 0.9")
    return share


def _budget_bytes(base: Deployment, budget: int | float | None) -> int | None:
    if isinstance(budget, float):
        return int(budget * (base.segments.weights_bytes + base.segments.tables_bytes))
    return budget


def _samples(network: Network, path: Path, labels: Path | None) -> Samples:
    codes = _codes(network, path)
    classes = int(np.prod(network.tensors[network.output].shape))
    return Samples(codes, arrays.read_labels(labels, len(codes), classes) if labels else None)


def _codes(network: Network, path: Path) -> Codes:
    return network.encode_input(arrays.read_array(path, ("x", "X")))


def _sent(choice: Choice, samples: int) -> dict[str, Any]:
    """Return what is said of what is sent, which need not be what was judged."""
    sent = choice.sent
    return {
        "judged": sent.right is not None,
        "samples": samples - (0 if sent.right is None else len(sent.right)),
        "step_codes": sent.step_codes,
        "clipped_channels": sent.clipped,
    }


def _document(choice: Choice) -> dict[str, Any]:
    judged = choice.trial.right is not None
    return {
        "policy": choice.trial.policy,
        "reason": choice.reason,
        "trained_again": choice.refitted is not None,
        "held_back": 0 if choice.trial.right is None else len(choice.trial.right),
        "trials": [
            {
                "policy": trial.policy,
                "accuracy": trial.accuracy if judged else None,
                "bytes": trial.package_bytes,
                "clipped_channels": trial.clipped,
            }
            for trial in choice.trials
        ],
        "refused": [
            {"policy": policy, "reason": str(refusal)} for policy, refusal in choice.refusals
        ],
    }


def _text(result: dict[str, Any]) -> str:
    lines = [f"{result['policy']}: {result['reason']}"]
    for trial in result["trials"]:
        name = trial["policy"] or "as it is"
        accuracy = "" if trial["accuracy"] is None else f"{trial['accuracy']:8.1%}"
        cut = _cut_text(trial["clipped_channels"])
        lines.append(f"  {name:<18}{accuracy}{trial['bytes']:>10,} bytes{cut}")
    lines += [f"  {each['policy']:<18}not sent: {each['reason']}" for each in result["refused"]]
    if result["held_back"]:
        lines.append(f"  on {result['held_back']} samples held back, int8")
    return "\n".join([*lines, _sent_text(result), written.text(result)])


def _sent_text(result: dict[str, Any]) -> str:
    sent, steps = result["sent"], ""
    if sent["step_codes"] > 1:
        steps = f", weights in steps of {sent['step_codes']} codes"
    again = " again" if result["trained_again"] else ""
    judged = "as judged above" if sent["judged"] else "not judged"
    return (
        f"sent: trained{again} on {sent['samples']} samples, {sent['bytes']:,} bytes, {judged}"
        f"{steps}{_cut_text(sent['clipped_channels'])}"
    )


def _cut_text(channels: int) -> str:
    if not channels:
        return ""
    return f", {count_text(channels, 'channel')} cut off at the largest or least gain"
