"""Write the reference of the command line: `python -m tools.cli_reference`.

The file `docs/reference/cli.md` is what this prints. It is made from the parsers themselves, not
from their help texts, which differ between versions of Python.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping

from fpga_rt.cli.main import _COMMANDS, _import

_HEAD = """\
# Command line

Written by `python -m tools.cli_reference`; do not edit.

Results go to standard output, the log and the progress bar to standard error. `-v` says what is
going on, `-vv` also shows where an error comes from. Exit codes are in
[errors-and-exit-codes.md](errors-and-exit-codes.md).
"""


def cli_markdown() -> str:
    """Return the documentation of every command."""
    return "\n".join([_HEAD, *_sections(_COMMANDS)])


def _sections(summaries: Mapping[str, str], path: str = "") -> Iterator[str]:
    """Yield a section for each command; `path` are the groups before it, each with a space."""
    for name, summary in summaries.items():
        module = _import(path + name)
        members: Mapping[str, str] | None = getattr(module, "COMMANDS", None)
        head = f"## fpga-rt {path}{name}\n\n{summary[0].upper()}{summary[1:]}.\n"
        if members is not None:
            yield head
            yield from _sections(members, f"{path}{name} ")
            continue
        parser = argparse.ArgumentParser(add_help=False)
        module.add_arguments(parser)
        yield f"{head}\n| argument | meaning |\n|---|---|\n" + "".join(_rows(parser))


def _rows(parser: argparse.ArgumentParser) -> Iterator[str]:
    for action in parser._actions:
        names = ", ".join(f"`{name}`" for name in action.option_strings)
        value = _value(action)
        shown = " ".join(part for part in (names, f"`{value}`" if value else "") if part)
        needed = " (required)" if action.required and action.option_strings else ""
        yield f"| {shown}{needed} | {action.help} |\n"


def _value(action: argparse.Action) -> str:
    """Return what stands for the value of an argument, empty for a flag."""
    if action.nargs == 0:
        return ""
    if action.choices is not None:
        # A bar would end the cell of a table.
        return " or ".join(map(str, action.choices))
    metavar = action.metavar or action.dest.upper()
    return metavar if isinstance(metavar, str) else " ".join(metavar)


if __name__ == "__main__":
    sys.stdout.write(cli_markdown())
