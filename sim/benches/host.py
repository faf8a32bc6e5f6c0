"""What the host does: register accesses through AXI4-Lite, in the order of the contract.

The order is that of `fpga_rt.device.loads` and `fpga_rt.runtime.swap`; a bench cannot use those,
because here a register access takes simulated time and is awaited.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from cocotb.triggers import Timer
from cocotbext.axi import AxiLiteBus, AxiLiteMaster, AxiResp

from fpga_rt.contract.registers import Access
from fpga_rt.contract.static_region import (
    STATIC_REGION,
    ConfigurationError,
    ConfigurationState,
    PartitionState,
    partition_register,
)
from fpga_rt.contract.submission import Submission
from sim.benches.memory import Dram

Meanwhile = Callable[[], Awaitable[None]]
_POLLS = 1000
_BETWEEN_POLLS_PS = 300_000


class Host:
    """Drives the static region of `dut` by its registers, and its memory."""

    def __init__(self, dut: Any, dram: Dram) -> None:  # noqa: ANN401  # cocotb
        """Take the register port."""
        self._bus = AxiLiteMaster(AxiLiteBus.from_prefix(dut, "s_axi"), dut.clk, dut.rst)
        self.dram = dram
        write, read = self._bus.write_if, self._bus.read_if
        self.channels = [write.aw_channel, write.w_channel, write.b_channel]
        self.channels += [read.ar_channel, read.r_channel]

    async def access(self, offset: int, value: int | None = None) -> tuple[AxiResp, int]:
        """Read a word, or write one; return the response and what was read.

        Raises:
            ValueError: What was read has unknown bits.
        """
        if value is not None:
            written = await self._bus.write(offset, value.to_bytes(4, "little"))
            return written.resp, value
        answer = await self._bus.read(offset, 4)
        return answer.resp, int.from_bytes(answer.data, "little")

    async def read(self, name: str) -> int:
        """Return the value of a register."""
        register, value = STATIC_REGION[name], 0
        for word in range(register.words):
            response, part = await self.access(register.offset + 4 * word)
            assert response == AxiResp.OKAY, f"{name} was answered with {response.name}"
            value |= part << 32 * word
        return value

    async def fields(self, name: str) -> dict[str, int]:
        """Return the fields of a register."""
        return STATIC_REGION[name].unpack(await self.read(name))

    async def write(self, name: str, **fields: int) -> None:
        """Write the fields of a register; others become zero."""
        register = STATIC_REGION[name]
        for word, value in enumerate(register.word_values(register.pack(**fields))):
            response, _ = await self.access(register.offset + 4 * word, value)
            assert response == AxiResp.OKAY, f"{name} was answered with {response.name}"

    async def known(self, unknown: frozenset[str] = frozenset()) -> None:
        """Read every register but some; an unknown bit anywhere is an error."""
        for register in STATIC_REGION.registers:
            if register.access is not Access.WRITE_ONE and register.name not in unknown:
                await self.read(register.name)

    # ---- partitions

    async def status(self, partition: int) -> dict[str, int]:
        """Return the fields of a partition's status."""
        return await self.fields(partition_register(partition, "status"))

    async def state(self, partition: int) -> PartitionState:
        """Return the state of a partition."""
        return PartitionState((await self.status(partition))["state"])

    async def control(self, partition: int, decouple: int = 0, reset: int = 0) -> None:
        """Write a partition's control register."""
        await self.write(partition_register(partition, "control"), decouple=decouple, reset=reset)

    async def load_register(self, partition: int, what: str) -> None:
        """Write `begin`, `finish` or `fail`."""
        await self.write(partition_register(partition, "load"), **{what: 1})

    async def decouple(self, partition: int) -> None:
        """Isolate a partition and wait until nothing is under way."""
        await self.control(partition, decouple=1)
        for _ in range(_POLLS):
            status = await self.status(partition)
            if status["decoupled"] and status["quiescent"]:
                return
        raise AssertionError(f"partition {partition} did not become quiescent")

    async def reset(self, partition: int) -> None:
        """Reset the module of a decoupled partition."""
        await self.control(partition, decouple=1, reset=1)
        await self.control(partition, decouple=1)

    async def identify(self, partition: int) -> int:
        """Return what the module answers."""
        return await self.read(partition_register(partition, "module_id"))

    async def recouple(self, partition: int) -> PartitionState:
        """Ask for a partition to be connected, and return the state that it is in then."""
        await self.control(partition)
        return await self.state(partition)

    # ---- loads

    async def begin(self, partition: int, address: int, words: int) -> None:
        """Decouple, begin a load and start the configuration controller."""
        await self.decouple(partition)
        await self.load_register(partition, "begin")
        assert await self.state(partition) is PartitionState.LOADING
        await self.write("configuration_source", value=address)
        await self.write("configuration_words", value=words)
        await self.write("configuration_control", start=1)

    async def loaded(self) -> ConfigurationError:
        """Wait for the configuration controller, and return how the load ended."""
        for _ in range(_POLLS):
            status = await self.fields("configuration_status")
            state = ConfigurationState(status["state"])
            if state is not ConfigurationState.RUNNING:
                error = ConfigurationError(status["error"])
                assert (state is ConfigurationState.DONE) == (error is ConfigurationError.NONE)
                return error
            await Timer(_BETWEEN_POLLS_PS, "ps")
        raise AssertionError("the load does not end")

    async def load(
        self, partition: int, stream: bytes, meanwhile: Meanwhile | None = None
    ) -> ConfigurationError:
        """Load a stream and say how it ended; the partition stays decoupled.

        Args:
            partition: Where.
            stream: What.
            meanwhile: What to do once the load has begun.
        """
        await self.begin(partition, self.dram.place(stream), len(stream) // 4)
        if meanwhile is not None:
            await meanwhile()
        error = await self.loaded()
        await self.load_register(partition, "fail" if error else "finish")
        return error

    async def swap(
        self, partition: int, stream: bytes, identity: int, meanwhile: Meanwhile | None = None
    ) -> bool:
        """Do a whole swap; return whether the module is the right one and recoupled."""
        if await self.load(partition, stream, meanwhile):
            return False
        await self.reset(partition)
        if await self.identify(partition) != identity:
            return False
        return await self.recouple(partition) is PartitionState.ACTIVE

    # ---- programs

    async def prepare(self, submission: Submission) -> None:
        """Write a header to memory and its address to the register."""
        await self.write("submission", value=self.dram.place(submission.encode()))

    async def start(self) -> None:
        """Ring the doorbell."""
        await self.write("doorbell", start=1)

    async def ended(self) -> dict[str, int]:
        """Wait for the running submission, and return the sequencer's status."""
        for _ in range(_POLLS):
            status = await self.fields("sequencer_status")
            if not status["busy"]:
                assert status["done"]
                return status
            await Timer(_BETWEEN_POLLS_PS, "ps")
        raise AssertionError("the submission does not end")

    async def run(self, submission: Submission) -> dict[str, int]:
        """Run a submission and return the sequencer's status."""
        await self.prepare(submission)
        await self.start()
        return await self.ended()
