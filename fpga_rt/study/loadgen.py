"""MLPerf LoadGen in front of a runtime: SingleStream and Server, by the wall clock.

LoadGen measures wall time, so it measures the host's software, and the device only as far as that
waits for it. On a virtual clock a run may be *paced*: an answer is held back until as much wall
time has passed as the device's clock says, or a multiple of it, so that latencies are not those of
a device that takes no time. Where the emulator itself takes longer than that, nothing can be held
back; such queries are counted as `slower`. None of this may be mixed with percentiles of the
virtual clock, which `single_stream_ps` and `server_ps` compute apart from what the device's clock
said of each query.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from fpga_rt.errors import ArtifactError, ExecutionError, FpgaRtError, ToolchainError
from fpga_rt.runtime.model import LoadedModel
from fpga_rt.runtime.runtime import Codes, Request, Runtime

Scenario = Literal["SingleStream", "Server"]
SCENARIOS: tuple[Scenario, ...] = ("SingleStream", "Server")
SUMMARY = "mlperf_log_summary.txt"
_PS_PER_S = 10**12


@dataclass(frozen=True)
class Settings:
    """What a run asks for.

    MLPerf's own rules want 600 s; shorter runs are valid by these settings only, which LoadGen
    writes into its logs. It calls no run of SingleStream valid with less than 64 queries, and none
    of Server with less than 459.

    Attributes:
        seconds: at least; LoadGen goes on until `queries` are there too.
        queries: at least.
        expected_us: of SingleStream, about what a query takes.
        rate_hz: of Server, queries a second.
        latency_us: of Server, what 99 % of the queries must keep to.
        pace: wall time that a query takes at least, in multiples of the device's time for it; 1
            is real time, 0 holds nothing back.
    """

    seconds: float = 10.0
    queries: int = 500
    expected_us: float = 1000.0
    rate_hz: float = 100.0
    latency_us: float = 15_000.0
    pace: float = 1.0


@dataclass(frozen=True)
class Outcome:
    """What LoadGen says of a run.

    Attributes:
        scenario: which.
        valid: LoadGen's verdict.
        summary: its summary by key, as text.
        queries: that were answered.
        slower: those for which the host took longer than `pace` allows.
        service_ps: what the device's clock says of every query, in the order of the answers.
        clock: of everything but `service_ps`: always `wall`.
    """

    scenario: Scenario
    valid: bool
    summary: Mapping[str, str]
    queries: int
    slower: int
    service_ps: Sequence[int] = ()
    clock: str = "wall"

    def latency_ns(self, percent: str) -> int:
        """Return a percentile that LoadGen gives, as `90.00`.

        Raises:
            KeyError: it gives no such percentile.
        """
        return int(self.summary[f"{percent} percentile latency (ns)"])


def drive(
    runtime: Runtime,
    model: LoadedModel,
    codes: Codes,
    scenario: Scenario,
    folder: Path,
    settings: Settings | None = None,
) -> Outcome:
    """Have LoadGen send queries of one image each, and return what it says.

    Args:
        runtime: on an open device, for this alone.
        model: loaded there.
        codes: images (N, H, W, C) to draw from.
        scenario: how queries come.
        folder: of LoadGen's logs; made if it is not there.
        settings: how many and how fast.

    Interrupted, it answers what is left with nothing and ends when LoadGen does, which cannot be
    stopped: soon in SingleStream, when its schedule is through in Server.

    Raises:
        ToolchainError: LoadGen is not installed.
        FpgaRtError: a query failed; the others are answered with nothing so that LoadGen ends.
    """
    lg, settings = _library(), settings or Settings()
    folder.mkdir(parents=True, exist_ok=True)
    served = _Served(lg, runtime, model, codes, settings.pace)
    worker = threading.Thread(target=served.work, daemon=True)
    worker.start()
    sut = lg.ConstructSUT(served.issue, lambda: None)
    library = lg.ConstructQSL(len(codes), len(codes), lambda _: None, lambda _: None)
    arguments = (sut, library, _test(lg, scenario, settings), _logs(lg, folder), "")
    try:
        # In a thread of its own: an interrupt must not be raised below LoadGen's own frames.
        with ThreadPoolExecutor(1) as pool:
            running = pool.submit(lg.StartTestWithLogSettings, *arguments)
            try:
                running.result()
            except BaseException:
                served.stop()
                raise
    finally:
        served.issue(())
        worker.join()
        lg.DestroyQSL(library)
        lg.DestroySUT(sut)
    if served.error is not None:
        raise served.error
    summary = read_summary(folder / SUMMARY)
    valid = summary.get("Result is") == "VALID"
    return Outcome(
        scenario, valid, summary, served.queries, served.slower, tuple(served.service_ps)
    )


def single_stream_ps(service_ps: Sequence[int]) -> list[int]:
    """Return sorted latencies of queries that come when the one before is answered."""
    return sorted(service_ps)


def server_ps(service_ps: Sequence[int], rate_hz: float, seed: int = 1) -> list[int]:
    """Return sorted latencies of queries by a Poisson process, served one at a time in order.

    Args:
        service_ps: what the device takes for each.
        rate_hz: queries a second.
        seed: of the arrivals, which are not LoadGen's: those are of the wall clock.
    """
    rng = np.random.default_rng(seed)
    arrivals = np.cumsum(rng.exponential(_PS_PER_S / rate_hz, len(service_ps)))
    latencies, free = [], 0
    for arrival, service in zip(map(int, arrivals), service_ps, strict=True):
        free = max(free, arrival) + service
        latencies.append(free - arrival)
    return sorted(latencies)


def read_summary(path: Path) -> dict[str, str]:
    """Return LoadGen's summary by key.

    Raises:
        ArtifactError: it is not there, or no summary.
    """
    try:
        lines = path.read_text().splitlines()
    except OSError as error:
        raise ArtifactError(
            f"{path} cannot be read ({error.strerror}); LoadGen writes it when a test ends"
        ) from error
    pairs = [line.split(":", 1) for line in lines if ":" in line]
    found = {key.strip(): value.strip() for key, value in pairs}
    if "Result is" not in found:
        raise ArtifactError(f"{path} has no line `Result is`; it is no summary of LoadGen")
    return found


def unsatisfied(summary: Mapping[str, str]) -> list[str]:
    """Return which of LoadGen's constraints a run did not keep, in its words."""
    end = " satisfied"
    kept = {key.removesuffix(end): value for key, value in summary.items() if key.endswith(end)}
    return [name for name, value in kept.items() if value.upper() != "YES"]


def _library() -> Any:  # noqa: ANN401 - a module without types
    try:
        import mlperf_loadgen
    except ImportError as error:
        raise ToolchainError(
            "MLPerf LoadGen is not installed; run `pip install 'fpga-rt[loadgen]'`"
        ) from error
    return mlperf_loadgen


def _test(lg: Any, scenario: Scenario, settings: Settings) -> Any:  # noqa: ANN401
    test = lg.TestSettings()
    test.scenario = getattr(lg.TestScenario, scenario)
    test.mode = lg.TestMode.PerformanceOnly
    test.min_duration_ms = round(settings.seconds * 1e3)
    test.min_query_count = settings.queries
    test.single_stream_expected_latency_ns = round(settings.expected_us * 1e3)
    test.server_target_qps = settings.rate_hz
    test.server_target_latency_ns = round(settings.latency_us * 1e3)
    return test


def _logs(lg: Any, folder: Path) -> Any:  # noqa: ANN401
    output = lg.LogOutputSettings()
    output.outdir = str(folder)
    output.copy_summary_to_stdout = False
    logs = lg.LogSettings()
    logs.log_output = output
    logs.enable_trace = False
    return logs


class _Served:
    """A runtime behind a queue: LoadGen issues from its threads, one thread answers."""

    def __init__(
        self,
        lg: Any,  # noqa: ANN401
        runtime: Runtime,
        model: LoadedModel,
        codes: Codes,
        pace: float,
    ) -> None:
        self._lg, self._runtime, self._model = lg, runtime, model
        self._codes, self._pace = codes, pace
        self._queue: queue.SimpleQueue[tuple[tuple[int, int], ...]] = queue.SimpleQueue()
        self.queries = self.slower = 0
        self.service_ps: list[int] = []
        self.error: FpgaRtError | None = None
        self._stopped = False

    def stop(self) -> None:
        """Answer what is left with nothing."""
        self._stopped = True

    def issue(self, samples: Sequence[Any]) -> None:
        """Take samples; nothing at all ends the work."""
        self._queue.put(tuple((sample.id, sample.index) for sample in samples))

    def work(self) -> None:
        """Answer samples until there are no more."""
        while samples := self._queue.get():
            for identity, index in samples:
                self._answer(identity, index)

    def _answer(self, identity: int, index: int) -> None:
        try:
            if self.error is None and not self._stopped:
                self._run(index)
        except FpgaRtError as error:
            self.error = error
        except Exception as error:  # noqa: BLE001 - LoadGen would wait for this answer for ever
            self.error = ExecutionError(f"query of image {index}: {type(error).__name__}: {error}")
        self.queries += 1
        self._lg.QuerySamplesComplete([self._lg.QuerySampleResponse(identity, 0, 0)])

    def _run(self, index: int) -> None:
        device = self._runtime.device
        started, now_ps = time.perf_counter(), device.now_ps()
        self._runtime.trace([Request(self._model, self._codes[index : index + 1])])
        self._runtime.clear_log()  # it would grow with every query
        self.service_ps.append(device.now_ps() - now_ps)
        if self._pace:
            until = started + self._pace * self.service_ps[-1] / _PS_PER_S
            self.slower += time.perf_counter() > until
            _wait_until(until, time.perf_counter)


_SPIN_S = 0.002
"""A sleep may take this much longer than asked for; the rest is waited for awake."""


def _wait_until(until: float, clock: Callable[[], float]) -> None:
    while (left := until - clock()) > 0:
        if left > _SPIN_S:
            time.sleep(left - _SPIN_S)
