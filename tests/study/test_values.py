"""Values that pass every check of their type, and would end a study in the midst of it."""

from __future__ import annotations

import pytest

from fpga_rt.errors import ArtifactError
from fpga_rt.study.file import read
from tests.study.conftest import HEAD, Written
from tests.study.test_file import DRIFT, LINES


@pytest.mark.parametrize(
    ("old", "key", "value", "message"),
    [
        ("link_kbit_s = 100", "link_kbit_s", "1e-310", "at least 1e-06 and at most 1e+12"),
        ("link_kbit_s = 100", "link_kbit_s", "nan", "at least 1e-06 and at most 1e+12"),
        ("link_kbit_s = 100", "link_kbit_s", "1" * 400, "at least 1e-06 and at most 1e+12"),
        ("link_kbit_s = 100", "link_delay_ms", "1e305", "0, or a number of at least 1e-09 and at"),
        ("update_every = 100", "update_every_s", "1e300", "at least 1e-12 and at most 1e+09"),
        ("update_every = 100", "update_every", "1" * 400, "at least 1 and at most 1,000,000,000,0"),
        ("update_bytes = 4000", "update_bytes", "1" * 30, "at most 1,000,000,000,000"),
        ("update_bytes = 4000", "update_share", "1" * 400, "above 0 and at most 1"),
        ("link_kbit_s = 100", "vectors", "100000", "at least 0 and at most 1,000"),
        ("link_kbit_s = 100", "vectors_between", "100000", "at least 1 and at most 1,000"),
    ],
)
def test_updates_beyond_all_measure_are_refused(
    written: Written, old: str, key: str, value: str, message: str
) -> None:
    kept = "" if old.partition(" = ")[0] in (key, "update_every", "update_bytes") else f"{old}\n"
    text = DRIFT.replace(f"{old}\n", f"{kept}{key} = {value}\n")
    path = written(f"{HEAD}\n{text}\n[sweep]\nbatch = [1]\n")
    line = path.read_text().splitlines().index(f"{key} = {value}") + 1
    with pytest.raises(ArtifactError) as got:
        read(path)
    assert str(got.value).startswith(f"{path}:{line}: {key} is ")
    assert message in str(got.value)
    assert len(str(got.value)) < len(str(path)) + 300


@pytest.mark.parametrize(
    ("old", "key", "value", "message"),
    [
        ("rate_hz = 100\n", "rate_hz", "1e-310", "at least 1e-06 and at most 1e+12"),
        ("deadline_us = 60000\n", "deadline_us", "1e305", "at least 1e-06 and at most 1e+15"),
        ("queue = 8\n", "queue", "1" * 400, "a whole number of at least 1 and at most 1,000,"),
        ("seed = 3\n", "exact_seconds", "1e300", "at least 1e-12 and at most 1e+09"),
        ("mix = { a = 3, b = 1 }\n", "mix", "{ a = 1e-310, b = 1 }", "a is 1e-310, expected a"),
    ],
)
def test_workloads_beyond_all_measure_are_refused(
    written: Written, old: str, key: str, value: str, message: str
) -> None:
    assert old in HEAD
    path = written(f"{HEAD.replace(old, f'{key} = {value}' + chr(10))}\n[sweep]\nbatch = [1]\n")
    line = path.read_text().splitlines().index(f"{key} = {value}") + 1
    with pytest.raises(ArtifactError) as got:
        read(path)
    assert str(got.value).startswith(f"{path}:{line}: ")
    assert message in str(got.value)


@pytest.mark.parametrize(
    ("sweep", "message"),
    [
        ("bitstream = [1e300]", "a ratio to `reset` above 0 and at most 100"),
        ("batch = [1, 1000000000000]", "batch is 1000000000000, expected a whole number of at least"
         " 1 and at most 65,536"),
        ("contention = [1000000]", "at least 0 and at most 10,000"),
        (f"batch = [{'1' * 5000}]", "a number that is too long, expected at most 18 digits"),
        (f"batch = [0x{'f' * 5000}]", "batch is a whole number of thousands of digits, expected"),
    ],
)  # fmt: skip
def test_a_sweep_beyond_all_measure_is_refused(written: Written, sweep: str, message: str) -> None:
    path = written(f"{sweep}\n")
    with pytest.raises(ArtifactError) as got:
        read(path)
    assert str(got.value).startswith(f"{path}:{LINES + 1}: ")
    assert message in str(got.value)
