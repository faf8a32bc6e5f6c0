"""Random rows: the same number is the same row, and a home is one of a module's partitions."""

from __future__ import annotations

from fpga_rt.study.instances import LOADS, RATIOS, at_home, random_kind, random_row


def test_a_number_is_a_row() -> None:
    assert random_row(17) == random_row(17)
    assert random_row(17) != random_row(18)
    kinds = [random_kind(number) for number in range(20)]
    assert {kind.ratio for kind in kinds} == set(RATIOS)
    assert {kind.loads for kind in kinds} == set(LOADS)
    assert all(10 <= kind.jobs <= 30 for kind in kinds)
    assert all(len(random_row(n).jobs) == kind.jobs for n, kind in enumerate(kinds))


def test_at_home_every_module_has_one_partition_of_its_own() -> None:
    for number in range(40):
        row = random_row(number)
        fixed = at_home(row)
        assert fixed.durations_ps == row.durations_ps
        homes: dict[int, tuple[int, ...]] = {}
        for free, bound in zip(row.jobs, fixed.jobs, strict=True):
            [wanted], [need] = free.needs, bound.needs
            assert need.module == wanted.module
            assert len(need.partitions) == 1
            assert need.partitions[0] in wanted.partitions
            assert homes.setdefault(need.module, need.partitions) == need.partitions
