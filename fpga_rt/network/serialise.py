"""Frozen dataclasses to a JSON-able document plus named contents, and back, exactly.

The annotations of a dataclass are its schema: `encode` and `decode` follow them, so an operation
or a field that is added to a network needs no code here.

* a dataclass is an object with every field that its constructor takes, no more and no fewer;
* one of several dataclasses (an `Operation`) also has its class name under `kind`;
* a tuple is a list; a mapping is an object sorted by key (a list of pairs for tuple keys);
* bytes and arrays stand apart, in the contents: the document holds their names, which are their
  paths, such as `network.nodes[3].operation.weights`.

What is written is checked as strictly as what is read: a value that its annotation does not
describe is a `TypeError`, because `decode` would refuse it.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from functools import cached_property
from typing import Protocol, TypeVar, Union, cast, get_args, get_origin, get_type_hints

import numpy as np
from numpy.typing import NDArray

from fpga_rt.errors import ArtifactError, FpgaRtError

Json = Union[None, bool, int, float, str, "list[Json]", "dict[str, Json]"]
Content = bytes | NDArray[np.generic]
KIND = "kind"
"""Key that holds the class name where an annotation allows several dataclasses."""

_Record_T = TypeVar("_Record_T")
_CONSTRUCTION_ERRORS = (
    FpgaRtError,
    ArithmeticError,
    AttributeError,
    LookupError,
    TypeError,
    ValueError,
)
"""What the checks of a constructor stumble on when the numbers that they are given are nonsense."""


def encode(record: object) -> tuple[dict[str, Json], list[tuple[str, Content]]]:
    """Split a dataclass into a document and its contents, by name, in the order of the fields.

    Raises:
        TypeError: a value is not what its annotation says.
    """
    contents: list[tuple[str, Content]] = []
    kind = type(record)
    document = cast("dict[str, Json]", _codec(kind).encode(record, kind.__name__.lower(), contents))
    return document, contents


def decode(
    kind: type[_Record_T],
    document: Json,
    contents: Mapping[str, Content] = types.MappingProxyType({}),
) -> _Record_T:
    """Join what `encode` split; arrays and bytes are taken from `contents` as they are.

    Raises:
        ArtifactError: a key or a content is missing or unknown, a value has another type, or the
            record is not valid.
    """
    return cast("_Record_T", _codec(kind).decode(document, kind.__name__.lower(), contents))


class _Codec(Protocol):
    """How values of one annotation are written and read; `path` says where they stand."""

    def encode(self, value: object, path: str, contents: list[tuple[str, Content]]) -> Json: ...

    def decode(self, document: Json, path: str, contents: Mapping[str, Content]) -> object: ...


def _brief(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _refusal(path: str, got: object, expected: str) -> ArtifactError:
    return ArtifactError(f"{path}: got {_brief(got)}, expected {expected}; compile the model again")


def _misuse(path: str, got: object, expected: str) -> TypeError:
    return TypeError(f"{path}: got {type(got).__name__} {_brief(got)}, expected {expected}")


class _Scalar:
    """A finite number, a truth value or a string; an integer may stand for a float."""

    def __init__(self, kind: type[int] | type[float] | type[str]) -> None:
        self._kind = kind

    def _accepts(self, value: object) -> bool:
        if isinstance(value, bool) or self._kind is bool:
            return isinstance(value, bool) and self._kind is bool
        if self._kind is float:
            return isinstance(value, (int, float)) and abs(value) <= sys.float_info.max
        return isinstance(value, self._kind)

    def encode(self, value: object, path: str, contents: list[tuple[str, Content]]) -> Json:
        plain = value.item() if isinstance(value, np.generic) else value
        if not self._accepts(plain):
            raise _misuse(path, value, self._kind.__name__)
        return self._kind(plain)  # type: ignore[arg-type]

    def decode(self, document: Json, path: str, contents: Mapping[str, Content]) -> object:
        if not self._accepts(document):
            raise _refusal(path, document, self._kind.__name__)
        return self._kind(document)  # type: ignore[arg-type]


class _Content:
    """An array of one element type, or bytes where `dtype` is None; the document holds its name."""

    def __init__(self, dtype: np.dtype[np.generic] | None) -> None:
        self._dtype = dtype
        self._expected = f"an array of {dtype}" if dtype else "bytes"

    def _accepts(self, value: object) -> bool:
        if self._dtype is None:
            return isinstance(value, bytes)
        return isinstance(value, np.ndarray) and value.dtype == self._dtype

    def encode(self, value: object, path: str, contents: list[tuple[str, Content]]) -> Json:
        if not self._accepts(value):
            raise _misuse(path, value, self._expected)
        contents.append((path, cast("Content", value)))
        return path

    def decode(self, document: Json, path: str, contents: Mapping[str, Content]) -> object:
        if not isinstance(document, str) or document not in contents:
            raise _refusal(path, document, "the name of a content")
        if not self._accepts(contents[document]):
            raise _refusal(path, contents[document], self._expected)
        return contents[document]


class _Row:
    """A tuple: as long as its annotation, or of any length with `...`."""

    def __init__(self, hints: tuple[object, ...]) -> None:
        self._any_length = len(hints) == 2 and hints[1] is Ellipsis
        self._hints = hints

    def _codecs(self, length: int) -> tuple[_Codec, ...] | None:
        if self._any_length:
            return (_codec(self._hints[0]),) * length
        return tuple(map(_codec, self._hints)) if length == len(self._hints) else None

    @property
    def _expected(self) -> str:
        return "a list" if self._any_length else f"a list of {len(self._hints)}"

    def encode(self, value: object, path: str, contents: list[tuple[str, Content]]) -> Json:
        codecs = self._codecs(len(value)) if isinstance(value, tuple) else None
        if codecs is None or not isinstance(value, tuple):
            raise _misuse(path, value, self._expected.replace("list", "tuple"))
        parts = enumerate(zip(codecs, value, strict=True))
        return [codec.encode(part, f"{path}[{i}]", contents) for i, (codec, part) in parts]

    def decode(self, document: Json, path: str, contents: Mapping[str, Content]) -> object:
        codecs = self._codecs(len(document)) if isinstance(document, list) else None
        if codecs is None or not isinstance(document, list):
            raise _refusal(path, document, self._expected)
        parts = enumerate(zip(codecs, document, strict=True))
        return tuple(codec.decode(part, f"{path}[{i}]", contents) for i, (codec, part) in parts)


class _Dictionary:
    """A mapping whose keys are strings or integers: an object sorted by key."""

    def __init__(self, key: Callable[[str], str | int], value: object) -> None:
        self._key = key
        self._value = value

    def encode(self, value: object, path: str, contents: list[tuple[str, Content]]) -> Json:
        if not isinstance(value, Mapping):
            raise _misuse(path, value, "a mapping")
        codec = _codec(self._value)
        document: dict[str, Json] = {}
        for key, part in sorted(value.items()):
            _codec(self._key).encode(key, f"{path} key", contents)
            document[str(key)] = codec.encode(part, f"{path}[{key}]", contents)
        return document

    def _read_key(self, text: str, path: str) -> str | int:
        try:
            key = self._key(text)
        except ValueError:
            key = ""
        if str(key) != text:
            raise _refusal(path, text, "a whole number as key")
        return key

    def decode(self, document: Json, path: str, contents: Mapping[str, Content]) -> object:
        if not isinstance(document, dict):
            raise _refusal(path, document, "an object")
        codec = _codec(self._value)
        keys = sorted((self._read_key(text, path), text) for text in document)
        return {
            key: codec.decode(document[text], f"{path}[{text}]", contents) for key, text in keys
        }


class _Pairs:
    """A mapping with tuples as keys: a list of key and value, sorted by key."""

    def __init__(self, key: object, value: object) -> None:
        self._rows = _Row((tuple[key, value], ...))  # type: ignore[valid-type]

    def encode(self, value: object, path: str, contents: list[tuple[str, Content]]) -> Json:
        if not isinstance(value, Mapping):
            raise _misuse(path, value, "a mapping")
        return self._rows.encode(tuple(sorted(value.items())), path, contents)

    def decode(self, document: Json, path: str, contents: Mapping[str, Content]) -> object:
        pairs = cast(
            "tuple[tuple[object, object], ...]", self._rows.decode(document, path, contents)
        )
        if len(dict(pairs)) != len(pairs):
            raise _refusal(path, document, "every key once")
        return dict(pairs)


class _Record:
    """A dataclass: an object with a key for each field that the constructor takes."""

    def __init__(self, kind: type) -> None:
        self._kind = kind

    @cached_property
    def _codecs(self) -> dict[str, _Codec]:
        hints = get_type_hints(self._kind)
        return {field.name: _codec(hints[field.name]) for field in fields(self._kind) if field.init}

    def encode(
        self, value: object, path: str, contents: list[tuple[str, Content]]
    ) -> dict[str, Json]:
        if type(value) is not self._kind:
            raise _misuse(path, value, self._kind.__name__)
        return {
            name: codec.encode(getattr(value, name), f"{path}.{name}", contents)
            for name, codec in self._codecs.items()
        }

    def decode(self, document: Json, path: str, contents: Mapping[str, Content]) -> object:
        if not isinstance(document, dict):
            raise _refusal(path, document, f"an object with the fields of {self._kind.__name__}")
        if document.keys() != self._codecs.keys():
            raise _refusal(path, f"keys {sorted(document)}", f"keys {sorted(self._codecs)}")
        values = {
            name: codec.decode(document[name], f"{path}.{name}", contents)
            for name, codec in self._codecs.items()
        }
        try:
            return self._kind(**values)
        except _CONSTRUCTION_ERRORS as error:
            raise ArtifactError(
                f"{path}: {self._kind.__name__} is not valid, {error or type(error).__name__};"
                " compile the model again"
            ) from error


class _Variant:
    """One of several dataclasses: the object of the one, and its class name under `KIND`."""

    def __init__(self, kinds: tuple[object, ...]) -> None:
        self._records = {kind.__name__: _Record(kind) for kind in kinds if isinstance(kind, type)}

    @property
    def _expected(self) -> str:
        return f"one of {', '.join(self._records)}"

    def encode(self, value: object, path: str, contents: list[tuple[str, Content]]) -> Json:
        name = type(value).__name__
        if name not in self._records:
            raise _misuse(path, value, self._expected)
        return {KIND: name, **self._records[name].encode(value, path, contents)}

    def decode(self, document: Json, path: str, contents: Mapping[str, Content]) -> object:
        if not isinstance(document, dict):
            raise _refusal(path, document, "an object")
        name = document.get(KIND)
        if not isinstance(name, str) or name not in self._records:
            raise _refusal(f"{path}.{KIND}", name, self._expected)
        rest = {key: part for key, part in document.items() if key != KIND}
        return self._records[name].decode(rest, path, contents)


def _array(hints: tuple[object, ...]) -> _Codec:
    """Return the codec of `NDArray[element]`, which is `ndarray[shape, dtype[element]]`."""
    (element,) = get_args(hints[1])
    return _Content(np.dtype(element))


def _mapping(hints: tuple[object, ...]) -> _Codec:
    key, value = hints
    if key is str or key is int:
        return _Dictionary(key, value)
    return _Pairs(key, value)


_GENERIC: dict[object, Callable[[tuple[object, ...]], _Codec]] = {
    np.ndarray: _array,
    tuple: _Row,
    Mapping: _mapping,
    Union: _Variant,
    types.UnionType: _Variant,
}


_KNOWN: dict[object, _Codec] = {
    bool: _Scalar(bool),
    int: _Scalar(int),
    float: _Scalar(float),
    str: _Scalar(str),
    bytes: _Content(None),
}


def _codec(hint: object) -> _Codec:
    """Return what writes and reads values of an annotation.

    Raises:
        TypeError: no codec is known for the annotation; this is a fault of the dataclass.
    """
    if hint not in _KNOWN:
        _KNOWN[hint] = _make_codec(hint)
    return _KNOWN[hint]


def _make_codec(hint: object) -> _Codec:
    if isinstance(hint, type) and is_dataclass(hint):
        return _Record(hint)
    factory = _GENERIC.get(get_origin(hint))
    if factory is None:
        raise TypeError(f"an annotation {hint} cannot be serialised; see the rules in {__name__}")
    return factory(get_args(hint))
