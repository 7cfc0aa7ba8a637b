"""Reports in a browser: nothing leaves the page, every control does what it says, all can read it, nothing is cut."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_run import FakeImages, Page, engine, make_run, report
from test_cells_count_page import results as counted

from headstart.report.cells_count import write_count_page
from headstart.report.document import Explorer, Section
from headstart.report.explorer import as_json
from headstart.report.html import render_page
from headstart.report.learning_curve import write_curve
from headstart.results.models.learning_curve import CurveResults

CHROMIUM = shutil.which("chromium")
KINDS = ("two", "hostile", "many", "curve", "count")
SERIOUS = ("moderate", "serious", "critical")
OUTSIDE = """width => [...document.querySelectorAll("body *")].filter(one => {
  const box = one.getBoundingClientRect();
  const scrolled = one.closest(".scroll") && !one.matches(".scroll");
  const apart = scrolled || one.closest("svg") || one.matches(".skip");
  return box.width && !apart && (box.right > width + 1 || box.left < -1);
}).map(one => `${one.tagName} ${one.className} ${one.textContent.slice(0, 40)}`)"""
CUT = """() => [...document.querySelectorAll(".scroll")].filter(one => one.scrollWidth > one.clientWidth + 1)
  .map(one => one.textContent.trim().slice(0, 40))"""
OPEN_ALL = "() => document.querySelectorAll('details').forEach(one => { one.open = true })"


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Chromium of the system; the tests are left out where it or its driver is not there."""
    driver = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("chromium is not installed")
    with driver.sync_playwright() as started:
        launched = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield launched
        launched.close()


@pytest.fixture(scope="session")
def pages(
    two: tuple[Path, Page, FakeImages], hostile: tuple[Path, Page], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    """Five kinds of report: two classes with pictures, hostile names without, many classes, a curve and a count."""
    folder = tmp_path_factory.mktemp("kinds")
    make_run(folder / "many", classes=tuple(f"kind {number}" for number in range(12)), n=120)
    with pytest.MonkeyPatch.context() as patch:
        for module in ("write", "learning_curve", "cells_count"):
            patch.setattr(f"headstart.report.{module}.render", lambda figure: (b"<svg/>", b""))
        report(folder / "many")
        return {
            "two": two[0] / "report.html",
            "hostile": hostile[0] / "report.html",
            "many": folder / "many" / "report.html",
            "curve": write_curve(folder, curve()),
            "count": write_count_page(folder, counted([6, 48])),
        }


def curve() -> CurveResults:
    """A small learning curve."""
    points = [{"n": n, "score": 0.8, "band90": [0.7, 0.9]} for n in (40, 80, 240)]
    content = {
        "format": 2,
        "headstart": "0",
        "classes": ["a", "b"],
        "source": "net",
        "engine": engine(),
        "n_folds": 5,
        "seed": 0,
        "data_sha256": "da7a" * 16,
        "metric": "balanced_accuracy",
        "greater_is_better": True,
        "n_images": 80,
        "sizes": [40, 80],
        "scores": [[0.7, 0.8], [0.72, 0.8]],
        "mean": [0.71, 0.8],
        "deviation_of_one": [0.01, 0.01],
        "law": {"form": "1 - a - b n^-c", "a": 0.1, "c": 0.5, "exponents": [1.0]},
        "curve": points,
        "asked": [],
        "verdict": {
            "gain_at_three_times": {"value": 0.02, "band90": [0.0, 0.04]},
            "more_for_two_points": 160,
            "kind": "yes",
            "text": "More images would help.",
        },
    }
    return CurveResults.from_text(json.dumps(content), Path("curve.json"))


@pytest.fixture
def opened(browser: Any, pages: dict[str, Path]) -> Iterator[Callable[..., Any]]:
    """Opens a report; at the end nothing may have been said on the console, nor asked of the network."""
    contexts, said = [], []

    def open_page(kind: str | Path, *, width: int = 1280, **options: Any) -> Any:
        context = browser.new_context(viewport={"width": width, "height": 900}, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: said.append(request.url) if foreign(request.url) else None)
        page.goto((kind if isinstance(kind, Path) else pages[kind]).as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert said == []


def foreign(address: str) -> bool:
    """Whether an address leads out of the page."""
    return not address.startswith(("file:///", "data:"))


@pytest.mark.parametrize("kind", KINDS)
def test_everybody_can_read_it(opened: Callable[..., Any], kind: str) -> None:
    page = opened(kind, color_scheme="dark" if kind in ("hostile", "curve") else "light")
    page.evaluate(OPEN_ALL)
    page.evaluate((Path(__file__).parent / "axe" / "axe.min.js").read_text(encoding="utf-8"))
    found = page.evaluate("async () => (await axe.run(document, {resultTypes: ['violations']})).violations")
    told = [(one["id"], one["nodes"][0]["html"][:200]) for one in found if one["impact"] in SERIOUS]
    assert told == []


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_stands_outside_a_narrow_screen(opened: Callable[..., Any], kind: str) -> None:
    page = opened(kind, width=390)
    page.evaluate(OPEN_ALL)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.evaluate(OUTSIDE, 390) == []


@pytest.mark.parametrize("kind", KINDS)
def test_paper_loses_nothing(opened: Callable[..., Any], kind: str) -> None:
    page = opened(kind)
    words = "() => [...document.querySelectorAll('main :is(p, li, td, th, figcaption, pre)')]"
    static = ".filter(one => !one.closest('.tool, dialog, noscript'))"
    wanted = page.evaluate(f"{words}{static}.length")
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    for width in (680, 703):  # A4 and Letter within their margins
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate(f"{words}{static}.filter(one => one.getClientRects().length).length") == wanted
        assert page.evaluate(OUTSIDE, width) == []
        assert page.evaluate(CUT) == []


def test_the_images_are_filtered_turned_and_enlarged(
    opened: Callable[..., Any], two: tuple[Path, Page, FakeImages]
) -> None:
    with (two[0] / "predictions.csv").open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    page = opened("two")
    found, wall = page.locator("#images-found"), page.locator("#images-wall > li")

    def count(keep: Callable[[dict[str, str]], bool]) -> str:
        return f"{sum(map(keep, rows))} of 240 images"

    def probability(row: dict[str, str]) -> float:
        return round(float(row[f"probability:{row['predicted']}"]), 4)

    assert found.inner_text() == "240 of 240 images"
    page.locator("#f-label").select_option(label="defective")
    assert found.inner_text() == count(lambda row: row["label"] == "defective")
    page.locator("#f-right").select_option(label="wrong")
    assert found.inner_text() == count(lambda row: row["label"] == "defective" != row["predicted"])
    page.locator("#f-reset").click()
    page.locator("#f-predicted").select_option(label="functional")
    page.locator("#f-fold").select_option("2")
    assert found.inner_text() == count(lambda row: row["predicted"] == "functional" and row["fold"] == "1")
    page.locator("#f-reset").click()
    page.locator("#f-from").fill("0.6")
    page.locator("#f-to").fill("0.9")
    assert found.inner_text() == count(lambda row: 0.6 <= probability(row) <= 0.9)
    page.locator("#f-reset").click()
    page.locator("#f-text").fill("CELL001")
    assert found.inner_text() == count(lambda row: "cell001" in row["image"])
    page.locator("#f-reset").click()
    page.locator("#f-order").select_option("data")
    assert wall.first.locator(".name").inner_text() == rows[0]["image"]
    page.locator("#images-on").click()
    assert wall.first.locator(".name").inner_text() == rows[24]["image"]
    page.locator("#images-back").click()
    wall.nth(1).locator("button").press("Enter")
    dialog = page.locator("#image-dialog")
    assert dialog.locator("h3").inner_text() == rows[1]["image"]
    assert dialog.locator("img").count() >= 1
    likely = dialog.locator("tbody tr").first
    assert likely.inner_text().split()[:2] == [rows[1]["predicted"], f"{probability(rows[1]):.3f}"]
    page.locator("#image-dialog-on").click()
    assert dialog.locator("h3").inner_text() == rows[2]["image"]
    page.locator("#image-dialog-back").click()
    assert dialog.locator("h3").inner_text() == rows[1]["image"]
    page.keyboard.press("Escape")
    assert not dialog.is_visible()
    page.locator(".walls [data-image]").first.click()
    assert dialog.is_visible()
    page.locator("#image-dialog-close").click()
    assert not dialog.is_visible()


def test_the_threshold_moves_confusion_and_scores(
    opened: Callable[..., Any], two: tuple[Path, Page, FakeImages]
) -> None:
    with (two[0] / "predictions.csv").open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    truth = np.array([row["label"] == "defective" for row in rows])
    called = np.array([round(float(row["probability:defective"]), 4) >= 0.3 for row in rows])
    page = opened("two")
    page.locator("nav a[href='#curves']").click()
    state = page.locator("#t-state")
    assert state.inner_text().startswith("The final model's threshold, the most probable class.")
    page.locator("#t-slider").evaluate("(one) => { one.value = 0.3; one.dispatchEvent(new Event('input')) }")
    assert state.inner_text().startswith("Exploration: the fitted threshold is 0.500")
    counts = {"tp": truth & called, "fn": truth & ~called, "fp": ~truth & called, "tn": ~truth & ~called}
    told = {name: page.locator(f"#t-{name}").inner_text().split()[0] for name in counts}
    assert told == {name: str(rows.sum()) for name, rows in counts.items()}
    scores = page.locator("#t-scores")
    assert f"{counts['tp'].sum() / truth.sum():.3f}" in scores.inner_text()
    page.locator("#t-miss").fill("10")
    cost = (10 * counts["fn"].sum() + counts["fp"].sum()) / len(rows)
    assert scores.locator("tr").last.inner_text().split()[-1] == f"{cost:.3f}"
    page.locator("#t-roc").click(position={"x": 300, "y": 20})
    assert float(page.locator("#t-value").inner_text()) < 0.3
    page.locator("#t-slider").press("ArrowRight")
    page.locator("#t-class").select_option(label="functional")
    assert "no threshold was fitted" in state.inner_text()
    page.locator("#t-class").select_option(label="defective")
    page.locator("#t-reset").click()
    assert state.inner_text().startswith("The final model's threshold")


def test_links_open_what_they_lead_to_and_tables_are_sorted(opened: Callable[..., Any]) -> None:
    page = opened("two", width=390)
    menu, scores = page.locator("nav details"), page.locator("#scores details")
    assert menu.get_attribute("open") is None and scores.get_attribute("open") is None
    page.locator("nav summary").click()
    page.locator("nav a[href='#scores']").click()
    assert menu.get_attribute("open") is None and scores.get_attribute("open") is not None
    heading = page.locator("#scores th[scope=col]", has_text="Value").first
    column = page.locator("#scores table").first.locator("tbody tr td:nth-child(2)")
    before = [float(words) for words in column.all_inner_texts()]
    heading.locator("button").click()
    assert heading.get_attribute("aria-sort") == "ascending"
    assert [float(words) for words in column.all_inner_texts()] == sorted(before)
    heading.locator("button").click()
    assert [float(words) for words in column.all_inner_texts()] == sorted(before, reverse=True)


def test_without_scripts_everything_is_there_to_read(opened: Callable[..., Any]) -> None:
    page = opened("two", java_script_enabled=False)
    assert page.locator("#gallery > ul.gallery").first.is_visible()
    assert not page.locator("#images").is_visible()
    assert "needs JavaScript" in page.locator("#gallery").inner_text()
    page.locator("#scores summary").click()
    assert page.locator("#scores table").first.is_visible()


def test_an_enlarged_image_tells_its_set_and_its_neighbours_and_the_map_leads_to_it(
    opened: Callable[..., Any], tmp_path: Path
) -> None:
    content = {
        "classes": ["a", "b", "c"],
        "names": ["one.png", "two.png"],
        "label": [0, 1],
        "predicted": [0, 2],
        "top": [7000, 5000],
        "fold": [1, 2],
        "probabilities": [7000, 2000, 1000, 500, 4500, 5000],
        "weights": None,
        "sets": [[0], [1, 2]],
        "near": {1: [["near.png", "c"]]},
        "map": [[0, 0], [1000, 1000]],
        "pictures": {},
    }
    page = opened(written(tmp_path, content))
    canvas = page.locator("#images-map > canvas")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    page.mouse.move(box["x"] + box["width"] - 14, box["y"] + 14)
    assert page.locator("#images-map-told").inner_text() == "two.png: true: b, predicted: c (0.500)"
    page.mouse.down()
    page.mouse.up()
    dialog = page.locator("#image-dialog")
    assert dialog.locator("h3").inner_text() == "two.png"
    rows = [row.split() for row in dialog.locator("tbody tr").all_inner_texts()]
    assert rows == [["c", "0.500", "yes"], ["b", "0.450", "yes"], ["a", "0.050", "no"]]
    assert "Nearest training images: near.png (c)" in dialog.inner_text()


def written(folder: Path, content: dict[str, Any]) -> Path:
    """A page of nothing but the gallery of these images."""
    sections = [Section("gallery", "Images", (Explorer("explorer", as_json(content), "Made up."),))]
    path = folder / "page.html"
    path.write_text(render_page("Images", sections, version="0"), encoding="utf-8")
    return path


def test_fifty_thousand_images_are_filtered_in_a_blink(opened: Callable[..., Any], tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    n = 50_000
    content = {
        "classes": ["a", "b"],
        "names": [f"folder/image{number:06d}.png" for number in range(n)],
        **{name: generator.integers(0, 2, n).tolist() for name in ("label", "predicted")},
        "top": generator.integers(5_000, 10_000, n).tolist(),
        "fold": generator.integers(1, 6, n).tolist(),
        **dict.fromkeys(("probabilities", "weights", "sets")),
        "map": generator.integers(0, 1_001, (n, 2)).tolist(),
        "near": {},
        "pictures": {},
    }
    page = opened(written(tmp_path, content))
    filtered = """() => {
      const text = document.getElementById("f-text");
      const spent = ["7", "77", "777", "7", "77"].map(words => {
        const begun = performance.now();
        text.value = words;
        text.dispatchEvent(new Event("input"));
        return performance.now() - begun;
      });
      return Math.min(...spent);
    }"""
    assert page.evaluate(filtered) <= 200
    assert page.locator("#images-found").inner_text().endswith("of 50,000 images")
