"""The register map of the static region."""

from __future__ import annotations

import pytest

from fpga_rt.contract.command import MAX_PARTITIONS
from fpga_rt.contract.registers import Access
from fpga_rt.contract.static_region import STATIC_REGION, partition_register


def test_identity_comes_first_so_that_any_version_can_be_asked() -> None:
    assert STATIC_REGION["map_id"].offset == 0
    assert STATIC_REGION["static_id"].words == 2


@pytest.mark.parametrize("partition", range(MAX_PARTITIONS))
def test_partition_blocks_are_alike(partition: int) -> None:
    first = STATIC_REGION[partition_register(0, "control")]
    block = STATIC_REGION[partition_register(partition, "control")]
    assert block.offset - first.offset == 0x20 * partition
    assert block.fields == first.fields


def test_what_the_gateware_reports_cannot_be_written() -> None:
    reports = [r for r in STATIC_REGION.registers if r.name.endswith(("status", "error", "_id"))]
    assert len(reports) == 5 + 3 * MAX_PARTITIONS
    assert {r.access for r in reports} == {Access.READ_ONLY}
