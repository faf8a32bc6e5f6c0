"""Study files: TOML, checked in full before anything runs.

An error names the file, the line and what would have been right.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path

from fpga_rt.errors import FpgaRtError
from fpga_rt.study import values
from fpga_rt.study.axes import ALL, AXES, DEFAULT_BOARD, Point, Value, grid, name_of, text
from fpga_rt.study.text_file import read_text
from fpga_rt.study.toml_file import Table, TomlFile, expected, unknown
from fpga_rt.study.trace_file import read_trace
from fpga_rt.study.updates import TEST_VECTORS, WAYS, Updates
from fpga_rt.study.workload import KINDS, ORDERS, Kind, Workload

MOST_POINTS = 1_000_000
MOST_REQUESTS = 10_000_000
_MOST_VECTORS = 1000
"""Of an update; they may be the images of one request."""
_MOST_BYTES = 10**12
_DELAY = values.or_zero(values.milliseconds)
_TABLES = ("study", "networks", "workload", "sweep")
_STUDY_KEYS = ("title", "seed", "exact_seconds")
_DRAWN_KEYS = ("requests", "mix", "order", "rate_hz")
"""What a recorded trace says itself."""
_UPDATE_KEYS = (
    "update_every", "update_every_s", "update_bytes", "update_share", "update_to", "way",
    "link_kbit_s", "link_delay_ms", "vectors", "vectors_between",
)  # fmt: skip
"""Of a stream under drift."""
_WORKLOAD_KEYS = ("kind", *_DRAWN_KEYS, "deadline_us", "queue", "trace", *_UPDATE_KEYS)
_REQUESTS = {"single-stream": 18, "gateway": 18, "server": 1000, "drift": 10_000}
"""Where a workload does not say how many."""

_NETWORK_KEYS = ("model", "partitions")
_ENTRIES = {
    "networks": 'at least one model file by name, as ic = "ic.onnx"',
    "workload": "at least one workload, as [workload.NAME]",
    "workload.": f"some of {', '.join(_WORKLOAD_KEYS)}",
    "sweep": f"at least one of {', '.join(AXES)}",
}
"""What an empty table should have."""


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
        name: of the file.
        title: in prose.
        seed: of everything drawn at random.
        exact_seconds: that the policy `exact` may take for a point.
        networks: by name.
        workloads: by name.
        sweep: settings by axis.
        points: by name, in order.
        digest: SHA-256 of the file.
    """

    name: str
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
    content = read_text(path)
    digest = hashlib.sha256(content.encode()).hexdigest()
    return _Reader(path, content).study(models or path.parent, digest)


def _requests(value: object) -> int:
    count = values.positive(value)
    if count > MOST_REQUESTS:
        raise ValueError(f"at most {MOST_REQUESTS:,}, each of which is worked out")
    return count


def _unused(kind: Kind, only: str) -> values.Check:
    """Return a check for what a workload of a kind does not have."""
    return values.unused(f"a workload of kind {kind}", f"in a {only}")


class _Reader(TomlFile):
    """What a study file says."""

    tables, entries = _TABLES, _ENTRIES

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
        points = {name_of(point, sweep): point for point in grid(sweep)}
        if len(points) < count:
            raise self._error(
                ("sweep",), f"{count:,} points have only {len(points):,} names; rename workloads or"
                " calibration files whose names hold the names of axes",
            )  # fmt: skip
        return Study(
            name=self._path.name,
            title=self._checked(("study", "title"), values.is_text, self._path.stem),
            seed=self._checked(("study", "seed"), values.natural, 1),
            exact_seconds=self._checked(("study", "exact_seconds"), values.seconds, 2.0),
            networks={name: self._network(name, models) for name in networks},
            workloads=workloads,
            sweep=sweep,
            points=points,
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
        if "trace" in table:
            return self._recorded(name, kind, networks)
        mix = table.get("mix", dict.fromkeys(networks, 1))
        if not isinstance(mix, dict) or not mix:
            raise self._error((*at, "mix"), f"mix is {mix!r}, expected a table as {{ic = 1}}")
        for network in mix:
            if network not in networks:
                raise self._error((*at, "mix"), unknown("network", network, networks))
        order = values.one_of(ORDERS) if kind == "gateway" else _unused(kind, "gateway")
        turns = table.get("order", "turns") == "turns" and kind != "server"
        share = values.positive if turns else values.weight
        shares = {key: self._value((*at, "mix", key), value, share) for key, value in mix.items()}
        if kind in ("single-stream", "drift") and len(mix) != 1:
            what, instead = "a single stream", ", or make it a gateway"
            if kind == "drift":
                what, instead = "updates that reach a stream", ": it is the one that is updated"
            raise self._error(
                (*at, "mix"), f"{what} of {len(mix)} networks, expected one; name it in"
                f" `mix`{instead}",
            )  # fmt: skip
        server = kind == "server"
        rate = values.rate if server else _unused(kind, "server")
        within = values.microseconds if server else _unused(kind, "server")
        return Workload(
            name=name,
            kind=kind,
            requests=self._checked((*at, "requests"), _requests, _REQUESTS[kind]),
            mix=shares,
            order=self._checked((*at, "order"), order, "turns"),
            rate_hz=self._checked((*at, "rate_hz"), rate, None if server else 0.0),
            deadline_us=self._checked((*at, "deadline_us"), within, None if server else 0.0),
            queue=self._checked((*at, "queue"), values.positive if server else rate, 64),
            updates=self._updates(at, kind, next(iter(mix)), networks),
        )

    def _updates(
        self, at: tuple[str, ...], kind: Kind, network: str, networks: Table
    ) -> Updates | None:
        """Return the updates of a stream under drift; other workloads have none."""
        if kind != "drift":
            for key in _UPDATE_KEYS:
                self._checked((*at, key), _unused(kind, "workload of kind drift"), 0)
            return None
        way = self._checked((*at, "way"), values.one_of(WAYS), "bank")
        self._one_of(at, "update_every", "update_every_s")
        self._one_of(at, "update_bytes", "update_share")
        here = f"updates of way {way}"
        tested = values.whole(0, _MOST_VECTORS)
        if way == "region":
            tested = values.unused(here, "of bank or program")
        some = values.whole(1, _MOST_VECTORS)
        between = some if way == "bank" else values.unused(here, "of bank")
        others = [name for name in networks if name != network]
        if way == "program" and not others:
            raise self._error(
                (*at, "way"), f"way is 'program', to another network, but {network} is the only"
                " one; add the other to [networks], or expected one of bank, region",
            )  # fmt: skip
        other = values.one_of(others) if way == "program" else values.unused(here, "of program")
        return Updates(
            link_kbit_s=self._checked((*at, "link_kbit_s"), values.rate),
            every=self._checked((*at, "update_every"), values.positive, 0),
            every_s=self._checked((*at, "update_every_s"), values.seconds, 0.0),
            size_bytes=self._checked((*at, "update_bytes"), values.whole(1, _MOST_BYTES), 0),
            share=self._checked((*at, "update_share"), values.share, 0.0),
            link_delay_ms=self._checked((*at, "link_delay_ms"), _DELAY, 0.0),
            way=way,
            vectors=self._checked((*at, "vectors"), tested, 0 if way == "region" else TEST_VECTORS),
            between=self._checked((*at, "vectors_between"), between, 1),
            network=network,
            other=self._checked((*at, "update_to"), other, None if way == "program" else ""),
        )

    def _one_of(self, at: tuple[str, ...], *keys: str) -> None:
        """Refuse a table that has none of two keys, or both."""
        given = [key for key in keys if key in self._data["workload"][at[-1]]]
        if len(given) != 1:
            problem = f"{' and '.join(given)} are both given" if given else "neither is given"
            raise self._error((*at, *given[-1:]), f"{problem}, expected one of {', '.join(keys)}")

    def _recorded(self, name: str, kind: Kind, networks: Table) -> Workload:
        """Return a workload whose requests are a recorded trace's."""
        at = ("workload", name)
        for key in _DRAWN_KEYS:
            if key in self._data["workload"][name]:
                raise self._error((*at, key), f"{key} is given beside a trace, whose lines say it;"
                                  " leave one of the two out")  # fmt: skip
        if kind in ("single-stream", "drift"):
            what = "a single stream" if kind == "single-stream" else "a stream under drift"
            raise self._error((*at, "trace"), f"{what} has no trace, expected kind gateway"
                              " (its order) or server (its times); change `kind`")  # fmt: skip
        self._updates(at, kind, "", networks)
        path = self._path.parent / str(self._checked((*at, "trace"), values.is_text))
        trace = self._value((*at, "trace"), path, lambda path: read_trace(path, list(networks)))
        server = kind == "server"
        check = values.microseconds if server else _unused(kind, "server")
        own = not server or all(request.deadline_us is not None for request in trace)
        named = [request.network for request in trace]
        return Workload(
            name=name,
            kind=kind,
            requests=len(trace),
            mix={network: float(named.count(network)) for network in dict.fromkeys(named)},
            deadline_us=self._checked((*at, "deadline_us"), check, 0.0 if own else None),
            queue=self._checked((*at, "queue"), values.positive if server else check, 64),
            trace=trace,
            trace_sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        )

    def _sweep(self, workloads: Mapping[str, Workload]) -> dict[str, Sequence[Value]]:
        table = self._table("sweep")
        self._check_keys(("sweep",), table, AXES)
        if "workload" not in table:
            table = {"workload": list(workloads), **table}
        sweep: dict[str, Sequence[Value]] = {}
        for axis in (axis for axis in AXES if axis in table):
            given = table[axis] if isinstance(table[axis], list) else [table[axis]]
            check = values.axis(axis, workloads, self._path.parent)
            if not given:
                what = values.choices(axis, sweep.get("board", (DEFAULT_BOARD,))) or expected(check)
                raise self._error(
                    ("sweep", axis), f"{axis} has no values, expected at least one: {what}; give"
                    " one, or leave the axis out",
                )  # fmt: skip
            settings = [self._value(("sweep", axis), value, check) for value in given]
            names = [text(setting) for setting in settings]  # results tell points apart by them
            if len(set(names)) < len(names):
                twice = max(names, key=names.count)
                raise self._error(
                    ("sweep", axis), f"{axis} has two values named {twice}; give each once"
                )
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
