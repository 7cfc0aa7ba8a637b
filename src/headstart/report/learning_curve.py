"""The page of a learning curve: one figure, one sentence, the numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from headstart.errors import plural
from headstart.report.document import FigureRow, Plot, ReportTable, Section, Text
from headstart.report.figures.style import BLUE, GREY, ORANGE, new_figure, render, set_title, styled
from headstart.report.html import picture, render_page
from headstart.report.text.metric_names import metric_title
from headstart.results.models.learning_curve import CurvePoint, CurveResults
from headstart.storage import write_bytes


def write_curve(folder: Path, results: CurveResults) -> Path:
    """Write ``curve.html``, ``figures/curve.svg`` and ``figures/curve.png``.

    Parameters
    ----------
    folder : Path
    results : CurveResults
        Content of ``curve.json``.

    Returns
    -------
    Path
        The page.
    """
    plot = _plot(results)
    svg, png = render(plot.figure)
    write_bytes(folder / "figures" / "curve.svg", svg)
    write_bytes(folder / "figures" / "curve.png", png)
    sections = (
        Section("result", "What more images would bring", (Text(results.verdict.text),)),
        Section("curve", "The curve", (FigureRow((picture(plot, svg),)), _law(results))),
        Section("numbers", "The numbers", (_measured(results), _predicted(results))),
        Section("method", "How it was made", (Text(_method(results)),)),
    )
    title = f"{folder.resolve().name}: learning curve of {plural(results.n_images, 'image')}"
    page = render_page(title, sections, version=results.headstart, beside="curve.json")
    path = folder / "curve.html"
    write_bytes(path, page.encode())
    return path


def _plot(results: CurveResults) -> Plot:
    name = metric_title(results.metric)
    first, last = results.mean[0], results.mean[-1]
    title = f"{name} goes from {first:.3f} at {results.sizes[0]:,} images to {last:.3f} at {results.sizes[-1]:,}"
    with styled():
        figure = new_figure(7.2, 4.6)
        axes = figure.add_subplot()
        _draw(axes, results)
        set_title(figure, title)
        axes.set_xlabel("Images trained on (logarithmic)")
        axes.set_ylabel(name)
        axes.grid(True, axis="y")
    alt = f"Learning curve. {title}. {results.verdict.text}"
    caption = (
        "Dots: one draw of folds and subsets, judged on all images, each by a model that has not seen it. Line: the "
        "fitted power law, dashed beyond the images at hand. Band: 90 % for the score of one more training set of "
        "that size, on these images."
    )
    return Plot("curve", figure, alt, caption)


def _draw(axes: Any, results: CurveResults) -> None:
    n, score, low, high = (
        np.array([_value(point, key) for point in results.curve]) for key in ("n", "score", "low", "high")
    )
    inside = n <= results.sizes[-1]
    beyond = n >= n[inside][-1]
    axes.fill_between(n, low, high, color=BLUE, alpha=0.15, linewidth=0)
    axes.plot(n[inside], score[inside], color=BLUE, label="power law")
    axes.plot(n[beyond], score[beyond], color=BLUE, linestyle="--", label="carried on")
    for row in results.scores:
        axes.plot(results.sizes, row, "o", color=GREY, markersize=3.5, alpha=0.7)
    axes.plot(results.sizes, results.mean, "o", color=ORANGE, markersize=5, label="mean of the draws")
    axes.set_xscale("log")
    ticks = [size for place, size in enumerate(results.sizes) if place % 2 == 0] + [3 * results.sizes[-1]]
    axes.set_xticks(ticks, [f"{tick:,}" for tick in ticks], minor=False)
    axes.set_xticks([], minor=True)
    axes.legend(loc="lower right" if results.greater_is_better else "upper right")


def _value(point: CurvePoint, key: str) -> float:
    return float(point.band90[key == "high"] if key in ("low", "high") else getattr(point, key))


def _law(results: CurveResults) -> Text:
    law = results.law
    limit = 1 - law.a if results.greater_is_better else law.a
    return Text(
        f"Mean exponent {law.c:.2f}; without end the law would come to {limit:.3f}, which no one should wait for: "
        "the exponent is hardly known, and the band says so.",
        tone="note",
    )


def _measured(results: CurveResults) -> ReportTable:
    scores = np.array(results.scores)
    rows = tuple(
        (f"{size:,}", f"{mean:.3f}", f"{scores[:, place].min():.3f}", f"{scores[:, place].max():.3f}")
        for place, (size, mean) in enumerate(zip(results.sizes, results.mean, strict=True))
    )
    caption = f"{metric_title(results.metric)}, measured over {plural(len(scores), 'draw')}"
    return ReportTable(caption, ("Images trained on", "Mean", "Least", "Most"), rows)


def _predicted(results: CurveResults) -> ReportTable:
    largest = results.sizes[-1]
    shown = results.asked or [point for point in results.curve if point.n >= largest][::3]
    rows = tuple(
        (f"{point.n:,}", f"{point.score:.3f}", f"{point.band90[0]:.3f} to {point.band90[1]:.3f}") for point in shown
    )
    return ReportTable("What the law expects", ("Images trained on", "Score", "90 % band"), rows)


def _method(results: CurveResults) -> str:
    return (
        f"Frozen features of {results.source}. The folds ({results.n_folds}) were drawn "
        f"{len(results.scores)} times; in every training fold nested, stratified subsets of "
        f"{plural(len(results.sizes), 'size')} were drawn, groups and near-duplicates kept whole. On each a "
        "logistic head was chosen by log loss on four inner folds and judged on the held-out images. Law: "
        f"{results.law.form}; exponents from 0.15 to 1.2 averaged by their fit. It is carried to three times the "
        "images at most."
    )
