"""The report: seconds to write the demonstration's, when its first screen can be read, how fast rows are filtered.

The demonstration is a finished run (``--run FOLDER``, which is copied), else ``headstart demo`` makes one, which takes
minutes. The pages of 60,000 images, of which the gallery knows 50,000, and of 300 classes are of made-up runs, as the
tests make them. Screens are timed in Chromium, at 1280 x 900 pixels, each in a context of its own: from the start of
the navigation until the first content is painted, and until score, verdict and twelve pictures stand decoded on the
page. A filter is timed from its event until the frame that shows the rows.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from common import headstart, median, table, write_results

from headstart.report import write_report
from headstart.report.explorer import MAX_IMAGES
from headstart.storage import write_json

MADE_UP = Path(__file__).parents[1] / "tests" / "report"
SEED = 7309
N_ROUNDS = 7
WRITING_S, SCREEN_MS, FILTER_MS, PAGE_MB, CLASSES_MB = 3.0, 1000, 200, 15, 10
WRITE = """
import sys, time
from headstart.report import write_report
from headstart.workflow.run import rewrite_report
wall, cpu = time.perf_counter(), time.process_time()
rewrite_report(sys.argv[1])
print(time.perf_counter() - wall, time.process_time() - cpu)
"""
WATCH = """
const look = () => {
  const pictures = [...document.querySelectorAll("#result .walls img")];
  const there = pictures.length >= 12 && pictures.every((one) => one.complete && one.naturalWidth > 0);
  const told = document.querySelector("#result .value") && document.querySelector("#result .sentence");
  if (!there || !told) return requestAnimationFrame(look);
  requestAnimationFrame(() => setTimeout(() => { window.readable = performance.now(); }));
};
requestAnimationFrame(look);
"""
SCREEN = "[performance.getEntriesByName('first-contentful-paint')[0].startTime, window.readable]"
FILTER = """async ([id, values, kind]) => {
  const one = document.getElementById(id);
  const spent = [];
  for (const value of values) {
    await new Promise((done) => setTimeout(done, 500));
    const begun = performance.now();
    one.value = value;
    one.dispatchEvent(new Event(kind));
    await new Promise((done) => requestAnimationFrame(() => {
      const channel = new MessageChannel();
      channel.port1.onmessage = done;
      channel.port2.postMessage(0);
    }));
    spent.push(performance.now() - begun);
  }
  return spent;
}"""
FILTERS = {
    "name holds": ("f-text", ("7", "77", "", "12", "3", "", "999"), "input"),
    "true class": ("f-label", ("0", "1", "", "0", "1", "", "0"), "change"),
    "right or wrong": ("f-right", ("0", "1", "", "0", "1", "", "0"), "change"),
    "order": ("f-order", ("doubt", "data", "mistakes", "doubt", "data", "mistakes", "doubt"), "change"),
    "probability from": ("f-from", ("0.6", "0.7", "0.8", "0.9", "0", "0.6", "0"), "input"),
}


def written(run: Path, n_rounds: int) -> dict[str, float]:
    """Median seconds of writing a report again: of the writing alone, and of the whole command."""
    walls, cpus, commands = [], [], []
    for _ in range(n_rounds):
        done = subprocess.run([sys.executable, "-c", WRITE, run], capture_output=True, text=True, check=True)
        wall, cpu = map(float, done.stdout.split())
        walls.append(wall)
        cpus.append(cpu)
        commands.append(headstart("report", str(run), "-q", cache=run / "cache")[0])
    return {"seconds": median(walls), "cpu_seconds": median(cpus), "command_seconds": median(commands)}


@contextmanager
def chromium() -> Iterator[Any]:
    """Chromium of this machine, without a window."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()


def screens(browser: Any, page: Path, n_rounds: int) -> dict[str, float]:
    """Median milliseconds from the navigation to the first content, and to all that the first screen holds."""
    found = []
    for _ in range(n_rounds):
        context = browser.new_context(viewport={"width": 1280, "height": 900})
        opened = context.new_page()
        opened.add_init_script(WATCH)
        opened.goto(page.as_uri())
        opened.wait_for_function("window.readable")
        found.append(opened.evaluate(SCREEN))
        context.close()
    first, readable = (round(statistics.median(times)) for times in zip(*found, strict=True))
    return {"first_paint_ms": first, "readable_ms": readable}


def filtered(browser: Any, page: Path) -> tuple[dict[str, float], str]:
    """Median milliseconds until the rows are shown, by filter, and what the page says it shows."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    opened = context.new_page()
    opened.goto(page.as_uri())
    spent = {name: round(statistics.median(opened.evaluate(FILTER, asked))) for name, asked in FILTERS.items()}
    told = opened.locator("#images > .note").first.inner_text()
    context.close()
    return spent, told


def made_up(folder: Path, *, n_images: int, n_classes: int) -> Path:
    """Page of a made-up run, with pictures and a map of its images."""
    sys.path.append(str(MADE_UP))
    from made_run import FakeImages, make_run

    classes = tuple(f"class {number:03d}" for number in range(n_classes))
    names = make_run(folder, classes=classes, n=n_images, seed=SEED, even=True)
    points = np.random.default_rng(SEED).normal(size=(n_images, 2)).round(4).tolist()
    plane = {"projection": "pca", "explained": 0.5, "features": "made up", "points": points}
    (folder / "explanations").mkdir()
    write_json(folder / "explanations" / "explanations.json", {"format": 1, "n_images": 0, "images": [], "map": plane})
    write_json(folder / "run.json", {"format": 1, "identity": {}})
    images: Any = FakeImages(tuple(names))
    return write_report(folder, dataset=images)


def megabytes(page: Path) -> float:
    """Size of a page."""
    return round(page.stat().st_size / 1e6, 2)


def main() -> int:
    """Write, open and filter; 1 when a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, help="a finished run of the demonstration; it is copied")
    parser.add_argument("--quick", action="store_true", help="small made-up runs, no targets, nothing kept")
    options = parser.parse_args()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    with tempfile.TemporaryDirectory() as name:
        found = measured(Path(name), options.run, quick=options.quick)
    rows = [[what, value, limit] for what, value, limit in limits(found)]
    print(table(["what", "measured", "limit"], rows))
    print(f"The gallery of the large page: {found['filter']['note']}")
    if options.quick:
        return 0
    write_results("report", found)
    return 1 if any(value > limit for _, value, limit in limits(found) if limit != "") else 0


def measured(folder: Path, run: Path | None, *, quick: bool) -> dict[str, Any]:
    """All figures; `folder` is for what is made."""
    demo, n_rounds = folder / "demo", 1 if quick else N_ROUNDS
    if quick and run is None:
        made_up(demo, n_images=240, n_classes=2)
    elif run is None:
        headstart("demo", "-q", "-o", str(demo), cache=folder / "cache")
    else:
        shutil.copytree(run, demo)
    begun = time.perf_counter()
    large = made_up(folder / "large", n_images=2_000 if quick else MAX_IMAGES + 10_000, n_classes=2)
    large_seconds = round(time.perf_counter() - begun, 1)
    many = made_up(folder / "many", n_images=600 if quick else 3_000, n_classes=30 if quick else 300)
    writing = written(demo, n_rounds)
    with chromium() as browser:
        first = screens(browser, many if quick and run is None else demo / "report.html", n_rounds)
        spent, note = filtered(browser, large)
    return {
        "seed": SEED,
        "writing": writing,
        "first_screen": first,
        "filter": {"milliseconds": spent, "note": note, "seconds_to_make": large_seconds},
        "megabytes": {
            "demonstration": megabytes(demo / "report.html"),
            "60,000 images": megabytes(large),
            "300 classes": megabytes(many),
        },
    }


def limits(found: dict[str, Any]) -> Iterator[tuple[str, float, float | str]]:
    """What was measured and the most it may be; an empty text where there is no limit."""
    writing, first, size = found["writing"], found["first_screen"], found["megabytes"]
    yield "writing the demonstration's report, libraries loaded before, s", writing["seconds"], WRITING_S
    yield "its processor time, s", writing["cpu_seconds"], ""
    yield "`headstart report`, loading of libraries included, s", writing["command_seconds"], ""
    yield "first content, ms", first["first_paint_ms"], SCREEN_MS
    yield "first screen readable, ms", first["readable_ms"], SCREEN_MS
    for name, spent in found["filter"]["milliseconds"].items():
        yield f"50,000 rows by {name}, ms", spent, FILTER_MS
    yield "the demonstration's page, MB", size["demonstration"], PAGE_MB
    yield "page of 300 classes, MB", size["300 classes"], CLASSES_MB
    yield "page of 60,000 images, MB", size["60,000 images"], ""


if __name__ == "__main__":
    raise SystemExit(main())
