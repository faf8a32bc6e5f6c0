"""The services over gRPC: registers, buffers of their owner only, downloads, limits, faults."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from fpga_rt.bitstream.convert import convert
from fpga_rt.contract.static_region import STATIC_REGION
from fpga_rt.errors import DeviceError
from fpga_rt.serve.board import PynqBoard
from fpga_rt.serve.designs import static_region_stream
from fpga_rt.serve.hwh import static_region_range
from fpga_rt.serve.server import Server
from tests.serve.caller import MANAGER, Caller
from tests.serve.streams import ADD, MEMORY_BYTES, TARGET, partial

BASE = static_region_range(TARGET).base


def refusal(call: Callable[[], object]) -> str:
    """Return what a call is refused with."""
    import grpc

    with pytest.raises(grpc.RpcError) as caught:
        call()
    return str(caught.value.details())


def eventually(condition: Callable[[], bool]) -> bool:
    """Wait for a condition, a few seconds at most."""
    limit = time.monotonic() + 5
    while not condition() and time.monotonic() < limit:
        time.sleep(0.02)
    return condition()


def registers(caller: Caller) -> str:
    """Map the static region and return the handle."""
    answer = caller.mmio.get_mmio(base_addr=BASE, length=0x1000)
    assert answer.status, answer.msg
    return str(answer.mmio_id)


def offset(name: str) -> int:
    return STATIC_REGION[name].offset


def test_registers_are_those_of_the_device(caller: Caller) -> None:
    handle = registers(caller)
    answer = caller.mmio.read(mmio_id=handle, length=4, offset=offset("map_id"))
    assert (answer.status, answer.data) == (True, STATIC_REGION.map_id)
    low = caller.mmio.read(mmio_id=handle, length=1, offset=offset("map_id"))
    assert low.data == STATIC_REGION.map_id & 0xFF

    values = np.array([0x1000_0040, 0x2], "<u4").tobytes()
    assert caller.mmio.write(mmio_id=handle, offset=offset("submission"), data=values).status
    read = [
        caller.mmio.read(mmio_id=handle, length=4, offset=offset("submission") + i).data
        for i in (0, 4)
    ]
    assert read == [0x1000_0040, 2]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"length": 8, "offset": 0}, "a read of 8 bytes: expected 1, 2 or 4"),
        ({"length": 4, "offset": 2}, "4 bytes at offset 0x2 of 0x1000 mapped bytes"),
        ({"length": 4, "offset": 0x1000}, "offset 0x1000 of 0x1000 mapped bytes at 0x40000000"),
        ({"length": 4, "offset": 0xF00}, "static_region has no register at offset 0xf00"),
        ({"length": 4, "offset": 0, "mmio_id": "x"}, "this client has no MMIO range 'x'"),
    ],
)
def test_wrong_reads_are_told(caller: Caller, fields: dict[str, Any], message: str) -> None:
    answer = caller.mmio.read(**{"mmio_id": registers(caller), **fields})
    assert not answer.status
    assert message in answer.msg


@pytest.mark.parametrize(
    ("base", "length", "message"),
    [
        (0x5000_0000, 4, "nothing answers at 0x50000000: design fpga_rt_pynq_z2 has fpga_rt_0"),
        (0x1000_0000, 4, "device memory is reached through allocate()"),
        (BASE, 0, "0 bytes of registers at 0x40000000, expected 1..65536"),
        (BASE, 0x2_0000, "131072 bytes of registers"),
    ],
)
def test_wrong_ranges_are_told(caller: Caller, base: int, length: int, message: str) -> None:
    answer = caller.mmio.get_mmio(base_addr=base, length=length)
    assert not answer.status
    assert message in answer.msg


def test_a_read_only_register_and_half_a_word_cannot_be_written(caller: Caller) -> None:
    handle = registers(caller)
    answer = caller.mmio.write(mmio_id=handle, offset=0, data=b"1234")
    assert answer.msg.startswith("write of 0x34333231 to map_id (ro): expected a 32-bit")
    answer = caller.mmio.write(mmio_id=handle, offset=offset("submission"), data=b"123")
    assert "a write of 3 bytes: expected whole words" in answer.msg


def test_a_buffer_keeps_what_is_streamed_into_it(caller: Caller) -> None:
    content = np.random.default_rng(1).bytes(3 << 20)
    handle = caller.buffer.allocate(size=len(content), dtype="u1").buffer_id
    pieces = [{"buffer_id": handle, "data": content[i : i + (2 << 20)]} for i in (0, 2 << 20)]
    assert not caller.buffer.write(pieces).msg
    for call in ("flush", "invalidate"):
        assert not getattr(caller.buffer, call)(buffer_id=handle).msg
    assert b"".join(one.data for one in caller.buffer.read(buffer_id=handle)) == content
    (part,) = caller.buffer.read(buffer_id=handle, start=10, end=20)
    assert part.data == content[10:20]
    address = caller.buffer.physical_address(buffer_id=handle).address
    assert address >= 0x1000_0000
    assert address == caller.buffer.virtual_address(buffer_id=handle).address
    assert caller.buffer.cacheable(buffer_id=handle).cacheable
    assert not caller.buffer.freebuffer(buffer_id=handle).msg
    assert "no buffer" in caller.buffer.freebuffer(buffer_id=handle).msg


def test_buffers_have_bounds(caller: Caller) -> None:
    handle = caller.buffer.allocate(size=100, dtype="u1").buffer_id
    (answer,) = caller.buffer.read(buffer_id=handle, start=90, end=101)
    assert answer.msg == "bytes 90..101 of a buffer of 100: expected to lie in it"
    answer = caller.buffer.write([{"buffer_id": handle, "data": b"x" * 101}])
    assert answer.msg == "bytes 0..101 of a buffer of 100: expected to lie in it"
    piece = {"buffer_id": handle, "data": bytes(40), "start": 1}
    assert "120 bytes in 3 pieces, expected at most 100 in" in caller.buffer.write([piece] * 3).msg
    other = caller.buffer.allocate(size=100, dtype="u1").buffer_id
    pieces = [{"buffer_id": one, "data": b"1"} for one in (handle, other)]
    assert "two buffers in one stream" in caller.buffer.write(pieces).msg
    too_large = refusal(lambda: caller.buffer.allocate(size=MEMORY_BYTES + 1, dtype="u1"))
    assert "device memory is full" in too_large
    none = refusal(lambda: caller.buffer.allocate(size=0, dtype="u1"))
    assert none == "a buffer of 0 bytes, expected at least 1"


def test_one_client_cannot_use_what_is_anothers(connect: Callable[[], Caller]) -> None:
    owner, other = connect(), connect()
    handle = owner.buffer.allocate(size=64, dtype="u1").buffer_id
    (answer,) = other.buffer.read(buffer_id=handle)
    assert "this client has no buffer" in answer.msg
    assert not answer.data
    for call in ("freebuffer", "flush", "invalidate", "physical_address", "cacheable"):
        assert "this client has no buffer" in getattr(other.buffer, call)(buffer_id=handle).msg
    assert "no buffer" in other.buffer.write([{"buffer_id": handle, "data": b"1"}]).msg
    mapped = registers(owner)
    assert "no MMIO range" in other.mmio.read(mmio_id=mapped, length=4, offset=0).msg


def test_what_a_client_owned_is_free_when_it_is_gone(
    connect: Callable[[], Caller], server: Server
) -> None:
    owner, other = connect(), connect()
    owner.buffer.allocate(size=MEMORY_BYTES // 2 + 1, dtype="u1")
    assert "full" in refusal(lambda: other.buffer.allocate(size=MEMORY_BYTES // 2, dtype="u1"))
    owner.close()
    assert eventually(lambda: server.clients == 1)
    assert other.buffer.allocate(size=MEMORY_BYTES // 2, dtype="u1").buffer_id


def test_files_are_the_boards_own(caller: Caller) -> None:
    assert b"armv7l" in caller.read_file("/proc/version")
    assert caller.read_file("/proc/device-tree/chosen/pynq_board") == b"Pynq-Z2\0"
    assert caller.state == "operating"
    data = bytes(range(256)) * 9000
    caller.write_file("/tmp/a", data)
    assert caller.read_file("/tmp/../tmp/a") == data
    for path, exists in (("/tmp/a", True), ("/tmp", True), ("/etc/passwd", False)):
        assert caller.remote_device.existsfile(file_path=path).exists is exists
    assert "no file /etc/passwd (ENOENT)" in refusal(lambda: caller.read_file("/etc/passwd"))
    assert "EACCES" in refusal(lambda: caller.write_file("/tmp/../etc/passwd", b""))
    assert "EACCES" in refusal(lambda: caller.read_file(f"{MANAGER}/firmware"))


def test_a_module_is_downloaded_and_answers(caller: Caller) -> None:
    caller.program(partial(1), partial=True)
    assert caller.state == "operating"
    handle = registers(caller)
    words = [
        caller.mmio.read(mmio_id=handle, length=4, offset=offset("partition1_module_id") + i).data
        for i in (0, 4)
    ]
    assert words[0] | words[1] << 32 == ADD.module_id


def test_the_download_call_does_the_same(caller: Caller) -> None:
    calls = caller.remote_device
    assert calls.set_bitstream_attrs(binfile_name="m.bin", partial=True).status
    content = partial(0)
    assert calls.download([{"buffer": content[:1000]}, {"buffer": content[1000:]}]).status
    calls.set_bitstream_attrs(binfile_name="m.bin", partial=False)
    assert "fpga_manager refused m.bin: `flags` says full" in refusal(
        lambda: calls.download([{"buffer": content}])
    )
    assert caller.state == "write init error"


def test_clients_that_load_at_once_do_not_mix(
    connect: Callable[[], Caller], caller: Caller
) -> None:
    """Each streams its own download in two messages, over and over, into its own partition."""
    failed: list[Exception] = []

    def load(own: Caller, place: int) -> None:
        content = partial(place)
        own.remote_device.set_bitstream_attrs(binfile_name=f"{place}.bin", partial=True)
        try:
            for _ in range(10):
                assert own.remote_device.download(
                    [{"buffer": content[:500]}, {"buffer": content[500:]}]
                ).status
        except Exception as error:  # noqa: BLE001 - told to the test
            failed.append(error)

    loads = [threading.Thread(target=load, args=(connect(), place)) for place in (0, 1, 2)]
    for one in loads:
        one.start()
    for one in loads:
        one.join(60)
    assert not failed
    handle = registers(caller)
    for place in (0, 1, 2):
        name = f"partition{place}_module_id"
        read = caller.mmio.read(mmio_id=handle, length=4, offset=offset(name))
        assert read.data == ADD.module_id & 0xFFFF_FFFF
    assert caller.state == "operating"


def test_a_full_bitstream_resets_the_partitions(caller: Caller) -> None:
    caller.program(partial(0), partial=True)
    caller.program(convert(static_region_stream(TARGET)).data, partial=False)
    handle = registers(caller)
    read = caller.mmio.read(mmio_id=handle, length=4, offset=offset("partition0_module_id"))
    assert read.data == 0


def test_shutdown_isolates_and_clocks_are_checked(caller: Caller, pynq_board: PynqBoard) -> None:
    assert caller.remote_device.shutdown().status
    assert caller.remote_device.set_pl_clk(i=1, div0=5, div1=2).status
    slcr = caller.mmio.get_mmio(base_addr=0xF800_0000, length=0x200).mmio_id
    assert caller.mmio.read(mmio_id=slcr, length=4, offset=0x180).data == 5 << 8 | 2 << 20
    wrong = refusal(lambda: caller.remote_device.set_pl_clk(i=4, div0=5, div1=64))
    assert wrong == ("clock 4 with divisors 5 and 64: expected clock 0..3 and divisors 1..63")


def test_pins_belong_to_who_took_them(connect: Callable[[], Caller]) -> None:
    owner, other = connect(), connect()
    assert owner.gpio.get_gpio_base_path().base_path == "/sys/class/gpio/gpiochip906"
    assert owner.gpio.get_gpio_npins().npins == 118
    pin = owner.gpio.get_gpio(index=960, direction="out").gpio_id
    owner.gpio.write(gpio_id=pin, value=1)
    assert owner.gpio.read(gpio_id=pin).value == 1
    assert owner.gpio.is_exported(gpio_id=pin).is_exported
    assert not other.gpio.is_exported(gpio_id=pin).is_exported
    assert "taken by another" in refusal(lambda: other.gpio.get_gpio(index=960, direction="in"))
    assert "no GPIO pin" in refusal(lambda: other.gpio.write(gpio_id=pin, value=0))
    owner.gpio.unexport(gpio_id=pin)
    taken = other.gpio.get_gpio(index=960, direction="in").gpio_id
    assert other.gpio.read(gpio_id=taken).value == 0
    assert "an input: expected 0 or 1" in refusal(lambda: other.gpio.write(gpio_id=taken, value=1))
    assert "pin 1 as 'out': expected a pin 906..1023" in refusal(
        lambda: owner.gpio.get_gpio(index=1, direction="out")
    )


def test_messages_are_bounded(caller: Caller) -> None:
    too_large = refusal(lambda: caller.write_file("/tmp/a", bytes(5 << 20)))
    assert "larger than max" in too_large
    piece = {"file_path": "/tmp/a", "data": bytes(3 << 20)}
    assert "the file has more than 67108864 bytes" in refusal(
        lambda: caller.remote_device.writefile([piece] * 22)
    )
    assert "a stream of two files" in refusal(
        lambda: caller.remote_device.writefile(
            [{"file_path": f"/tmp/{name}", "data": b"1"} for name in "ab"]
        )
    )
    assert not caller.remote_device.existsfile(file_path="/tmp/a").exists


def endless(message: dict[str, object], sent: list[int], most: int) -> Iterator[dict[str, object]]:
    """Stream a message over and over, and count; a server that listens on is told so."""
    for _ in range(most):
        sent[0] += 1
        yield message


def test_a_stream_without_end_is_refused_while_it_runs(caller: Caller) -> None:
    """Else what it names, or how often it says nothing, would fill the server's memory."""
    sent = [0]

    def other_paths() -> Iterator[dict[str, object]]:
        for index in range(1_000_000):
            sent[0] += 1
            yield {"file_path": f"/tmp/{index}", "data": b""}

    told = refusal(lambda: caller.remote_device.writefile(other_paths()))
    assert "a stream of two files, '/tmp/0' and '/tmp/1', expected one; write them apart" in told
    assert sent[0] < 100_000
    assert "a stream of no message" in refusal(lambda: caller.remote_device.writefile([]))

    handle, sent = caller.buffer.allocate(size=100, dtype="u1").buffer_id, [0]
    piece: dict[str, object] = {"buffer_id": handle, "data": b"x" * 60}
    answer = caller.buffer.write(endless(piece, sent, 1_000_000))
    assert answer.msg == "bytes 60..120 of a buffer of 100: expected to lie in it"
    assert sent[0] < 100_000
    (before,) = caller.buffer.read(buffer_id=handle)
    assert before.data == bytes(100)
    nothing = [{"buffer_id": handle, "data": b""}] * 1000
    assert not caller.buffer.write([*nothing, {"buffer_id": handle, "data": b"x"}]).msg


def test_pieces_are_bounded_and_written_all_or_none(
    caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fpga_rt.serve.services._MOST_PIECES", 3)
    handle = caller.buffer.allocate(size=100, dtype="u1").buffer_id
    piece = {"buffer_id": handle, "data": b"x"}
    answer = caller.buffer.write([piece] * 4)
    assert answer.msg.startswith("4 bytes in 4 pieces, expected at most 100 in 3; write less")
    beyond = {"buffer_id": handle, "data": b"x", "start": 100}
    assert "bytes 100..101 of a buffer of 100" in caller.buffer.write([piece, beyond]).msg
    (before,) = caller.buffer.read(buffer_id=handle)
    assert before.data == bytes(100)
    assert not caller.buffer.write([piece] * 3).msg


def test_open_streams_do_not_keep_the_others_waiting(
    connect: Callable[[], Caller], caller: Caller
) -> None:
    """Each holds a worker of the server until it ends; one connection has four, all have twelve."""
    end, refused = threading.Event(), []

    def waits() -> Iterator[dict[str, object]]:
        yield {"file_path": "/tmp/a", "data": b"1"}
        end.wait(15)

    def stream(own: Caller) -> None:
        import grpc

        try:
            own.remote_device.writefile(waits())
        except grpc.RpcError as error:
            refused.append(error.details())

    greedy, others = connect(), [connect() for _ in range(3)]
    streams = [threading.Thread(target=stream, args=(one,)) for one in [greedy] * 20 + others * 4]
    try:
        for one in streams:
            one.start()
        assert eventually(lambda: len(refused) >= 20)
        assert caller.remote_device.existsfile(file_path="/tmp").exists
    finally:
        end.set()
        for one in streams:
            one.join(20)
    assert len(refused) == 20
    assert sum("4 streams of this connection" in told for told in refused) >= 1
    assert all("end one first" in told for told in refused)
    caller.write_file("/tmp/a", b"2")
    assert caller.read_file("/tmp/a") == b"2"


def test_a_client_gone_in_mid_stream_changes_nothing(
    connect: Callable[[], Caller], caller: Caller
) -> None:
    caller.program(partial(0), partial=True, name="good.bin")
    gone, begun = connect(), threading.Event()

    def half() -> Iterator[dict[str, object]]:
        for _ in range(2):
            yield {"file_path": "/lib/firmware/good.bin", "data": partial(1)[:400]}
        begun.set()
        time.sleep(0.2)
        gone.close()

    threading.Thread(
        target=lambda: refusal(lambda: gone.remote_device.writefile(half())), daemon=True
    ).start()
    assert begun.wait(5)
    time.sleep(0.5)
    assert caller.read_file("/lib/firmware/good.bin") == partial(0)
    assert caller.state == "operating"


def test_a_second_server_on_the_port_is_refused(server: Server, pynq_board: PynqBoard) -> None:
    with pytest.raises(DeviceError, match=r"cannot listen on 127\.0\.0\.1:\d+: is another server"):
        Server(pynq_board, port=server.port)


def test_unknown_procedures_are_refused(server: Server) -> None:
    import grpc

    with grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        call = channel.unary_unary("/mmio.Mmio/erase")
        with pytest.raises(grpc.RpcError, match="UNIMPLEMENTED"):
            call(b"", timeout=5)


def test_a_client_by_ipv6_keeps_what_it_owns(pynq_board: PynqBoard) -> None:
    pytest.importorskip("grpc", reason="the extra `serve` is not installed")
    try:
        server = Server(pynq_board, "::1", 0)
    except DeviceError:
        pytest.skip("this machine has no ::1")
    with server:
        caller = Caller(server.port, "[::1]")
        handle = caller.buffer.allocate(size=64, dtype="u1").buffer_id
        time.sleep(1.2)  # the server looks twice a second who is gone
        assert server.clients == 1
        assert not caller.buffer.freebuffer(buffer_id=handle).msg
        caller.close()
        assert eventually(lambda: server.clients == 0)
