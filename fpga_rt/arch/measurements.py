"""Measurements in files: reports of a self-check, and calibrations made from them.

Both are JSON of one shape; `docs/reference/measurements.md` describes it. Every figure carries its
unit, clock, origin, command and board, so that none can be taken for what it is not.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal

from fpga_rt.errors import ArtifactError

Kind = Literal["selfcheck", "calibration"]

VERSION = 1
ORIGINS = ("measured", "rtl", "replayed")
"""What a model may be calibrated by; `modelled` is not among them."""
CLOCKS = ("wall", "virtual")
_TEXTS = ("board", "device", "measured")
_FIGURE_TEXTS = ("name", "unit", "clock", "origin", "command", "board")


@dataclass(frozen=True)
class Figure:
    """A figure, and all that says what it is.

    Attributes:
        name: dotted, for example `port.icap.rate`.
        value: finite and not negative.
        unit: of the value.
        clock: that it was taken by, `wall` or `virtual`.
        origin: where it comes from, one of `ORIGINS`.
        command: that measured it.
        board: on which it was measured.
    """

    name: str
    value: float
    unit: str
    clock: str
    origin: str
    command: str
    board: str


@dataclass(frozen=True)
class Measurements:
    """Figures of one board.

    Attributes:
        board: name of the board.
        device: that was measured, as in `--device`.
        measured: when, ISO 8601.
        figures: by name.
    """

    board: str
    device: str
    measured: str
    figures: Mapping[str, Figure]

    def data(self, kind: Kind) -> dict[str, Any]:
        """Return the content of a file as plain data; more keys may be added to it."""
        head = {"format": _format(kind), "version": VERSION}
        texts = {name: getattr(self, name) for name in _TEXTS}
        figures = [asdict(figure) for figure in self.figures.values()]
        return {**head, **texts, "figures": figures}

    def encode(self, kind: Kind) -> str:
        """Return the text of a file."""
        return json.dumps(self.data(kind), indent=2) + "\n"


def decode(text: str, where: str, kind: Kind) -> Measurements:
    """Read the text of a file.

    Args:
        text: its content.
        where: its name, for messages.
        kind: what it should be.

    Raises:
        ArtifactError: it is no JSON, of another format or version, or a figure lacks something,
            is out of range, of another board, or there twice.
    """
    data = _object(text, where)
    _check_format(data, where, kind)
    texts = {name: _text(data, name, where) for name in _TEXTS}
    _check_date(texts["measured"], where)
    entries = data.get("figures")
    if not isinstance(entries, list) or not entries:
        raise ArtifactError(f"{where}: `figures` is not a list of figures; measure again")
    figures: dict[str, Figure] = {}
    for number, entry in enumerate(entries):
        figure = _figure(entry, f"{where}: figure {number}", texts["board"])
        if figure.name in figures:
            raise ArtifactError(
                f"{where}: figure {number}, {figure.name}, is there twice, expected it once;"
                " measure again"
            )
        figures[figure.name] = figure
    return Measurements(figures=figures, **texts)


def _format(kind: Kind) -> str:
    return f"fpga-rt {kind}"


def _object(text: str, where: str) -> Mapping[str, Any]:
    try:
        data = json.loads(text)
    except ValueError as error:
        raise ArtifactError(f"{where} is no JSON ({error}); measure again") from error
    if not isinstance(data, dict):
        raise ArtifactError(f"{where} holds a {type(data).__name__}, expected an object of JSON")
    return data


def _check_format(data: Mapping[str, Any], where: str, kind: Kind) -> None:
    found, version = data.get("format"), data.get("version")
    if found != _format(kind):
        advice = {
            "selfcheck": "give the report that `fpga-rt selfcheck` wrote",
            "calibration": "make one with `fpga-rt calibrate REPORT.json`",
        }[kind]
        raise ArtifactError(f"{where}: format {found!r}, expected {_format(kind)!r}; {advice}")
    if version != VERSION or isinstance(version, bool):
        raise ArtifactError(
            f"{where}: version {version!r}, expected {VERSION}; measure again with this version"
        )


def _text(data: Mapping[str, Any], name: str, where: str) -> str:
    value = data.get(name)
    if not isinstance(value, str) or not value.strip():
        raise ArtifactError(f"{where}: `{name}` is {value!r}, expected text; measure again")
    return value


def _check_date(text: str, where: str) -> None:
    try:
        datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        raise ArtifactError(
            f"{where}: `measured` is {text!r}, expected a date as 2026-11-23 or"
            " 2026-11-23T21:00:00Z; measure again"
        ) from None


def _figure(entry: object, where: str, board: str) -> Figure:
    if not isinstance(entry, dict):
        raise ArtifactError(f"{where} is {entry!r}, expected an object; measure again")
    name = entry.get("name")
    where = f"{where}, {name}" if isinstance(name, str) else where
    texts = {key: _text(entry, key, where) for key in _FIGURE_TEXTS}
    value = entry.get("value")
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ArtifactError(f"{where}: `value` is {value!r}, expected a number; measure again")
    if not math.isfinite(value) or value < 0:
        raise ArtifactError(f"{where}: `value` is {value!r}, expected 0 or more; measure again")
    for key, allowed in (("clock", CLOCKS), ("origin", ORIGINS), ("board", (board,))):
        if texts[key] not in allowed:
            raise ArtifactError(
                f"{where}: `{key}` is {texts[key]!r}, expected {' or '.join(map(repr, allowed))};"
                " figures of different kinds are never mixed"
            )
    return Figure(value=value, **texts)
