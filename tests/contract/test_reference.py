"""The generated page of registers."""

from __future__ import annotations

from pathlib import Path

from fpga_rt.contract.kernel import KERNEL
from fpga_rt.contract.reference import page, reference_markdown
from fpga_rt.contract.static_region import STATIC_REGION

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "registers.md"


def test_page_is_up_to_date() -> None:
    assert PAGE.read_text() == page(), (
        "run `python -m fpga_rt.contract.reference > docs/reference/registers.md`"
    )


def test_every_register_and_field_is_listed() -> None:
    for registers in (STATIC_REGION, KERNEL):
        text = reference_markdown(registers)
        for register in registers.registers:
            assert f"`{register.offset:#05x}` {register.name} ({register.access.value})" in text
        assert f"{registers.map_id:#010x}" in text
    assert "word 13, 31:24 | stride_x | columns" in reference_markdown(STATIC_REGION)
