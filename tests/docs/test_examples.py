"""Every example of the documentation runs and prints what its page says; every link resolves.

The blocks of a page run in order, in a folder of their own that holds `examples/digits`
and `examples/studies`:

    console  `$ ` begins a command for bash; the lines below it are what it prints
    python   runs; a `text` block right after it is what it prints

`...` stands for any text. `<!-- file: NAME -->` before a block makes a file of it, and
`<!-- not run: REASON -->` leaves it out. Blocks of other languages are not run.
"""

from __future__ import annotations

import configparser
import contextlib
import io
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
LINKED = [*PAGES, *(ROOT / name / "README.md" for name in ("hw", "sim", "bitstreams"))]

_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_NOTE = re.compile(r"<!-- (not run|file): ([^>]+) -->\n\Z")
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_MAKE_DEMO = ("make demo", "fpga-rt demo --output build/demo")
"""What the Makefile does once the environment is there."""
_RUN = {"console", "python"}
_TORCH = r"import torch|torch_export|update[ .]train"
"""What needs torch."""
_INSTALL = re.compile(r"pip install \./(\w+)")


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, text, line number, and the note before it."""

    language: str
    text: str
    line: int
    note: tuple[str, str] | None


def _blocks(page: Path) -> Iterator[Block]:
    text = page.read_text()
    for found in _BLOCK.finditer(text):
        before = text[: found.start()]
        note = _NOTE.search(before)
        pair = (note.group(1), note.group(2)) if note else None
        yield Block(found.group(1), found.group(2), before.count("\n") + 2, pair)


def _commands(text: str) -> Iterator[tuple[str, str]]:
    """Yield every command of a console block and what the block says it prints."""
    for part in re.split(r"^\$ ", text.replace("\\\n", " "), flags=re.MULTILINE)[1:]:
        command, _, output = part.partition("\n")
        yield command, output


def _check_output(got: str, expected: str, where: str) -> None:
    """Compare output with what a page shows; a page that shows nothing says nothing."""
    wanted = [line.rstrip() for line in expected.strip().splitlines()]
    lines = "\n".join(line.rstrip() for line in got.strip().splitlines())
    pattern = re.escape("\n".join(wanted)).replace(re.escape("..."), ".*")
    if wanted:
        assert re.fullmatch(pattern, lines, re.DOTALL), f"{where} prints:\n{lines}"


class _Page:
    """The folder and the environment that the blocks of a page run in."""

    def __init__(self, folder: Path) -> None:
        """Put the example network into the folder."""
        self._folder = folder
        self._names: dict[str, Any] = {"__name__": "__main__"}
        self._path = [str(ROOT)]
        shutil.copytree(ROOT / "examples" / "studies", folder / "examples" / "studies")
        target = folder / "examples" / "digits"
        target.mkdir(parents=True)
        for name in ("digits.onnx", "digits.npz", "card.json"):
            shutil.copy(ROOT / "examples" / "digits" / name, target)

    def write(self, name: str, text: str) -> None:
        """Make the file that a block shows."""
        path = self._folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def python(self, block: Block, where: str) -> str:
        """Run a block with the names of the blocks before it; return what it prints."""
        printed = io.StringIO()
        # An empty line for each before the block: tracebacks name the page's own lines.
        code = compile("\n" * (block.line - 1) + block.text, where, "exec")
        with contextlib.redirect_stdout(printed):
            exec(code, self._names)
        return printed.getvalue()

    def command(self, command: str, where: str) -> str:
        """Run a command; return what it prints on both streams."""
        command = command.replace(*_MAKE_DEMO)
        package = _INSTALL.fullmatch(command)
        if package:
            self._install(package.group(1))
            return ""
        tools = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        path = os.pathsep.join(self._path)
        environment = {**os.environ, "PATH": tools, "PYTHONPATH": path, "MPLBACKEND": "agg"}
        environment["OPENBLAS_NUM_THREADS"] = "1"  # tests run side by side
        done = subprocess.run(
            ["bash", "-o", "pipefail", "-c", command], cwd=self._folder, env=environment,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{where}: {command}\n{done.stdout}"
        return done.stdout

    def _install(self, package: str) -> None:
        """Do what pip does with a package's entry points, without touching the environment."""
        project = configparser.ConfigParser()
        project.read(self._folder / package / "pyproject.toml")
        lines = []
        for section in project.sections():
            if section.startswith("project.entry-points."):
                lines.append(f"[{section.split('.', 2)[2].strip(chr(34))}]")
                lines += [
                    f"{name} = {value.strip(chr(34))}" for name, value in project[section].items()
                ]
        self.write(f"{package}/{package}-1.0.dist-info/entry_points.txt", "\n".join(lines) + "\n")
        metadata = f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n"
        self.write(f"{package}/{package}-1.0.dist-info/METADATA", metadata)
        self._path.insert(0, str(self._folder / package))


def _name(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_examples_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = list(_blocks(page))
    if any(re.search(_TORCH, block.text) for block in blocks if block.language in _RUN):
        pytest.importorskip("torch")
    if any(block.language in _RUN and not block.note for block in blocks):
        pytest.importorskip("onnx")
        pytest.importorskip("matplotlib")
    monkeypatch.chdir(tmp_path)
    place = _Page(tmp_path)
    for number, block in enumerate(blocks):
        where = f"{_name(page)}:{block.line}"
        kind, value = block.note or ("", "")
        if kind == "file":
            place.write(value, block.text)
        elif kind:
            continue
        elif block.language == "console":
            for command, expected in _commands(block.text):
                _check_output(place.command(command, where), expected, where)
        elif block.language == "python":
            printed = place.python(block, where)
            following = blocks[number + 1 : number + 2]
            if following and following[0].language == "text":
                _check_output(printed, following[0].text, where)


def _anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}


def _targets(page: Path) -> set[Path]:
    """Return the files that a page links to; every link must lead somewhere."""
    targets = set()
    prose = _BLOCK.sub("", page.read_text())
    for link in _LINK.findall(prose):
        if link.startswith("https://"):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.exists(), f"{_name(page)} links to {link}, which is not there"
        if anchor:
            assert anchor in _anchors(target), f"{_name(page)} links to {link}: no such heading"
        targets.add(target)
    return targets


@pytest.mark.parametrize("page", LINKED, ids=_name)
def test_links_lead_somewhere(page: Path) -> None:
    _targets(page)


def test_every_page_is_in_the_index() -> None:
    pages = set(DOCS.rglob("*.md")) - {DOCS / "index.md"}
    assert pages <= _targets(DOCS / "index.md")


def test_every_left_out_block_says_why() -> None:
    reasons = [block.note for page in PAGES for block in _blocks(page) if block.note]
    assert all(len(value.split()) > 1 for kind, value in reasons if kind == "not run")
