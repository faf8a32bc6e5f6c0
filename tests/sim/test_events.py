"""What strobes tell of a program."""

from __future__ import annotations

import numpy as np

from fpga_rt.contract.submission import Ring, Submission
from sim.events import EVENT, busy_ps, strobes, timeline

# Two rings, two iterations: partition 0 has two commands, partition 1 has one.
SUBMISSION = Submission({0: Ring(0, 2), 1: Ring(0, 1)}, {}, repeat=2)
EVENTS = np.array(
    [
        *[(35, 2, 0), (77, 0, 0), (133, 2, 1), (140, 1, 0), (140, 0, 1), (175, 2, 0), (210, 0, 0)],
        *[(280, 1, 0), (350, 1, 1), (385, 2, 0), (413, 2, 1), (420, 0, 0), (490, 1, 0)],
        *[(490, 0, 1), (525, 2, 0), (560, 0, 0), (630, 1, 0), (700, 1, 1)],
    ],
    EVENT,
)


def test_commands_are_placed_in_clocks_since_the_doorbell() -> None:
    found = timeline(EVENTS, SUBMISSION, (7, 777), 7)
    assert found is not None
    assert found.start[0].tolist() == [[9, 28], [58, 78]]
    assert found.end[0].tolist() == [[18, 38], [68, 88]]
    assert found.start[1].tolist() == [[18], [68]]
    assert found.end[1].tolist() == [[48], [98]]
    assert found.parameters_end[0].tolist() == [[4, 24], [54, 74]]
    assert found.parameters_end[1].tolist() == [[18], [58]]
    assert found.total == 110


def test_a_program_that_stopped_has_no_timeline() -> None:
    assert timeline(EVENTS[:-1], SUBMISSION, (7, 777), 7) is None


def test_a_ring_is_busy_from_its_first_command_to_its_last() -> None:
    assert busy_ps(EVENTS, SUBMISSION, 7) == {0: (70, 623), 1: (133, 693)}
    assert busy_ps(EVENTS[:2], SUBMISSION, 7) == {}


def test_strobes_have_the_names_of_the_static_region() -> None:
    assert strobes(2) == {
        "event_start_0": (0, 0),
        "event_end_0": (1, 0),
        "event_parameters_0": (2, 0),
        "event_start_1": (0, 1),
        "event_end_1": (1, 1),
        "event_parameters_1": (2, 1),
    }
