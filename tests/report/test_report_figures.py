"""The figures of a report: cells hold their numbers, labels stay apart, curves run as the scores beside them say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from made_run import keep_holdout, make_run, report
from matplotlib.figure import Figure
from matplotlib.text import Text
from sklearn.metrics import average_precision_score

from headstart.report.figures import confusion as figures
from headstart.report.figures.curves import CurveLine, curve_plots, roc
from headstart.report.figures.image_map import image_map
from headstart.report.figures.style import class_labels, render, render_svg
from headstart.results.out_of_fold import out_of_fold
from headstart.results.read import read_run


def test_confusion_cells_hold_their_numbers() -> None:
    matrix = np.array([[1200.0, 3.5], [0.0, 0.0]])
    counts = figures.confusion(matrix, ["a", "b"], rates=False, title="t")
    rates = figures.confusion(matrix, ["a", "b"], rates=True, title="t")
    assert [cell.get_text() for cell in counts.axes[0].texts] == ["1,200", "3.5", "0", "0"]
    assert [cell.get_text() for cell in rates.axes[0].texts] == ["99.7", "0.3", "", ""]


@pytest.mark.parametrize("n_classes", [2, 3, 6, 21])
def test_confusion_cells_are_painted_as_matplotlib_enlarges_them(
    n_classes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    matrix = np.random.default_rng(0).integers(0, 40, (n_classes, n_classes)).astype(np.float64)
    names = [f"class {code}" for code in range(n_classes)]
    painted = render(figures.confusion(matrix, names, rates=True, title="t"))
    monkeypatch.setattr(figures, "_paint_cells", lambda axes, colours: axes.imshow(colours))
    monkeypatch.setattr(Text, "set_in_layout", lambda *_: None)
    assert render(figures.confusion(matrix, names, rates=True, title="t")) == painted


def test_panels_of_curves_share_their_ticks_and_their_span() -> None:
    line = CurveLine("c", np.array([0.0, 1.0]), np.array([0.0, 1.0]), None)
    for axes in roc([line] * 5, title="t").axes[:5]:
        assert axes.get_xlim() == axes.get_ylim() == (-0.01, 1.01)
        assert axes.get_aspect() == 1.0
        assert axes.get_xticks().tolist() == axes.get_yticks().tolist() == [0, 0.25, 0.5, 0.75, 1]


def test_the_map_draws_every_image_and_classes_of_one_look_together() -> None:
    rng = np.random.default_rng(0)
    labels, points = np.repeat(np.arange(100), 3), rng.normal(size=(300, 2))
    classes = [f"class {number}" for number in range(100)]
    *of_looks, mistakes = image_map(points, labels, labels == 7, classes, title="t").axes[0].collections
    assert len(of_looks) == 42 and len(mistakes.get_offsets()) == 3
    drawn = np.concatenate([one.get_offsets() for one in of_looks])
    assert sorted(map(tuple, drawn.tolist())) == sorted(map(tuple, points.tolist()))


def test_class_labels_of_figures_stay_apart() -> None:
    labels = class_labels(
        ["one class of very great length A", "one class of very great length B and A", "細胞\U0010fffe", " "]
    )
    assert len(set(labels)) == 4
    assert labels[2:] == ["class 3", "class 4"]


def test_precision_recall_curve_starts_at_its_first_find(tmp_path: Path) -> None:
    make_run(tmp_path, n=60)
    table = (tmp_path / "predictions.csv").read_text().splitlines()
    place = next(i for i, row in enumerate(table) if ",functional," in row)
    name, label, _, *_, repeat, fold = table[place].split(",")
    table[place] = f"{name},{label},defective,0.0,1.0,{repeat},{fold}"
    (tmp_path / "predictions.csv").write_text("\n".join(table) + "\n")
    record = read_run(tmp_path)
    _, plot = curve_plots(record, out_of_fold(record))
    line = plot.figure.axes[0].lines[1]
    recall, precision = (np.asarray(values, dtype=float) for values in line.get_data())
    assert precision.min() > 0.3
    expected = average_precision_score(record.predictions.labels, record.predictions.probabilities[:, 1])
    assert np.sum(np.diff(recall) * precision[1:]) == pytest.approx(expected)
    assert line.get_drawstyle() == "steps-pre"


def test_holdout_bands_know_of_the_images_that_were_not_judged(empty_figures: None, tmp_path: Path) -> None:
    make_run(tmp_path, n=100)
    keep_holdout(tmp_path)
    record = read_run(tmp_path)
    oof = out_of_fold(record)
    assert (record.n_judged, oof.n_rows) == (20, 100)
    assert (oof.fold == -1).sum() == 80
    page = report(tmp_path)
    assert "n = 20" in page.text
    assert (
        "After training on 60 % of the images, one candidate was chosen by log loss on another 20 %; it was then "
        "fitted on both parts together, that is on 80 % of the images (80) and judged once on the remaining 20 % (20), "
        "in a stratified partition (seed 0, split 5eed5eed5eed)."
    ) in page.text


def test_the_last_digits_of_a_layout_do_not_show() -> None:
    """They change from run to run, and the names of an SVG's clip paths are made of them."""

    assert render(small_figure(0.25)) == render(small_figure(0.25 + 1e-13))
    assert render(small_figure(0.25)) != render(small_figure(0.26))


def test_svg_alone_has_the_same_bytes() -> None:
    assert render_svg(small_figure(0.25)) == render(small_figure(0.25))[0]


def small_figure(left: float) -> Figure:
    figure = Figure(figsize=(2, 2))
    figure.add_axes((left, 0.2, 0.6, 0.6)).plot([0, 1])
    return figure
