"""Mutated streams, real and built: none is let through, and none does anything but be refused.

What counts as let through is said in `benchmarks.bitstream_mutations`, which also runs more.
"""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import bitstream_mutations_structure as structure
from benchmarks.bitstream_mutations import (
    LARGEST_BYTES,
    LONGEST_S,
    MUTATIONS,
    Outcome,
    mutation,
    run_mutations,
    subjects,
)
from fpga_rt.arch.devices import device
from fpga_rt.arch.packets import DUMMY, NOP, SYNC, Command, Register, type1, write
from fpga_rt.bitstream.verify import verify
from fpga_rt.errors import ArtifactError

SHARE = 2_500


def test_the_streams_themselves_are_accepted() -> None:
    for subject in subjects():
        assert subject.accepts(subject.data), subject.name


@pytest.mark.parametrize("part", range(8))
def test_no_mutated_stream_is_accepted(part: int) -> None:
    outcome = run_mutations(part * SHARE, SHARE)
    assert outcome.failures == []
    assert sum(outcome.counts.values()) == SHARE
    assert outcome.total("refused") > 0.8 * SHARE
    assert {kind for kind, _ in outcome.counts} == set(MUTATIONS)
    assert outcome.largest_bytes < LARGEST_BYTES
    assert outcome.slowest_s <= LONGEST_S  # of processor time, which other load does not change


def test_no_stream_with_edited_packets_and_right_crcs_is_accepted() -> None:
    outcome = run_mutations(0, 500, of_structure=True)
    assert outcome.failures == []
    assert outcome.total("refused") > 440
    assert {kind for kind, _ in outcome.counts} == set(structure.EDITS)


def test_a_null_before_the_first_crc_is_missed() -> None:
    kind, one, data = mutation(192_024)
    assert (kind, one.name) == ("deleted", "built full")
    assert not one.accepts(data)


def test_the_meaning_of_a_stream_is_what_it_writes_in_which_steps() -> None:
    one, other = (subject for subject in subjects() if subject.name == "built plain")
    chip, words = one.device, one.words()

    def changed(*edit: int) -> bytes:
        return one.file(np.insert(words, one.packets[2], np.array(edit, np.uint32)))

    assert structure.meaning(one.data, chip, True) != structure.meaning(other.data, chip, True)
    assert structure.meaning(one.data, chip, False) == structure.meaning(other.data, chip, False)
    for contents in (True, False):
        due = structure.meaning(one.data, chip, contents)
        silent = changed(*write(Register.CMD, Command.NULL))
        assert structure.meaning(silent, chip, contents) == due
        for step in (write(Register.CMD, Command.START), write(Register.CRC, 0)):
            assert structure.meaning(changed(*step), chip, contents) != due


def test_a_crc_that_is_dropped_is_missed() -> None:
    for subject in subjects():
        for at in subject.crcs:
            for kept in (0, 1):
                words = subject.words()
                assert words[at] == type1(0, 1)
                words[at : at + 2 - kept] = NOP
                assert not subject.accepts(subject.file(words)), f"{subject.name}, word {at}"


@pytest.mark.parametrize(
    "pattern",
    [
        [0],
        [NOP],
        [NOP, 0],
        [*[type1(Register.FDRI, 0)] * 32, NOP, 0],
        [SYNC],
        write(Register.CRC, 0),
        write(Register.CMD, Command.START),
        [*write(Register.CMD, Command.DESYNC), SYNC],
        [type1(Register.NESTED, 3), SYNC, *write(Register.CMD, Command.DESYNC)],
        [*[type1(Register.FDRI, 0)] * 33, 0],
        [type1(Register.FDRI, 377), *[1] * 377, *write(Register.CRC, 0)],
        [*write(Register.FAR, 0), type1(Register.MFWR, 4), 0, 0, 0, 0],
    ],
)
def test_four_megabytes_of_a_pattern_are_refused(pattern: list[int]) -> None:
    words = np.resize(np.array(pattern, np.uint32), 1 << 20)
    head = [DUMMY, SYNC, *write(Register.CMD, Command.RCRC), *write(Register.IDCODE, 0x03727093)]
    tail = [*write(Register.CMD, Command.DESYNC), *[NOP] * 16]
    data = np.concatenate([np.array(head, np.uint32), words, np.array(tail, np.uint32)])
    with pytest.raises(ArtifactError):
        verify(data.astype(">u4").tobytes(), device("xc7z020"))


def test_a_mutation_is_the_same_every_time_and_differs_from_its_stream() -> None:
    for number in range(40):
        kind, one, data = mutation(number)
        assert mutation(number) == (kind, one, data)
        assert data != one.data


def test_what_is_equivalent_writes_the_same() -> None:
    one, other = subjects()[:2]
    words = one.words()
    assert (
        structure.effect(one.file([*words[:13].tolist(), NOP, *words[13:].tolist()])) == one.effect
    )
    assert other.effect != one.effect


def test_outcomes_add_up() -> None:
    first, second = run_mutations(0, 3), run_mutations(3, 3)
    total = Outcome()
    total.add(first)
    total.add(second)
    assert total.counts == run_mutations(0, 6).counts
    assert total.slowest_s == max(first.slowest_s, second.slowest_s)
