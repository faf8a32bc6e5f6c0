"""Segment images and module changes of a deployment, against bytes and counts made by hand."""

from __future__ import annotations

from dataclasses import replace

from fpga_rt.deployment.model import Deployment, Launch, digest


def test_digest_is_sha256() -> None:
    # FIPS 180-2, appendix B.1
    assert digest(b"abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_image_places_blocks_at_their_offsets_and_fills_with_zeros(deployment: Deployment) -> None:
    weights = bytes(range(64)) + bytes(range(100, 132)) + bytes(32)
    tables = (
        b"first table".ljust(40, b".") + bytes(24) + b"second table".ljust(40, b"-") + bytes(24)
    )
    assert deployment.image("weights") == weights
    assert deployment.image("tables") == tables


def test_image_is_a_whole_number_of_aligned_blocks(deployment: Deployment) -> None:
    for size_bytes, expected_bytes in ((0, 0), (1, 64), (64, 64), (65, 128)):
        segments = replace(deployment.segments, weights_bytes=size_bytes)
        empty = replace(deployment, launches=(), segments=segments)
        assert empty.image("weights") == bytes(expected_bytes)


def test_module_changes_counts_loads_after_the_first_of_each_partition(
    deployment: Deployment,
) -> None:
    def changes(*modules: dict[int, str]) -> int:
        launches = tuple(Launch(names, {}, ()) for names in modules)
        return replace(deployment, launches=launches).module_changes

    assert changes() == 0
    assert changes({0: "a", 1: "b"}) == 0
    assert changes({0: "a"}, {1: "b"}) == 0
    assert changes({0: "a"}, {0: "a", 1: "b"}, {0: "c"}, {1: "b"}, {0: "a", 1: "c"}) == 3
    assert changes({0: "a"}, {1: "b"}, {0: "b"}) == 1
    assert deployment.module_changes == 1
