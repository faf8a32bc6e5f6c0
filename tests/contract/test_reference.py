"""The generated page of registers."""

from __future__ import annotations

from pathlib import Path

from fpga_rt.contract.reference import reference_markdown
from fpga_rt.contract.static_region import STATIC_REGION

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "registers.md"


def test_page_is_up_to_date() -> None:
    expected = reference_markdown(STATIC_REGION)
    assert PAGE.read_text() == expected, (
        "run `python -m fpga_rt.contract.reference > docs/reference/registers.md`"
    )


def test_every_register_and_field_is_listed() -> None:
    page = reference_markdown(STATIC_REGION)
    for register in STATIC_REGION.registers:
        assert f"`{register.offset:#05x}` {register.name} ({register.access.value})" in page
    assert f"{STATIC_REGION.map_id:#010x}" in page
    assert "word 13, 31:24 | stride_x | columns" in page
