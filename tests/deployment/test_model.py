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


def test_other_parameters_leave_the_program_the_same(deployment: Deployment) -> None:
    first, *rest = deployment.launches
    step = first.steps[0]
    block = replace(step.weights[0], digest="another")
    steps = (replace(step, weights=(block,)), *first.steps[1:])
    other = replace(deployment, launches=(replace(first, steps=steps), *rest), blocks={})
    assert deployment.same_program(other)
    moved = (replace(step, weights=(replace(block, offset=128),)), *first.steps[1:])
    for changed in (
        replace(deployment, launches=(replace(first, steps=moved), *rest)),
        replace(deployment, launches=(replace(first, rings={}), *rest)),
        replace(deployment, launches=(replace(first, modules={}), *rest)),
        replace(deployment, module_ids={}),
        replace(deployment, loads={}),
        replace(deployment, host_nodes=0),
        replace(deployment, map_id=1),
        replace(deployment, board="kv260"),
        replace(deployment, segments=replace(deployment.segments, weights_bytes=97)),
    ):
        assert not deployment.same_program(changed)
