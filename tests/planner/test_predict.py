"""Predictions against times added up by hand from documents and formulas."""

from __future__ import annotations

import numpy as np
import pytest

from fpga_rt.arch.boards import board
from fpga_rt.planner.baseline import static_baseline
from fpga_rt.planner.compile import compile_network
from fpga_rt.planner.predict import predict
from tests.random_networks import Builder

PYNQ = board("pynq-z2")
CLOCK_PS = 7000
REGISTER_PS = 20 * CLOCK_PS


def _one_layer() -> Builder:
    builder = Builder(np.random.default_rng(0), (4, 4, 16))
    builder.convolution(8, 3)
    return builder


def test_one_layer_takes_what_its_formula_says() -> None:
    deployment = compile_network(_one_layer().build(), PYNQ, 1)
    prediction = predict(PYNQ, [(deployment, 1), (deployment, 1)], "none")
    start, end = prediction.requests[1]
    # Input from DRAM: latency 30, a row of 4 x 16 bytes is 8 beats at 5/4 cycles. Rows 0 and 1
    # come first (16 beats = 20 cycles); a row computes 4 pixels x 1 group x 9 steps + 2 cycles,
    # longer than the 10 cycles of the next input row. Output to DRAM: latency 30.
    compute = 8 + 30 + 20 + 4 * (4 * 9 + 2) + 24 + 30
    # Parameters: a table of 32 + 8 x 8 bytes and 9 words of 128 bytes, 156 beats at 5/4 cycles.
    parameters = 30 + 195
    cycles = 60 + 40 + parameters + compute + 12
    # Three register writes for the doorbell, two reads when it has ended.
    assert end - start == cycles * CLOCK_PS + 5 * REGISTER_PS


def test_a_load_takes_the_real_size_at_the_calibrated_rate() -> None:
    deployment = compile_network(_one_layer().build(), PYNQ, 1)
    load = predict(PYNQ, [(deployment, 1)], "none").loads[0]
    assert load.initial
    size = PYNQ.partitions[0].bitstream_bytes
    transfer_ps = -(-size * 10**12 // 382_000_000)
    # decouple 2, controller 6 and 2, reset 3, identify 2, recouple 2 register accesses
    assert load.ended_ps - load.started_ps == transfer_ps + 17 * REGISTER_PS


def test_the_processors_port_is_slower_and_set_up_first() -> None:
    deployment = compile_network(_one_layer().build(), PYNQ, 1)
    load = predict(PYNQ, [(deployment, 1)], "none", "pcap").loads[0]
    size = PYNQ.partitions[0].bitstream_bytes
    seconds = 0.039e-3 + size / 128.5e6
    assert (load.ended_ps - load.started_ps) / 1e12 == pytest.approx(seconds, abs=3e-6)


def test_a_batch_amortises_the_doorbell() -> None:
    deployment = compile_network(_one_layer().build(), PYNQ, 1)
    single, batch = (predict(PYNQ, [(deployment, n)] * 2, "none").requests[1] for n in (1, 8))
    assert batch[1] - batch[0] < 8 * (single[1] - single[0])


def test_loading_ahead_exposes_less() -> None:
    builder = Builder(np.random.default_rng(1), (12, 12, 16))
    for _ in range(2):
        builder.convolution(16, 3)
        builder.depthwise(3)
        builder.maximum(2, 2)
    deployment = compile_network(builder.build(), PYNQ, 2)
    on_demand, ahead = (
        predict(PYNQ, [(deployment, 64)] * 2, policy).total_ps for policy in ("none", "aggressive")
    )
    assert ahead < on_demand


def test_the_static_baseline_fits_the_area_and_never_swaps() -> None:
    builder = Builder(np.random.default_rng(1), (12, 12, 16))
    builder.convolution(16, 3)
    builder.depthwise(3)
    builder.maximum(2, 2)
    network = builder.build()
    baseline = static_baseline(network, PYNQ, 1)
    assert baseline is not None
    assert baseline.resources.fits_in(PYNQ.partitions[0].resources)
    swapped = predict(PYNQ, [(compile_network(network, PYNQ, 1), 1)] * 2, "aggressive")
    start, end = swapped.requests[1]
    assert baseline.latency_ps < end - start
