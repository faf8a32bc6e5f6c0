"""`fpga-rt bitstream import`: what is registered, and that nothing is when a check fails."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from fpga_rt.bitstream.manifest import load, manifests
from fpga_rt.modules.registry import modules
from tests.cli.bitstreams import MODULE_ID, bit, partial, put
from tests.cli.conftest import Answer, Cli

TARGET = ("--board", "pynq-z2", "--partition", "rp1")


def _import(cli: Cli, path: Path, root: Path, *arguments: object) -> Answer:
    return cli("bitstream", "import", path, *TARGET, "--root", root, *arguments)


def test_registers_a_module_of_a_third_party(cli: Cli, tmp_path: Path) -> None:
    source, root = put(tmp_path, "a.bit", bit(partial())), tmp_path / "bitstreams"
    answer = _import(cli, source, root, "--module", "led", "--module-id", f"{MODULE_ID:x}")
    assert (answer.code, answer.err) == (0, "")
    folder = root / "pynq-z2" / "rp1" / "led"
    assert sorted(path.name for path in folder.iterdir()) == ["led.bit", "manifest.json"]
    manifest = load(folder / "manifest.json")
    assert (manifest.module_id, manifest.static_id) == (MODULE_ID, None)
    assert manifest.digest == hashlib.sha256(source.read_bytes()).hexdigest()
    manifest.check_file((folder / "led.bit").read_bytes())
    assert "led, identity 0123456789abcdef" in answer.out
    assert "warning: the static region it was implemented against is not recorded" in answer.out


def test_an_installed_module_has_its_own_identity(cli: Cli, tmp_path: Path) -> None:
    module = modules()[0]
    source = put(tmp_path, "a.bin", partial(module_id=module.module_id))
    answer = _import(cli, source, tmp_path, "--module", module.name, "--static-id", "0xAB",
                     "--json")  # fmt: skip
    content = json.loads(answer.out)
    assert content["module_id"] == f"{module.module_id:016x}"
    assert content["static_id"] == "00000000000000ab"
    assert content["module_resources"] == vars(module.resources)
    assert [m.module for m in manifests(tmp_path)] == [module.name]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--module", "led"), 4, "module 'led' is not installed, so its identity is not known"),
        (("--module", "led", "--module-id", "12"), 3, "identity in the frames: got module 0123456"),
        (("--module", "led", "--module-id", "xyz"), 2, "got 'xyz', expected 1 to 16 hexadecimal"),
        (("--module", "../led", "--module-id", "0123456789abcdef"), 3, "module name '../led': "),
    ],
)
def test_refusals_leave_nothing(
    cli: Cli, tmp_path: Path, arguments: tuple[str, ...], code: int, message: str
) -> None:
    source, root = put(tmp_path, "a.bin", partial()), tmp_path / "bitstreams"
    answer = _import(cli, source, root, *arguments)
    assert (answer.code, answer.out) == (code, "")
    assert message in answer.err
    assert not root.exists()


def test_another_region_is_refused(cli: Cli, tmp_path: Path, data_dir: Path) -> None:
    real = data_dir / "bitstreams" / "byuccl-BYU_PYNQ_PR_Video_Pipeline" / "video__pass_s0.bit"
    for source in (put(tmp_path, "a.bin", partial(partition=0)), real):
        root = tmp_path / "bitstreams"
        answer = _import(cli, source, root, "--module", "led", "--module-id", f"{MODULE_ID:x}")
        assert answer.code == 3
        assert "'rp1'" in answer.err
        assert not root.exists()


def test_a_folder_that_cannot_be_made_is_one_line(cli: Cli, tmp_path: Path) -> None:
    source = put(tmp_path, "a.bin", partial())
    root = put(tmp_path, "bitstreams", b"")
    answer = _import(cli, source, root, "--module", "led", "--module-id", f"{MODULE_ID:x}")
    assert answer.code == 3
    assert answer.err.startswith(f"fpga-rt: error: cannot make the folder {root}")
    assert answer.err.count("\n") == 1


def test_another_bitstream_of_the_same_name_is_replaced_only_when_told(
    cli: Cli, tmp_path: Path
) -> None:
    root = tmp_path / "bitstreams"
    first = put(tmp_path, "a.bit", bit(partial()))
    second = put(tmp_path, "b.bit", bit(partial(module_id=0xB)))
    assert _import(cli, first, root, "--module", "led", "--module-id", f"{MODULE_ID:x}").code == 0
    assert _import(cli, first, root, "--module", "led", "--module-id", f"{MODULE_ID:x}").code == 0
    answer = _import(cli, second, root, "--module", "led", "--module-id", "b")
    assert answer.code == 3
    assert "registers bitstream" in answer.err
    assert "choose another --module, or add --replace" in answer.err
    place = root / "pynq-z2" / "rp1" / "led" / "manifest.json"
    assert load(place).module_id == MODULE_ID
    assert _import(cli, second, root, "--module", "led", "--module-id", "b", "--replace").code == 0
    assert load(place).module_id == 0xB
