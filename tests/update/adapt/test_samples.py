"""Samples are divided whole, and none is on both sides."""

from __future__ import annotations

import numpy as np
import pytest

from fpga_rt.errors import ExecutionError
from fpga_rt.update.adapt.samples import Samples


def _numbered(count: int) -> Samples:
    codes = np.arange(count, dtype=np.int8).reshape(count, 1, 1, 1)
    return Samples(codes, np.arange(count, dtype=np.int64))


@pytest.mark.parametrize(("share", "held"), [(0.25, 10), (0.0, 1), (1.0, 39)])
def test_a_split_is_whole(share: float, held: int) -> None:
    fit, judge = _numbered(40).split(share, 3)
    assert len(judge) == held
    assert fit.labels is not None
    assert judge.labels is not None
    assert sorted([*fit.labels, *judge.labels]) == list(range(40))
    np.testing.assert_array_equal(judge.codes.reshape(-1), judge.labels)
    assert not np.array_equal(judge.labels, np.arange(held))  # drawn, not cut off


def test_a_split_follows_from_its_seed() -> None:
    first, second = (_numbered(40).split(0.5, 3)[0].labels for _ in range(2))
    assert first is not None
    assert second is not None
    np.testing.assert_array_equal(first, second)


def test_labels_are_not_needed() -> None:
    fit, judge = Samples(np.zeros((4, 1, 1, 1), np.int8)).split(0.25, 0)
    assert (fit.labels, judge.labels) == (None, None)


def test_refusals() -> None:
    codes = np.zeros((4, 1, 1, 1), np.int8)
    with pytest.raises(ExecutionError, match=r"labels have shape \(3,\), expected \(4,\)"):
        Samples(codes, np.zeros(3, np.int64))
    with pytest.raises(ExecutionError, match="there are no samples"):
        Samples(codes[:0])
    with pytest.raises(ExecutionError, match="there is one sample, expected at least two"):
        Samples(codes[:1]).split(0.5, 0)
