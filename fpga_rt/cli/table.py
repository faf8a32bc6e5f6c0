"""Plain text tables with aligned columns."""

from __future__ import annotations

from collections.abc import Sequence

_GAP = "  "


def table(headers: Sequence[str], align: str, rows: Sequence[Sequence[object]]) -> str:
    """Return a table: a line of headers, a rule, a line for each row.

    Args:
        headers: name of every column; a line feed cuts a long one.
        align: `<` or `>` for each column.
        rows: cells; whole numbers get thousands separators, None is left blank.

    Raises:
        ValueError: `align` or a row has another number of columns.
    """
    if any(len(part) != len(headers) for part in (align, *rows)):
        raise ValueError(f"a table of {len(headers)} columns with a row or align of another number")
    cells = [[_text(cell) for cell in row] for row in rows]
    heads = _head_lines(headers)
    widths = [max(map(len, column)) for column in zip(*heads, *cells, strict=True)]
    rule = ["-" * width for width in widths]
    return "\n".join(_line(row, align, widths) for row in (*heads, rule, *cells))


def indented(text: str, indent: str = "  ") -> str:
    """Return text with every line moved to the right."""
    return "\n".join(indent + line if line else line for line in text.splitlines())


def _head_lines(headers: Sequence[str]) -> list[list[str]]:
    """Return the lines of the headers; short headers stand on the last."""
    parts = [header.split("\n") for header in headers]
    height = max(map(len, parts), default=1)
    return [list(row) for row in zip(*([""] * (height - len(p)) + p for p in parts), strict=True)]


def _text(cell: object) -> str:
    if cell is None:
        return ""
    return f"{cell:,}" if isinstance(cell, int) else str(cell)


def _line(row: Sequence[str], align: str, widths: Sequence[int]) -> str:
    parts = (f"{cell:{side}{width}}" for cell, side, width in zip(row, align, widths, strict=True))
    return _GAP.join(parts).rstrip()
