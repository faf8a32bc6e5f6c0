"""`fpga-rt update`: from keys to a rollback, on the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fpga_rt
from fpga_rt.errors import UpdateError
from fpga_rt.network.graph import Network
from fpga_rt.update.placed import Place, Placed
from fpga_rt.update.store import Store
from tests.cli.conftest import Answer, Cli
from tests.random_networks import Builder
from tests.update.networks import drifted

pytest.importorskip("cryptography")


@pytest.fixture
def update(
    cli: Cli, network: Network, archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Cli:
    """Return `fpga-rt update` in a folder with an owner's keys, a store and what it may become."""
    monkeypatch.chdir(tmp_path)
    changed = drifted(network, 3)
    fpga_rt.save(fpga_rt.compile(changed, "pynq-z2", 2), "new.frt")

    def run(*arguments: object) -> Answer:
        return cli("update", *arguments)

    assert run("key", "owner").code == 0
    assert run("install", "store", archive, "--trust", "owner.pub").code == 0
    return run


def _make(update: Cli, version: int, *more: object) -> Answer:
    files = ("small.frt", "new.frt", "-o", "up.fru")
    return update("make", *files, "--version", version, "--key", "owner.key", *more)


def _json(answer: Answer) -> dict[str, Any]:
    assert (answer.code, answer.err) == (0, "")
    found: dict[str, Any] = json.loads(answer.out)
    return found


def test_the_whole_way(update: Cli, network: Network, cli: Cli, data: Path) -> None:
    made = _json(_make(update, 2, "--json", "--note", "dusk", "--archive", "target.frt"))
    assert made["bytes"] == Path("up.fru").stat().st_size < made["parameter_bytes"]
    assert (made["new_program"], made["archive"]) == (None, "target.frt")
    seen = _json(update("inspect", "up.fru", "--trust", "owner.pub", "--json"))
    assert (seen["network"], seen["version"], seen["note"]) == ("small", 2, "dusk")
    assert seen["signature"] == {"key": made["key"], "checked": True}
    assert seen["changes"]["new_program"] is False
    applied = _json(update("apply", "store", "up.fru", "--json"))
    assert (applied["version"], applied["replaced"], applied["device"]) == (2, 1, "emulator")
    assert (applied["clock"], applied["origin"]) == ("virtual", "modelled")
    assert 0 < applied["self_test_us"] < applied["first_correct_us"]
    status = _json(update("status", "store", "--json"))
    assert (status["version"], status["previous"], status["highest"]) == (2, 1, 2)
    assert update("export", "store", "-o", "now.frt").code == 0
    assert Path("now.frt").read_bytes() == Path("target.frt").read_bytes()
    assert cli("run", "now.frt", "--input", data).code == 0
    back = update("rollback", "store")
    assert back.out == ("store: version 2 was rolled back to 1; versions above 2 are taken\n")
    assert update("export", "store", "-o", "now.frt").code == 0
    assert Path("now.frt").read_bytes() == Path("small.frt").read_bytes()


def test_texts(update: Cli) -> None:
    assert "parameters only: devices switch between two inferences" in _make(update, 2).out
    text = update("inspect", "up.fru").out
    assert "NOT checked, name a key with --trust" in text
    assert "parameters only: rows of" in text
    text = update("apply", "store", "up.fru").out
    assert text.startswith("version 2 replaced version 1: parameters only\n")
    assert "4 test vectors right in" in text
    assert "on emulator (virtual clock, modelled)\n  answers    rightly " in text
    assert text.endswith(" after the package was accepted, by the same clock\n")
    text = update("status", "store").out
    assert "last       version 2 replaced version 1" in text
    assert "rollback   to version 1" in text


def test_a_note_fakes_no_line(update: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    note = "dusk\n  signed by  key 00, checked\x1b[2J"
    refused = _make(update, 2, "--note", note)
    assert (refused.code, refused.out) == (11, "")
    assert "has control characters, expected one printable line; change the text" in refused.err
    assert not Path("up.fru").exists()
    # Even a text that were let in is escaped where it is shown.
    monkeypatch.setattr("fpga_rt.update.package._UNSHOWN", frozenset())
    assert _make(update, 2, "--note", note).code == 0
    text = update("inspect", "up.fru").out
    assert text.count("signed by") == 2
    assert r"  note       dusk\n  signed by  key 00, checked\x1b[2J" in text.splitlines()


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda data: data[:-1], "up.fru: this is no update package, or a damaged one: it is trun"),
        (lambda data: data[:100] + b"\0" + data[101:], "was changed after it was signed"),
        (lambda data: b"", "up.fru is empty, expected an update package"),
    ],
)
def test_refusals(update: Cli, change: Callable[[bytes], bytes], text: str) -> None:
    _make(update, 2)
    path = Path("up.fru")
    path.write_bytes(change(path.read_bytes()))
    before = {p: p.read_bytes() for p in Path("store").rglob("*") if p.is_file()}
    answer = update("apply", "store", "up.fru")
    assert (answer.code, answer.out) == (11, "")
    assert text in answer.err
    assert (
        text in update("inspect", "up.fru", "--trust", "owner.pub").err or not path.stat().st_size
    )
    assert before == {p: p.read_bytes() for p in Path("store").rglob("*") if p.is_file()}


@pytest.fixture
def answers_wrongly(update: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """Spoil the answers of version 2 once it is in place, behind its self-test."""
    outputs = Placed.outputs

    def spoiled(self: Placed, place: Place, codes: np.ndarray) -> tuple[np.ndarray, int]:
        right, took_ps = outputs(self, place, codes)
        return (right ^ 1, took_ps) if self.number == 2 else (right, took_ps)

    assert _make(update, 2).code == 0
    monkeypatch.setattr(Placed, "outputs", spoiled)


@pytest.mark.usefixtures("answers_wrongly")
def test_what_answers_wrongly_in_place_is_rolled_back(update: Cli) -> None:
    answer = update("apply", "store", "up.fru")
    assert (answer.code, answer.out) == (11, "")
    assert answer.err == (
        "fpga-rt: error: version 2 replaced version 1, but version 2, which runs, answers a test"
        " vector otherwise than golden execution does; check the device: fpga-rt selfcheck; it was"
        " rolled back to version 1\n"
    )
    status = _json(update("status", "store", "--json"))
    assert (status["version"], status["highest"]) == (1, 2)


@pytest.mark.usefixtures("answers_wrongly")
def test_a_rollback_that_fails_behind_an_update_is_named(
    update: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stuck(self: Store) -> None:
        raise UpdateError("the disk is gone", "store")

    with monkeypatch.context() as patch:
        patch.setattr(Store, "rollback", stuck)
        answer = update("apply", "store", "up.fru")
    assert (answer.code, answer.out) == (11, "")
    assert answer.err.endswith(
        "; it stays, for rolling back failed (the disk is gone): fpga-rt update rollback store\n"
    )
    assert _json(update("status", "store", "--json"))["version"] == 2
    assert update("rollback", "store").code == 0


def test_a_replay_is_refused(update: Cli) -> None:
    _make(update, 2)
    update("apply", "store", "up.fru")
    answer = update("apply", "store", "up.fru")
    assert answer.code == 11
    assert "this device has had version 2 already and takes only higher ones" in answer.err


def test_an_interrupted_transfer_goes_on(update: Cli) -> None:
    _make(update, 2)
    data = Path("up.fru").read_bytes()
    part = Path("store/incoming") / sha256(data).hexdigest()
    part.write_bytes(data[:300])
    assert update("apply", "store", "up.fru").code == 0
    assert list(part.parent.iterdir()) == []


def test_a_store_that_is_being_changed_is_left_alone(update: Cli) -> None:
    _make(update, 2)
    other = Path("store/incoming") / ("0" * 64)
    other.write_bytes(b"on its way")
    with Store("store").changing():
        answer = update("apply", "store", "up.fru")
    assert answer.code == 11
    assert "the store store is being changed by another process; try again" in answer.err
    assert list(other.parent.iterdir()) == [other]


def test_vectors_of_ones_own(update: Cli, archive: Path, network: Network) -> None:
    shape = (2, *network.tensors[network.input].shape)
    np.save("images.npy", np.zeros(shape, np.int8))
    vectors = ("--vectors", "images.npy")
    assert update("install", "other", archive, "--trust", "owner.pub", *vectors).code == 0
    _make(update, 2)
    assert "make it with the device's (--vectors)" in update("apply", "other", "up.fru").err
    _make(update, 2, *vectors)
    assert "2 test vectors right" in update("apply", "other", "up.fru").out


def test_files_that_are_in_the_way(update: Cli, archive: Path) -> None:
    assert "owner.key is there already; choose another name" in update("key", "owner").err
    assert Path("owner.key").stat().st_mode & 0o777 == 0o600
    assert update("install", "store", archive, "--trust", "owner.pub").code == 11
    answer = update(
        "make", "small.frt", "new.frt", "--version", 2, "--key", "owner.key", "-o", "up.fru",
        "--archive", "small.frt",
    )  # fmt: skip
    assert answer.code == 2
    assert "would overwrite an input" in answer.err
    assert "none.fru cannot be read (No such file" in update("inspect", "none.fru").err
    assert "holds none; make one: fpga-rt update install" in update("status", "nowhere").err
    expected = "small.frt is a file, expected the folder of an update store; name the folder, or"
    for command in (("status", "small.frt"), ("apply", "small.frt", "store")):
        answer = update(*command)
        assert answer.code == 11
        assert expected in answer.err


def test_another_program_is_said(update: Cli, network: Network) -> None:
    builder = Builder(np.random.default_rng(4), network.tensors[network.input].shape)
    builder.convolution(16, 5)
    builder.maximum(2, 2)
    builder.dense(7)
    fpga_rt.save(fpga_rt.compile(builder.build("small"), "pynq-z2", 2), "new.frt")
    text = _make(update, 2).out
    assert "with a new program, devices load it: it has other operations" in text
    assert "a new program: rows of" in update("inspect", "up.fru").out
    assert (
        "version 2 replaced version 1: a new program was loaded"
        in update("apply", "store", "up.fru").out
    )
