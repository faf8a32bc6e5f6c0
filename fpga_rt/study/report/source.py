"""What a report is made of: a study's folder, and measured figures that lie in it.

| file | from |
|---|---|
| `results.csv`, `manifest.json` | `fpga-rt study run` |
| `runs/*/run.json` | `fpga-rt study trace` |
| `gpu_baseline.json` | `python -m benchmarks.gpu_baseline` |
| `mlperf_log_summary.txt`, also in folders of its own | MLPerf LoadGen |
| `loadgen.json` beside it | `fpga-rt study loadgen` |
| `break_even.json` | `fpga-rt study break-even` |

Only the first two have to be there.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fpga_rt.errors import ArtifactError
from fpga_rt.study import break_even_search, loadgen_record
from fpga_rt.study.loadgen import SUMMARY, read_summary
from fpga_rt.study.loadgen_record import RECORD
from fpga_rt.study.recording import read_runs
from fpga_rt.study.sweep import MANIFEST, RESULTS, read

GPU = "gpu_baseline.json"

Row = dict[str, str]
Json = dict[str, Any]


@dataclass(frozen=True)
class Source:
    """A study's folder, read.

    Attributes:
        folder: where.
        manifest: what made the results.
        rows: every result, errors among them.
        runs: recordings.
        gpu: the GPU baseline, None where there is none.
        loadgen: summaries by key, by the path of their file.
        records: what `fpga-rt study loadgen` says of the same runs, by the same path.
        break_even: what a search for the break-even found, None where nobody looked.
    """

    folder: Path
    manifest: Json
    rows: Sequence[Row]
    runs: Sequence[Json]
    gpu: Json | None
    loadgen: Mapping[str, Mapping[str, str]]
    records: Mapping[str, Json]
    break_even: Json | None

    @property
    def good(self) -> list[Row]:
        """The results that have figures."""
        return [row for row in self.rows if not row["error"]]


def read_source(folder: Path) -> Source:
    """Read a study's folder.

    Raises:
        ArtifactError: the study has not ended, or a file is not what its name says.
    """
    rows = read(folder / RESULTS)
    manifest = _json(folder / MANIFEST, "run the study again into a new folder")
    gpu, summaries = folder / GPU, sorted(folder.rglob(SUMMARY))
    again = "make it again with `python -m benchmarks.gpu_baseline --output`"
    return Source(
        folder,
        manifest,
        rows,
        read_runs(folder),
        _gpu(gpu, again) if gpu.exists() else None,
        {path.relative_to(folder).as_posix(): read_summary(path) for path in summaries},
        {
            path.relative_to(folder).as_posix(): loadgen_record.read(path.with_name(RECORD))
            for path in summaries
            if path.with_name(RECORD).exists()
        },
        break_even_search.read(folder),
    )


def _gpu(path: Path, again: str) -> Json:
    found = _json(path, again)
    if not {"machine", "measured", "modelled"} <= found.keys():
        raise ArtifactError(f"{path} has no machine, measured and modelled figures; {again}")
    return found


def _json(path: Path, again: str) -> Json:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ArtifactError(f"{path} cannot be read ({error}); {again}") from error
    if not isinstance(data, dict):
        raise ArtifactError(f"{path} is no JSON object; {again}")
    return data
