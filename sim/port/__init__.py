"""The configuration port of the device as simulation RTL, and the frames that it knows."""

from pathlib import Path

SOURCES = tuple(
    Path(__file__).resolve().parent / f"configuration_{part}.v"
    for part in ("port", "logic", "identity")
)
"""All of the model; `configuration_port` is what a design instantiates."""


def model_verilog() -> str:
    """Return the text of the model, all of its modules."""
    return "\n".join(source.read_text(encoding="utf-8") for source in SOURCES)
