"""What every layer of a run took: as plain data, and as tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fpga_rt.arch.boards import Board
from fpga_rt.cli.table import indented, table
from fpga_rt.runtime.layers import Cycles, StepWork, Work, by_kind, total

_WORK_HEADERS = (
    "products", "cycles\npredicted", "cycles\ncounted", "waiting\npredicted", "waiting\ncounted",
    "busy", "busy with\nwaiting",
)  # fmt: skip
_MOVED_HEADERS = ("input\nbytes", "output\nbytes", "residual\nbytes", "weights\nbytes",
                  "tables\nbytes")  # fmt: skip


def layers_json(parts: Sequence[StepWork], board: Board, origin: str) -> dict[str, Any]:
    """Return the figures of every step, of every kind of layer, and in total, an image each."""
    steps = [
        {
            "launch": part.launch,
            "layer": part.step.layer,
            "kind": part.kind,
            "partition": board.partitions[part.step.partition].name,
            "module": part.step.module,
            "multipliers": part.multipliers,
            **part.work.to_json(),
        }
        for part in parts
    ]
    kinds = {kind: work.to_json() for kind, work in by_kind(parts).items()}
    origins = {"predicted": board.origin, "counted": origin}
    return {"origins": origins, "steps": steps, "kinds": kinds, "total": total(parts).to_json()}


def layers_text(parts: Sequence[StepWork], board: Board, origin: str) -> str:
    """Return the same as tables: first cycles by step and by kind, then bytes."""
    rows: list[tuple[object, ...]] = [
        (*_who(part, board)[:-1], part.multipliers or None, *_work(part.work)) for part in parts
    ]
    blank = (None,) * 2
    rows += [("", "", kind, *blank, *_work(work)) for kind, work in by_kind(parts).items()]
    rows.append(("", "", "in total", *blank, *_work(total(parts))))
    headers = ("launch", "layer", "kind", "partition", "multi-\npliers", *_WORK_HEADERS)
    cycles = table(headers, "><<<>>>>>>>>", rows)
    moved: list[tuple[object, ...]] = [
        (*_who(part, board), *vars(part.work.moved).values()) for part in parts
    ]
    moved.append(("", "", "in total", None, None, *vars(total(parts).moved).values()))
    moved_headers = ("launch", "layer", "kind", "partition", "module", *_MOVED_HEADERS)
    return "\n".join(
        [
            f"Cycles of the compute clock, an image (predicted: {board.origin}; counted: {origin})",
            indented(cycles),
            "",
            "Bytes moved, an image",
            indented(table(moved_headers, "><<<<>>>>>", moved)),
        ]
    )


def _who(part: StepWork, board: Board) -> tuple[object, ...]:
    step = part.step
    partition = board.partitions[step.partition].name
    return part.launch, step.layer, part.kind, partition, step.module


def _work(work: Work) -> tuple[object, ...]:
    counted = work.counted
    return (
        work.macs,
        *_cycles(work.predicted, counted),
        _share(work.busy),
        _share(work.busy_overall),
    )


def _cycles(predicted: Cycles, counted: Cycles | None) -> tuple[object, ...]:
    """Return computing and waiting, each as predicted and as counted."""
    return (
        _number(predicted.computing),
        None if counted is None else _number(counted.computing),
        _number(predicted.waiting),
        None if counted is None else _number(counted.waiting),
    )


def _number(value: float) -> object:
    return value if isinstance(value, int) else f"{value:,.1f}"


def _share(value: float | None) -> str | None:
    return None if value is None else f"{value:.1%}"
