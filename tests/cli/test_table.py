"""Tables line up."""

from __future__ import annotations

import pytest

from fpga_rt.cli.table import indented, table


def test_columns_line_up_and_numbers_get_separators() -> None:
    rows = [("a", 1, "x"), ("long name", 12345, None)]
    assert table(("name", "number", "of\nwhat"), "<><", rows).splitlines() == [
        "                   of",
        "name       number  what",
        "---------  ------  ----",
        "a               1  x",
        "long name  12,345",
    ]


def test_no_rows() -> None:
    assert table(("a", "bc"), "<>", []) == "a  bc\n-  --"


@pytest.mark.parametrize(("align", "row"), [("<", (1, 2)), ("<<", (1,))])
def test_another_number_of_columns_is_refused(align: str, row: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="a table of 2 columns with a row or align of another"):
        table(("a", "b"), align, [row])


def test_indented_leaves_empty_lines_empty() -> None:
    assert indented("a\n\nb") == "  a\n\n  b"
