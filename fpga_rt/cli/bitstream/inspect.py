"""`fpga-rt bitstream inspect`: what a configuration file holds."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from typing import Any

from fpga_rt.cli.bitstream.files import add_file, add_json, read_file
from fpga_rt.cli.table import indented, table
from fpga_rt.runtime.report_text import count_text

_RUNS_SHOWN = 20
_BLOCKS = {0: "logic", 1: "block RAM content", 2: "reset mask"}

Json = dict[str, Any]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments."""
    add_file(parser)
    add_json(parser)
    parser.add_argument(
        "--all-runs", action="store_true", help=f"print every run of frames, not {_RUNS_SHOWN}"
    )


def run(arguments: argparse.Namespace) -> None:
    """Print what a file holds."""
    from fpga_rt.bitstream.summary import summarise

    data = asdict(summarise(read_file(arguments.file)))
    if arguments.json:
        print(json.dumps(data, indent=2))
        return
    print(_file_text(str(arguments.file), data))
    print(_stream_text("first die" if data["stream"]["dies"] else "", data["stream"],
                       arguments.all_runs))  # fmt: skip


def _file_text(name: str, data: Json) -> str:
    header = ", ".join(f"{key} {_printable(value)}" for key, value in data["header"].items())
    rows = [
        ("sha256", data["digest"]),
        ("header", f"{header}; {data['stream_at_byte']} bytes" if header else "none"),
        ("words", "big-endian" if data["word_order"] == "big" else "byte-reversed (fpga_manager)"),
    ]
    return f"{name}: {data['size_bytes']:,} bytes\n{_labelled(rows)}"


def _printable(text: str) -> str:
    """Return text without what a terminal would take for commands."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def _stream_text(title: str, stream: Json, all_runs: bool) -> str:
    """Return a stream and those of further dies as sections of text."""
    idcodes = ", ".join(f"0x{idcode:08X}" for idcode in dict.fromkeys(stream["idcodes"]))
    device = stream["device"] or "no device with a data file"
    rows = [
        ("family", stream["family"] or "unknown"),
        ("IDCODE", f"{idcodes} ({device})" if idcodes else "none"),
        ("kind", f"{stream['kind']}, {', '.join(_forms(stream))}"),
        ("frames", _frames_text(stream)),
        ("CRCs", f"{stream['crcs_matched']:,} of {stream['crcs']:,} match"),
    ]
    parts = [f"{title}\n{_labelled(rows)}" if title else _labelled(rows)]
    parts.append(indented(_segments_table(stream["segments"])))
    if stream["runs"]:
        parts.append(indented(_runs_table(stream["runs"], all_runs)))
    for number, die in enumerate(stream["dies"], 2):
        parts.append(_stream_text(f"die {number}", die, all_runs))
    return "\n\n".join(parts)


def _labelled(rows: list[tuple[str, str]]) -> str:
    return "\n".join(f"  {label:<8}{text}" for label, text in rows)


def _forms(stream: Json) -> list[str]:
    """Return the words that describe the form of a stream."""
    marks = {
        "compressed": stream["compressed"],
        "encrypted": stream["encrypted"],
        "a CRC per frame": stream["per_frame_crc"],
        "debug": stream["debug"],
    }
    found = [name for name, present in marks.items() if present] or ["not compressed"]
    return [*found, "resets its region"] if stream["resets"] else found


def _frames_text(stream: Json) -> str:
    """Return how much frame data there is."""
    if stream["encrypted"]:
        return "encrypted: they cannot be read or counted"
    if stream["frames"] is None:
        return f"{stream['frame_words']:,} words, of a family that is not known"
    text = f"{count_text(stream['frames'], 'frame')} of data, flush and pad frames included"
    repeats = stream["multi_frame_writes"]
    return f"{text}; {count_text(repeats, 'multi-frame write')}" if repeats else text


def _segments_table(segments: list[Json]) -> str:
    rows = [
        (
            number,
            segment["at_byte"],
            segment["writes"],
            segment["runs"],
            f"{segment['crcs_matched']}/{segment['crcs']}",
            "yes" if segment["desynced"] else "no",
        )
        for number, segment in enumerate(segments, 1)
    ]
    headers = ("segment", "at byte", "writes", "runs", "CRCs match", "ends with DESYNC")
    return table(headers, ">>>>><", rows)


def _runs_table(runs: list[Json], all_runs: bool) -> str:
    shown = runs if all_runs else runs[:_RUNS_SHOWN]
    rows = [
        (run["at_byte"], f"0x{run['far']:08X}", *_place(run["address"]), run["frames"])
        for run in shown
    ]
    headers = ("at byte", "FAR", "what", "half", "row", "column", "minor", "frames")
    text = table(headers, "><<<>>>>", rows)
    left = len(runs) - len(shown)
    return f"{text}\n... {left:,} more runs; --all-runs shows them" if left else text


def _place(address: Json | None) -> tuple[object, ...]:
    """Return the parts of a frame address as cells."""
    if address is None:
        return "", "", None, None, None
    what = _BLOCKS.get(address["block_type"], str(address["block_type"]))
    half = "bottom" if address["bottom"] else ""
    return what, half, address["row"], address["column"], address["minor"]
