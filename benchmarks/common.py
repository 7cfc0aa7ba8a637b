"""What the benchmark scripts share: results on disk, tables on the terminal, the machine they ran on."""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from headstart.storage import write_json

RESULTS = Path(__file__).parent / "results"


def write_results(name: str, value: dict[str, Any]) -> None:
    """Keep a benchmark's figures as ``results/NAME.json``, with the machine they were measured on."""
    write_json(RESULTS / f"{name}.json", {**value, "machine": machine()})


def write_part(name: str, part: str, value: dict[str, Any]) -> None:
    """Keep the figures of one part of a benchmark, with its machine, beside the parts that are there already."""
    parts = read(name)["parts"] if (RESULTS / f"{name}.json").is_file() else {}
    write_json(RESULTS / f"{name}.json", {"parts": parts | {part: {**value, "machine": machine()}}})


def machine() -> dict[str, Any]:
    """Processor and core count."""
    model = platform.processor()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        names = [
            line.split(":", 1)[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")
        ]
        model = names[0] if names else model
    return {"processor": model, "n_processors": len(os.sched_getaffinity(0)), "python": platform.python_version()}


def table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table."""
    lines = ["| " + " | ".join(columns) + " |", "|" + " --- |" * len(columns)]
    return "\n".join([*lines, *("| " + " | ".join(str(cell) for cell in row) + " |" for row in rows)])


def headstart(*arguments: str, cache: Path, check: bool = True) -> tuple[float, subprocess.CompletedProcess[str]]:
    """Run the command line with a cache of its own; wall seconds and the finished process."""
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "headstart", *arguments],
        env={**os.environ, "HEADSTART_CACHE": str(cache)},
        capture_output=True,
        text=True,
        check=False,
    )
    seconds = time.perf_counter() - start
    if check and done.returncode:
        raise SystemExit(f"headstart {' '.join(arguments)} left with {done.returncode}:\n{done.stderr}")
    return seconds, done


def median(values: Sequence[float]) -> float:
    """Median, rounded to milliseconds."""
    return round(statistics.median(values), 3)


def read(name: str) -> dict[str, Any]:
    """Figures kept by an earlier benchmark."""
    return dict(json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8")))


def write_between(page: Path, start: str, end: str, text: str) -> None:
    """Put a text between two marks of a page of the documentation."""
    before, rest = page.read_text(encoding="utf-8").split(start)
    page.write_text(f"{before}{start}\n{text}\n{end}{rest.split(end)[1]}", encoding="utf-8")
