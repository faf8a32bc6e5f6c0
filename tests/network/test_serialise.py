"""Networks survive the way through JSON exactly; documents that are wrong are refused by name."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fpga_rt.arithmetic.operations import (
    Addition,
    AveragePool,
    Convolution,
    Dense,
    DepthwiseConvolution,
    MaximumPool,
    Operation,
    Reshape,
    Shape,
    Softmax,
)
from fpga_rt.arithmetic.requantise import AdditionRule, Requantisation
from fpga_rt.errors import ArtifactError
from fpga_rt.network import golden
from fpga_rt.network.graph import Network, Node, Tensor
from fpga_rt.network.serialise import Content, Json, decode, encode

KINDS: tuple[type, ...] = get_args(Operation)
WINDOWED = (Convolution, DepthwiseConvolution, AveragePool, MaximumPool)


def requantisation(rng: np.random.Generator, channels: int) -> Requantisation:
    return Requantisation(
        rng.integers(0, 1 << 17, channels, np.int32),
        rng.integers(1, 40, channels, np.int32),
        int(rng.integers(-128, 128)),
        low=int(rng.integers(-128, 0)),
        pre_shift=int(rng.integers(0, 3)),
    )


def operation(kind: type, rng: np.random.Generator, shape: Shape) -> Operation:
    """Make a random operation that an input of `shape` fits."""
    window: dict[str, Any] = {
        "stride": (int(rng.integers(1, 3)), 1),
        "padding": (1, 0, int(rng.integers(0, 2)), 1),
    }
    plain: dict[type, Operation] = {
        Reshape: Reshape((1, 1, shape[0] * shape[1] * shape[2])),
        Addition: Addition(AdditionRule(1, (1 << 17) - 1, 17, -(1 << 40), low=-3)),
        Softmax: Softmax(float(rng.random()), 1 / 255, -127),
        MaximumPool: MaximumPool((2, 1), low=-7, **window),
    }
    if kind in plain:
        return plain[kind]
    outputs = int(rng.integers(1, 5))
    weights_shapes = {
        Convolution: (outputs, 2, 1, shape[2]),
        Dense: (outputs, shape[0] * shape[1] * shape[2]),
        DepthwiseConvolution: (2, 1, shape[2]),
    }
    count = outputs if kind in (Convolution, Dense) else shape[2]
    values: dict[str, Any] = {
        "bias": rng.integers(-(1 << 31), 1 << 31, count, np.int32),
        "requantisation": requantisation(rng, count),
    }
    if kind is AveragePool:
        values["kernel"] = (1, 2)
    else:
        values["weights"] = rng.integers(-127, 128, weights_shapes[kind], np.int8)
    made: Operation = kind(**values) if kind is Dense else kind(**values, pad_value=-9, **window)
    return made


def network(kinds: list[type], rng: np.random.Generator, shape: Shape = (5, 4, 3)) -> Network:
    """Chain operations of the given kinds; an addition adds a tensor to itself.

    A dense layer reads a vector, so what comes before it is made one.
    """
    kinds = [k for kind in kinds for k in ((Reshape, kind) if kind is Dense else (kind,))]
    tensors = {"in:0": Tensor("in:0", shape, 0.1, -3)}
    nodes = []
    name = "in:0"
    for index, kind in enumerate(kinds):
        chosen = operation(kind, rng, tensors[name].shape)
        inputs = (name, name) if kind is Addition else (name,)
        name = f"übergang/{index}"
        shape = chosen.output_shape(tensors[inputs[0]].shape)
        tensors[name] = Tensor(name, shape, float(rng.random()), int(rng.integers(-128, 128)))
        nodes.append(Node(f"node {index}", chosen, inputs, name))
    flags: dict[str, Any] = {"layout": "NCHW", "input_rank": 3, "input_unsigned": True}
    return Network("random", tensors, tuple(nodes), "in:0", name, **flags)


def through_json(record: object) -> tuple[Any, dict[str, Content]]:
    document, contents = encode(record)
    assert len(dict(contents)) == len(contents)
    return json.loads(json.dumps(document, allow_nan=False)), dict(contents)


def assert_same(a: object, b: object) -> None:
    """Compare field by field, types and element types included."""
    assert type(a) is type(b)
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)
    elif is_dataclass(a):
        for field in fields(a):
            assert_same(getattr(a, field.name), getattr(b, field.name))
    elif isinstance(a, Mapping) and isinstance(b, Mapping):
        assert_same(tuple(sorted(a)), tuple(sorted(b)))
        for key in a:
            assert_same(a[key], b[key])
    elif isinstance(a, tuple) and isinstance(b, tuple):
        assert len(a) == len(b)
        for part_a, part_b in zip(a, b, strict=True):
            assert_same(part_a, part_b)
    else:
        assert a == b


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_operation_comes_back_as_it_was(kind: type) -> None:
    original = network([kind], np.random.default_rng(1))
    document, contents = through_json(original)
    assert document["nodes"][-1]["operation"]["kind"] == kind.__name__
    assert_same(original, decode(Network, document, contents))


@settings(max_examples=40)
@given(st.lists(st.sampled_from(KINDS), max_size=6), st.integers(0, 1 << 32))
def test_random_networks_come_back_and_compute_the_same(kinds: list[type], seed: int) -> None:
    if Dense in kinds or Reshape in kinds:  # what follows them has no rows for a window
        kinds = [k for k in kinds if k in WINDOWED] + [k for k in kinds if k not in WINDOWED]
    rng = np.random.default_rng(seed)
    original = network(kinds, rng, (64, 4, 3))
    document, contents = through_json(original)
    read = decode(Network, document, contents)
    assert_same(original, read)
    codes = rng.integers(-128, 128, (2, 64, 4, 3), np.int8)
    np.testing.assert_array_equal(golden.run(original, codes), golden.run(read, codes))


def test_contents_are_the_arrays_under_their_paths() -> None:
    original = network([Dense], np.random.default_rng(2), (1, 1, 6))
    (document, contents), tensors = encode(original), through_json(original)[0]["tensors"]
    dense = original.nodes[-1].operation
    assert isinstance(dense, Dense)
    assert [name for name, _ in contents] == [
        "network.nodes[1].operation.weights",
        "network.nodes[1].operation.bias",
        "network.nodes[1].operation.requantisation.multiplier",
        "network.nodes[1].operation.requantisation.shift",
    ]
    assert contents[0][1] is dense.weights
    assert document["input"] == "in:0"
    assert tensors["in:0"] == {
        "name": "in:0",
        "shape": [1, 1, 6],
        "scale": 0.1,
        "zero_point": -3,
    }


def test_numbers_of_numpy_become_plain_ones_of_the_same_value() -> None:
    numbers: dict[str, Any] = {"scale": np.float32(0.1), "zero_point": np.int64(-3)}
    document, _ = through_json(Tensor("x", (1, 1, 2), **numbers))
    read = decode(Tensor, document)
    assert (type(read.scale), type(read.zero_point)) == (float, int)
    assert (read.scale, read.zero_point) == (float(np.float32(0.1)), -3)


def _paths(document: Json, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Return the path of every value inside a document."""
    parts: list[tuple[str | int, Json]] = []
    if isinstance(document, dict):
        parts = list(document.items())
    elif isinstance(document, list):
        parts = list(enumerate(document))
    found = [(*path, key) for key, _ in parts]
    return found + [deeper for key, part in parts for deeper in _paths(part, (*path, key))]


def _parent(document: Any, path: tuple[str | int, ...]) -> Any:  # noqa: ANN401 (any JSON)
    for key in path[:-1]:
        document = document[key]
    return document


@pytest.mark.parametrize("wrong", [None, "other", {}, [], 1.5, True, [[0]], float("nan"), 10**400])
def test_a_value_of_another_type_anywhere_is_refused_or_harmless(wrong: Json) -> None:
    original = network(
        [Convolution, AveragePool, Addition, Reshape, Dense], np.random.default_rng(3)
    )
    text = json.dumps(encode(original)[0])
    contents = dict(encode(original)[1])
    messages = []
    for path in _paths(json.loads(text)):
        document = json.loads(text)
        _parent(document, path)[path[-1]] = wrong
        try:
            decode(Network, document, contents)  # a node's name and a scale may change
        except ArtifactError as error:
            messages.append(str(error))
    assert len(messages) > 50
    assert all(re.fullmatch("(?s)network.*; compile the model again", m) for m in messages)


def test_every_missing_key_is_refused() -> None:
    original = network(list(KINDS), np.random.default_rng(4), (9, 8, 3))
    document, contents = through_json(original)
    text = json.dumps(document)
    paths = [path for path in _paths(document) if isinstance(path[-1], str)]
    assert len(paths) > 100
    for path in paths:
        document = json.loads(text)
        del _parent(document, path)[path[-1]]
        with pytest.raises(ArtifactError, match="compile the model again"):
            decode(Network, document, contents)


def test_messages_name_the_place() -> None:
    document, contents = through_json(network([Convolution], np.random.default_rng(5)))
    name = "network.nodes[0].operation.bias"

    def message(path: tuple[str | int, ...], value: Json, **replaced: Content) -> str:
        copy = json.loads(json.dumps(document))
        if path:
            _parent(copy, path)[path[-1]] = value
        with pytest.raises(ArtifactError) as caught:
            decode(Network, copy, {**contents, **replaced})
        return str(caught.value)

    assert message(("nodes", 0, "operation", "kind"), "Attention") == (
        "network.nodes[0].operation.kind: got 'Attention', expected one of Convolution,"
        " DepthwiseConvolution, Dense, AveragePool, MaximumPool, Addition, Reshape, Softmax;"
        " compile the model again"
    )
    assert message(("nodes", 0, "operation", "stride"), [1]) == (
        "network.nodes[0].operation.stride: got [1], expected a list of 2; compile the model again"
    )
    assert message(("nodes", 0, "operation", "stride"), [0, 0]) == (
        "network: Network is not valid, integer division or modulo by zero; compile the model again"
    )
    assert message(("input_unsigned",), 1) == (
        "network.input_unsigned: got 1, expected bool; compile the model again"
    )
    assert message(("nodes", 0, "operation", "bias"), "gone") == (
        f"{name}: got 'gone', expected the name of a content; compile the model again"
    )
    assert message((), None, **{name: b""}) == (
        f"{name}: got b'', expected an array of int32; compile the model again"
    )
    assert "nothing wrote before" in message(("nodes", 0, "inputs"), ["x"])
    tensor = {"name": "x", "shape": [1, 1], "scale": 1, "zero_point": 0}
    with pytest.raises(ArtifactError, match=r"^tensor.shape: got \[1, 1\], expected a list of 3;"):
        decode(Tensor, tensor)  # type: ignore[arg-type]
    with pytest.raises(ArtifactError, match=r"^tensor: got \"keys \['extra', 'name'"):
        decode(Tensor, {**tensor, "extra": 0})  # type: ignore[dict-item]


def test_what_could_not_be_read_is_not_written() -> None:
    with pytest.raises(TypeError, match=r"^tensor\.scale: got float nan, expected float$"):
        encode(Tensor("x", (1, 1, 1), float("nan"), 0))
    with pytest.raises(
        TypeError, match=r"^tensor\.shape: got tuple \(1, 1\), expected a tuple of 3$"
    ):
        encode(Tensor("x", (1, 1), 1.0, 0))  # type: ignore[arg-type]
    wide: Any = np.ones(1, np.int64)
    rule = Requantisation(wide, np.ones(1, np.int32), 0)
    with pytest.raises(
        TypeError, match=r"^requantisation\.multiplier: .*expected an array of int32"
    ):
        encode(rule)


@dataclass(frozen=True)
class Maps:
    """A record with each kind of mapping."""

    by_index: Mapping[int, bytes]
    by_pair: Mapping[tuple[int, str], str]


def test_mappings_with_numbers_and_tuples_as_keys() -> None:
    original = Maps({10: b"ten", 9: b"nine"}, {(1, "b"): "x", (1, "a"): "y"})
    document, contents = through_json(original)
    assert document == {
        "by_index": {"9": "maps.by_index[9]", "10": "maps.by_index[10]"},
        "by_pair": [[[1, "a"], "y"], [[1, "b"], "x"]],
    }
    assert decode(Maps, document, contents) == original
    document["by_pair"].append([[1, "a"], "z"])
    with pytest.raises(ArtifactError, match=r"maps\.by_pair: .*expected every key once"):
        decode(Maps, document, contents)
    document["by_index"] = {"nine": "maps.by_index[9]"}
    with pytest.raises(ArtifactError, match="got 'nine', expected a whole number as key"):
        decode(Maps, document, contents)


@dataclass(frozen=True)
class Odd:
    """A record with an annotation that has no rule."""

    value: set[int]


def test_an_annotation_without_a_rule_is_a_fault_of_the_dataclass() -> None:
    with pytest.raises(TypeError, match=r"annotation set\[int\] cannot be serialised"):
        encode(Odd({1}))
