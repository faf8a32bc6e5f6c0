"""`fpga-rt update apply` on packages that were tampered with: a sample of the benchmark's."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

pytest.importorskip("cryptography")

from benchmarks.update_mutations import MUTATIONS, Scene, mutation
from fpga_rt.errors import UpdateError
from fpga_rt.update import signature
from tests.cli.conftest import Cli

COUNT = 200
_DAMAGED = "this is no update package, or a damaged one: "
_CHANGED = "does not belong to this package: it was changed after it was signed"
_STRANGER = "expected one that this device trusts"
_ANYWHERE = (_DAMAGED, _CHANGED, _STRANGER, "the package has format version", " is empty, expected")
_UNFIT = (
    " already and takes only higher ones",
    "the package starts from archive ",
    "the package is for network ",
    "the package is for register map ",
)
_BY_OWNER = (
    *_ANYWHERE,
    *_UNFIT,
    "the package's changes ",
    "the package leads to ",
    "the package was made with test vectors ",
)
REASONS: Mapping[str, tuple[str, ...]] = {
    "flipped bits": _ANYWHERE,
    "overwritten": _ANYWHERE,
    "header": _ANYWHERE,
    "truncated": ("it is truncated: ", " is empty, expected an update package"),
    "extended": ("it goes on after its end: ",),
    "spliced": ("it is truncated: ", "it goes on after its end: ", _CHANGED),
    "moved bytes": _ANYWHERE,
    "unsigned": ("the package is not signed; sign it: ",),
    "signed by a stranger": (_CHANGED, _STRANGER),
    "another's signature": (_CHANGED,),
    "replayed, wrong base or network": _UNFIT,
    **{kind: _BY_OWNER for kind in MUTATIONS if kind.startswith("owner: ")},
}
"""What the message must say, by what was done to the package; one of each."""


def test_every_kind_has_its_reasons() -> None:
    assert REASONS.keys() == MUTATIONS.keys()


def _tampered(scene: Scene, count: int) -> Iterator[tuple[int, str, bytes]]:
    """Yield mutations that nobody may take; what the owner signed may be whole after all."""
    number = 0
    while count:
        kind, data = mutation(scene, number)
        if not (kind.startswith("owner: ") and _is_whole(scene, data)):
            yield number, kind, data
            count -= 1
        number += 1


def _is_whole(scene: Scene, data: bytes) -> bool:
    try:
        scene.store.admit(data)
    except UpdateError:
        return False
    return True


def _content(store: Path) -> dict[str, bytes | None]:
    return {
        str(path.relative_to(store)): path.read_bytes() if path.is_file() else None
        for path in store.rglob("*")
    }


def _findings(cli: Cli, scene: Scene, folder: Path, count: int) -> tuple[Counter[str], list[str]]:
    """Apply tampered packages; return how many of each kind, and what is not as it has to be."""
    store, package = folder / "store", folder / "tampered.fru"
    before, kinds, findings = _content(store), Counter[str](), []
    for number, kind, data in _tampered(scene, count):
        package.write_bytes(data)
        answer = cli("update", "apply", store, package)
        kinds[kind] += 1
        said = (
            answer.err.startswith(f"fpga-rt: error: {package}")
            and answer.err.count("\n") == 1
            and any(reason in answer.err for reason in REASONS[kind])
        )
        if (answer.code, answer.out, said) != (11, "", True):
            findings.append(f"{number} ({kind}): {answer.code} {answer.out}{answer.err}")
        if _content(store) != before:
            findings.append(f"{number} ({kind}): the store has changed")
            before = _content(store)
    return kinds, findings


def test_each_is_refused_with_the_reason(cli: Cli, tmp_path: Path) -> None:
    kinds, findings = _findings(cli, Scene.make(tmp_path / "store"), tmp_path, COUNT)
    assert findings == []
    assert kinds.keys() == MUTATIONS.keys()


def test_what_is_let_through_is_noticed(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = Scene.make(tmp_path / "store")
    monkeypatch.setattr(signature, "verifier", lambda scheme: lambda *of: True)
    _, findings = _findings(cli, scene, tmp_path, 60)
    assert any("): 0 version " in finding for finding in findings), findings
    assert any("the store has changed" in finding for finding in findings)
