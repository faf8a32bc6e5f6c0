"""A TOML file that is checked in full: an error names the file, the line and what would be right.

The library that parses TOML does not keep line numbers, so a key's line is found again in the text.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Any

from fpga_rt.errors import ArtifactError, FpgaRtError, ToolchainError

Table = dict[str, Any]


class TomlFile:
    """A file's text, for messages, and what it says; readers of a form build on it."""

    tables: Sequence[str] = ()
    """What the form has, for messages."""
    entries: Mapping[str, str] = MappingProxyType({})
    """What an entry of a table looks like, for messages; `NAME.` before one is for those inside."""
    form = "a study"

    def __init__(self, path: Path, content: str) -> None:
        """Parse the content of a file.

        Raises:
            ArtifactError: it is no TOML.
            ToolchainError: this Python has no reader of TOML.
        """
        self._path, self._lines = path, content.splitlines()
        toml = _toml()
        try:
            self._data: Table = toml.loads(content)
        except toml.TOMLDecodeError as error:
            where = path if "line" in str(error) else f"{path}:{_unclosed(self._lines)}"
            raise ArtifactError(f"{where}: {error}; study files are TOML") from error
        except ValueError as error:  # Python reads no number of thousands of digits
            longest = max(range(len(self._lines)), key=lambda i: len(self._lines[i]))
            raise ArtifactError(
                f"{path}:{longest + 1}: a number that is too long, expected at most 18 digits"
            ) from error

    def _table(self, *at: str) -> Table:
        table: Any = self._data
        for key in at:
            if key not in table:
                raise self._error(at[:-1], f"there is no table [{'.'.join(at)}]; {self.form} has"
                                  f" {', '.join(f'[{name}]' for name in self.tables)}")  # fmt: skip
            table = table[key]
        if not isinstance(table, dict) or not (table or at == ("study",)):
            some = self.entries.get(at[0] if len(at) == 1 else f"{at[0]}.", "")
            raise self._error(
                at, f"{'.'.join(at)} is {_shown(table)}, expected a table with"
                f" {some or 'entries'}",
            )  # fmt: skip
        return table

    def _checked(
        self, at: Sequence[str], check: Callable[[Any], Any], default: object = None
    ) -> Any:  # noqa: ANN401 - a check says of what type its values are
        """Return a value that passed a check, or the default where there is none."""
        table: Any = self._data
        for key in at[:-1]:
            table = table.get(key, {})
        if at[-1] not in table:
            if default is None:
                what = expected(check)
                raise self._error(
                    at[:-1], f"{at[-1]} is missing" + f", expected {what}" * bool(what)
                )
            return default
        return self._value(at, table[at[-1]], check)

    def _value(self, at: Sequence[str], value: object, check: Callable[[Any], Any]) -> Any:  # noqa: ANN401
        try:
            return check(value)
        except ValueError as error:
            raise self._error(at, f"{at[-1]} is {_shown(value)}, expected {error}") from error
        except FpgaRtError as error:
            raise self._error(at, str(error)) from error

    def _check_keys(self, at: Sequence[str], table: Table, known: Sequence[str]) -> None:
        for key in table:
            if key not in known:
                raise self._error((*at, key), unknown("key", key, known))

    def _error(self, at: Sequence[str], message: str) -> ArtifactError:
        return ArtifactError(f"{self._path}:{line_of(self._lines, at)}: {message}")


def unknown(what: str, name: str, known: Sequence[str] | Mapping[str, object]) -> str:
    """Return what to say of a name that is not known."""
    return f"unknown {what} {name!r}, expected one of {', '.join(known)}"


def expected(check: Callable[[Any], Any]) -> str:
    """Return what a check says that it expects, empty where it does not say."""
    try:
        check(None)
    except ValueError as error:
        return str(error)
    except FpgaRtError:
        return ""
    return ""


def _shown(value: object) -> str:
    """Return a value as text that a message has room for; Python shows no number of any length."""
    try:
        text = repr(value)
    except ValueError:
        return "a whole number of thousands of digits"
    return (
        text
        if len(text) <= _MOST_SHOWN
        else f"{text[: _MOST_SHOWN // 2]}... ({len(text)} characters)"
    )


_MOST_SHOWN = 200


def line_of(lines: Sequence[str], at: Sequence[str]) -> int:
    """Return the line, from 1 on, of a key or table; of the nearest one around it otherwise."""
    best, deepest, table = 1, 0, []
    for number, line, inside in _depths(lines):
        if inside:
            continue
        header = _HEADER.fullmatch(line)
        if header:
            table = _split(header.group(1))
            found = table
        else:
            key = re.match(r"\s*([\w.\"'-]+)\s*=", line)
            if not key:
                continue
            found = [*table, *_split(key.group(1))]
            if "{" in line and len(at) > len(found) and list(at[: len(found)]) == found:
                found = list(at) if re.search(rf"\b{re.escape(at[-1])}\b\s*=", line) else found
        depth = len(found) if list(at[: len(found)]) == found else 0
        if depth > deepest:
            best, deepest = number, depth
    return best


_HEADER = re.compile(r"\s*\[{1,2}\s*([^\[\]]+?)\s*\]{1,2}\s*(?:#.*)?")
_STRING = re.compile(r""" "(?:\\.|[^"\\])*" | '[^']*' """, re.VERBOSE)


def _depths(lines: Sequence[str]) -> Iterator[tuple[int, str, int]]:
    """Yield every line with its number and how many brackets are open where it begins."""
    depth = 0
    for number, line in enumerate(lines, 1):
        yield number, line, depth
        code = _STRING.sub("", line).partition("#")[0]
        depth = max(0, depth + code.count("[") - code.count("]"))


def _unclosed(lines: Sequence[str]) -> int:
    """Return the line of the bracket that is open at the end, the last line if none is."""
    found = list(_depths([*lines, ""]))
    if not found[-1][2]:
        return max(1, len(lines))
    return max(number for number, _, depth in found if not depth)


def _split(dotted: str) -> list[str]:
    return [part.strip().strip("\"'") for part in dotted.split(".")]


def _toml() -> ModuleType:
    try:
        return import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
    except ImportError as error:
        raise ToolchainError(
            "study files are TOML, which Python reads from 3.11 on; run"
            " `pip install 'fpga-rt[study]'`"
        ) from error
