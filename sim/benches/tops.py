"""What stands around a component in a bench: modules, configuration port, and monitors.

A top module makes its clocks itself, has the other ports of the component, named as there, and

    <port>_arid, _rid, _awid, _bid   transaction IDs of every AXI port, which the gateware lacks
    unknown, unstable                a bit a monitor, see monitor.v; instance `watch_<channel>`
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from fpga_rt.arch import boards
from fpga_rt.arch.boards import Board
from fpga_rt.contract.boundary import BOUNDARY, Direction
from fpga_rt.modules.module import Module
from fpga_rt.modules.registry import named
from sim.build import without_initial_values
from sim.reconfiguration import module_switch
from sim.sources import (
    module_verilog,
    port_parameters,
    ports_of,
    static_source,
    variant_of,
    verilog,
)
from sim.top import STATIC_ID, PortInfo, StaticSource, system_design

SERIES7, ULTRASCALE_PLUS = "pynq-z2", "kv260"
"""Boards with an ICAPE2 and an ICAPE3."""
BENCH = "bench"
"""Name of every top module."""
MODULES = ("scale_2", "add_2", "clamp_2")
WEIGHTED = ("scale_2", "dense_2")
"""Modules of `region_top`, and those of the bench whose parameters have weights, too."""
_SIM = Path(__file__).resolve().parents[1]
_FEATURE_MEMORY_BYTES = 8192
_HALF_NS = {"clk": 3.5, "icap_clk": 5}
"""Half of each clock's period; that cocotb need not toggle them doubles the speed."""
_TO_MODULE = ("command", "parameters", "input")
_PORT_FLAGS = ("loaded", "crc_error", "id_error", "far_error", "synced", "frame_written")

Ports = Mapping[str, PortInfo]


@dataclass(frozen=True)
class Channel:
    """A direction of a valid/ready channel that a monitor watches; fields are Verilog.

    Attributes:
        name: of the monitor.
        width: bits of `data`.
        data: what must be known and stay.
        valid: who offers.
        ready: who takes.
        offers: whether the watched side offers, or takes.
        lanes: whether `data` is a write with strobes.
        may_withdraw: when what is offered need not stay.
    """

    name: str
    width: int = 1
    data: str = "1'b0"
    valid: str = "1'b1"
    ready: str = "1'b1"
    offers: bool = True
    lanes: bool = False
    may_withdraw: str = "1'b0"


@cache
def small_board(name: str = SERIES7) -> Board:
    """Return a board with two partitions and 8 KiB of feature memory."""
    board = boards.board(name)
    return replace(
        board,
        partitions=board.partitions[:2],
        feature_memory_bytes=_FEATURE_MEMORY_BYTES,
    )


@cache
def bench_modules(names: Sequence[str] = MODULES) -> tuple[Module, ...]:
    """Return the host halves of the modules that the partitions may hold."""
    return named(names)


def decoupler() -> str:
    """Return the Verilog of the decoupler."""
    from hw.blocks.decoupler import Decoupler

    return verilog("decoupler", Decoupler)


def controller(board_name: str = SERIES7) -> str:
    """Return the Verilog of the configuration controller of a small board."""
    from hw.static_region.configuration_controller import ConfigurationController
    from hw.static_region.frame_windows import far_windows
    from hw.static_region.stream_guard import Primitive

    board = small_board(board_name)
    icap: Primitive = "ICAPE2" if board_name == SERIES7 else "ICAPE3"

    def make() -> ConfigurationController:
        windows = [far_windows(board.device, partition) for partition in board.partitions]
        return ConfigurationController(len(windows), board.device.idcode, windows, icap)

    return verilog("controller", make, variant_of(board))


def static_region() -> str:
    """Return the Verilog of the static region of the small board."""
    return static_source(small_board()).verilog


def decoupler_top(component: str | None = None) -> str:
    """Return the Verilog of the decoupler with injected garbage on the module's side.

    Args:
        component: Verilog to put in the place of the decoupler, for example one with a fault.
    """
    text = component or decoupler()
    ports = ports_of(text, "decoupler")
    driven = [w.name for w in BOUNDARY if w.direction is Direction.OUTPUT]
    pins = {f"module_{name}": f"pins_{name}" for name in driven}
    body = [f"    wire {_range(ports[f'module_{n}'].width)}pins_{n};" for n in driven]
    body += [_injector("injector", "garbage", "module_", "pins_", driven)]
    channels = [
        Channel(
            "wires",
            131,
            "{decoupled, empty, static_error, module_reset,"
            " module_start, static_command_ready, static_parameters_ready,"
            " static_input_ready, 123'd0}",
        )
    ]
    cut = "decoupled | module_reset"
    for name in _TO_MODULE:
        channels.append(_offered(f"module_{name}", cut))
        channels.append(Channel(f"static_{name}", ready=f"static_{name}_ready", offers=False))
    channels.append(_offered("static_output", "module_reset"))
    channels.append(Channel("module_output", ready="module_output_ready", offers=False))
    instance = _instance("decoupler", "dut", ("clk", "rst", *ports), pins)
    added = {"garbage": PortInfo(1, False)}
    top = _top({**_clocks("clk", "rst"), **ports, **added}, [*body, instance], channels)
    return "\n".join((top, text, _file("boundary/boundary_injector.v")))


def controller_top(component: str | None = None, board_name: str = SERIES7) -> str:
    """Return the Verilog of the configuration controller with the port behind it.

    Args:
        component: Verilog to put in the place of the controller.
        board_name: Whose controller and port they are.
    """
    board = small_board(board_name)
    text = component or controller(board_name)
    ports = ports_of(text, "controller")
    channels = [
        *_manager("axi", ports),
        Channel("wires", 46, "{state, error, dut.icap_csib, dut.icap_rdwrb, dut.icap_i}"),
    ]
    return _with_port(StaticSource("controller", text, ports), board, [], channels)


def region_top(component: str | None = None, names: Sequence[str] = MODULES) -> str:
    """Return the Verilog of the static region with modules that are swapped in both partitions.

    Args:
        component: Verilog to put in the place of the static region.
        names: of the modules.
    """
    held = bench_modules(names)
    board = small_board()
    text = component or static_region()
    ports = ports_of(text, "static_region")
    channels = [*_subordinate("s_axi")]
    for prefix in ("control", "configuration"):
        channels += _manager(prefix, ports)
    body, modules = [], [_file("boundary/boundary_injector.v"), *map(_module, held)]
    identities = {m.module_id: f"{m.name}_pins" for m in held}
    for p in range(len(board.partitions)):
        for prefix in (f"features_{p}_read", f"features_{p}_write", f"parameters_{p}"):
            channels += _manager(prefix, ports)
        channels += [_offered(f"rp_{p}_{name}", "1'b1") for name in _TO_MODULE]
        channels.append(Channel(f"rp_{p}_output", ready=f"rp_{p}_output_ready", offers=False))
        body += _partition(p, ports)
        modules.append(module_switch(f"partition_{p}", p, BOUNDARY, identities))
        wires = f"{{rp_{p}_reset, rp_{p}_start, event_start_{p}, event_end_{p}}}"
        channels.append(Channel(f"wires_{p}", 4, wires))
    icap = "{interrupt, configuration_running, dut.icap_csib, dut.icap_rdwrb, dut.icap_i}"
    channels.append(Channel("wires", 36, icap))
    source = StaticSource("static_region", text, ports)
    return "\n".join((_with_port(source, board, body, channels), *modules))


def module_top(name: str, component: str | None = None) -> str:
    """Return the Verilog of a module by itself, of which nothing is known before a reset.

    Args:
        name: of the module.
        component: Verilog to put in the place of the module.
    """
    (module,) = named((name,))
    ports = {w.name: PortInfo(w.width, w.direction is Direction.OUTPUT) for w in BOUNDARY}
    channels = [Channel("wires", 65, "{error, module_id}"), _offered("output", "reset")]
    channels += [Channel(n, ready=f"{n}_ready", offers=False) for n in _TO_MODULE]
    instance = _instance(f"{name}_pins", "dut", ("clk", *ports), {})
    top = _top({**_clocks("clk", "rst"), **ports}, [instance], channels)
    return "\n".join((top, component or _module(module)))


def module_registers(names: Sequence[str] = MODULES) -> list[str]:
    """Return the Verilog of every module, to find the registers in."""
    return [_module(module) for module in bench_modules(names)]


def _with_port(
    source: StaticSource, board: Board, body: Sequence[str], channels: Sequence[Channel]
) -> str:
    """Return a component, the configuration port on its pins, and the top module around both."""
    count = len(board.partitions)
    design = system_design(source, count, port_parameters(board))
    icap = [name for name in source.ports if name.startswith("icap_")]
    inner = [n for n in source.ports if n.startswith("rp_")]
    ports = {n: p for n, p in source.ports.items() if n not in (*icap, *inner, STATIC_ID)}
    flags = {name: PortInfo(1, True) for name in _PORT_FLAGS}
    flags |= {"loaded_partition": PortInfo(8, True), "loaded_id": PortInfo(64, True)}
    flags |= {"frame_address": PortInfo(32, True), "garbage": PortInfo(count, True)}
    flags |= {"pcap_owns": PortInfo(1, False)}
    clocks = _clocks("clk", "rst", "icap_clk", "icap_rst")
    wires = [f"    wire {_range(source.ports[n].width)}{n};" for n in inner]
    passed = (*clocks, *ports, *inner, *flags)
    instance = _instance(design.top, "dut", passed, {})
    top = _top({**clocks, **ports, **flags}, [*wires, instance, *body], channels)
    return "\n".join((top, design.verilog))


def _partition(p: int, ports: Ports) -> list[str]:
    """Return the switch of a partition and the injector before it."""
    driven = [w.name for w in BOUNDARY if w.direction is Direction.OUTPUT]
    wires = [f"    wire {_range(ports[f'rp_{p}_{n}'].width)}module_{p}_{n};" for n in driven]
    pins = {w.name: f"rp_{p}_{w.name}" for w in BOUNDARY}
    pins |= {n: f"module_{p}_{n}" for n in driven}
    pins |= {"port_clk": "icap_clk", "garbage": f"garbage[{p}]", "clk": "clk"}
    control = ("loaded", "loaded_partition", "loaded_id")
    switch = _instance(f"partition_{p}", f"place_{p}", (*pins, *control), pins)
    injector = _injector(f"injector_{p}", f"garbage[{p}]", f"module_{p}_", f"rp_{p}_", driven)
    return [*wires, switch, injector]


def _injector(name: str, garbage: str, source: str, sink: str, driven: Sequence[str]) -> str:
    pins = {f"module_{n}": f"{source}{n}" for n in driven} | {n: f"{sink}{n}" for n in driven}
    pins |= {"clk": "clk", "garbage": garbage}
    return _instance("boundary_injector", name, tuple(pins), pins)


def _module(module: Module) -> str:
    """Return a module whose registers start unknown, and one around it without `rst`."""
    text = without_initial_values(module_verilog(module))
    header = ["input wire clk"]
    header += [f"{w.direction.value} wire {_range(w.width)}{w.name}" for w in BOUNDARY]
    ports = ",\n    ".join(header)
    names = ("clk", "rst", *(w.name for w in BOUNDARY))
    instance = _instance(module.name, "inner", names, {"rst": "1'b0"})
    return f"module {module.name}_pins (\n    {ports}\n);\n{instance}\nendmodule\n{text}"


def _manager(prefix: str, ports: Ports) -> list[Channel]:
    """Return the channels of an AXI port that the component is the manager of."""
    found = []
    for letter in ("ar", "aw"):
        if f"{prefix}_{letter}valid" in ports:
            parts = [f"{prefix}_{letter}{part}" for part in ("addr", "len", "size", "burst")]
            found.append(_channel(prefix, letter, parts, sum(ports[p].width for p in parts)))
    if f"{prefix}_wvalid" in ports:
        parts = [f"{prefix}_{part}" for part in ("wstrb", "wdata", "wlast")]
        found.append(replace(_channel(prefix, "w", parts, 73), lanes=True))
    taken = [letter for letter in "rb" if f"{prefix}_{letter}ready" in ports]
    return found + [_taken(prefix, letter) for letter in taken]


def _subordinate(prefix: str) -> list[Channel]:
    """Return the channels of an AXI4-Lite port; what registers hold is the host's to check."""
    offered = [_channel(prefix, letter, [f"{prefix}_{letter}resp"], 2) for letter in "rb"]
    return offered + [_taken(prefix, letter) for letter in ("ar", "aw", "w")]


def _channel(prefix: str, letter: str, parts: Sequence[str], width: int) -> Channel:
    name = f"{prefix}_{letter}"
    return Channel(name, width, f"{{{', '.join(parts)}}}", f"{name}valid", f"{name}ready")


def _taken(prefix: str, letter: str) -> Channel:
    return Channel(f"{prefix}_{letter}", ready=f"{prefix}_{letter}ready", offers=False)


def _offered(at: str, may_withdraw: str) -> Channel:
    valid, ready = f"{at}_valid", f"{at}_ready"
    return Channel(at, 64, f"{at}_data", valid, ready, may_withdraw=may_withdraw)


def _top(ports: Ports, body: Sequence[str], channels: Sequence[Channel]) -> str:
    """Return the top module: its ports, what is in it, and the monitors."""
    given = {n: p for n, p in {**ports, **_transaction_ids(ports)}.items() if n not in _HALF_NS}
    header = [f"{_direction(p)} wire {_range(p.width)}{n}" for n, p in given.items()]
    header += [f"output wire {_range(len(channels))}{name}" for name in ("unknown", "unstable")]
    ids = [f"    assign {n} = 1'b0;" for n, p in _transaction_ids(ports).items() if p.is_output]
    watched = [_monitor(index, channel) for index, channel in enumerate(channels)]
    return "\n".join(
        (
            "`timescale 1ns / 1ps",
            f"module {BENCH} (\n    {(',' + chr(10) + '    ').join(header)}\n);",
            *(_clock(name) for name in _HALF_NS if name in ports),
            *ids,
            *body,
            *watched,
            "endmodule",
            _file("benches/monitor.v"),
        )
    )


def _clock(name: str) -> str:
    return f"    reg {name} = 1'b0;\n    always #{_HALF_NS[name]} {name} = !{name};"


def _transaction_ids(ports: Ports) -> dict[str, PortInfo]:
    """Return the ports for the IDs of AXI4; AXI4-Lite has none."""
    found = {}
    for name in ports:
        for letter, answer in (("ar", "r"), ("aw", "b")):
            if name.endswith(f"_{letter}len"):
                prefix = name[: -len(f"{letter}len")]
                found[f"{prefix}{letter}id"] = PortInfo(1, True)
                found[f"{prefix}{answer}id"] = PortInfo(1, False)
    return found


def _monitor(index: int, channel: Channel) -> str:
    pins = {"clk": "clk", "rst": "rst", "may_withdraw": channel.may_withdraw}
    pins |= {"valid": channel.valid, "ready": channel.ready, "data": channel.data}
    pins |= {"unknown": f"unknown[{index}]", "unstable": f"unstable[{index}]"}
    flags = f".OFFERS(1'b{channel.offers:d}), .LANES(1'b{channel.lanes:d})"
    parameters = f"#(.WIDTH({channel.width}), {flags})"
    return _instance(f"monitor {parameters}", f"watch_{channel.name}", tuple(pins), pins)


def _instance(module: str, name: str, ports: Sequence[str], pins: Mapping[str, str]) -> str:
    connected = ",\n".join(f"        .{port}({pins.get(port, port)})" for port in ports)
    return f"    {module} {name} (\n{connected}\n    );"


def _clocks(*names: str) -> dict[str, PortInfo]:
    return {name: PortInfo(1, False) for name in names}


def _file(path: str) -> str:
    return (_SIM / path).read_text(encoding="utf-8")


def _direction(port: PortInfo) -> str:
    return "output" if port.is_output else "input"


def _range(width: int) -> str:
    return f"[{width - 1}:0] " if width > 1 else ""
