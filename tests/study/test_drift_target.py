"""A study's streams with updates: its columns, its rivals, and what it refuses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import fpga_rt
from fpga_rt.arch.boards import board
from fpga_rt.device.emulator import Emulator
from fpga_rt.planner.baseline import StaticDesigns
from fpga_rt.runtime.runtime import Runtime
from fpga_rt.study import sweep
from fpga_rt.study.columns import Figures
from fpga_rt.study.context import Context
from fpga_rt.study.drift import Stream, Update
from fpga_rt.study.drift_target import Drifted
from fpga_rt.study.evaluate import evaluate
from fpga_rt.study.file import read
from fpga_rt.update.live import Live
from fpga_rt.update.make import make_package, make_target
from fpga_rt.update.store import Store
from tests.study.conftest import DIGITS
from tests.update.disk import Disk
from tests.update.networks import drifted
from tests.update.signing import Secret

PYNQ = board("pynq-z2")
HEAD = (
    f'[networks]\na = "{DIGITS}"\nb = "{DIGITS}"\n[workload.w]\nkind = "drift"\nmix = {{ a = 1 }}\n'
)
Written = Callable[[str], Path]


def _context(written: Written, workload: str, swept: str = "batch = [1]") -> Context:
    return Context(read(written(f"{HEAD}{workload}\n[sweep]\n{swept}\n")))


def _figures(written: Written, workload: str, swept: str = "batch = [1]") -> Figures:
    context = _context(written, workload, swept)
    [point] = context.study.points.values()
    found = evaluate(context, point)
    assert not found.error
    return found


BANK = "requests = 3000\nupdate_every = 100\nupdate_share = 0.05\nlink_kbit_s = 400"


def test_terms_add_up_beside_the_static_design(written: Written) -> None:
    found = _figures(written, BANK)
    network = fpga_rt.load_model(DIGITS)
    with Emulator("pynq-z2") as device, Runtime(device) as runtime:
        held = runtime.load(fpga_rt.compile(network)).parameter_bytes
    assert found.update_bytes == round(0.05 * held)
    assert found.link_ms == pytest.approx(found.update_bytes * 8 / 400)
    static = StaticDesigns([network], PYNQ).best(1)
    assert static is not None
    one_ms = static.latencies_ps[0] / 1e9
    for name, inference_ms in (("", found.p50_ms), ("static_", one_ms)):
        assert inference_ms
        assert getattr(found, f"{name}delay_ms") == pytest.approx(inference_ms)
        rest_ms = getattr(found, f"{name}sent_to_answer_ms") - found.link_ms
        # Four vectors with an inference between each two, one that runs when the last byte comes,
        # and the answer.
        assert 8 * inference_ms <= rest_ms * 1.0001 <= 9.001 * inference_ms
    assert found.self_test_ms == pytest.approx(4 * (found.p50_ms or 0))
    terms = (found.link_ms, found.wait_ms, found.self_test_ms, found.switch_ms, found.answer_ms)
    assert found.sent_to_answer_ms == pytest.approx(sum(term or 0 for term in terms))
    # The last update may have some of its vectors left, and no answer.
    each = (found.self_test_ms or 0) / (found.total_ms or 1)
    taken = (found.update_time_share or 0) / each - (found.updates or 0)
    assert -1e-6 < taken < 1
    longest_ms = (found.sent_to_answer_ms or 0) - (found.answer_ms or 0)
    assert found.updates_per_hour == pytest.approx(3600e3 / longest_ms)
    assert found.requests == 3000
    assert (found.static_ratio or 0) < 1


def test_every_figure_of_a_stream_is_in_its_column(
    written: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second update takes longest; no two figures are alike."""
    ms = 10**9
    first = Update(500, 10 * ms, 20 * ms, 1 * ms, 0, 25 * ms, 28 * ms, 2 * ms)
    second = Update(700, 40 * ms, 49 * ms, 5 * ms, 3 * ms, 60 * ms, 71 * ms, 4 * ms)
    times = (6 * ms, 17 * ms, 400 * ms, 12, 90 * ms, 35 * ms)
    stream = Stream([2 * ms] * 3000, [first, second], *times)
    fixed = Stream([ms] * 3000, [first], 7 * ms, total_ps=100 * ms)
    monkeypatch.setattr(
        "fpga_rt.study.evaluate.drifted",
        lambda *_: Drifted(stream, fixed, 100 * ms, ("convolution_8x16",)),
    )
    found = _figures(written, BANK)
    assert (found.loads, found.load_ms, found.hidden_ms, found.exposed_ms) == (12, 90, 35, 55)
    assert found.hidden_share == pytest.approx(35 / 90)
    assert (found.updates, found.update_bytes, found.delay_ms) == (2, 700, 6)
    terms = (found.link_ms, found.wait_ms, found.self_test_ms, found.switch_ms, found.answer_ms)
    assert terms == (9, 10, 5, 3, 4)
    assert (found.sent_to_answer_ms, found.static_sent_to_answer_ms) == (31, 18)
    assert (found.static_delay_ms, found.static_ms, found.total_ms) == (7, 100, 400)
    assert found.updates_per_hour == pytest.approx(3600e3 / 20)
    assert found.update_time_share == pytest.approx(17 / 400)
    assert found.static_ratio == pytest.approx(0.25)


@pytest.mark.usefixtures("signatures")
def test_a_live_update_of_the_same_deployment_takes_as_long(written: Written) -> None:
    """Times are taken as in `benchmarks/update_drift_device.py`: from a package to an answer."""
    context = _context(written, f"{BANK}\nvectors_between = 4")
    [point] = context.study.points.values()
    found, deployment = evaluate(context, point), context.deployments(point, ["a"])["a"]
    target = make_target(deployment, drifted(deployment.network, 1)).deployment
    package = make_package(deployment, target, 2, Secret())
    images = np.zeros((1, 1, 16, 16), np.float32)
    store = Store.install(Disk(), deployment, [Secret().public_key])
    with Emulator("pynq-z2") as device, Runtime(device) as runtime:
        live = Live(runtime, store)
        live.run(images)
        began_ps = device.now_ps()
        applied = live.apply(package)
        assert live.run(images).version == 2
        took_ms = (device.now_ps() - began_ps) / 1e9
    assert found.self_test_ms == applied.self_test_ps / 1e9
    terms = (found.self_test_ms, found.switch_ms, found.answer_ms)
    assert sum(term or 0 for term in terms) == pytest.approx(took_ms, rel=1e-12)


def test_vectors_of_larger_requests_are_images_of_their_own(written: Written) -> None:
    found = _figures(written, BANK, "batch = [16]")
    one = _figures(written, BANK)
    assert found.self_test_ms == one.self_test_ms
    assert (found.answer_ms or 0) > 8 * (one.answer_ms or 0)
    assert found.static_delay_ms
    assert found.static_delay_ms < 2 * (one.static_delay_ms or 0)


def test_a_reconfiguration_loads_the_largest_partition(written: Written) -> None:
    workload = BANK.replace("0.05", "0.27") + '\nway = "region"'
    for port, load_s in (
        ("icap", PYNQ.partitions[0].bitstream_bytes / 382e6),
        ("pcap", 0.039e-3 + PYNQ.partitions[0].bitstream_bytes / 128.5e6),
    ):
        found = _figures(written, workload, f"port = ['{port}']\npartitions = [[0, 2]]")
        assert PYNQ.partitions[0].bitstream_bytes > PYNQ.partitions[2].bitstream_bytes
        assert found.switch_ms == pytest.approx(load_s * 1e3, rel=1e-3)
        assert (found.self_test_ms, found.static_delay_ms) == (0, 0)
        assert found.delay_ms == pytest.approx(found.switch_ms)


def test_a_reconfiguration_adds_no_load_where_modules_are_swapped_anyway(written: Written) -> None:
    """Every inference loads the one partition: the update's bitstream takes the place of one."""
    workload = BANK.replace("3000", "300").replace("= 100\n", "= 20\n")
    swept = "partitions = [[0]]"
    region = _figures(written, f"{workload}\nway = 'region'", swept)
    plain = _figures(written, f"{workload}\nvectors = 0", swept)  # nothing but requests as well
    assert (region.updates or 0) > 5
    assert (region.loads or 0) >= 7 * 300
    assert (region.loads, region.load_ms) == (plain.loads, plain.load_ms)
    assert region.total_ms == plain.total_ms
    assert (region.switch_ms, region.delay_ms, region.update_time_share) == (0, 0, 0)


def test_another_program_has_a_static_design_for_both(written: Written) -> None:
    workload = BANK + '\nway = "program"\nupdate_to = "b"'
    found = _figures(written, workload)
    designs = StaticDesigns([fpga_rt.load_model(DIGITS)] * 2, PYNQ)
    both = designs.best(1)
    assert both is not None
    assert found.static_modules == " ".join(both.modules)
    assert found.switch_ms == 0
    # The same requests, and the test vectors, four images in a request.
    one, four = (designs.of(both.modules, images).latencies_ps[0] for images in (1, 4))
    total_ps = 3000 * one + (found.updates or 0) * four
    assert found.static_ms == pytest.approx(total_ps / 1e9, rel=1e-4)


def test_what_cannot_be_says_why(written: Written) -> None:
    context = _context(written, BANK.replace("3000", "300"), 'policy = ["aggressive", "exact"]')
    few, exact = (evaluate(context, point).error for point in context.study.points.values())
    assert few.startswith("no update answered one of 300 requests, which end after 0.08")
    assert few.endswith(
        "the first is sent after 100 requests and is 0.05734 s on the link; give it more requests,"
        " a faster link or smaller updates"
    )
    assert exact == (
        "policy exact plans requests that are all known, but updates come while they run; expected"
        " one of none, lru, belady, aggressive, look-ahead under drift, so leave it out there"
    )


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ("requests = 10", "the first is due after 10 requests; give it more requests, or update"),
        ("requests = 13", ", and 2 of 4 test vectors had run; give it more requests, fewer"
         " `vectors` or more `vectors_between`"),
        ("requests = 11\nway = 'region'", ", while the last of them ran; give it more requests"),
        ("requests = 11\nlink_delay_ms = 900", "sent after 10 requests and is 0.9 s on the link;"),
    ],
)  # fmt: skip
def test_an_update_that_answers_nothing_says_what_it_lacks(
    written: Written, settings: str, why: str
) -> None:
    """Sent before request 11, there before request 12, and a vector before that and each next."""
    workload = f"update_every = 10\nupdate_bytes = 9\nlink_kbit_s = 1e9\n{settings}"
    context = _context(written, workload)
    [point] = context.study.points.values()
    assert why in evaluate(context, point).error


def test_a_manifest_says_what_updates_rest_on(written: Written) -> None:
    text = (
        f"{HEAD}{BANK}\n[workload.z]\nkind = 'drift'\nmix = {{ b = 1 }}\n{BANK}\nway = 'region'\n"
        "[sweep]\nbatch = 1\n"
    )
    found = [x for x in sweep.manifest(read(written(text)))["assumptions"] if "Updates of" in x]
    assert [line.partition(":")[0] for line in found] == [
        "Updates of w, z", "Updates of w", "Updates of z",
    ]  # fmt: skip
    assert "carries 400 kbit/s, as the study assumes" in found[0]
    model = found[2].partition(": ")[2]
    assert model.startswith("this study's model of a reconfiguration for each update: the link")
    for said in (
        "carries parameters and no bitstream", "on the device is not charged",
        "tests nothing either", "Kang and Park, Sensors 25(24), 7448, 2025, report 27 % of the",
        "what crosses their link and what those times include are not known",
    ):  # fmt: skip
        assert said in model


def test_the_study_of_the_examples_has_its_rivals() -> None:
    path = DIGITS.parents[1] / "studies" / "drift.toml"
    study = read(path)
    ways = {name: (w.updates and w.updates.way) for name, w in study.workloads.items()}
    assert ways == {
        "bank": "bank", "bank-at-once": "bank", "reconfigured": "region", "whole-model": "bank",
    }  # fmt: skip
    shares = [w.updates.share for w in study.workloads.values() if w.updates]
    assert shares == [0.05, 0.05, 0.27, 1.0]
    context = Context(study)
    points = [point for point in study.points.values() if point.port == "icap"]
    rows = {point.workload: evaluate(context, point) for point in points}
    assert not any(row.error for row in rows.values())
    slow, soon, region, whole = (rows[name].sent_to_answer_ms or 0 for name in ways)
    assert soon < slow < region < whole
    held, longer, reconfigured, _ = (rows[name].delay_ms or 0 for name in ways)
    assert held < longer < reconfigured
