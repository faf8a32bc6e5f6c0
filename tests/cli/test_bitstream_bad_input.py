"""Bad files: one line, an exit code, no traceback and no output file, from every command."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from fpga_rt.arch.boards import board
from fpga_rt.bitstream.build import simulation_bitstream
from fpga_rt.cli.bitstream.files import LARGEST_BYTES
from tests.cli.bitstreams import bit, partial, put
from tests.cli.conftest import Answer, Cli

READERS: dict[str, tuple[str, ...]] = {
    "inspect": (),
    "verify": ("--board", "pynq-z2", "--partition", "rp1"),
    "locate": ("--board", "pynq-z2"),
    "diff": ("good.bin",),
    "shrink": ("-o", "out.bit"),
    "convert": ("-o", "out.bin"),
    "import": ("--board", "pynq-z2", "--partition", "rp1", "--module", "m", "--module-id", "1"),
}
LEARN = ("geometry", "learn")


def _stream(*words: int) -> bytes:
    return struct.pack(f">{len(words)}I", *words)


def _folder(folder: Path) -> Path:
    path = folder / "folder"
    path.mkdir()
    return path


def _huge(folder: Path) -> Path:
    path = put(folder, "huge.bit", b"")
    with path.open("r+b") as file:
        file.truncate(LARGEST_BYTES + 1)  # sparse: it takes no space
    return path


def _behind_a_file(folder: Path) -> Path:
    return put(folder, "file", b"x") / "a.bit"


FILES: dict[str, tuple[Callable[[Path], Path], str]] = {
    "missing": (lambda folder: folder / "none.bit", "No such file or directory; check the path"),
    "unreadable": (_behind_a_file, "Not a directory; check the path and its permissions"),
    "folder": (_folder, "is a folder, expected a .bit or .bin file"),
    "device": (lambda _: Path("/dev/null"), "is a device or socket, expected a .bit or .bin file"),
    "huge": (_huge, "is longer than 536,870,912 bytes, more than any device takes"),
    "empty": (lambda folder: put(folder, "e.bit", b""), "is empty, expected a bitstream"),
    "text": (lambda folder: put(folder, "t.bit", b"hello, world. " * 40), "is this a bitstream?"),
    "zeros": (lambda folder: put(folder, "z.bin", bytes(4096)), "no sync word 0xAA995566"),
    "cut header": (lambda folder: put(folder, "h.bit", bit(partial())[:40]), ".bit header"),
    "cut": (lambda folder: put(folder, "c.bit", bit(partial())[:900]), "truncated"),
    "cut words": (lambda folder: put(folder, "w.bin", partial()[:900]), "truncated"),
    "no packets": (
        lambda folder: put(folder, "p.bin", _stream(0xAA995566, *[0xFFFFFFFF] * 9)),
        "is no packet header",
    ),
}


def _one_line(answer: Answer, code: int) -> None:
    assert (answer.code, answer.out) == (code, "")
    assert answer.err.startswith("fpga-rt: error: ")
    assert answer.err.count("\n") == 1
    assert "Traceback" not in answer.err


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("command", [*READERS, "learn"])
def test_what_is_no_bitstream(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, file: str
) -> None:
    monkeypatch.chdir(tmp_path)
    put(tmp_path, "good.bin", partial())
    make, message = FILES[file]
    path = make(tmp_path)
    before = set(tmp_path.iterdir())
    if command == "learn":
        answer = cli(*LEARN, path, "-o", "map.json")
    else:
        answer = cli("bitstream", command, path, *READERS[command])
    _one_line(answer, 3)
    assert message in answer.err
    assert set(tmp_path.iterdir()) == before


@pytest.mark.parametrize("command", ["verify", "locate", "diff", "shrink", "import"])
def test_an_unknown_idcode(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.chdir(tmp_path)
    put(tmp_path, "good.bin", partial())
    target = board("pynq-z2")
    other = replace(target.device, idcode=0x0370D093)
    path = put(tmp_path, "u.bin", simulation_bitstream(other, target.partitions[1], 1))
    answer = cli("bitstream", command, path, *READERS[command])
    _one_line(answer, 3)
    assert "IDCODE" in answer.err
    assert "0x0370D093" in answer.err
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("command", ["verify", "locate", "diff", "shrink", "import"])
def test_another_family(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.chdir(tmp_path)
    put(tmp_path, "good.bin", partial())
    path = put(tmp_path, "k.bin", partial("kv260", 0))
    against = ("--against", "good.bin") if command == "shrink" else ()
    _one_line(cli("bitstream", command, path, *READERS[command], *against), 3)
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("command", [name for name in READERS if name != "inspect"])
def test_encrypted(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data_dir: Path, command: str
) -> None:
    monkeypatch.chdir(tmp_path)
    put(tmp_path, "good.bin", partial())
    path = data_dir / "bitstreams" / "betrusted-io-xous-core" / "precursors__soc_csr_pvt.bin"
    answer = cli("bitstream", command, path, *READERS[command])
    _one_line(answer, 3)
    assert "encrypted" in answer.err
    assert len(list(tmp_path.iterdir())) == 1


def test_groups_explain_themselves(cli: Cli) -> None:
    answer = cli("bitstream")
    assert answer.code == 2
    assert answer.err == (
        "fpga-rt: error: the following arguments are required: COMMAND;"
        " see `fpga-rt bitstream --help`\n"
    )
    assert cli("bitstream", "nonsense").code == 2
    listed = cli("bitstream", "--help").out
    assert all(name in listed for name in READERS)
    assert "MAP.json" in cli("geometry", "learn", "--help").out


def test_the_traceback_is_for_those_who_ask(cli: Cli, tmp_path: Path) -> None:
    answer = cli("bitstream", "inspect", tmp_path / "none.bit", "-vv")
    assert answer.code == 3
    assert answer.err.startswith("Traceback")
