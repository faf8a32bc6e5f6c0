"""The simulator on a small system: clocks, registers, memory, swaps, traces."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from fpga_rt.errors import DeviceError
from sim.pacing import Pacing
from sim.system import Content
from sim.toolchain import obstacle
from tests.sim.small_system import (
    BASE,
    DESTINATION,
    INTERRUPT,
    MEMORY_BYTES,
    RUNNING,
    SOURCE,
    STATIC,
    SmallSystem,
    beats,
    bitstream,
    setup,
    static_library,
)

pytestmark = pytest.mark.skipif(obstacle() is not None, reason=str(obstacle()))


@pytest.fixture
def system() -> Iterator[SmallSystem]:
    with SmallSystem() as made:
        yield made


def clocks_of_copy(system: SmallSystem, count: int) -> int:
    before = system.clocks
    system.copy(beats(count))
    return system.clocks - before


def test_both_clocks_have_their_period(system: SmallSystem) -> None:
    assert system.clocks == setup().reset_clocks
    system.run(until_ps=7 * 10**6)
    assert (system.clocks, system.now_ps) == (1000, 7_000_000)  # both clocks have an edge there
    system.run(until_ps=7_009_999)
    assert (system.clocks, system.now_ps) == (1001, 7_007_000)
    system.run(until_ps=7_010_000)
    assert (system.clocks, system.now_ps) == (1001, 7_010_000)


def test_a_register_access_takes_twenty_clocks(system: SmallSystem) -> None:
    for _ in range(3):
        before = system.clocks
        assert system.read(0) == 0xCAFE0001
        assert system.clocks - before == 20
        system.write(0x20, before)
        assert system.clocks - before == 40
        assert system.read(0x20) == before


def test_a_register_that_does_not_exist_is_an_error(system: SmallSystem) -> None:
    with pytest.raises(DeviceError, match="read at offset 0xff0 was answered with AXI response 2"):
        system.read(0xFF0)
    with pytest.raises(DeviceError, match="write at offset 0x0 was answered with AXI response 2"):
        system.write(0, 1)


def test_data_goes_through_the_module_that_was_loaded(system: SmallSystem) -> None:
    data = beats(64)
    for module_id, addend in ((0x1111, 5), (0x2222, 7), (0x1111, 5)):
        system.load(module_id)
        assert system.partition(0) == (Content.MODULE, module_id)
        assert system.module_id() == module_id
        assert (system.copy(data) == data + np.uint64(addend)).all()
    assert system.swaps == 3


def test_events_carry_the_time_of_their_clock(system: SmallSystem) -> None:
    system.load(0x1111)
    before = system.now_ps
    system.copy(beats(64))
    events = system.events()
    assert events["kind"].tolist() == [0, 1]
    assert events["partition"].tolist() == [0, 0]
    assert before < events["time_ps"][0] < events["time_ps"][1] <= system.fired_ps(INTERRUPT)
    assert not (events["time_ps"] % 7000).any()
    assert not len(system.events())


@pytest.mark.parametrize("per_beat", [Fraction(1), Fraction(5, 4), Fraction(7, 3), Fraction(19)])
@pytest.mark.parametrize("port", ["features_0_read", "features_0_write"])
def test_a_beat_costs_what_the_pacing_says(
    system: SmallSystem, port: str, per_beat: Fraction
) -> None:
    system.load(0x1111)
    for name in ("features_0_read", "features_0_write"):
        system.pace(name, Pacing(30))
    free = [clocks_of_copy(system, count) for count in (512, 1024)]
    system.pace(port, Pacing(30, per_beat))
    paced = [clocks_of_copy(system, count) for count in (512, 1024)]
    expected = max(512 * per_beat, Fraction(free[1] - free[0]))
    # The small region pauses between two bursts that it writes, and the memory does not catch up.
    pauses = 512 // 16 if port.endswith("write") else 1
    assert -1 <= paced[1] - paced[0] - expected <= pauses


def test_latency_is_that_of_the_first_beat(system: SmallSystem) -> None:
    system.load(0x1111)
    system.pace("features_0_read", Pacing(10))
    short = clocks_of_copy(system, 16)
    system.pace("features_0_read", Pacing(210))
    assert clocks_of_copy(system, 16) - short == 200


def test_an_address_outside_is_answered_with_an_error(system: SmallSystem) -> None:
    system.load(0x1111)
    for source, errors in ((BASE - 128, 16), (BASE, 16), (BASE + MEMORY_BYTES - 128, 16 + 16)):
        system.start_copy(32, source)
        system.run([INTERRUPT], until_ps=system.now_ps + 10**8)
        assert system.peek("bus_errors") == errors


def test_strobes_and_memory_are_the_hosts_array(system: SmallSystem) -> None:
    system.load(0x1111)
    system.memory[DESTINATION + 128] = 9
    system.copy(beats(16))
    assert system.memory[DESTINATION + 128] == 9


def test_what_axi_forbids_is_an_error(system: SmallSystem) -> None:
    system.load(0x1111)
    system.start_copy(32, BASE + SOURCE + 4096 - 64)
    with pytest.raises(DeviceError, match="features_0_read: a burst crosses a multiple of 4 KiB"):
        system.run([INTERRUPT], until_ps=system.now_ps + 10**8)


def test_an_empty_partition_drives_zeros(system: SmallSystem) -> None:
    assert system.partition(0) == (Content.EMPTY, 0)
    assert system.module_id() == 0


@pytest.mark.parametrize("fault", ["unknown", "flipped", "cut"])
def test_without_a_good_load_the_wires_carry_garbage(system: SmallSystem, fault: str) -> None:
    system.load(0x1111)
    good = bitstream(0x2222)
    flipped = bytearray(good)
    flipped[len(good) // 2] ^= 1
    streams = {"unknown": bitstream(0x3333), "flipped": flipped, "cut": good[:1024]}
    system.stream(bytes(streams[fault]))
    assert system.partition(0) == (Content.GARBAGE, 0)
    assert len({system.module_id() for _ in range(8)}) == 8
    if fault != "unknown":
        assert system.peek("garbage") == 1
    if fault == "flipped":
        assert system.peek("crc_error") == 1
    if fault == "cut":  # its end is still awaited, and takes the last words
        system.stream(good[1024:])
        system.write(0x108, 3)
        system.write(0x108, 0)
        assert system.module_id() == 0x2222
    system.load(0x1111)
    assert system.module_id() == 0x1111


def test_nothing_is_loaded_while_the_processor_owns_the_port(system: SmallSystem) -> None:
    system.poke("pcap_owns", 1)
    system.stream(bitstream(0x1111))
    assert system.partition(0) == (Content.EMPTY, 0)
    system.poke("pcap_owns", 0)
    system.stream(bitstream(0x1111))
    assert system.partition(0) == (Content.MODULE, 0x1111)


def test_registers_hold_anything_until_they_are_reset(system: SmallSystem) -> None:
    data = beats(64)
    seen = set()
    for _ in range(4):
        system.load(0x1111, reset=False)
        seen.update((system.copy(data) - data).tolist())
    assert len(seen) >= 4
    assert 5 not in seen


def test_the_same_seed_gives_the_same_run() -> None:
    def run(seed: int) -> list[object]:
        with SmallSystem(setup(seed=seed)) as system:
            system.stream(bitstream(0x3333))
            found: list[object] = [system.module_id() for _ in range(3)]
            system.load(0x1111, reset=False)
            found.append(system.copy(beats(16)).tolist())
            return found

    assert run(1) == run(1)
    assert all(a != b for a, b in zip(run(1), run(2), strict=True))


def test_a_wait_ends_at_its_deadline(system: SmallSystem) -> None:
    system.arm(INTERRUPT)
    assert system.run([INTERRUPT, RUNNING], until_ps=10**7) == frozenset()
    assert 10**7 - 7000 < system.now_ps <= 10**7


def test_a_boundary_that_is_not_registered_is_found() -> None:
    direct = STATIC.replace("output reg rp_0_start", "output rp_0_start")
    direct = direct.replace("event_end_0, rp_0_start} <= 0", "event_end_0} <= 0")
    direct = direct.replace("    // ---- registers", "    assign rp_0_start = rp_0_output_valid;")
    with SmallSystem(setup(top=static_library(direct))) as system:
        with pytest.raises(DeviceError, match="rp_0_start is not registered"):
            _copy_through(system)


def _copy_through(system: SmallSystem) -> None:
    system.load(0x1111)
    system.copy(beats(16))


def test_a_library_without_a_port_is_named() -> None:
    with pytest.raises(DeviceError, match=r"model\.so has no output event_start_9"):
        SmallSystem(setup(strobes={"event_start_9": (0, 0)}))


def variables(text: str) -> set[str]:
    """Return the names of a trace's variables, each with the scopes that it lies in."""
    found, path = set(), []
    for kind, rest in re.findall(r"\$(scope|upscope|var)\b(.*)\$end", text):
        words = rest.split()
        if kind == "scope":
            path.append(words[1])
        elif kind == "upscope":
            path.pop()
        else:
            found.add(".".join((*path, *words[3:])).replace(" ", ""))
    return {name.replace(".[", "[") for name in found}


def test_traces_lie_on_one_time_base(tmp_path: Path) -> None:
    waves = tmp_path / "waves"
    with SmallSystem(setup(waves=waves)) as system:
        for module_id in (0x1111, 0x2222):
            system.load(module_id)
        data = beats(16)
        assert (system.copy(data) == data + np.uint64(7)).all()
        end_ps = system.now_ps
    names = ["load0000_rp0_small_1111", "load0001_rp0_small_2222", "static_region"]
    assert sorted(path.stem for path in waves.glob("*.vcd")) == names
    times = {}
    for name in names:
        text = (waves / f"{name}.vcd").read_text()
        assert re.search(r"\$timescale\s+1ps\s+\$end", text)
        times[name] = [int(t) for t in re.findall(r"^#(\d+)", text, re.MULTILINE)]
    assert times["static_region"][-1] == end_ps
    assert times[names[0]][-1] < times[names[1]][0] < end_ps
    assert {7000, 10500, 10000, 15000} <= set(times["static_region"])


def test_sessions_name_what_is_in_the_traces(tmp_path: Path) -> None:
    with SmallSystem(setup(waves=tmp_path)) as system:
        system.load(0x1111)
    sessions = sorted(tmp_path.glob("*.gtkw"))
    assert [path.stem for path in sessions] == ["boundary", "load0000_rp0_small_1111"]
    for session in sessions:
        text = session.read_text()
        trace = re.findall(r'^\[dumpfile\] "(.*)"$', text, re.MULTILINE)[0]
        named = re.findall(r"^TOP\..*$", text, re.MULTILINE)
        assert len(named) >= 17
        assert set(named) <= variables((tmp_path / trace).read_text())


def test_passing_clocks_over_changes_nothing() -> None:
    """Compare every time and every byte with a run that simulates every clock.

    Between two beats the module sleeps, and at the slower rates the whole system rests.
    """

    def run(pass_over: bool) -> tuple[object, ...]:
        with SmallSystem(setup(pass_over=pass_over)) as system:
            for per_beat in (Fraction(400, 3), Fraction(5, 4)):
                system.pace("configuration", Pacing(57, per_beat))
                system.load(0x1111)
            loaded_ps = system.now_ps
            copied = b""
            for clocks in (Fraction(1001, 7), Fraction(31), Fraction(9), Fraction(1)):
                system.pace("features_0_read", Pacing(1000, clocks))
                system.pace("features_0_write", Pacing(333, clocks / 2 + 1))
                copied += system.copy(beats(64)).tobytes()
                system.load(0x2222)
            system.run(until_ps=system.now_ps + 10**8 + 1)
            events = system.events()
            times = (loaded_ps, system.clocks, system.now_ps, system.fired_ps(INTERRUPT))
            return (*times, events.tolist(), copied, system.module_id(), system.now_ps)

    assert run(True) == run(False)
