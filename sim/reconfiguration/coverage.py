"""Which modules were loaded into which partitions, and which module each took the place of.

A swap can go wrong in a way that depends on what was there before: a register that the last module
left in a good state, a wire that only one of them drives. So every module has to be seen in every
partition, and every one after every other.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from itertools import permutations
from pathlib import Path

from fpga_rt.errors import ArtifactError

_FORMAT = "transition-coverage-1"


class TransitionCoverage:
    """Counts loads and transitions.

    Args:
        modules: Names of the modules, for each partition by its name.
        reloads: Whether a module has to be loaded over itself, too.
    """

    def __init__(self, modules: dict[str, Iterable[str]], *, reloads: bool = False) -> None:
        """Begin with nothing loaded and nothing covered."""
        self.modules = {name: tuple(found) for name, found in modules.items()}
        self.reloads = reloads
        self.loads = {(p, m): 0 for p, found in self.modules.items() for m in found}
        self.transitions = {
            (partition, *pair): 0
            for partition, found in self.modules.items()
            for pair in (*permutations(found, 2), *((m, m) for m in found if reloads))
        }
        self._present: dict[str, str] = {}

    def loaded(self, partition: str, module: str) -> None:
        """Count a load that ended well.

        Raises:
            ValueError: The module is none of the partition's.
        """
        if (partition, module) not in self.loads:
            known = ", ".join(self.modules.get(partition, ())) or "none"
            raise ValueError(f"module {module!r} in partition {partition!r}: expected {known}")
        self.loads[partition, module] += 1
        before = self._present.get(partition)
        if before is not None and (partition, before, module) in self.transitions:
            self.transitions[partition, before, module] += 1
        self._present[partition] = module

    def lost(self, partition: str) -> None:
        """Note that a partition holds no module: a load failed, or the device was reset."""
        self._present.pop(partition, None)

    @property
    def missing(self) -> list[str]:
        """What was not seen yet, a line each."""
        loads = [f"{p}: {m} was never loaded" for (p, m), n in self.loads.items() if not n]
        pairs = [
            f"{p}: {new} was never loaded after {old}"
            for (p, old, new), n in self.transitions.items()
            if not n
        ]
        return loads + pairs

    @property
    def percent(self) -> float:
        """How much of all loads and transitions was seen."""
        counts = [*self.loads.values(), *self.transitions.values()]
        return 100.0 * sum(n > 0 for n in counts) / len(counts) if counts else 100.0

    def merge(self, other: TransitionCoverage) -> None:
        """Add what another run saw.

        Raises:
            ValueError: It was asked for other modules.
        """
        if (other.modules, other.reloads) != (self.modules, self.reloads):
            raise ValueError(
                f"coverage of {other.modules} (reloads={other.reloads}) cannot be added to that of"
                f" {self.modules} (reloads={self.reloads})"
            )
        for load, count in other.loads.items():
            self.loads[load] += count
        for transition, count in other.transitions.items():
            self.transitions[transition] += count

    def to_json(self) -> str:
        """Return everything but what is present as JSON."""
        document = {
            "format": _FORMAT,
            "reloads": self.reloads,
            "modules": {name: list(found) for name, found in self.modules.items()},
            "percent": round(self.percent, 1),
            "loads": [[*key, count] for key, count in self.loads.items()],
            "transitions": [[*key, count] for key, count in self.transitions.items()],
        }
        return json.dumps(document, indent=1)

    @classmethod
    def from_json(cls, text: str) -> TransitionCoverage:
        """Return what `to_json` wrote.

        Raises:
            ArtifactError: The text is something else, or not whole.
        """
        try:
            document = json.loads(text)
            if not isinstance(document, dict) or document.get("format") != _FORMAT:
                raise _refused("another document")
            coverage = cls(document["modules"], reloads=document["reloads"])
            coverage.loads |= {(p, m): n for p, m, n in document["loads"]}
            coverage.transitions |= {(p, a, b): n for p, a, b, n in document["transitions"]}
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise _refused(f"{type(error).__name__}: {error}") from error
        return coverage

    def save(self, path: Path) -> None:
        """Write the JSON; what the file holds of another run is added first.

        Raises:
            ArtifactError: The file holds something else.
            ValueError: It is of other modules.
        """
        if path.exists():
            self.merge(self.from_json(path.read_text(encoding="utf-8")))
        path.write_text(self.to_json(), encoding="utf-8")

    def report(self) -> str:
        """Return a table for each partition: rows are the modules before, columns those after."""
        lines = []
        for partition, modules in self.modules.items():
            width = max(len(name) for name in (*modules, "loads", partition))
            lines.append(" ".join(name.rjust(width) for name in (partition, *modules)))
            counts = [str(self.loads[partition, m]) for m in modules]
            lines.append(" ".join(text.rjust(width) for text in ("loads", *counts)))
            for old in modules:
                row = [str(self.transitions.get((partition, old, new), "-")) for new in modules]
                lines.append(" ".join(text.rjust(width) for text in (old, *row)))
        lines.append(f"{self.percent:.1f} % of loads and transitions seen")
        return "\n".join([*lines, *self.missing])


def _refused(got: str) -> ArtifactError:
    return ArtifactError(
        f"no transition coverage: expected a document of format {_FORMAT}, got {got}; remove the"
        " file and run again"
    )
