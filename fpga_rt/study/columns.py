"""The columns of a study's results."""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass(frozen=True)
class Figures:
    """Columns of a result; None where a point has no such figure.

    Times are in milliseconds. `static_ratio` is how many times as long the static design takes (of
    a server, its p99 latency, where both accept as many): above 1 reconfiguration pays. `full_ms`
    and `full_ratio` are the same of networks that change by full bitstreams
    (`fpga_rt.study.full_bitstreams`). `area_lut` is the area that all of them have. `gap_percent`
    is how far above `bound_ms` the total is, and `proven` whether no schedule is better, by more
    than `optimum.TOLERANCE`. `goodput` is a server's answers in time a second, up to the last one
    of either design. The terms of `sent_to_answer_ms` are those of the update that takes longest
    (`fpga_rt.study.drift`).
    """

    clock: str = "virtual"
    origin: str = ""
    error: str = ""
    requests: int | None = None
    images: int | None = None
    total_ms: float | None = None
    image_ms: float | None = None
    images_per_s: float | None = None
    p50_ms: float | None = None
    p90_ms: float | None = None
    p99_ms: float | None = None
    worst_ms: float | None = None
    loads: int | None = None
    load_ms: float | None = None
    hidden_ms: float | None = None
    exposed_ms: float | None = None
    hidden_share: float | None = None
    bound_ms: float | None = None
    gap_percent: float | None = None
    proven: bool | None = None
    static_ms: float | None = None
    static_ratio: float | None = None
    static_modules: str = ""
    area_lut: int | None = None
    full_ms: float | None = None
    full_ratio: float | None = None
    accepted: int | None = None
    static_accepted: int | None = None
    refused_full: int | None = None
    refused_late: int | None = None
    late: int | None = None
    lost: int | None = None
    goodput: float | None = None
    static_goodput: float | None = None
    goodput_ratio: float | None = None
    update_way: str = ""
    updates: int | None = None
    update_bytes: int | None = None
    link_ms: float | None = None
    wait_ms: float | None = None
    self_test_ms: float | None = None
    switch_ms: float | None = None
    answer_ms: float | None = None
    sent_to_answer_ms: float | None = None
    delay_ms: float | None = None
    updates_per_hour: float | None = None
    update_time_share: float | None = None
    static_sent_to_answer_ms: float | None = None
    static_delay_ms: float | None = None


COLUMNS = tuple(field.name for field in fields(Figures))
