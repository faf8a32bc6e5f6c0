"""What is known of a deployment without running it, as plain data for `--json` and for tables."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fpga_rt.arch.boards import Board
from fpga_rt.cli.devices import loads_us
from fpga_rt.contract.memory_map import align
from fpga_rt.deployment.model import Deployment
from fpga_rt.modules.registry import by_identity
from fpga_rt.planner.baseline import static_baseline
from fpga_rt.planner.binding import bind
from fpga_rt.planner.predict import predict
from fpga_rt.planner.schedule import Policy
from fpga_rt.runtime.assumptions import assumptions
from fpga_rt.runtime.report import to_us
from fpga_rt.runtime.report_text import time_text

CLOCK = "virtual"
_PASSES = 3
"""Requests that are predicted: the first is cold, the last is what every later one takes."""

Json = dict[str, Any]


def describe(deployment: Deployment, target: Board, batch: int, policy: Policy, port: str) -> Json:
    """Return everything that `fpga-rt inspect` shows.

    Raises:
        PlanningError: a module of the deployment is not installed.
    """
    predicted = prediction(deployment, target, batch, policy, port)
    static = baseline(deployment, target, batch)
    return {
        "network": deployment.network.name,
        "board": target.name,
        "title": target.title,
        "partitions": [target.partitions[i].name for i in deployment.partitions],
        "clock": CLOCK,
        "clock_hz": round(1e12 / target.clock_ps),
        "origin": target.origin,
        "calibration": target.calibration or None,
        "assumptions": assumptions(target, port),
        "steps": list(_steps(deployment, target)),
        "modules": list(_modules(deployment, target)),
        "feature_memory": _feature_memory(deployment, target, batch),
        "blocks": _blocks(deployment),
        "module_changes": deployment.module_changes,
        "predicted": predicted,
        "static_baseline": static,
        "verdict": verdict(predicted, static),
    }


def prediction(
    deployment: Deployment, target: Board, batch: int, policy: Policy, port: str
) -> Json:
    """Predict the first (cold) request and those that follow once modules are where they were.

    Raises:
        PlanningError: a module of the deployment is not installed.
    """
    shorter, longer = (
        predict(target, [(deployment, batch)] * count, policy, port)
        for count in (_PASSES - 1, _PASSES)
    )
    cold_ps, warm_ps = (end - start for start, end in (longer.requests[0], longer.requests[-1]))
    swaps = longer.swaps - shorter.swaps
    return {
        "batch": batch,
        "prefetch": policy,
        "port": port,
        "cold_us": to_us(cold_ps),
        "warm_us": to_us(warm_ps),
        "image_us": to_us(warm_ps) / batch,
        "inferences_per_s": batch * 1e12 / warm_ps,
        "swaps": swaps,
        "swaps_per_inference": swaps / batch,
    }


def baseline(deployment: Deployment, target: Board, batch: int) -> Json | None:
    """Return the static design of the same area, None when its modules do not fit together."""
    found = static_baseline(deployment.network, target, deployment.partitions, batch)
    if found is None:
        return None
    return {
        "modules": list(found.modules),
        "resources": vars(found.resources),
        "batch": batch,
        "warm_us": to_us(found.latency_ps),
        "image_us": to_us(found.latency_ps) / batch,
        "inferences_per_s": batch * 1e12 / found.latency_ps,
    }


def verdict(predicted: Json, static: Json | None) -> str:
    """Say in a sentence whether reconfiguration pays at the predicted batch."""
    if static is None:
        return (
            "No static design holds all of this network's modules in the same area: it runs there"
            " only with reconfiguration."
        )
    image_us, static_us = predicted["image_us"], static["image_us"]
    figures = (
        f"{time_text(image_us)} an image, a static design of the same area {time_text(static_us)}"
    )
    wins = image_us <= static_us
    ratio = static_us / image_us if wins else image_us / static_us
    result = f"{figures} ({ratio:.1f} times {'as long' if wins else 'faster'})."
    if not predicted["swaps"]:
        return f"Nothing is swapped: {result}"
    return f"Reconfiguration {'wins' if wins else 'loses'}: {result}"


def _steps(deployment: Deployment, target: Board) -> Iterator[Json]:
    for number, launch in enumerate(deployment.launches):
        for step in launch.steps:
            yield {
                "launch": number,
                "layer": step.layer,
                "operation": step.operation,
                "partition": target.partitions[step.partition].name,
                "module": step.module,
                "channels": list(step.channels),
                "commands": step.commands[1],
                "weight_bytes": sum(block.size_bytes for block in step.weights),
                "table_bytes": sum(block.size_bytes for block in step.tables),
                "parameter_cycles": step.parameter_cycles,
                "compute_cycles": step.compute_cycles,
            }


def _modules(deployment: Deployment, target: Board) -> Iterator[Json]:
    installed = by_identity()
    for index, name in sorted(deployment.loads):
        partition = target.partitions[index]
        module = installed.get(deployment.module_ids[name])
        yield {
            "partition": partition.name,
            "module": name,
            "used": vars(module.resources) if module else None,
            "available": vars(partition.resources),
            "bitstream_bytes": partition.bitstream_bytes,
            "load_us": loads_us(target, partition),
            "load_origins": {
                name: "calibrated" if port.origin == "calibrated" else "modelled"
                for name, port in target.ports.items()
            },
        }


def _feature_memory(deployment: Deployment, target: Board, batch: int) -> Json:
    segments, binding = deployment.segments, bind(deployment, batch)
    return {
        "image_bytes": align(segments.features_bytes),
        "images_at_a_time": binding.depth,
        "needed_bytes": binding.depth * align(segments.features_bytes),
        "available_bytes": target.feature_memory_bytes,
        "on_chip_images": segments.on_chip_images,
        "on_chip": binding.on_chip,
    }


def _blocks(deployment: Deployment) -> Json:
    steps = [step for launch in deployment.launches for step in launch.steps]
    return {
        "weights": len({block.digest for step in steps for block in step.weights}),
        "weights_bytes": deployment.segments.weights_bytes,
        "tables": len({block.digest for step in steps for block in step.tables}),
        "tables_bytes": deployment.segments.tables_bytes,
        "bitstreams": len(deployment.bitstreams),
        "bitstream_bytes": sum(map(len, deployment.bitstreams.values())),
        "static_id": f"{deployment.static_id:#018x}" if deployment.static_id else None,
    }
