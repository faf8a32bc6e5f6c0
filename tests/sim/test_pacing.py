"""How fast memory is behind each port."""

from __future__ import annotations

from fractions import Fraction

from fpga_rt.arch.boards import board
from sim.pacing import Pacing, board_ports


def test_a_boards_memory_gives_the_pacing() -> None:
    assert Pacing.of(board("pynq-z2").dram) == Pacing(30, Fraction(5, 4))


def test_stretching_makes_a_stream_last() -> None:
    slow = Pacing(30, Fraction(5, 4)).stretched(276, Fraction(100_000))
    assert slow.per_beat * 276 == 100_000
    assert Pacing(30, Fraction(5, 4)).stretched(276, Fraction(10)) == Pacing(30, Fraction(5, 4))


def test_every_partition_has_three_ports() -> None:
    ports = board_ports(board("kv260"))
    partitions = len(board("kv260").partitions)
    assert len(ports) == 2 + 3 * partitions
    assert {p.name for p in ports if p.writes} == {f"features_{p}_write" for p in range(partitions)}
