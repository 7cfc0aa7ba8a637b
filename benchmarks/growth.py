"""A fit as data grow: 1,000 to 60,000 images of ten classes, 300 classes x 8 images, 1,000 x 20, and the first answer.

All are pictures of Fashion-MNIST (``apt-get install dataset-fashion-mnist``, or a folder that $FASHION_MNIST names), 28
pixels wide and shown to the network at 96. Many classes are made of the ten by colour and by turning: garment, hue and
angle. Every fit is the command line's, from an empty cache (the first answer from a full one), with the built-in
search; before it stands the estimate. Measured: seconds, processor seconds, the memory of the largest process, the
size of the report, the score. Limits are those of `LIMITS`; from 1,000 to 60,000 images seconds may grow with the
power 1.15 of their number, the accuracy of 60,000 is not below that of 16,000, estimates are within a factor of 1.5.

The three parts may run at different hours: ``--only sizes`` keeps its figures beside those of the other parts, and
``--many TITLE`` those of one fit of many classes beside the others of its part.
"""

from __future__ import annotations

import argparse
import colorsys
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from common import RESULTS, headstart, read, table, write_part
from PIL import Image
from pretrain import NAMES, read_images

PARTS = ("sizes", "many", "first")
SIZES, QUICK_SIZES = (1_000, 4_000, 16_000, 60_000), (300, 600)
MANY = {"300 x 8, no baselines": (300, 8, False), "300 x 8": (300, 8, True), "1,000 x 20": (1_000, 20, True)}
QUICK_MANY = {"60 x 6": (60, 6, True)}
N_FIRST = 1_000
LIMITS = {"60,000": 900, "300 x 8, no baselines": 90, "300 x 8": 180, "1,000 x 20": 1_500, "first answer": 15}
COLUMNS = ("fit", "seconds", "limit", "processor s", "estimate, s", "memory, MB", "report, MB", "split", "accuracy")
LIMIT_MB, REPORT_MB, SLOPE, FACTOR = 3_000, 10, 1.15, 1.5
_SEED = 24


def main() -> int:
    """1 when a limit is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a few hundred images; nothing is kept")
    parser.add_argument("--only", choices=PARTS, action="append", help="a part; may be repeated [default: all]")
    parser.add_argument("--size", choices=SIZES, type=int, action="append", help="a number of images; may be repeated")
    parser.add_argument("--many", choices=MANY, action="append", help="a fit of many classes; may be repeated")
    asked = parser.parse_args()
    missed = []
    for part in asked.only or PARTS:
        with tempfile.TemporaryDirectory(prefix="headstart-growth-") as name:
            rows = measured(Path(name), part, quick=asked.quick, sizes=asked.size, titles=asked.many)
        if part != "first" and not asked.quick:
            rows = with_earlier(part, rows)
        print(f"\n### {part}\n\n{table(COLUMNS, [_shown(row) for row in rows])}\n", flush=True)
        if not asked.quick:
            beyond = misses(rows)
            missed += beyond
            write_part("growth", part, {"fits": rows, "limits": limits(rows), "missed": beyond, "kept": not beyond})
    told = "nothing is judged" if asked.quick else "all limits kept"
    print("\n".join(f"missed: {text}" for text in missed) or told)
    return 1 if missed else 0


def with_earlier(part: str, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows of a part with those of its other fits that were measured before, in their order."""
    parts = read("growth")["parts"] if (RESULTS / "growth.json").is_file() else {}
    found = {row["fit"]: row for row in [*parts.get(part, {}).get("fits", []), *rows]}
    titles = [f"{n:,}" for n in SIZES] if part == "sizes" else list(MANY)
    return [found[title] for title in titles if title in found]


def measured(
    folder: Path, part: str, *, quick: bool, sizes: Sequence[int] | None, titles: Sequence[str] | None
) -> list[dict[str, Any]]:
    """A row for every fit of a part, or for those of these sizes, or of many classes with these titles."""
    images, labels = read_images()
    rows = []
    for n in (QUICK_SIZES if quick else sizes or SIZES) if part == "sizes" else ():
        write_garments(folder / f"{n}", images, labels, n)
        rows.append(fit(folder, f"{n}", f"{n:,}"))
    for title, (n_classes, n_each, baselines) in (QUICK_MANY if quick else MANY).items() if part == "many" else ():
        if titles and title not in titles:
            continue
        name = f"{n_classes}x{n_each}"
        write_many(folder / name, images, labels, n_classes, n_each)
        rows.append(fit(folder, name, title, *(() if baselines else ("--no-baselines",))))
    if part == "first":
        n = QUICK_SIZES[0] if quick else N_FIRST
        write_garments(folder / "first", images, labels, n)
        for title in ("fills the cache", "first answer"):
            last = fit(folder, "first", title, "--quick", cache=folder / "cache-first")
        rows.append(last)
    return rows


def write_garments(folder: Path, images: np.ndarray, labels: np.ndarray, n: int) -> None:
    """The first images of a fixed order in a folder for each class; a larger number holds the smaller."""
    for row in np.random.default_rng(_SEED).permutation(len(images))[:n].tolist():
        _write(folder / NAMES[labels[row]] / f"{row:05d}.png", Image.fromarray(images[row]))


def write_many(folder: Path, images: np.ndarray, labels: np.ndarray, n_classes: int, n_each: int) -> None:
    """Classes by garment, one of ten hues, and an angle: no image stands in two of them."""
    generator = np.random.default_rng(_SEED)
    left = [generator.permutation(np.flatnonzero(labels == code)).tolist() for code in range(len(NAMES))]
    n_turns = -(-n_classes // (10 * len(NAMES)))
    for number in range(n_classes):
        kind, garment = divmod(number, len(NAMES))
        turn, hue = divmod(kind, 10)
        colour = np.array(colorsys.hsv_to_rgb(hue / 10, 0.8, 1.0))
        for place in range(n_each):
            grey = images[left[garment].pop()]
            picture = Image.fromarray((grey[..., None] * colour).astype(np.uint8)).rotate(turn * 180 / n_turns)
            _write(folder / f"{NAMES[garment]} {hue} {turn}" / f"{place:02d}.png", picture)


def _write(path: Path, picture: Image.Image) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path, compress_level=1)


def fit(folder: Path, name: str, title: str, *options: str, cache: Path | None = None) -> dict[str, Any]:
    """One fit by the command line, and what it was estimated to take; with a cache of its own unless one is given."""
    run, cache = folder / f"run-{title}", cache or folder / f"cache-{title}"
    asked = ("fit", str(folder / name), "-o", str(run), "--input-size", "96", "--seed", str(_SEED), *options)
    _, told = headstart(*asked, "--estimate", "--json", cache=cache)
    seconds, spent_s, peak_mb = _run([*asked, "-q"], cache)
    results = json.loads((run / "results.json").read_text(encoding="utf-8"))
    row = {
        "fit": title,
        "seconds": round(seconds, 1),
        "processor_s": round(spent_s, 1),
        "estimate_s": round(sum(json.loads(told.stdout)["seconds"].values()), 1),
        "peak_mb": peak_mb,
        "report_mb": round((run / "report.html").stat().st_size / 1e6, 2),
        "split": results["protocol"]["scheme"],
        "accuracy": results["metrics"]["accuracy"]["value"],
        "steps": json.loads((run / "timings.json").read_text(encoding="utf-8"))["seconds"],
    }
    print(row, flush=True)
    return row


def _run(arguments: Sequence[str], cache: Path) -> tuple[float, float, int]:
    """Wall seconds, processor seconds and the most memory that one process of a command held, in MB."""
    start = time.perf_counter()
    environment = {**os.environ, "HEADSTART_CACHE": str(cache)}
    command = [sys.executable, "-m", "headstart", *arguments]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"headstart {' '.join(arguments)} left with {process.returncode}")
    return time.perf_counter() - start, used.ru_utime + used.ru_stime, round(used.ru_maxrss * 1024 / 1e6)


def limits(rows: Sequence[dict[str, Any]]) -> dict[str, float]:
    """Limits that hold for these fits, of seconds by the fit's name."""
    common = {"memory, MB": LIMIT_MB, "report, MB": REPORT_MB, "estimate, factor": FACTOR}
    slope = {"slope": SLOPE} if "60,000" in {row["fit"] for row in rows} else {}
    return {row["fit"]: LIMITS[row["fit"]] for row in rows if row["fit"] in LIMITS} | common | slope


def misses(rows: Sequence[dict[str, Any]]) -> list[str]:
    """What is beyond its limit, in words."""
    found = {row["fit"]: row for row in rows}
    missed = [f"{name}: {found[name]['seconds']} s" for name, limit in LIMITS.items() if _late(found.get(name), limit)]
    for row in rows:
        if row["peak_mb"] > LIMIT_MB:
            missed.append(f"{row['fit']}: {row['peak_mb']:,} MB")
        if row["report_mb"] > REPORT_MB:
            missed.append(f"{row['fit']}: a report of {row['report_mb']} MB")
        if abs(math.log(row["estimate_s"] / row["seconds"])) > math.log(FACTOR):
            missed.append(f"{row['fit']}: estimated {row['estimate_s']} s")
    if "1,000" in found and "60,000" in found:
        slope = math.log(found["60,000"]["seconds"] / found["1,000"]["seconds"]) / math.log(60)
        print(f"seconds grow with the power {slope:.2f} of the images, limit {SLOPE}")
        missed += [f"slope {slope:.2f}"] if slope > SLOPE else []
        if found["60,000"]["accuracy"] < found["16,000"]["accuracy"]:
            missed.append("60,000 images are told less accurately than 16,000")
    return missed


def _late(row: dict[str, Any] | None, limit: float) -> bool:
    return row is not None and row["seconds"] > limit


def _shown(row: dict[str, Any]) -> list[object]:
    limit = LIMITS.get(row["fit"], "")
    numbers = [row["processor_s"], row["estimate_s"], f"{row['peak_mb']:,}", row["report_mb"]]
    return [row["fit"], row["seconds"], limit, *numbers, row["split"], f"{row['accuracy']:.3f}"]


if __name__ == "__main__":
    raise SystemExit(main())
