"""The gRPC server of a simulated board."""

from __future__ import annotations

import logging
import os
import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from types import TracebackType
from typing import Any

from fpga_rt.errors import ArtifactError, DeviceError, FpgaRtError
from fpga_rt.serve.board import PynqBoard
from fpga_rt.serve.clients import Clients, Endpoint, connected, endpoint
from fpga_rt.serve.schema import Method, message_classes, missing_extra
from fpga_rt.serve.services import SERVED

PORT = 7967
"""Where PYNQ's client looks; it cannot be told another one by its environment variable."""
LOOPBACK = "127.0.0.1"
MOST_MESSAGE_BYTES = 4 << 20
"""PYNQ's client sends pieces of 2 MiB."""
MOST_CALLS = 64
_WORKERS = 16
_MOST_STREAMS = 4
"""Of one connection at a time: PYNQ's client opens one after another."""
_MOST_STREAMS_IN_ALL = _WORKERS - 4
"""A stream holds a worker until it ends; the others answer what is no stream."""
_KEEPALIVE_MS = 30_000
_GRACE_S = 2.0
_SWEEP_S = 0.5
_CUT_S = 0.02
_PIECE_BYTES = 1 << 16
"""A stream of one message that is no longer is taken for whole: nobody cuts as small as that."""

_log = logging.getLogger(__name__)


class Server:
    """A board on a port, for as many clients as connect."""

    def __init__(self, board: PynqBoard, address: str = LOOPBACK, port: int = PORT) -> None:
        """Listen; `port` 0 takes a free one, and `port` says which.

        Raises:
            DeviceError: the port is taken, or there is no such address.
            ToolchainError: the extra `serve` is not installed.
        """
        os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # what it would log is raised as well
        try:
            import grpc
        except ImportError as error:
            raise missing_extra(error) from error
        self._clients = Clients()
        self._board = board
        self._server = grpc.server(
            ThreadPoolExecutor(_WORKERS, thread_name_prefix="pynq-server"),
            options=_options(),
            maximum_concurrent_rpcs=MOST_CALLS,
        )
        streams = _Streams()
        for implementation in SERVED:
            service = implementation.service
            messages = message_classes(service)
            served = implementation(board, self._clients, messages)
            handlers = {
                method.name: _handler(method, getattr(served, method.name), messages, streams)
                for method in service.methods
            }
            self._server.add_generic_rpc_handlers(
                (grpc.method_handlers_generic_handler(service.full_name, handlers),)
            )
        self.port = self._bind(address, port)
        self._stopping = threading.Event()
        self._sweeper = threading.Thread(target=self._sweep, name="pynq-sweeper", daemon=True)

    def __enter__(self) -> Server:
        """Start to answer."""
        self._server.start()
        self._sweeper.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Let calls end for a moment, stop, and give everything of the clients back."""
        self._stopping.set()
        self._server.stop(_GRACE_S).wait()
        self._sweeper.join()
        with self._board.lock:
            self._clients.drop(lambda _: True)

    def wait(self, timeout_s: float | None = None) -> None:
        """Wait until `stop` was called, or so long."""
        self._stopping.wait(timeout_s)

    def stop(self) -> None:
        """Have `wait` return; may be called from a signal handler."""
        self._stopping.set()

    @property
    def clients(self) -> int:
        """How many clients own something."""
        return len(self._clients)

    def _bind(self, address: str, port: int) -> int:
        host = f"[{address}]" if ":" in address else address
        try:
            bound: int = self._server.add_insecure_port(f"{host}:{port}")
        except RuntimeError:
            bound = 0
        if not bound:
            raise DeviceError(
                f"cannot listen on {host}:{port}: is another server there? Stop it, or give"
                " another --port or --listen; PYNQ's client takes 127.0.0.2 and so on as well"
            )
        return bound

    def _sweep(self) -> None:
        """Give back what clients owned whose connections are gone."""
        while not self._stopping.wait(_SWEEP_S):
            with self._board.lock:  # before the look: whoever is known was connected by then
                there = connected(self.port)
                if there is None:
                    return
                gone = self._clients.drop(partial(_is_gone, there))
            for client in gone:
                _log.info("client %s is gone; what it owned is free", client.peer)


def _is_gone(there: Collection[Endpoint], peer: str) -> bool:
    return endpoint(peer) not in there


def _options() -> list[tuple[str, int]]:
    return [
        ("grpc.so_reuseport", 0),  # two servers on one port would share its clients
        ("grpc.max_receive_message_length", MOST_MESSAGE_BYTES),
        ("grpc.max_send_message_length", MOST_MESSAGE_BYTES),
        ("grpc.keepalive_time_ms", _KEEPALIVE_MS),
        ("grpc.keepalive_timeout_ms", _KEEPALIVE_MS),
    ]


class _Streams:
    """The streams that clients have open, so that none keeps the server from the others."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: Counter[str] = Counter()

    @contextmanager
    def another(self, peer: str) -> Iterator[None]:
        """Count a stream of a connection while it is open.

        Raises:
            DeviceError: there are as many as there may be.
        """
        with self._lock:
            own, everybodys = self._open[peer], sum(self._open.values())
            if own >= _MOST_STREAMS or everybodys >= _MOST_STREAMS_IN_ALL:
                raise DeviceError(
                    f"{own} streams of this connection and {everybodys} in all are open, expected"
                    f" less than {_MOST_STREAMS} and {_MOST_STREAMS_IN_ALL}; end one first"
                )
            self._open[peer] += 1
        try:
            yield
        finally:
            with self._lock:
                self._open[peer] -= 1
                self._open += Counter()  # forgets who has none


def _handler(
    method: Method,
    action: Callable[..., Any],
    messages: Any,  # noqa: ANN401 - gRPC and protobuf carry no types
    streams: _Streams,
) -> Any:  # noqa: ANN401 - as above
    """Return what gRPC calls for a procedure: errors become the status of the call."""
    import grpc

    shapes = {
        (False, False): grpc.unary_unary_rpc_method_handler,
        (True, False): grpc.stream_unary_rpc_method_handler,
        (False, True): grpc.unary_stream_rpc_method_handler,
    }
    if method.request_stream:
        guarded = _guarded(_counted(_of_whole_streams(action), streams))
    elif method.response_stream:
        guarded = _guarded_stream(action, streams)
    else:
        guarded = _guarded(action)
    return shapes[method.request_stream, method.response_stream](
        guarded,
        request_deserializer=messages[method.request].FromString,
        response_serializer=messages[method.response].SerializeToString,
    )


def _of_whole_streams(action: Callable[..., Any]) -> Callable[..., Any]:
    """Have an action that reads a stream to its end fail when the end is that of the client.

    gRPC may show the end of messages a moment before it shows that the call was cancelled, so this
    waits a moment: a client whose end is shown later still has had its whole messages taken.
    """

    def whole(requests: Iterable[Any], context: Any) -> Iterator[Any]:  # noqa: ANN401 - as above
        cancelled, messages, size_bytes = threading.Event(), 0, 0
        context.add_callback(cancelled.set)
        for request in requests:
            messages += 1
            size_bytes += request.ByteSize()
            yield request
        cut_s = _CUT_S if messages > 1 or size_bytes > _PIECE_BYTES else 0
        if not context.is_active() or cancelled.wait(cut_s):
            raise DeviceError("the client was gone in mid-stream; nothing was changed")

    return lambda requests, context: action(whole(requests, context), context)


def _counted(action: Callable[..., Any], streams: _Streams) -> Callable[..., Any]:
    def call(requests: Any, context: Any) -> Any:  # noqa: ANN401 - as above
        with streams.another(context.peer()):
            return action(requests, context)

    return call


def _guarded(action: Callable[..., Any]) -> Callable[..., Any]:
    def call(request: Any, context: Any) -> Any:  # noqa: ANN401 - as above
        try:
            return action(request, context)
        except FpgaRtError as error:
            _abort(error, context)

    return call


def _guarded_stream(action: Callable[..., Any], streams: _Streams) -> Callable[..., Any]:
    def call(request: Any, context: Any) -> Iterator[Any]:  # noqa: ANN401 - as above
        try:
            with streams.another(context.peer()):
                yield from action(request, context)
        except FpgaRtError as error:
            _abort(error, context)

    return call


def _abort(error: FpgaRtError, context: Any) -> None:  # noqa: ANN401 - as above
    import grpc

    refused = isinstance(error, ArtifactError)
    code = grpc.StatusCode.INVALID_ARGUMENT if refused else grpc.StatusCode.FAILED_PRECONDITION
    _log.info("refused: %s", error)
    context.abort(code, str(error))
