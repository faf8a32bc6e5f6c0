"""The wrapper around a static region, as text."""

from __future__ import annotations

import hashlib

from sim.top import PortInfo, StaticSource, static_id, system_design

PORTS = {
    "interrupt": PortInfo(1, True),
    "icap_csib": PortInfo(1, True),
    "icap_i": PortInfo(32, True),
}
ID = {"static_id": PortInfo(64, False)}


def wrapper(verilog: str, ports: dict[str, PortInfo]) -> str:
    design = system_design(StaticSource("region", verilog, ports), 2, {}, port_verilog="")
    return design.verilog


def test_the_static_region_is_told_a_digest_of_its_verilog() -> None:
    sources = [StaticSource("region", text, PORTS | ID) for text in ("// one\n", "// two\n")]
    digest = hashlib.sha256(b"// one\n").hexdigest()[:16]
    assert f"{static_id(sources[0]):016x}" == digest
    assert static_id(sources[1]) != static_id(sources[0])
    text = wrapper("// one\n", PORTS | ID)
    assert f".static_id(64'h{digest})" in text
    assert "input [63:0] static_id" not in text
    assert "static_id" not in wrapper("// one\n", PORTS)


def test_of_the_icap_csib_can_be_seen() -> None:
    text = wrapper("", PORTS)
    assert "output icap_csib" in text
    assert "wire icap_csib" not in text
    assert "    wire [31:0] icap_i;" in text
    assert text.count(".icap_csib(icap_csib)") == 1
    assert ".csib(icap_csib)" in text
