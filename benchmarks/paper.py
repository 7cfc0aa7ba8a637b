"""The paper on one page: `headstart paper` cold, in a cache of its own, timed; its scores go to the results.

Twice into one folder: first the default on simulated data, which may take 25 minutes on two cores, then with
``--data`` where HEADSTART_TEST_DATA names a folder with PH2 or SKAB, which keeps the first runs and adds to them. A
third call, with everything there, must give the same bytes. Nothing of the sizes was tried with the default's seed. The
scores and seconds are written into docs/paper.md, too, between its two marks.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

from common import headstart, read, table, write_results

import headstart as library
from headstart.report.document import ReportTable
from headstart.report.paper import confusion_table, score_rows, search_table
from headstart.results.models.paper import PaperResults
from headstart.workflow.options.fit import FitOptions
from headstart.workflow.paper.plan import SHIPPED, PaperPlan

DOCS = Path(__file__).parents[1] / "docs" / "paper.md"
FIRST, LAST = "<!-- measured by benchmarks/paper.py -->", "<!-- end of what was measured -->"
NOT_MEASURED = "Not measured yet: `python benchmarks/paper.py` writes its figures here."
MOST_S = 25 * 60
QUICK_SEED = 11
SIGNALS_TABLE = 2


def quick_plan() -> PaperPlan:
    """A ring and an assay of a few minutes, with few heads."""
    small = FitOptions(backbone=SHIPPED, input_size=64, features="block4:rows", split="nested:3x2")
    cells = FitOptions(backbone=SHIPPED, input_size=64, split="nested:3x2")
    return PaperPlan(recordings=8, minutes=25, micrographs=12, seed=QUICK_SEED, signals=small, cells=cells)


def measured(found: dict[str, Any]) -> str:
    """What docs/paper.md tells of the results of this benchmark."""
    results, seconds = PaperResults.from_text(json.dumps(found["paper"]), DOCS), found["seconds"]
    machine = found["machine"]
    minutes = {name: f"{value / 60:.1f}" for name, value in seconds.items() if value is not None}
    added = f", {minutes['real data added']} more with PH2 and SKAB" if "real data added" in minutes else ""
    many = f"{machine['n_processors']} processors ({machine['processor']})"
    took = f"On {many}, with nothing cached, the default took {minutes['default']} minutes{added}."
    lacking = [f"Not run: {one.data}. {one.reason}" for one in results.not_run]
    published = next(one for one in results.tables if one.number == SIGNALS_TABLE)
    parts = [
        took,
        table(*score_rows(results)),
        of_table(confusion_table(published, [*results.runs_of("signals")])),
        of_table(search_table(results)),
        *lacking,
    ]
    return "\n\n".join(parts)


def of_table(shown: ReportTable) -> str:
    """A table of the page as Markdown."""
    return table(shown.columns, shown.rows)


def write_docs(found: dict[str, Any]) -> None:
    """Put what was measured between the marks of docs/paper.md."""
    before, _, rest = DOCS.read_text(encoding="utf-8").partition(FIRST)
    after = rest.partition(LAST)[2]
    DOCS.write_text(f"{before}{FIRST}\n\n{measured(found)}\n\n{LAST}{after}", encoding="utf-8")


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
        write_docs(read("paper"))
    columns, rows = score_rows(results)
    print(table(columns, rows))
    print("seconds:", seconds, "same bytes:", same)
    print("steps:", steps)
    return 0 if quick or (seconds["default"] <= MOST_S and same) else 1


def _steps(run: Path) -> dict[str, float]:
    return dict(json.loads((run / "timings.json").read_text(encoding="utf-8"))["seconds"])


if __name__ == "__main__":
    raise SystemExit(main())
