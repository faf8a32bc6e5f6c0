"""Gateware is found by the family of its module, here or in a package outside."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest
from amaranth.hdl import Fragment

from fpga_rt.errors import ToolchainError
from fpga_rt.modules.dense import DenseModule
from fpga_rt.modules.elementwise import ElementwiseModule
from hw.blocks.boundary import BOUNDARY
from hw.modules import registry

Install = Callable[..., None]
OUTSIDE = '''
"""Gateware of somebody else's."""

from amaranth.hdl import Module
from amaranth.lib.wiring import Component
from hw.blocks.boundary import BOUNDARY


class Outside(Component):
    """Answers its identity and does nothing else."""

    def __init__(self, module):
        self.module = module
        super().__init__(BOUNDARY.flip())

    def elaborate(self, platform):
        m = Module()
        m.d.comb += self.module_id.eq(self.module.module_id)
        return m


def no_ports(module):
    return object()
'''


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Return a function that installs a package with entry points; every name is its own."""

    def install(package: str, *entries: str) -> None:
        folder = tmp_path / package
        folder.mkdir()
        (folder / f"{package}.py").write_text(textwrap.dedent(OUTSIDE))
        metadata = folder / f"{package}-1.0.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n"
        )
        lines = [f"[{registry.GROUP}]", *entries]
        (metadata / "entry_points.txt").write_text("\n".join(lines) + "\n")
        monkeypatch.syspath_prepend(str(folder))

    return install


class _Host(DenseModule):
    """A host half of another family."""

    def __init__(self, family: str) -> None:
        super().__init__(8)
        self.family = family


def test_makes_the_gateware_of_a_package_outside(install: Install) -> None:
    install("g6_outside", "g6_family = g6_outside:Outside")
    module = _Host("g6_family")
    component = registry.gateware(module)
    Fragment.get(component, None)
    assert component.signature == BOUNDARY.flip()
    assert component.module is module
    assert "g6_family" in registry.families()


def test_a_family_without_gateware_is_refused_with_the_families_that_have_it(
    install: Install,
) -> None:
    install("g6_other", "g6_other = g6_other:Outside")
    with pytest.raises(ToolchainError, match=r"module absent_8 has no gateware: .*g6_other"):
        registry.gateware(_Host("absent"))


@pytest.mark.parametrize("value", ["g6_nowhere:Outside", "g6_broken:Missing"])
def test_gateware_that_does_not_import_is_named(install: Install, value: str) -> None:
    install("g6_broken", f"g6_broken = {value}")
    with pytest.raises(ToolchainError, match=f"gateware {value} of module g6_broken_8 does not"):
        registry.gateware(_Host("g6_broken"))


def test_gateware_with_other_ports_is_refused(install: Install) -> None:
    install("g6_ports", "g6_ports = g6_ports:no_ports")
    with pytest.raises(ToolchainError, match="does not have the ports of the module boundary"):
        registry.gateware(_Host("g6_ports"))


def test_two_packages_for_one_family_are_refused(install: Install) -> None:
    install("g6_one", "g6_twice = g6_one:Outside")
    install("g6_two", "g6_twice = g6_two:Outside")
    with pytest.raises(ToolchainError, match="two packages offer gateware for g6_twice"):
        registry.families()


@pytest.mark.parametrize("family", ["scale", "add", "clamp"])
def test_the_elementwise_modules_are_registered(family: str) -> None:
    if family not in registry.families():
        pytest.skip("the package was installed before these entry points; install it again")
    module = ElementwiseModule(family, 2)
    component = registry.gateware(module)
    Fragment.get(component, None)
    assert component.module is module
