"""Study files: TOML, checked in full before anything runs.

An error names the file, the line and what would have been right. The library that parses TOML does
not keep line numbers, so a key's line is found again in the text.
"""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from math import prod
from pathlib import Path
from types import ModuleType
from typing import Any

from fpga_rt.errors import ArtifactError, FpgaRtError, ToolchainError
from fpga_rt.study import values
from fpga_rt.study.axes import ALL, AXES, DEFAULT_BOARD, Point, Value, grid, name_of
from fpga_rt.study.workload import KINDS, ORDERS, Workload

MOST_POINTS = 1_000_000
_TABLES = ("study", "networks", "workload", "sweep")
_STUDY_KEYS = ("title", "seed", "exact_seconds")
_WORKLOAD_KEYS = ("kind", "requests", "mix", "order", "rate_hz", "deadline_us", "queue")

Table = dict[str, Any]


_NETWORK_KEYS = ("model", "partitions")


@dataclass(frozen=True)
class NetworkFile:
    """A network of a study: its model file, and the partitions it is compiled for.

    `partitions` is None for those of the point.
    """

    path: Path
    partitions: int | tuple[int, ...] | None = None


@dataclass(frozen=True, eq=False)
class Study:
    """A study as its file says it.

    Attributes:
        title: in prose.
        seed: of everything drawn at random.
        exact_seconds: that the policy `exact` may take for a point.
        networks: by name.
        workloads: by name.
        sweep: settings by axis.
        points: by name, in order.
        digest: SHA-256 of the file.
    """

    title: str
    seed: int
    exact_seconds: float
    networks: Mapping[str, NetworkFile]
    workloads: Mapping[str, Workload]
    sweep: Mapping[str, Sequence[Value]]
    points: Mapping[str, Point]
    digest: str


def read(path: Path, models: Path | None = None) -> Study:
    """Read a study.

    Args:
        path: of the file.
        models: folder that relative paths of models stand in; the file's own by default.

    Raises:
        ArtifactError: the file cannot be read, or something in it is wrong or missing.
        ToolchainError: this Python has no reader of TOML.
    """
    try:
        data = path.read_bytes()
        content = data.decode()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise ArtifactError(f"{path} cannot be read ({reason}); check the path") from error
    return _Reader(path, content).study(models or path.parent, hashlib.sha256(data).hexdigest())


def _toml() -> ModuleType:
    try:
        return import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
    except ImportError as error:
        raise ToolchainError(
            "study files are TOML, which Python reads from 3.11 on; run"
            " `pip install 'fpga-rt[study]'`"
        ) from error


class _Reader:
    """A file's text, for messages, and what it says."""

    def __init__(self, path: Path, content: str) -> None:
        self._path, self._lines = path, content.splitlines()
        toml = _toml()
        try:
            self._data: Table = toml.loads(content)
        except toml.TOMLDecodeError as error:
            raise ArtifactError(f"{path}: {error}; study files are TOML") from error

    def study(self, models: Path, digest: str) -> Study:
        """Return what the file says."""
        self._check_keys((), self._data, _TABLES)
        head = self._table("study") if "study" in self._data else {}
        networks = self._table("networks")
        self._check_keys(("study",), head, _STUDY_KEYS)
        workloads = {name: self._workload(name, networks) for name in self._table("workload")}
        sweep = self._sweep(workloads)
        count = prod(map(len, sweep.values()))
        if count > MOST_POINTS:
            raise self._error(
                ("sweep",),
                f"{count:,} points, expected at most {MOST_POINTS:,}; sweep fewer values",
            )
        return Study(
            title=self._checked(("study", "title"), values.is_text, self._path.stem),
            seed=self._checked(("study", "seed"), values.natural, 1),
            exact_seconds=self._checked(("study", "exact_seconds"), values.above_zero, 2.0),
            networks={name: self._network(name, models) for name in networks},
            workloads=workloads,
            sweep=sweep,
            points={name_of(point, sweep): point for point in grid(sweep)},
            digest=digest,
        )

    def _network(self, name: str, models: Path) -> NetworkFile:
        at: tuple[str, ...] = ("networks", name)
        entry = self._data["networks"][name]
        partitions = None
        if isinstance(entry, dict):
            self._check_keys(at, entry, _NETWORK_KEYS)
            own = self._checked((*at, "partitions"), values.partitions, ALL)
            partitions = None if own == ALL else own
            at = (*at, "model")
        path = models / str(self._checked(at, values.is_text))
        if not path.is_file():
            raise self._error(
                at, f"there is no model file {path}; give the folder of the models with --models"
            )
        return NetworkFile(path, partitions)

    def _workload(self, name: str, networks: Table) -> Workload:
        at = ("workload", name)
        table = self._table(*at)
        self._check_keys(at, table, _WORKLOAD_KEYS)
        kind = self._checked((*at, "kind"), values.one_of(KINDS), "gateway")
        mix = table.get("mix", dict.fromkeys(networks, 1))
        if not isinstance(mix, dict) or not mix:
            raise self._error((*at, "mix"), f"mix is {mix!r}, expected a table as {{ic = 1}}")
        for network in mix:
            if network not in networks:
                raise self._error((*at, "mix"), _unknown("network", network, networks))
        turns = table.get("order", "turns") == "turns" and kind != "server"
        share = values.positive if turns else values.above_zero
        shares = {key: self._value((*at, "mix", key), value, share) for key, value in mix.items()}
        if kind == "single-stream" and len(mix) != 1:
            raise self._error(
                (*at, "mix"), f"a single stream of {len(mix)} networks, expected one; name it in"
                " `mix`, or make it a gateway",
            )  # fmt: skip
        server = kind == "server"
        rate = values.above_zero if server else values.unused(kind)
        return Workload(
            name=name,
            kind=kind,
            requests=self._checked((*at, "requests"), values.positive, 1000 if server else 18),
            mix=shares,
            order=self._checked((*at, "order"), values.one_of(ORDERS), "turns"),
            rate_hz=self._checked((*at, "rate_hz"), rate, None if server else 0.0),
            deadline_us=self._checked((*at, "deadline_us"), rate, None if server else 0.0),
            queue=self._checked((*at, "queue"), values.positive if server else rate, 64),
        )

    def _sweep(self, workloads: Mapping[str, Workload]) -> dict[str, Sequence[Value]]:
        table = self._table("sweep")
        self._check_keys(("sweep",), table, AXES)
        if "workload" not in table:
            table = {"workload": list(workloads), **table}
        sweep: dict[str, Sequence[Value]] = {}
        for axis in (axis for axis in AXES if axis in table):
            given = table[axis] if isinstance(table[axis], list) else [table[axis]]
            if not given:
                raise self._error(("sweep", axis), f"{axis} has no values, expected at least one;"
                                  " give one, or leave the axis out")  # fmt: skip
            check = values.axis(axis, workloads, self._path.parent)
            settings = [self._value(("sweep", axis), value, check) for value in given]
            if len(set(map(str, settings))) < len(settings):
                raise self._error(("sweep", axis), f"{axis} has a value twice; give each once")
            sweep[axis] = settings
        self._check_boards(sweep)
        return sweep

    def _check_boards(self, sweep: Mapping[str, Sequence[Value]]) -> None:
        """Refuse settings that a board does not have, before a point of it is met."""
        for name in map(str, sweep.get("board", (DEFAULT_BOARD,))):
            for axis in ("calibration", "port", "partitions"):
                for value in sweep.get(axis, ()):
                    self._check_board(name, ("sweep", axis), value)
            for network, entry in self._data["networks"].items():
                own = entry.get("partitions", ALL) if isinstance(entry, dict) else ALL
                self._check_board(name, ("networks", network, "partitions"), own)

    def _check_board(self, name: str, at: Sequence[str], value: Value) -> None:
        try:
            values.check_board(name, at[-1], value)
        except FpgaRtError as error:
            raise self._error(at, str(error)) from error

    def _table(self, *at: str) -> Table:
        table: Any = self._data
        for key in at:
            if key not in table:
                raise self._error(at[:-1], f"there is no table [{'.'.join(at)}]; a study has"
                                  f" {', '.join(f'[{name}]' for name in _TABLES)}")  # fmt: skip
            table = table[key]
        if not isinstance(table, dict) or not (table or at == ("study",)):
            raise self._error(at, f"{'.'.join(at)} is {table!r}, expected a table with entries")
        return table

    def _checked(
        self, at: Sequence[str], check: Callable[[Any], Any], default: object = None
    ) -> Any:  # noqa: ANN401 - a check says of what type its values are
        """Return a value that passed a check, or the default where there is none."""
        table: Any = self._data
        for key in at[:-1]:
            table = table.get(key, {})
        if at[-1] not in table:
            if default is None:
                raise self._error(at[:-1], f"{at[-1]} is missing")
            return default
        return self._value(at, table[at[-1]], check)

    def _value(self, at: Sequence[str], value: object, check: Callable[[Any], Any]) -> Any:  # noqa: ANN401
        try:
            return check(value)
        except ValueError as error:
            raise self._error(at, f"{at[-1]} is {value!r}, expected {error}") from error
        except FpgaRtError as error:
            raise self._error(at, str(error)) from error

    def _check_keys(self, at: Sequence[str], table: Table, known: Sequence[str]) -> None:
        for key in table:
            if key not in known:
                raise self._error((*at, key), _unknown("key", key, known))

    def _error(self, at: Sequence[str], message: str) -> ArtifactError:
        return ArtifactError(f"{self._path}:{line_of(self._lines, at)}: {message}")


def _unknown(what: str, name: str, known: Sequence[str] | Mapping[str, object]) -> str:
    return f"unknown {what} {name!r}, expected one of {', '.join(known)}"


def line_of(lines: Sequence[str], at: Sequence[str]) -> int:
    """Return the line, from 1 on, of a key or table; of the nearest one around it otherwise."""
    best, deepest, table = 1, 0, []
    for number, line in enumerate(lines, 1):
        header = re.match(r"\s*\[+\s*([^\]]+?)\s*\]+", line)
        if header:
            table = _split(header.group(1))
            found = table
        else:
            key = re.match(r"\s*([\w.\"'-]+)\s*=", line)
            if not key:
                continue
            found = [*table, *_split(key.group(1))]
            if "{" in line and len(at) > len(found) and list(at[: len(found)]) == found:
                found = list(at) if re.search(rf"\b{re.escape(at[-1])}\b\s*=", line) else found
        depth = len(found) if list(at[: len(found)]) == found else 0
        if depth > deepest:
            best, deepest = number, depth
    return best


def _split(dotted: str) -> list[str]:
    return [part.strip().strip("\"'") for part in dotted.split(".")]
