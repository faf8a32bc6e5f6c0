"""A sample of `python -m benchmarks.update_mutations`, which runs 100,000."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("cryptography")

from importlib.metadata import entry_points

from benchmarks.update_mutations import MUTATIONS, Scene, mutation, run
from fpga_rt.errors import UpdateError
from fpga_rt.update import signature


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scene:
    """Return a device with an owner, under the real scheme of signatures."""
    monkeypatch.setattr(signature, "entry_points", entry_points)
    signature.verifier.cache_clear()
    return Scene.make(tmp_path / "store")


def test_nothing_is_let_through(scene: Scene, tmp_path: Path) -> None:
    files = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    outcome = run(scene, range(400))
    assert outcome.failures == []
    assert {kind for kind, _ in outcome.counts} == set(MUTATIONS)
    assert outcome.total("refused") > 380
    assert files == {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}


def test_mutations_repeat_but_for_the_keys(scene: Scene) -> None:
    numbers = [n for n in range(60) if not mutation(scene, n)[0].startswith(("owner", "signed"))]
    assert [mutation(scene, n) for n in numbers] == [mutation(scene, n) for n in numbers]


def test_what_is_let_through_is_noticed(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signature, "verifier", lambda scheme: lambda *of: True)
    failures = run(scene, range(400)).failures
    assert any("accepted version" in failure for failure in failures)


def test_the_package_itself_is_taken(scene: Scene) -> None:
    assert scene.store.admit(scene.packages[0]).package.version == 6
    for package in scene.others:
        with pytest.raises(UpdateError):
            scene.store.admit(package)
