"""The paper on one page: `headstart paper` cold, in a cache of its own, timed; its scores go to the results.

Twice into one folder: first the default on simulated data, which may take 25 minutes on two cores, then with
``--data`` where HEADSTART_TEST_DATA names a folder with PH2 or SKAB, which keeps the first runs and adds to them. A
third call, with everything there, must give the same bytes. Nothing of the sizes was tried with the default's seed.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

from common import headstart, table, write_results

import headstart as library
from headstart.report.paper import score_rows
from headstart.results.models.paper import PaperResults
from headstart.workflow.options.fit import FitOptions
from headstart.workflow.paper.plan import SHIPPED, PaperPlan

MOST_S = 25 * 60
QUICK_SEED = 11


def quick_plan() -> PaperPlan:
    """A ring and an assay of a few minutes, with few heads."""
    small = FitOptions(backbone=SHIPPED, input_size=64, features="block4:rows", split="nested:3x2")
    cells = FitOptions(backbone=SHIPPED, input_size=64, split="nested:3x2")
    return PaperPlan(recordings=8, minutes=25, micrographs=12, seed=QUICK_SEED, signals=small, cells=cells)


def timed(folder: Path, cache: Path, *arguments: str) -> float:
    """Seconds of one call of the command."""
    seconds, _ = headstart("paper", "-o", str(folder), "--offline", "-q", *arguments, cache=cache)
    return round(seconds, 1)


def main() -> int:
    """Run it; 1 when it takes too long, or the same call gives other bytes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few recordings and micrographs, no target, no results")
    quick = parser.parse_args().quick
    real = os.environ.get("HEADSTART_TEST_DATA")
    with tempfile.TemporaryDirectory() as name:
        folder, cache = Path(name) / "paper", Path(name) / "cache"
        if quick:
            start = time.perf_counter()
            options = FitOptions(offline=True, cache=str(cache))
            library.paper(folder, plan=quick_plan(), options=options)
            seconds: dict[str, Any] = {"default": round(time.perf_counter() - start, 1)}
            same = True
        else:
            seconds = {"default": timed(folder, cache)}
            data = () if real is None else ("--data", real)
            seconds["real data added"] = timed(folder, cache, *data) if data else None
            before = (folder / PaperResults.file_name).read_bytes()
            seconds["once more"] = timed(folder, cache, *data)
            same = before == (folder / PaperResults.file_name).read_bytes()
        results = PaperResults.read(folder / PaperResults.file_name)
        steps = {run.name: _steps(folder / run.folder) for run in results.runs}
    if not quick:
        write_results("paper", {"seconds": seconds, "same": same, "steps": steps, "paper": results.to_json()})
    columns, rows = score_rows(results)
    print(table(columns, rows))
    print("seconds:", seconds, "same bytes:", same)
    print("steps:", steps)
    return 0 if quick or (seconds["default"] <= MOST_S and same) else 1


def _steps(run: Path) -> dict[str, float]:
    return dict(json.loads((run / "timings.json").read_text(encoding="utf-8"))["seconds"])


if __name__ == "__main__":
    raise SystemExit(main())
